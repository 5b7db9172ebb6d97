"""What happens inside a forward pass: edits first, then capture, then stop.

One hook a module and side carries everything asked of it there. When the last capture is made and
nothing after it is needed, the pass is stopped; layers further down are never computed. Hooks live
inside a context and are gone after it, whatever was raised.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from inscape.core.edit import Edit, Scope
from inscape.core.errors import SiteError
from inscape.core.site import Site
from inscape.model.axes import unshown
from inscape.model.taps import Atlas, Place
from inscape.model.within_thread import in_backward, within_thread


class Stop(BaseException):
    """Raised inside a forward pass when everything asked for has been captured; never leaves this
    room.
    """


@dataclass
class Pass:
    """The state of one pass (or one generation): where it is, and what it has caught.

    Attributes:
        size: examples in the batch.
        lengths: real length of each example's prompt, (batch,), or None where every position is
            real.
        marks: named masks (batch, positions of the prompt).
        at: positions to keep of each example, (batch, kept), or None for all.
        counted: positions among which `lengths` are counted, where a site may have others (frames
            of sound under a mask of samples); None where all have the same.
        width: prompt positions, known after the first step.
        offset: position of the first token of the current step.
        caught: site → tensor.
        versions: site → how often its tensor had been written to when it was caught; kept with the
            graph.
        edited: sites whose module was called while an edit stood there.
        keep_graph: whether captures stay in the autograd graph.
        differentiating: whether the pass is over and its derivatives are taken, for which
            checkpointing computes parts of it again.
        unrecorded: sites that were computed without a graph.
    """

    size: int
    lengths: Tensor | None = None
    marks: dict[str, Tensor] = field(default_factory=dict)
    at: Tensor | None = None
    keep_graph: bool = False
    counted: int | None = None
    width: int | None = None
    offset: int = 0
    seen: int = 0
    caught: dict[Site, Tensor] = field(default_factory=dict)
    versions: dict[Site, int] = field(default_factory=dict)
    edited: set[Site] = field(default_factory=set)
    differentiating: bool = False
    unrecorded: set[Site] = field(default_factory=set)
    _rows: Tensor | None = None

    def step(self, positions: int) -> None:
        """Note that a step over so many positions begins."""
        self.offset, self.seen = self.seen, self.seen + positions
        if self.width is None:
            self.width = positions

    def mask(self, scope: Scope, positions: int, device: torch.device) -> Tensor | None:
        """Where a scope acts in the current step of so many positions, (batch, positions); None if
        everywhere.
        """
        if self.counted is not None and self.counted != positions:
            if scope.positions == "all":
                return None
            raise SiteError(
                f"an edit's positions are counted by a mask over {self.counted} positions, and the "
                f"site has {positions}; edit it at all of them, or run examples of one length "
                "without a mask"
            )
        width = self.width if self.width is not None else positions
        t = torch.arange(self.offset, self.offset + positions, device=device)[None]
        lengths = torch.full((self.size, 1), width, device=device)
        if self.lengths is not None:
            lengths = self.lengths.to(device)[:, None]
        generated = t >= width
        real = (t < lengths) | generated
        if scope.positions == "all":
            where = real
            if scope.phase == "all" and self.lengths is None:
                return None
        elif scope.positions == "last":
            where = t == lengths - 1
        elif isinstance(scope.positions, str):
            where = self._marked(scope.positions.removeprefix("mark:"), t, width)
        else:
            wanted = torch.tensor(scope.positions, device=device)[None, None]
            absolute = torch.where(wanted < 0, wanted + lengths[..., None], wanted)
            where = (t[..., None] == absolute).any(-1) & real
        if scope.phase == "prompt":
            where = where & ~generated
        elif scope.phase == "generated":
            where = where & generated
        return where.expand(self.size, positions)

    def _marked(self, name: str, t: Tensor, width: int) -> Tensor:
        if name not in self.marks:
            known = ", ".join(self.marks) or "none"
            raise SiteError(
                f"an edit acts at mark:{name}, which this batch does not have (it has: {known})"
            )
        mark = self.marks[name].to(t.device)
        inside = (t[0] < width) & (t[0] < mark.shape[1])
        return mark[:, t[0].clamp(max=mark.shape[1] - 1)] & inside

    def keep(self, site: Site, x: Tensor, place: Place) -> None:
        """Catch one site's tensor: the positions asked for, or a copy of it all."""
        if self.differentiating:
            if not x.requires_grad:
                x.requires_grad_()  # as in the pass itself
            return
        if site in self.caught:
            raise SiteError(
                f"{site} is computed more than once in one pass, so one tensor cannot stand for "
                "it; name a module that is called once"
            )
        if self.keep_graph:
            if x.is_inference():
                raise SiteError(
                    f"{site} is computed under torch.inference_mode, so it has no gradient; leave "
                    "that mode, or open the network without it"
                )
            self.unrecorded |= set() if torch.is_grad_enabled() else {site}
            self.caught[site] = x if x.requires_grad else x.requires_grad_()
            self.versions[site] = x._version
            return
        value = place.read(x, self.size).detach()
        if self.at is None:
            self.caught[site] = value.clone()
            return
        if place.apart:
            raise SiteError(
                f"{site} has the encoder's positions, and `at` names the decoder's: leave `at` out"
            )
        if site.point == "module" and not place.has_positions(value):
            raise unshown(site, value.shape, "the positions'")
        self.caught[site] = self.gather(site, value)

    def gather(self, site: Site, value: Tensor) -> Tensor:
        """The positions asked for, of a tensor (batch, positions, width); of a pattern its
        queries.
        """
        assert self.at is not None
        if value.ndim < 3:
            raise SiteError(
                f"{site} has shape {tuple(value.shape)}, not (batch, positions, width): leave `at` "
                "out"
            )
        if site.point.endswith("pattern") and site.head is None:
            # of a pattern they are the queries that are kept
            value = value.transpose(1, 2)
        if self._rows is None:
            self._rows = torch.arange(self.size, device=value.device)[:, None]
        kept = value[self._rows, self.at.to(value.device)]
        return kept.transpose(1, 2) if kept.ndim == 4 and site.point.endswith("pattern") else kept


