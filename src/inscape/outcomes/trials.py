"""Interventions on verdicts: a direction held at its mean, or set to the opposite text's, in every
part with its own.

A text is judged while its group is held out, so the parts (folds) of a test have different
directions: trial k is the k-th direction of each. Opposite texts begin alike and share a row
(`inscape.outcomes.packed`), and rows of many trials share a batch, each row under its own
direction.

Cost: one pass over all texts a trial, less what opposites share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inscape.control.directional import unit
from inscape.core.batch import Tokens
from inscape.core.edit import Edit, Scope
from inscape.core.measured import Measured, Role
from inscape.data.examples import Examples
from inscape.model.batching import batches_by_length
from inscape.outcomes.packed import BUDGET, Row, answers, lay
from inscape.outcomes.verdicts import Verdicts
from inscape.read.coordinates import coordinates, token_means


@dataclass(frozen=True)
class _Set(Edit):
    """Each row's coordinate along its own unit direction, set where it is to be set: ``h + (value −
    h·d) d``."""

    directions: Tensor = field(default_factory=lambda: torch.zeros(1))
    values: Tensor = field(default_factory=lambda: torch.zeros(1))
    where: Tensor = field(default_factory=lambda: torch.zeros(1))

    def apply(self, h: Float[Tensor, "rows t d"]) -> Float[Tensor, "rows t d"]:
        d = self.directions.to(h)
        change = torch.where(
            self.where.to(h.device), self.values.to(h) - torch.einsum("rtd,rd->rt", h, d), 0
        )
        return h + change[..., None] * d[:, None]


@dataclass(frozen=True, eq=False)
class Trials:
    """Directions to be tried on a test.

    Attributes:
        test: the texts and how they are judged.
        sites: where, all of them at once.
        directions: for each part of the test (k, sites, d), unit vectors.
        names: the kind of each of the k; draws of one kind share it.
    """

    test: Verdicts
    sites: tuple[str, ...]
    directions: tuple[np.ndarray, ...]
    names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, test: Verdicts, sites: Sequence[str], lines: Sequence[Mapping[str, np.ndarray]]
    ) -> Trials:
        """Directions by kind.

        Args:
            test: the texts and how they are judged.
            sites: where.
            lines: for each part of the test, kind → (draws, sites, d), unit vectors; the same kinds
                and numbers of draws in every part.
        """
        names = tuple(kind for kind, draws in lines[0].items() for _ in draws)
        return cls(test, tuple(sites), tuple(np.concatenate([*of.values()]) for of in lines), names)

    def means(self, reference: Sequence[Examples]) -> list[Float[np.ndarray, "sites k"]]:
        """Mean coordinate of all directions over the tokens of texts, which each part's training
        groups (or it) give."""
        pairs = zip(reference, self.directions, strict=True)
        return [token_means(self.test.model, texts, self.sites, d) for texts, d in pairs]

    def held(
        self, ks: Sequence[int], means: Sequence[np.ndarray], at: str = "all"
    ) -> Float[np.ndarray, "ks n"]:
        """Scores of all texts with each of some directions held at its mean at the positions of
        that mark."""
        where = self._where(at)
        rows = lay(self.test.model, self._tokens, self._groups, where)

        def values(row: Row, k: int) -> Float[np.ndarray, "c sites"]:
            return np.broadcast_to(
                means[self._part[row.members[0]]][:, k], (len(row), len(self.sites))
            )

        return self._scores(rows, ks, where, values)

    def held_by_kind(
        self, means: Sequence[np.ndarray], advance: Callable[[int], None] = lambda _: None
    ) -> dict[str, Float[np.ndarray, "draws n"]]:
        """Scores with every direction held at all positions, together for those of one kind.

        Args:
            means: from `means`.
            advance: called with how many more are done.
        """
        parts: dict[str, list[np.ndarray]] = {name: [] for name in self.names}
        for start in range(0, len(self.names), 4):
            ks = range(len(self.names))[start : start + 4]
            for k, scores in zip(ks, self.held(ks, means), strict=True):
                parts[self.names[k]].append(scores)
            advance(len(ks))
        return {name: np.stack(scores) for name, scores in parts.items()}

    def moved(
        self, before: Float[np.ndarray, " n"], at: Sequence[str], ks: Sequence[int]
    ) -> Float[np.ndarray, "ks marks n"]:
        """How far each score goes towards the opposite's side, with the opposite's coordinates.

        Args:
            before: scores with no edit.
            at: the marks that are patched, one after another.
            ks: the directions that are patched, one after another.
        """
        scores = np.stack([self.swapped(ks, self._own, mark) for mark in at], axis=1)
        return np.where(self.test.y == 1, 1.0, -1.0) * (before - scores)

    def coordinates(self) -> list[list[Float[np.ndarray, "_ sites k"]]]:
        """Every text's own coordinates, token by token, part by part."""
        pairs = zip(self.test.parts, self.directions, strict=True)
        return [
            coordinates(self.test.model, texts, self.sites, np.moveaxis(d, 0, 1))
            for texts, d in pairs
        ]

    def swapped(
        self, ks: Sequence[int], own: Sequence[Sequence[np.ndarray]], at: str = "all"
    ) -> Float[np.ndarray, "ks n"]:
        """Scores of all texts with each of some directions set to the opposite's, token by token,
        at the marked positions.

        The two texts of a pair are neighbours, rows 2i and 2i + 1 of a part, and of one length.
        Before they differ each has what the other has, so nothing is set there.
        """
        flat, where = [x for part in own for x in part], self._where(at)
        for i in range(0, len(where), 2):
            differ = self._tokens[i].ids != self._tokens[i + 1].ids
            where[i][: int(differ.argmax())] = where[i + 1][: int(differ.argmax())] = False
        rows = lay(self.test.model, self._tokens, self._groups, where)

        def values(row: Row, k: int) -> Float[np.ndarray, "c sites"]:
            return np.stack(
                [flat[i ^ 1][t, :, k] for i, t in zip(row.text, row.position, strict=True)]
            )

        return self._scores(rows, ks, where, values)

    @cached_property
    def _own(self) -> list[list[np.ndarray]]:
        return self.coordinates()

    @cached_property
    def _tokens(self) -> list[Tokens]:
        return [t for part in self.test.parts for t in self.test.model.tokenize(part.texts())]

    @cached_property
    def _part(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.test.parts)), [len(part) for part in self.test.parts])

    @cached_property
    def _groups(self) -> list[list[int]]:
        """Neighbours of a part, two and two."""
        starts = np.cumsum([0, *map(len, self.test.parts)])
        return [list(range(i, min(i + 2, b))) for a, b in pairwise(starts) for i in range(a, b, 2)]

    @cached_property
    def _spans(self) -> list[dict[str, tuple[int, int]]]:
        return [part.span(i) for part in self.test.parts for i in range(len(part))]

    def _where(self, at: str) -> list[Bool[np.ndarray, " _"]]:
        mark = self.test.marks[at]
        return [
            np.array(mark(t, s), dtype=bool) for t, s in zip(self._tokens, self._spans, strict=True)
        ]

    def _scores(
        self,
        rows: Sequence[Row],
        ks: Sequence[int],
        where: Sequence[np.ndarray],
        values: Callable[[Row, int], np.ndarray],
    ) -> Float[np.ndarray, "ks n"]:
        """Every row under every direction, in batches of like length."""
        lines = [np.stack([unit("Trials", self.sites, d[k]) for k in ks]) for d in self.directions]
        jobs = [(j, row) for j in range(len(ks)) for row in rows]
        out = np.empty((len(ks), len(where)))
        for batch in batches_by_length([len(row) for _, row in jobs], BUDGET):
            part = [jobs[b] for b in batch]
            width = max(len(row) for _, row in part)
            onto = np.stack([lines[self._part[row.members[0]]][j] for j, row in part])
            to = np.zeros((len(part), width, len(self.sites)), dtype=np.float32)
            act = np.zeros((len(part), width), dtype=bool)
            for r, (j, row) in enumerate(part):
                to[r, : len(row)] = values(row, ks[j])
                act[r, : len(row)] = [
                    where[i][t] for i, t in zip(row.text, row.position, strict=True)
                ]
            held = [torch.from_numpy(x) for x in (onto.astype(np.float32), to, act)]
            edits = [
                _Set(Scope(site), held[0][:, s], held[1][:, :, s], held[2])
                for s, site in enumerate(self.sites)
            ]
            scores = self.test.words.of_logits(
                answers(self.test.model, [row for _, row in part], edits)
            )
            for (j, row), found in zip(part, scores, strict=True):
                out[j, row.members] = found[: len(row.members)]
        return out


