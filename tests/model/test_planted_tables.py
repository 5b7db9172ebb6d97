"""Wrong tables of every plausible kind, planted one by one: no tensor that differs from the right
one is certified.

For each point of a family's table the tap is replaced by every other input and output in the block,
by every other layout of its own fused tensor, by the same point of the layer after, by another
element of a tuple, by views with heads in another order, and by each other point, whose tap it
takes in exchange. The stack's own facts are planted too: blocks in another order, another count of
heads, another last norm. A plant whose tensors are those of the right table is no plant, and one
that gives what another gave is tried once; each of the others must be refused at every layer at
which it differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, get_args

import pytest
from torch import Tensor, nn

from inscape.core.errors import ModelError, SiteError
from inscape.core.site import HEAD_POINTS, Site
from inscape.model import checks
from inscape.model.certificate import Certificate
from inscape.model.family import Family, Layout, Tap
from inscape.model.item import difference
from inscape.model.layout import View
from inscape.model.model import Model
from inscape.model.norms import is_norm
from inscape.model.registry import family_of
from inscape.model.taps import Atlas
from tests.model.tiny import TINY, tiny, tower

QUICK = ("gpt2", "gpt_neox", "mixtral", "bert", "swin")
#: what counts as another tensor: ten times the certificate's tolerance
OTHER = 1e-3


@dataclass(frozen=True)
class Plant:
    """One wrong table.

    Attributes:
        name: what was planted where.
        points: the points that may be wrong.
        family: the table.
        misread: a point that is misread, though the table is right: how many layers further on, and
            by which view.
    """

    name: str
    points: tuple[str, ...]
    family: Family
    misread: tuple[int, type[View] | None] | None = None


class RolledHeads(View):
    """Heads read one further on."""

    def read(self, x: Tensor, batch: int) -> Tensor:
        right = super().read(x, batch)
        if self.pattern:
            return right.roll(1, 1)
        return right.unflatten(-1, (self.heads, -1)).roll(1, -2).flatten(-2)


class InterleavedHeads(View):
    """The entries of all heads one after another, as if the heads were the last axis; a pattern's
    keys as queries.
    """

    def read(self, x: Tensor, batch: int) -> Tensor:
        right = super().read(x, batch)
        if self.pattern:
            return right.transpose(-1, -2)
        return right.unflatten(-1, (self.heads, -1)).transpose(-1, -2).flatten(-2)


def plants(family: Family, atlas: Atlas) -> Iterator[Plant]:
    """Every wrong table that differs from a family's in one point, in two that are exchanged, or in
    one of its facts.
    """
    family = replace(family, adjust=None)
    for point, tap in family.points.items():
        yield from (
            Plant(f"{point} = {name}", (point,), _with(family, {point: wrong}))
            for name, wrong in wrong_taps(tap, atlas.blocks[0])
        )
        yield Plant(f"{point} of the next layer", (point,), family, (1, None))
        if point in HEAD_POINTS:
            for view in (RolledHeads, InterleavedHeads):
                yield Plant(f"{point} with {view.__name__}", (point,), family, (0, view))
    for one, two in combinations(family.points, 2):
        exchanged = {one: family.points[two], two: family.points[one]}
        yield Plant(f"{one} and {two} exchanged", (one, two), _with(family, exchanged))
    yield from wrong_facts(family, atlas)


def _with(family: Family, taps: Mapping[str, Tap]) -> Family:
    return replace(family, points={**family.points, **taps})


def wrong_taps(tap: Tap, block: nn.Module) -> Iterator[tuple[str, Tap]]:
    """Every other tap of a point, and what it is."""
    for path, _ in block.named_modules():
        for side in ("in", "out"):
            if (path, side) != (tap.path, tap.side):
                plain = Tap(path, side, editable=tap.editable)
                yield f"{path or 'block'}:{side}", plain
                if tap.layout != "whole" or tap.span is not None:
                    laid = replace(plain, layout=tap.layout, span=tap.span)
                    yield f"{path or 'block'}:{side} as {tap.layout}", laid
    for index in range(3):
        if index != tap.index:
            yield f"element {index}", replace(tap, index=index)
    for layout in get_args(Layout):
        if layout != tap.layout:
            yield f"layout {layout}", replace(tap, layout=layout)
    if tap.span is not None:
        start, end = tap.span
        yield "another span", replace(tap, span=(0, end - start))
    yield "half as long", replace(tap, factor=0.5)


def wrong_facts(family: Family, atlas: Atlas) -> Iterator[Plant]:
    """Tables whose points are right, of which another fact is wrong."""
    everything = (*family.points, "embed", "final_norm", "logits")
    names = {id(block): path for path, block in atlas.body.named_modules()}
    paths = [names[id(block)] for block in atlas.blocks]
    for name, other in (
        ("reversed", paths[::-1]),
        ("rolled", paths[1:] + paths[:1]),
        ("without the first", paths[1:]),
        ("without the last", paths[:-1]),
    ):
        yield Plant(f"blocks {name}", everything, replace(family, blocks=tuple(other)))
    for path, module in atlas.body.named_modules():
        if family.final_norm and is_norm(module) and path != family.final_norm:
            yield Plant(f"final_norm = {path}", everything, replace(family, final_norm=path))
    heads = tuple(p for p in family.points if p in HEAD_POINTS)
    if heads:
        many, few = (atlas.heads(Site(p, 0)) for p in ("q", "k"))
        for groups in {1, 2, many} - {few}:
            yield Plant(f"{groups} heads of keys", heads, replace(family, groups=groups))
        for entry in ("num_hidden_layers", "num_attention_heads", "encoder_layers"):
            count = getattr(atlas.config, entry, None)
            if isinstance(count, int) and count != many:
                yield Plant(f"{count} heads", heads, replace(family, heads=entry))


@pytest.fixture
def only_what_tables_say(monkeypatch):
    """The items that measure tables alone: batches and padding are the same for all of them."""
    for name in ("_padding", "_beyond", "_norms"):
        monkeypatch.setattr(checks, name, lambda *_: iter(()))
    right = checks.Item("batched = single", True, 0.0, 1e-4)
    monkeypatch.setattr(checks, "_batch_is_single", lambda *_: right)


def misread(monkeypatch, plant: Plant) -> None:
    """Let a plant's point be read of another layer, or by another view."""
    assert plant.misread is not None
    place, (shift, view) = Atlas.place, plant.misread

    def wrong(atlas: Atlas, site: Site):
        if site.point not in plant.points or site.layer is None:
            return place(atlas, site)
        found = place(atlas, replace(site, layer=(site.layer + shift) % len(atlas.blocks)))
        return found if view is None else replace(found, view=view(**vars(found.view)))

    monkeypatch.setattr(Atlas, "place", wrong)


