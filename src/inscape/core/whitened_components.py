"""Leading principal components of features, each of variance one: what a linear map can be trained
on in few steps.

    x → (x − mean) V / s · √n          V, s: right singular vectors and values of the centred rows

Whitening changes no linear map's reach, only how fast gradient descent gets there: every direction
is as steep as every other.

Cost: n d min(n, d).
Reference: LeCun, Bottou, Orr and Müller (1998), Efficient BackProp, §4.3 (decorrelated inputs).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def whitened_components(
    seen: Float[Tensor, "n *places d"], new: Float[Tensor, "m *places d"], keep: int
) -> tuple[Float[Tensor, "n *places k"], Float[Tensor, "m *places k"]]:
    """One affine map of both sides, fitted on the first.

    Args:
        seen: features that the components are found in.
        new: features that are mapped alike.
        keep: k, at most d and at most the rows of `seen`; a component that does not vary stays near
            0.

    Returns:
        The components of both sides; those of `seen` have mean 0 and variance 1.

    Example:
        >>> seen = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 0.1], [2.0, -0.1]])
        >>> found = whitened_components(seen, seen, 2)[0].tolist()
        >>> [[round(abs(v), 3) for v in row] for row in found]
        [[1.414, 0.0], [1.414, 0.0], [0.0, 1.414], [0.0, 1.414]]
    """
    flat = seen.flatten(0, -2)
    mean = flat.mean(dim=0)
    _, s, vt = torch.linalg.svd(flat - mean, full_matrices=False)
    way = vt[:keep].T / s[:keep].clamp_min(1e-6 * s[0]) * len(flat) ** 0.5
    return (seen - mean) @ way, (new - mean) @ way
