"""Streamed moments of sites: what a pass leaves when no vector is kept.

For each site the moments of its rows (`inscape.core.centred`), by class where asked, its
cross-moments with numeric labels and with other sites (`inscape.core.joint`), all exact in float64.
Ridge, mass-mean and LDA directions and debiased linear CKA follow from them
(`inscape.core.from_moments`). Parts of a data set, from one machine or many, are added with ``+``.

Cost: 8 d² bytes a site, as many again a class, 8 d e a pair of sites; nothing grows with the number
of examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from inscape.core import records
from inscape.core.centred import Centred
from inscape.core.errors import StoreError, suggest
from inscape.core.foreign import foreign
from inscape.core.from_moments import (
    Discriminant,
    RidgePath,
    mass_mean_from_moments,
    ridge_from_moments,
)
from inscape.core.joint import Joint, cka_debiased_from_moments
from inscape.core.site import Site
from inscape.store import moments_files as files
from inscape.store.manifest import WORDS
from inscape.store.storage import Storage, storage_at

Sum = TypeVar("Sum", Centred, Joint)

#: what must be the same for two parts to be one set
_SAME = {
    name: WORDS[name]
    for name in ("weights", "network", "tokenizer", "model_dtype", "prompt", "at", "sites", "code")
}
_SAME |= {"labels": "labels", "classes": "label of the classes", "pairs": "pairs of sites"}


@dataclass(frozen=True)
class StreamedMoments:
    """Moments of sites over rows that were never kept.

    Attributes:
        recipe: what they are of: weights, tokenizer, positions, sites, labels, classes, pairs,
            versions.
        parts: the data sets counted, each with its fingerprint and numbers of examples and rows.
        sites: site → moments of its rows.
        classes: site → class → moments of that class's rows; empty where no classes were asked for.
        targets: moments of the numeric labels over the same rows, or None.
        labels: site → cross-moments with the numeric labels, in the order of ``recipe["labels"]``.
        pairs: pair of sites → cross-moments.
    """

    recipe: dict[str, Any]
    parts: tuple[dict[str, Any], ...]
    sites: dict[str, Centred]
    classes: dict[str, dict[str, Centred]] = field(default_factory=dict)
    targets: Centred | None = None
    labels: dict[str, Joint] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Joint] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many rows were counted."""
        return sum(part["rows"] for part in self.parts)

    def __repr__(self) -> str:
        more = [f"classes of {self.recipe['classes']!r}"] * bool(self.classes)
        more += [f"labels {', '.join(self.recipe['labels'])}"] * bool(self.labels) + [
            f"{len(self.pairs)} pairs"
        ]
        return (
            f"StreamedMoments({len(self)} rows × {len(self.sites)} sites at "
            f"{self.recipe['at']!r}, {', '.join(more)})"
        )

    def site(self, site: Site | str) -> Centred:
        """The moments of a site.

        Raises:
            StoreError: a site that was not streamed; the message lists those that were.
        """
        return _found(self.sites, site, "site")

    def by_class(self, site: Site | str) -> dict[str, Centred]:
        """The moments of a site class by class, names in order (numbers as numbers); a class's
        share of rows is its ``n``.

        Raises:
            StoreError: no classes were asked for, or the site was not streamed.
        """
        return dict(sorted(_found(self.classes, site, "classes at site").items(), key=_place))

    def joint(self, x: Site | str, y: Site | str) -> Joint:
        """The cross-moments of two sites, in either order.

        Raises:
            StoreError: the pair was not streamed.
        """
        if (str(y), str(x)) in self.pairs:
            return self.pairs[str(y), str(x)].T
        names = {f"{a} {b}": joint for (a, b), joint in self.pairs.items()}
        return _found(names, f"{x} {y}", "pair of sites")

    def ridge(self, site: Site | str, **options: Any) -> RidgePath:
        """Ridge of the numeric labels on a site; see
        `inscape.core.from_moments.ridge_from_moments`.
        """
        return ridge_from_moments(
            self.site(site), _found(self.labels, site, "labels at site"), **options
        )

    def mass_mean(self, site: Site | str, first: str, second: str, **options: Any) -> Discriminant:
        """The direction from one class to another; see
        `inscape.core.from_moments.mass_mean_from_moments`.
        """
        found = self.by_class(site)
        return mass_mean_from_moments(
            _found(found, first, "class"), _found(found, second, "class"), **options
        )

    def cka(self, x: Site | str, y: Site | str) -> float:
        """Debiased linear CKA of two sites; see `inscape.core.joint.cka_debiased_from_moments`."""
        return cka_debiased_from_moments(self.site(x), self.site(y), self.joint(x, y))

    def __add__(self, other: StreamedMoments) -> StreamedMoments:
        """Both sets of rows as one.

        Raises:
            StoreError: they differ in anything but the data, or counted the same data.
        """
        ours, theirs = self.recipe, other.recipe
        different = [words for name, words in _SAME.items() if ours.get(name) != theirs.get(name)]
        if different:
            raise StoreError(
                f"these moments cannot be added: they differ in {', '.join(different)}; stream "
                "both the same way."
            )
        if twice := {part["inputs"] for part in self.parts} & {
            part["inputs"] for part in other.parts
        }:
            count = next(part["examples"] for part in other.parts if part["inputs"] in twice)
            raise StoreError(
                f"these moments cannot be added: both counted the same {count} examples; add each "
                "part once."
            )
        return merged(self, other)

    def save(self, path: str | Path) -> None:
        """Write them to a folder or URL: safetensors and a manifest, atomically."""
        where = storage_at(path)
        files.refuse(where)
        save(self, where, finished=True)

    @classmethod
    def open(cls, path: str | Path) -> StreamedMoments:
        """Read what `save` wrote.

        Raises:
            StoreError: nothing there, unfinished, or damaged.
        """
        found, head = loaded(storage_at(path))
        if not head["finished"]:
            raise StoreError(
                f"the moments at {path} are unfinished, {len(found)} rows are counted; make the "
                "same call again to resume."
            )
        return found