@dataclass
class _Order:
    """Everything asked of one module and side."""

    edits: list[tuple[Site, Place, Edit]] = field(default_factory=list)
    catches: list[tuple[Site, Place]] = field(default_factory=list)


@contextmanager
def hooked(
    atlas: Atlas, state: Pass, catch: Sequence[Site], edits: Sequence[tuple[Site, Edit]], stop: bool
) -> Iterator[None]:
    """Place the hooks for the duration of a block.

    Args:
        atlas: the network's sites.
        state: the pass; captures land in ``state.caught``.
        catch: sites to capture.
        edits: (site, edit) in the order in which they act.
        stop: whether to stop once everything is caught.
    """
    orders: dict[tuple[nn.Module, str], _Order] = {}
    for site, edit in edits:
        place = atlas.place(site)
        if not place.editable:
            raise SiteError(f"{site} can be read but not edited: {_instead(site)}")
        orders.setdefault((place.module, place.side), _Order()).edits.append((site, place, edit))
    for site in catch:
        place = atlas.place(site)
        orders.setdefault((place.module, place.side), _Order()).catches.append((site, place))
    handles = []
    try:
        for (module, side), order in orders.items():
            handles.append(_register(module, side, order, state, len(catch) if stop else None))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _register(module: nn.Module, side: str, order: _Order, state: Pass, total: int | None) -> Any:
    count, mine = 0, within_thread()

    def act(value: Any) -> Any:
        nonlocal count
        if not mine() and not (state.differentiating and in_backward()):
            return value
        changed = value
        now, count = count, count + 1
        for site, place, edit in order.edits:
            if not _is_now(place, now):
                continue
            state.edited.add(site)
            x = pick(changed, place.index, site)
            changed = put(changed, place.index, _edited(x, site, place, edit, state))
        for site, place in order.catches:
            if not _is_now(place, now):
                continue
            state.keep(site, pick(changed, place.index, site), place)
        if total is not None and len(state.caught) == total:
            raise Stop
        if order.catches and state.keep_graph and side == "out" and isinstance(changed, Tensor):
            # what comes next may write into it: the tensor caught stays as it is
            return changed.clone()
        return changed

    if side == "out":
        return module.register_forward_hook(lambda _m, _args, output: act(output))

    def before(
        _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return exchanged(module, args, kwargs, act)

    return module.register_forward_pre_hook(before, with_kwargs=True)


def _is_now(place: Place, call: int) -> bool:
    """Whether a module's call, counted from 0, is the one that a place stands for."""
    return place.calls == 1 or call % place.calls == place.call


def _edited(x: Tensor, site: Site, place: Place, edit: Edit, state: Pass) -> Tensor:
    scope = edit.scope

    def change(h: Tensor) -> Tensor:
        where = None
        if place.apart and (scope.positions != "all" or scope.phase != "all"):
            raise SiteError(
                f"{site} has the encoder's positions, and an edit's positions and phase are the "
                "decoder's; edit it everywhere"
            )
        if place.apart:
            pass
        elif place.has_positions(h):
            where = state.mask(scope, h.shape[1], h.device)
        elif scope.positions != "all" or scope.phase != "all":
            raise unshown(
                site,
                h.shape,
                "the positions', so that the edit's positions and phase cannot be kept to",
            )
        if where is not None and not where.any():
            return h
        try:
            new = edit.apply(h)
        except RuntimeError as error:
            raise SiteError(
                f"{type(edit).__name__} does not fit {site}, whose activations are "
                f"{tuple(h.shape)}: {error}"
            ) from error
        if new.shape != h.shape:
            raise SiteError(
                f"{type(edit).__name__} at {site} gave {tuple(new.shape)} for {tuple(h.shape)}"
            )
        if where is None:
            return new
        return torch.where(where.view(*where.shape, *[1] * (h.ndim - 2)), new, h)

    return place.write(x, state.size, change)


_Given = tuple[tuple[Any, ...], dict[str, Any]]


def exchanged(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], change: Callable[[Any], Any]
) -> _Given:
    """What a module is given, with the tensor that it reads changed; see `first_tensor`.

    Raises:
        SiteError: it reads no tensor first.
    """
    key = _reads(module, args, kwargs)
    if key is None:
        raise SiteError(
            f"{type(module).__name__} takes no tensor as its first argument; capture its output "
            "instead"
        )
    if isinstance(key, str):
        return args, {**kwargs, key: change(kwargs[key])}
    return (*args[:key], change(args[key]), *args[key + 1 :]), kwargs