#: what a wrong table makes of a tensor that it is not for
UNFIT = (SiteError, ModelError, RuntimeError, ValueError, IndexError, TypeError)


def _or_nothing(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except UNFIT:
        return None


def tensors(model: Model, points: tuple[str, ...]) -> dict[Site, Tensor]:
    """What a pass over the certificate's own input gives at every site of some points that can be
    read, head by head.
    """
    batch, found = checks.examples_of(model)[-1], {}
    whole = [site for site in model.sites if site.point in points]
    sites = [replace(s, head=h) for s in whole for h in range(model.atlas.heads(s))]
    sites = [replace(s, head=None) if model.atlas.heads(s) == 1 else s for s in sites]
    together = _or_nothing(lambda: model.run(batch, sites))
    for site in sites:
        one = together or _or_nothing(lambda site=site: model.run(batch, [site]))
        if one is not None:
            found[site] = one.logits if site.point == "logits" else one[site]
    return found


@dataclass
class Tried:
    """How it went: how many plants were tried, and those of which a wrong tensor was certified."""

    plants: int = 0
    missed: list[str] = field(default_factory=list)


def undetected(name: str, monkeypatch, every: int = 1) -> Tried:
    """What becomes of the plants that a network's table can be given (or of one in `every`)."""
    network = tiny(name)
    family = family_of(network, tower(name))
    assert family is not None
    right = Model(network, family=family)
    assert not refused(right)
    truth = tensors(right, (*family.points, "embed", "final_norm", "logits"))
    out, seen = Tried(), set()
    for plant in list(plants(family, right.atlas))[::every]:
        with monkeypatch.context() as patch:
            if plant.misread:
                misread(patch, plant)
            model = _or_nothing(lambda plant=plant: Model(network, family=plant.family))
            if model is None:  # refused before anything was read
                continue
            found = tensors(model, plant.points)
            differ = {s for s, x in found.items() if s not in truth or _other(x, truth[s])}
            what = (plant.points, *((s, x.numpy().tobytes()) for s, x in found.items()))
            wanted = {s for s in truth if s.point in plant.points}
            if hash(what) in seen or (not differ and found.keys() == wanted):
                continue
            seen.add(hash(what))
            out.plants += 1
            try:
                found_out = refused(model)
            except ModelError:  # a sentence: nothing of it is certified
                continue
            except Exception as error:  # whatever it is, a wrong table must not end in it
                out.missed.append(f"{plant.name}: {type(error).__name__}: {error}")
                continue
            left = sorted(str(s) for s in differ if s.whole not in found_out)
            if left:
                out.missed.append(f"{plant.name}: certified at {', '.join(left[:4])}")
    return out


def refused(model: Model) -> dict[Site, str]:
    """The sites that a certificate of the model refuses, with the reason."""
    return Certificate("", "", tuple(checks.run_all(model))).refused(model.sites)


def _other(x: Tensor, right: Tensor) -> bool:
    return x.shape != right.shape or difference(x, right) > OTHER


@pytest.mark.parametrize("name", QUICK)
def test_no_wrong_tensor_is_certified(name, monkeypatch, only_what_tables_say):
    tried = undetected(name, monkeypatch, every=11)
    assert not tried.missed, "\n".join(tried.missed)
    assert tried.plants > 10


def test_a_pattern_beside_attention_sinks_is_measured_in_its_length(only_what_tables_say):
    network = tiny("gpt_oss")
    family = family_of(network)
    assert family is not None
    assert not refused(Model(network, family=family))
    half = _with(family, {"pattern": replace(family.points["pattern"], factor=0.5)})
    found = refused(Model(network, family=half))
    assert {Site("pattern", layer) for layer in range(3)} <= found.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_no_wrong_tensor_is_certified_of_any_architecture(name, monkeypatch, only_what_tables_say):
    tried = undetected(name, monkeypatch)
    assert not tried.missed, "\n".join(tried.missed)
    assert tried.plants > 50