def merged(a: StreamedMoments, b: StreamedMoments) -> StreamedMoments:
    """Sums of two parts that are known to belong together."""
    return StreamedMoments(
        a.recipe,
        (*a.parts, *b.parts),
        _sums(a.sites, b.sites),
        {site: _sums(found, b.classes[site]) for site, found in a.classes.items()},
        a.targets + b.targets if a.targets is not None and b.targets is not None else None,
        _sums(a.labels, b.labels),
        _sums(a.pairs, b.pairs),
    )


def save(moments: StreamedMoments, where: Storage, finished: bool) -> None:
    """Write moments, finished or not."""
    groups: dict[str, Mapping[Any, Centred | Joint]] = {
        "site": moments.sites,
        "labels": moments.labels,
    }
    groups["pair"] = {"\t".join(names): joint for names, joint in moments.pairs.items()}
    groups |= {f"class {site}": found for site, found in moments.classes.items()}
    groups["targets"] = {} if moments.targets is None else {"": moments.targets}
    arrays, index = {}, {}
    for group, entries in groups.items():
        index[group] = list(entries)
        for i, entry in enumerate(entries.values()):
            arrays |= {
                f"{group}|{i}|{f.name}": np.asarray(getattr(entry, f.name)) for f in fields(entry)
            }
    head = {
        "finished": finished,
        "recipe": moments.recipe,
        "parts": list(moments.parts),
        "index": index,
    }
    files.write(where, head, arrays)


def loaded(where: Storage) -> tuple[StreamedMoments, dict[str, Any]]:
    """Moments, finished or not, and their manifest."""
    head, arrays = files.read(where)
    broken = f"the moments at {where} do not match their checksum"
    with foreign(StoreError, broken, "delete them and stream them again"):
        return _from_record(records.convert(head, _Head, str(where)), arrays), head


class _Head(msgspec.Struct):
    """What the manifest says of the arrays.

    Attributes:
        finished: every shard is counted.
        recipe: what they are of.
        parts: the data sets counted.
        index: group → the names of its entries, in the order of the arrays' names.
    """

    finished: bool
    recipe: dict[str, Any]
    parts: list[dict[str, Any]]
    index: dict[str, list[str]]


def _from_record(head: _Head, arrays: dict[str, np.ndarray]) -> StreamedMoments:
    """Moments from their arrays; a shape that does not fit ends in a `ValueError`."""
    index = head.index

    def entries(group: str, kind: Any) -> dict[str, Any]:
        found = {}
        for i, name in enumerate(index[group]):
            values = {f.name: arrays[f"{group}|{i}|{f.name}"] for f in fields(kind)}
            found[name] = kind(**{k: v if v.ndim else v.item() for k, v in values.items()})
        return found

    pairs = {_pair(names): joint for names, joint in entries("pair", Joint).items()}
    classes = {
        g.removeprefix("class "): entries(g, Centred) for g in index if g.startswith("class ")
    }
    targets = entries("targets", Centred).get("")
    sites, labels = entries("site", Centred), entries("labels", Joint)
    parts = tuple(head.parts)
    if not all(isinstance(part.get("rows"), int) for part in parts):
        raise ValueError("a part does not say how many rows it has")
    return StreamedMoments(head.recipe, parts, sites, classes, targets, labels, pairs)


def _pair(names: str) -> tuple[str, str]:
    first, second = names.split("\t")
    return first, second


def _sums(a: dict[Any, Sum], b: dict[Any, Sum]) -> dict[Any, Sum]:
    """Entry by entry; one that only one side has is taken as it is (a class need not occur in every
    part).
    """
    both = {name: entry + b[name] if name in b else entry for name, entry in a.items()}
    return both | {name: entry for name, entry in b.items() if name not in a}


def _place(entry: tuple[str, Any]) -> tuple[float, str]:
    try:
        return float(entry[0]), entry[0]
    except ValueError:
        return float("inf"), entry[0]


def _found(entries: Mapping[str, Any], name: Site | str, what: str) -> Any:
    if str(name) not in entries:
        raise StoreError(f"no {what} {str(name)!r} in these moments. {suggest(str(name), entries)}")
    return entries[str(name)]
