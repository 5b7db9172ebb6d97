"""Jacobian lens: a state carried to the last layer by the network's own average derivative, then
read by the unembedding.

    J_ℓ = mean over prompts and positions t of Σ_{t′ ≥ t} ∂h_L(t′) / ∂h_ℓ(t),      lens_ℓ(h) = softmax(W_U norm(J_ℓ h))

The sum over later positions counts what a state makes the network say anywhere from there on. A
backward pass with a one at coordinate i of every final position gives row i of J for all layers and
positions at once; `copies` of the prompt in a batch give as many rows a pass. First positions are
left out: attention sinks have derivatives of their own kind.

`local_jacobian` is the derivative at one state, column by column in forward mode, for a map that is
a plain function.

Cost: d / copies backward passes over `copies` prompts, each.
Reference: Gurnee, Sofroniew, Lindsey et al. (2026), Verbalizable representations form a global
workspace in language models, transformer-circuits.pub; Hernandez et al. (2023), arXiv:2308.09124,
for the local one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core.arrays import to_numpy
from inscape.core.batch import Tokens
from inscape.core.errors import ModelError
from inscape.core.overwriting import refuse_foreign
from inscape.core.torch_files import load_tensors
from inscape.model.graph import graph
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.logit_lens import Reading, logit_lens

#: runs one prompt so many times side by side; gives the states of each layer and the final ones,
# (copies, positions, d), in
#: the graph
Forward = Callable[[int], tuple[Sequence[Tensor], Tensor]]


@dataclass(frozen=True, eq=False)
class JacobianLens:
    """Average Jacobians by layer.

    Attributes:
        matrices: layer (a block's output) → J, (d, d).
        prompts: how many they are averages over.
    """

    matrices: Mapping[int, Float[Tensor, "d d"]] = field(default_factory=dict)
    prompts: int = 0

    def __call__(self, layer: int, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """States of a layer carried to the last one.

        Raises:
            ValueError: the lens has no such layer.
        """
        if layer not in self.matrices:
            raise ValueError(
                f"JacobianLens: there is no layer {layer}; it has {sorted(self.matrices)}"
            )
        return h @ self.matrices[layer].to(h).T

    @classmethod
    def fit(
        cls, model: Model, texts: Sequence[str], *, skip: int = 1, copies: int = 16
    ) -> JacobianLens:
        """Average a model's Jacobians over texts.

        Args:
            model: a language model.
            texts: what it reads; each takes width / copies passes back.
            skip: first positions left out.
            copies: rows of J that one pass back gives.
        """
        sites = model.select("resid_post.*")

        def forward(tokens: Tokens) -> Forward:
            ids = torch.as_tensor(tokens.ids)[None]

            def states(count: int) -> tuple[Sequence[Tensor], Tensor]:
                found = graph(model, ids, sites, copies=count)
                return [found[s] for s in sites[:-1]], found[sites[-1]]

            return states

        prompts = [forward(t) for t in model.tokenize(list(texts))]
        layers = [int(s.layer or 0) for s in sites[:-1]]
        return jacobian_lens(prompts, layers, skip=skip, copies=copies)

    def read(
        self, readout: Readout, site: str, h: Any, final: Any = None, *, k: int = 10
    ) -> Reading:
        """What states would say once carried to the last layer; those of the last layer are read as
        they are.

        Raises:
            ValueError: a site that is no block's output, or of a layer beyond the lens.
        """
        point, _, number = str(site).partition(".")
        if point != "resid_post":
            raise ValueError(f"JacobianLens: it reads resid_post.*, got {site!r}")
        states = torch.as_tensor(to_numpy(h)) if not isinstance(h, Tensor) else h
        layer = int(number)
        return logit_lens(
            readout,
            states if layer == max(self.matrices, default=0) + 1 else self(layer, states),
            final,
            k=k,
        )

    def __add__(self, other: JacobianLens) -> JacobianLens:
        """The lens of both sets of prompts."""
        if not self.prompts or not other.prompts:
            return self if self.prompts else other
        if set(self.matrices) != set(other.matrices):
            raise ValueError("JacobianLens: lenses of different layers cannot be one")
        total = self.prompts + other.prompts
        mean = {
            k: (j * self.prompts + other.matrices[k] * other.prompts) / total
            for k, j in self.matrices.items()
        }
        return JacobianLens(mean, total)

    def save(self, path: str | Path) -> None:
        """Write the lens as the published ones are: half-precision tensors by layer in one file.

        Raises:
            ModelError: there is such a file already.
        """
        refuse_foreign(path, None, ModelError)
        layers = sorted(self.matrices)
        width = len(next(iter(self.matrices.values())))
        kept = {k: self.matrices[k].to(torch.float16) for k in layers}
        torch.save(
            {"J": kept, "n_prompts": self.prompts, "d_model": width, "source_layers": layers}, path
        )

    @classmethod
    def load(cls, path: str | Path) -> JacobianLens:
        """Open a published lens; tensors alone are read.

        Raises:
            ModelError: the file is none.
        """
        try:
            found = load_tensors(path)
            matrices = {int(k): j.float() for k, j in found["J"].items()}
            shapes = {tuple(j.shape) for j in matrices.values()}
            prompts = int(found.get("n_prompts", 1))
        except (
            Exception
        ) as error:  # a missing file, another layout, or more than tensors: three unrelated types
            raise ModelError(
                f"{path} is not a Jacobian lens ({type(error).__name__}): a file is needed that "
                "holds tensors (d, d) by layer under J."
            ) from error
        if len(shapes) != 1 or len(next(iter(shapes))) != 2 or len(set(next(iter(shapes)))) != 1:
            raise ModelError(
                f"{path}: the matrices of a Jacobian lens are (d, d), these are {sorted(shapes)}."
            )
        return cls(matrices, prompts)


def jacobian_lens(
    prompts: Iterable[Forward], layers: Sequence[int], *, skip: int = 1, copies: int = 16
) -> JacobianLens:
    """Average the Jacobians of prompts.

    Args:
        prompts: for each, a function that runs it.
        layers: names of the layers whose states the function gives, in order.
        skip: first positions left out, as sources and as targets.
        copies: rows of J that one backward pass gives.

    Returns:
        The lens.

    Raises:
        ValueError: no prompts, or one with no position left.
    """
    total = JacobianLens()
    for forward in prompts:
        total = total + JacobianLens(
            dict(zip(layers, _average(forward, skip, copies), strict=True)), 1
        )
    if not total.prompts:
        raise ValueError("jacobian_lens: there are no prompts; give at least one")
    return total


def _average(forward: Forward, skip: int, copies: int) -> list[Tensor]:
    states, final = forward(copies)
    if final.shape[1] <= skip:
        raise ValueError(
            f"jacobian_lens: a prompt of {final.shape[1]} positions has none left after the first "
            f"{skip}"
        )
    d = final.shape[-1]
    rows: list[list[Tensor]] = [[] for _ in states]
    for start in range(0, d, copies):
        count = min(copies, d - start)
        cotangent = torch.zeros_like(final)
        cotangent[torch.arange(count), skip:, torch.arange(start, start + count)] = 1.0
        grads = torch.autograd.grad(final, list(states), cotangent, retain_graph=start + copies < d)
        for found, grad in zip(rows, grads, strict=True):
            found.append(grad[:count, skip:].mean(dim=1).detach())
    return [torch.cat(found) for found in rows]


def local_jacobian(
    function: Callable[[Tensor], Tensor], h: Float[Tensor, " d"], *, chunk: int = 64
) -> Float[Tensor, "e d"]:
    """∂f/∂h at one state, from Jacobian-vector products, `chunk` of them at a time.

    Args:
        function: from (d,) to (e,), without in-place operations.
        h: where.
        chunk: directions a batch.

    Example:
        >>> local_jacobian(lambda h: 3 * h, torch.zeros(2)).tolist()
        [[3.0, 0.0], [0.0, 3.0]]
    """

    def along(v: Tensor) -> Tensor:
        return torch.func.jvp(function, (h,), (v,))[1]

    eye = torch.eye(len(h), dtype=h.dtype, device=h.device)
    with warnings.catch_warnings():
        # torch's forward mode registers its rules through a compiler that it deprecates itself
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.cat([torch.func.vmap(along)(part) for part in eye.split(chunk)]).T