def accuracy_lost(
    test: Verdicts,
    before: Float[np.ndarray, " n"],
    after: Mapping[str, Float[np.ndarray, "draws n"]],
    nulls: Collection[str],
    few: Collection[str] = (),
) -> Measured:
    """The share of the accuracy above chance that is lost, of every kind of intervention; means
    over its draws.

    Args:
        test: whose verdicts.
        before: scores with no edit.
        after: kind → scores of each draw.
        nulls: the kinds that are nulls.
        few: further nulls, of too few draws for a p-value.
    """
    right = test.right(before)
    m = Measured(
        "accuracy above chance lost", groups=test.shares.groups, unit="share", kind="ratio"
    )
    for name, scores in after.items():
        lost = np.stack([right - test.right(s) for s in scores])
        null = name in nulls or name in few
        role: Role = "null" if null else "treatment"
        m.put(name, lost, right - 0.5, role=role, expensive=name in few)
    return m


def effects_of_patching(
    test: Verdicts,
    before: Float[np.ndarray, " n"],
    moved: Mapping[str, Float[np.ndarray, "draws n"]],
    full: Mapping[str, str],
) -> tuple[Measured, Measured]:
    """What patching closes of the difference between opposites' verdicts, and of its full effect.

        closed = Σ moved / Σ ± (score − the opposite's score)        effect = Σ moved / Σ moved in
        full

    Args:
        test: whose verdicts; neighbours are opposites.
        before: scores with no edit.
        moved: kind of patch → how far it moves each text, from `Trials.moved`; kinds of several
            draws are baselines.
        full: kind of patch → the kind that is its full effect.
    """
    whole = np.where(test.y == 1, 1.0, -1.0) * (before - before[np.arange(len(before)) ^ 1])
    closed, effect = (
        Measured(name, groups=test.shares.groups, unit="share", kind="ratio")
        for name in ("share of the verdict's difference closed", "share of the full effect")
    )
    for kind, parts in moved.items():
        role: Role = "baseline" if len(parts) > 1 else "treatment"
        closed.put(kind, parts, whole, role=role)
        effect.put(kind, parts, moved[full[kind]][0], role=role)
    return closed, effect


