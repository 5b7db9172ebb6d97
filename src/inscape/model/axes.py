"""Which axis of a module's tensor is the examples' and which the positions', found by running it,
not guessed.

A module inside a network may see (batch · positions, d), as routers and experts do; (positions,
batch, d), as recurrent layers do; or one more axis before or behind. Two examples are run alone and
together, and in a text model at two lengths: an axis is the examples' if its length follows their
number and what lies along it together is what each gives alone,

    front(x(a, b))[0] = x(a)    and    front(x(a, b))[1] = x(b)

Where no axis does this, the tensor has none that is shown to be the examples'.

Cost: three or four passes over two short examples, once a model and module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from inscape.core.batch import Batch
from inscape.core.errors import SiteError
from inscape.core.site import Site

#: modules whose tensors have their width on axis 1
CHANNELS_FIRST = (
    nn.Conv1d,
    nn.ConvTranspose1d,
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.GroupNorm,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
)
#: modules whose tensors have their width on the last axis
CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.MultiheadAttention, nn.RNNBase)


@dataclass(frozen=True)
class Axes:
    """The axes of one module's tensor.

    Attributes:
        batch: the examples' axis.
        positions: the positions' axis, which is brought behind the examples'; None if there is
            none, or several.
        flat: ``"examples"`` or ``"positions"`` where axis 0 counts both, that one first; empty
            where it does not.
        width: for arrays, the axis of the width once the examples are in front; None where it is
            the last.
    """

    batch: int = 0
    positions: int | None = None
    flat: Literal["", "examples", "positions"] = ""
    width: int | None = None

    def front(self, x: Tensor, size: int) -> Tensor:
        """The tensor as (batch, positions, …), or (batch, …) where positions have no axis of their
        own.
        """
        if self.flat == "examples":
            return x.unflatten(0, (size, -1))
        if self.flat == "positions":
            return x.unflatten(0, (-1, size)).transpose(0, 1)
        return x.permute(self._order(x.ndim))

    def back(self, x: Tensor) -> Tensor:
        """The inverse of `front`."""
        if self.flat:
            return (x if self.flat == "examples" else x.transpose(0, 1)).flatten(0, 1)
        return x.permute(np.argsort(self._order(x.ndim)).tolist())

    @property
    def has_positions(self) -> bool:
        """Whether `front` has the positions on axis 1."""
        return self.positions is not None or bool(self.flat)

    def _order(self, ndim: int) -> list[int]:
        first = [self.batch] if self.positions is None else [self.batch, self.positions]
        return [*first, *(i for i in range(ndim) if i not in first)]


def learn(model: Any, sites: Sequence[Site], batch: Batch | None = None) -> None:
    """Find the axes of module sites that are not known yet; they are kept in ``model.atlas.axes``.

    Args:
        model: the model.
        sites: any; those that are no modules are passed over.
        batch: for networks that are fed no text, an input that they take.
    """
    known = model.atlas.axes
    laid = None if batch is None else {name: x.ndim for name, x in batch.inputs.items()}
    if model.family is None and laid != model.notes.get("laid out", laid):
        known.clear()  # of inputs with an axis more, or fewer, nothing was found
    model.notes["laid out"] = laid
    new = [site for site in dict.fromkeys(sites) if site.point == "module" and site not in known]
    text = model.kind == "text" or (batch is not None and "input_ids" in batch.inputs)
    if not new or not (text or batch is not None):
        return
    with suppress(Exception):  # whatever a network makes of inputs that are not its own
        if text:
            found = _of_text(model, new, drawn_ids(model) if batch is None else _rows(model, batch))
        else:
            found = _of_arrays(model, new, batch)
        known.update(found)


def unshown(site: Site, shape: Sequence[int], what: str = "the examples'") -> SiteError:
    """The refusal of a tensor that has no such axis."""
    return SiteError(
        f"{site} has shape {tuple(shape)}, in which no axis is shown to be {what}; choose another "
        "site, or read this one whole with model.run"
    )


#: what a trial of ids drawn at random leaves out without another result
_IDS = frozenset({"input_ids", "attention_mask"})


def _rows(model: Any, batch: Batch) -> dict[str, Tensor]:
    """Two examples of a text model: ids drawn at random, or, where a network of no family is given
    more than ids, two of its own.
    """
    if model.family is not None or batch.inputs.keys() <= _IDS:
        return drawn_ids(model)
    return {name: torch.cat([x[:1], _other(x)]) for name, x in batch.inputs.items()}


def drawn_ids(model: Any) -> dict[str, Tensor]:
    """Two examples of token ids drawn at random, five long where that many are taken."""
    own = getattr(model.atlas.config, "vocab_size", None)
    size = int(own or (2 if model.tokenizer is None else len(model.tokenizer)))
    most = model.max_positions or 5
    rng = np.random.default_rng(0)
    ids = rng.integers(min(5, size - 1), size, size=(2, 5 if most >= 5 else 2))
    return {"input_ids": torch.from_numpy(ids)}


def _of_text(model: Any, sites: Sequence[Site], rows: dict[str, Tensor]) -> dict[Site, Axes | None]:
    long = rows["input_ids"].shape[1]
    if long < 2:
        return {}  # no axis is told from another by its length
    short = (long + 1) // 2
    cut = {n: x[:, :short] if x.shape[1:2] == (long,) else x for n, x in rows.items()}
    inputs = [{n: x[:1] for n, x in rows.items()}, {n: x[1:] for n, x in rows.items()}, rows, cut]
    runs = [model._whole(Batch(x), sites) for x in inputs]
    found: dict[Site, Axes | None] = {}
    for site in sites:
        if all(site in run for run in runs):
            a, b, both, shorter = (run[site] for run in runs)
            layouts = list(_text_layouts(a, both, shorter, long, short))
            found[site] = next((axes for axes in layouts if _shown(axes, a, b, both)), None)
            _note(model, site, mixed=bool(layouts) and found[site] is None)
    return found


def _note(model: Any, site: Site, mixed: bool) -> None:
    held: set[Site] = model.notes.setdefault("mixed", set())
    (held.add if mixed else held.discard)(site)


def shares(model: Any, site: Site) -> SiteError | None:
    """The refusal of a module's tensor whose examples are other numbers beside others than alone;
    None where that was not found.
    """
    if site not in model.notes.get("mixed", ()):
        return None
    return SiteError(
        f"{site} gives an example other numbers beside another one than alone (statistics of the "
        "batch, attention across it, or random numbers), so no row of it is of one example; "
        "choose a site before that, or read it one example at a time with model.run"
    )


def _text_layouts(
    a: Tensor, both: Tensor, shorter: Tensor, long: int, short: int
) -> Iterator[Axes]:
    """Layouts whose axes have the lengths they should, the usual one first."""
    if not a.ndim == both.ndim == shorter.ndim > 0:
        return
    axes = range(both.ndim)
    examples = [i for i in axes if (a.shape[i], both.shape[i], shorter.shape[i]) == (1, 2, 2)]
    spots = [
        i for i in axes if (a.shape[i], both.shape[i], shorter.shape[i]) == (long, long, short)
    ]
    for i, j in product(examples, spots):
        yield Axes(i, j)
    if (a.shape[0], both.shape[0], shorter.shape[0]) == (long, 2 * long, 2 * short):
        yield Axes(flat="examples")
        yield Axes(flat="positions")
    if both.shape == shorter.shape:
        for i in examples:
            yield Axes(i)


def _of_arrays(model: Any, sites: Sequence[Site], batch: Batch | None) -> dict[Site, Axes | None]:
    assert batch is not None
    one = {name: x[:1] for name, x in batch.inputs.items()}
    other = {name: _other(x) for name, x in batch.inputs.items()}
    together = {name: torch.cat([one[name], other[name]]) for name in one}
    runs = [model._whole(Batch(x), sites) for x in (one, other, together)]
    found: dict[Site, Axes | None] = {}
    for site in sites:
        if not all(site in run for run in runs):
            continue
        a, b, both = (run[site] for run in runs)
        layouts = list(_array_layouts(a, both))
        found[site] = next((x for x in layouts if _shown(x, a, b, both)), None)
        _note(model, site, mixed=bool(layouts) and found[site] is None)
    threes = [s for s, axes in found.items() if axes is not None and runs[0][s].ndim > 2]
    for site, axis in _widths(model, threes, one, {s: runs[0][s] for s in threes}, found).items():
        held = found[site]
        assert held is not None
        spots = None
        if runs[0][site].ndim == 3 and axis == 2 and not held.flat:
            spots = next(i for i in range(3) if i != held.batch)
        found[site] = Axes(held.batch, spots, held.flat, axis)
    return found


def _array_layouts(a: Tensor, both: Tensor) -> Iterator[Axes]:
    if a.ndim != both.ndim or not a.ndim:
        return
    for i in range(a.ndim):
        if (a.shape[i], both.shape[i]) == (1, 2):
            yield Axes(i)
    if both.shape[0] == 2 * a.shape[0] and a.shape[0] > 1:
        yield Axes(flat="examples")
        yield Axes(flat="positions")


def _other(x: Tensor) -> Tensor:
    """Another example: the second, or the first disturbed."""
    if len(x) > 1 and not torch.equal(x[0], x[1]):
        return x[1:2]
    one = x[:1]
    if not one.is_floating_point():
        return one.flip(-1) if one.ndim > 1 else one
    noise = torch.randn(one.shape, generator=torch.Generator().manual_seed(0)).to(one)
    return one + noise * (one.float().std(unbiased=False).to(one) + 1)


def _shown(axes: Axes, a: Tensor, b: Tensor, both: Tensor) -> bool:
    """Whether each example gives together what it gives alone."""
    halved = (torch.float16, torch.bfloat16, torch.complex32)
    tolerance = 5e-2 if both.dtype in halved else 1e-3
    together = _numbers(axes.front(both, 2))
    for i, alone in enumerate((a, b)):
        want = _numbers(axes.front(alone, 1))[0]
        if want.shape != together[i].shape:
            return False
        if not bool((together[i] - want).norm() <= tolerance * want.norm().clamp_min(1e-12)):
            return False
    return True


def _numbers(x: Tensor) -> Tensor:
    """In float64, complex numbers as their two parts."""
    return (torch.view_as_real(x) if x.is_complex() else x).double()


def _widths(
    model: Any,
    sites: Sequence[Site],
    one: dict[str, Tensor],
    whole: dict[Site, Tensor],
    found: dict[Site, Axes | None],
) -> dict[Site, int]:
    """The axis of the width of array sites: the one that does not change when the input is cut
    shorter.

    Where no shorter input is taken, the module's kind says it.
    """
    moved: dict[Site, set[int]] = {site: set() for site in sites}
    name, x = next(iter(one.items()))
    for axis in range(1, x.ndim) if x.is_floating_point() else ():
        if x.shape[axis] < 2:
            continue
        cut = {**one, name: x.narrow(axis, 0, x.shape[axis] // 2)}
        with suppress(Exception):
            for site, y in model._whole(Batch(cut), sites).items():
                axes = found[site]
                assert axes is not None
                before, after = (axes.front(t, 1).shape for t in (whole[site], y))
                if len(before) == len(after):
                    moved[site] |= {
                        i for i, (p, q) in enumerate(zip(before, after, strict=True)) if p != q
                    }
    out = {}
    for site in sites:
        axes = found[site]
        assert axes is not None
        ndim = axes.front(whole[site], 1).ndim
        still = set(range(1, ndim)) - moved[site]
        module = model.atlas.place(site).module
        if len(still) == 1 and moved[site]:
            out[site] = still.pop()
        elif isinstance(module, CHANNELS_LAST):
            out[site] = ndim - 1
        elif isinstance(module, CHANNELS_FIRST) or (ndim == 4 and not axes.flat):
            out[site] = 1
        else:
            out[site] = ndim - 1
    return out
