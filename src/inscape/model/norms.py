"""What a normalisation does, as numbers: its gain, its offset and the scale that depends on its
input.

    RMSNorm:    y = g ⊙ x / √(mean(x²) + ε)
    LayerNorm:  y = g ⊙ (x − mean(x)) / √(var(x) + ε) + b

Folding g into the weights that read y gives directions in the residual stream; holding the
denominator constant makes the norm linear. Families spell g as the weight or as one plus the
weight: which, is read off what the module does to a vector of ones, not off its name.

Reference: Ba et al. (2016), arXiv:1607.06450; Zhang and Sennrich (2019), arXiv:1910.07467.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inscape.core.errors import ModelError


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a LayerNorm, or an RMSNorm under any name that ends so."""
    return isinstance(module, nn.LayerNorm) or type(module).__name__.endswith("RMSNorm")


def norms(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every normalisation in a network, with its path."""
    return ((path, module) for path, module in net.named_modules() if is_norm(module))


def epsilon(norm: nn.Module) -> float:
    """ε under the root.

    Raises:
        ModelError: the module does not say.
    """
    for name in ("variance_epsilon", "eps", "epsilon"):
        if isinstance(found := getattr(norm, name, None), float):
            return found
    raise ModelError(
        f"{type(norm).__name__} does not say its epsilon, so its denominator cannot be held "
        "constant"
    )


def gain(norm: nn.Module) -> Float[Tensor, " d"]:
    """The vector g that multiplies the normalised input.

    Raises:
        ModelError: what the module does to a vector of ones (of both signs, for a LayerNorm) is
            neither its weight nor one plus it.
    """
    weight = getattr(norm, "weight", None)
    if weight is None:
        raise ModelError(f"{type(norm).__name__} has no weight, so there is no gain to be read")
    weight = weight.detach()
    if type(norm) is nn.LayerNorm:
        return weight
    probe = torch.ones_like(weight)
    if isinstance(
        norm, nn.LayerNorm
    ):  # of a kind of its own: what is looked at must have a mean of zero
        probe[1::2] = -1
        probe = probe - probe.mean()
    with torch.no_grad():
        offset = getattr(norm, "bias", None)
        out = norm(probe[None])[0] - (0 if offset is None else offset)
        size = (probe.float().pow(2).mean() + epsilon(norm)) ** 0.5
        seen = out.float() * size / probe.float()
    for g in (weight, 1 + weight):
        if torch.allclose(seen, g.float(), rtol=2e-2, atol=1e-3):
            return g
    raise ModelError(
        f"{type(norm).__name__} multiplies by neither its weight nor one plus it; its gain is not "
        "known"
    )


def with_constant_scale(
    norm: nn.Module, x: Float[Tensor, "*batch d"], g: Float[Tensor, " d"]
) -> Float[Tensor, "*batch d"]:
    """The norm's output for x, its denominator taken as a constant: affine in x, linear but for a
    LayerNorm's offset.

    The denominator is computed in the dtype of x, where transformers' own RMSNorm rounds to
    float32.

    Args:
        norm: the module, not called.
        x: its input.
        g: its gain, from `gain`.
    """
    centred = x - x.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else x
    scale = torch.rsqrt(centred.pow(2).mean(-1, keepdim=True) + epsilon(norm)).detach()
    out = centred * scale * g
    offset = getattr(norm, "bias", None)
    return out if offset is None else out + offset.detach()
