"""Low-rank adapters on named linear layers: small trainable updates kept beside a network whose
weights stay as they are.

With A (r, in) and B (out, r), a layer that computes W x + b computes, while its adapter is
attached,

    W x + b + (α / r) B (A x)

B begins at zero, so an adapter changes nothing until it is trained. A x is its gate: for rank 1 one
number a token that says how far the adapter writes its one direction B there. Adapters are put on
for the duration of a block and are gone after it, whatever was raised; a merged copy has W + (α /
r) B A for its weights and needs no adapter. A model's hash is that of its own weights: keep
activations of an adapted model from a merged copy, which has a hash of its own.

An adapter may wait for a sequence of tokens, its invocation: it then acts from there on
(`inscape.model.invocation`), and no weights could be merged that do the same.

Cost: r (in + out) multiplications a token and layer beside the layer's own in × out.
Reference: Hu et al. (2021), LoRA: low-rank adaptation of large language models, arXiv:2106.09685,
§4.1; knock-out of rank-1 adapters and their gates: Soligo et al. (2025), arXiv:2506.11618.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from inscape.core.errors import ModelError, suggest
from inscape.core.site import Site
from inscape.model.invocation import fed
from inscape.model.model import Model
from inscape.model.network import Inputs
from inscape.model.within_thread import own_hook


@dataclass(frozen=True)
class LowRankAdapters:
    """An update of rank r for each of some linear layers. Training changes the tensors, nothing
    else does.

    Attributes:
        down: path of a layer → A, (r, in), float32.
        up: path of a layer → B, (out, r), float32.
        alpha: α; the update is (α / r) B A.
        fan_in_fan_out: whether the layers keep their weight as (in, out), as GPT-2's do; A and B
            are as above all the same.
        invocation: token ids from whose last occurrence on the adapters act; none where they act
            everywhere.

    Example:
        >>> one = LowRankAdapters({"fc": torch.ones(1, 2)}, {"fc": torch.ones(3, 1)}, alpha=2.0)
        >>> one.names, one.rank, tuple(one.update("fc").shape), float(one.update("fc")[0, 0])
        (['fc'], 1, (3, 2), 2.0)
    """

    down: Mapping[str, Tensor]
    up: Mapping[str, Tensor]
    alpha: float
    fan_in_fan_out: bool = False
    invocation: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.down or list(self.down) != list(self.up):
            raise ValueError("LowRankAdapters: needs A and B for the same layers, at least one")
        ranks = {a.shape[0] for a in self.down.values()} | {b.shape[1] for b in self.up.values()}
        if len(ranks) != 1:
            raise ValueError(
                "LowRankAdapters: A is (r, in) and B (out, r) with one r for all, got ranks "
                f"{sorted(ranks)}"
            )

    @property
    def names(self) -> list[str]:
        """Paths of the adapted layers."""
        return list(self.down)

    @property
    def rank(self) -> int:
        """r."""
        return next(iter(self.down.values())).shape[0]

    @property
    def scale(self) -> float:
        """α / r."""
        return self.alpha / self.rank

    @property
    def parameters(self) -> list[Tensor]:
        """Every A and B: what is trained."""
        return [*self.down.values(), *self.up.values()]

    def update(self, name: str) -> Tensor:
        """(α / r) B A of one layer, (out, in)."""
        return self.scale * self.up[name].detach() @ self.down[name].detach()

    def without(self, names: Collection[str]) -> LowRankAdapters:
        """The same adapters, some knocked out; the others' tensors are shared.

        Raises:
            ValueError: a name that is not adapted, or none would be left.
        """
        self._check(names)
        return self._kept([name for name in self.down if name not in names])

    def only(self, names: Collection[str]) -> LowRankAdapters:
        """Some of the adapters, the others knocked out.

        Raises:
            ValueError: a name that is not adapted, or none is named.
        """
        self._check(names)
        return self._kept([name for name in self.down if name in names])

    def _check(self, names: Collection[str]) -> None:
        for name in names:
            if name not in self.down:
                raise ValueError(
                    f"LowRankAdapters: no adapter on {name!r}. {suggest(name, self.down)}"
                )

    def _kept(self, names: Sequence[str]) -> LowRankAdapters:
        return replace(
            self, down={n: self.down[n] for n in names}, up={n: self.up[n] for n in names}
        )


def low_rank_adapters(
    model: Model,
    layers: str | Sequence[str],
    rank: int,
    alpha: float | None = None,
    *,
    generator: torch.Generator,
) -> LowRankAdapters:
    """Fresh adapters: A uniform in ±1/√in, B zero, so that nothing is changed yet.

    Args:
        model: what they are for; ``Model(net)`` wraps any module.
        layers: paths of linear layers in ``model.net``, or patterns such as
            ``model.layers.*.mlp.down_proj``.
        rank: r.
        alpha: α; r by default, so that the update is B A.
        generator: draws A.

    Raises:
        ModelError: a pattern that names no linear layer, or a layer whose weight another module
            shares.
        ValueError: a rank below 1.
    """
    if rank < 1:
        raise ValueError(f"low_rank_adapters: rank must be at least 1, got {rank}")
    linear = {n: m for n, m in model.net.named_modules() if isinstance(m, (nn.Linear, Conv1D))}
    chosen: list[str] = []
    for pattern in [layers] if isinstance(layers, str) else layers:
        found = [name for name in linear if fnmatchcase(name, pattern)]
        if not found:
            raise ModelError(
                f"{model.name}: {pattern!r} names no linear layer. {suggest(pattern, linear)}"
            )
        chosen += [name for name in found if name not in chosen]
    down, up = {}, {}
    for name in chosen:
        _check_alone(model, name, linear[name])
        out, into = _shape(linear[name])
        a = torch.empty(rank, into).uniform_(-(into**-0.5), into**-0.5, generator=generator)
        down[name] = a.to(model.device).requires_grad_()
        up[name] = torch.zeros(out, rank, device=model.device).requires_grad_()
    conv = isinstance(linear[chosen[0]], Conv1D)
    return LowRankAdapters(down, up, float(rank if alpha is None else alpha), conv)


def writers(model: Model, point: str, blocks: Sequence[int]) -> list[str]:
    """Paths of the modules by which blocks write to the stream: the MLP's down-projections, say.

    Args:
        model: of a known family.
        point: ``mlp_out`` or ``attn_out``.
        blocks: which.
    """
    names = {id(module): name for name, module in model.net.named_modules()}
    return [
        names[id(model.atlas.place(model.select(Site(point, block))[0]).module)] for block in blocks
    ]


@contextmanager
def attached(model: Model, adapters: LowRankAdapters) -> Iterator[Model]:
    """A block inside which the model computes with adapters, in this thread; several blocks add
    up, and edits act on what they give.

    Args:
        model: run it, generate with it or train in the block.
        adapters: knock some out with `LowRankAdapters.without`.

    Raises:
        ModelError: the model has no such layer, or it has another shape.
    """
    handles = []
    try:
        for name in adapters.names:
            module = _layer(model, adapters, name)
            handles.append(
                module.register_forward_hook(own_hook(_added(adapters, name), backward=True))
            )
        yield model
    finally:
        for handle in handles:
            handle.remove()


def gates(
    model: Model, adapters: LowRankAdapters, inputs: Inputs, at: Tensor | None = None
) -> dict[str, Tensor]:
    """A x of every adapter at every token, while all of them act.

    Args:
        model: without the adapters attached.
        adapters: read and attached.
        inputs: as `Model.run` takes them.
        at: positions to keep, (batch, kept); all by default.

    Returns:
        Path → (batch, positions, r); what the adapter writes there is (α / r) B times it.
    """
    sites = {f"module:{name}:in": name for name in adapters.names}
    with attached(model, adapters):
        found = model.run(inputs, list(sites), at=at)
    return {
        name: found[site].to(torch.float32) @ adapters.down[name].detach().T
        for site, name in sites.items()
    }


def merged(model: Model, adapters: LowRankAdapters) -> Model:
    """A copy whose weights are W + (α / r) B A: an ordinary model, which needs no adapter.

    Returns:
        The copy, uncertified; open it again after saving to certify it
        (`inscape.control.checkpoint`).

    Raises:
        ModelError: they wait for tokens.
    """
    if adapters.invocation:
        raise ModelError(
            f"adapters that act from tokens {list(adapters.invocation)} on cannot be merged into "
            "weights, which act at every token; attach them instead"
        )
    made = model.copied("adapters merged")
    with torch.no_grad():
        for name in adapters.names:
            module: Any = _layer(made, adapters, name)
            update = adapters.update(name).double()
            update = update.T if isinstance(module, Conv1D) else update
            module.weight.copy_((module.weight.double() + update).to(module.weight.dtype))
    return made


def _added(adapters: LowRankAdapters, name: str) -> Any:
    a, b, scale = adapters.down[name], adapters.up[name], adapters.scale

    def add(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        update = (scale * ((args[0].to(a.dtype) @ a.T) @ b.T)).to(output.dtype)
        return output + (_where(adapters.invocation, update) if adapters.invocation else update)

    return add


def _where(invocation: tuple[int, ...], update: Tensor) -> Tensor:
    """An update (batch, positions, out) from the invocation on, and zero before."""
    told = fed()
    if told is None or update.ndim != 3:
        raise ModelError(
            "adapters that wait for tokens act in passes of the model over (batch, positions, "
            "width); run the model, not its modules"
        )
    acts = told.acts(invocation, update.shape[1]).to(update.device)
    return torch.where(acts[..., None], update, torch.zeros_like(update))


def _layer(model: Model, adapters: LowRankAdapters, name: str) -> nn.Module:
    linear = {n: m for n, m in model.net.named_modules() if isinstance(m, (nn.Linear, Conv1D))}
    if name not in linear:
        raise ModelError(f"{model.name} has no linear layer {name!r}. {suggest(name, linear)}")
    _check_alone(model, name, linear[name])
    want = (adapters.up[name].shape[0], adapters.down[name].shape[1])
    if _shape(linear[name]) != want:
        raise ModelError(
            f"{model.name}: {name} is {_shape(linear[name])} (out, in), its adapter is for {want}"
        )
    return linear[name]


def _shape(module: nn.Module) -> tuple[int, int]:
    """(out, in)."""
    weight = module.get_parameter("weight")
    return (
        (weight.shape[1], weight.shape[0])
        if isinstance(module, Conv1D)
        else (weight.shape[0], weight.shape[1])
    )


def _check_alone(model: Model, name: str, module: nn.Module) -> None:
    weight = module.get_parameter("weight")
    for other, found in model.net.named_modules():
        if found is not module and getattr(found, "weight", None) is weight:
            raise ModelError(
                f"{model.name}: {name} shares its weight with {other}, so it cannot be adapted "
                "alone"
            )
