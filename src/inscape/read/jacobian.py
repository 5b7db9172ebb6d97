"""Jacobians of connected tensors, many rows at a time.

    J = ∂y/∂x,   rows uᵀJ for all directions u of the output by one batched backward pass a chunk

A loop of one backward pass an output reads every weight once for each row; here a chunk of rows
shares the reading, and one pass serves every input asked for: the states at all layers, say. Cost:
k backward passes in k/chunk batches; memory grows with the chunk.

Reference: Griewank and Walther (2008), Evaluating derivatives, §3 (vector reverse mode).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def jacobian(
    output: Float[Tensor, " k"],
    inputs: Sequence[Tensor],
    *,
    directions: Float[Tensor, "m k"] | None = None,
    chunk: int = 288,
) -> list[Tensor]:
    """The Jacobian of a vector with respect to each of several tensors.

    Args:
        output: a vector in the graph of the inputs.
        inputs: tensors of any shapes.
        directions: rows u, for uᵀJ instead of every row.
        chunk: rows in one batch.

    Returns:
        For each input, (k or m, *its shape), detached.

    Raises:
        ValueError: the output does not depend on an input, or is no longer in a graph; a chunk of
            none.

    Example:
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> jacobian(torch.stack([x[0] * x[1], x[1] ** 2, x.sum()]), [x])[0].tolist()
        [[2.0, 1.0], [0.0, 4.0], [1.0, 1.0]]
    """
    if chunk < 1:
        raise ValueError(f"jacobian: chunk must be at least 1, got {chunk}")
    if not output.requires_grad:
        raise ValueError(
            "jacobian: the output is not in a graph; compute it with gradients enabled"
        )
    rows = (
        torch.eye(len(output), dtype=output.dtype, device=output.device)
        if directions is None
        else directions
    )
    parts: list[list[Tensor]] = [[] for _ in inputs]
    for some in rows.to(output.dtype).split(chunk):
        found = torch.autograd.grad(
            output, list(inputs), some, retain_graph=True, is_grads_batched=True, allow_unused=True
        )
        for i, (part, grad) in enumerate(zip(parts, found, strict=True)):
            if grad is None:
                raise ValueError(
                    f"jacobian: the output does not depend on input {i}; take one that comes "
                    "before it"
                )
            part.append(grad.detach())
    return [torch.cat(part) for part in parts]