class Patched(NamedTuple):
    """What patching at several sets of positions does.

    Attributes:
        closed: share of the difference between opposites' verdicts, by position.
        effect: the same as a share of the same direction's effect at all tokens.
    """

    closed: Measured
    effect: Measured


def patched_at(
    trials: Trials,
    before: Float[np.ndarray, " n"],
    alone: Mapping[str, str],
    both: Mapping[str, Sequence[str]],
    *,
    everywhere: str,
    other: str,
    random: str,
) -> Patched:
    """Each text given its opposite's coordinate at sets of positions.

    Args:
        trials: its first direction is each site's own, its second one direction for all sites, the
            others are random.
        before: scores with no edit.
        alone: positions → their mark, patched with each site's own direction.
        both: positions → their marks, several of them draws, patched with that and with the one
            direction.
        everywhere: which of `both` is all tokens, whose effect is the whole.
        other: put after the positions where it is the one direction.
        random: name of the random directions at all tokens.
    """
    moved = {name: trials.moved(before, [mark], [0])[0] for name, mark in alone.items()}
    full = dict.fromkeys(moved, everywhere)
    for name, marks in both.items():
        moved[name], moved[name + other] = trials.moved(before, marks, [0, 1])
        full |= {name: everywhere, name + other: everywhere + other}
    rest = range(2, len(trials.names))
    moved[random] = trials.moved(before, both[everywhere], rest)[:, 0]
    full[random] = everywhere
    return Patched(*effects_of_patching(trials.test, before, moved, full))