def first_tensor(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The tensor that a module reads: its first argument that is one, in the order in which its
    forward names them and not in the caller's; None where it reads none first.
    """
    key = _reads(module, args, kwargs)
    if key is None:
        return None
    return kwargs[key] if isinstance(key, str) else args[key]


def _reads(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | str | None:
    """The place, or the name, of the tensor that a module reads; None where there is none, or
    several lie in one argument before it.
    """
    names = list(kwargs)
    if len(names) > 1:
        try:
            order = list(inspect.signature(module.forward).parameters)
        except (TypeError, ValueError):  # a forward without a signature, such as one written in C
            order = []
        names.sort(key=lambda name: order.index(name) if name in order else len(order))
    for key, value in [*enumerate(args), *((name, kwargs[name]) for name in names)]:
        if isinstance(value, Tensor):
            return key
        if any(isinstance(member, Tensor) for member in _members(value)):
            return None
    return None


def pick(value: Any, index: int, site: Site) -> Tensor:
    """The tensor a site stands for, out of what its module takes or gives.

    Raises:
        SiteError: there is no tensor there.
    """
    found = value
    if not isinstance(found, Tensor):
        items = _members(found)
        found = items[index] if index < len(items) else None
    elif index:
        found = None
    if not isinstance(found, Tensor):
        raise SiteError(
            f"{site}: the module gave no tensor there (found {type(found).__name__}); capture a "
            "module inside it, or the one that reads what it gives"
        )
    if found.is_nested:
        raise SiteError(
            f"{site} is a nested tensor, whose examples have no axis of positions; build the "
            "network with enable_nested_tensor=False, or run examples of one length without a mask"
        )
    return found


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in what a module gave, however deep they lie in it."""
    if isinstance(value, Tensor):
        yield value
    else:
        for one in _members(value):
            yield from tensors_in(one)


def _members(value: Any) -> list[Any]:
    """What a module gave, one after another; nothing of what has no members."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (tuple, list)):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, f.name) for f in fields(value)]
    return []


def put(value: Any, index: int, x: Tensor) -> Any:
    """What a module takes or gives with another tensor in the place that `pick` names."""
    if isinstance(value, Tensor):
        return x
    if isinstance(value, dict):
        return type(value)({k: (x if i == index else v) for i, (k, v) in enumerate(value.items())})
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{fields(value)[index].name: x})
    items = [x if i == index else v for i, v in enumerate(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*items)
    return items if isinstance(value, list) else tuple(items)


def _instead(site: Site) -> str:
    if site.point.endswith("pattern"):
        z = f"{site.point.removesuffix('pattern')}z.{site.layer}"
        return f"edit {z} instead, which the pattern makes"
    if site.point == "ssm_in":
        return f"the state space reads it by another way too; edit conv_in.{site.layer} instead"
    return (
        f"the residual path by-passes it; edit attn_out.{site.layer} or resid_post.{site.layer} "
        "instead"
    )
