"""Gates held constant: inside the block a network is linear (affine, where it has biases) at the
input it is given.

    norms      the denominator √(mean x² + ε), or a LayerNorm's standard deviation
    attention  the softmax weights, by cutting queries and keys off the graph
    gated MLP  the gate's branch, by cutting its pre-activation off: φ(gate) ⊙ up is then linear in up
    plain MLP  φ(x) = (φ(x)/x) · x with the ratio constant, for any φ with φ(0) = 0

Values are those of the network, to rounding; only derivatives change. Every rule is a hook placed
for the length of the block and gone after it, whatever was raised.

Reference: Golden (2025), Large language models are locally linear mappings, arXiv:2505.24293.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.norms import gain, is_norm, norms, with_constant_scale
from inscape.model.taps import Place
from inscape.model.within_thread import own_hook

RULES = ("norm", "attention", "mlp")


@contextmanager
def detached(model: Model, rules: Sequence[str] = RULES) -> Iterator[Model]:
    """A block in which the gates of a model are constants to autograd.

    Args:
        model: a text model of a known family.
        rules: which gates; all of them make the model linear at its input.

    Yields:
        The model itself.

    Raises:
        ModelError: no family is known, a norm's gain cannot be read, or the network has a gate that
            no rule reaches.
        ValueError: an unknown rule.
    """
    if unknown := [rule for rule in rules if rule not in RULES]:
        raise ValueError(
            f"detached: rules must be among {', '.join(RULES)}, got {', '.join(unknown)}"
        )
    if model.family is None or model.kind != "text":
        raise ModelError(
            f"{model.name}: gates are known for text models of a known family; this is none"
        )
    _refused(model, rules)
    handles: list[Any] = []
    try:
        if "norm" in rules:
            # gains first: reading one calls the module
            found = [(module, gain(module)) for _, module in norms(model.atlas.body)]
            handles += [
                module.register_forward_hook(own_hook(_constant_scale(g))) for module, g in found
            ]
        for site in model.sites:
            if "attention" in rules and site.point in ("q", "k"):
                handles.append(_cut(model.atlas.place(site)))
            if "mlp" in rules and site.point == "mlp_pre":
                handles += _gate(model, site)
        yield model
    finally:
        for handle in handles:
            handle.remove()


def gated(model: Model) -> bool:
    """Whether the model's MLPs multiply by a gate's branch, rather than apply a function to one
    projection.
    """
    return model.family is not None and model.family.up is not None


def _refused(model: Model, rules: Sequence[str]) -> None:
    """Refuse a network with a gate that no rule reaches: it would not be linear inside the
    block.
    """
    assert model.family is not None
    missing = {
        "attention": [p for p in ("q", "k") if p not in model.family.points],
        "mlp": [p for p in ("mlp_pre", "mlp_act") if p not in model.family.points],
        "norm": [
            type(m).__name__
            for m in model.atlas.body.modules()
            if type(m).__name__.endswith("Norm") and not is_norm(m)
        ],
    }
    for rule in rules:
        if missing[rule]:
            raise ModelError(
                f"{model.name}: the gates of {rule!r} cannot be held constant, since "
                f"{missing[rule][0]} is not known "
                f"here; leave the rule {rule!r} out"
            )


def _constant_scale(g: Tensor) -> Any:
    return lambda module, args, _out: with_constant_scale(module, args[0], g)


def _cut(place: Place) -> Any:
    """Cut one site off the graph, leaving what else lies in the same tensor."""

    def hook(_module: nn.Module, _args: Any, out: Tensor) -> Tensor:
        return place.view.write(out, len(out), lambda h: h.detach())

    return place.module.register_forward_hook(own_hook(hook))


def _gate(model: Model, site: Site) -> list[Any]:
    place = model.atlas.place(site)
    if gated(model):
        return [_cut(place)]
    after = model.atlas.place(Site("mlp_act", site.layer))
    kept: list[Tensor] = []

    def before(_module: nn.Module, _args: Any, out: Tensor) -> None:
        kept[:] = [out]

    def ratio(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        x, y = kept.pop(), args[0]
        # where x is zero so is φ(x), and any ratio gives that
        constant = torch.where(
            x == 0, torch.zeros_like(x), y / torch.where(x == 0, torch.ones_like(x), x)
        ).detach()
        return (x.view_as(y) * constant.view_as(y), *args[1:])

    return [
        place.module.register_forward_hook(own_hook(before)),
        after.module.register_forward_pre_hook(own_hook(ratio)),
    ]
