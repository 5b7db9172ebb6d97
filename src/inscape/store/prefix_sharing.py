"""Which beginnings are worth computing once: templates and few-shot prompts that many examples
share.

Sorted by their tokens, examples that share a beginning are neighbours, and the beginnings that
neighbours share form a tree. A node of m examples with d tokens in common and s tokens after them,
all together, saves

    (m − 1) d − overhead − ½ s

tokens: it is one more pass, and a token that follows a held prefix costs up to half as much again,
for the keys that it attends to besides. Of each branch the node or its children are taken,
whichever saves more; none where nothing is saved. The choice is made once over all examples and
depends on nothing else, so that a harvest that is taken up again holds the same prefixes; each is a
pass of its own, whose numbers depend on no batch. What follows is laid in rows of up to 512 tokens
(`inscape.model.prefix`).

Cost: O(n log n) comparisons of examples, of which few are held; a few thousand tokens of keys and
values are held at a time, those used last.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from inscape.core.site import Site
from inscape.core.token_table import Picked, Ragged
from inscape.model import batching
from inscape.model import prefix as prefixes
from inscape.store import sharding

log = logging.getLogger(__name__)

#: tokens of a row of continuations: long enough that its prefix is put before few rows, short
# enough to attend within
ROW = 512
_SORTED, _ROWS_SORTED = 4_000_000, 200_000  # tokens, and examples, sorted in memory
_NUMBERS = 10_000  # held as Python's at a time
_HELD = 4096  # tokens of prefixes held on a small machine


class SharedPrefix(NamedTuple):
    """A beginning that examples share.

    Attributes:
        ids: its token ids, (tokens,) int64.
        kept: its positions that any of them keeps a row of, ascending.
    """

    ids: np.ndarray
    kept: np.ndarray


class ContinuationRow(NamedTuple):
    """A row of continuations.

    Attributes:
        which: number of the prefix.
        members: the examples that continue it, in order.
        tokens: tokens of the continuations.
    """

    which: int
    members: np.ndarray
    tokens: int


@dataclass
class Sharing:
    """The beginnings that a data set's examples share, and those of them that are computed and
    held.

    Attributes:
        common: the beginnings.
        of: which of them each example begins with, (n,) int64; −1 for none.
    """

    common: list[SharedPrefix]
    of: np.ndarray
    _held: OrderedDict[tuple[int, tuple[Site, ...]], prefixes.Prefix] = field(
        default_factory=OrderedDict, repr=False
    )

    def __getstate__(self) -> dict[str, Any]:
        return {
            "common": self.common,
            "of": self.of,
            "_held": OrderedDict(),
        }  # what is held stays on its machine

    def cut(self, members: np.ndarray) -> Sharing:
        """What some examples share; beginnings that none of them has are left out, the others keep
        their numbers.
        """
        of = self.of[members]
        used, none = set(of.tolist()), SharedPrefix(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return Sharing([common if i in used else none for i, common in enumerate(self.common)], of)

    def batches(
        self, members: np.ndarray, lengths: np.ndarray, budget: int, overhead: int
    ) -> list[tuple[list[ContinuationRow], int]]:
        """Batches of rows for some examples, each with its padded tokens.

        Args:
            members: examples, all of which share a beginning.
            lengths: tokens of every example.
            budget: padded tokens a batch.
            overhead: what a pass costs besides, in tokens.
        """
        laid = []
        for which in np.unique(self.of[members]).tolist():
            group = members[self.of[members] == which]
            after = lengths[group] - len(self.common[which].ids)
            order = np.argsort(-after, kind="stable")
            ends = np.cumsum(after[order])
            start = 0
            while start < len(group):
                before = int(ends[start - 1]) if start else 0
                end = max(start + 1, int(np.searchsorted(ends, before + ROW, side="right")))
                laid.append(
                    ContinuationRow(which, group[order[start:end]], int(ends[end - 1]) - before)
                )
                start = end
        found = []
        for chosen in batching.batches_by_length([row.tokens for row in laid], budget, overhead):
            for part in self._within([laid[i] for i in chosen], held_tokens(budget)):
                found.append((part, len(part) * max(row.tokens for row in part)))
        return found

    def _within(self, rows: list[ContinuationRow], most: int) -> list[list[ContinuationRow]]:
        """Rows in runs whose prefixes, padded to the longest, are at most so many tokens; one may
        be longer.
        """
        runs: list[list[ContinuationRow]] = []
        longest = 0
        for row in rows:
            longest = max(longest, len(self.common[row.which].ids))
            if not runs or longest * (len({r.which for r in runs[-1]} | {row.which})) > most:
                runs.append([])
                longest = len(self.common[row.which].ids)
            runs[-1].append(row)
        return runs

    def held(
        self, model: Any, which: Sequence[int], sites: Sequence[Site], budget: int
    ) -> dict[int, prefixes.Prefix]:
        """The prefixes of these numbers, computed where they are not held; those used longest ago
        are let go.
        """
        asked = tuple(sites)
        for one in which:
            if (one, asked) not in self._held:
                common = self.common[one]
                self._held[one, asked] = prefixes.begin(model, common.ids, asked, common.kept)
            self._held.move_to_end((one, asked))
        found = {one: self._held[one, asked] for one in which}
        while len(self._held) > len(found) and sum(
            p.length for p in self._held.values()
        ) > held_tokens(budget):
            self._held.popitem(last=False)
        return found


def held_tokens(budget: int) -> int:
    """Tokens of prefixes that are held at most, but for one that alone has more."""
    return max(_HELD, budget)


def shared(
    model: Any, ids: Sequence[np.ndarray], positions: Callable[[int], np.ndarray], overhead: int
) -> Sharing | None:
    """The beginnings to share among examples; None where that saves nothing or cannot be done.

    Args:
        model: the model that will compute them.
        ids: token ids of each example.
        positions: the positions kept of an example.
        overhead: what a pass costs besides its tokens, in tokens.
    """
    lengths = ids.lengths if isinstance(ids, Ragged) else np.array([len(x) for x in ids])
    if why := prefixes.applies(model, int(lengths.max())):
        log.debug("%s: no prefix is shared: %s", model.name, why)
        return None
    first, same = sharding.unique_inputs(
        np.ascontiguousarray(x, dtype=">u4").tobytes() for x in ids
    )
    some = len(first) < len(ids)
    found = worthwhile(
        Picked(ids, first) if some else ids, overhead, lengths[first] if some else lengths
    )
    if not found:
        return None
    proof = prefixes.proved(model)
    if not proof.passed:
        log.warning("%s: no prefix is shared: %s", model.name, proof.reason)
        return None
    of = np.full(len(first), -1, dtype=np.int64)
    for number, (_, members) in enumerate(found):
        of[members] = number
    of = of[same]
    common = []
    by_number = np.argsort(of, kind="stable")
    ends = np.searchsorted(of[by_number], np.arange(-1, len(found)), side="right")
    for number, (depth, _) in enumerate(found):
        sharers = by_number[ends[number] : ends[number + 1]].tolist()
        kept = np.zeros(depth, dtype=bool)
        for p in map(positions, sharers):
            kept[p[p < depth]] = True
        common.append(SharedPrefix(ids[sharers[0]][:depth], np.flatnonzero(kept)))
    return Sharing(common, of)


def worthwhile(
    ids: Sequence[np.ndarray], overhead: int, lengths: np.ndarray | None = None
) -> list[tuple[int, np.ndarray]]:
    """The beginnings worth computing once.

    Args:
        ids: token ids of distinct examples.
        overhead: what a pass costs besides its tokens, in tokens.
        lengths: tokens of each, where they are known.

    Returns:
        Tokens in common, and the examples that share them; at least one token of each example
        follows.

    Example:
        >>> a, b = np.arange(90), np.arange(50, 90)
        >>> found = worthwhile([np.append(a, 7), b, np.append(a, 8), np.append(a, 9)], 40)
        >>> [(depth, members.tolist()) for depth, members in found]
        [(90, [0, 2, 3])]
    """
    lengths = np.array([len(x) for x in ids], dtype=np.int64) if lengths is None else lengths
    order = in_order(ids, lengths)
    reached = np.zeros(len(order) + 1, dtype=np.int64)
    np.cumsum(lengths[order], out=reached[1:])
    # open nodes: tokens in common, first example, tokens saved by the best below, and what that
    # takes
    branch: list[tuple[int, int, float, list[tuple[int, int, int]]]] = [(0, 0, 0.0, [])]
    last = ids[int(order[0])]
    for i in range(1, len(order) + 1):
        depth = 0
        if i < len(order):
            before, last = last, ids[int(order[i])]
            depth = _common(before, last)
        left, saved = i - 1, 0.0
        taken: list[tuple[int, int, int]] = []
        while branch[-1][0] > depth:
            own, left, below, taken_below = branch.pop()
            saved, taken = below + saved, [*taken_below, *taken] if taken else taken_below
            count = i - left
            whole = (
                (count - 1) * own - overhead - 0.5 * (int(reached[i] - reached[left]) - count * own)
            )
            if whole > saved:
                saved, taken = whole, [(own, left, i)]
        if branch[-1][0] < depth:
            branch.append((depth, left, saved, taken))
        elif taken:
            top = branch[-1]
            top[3].extend(taken)
            branch[-1] = (top[0], top[1], top[2] + saved, top[3])
    return [(depth, np.sort(order[a:b])) for depth, a, b in branch[0][3]]


def in_order(ids: Sequence[np.ndarray], lengths: np.ndarray) -> np.ndarray:
    """Distinct examples in the order of their tokens, (n,) whole numbers.

    A few million tokens are sorted in memory. More are first parted by the first token in which
    they differ, part by part, so that no more are held whatever there is.

    Args:
        ids: token ids of each.
        lengths: tokens of each.
    """
    found: list[np.ndarray] = []
    small = np.int32 if len(ids) < 2**31 else np.int64
    parts = [(np.arange(len(ids), dtype=small), 0)]  # examples with so many tokens in common
    while parts:
        members, depth = parts.pop()
        left = int(lengths[members].sum()) - depth * len(members)
        if len(members) == 1 or (left <= _SORTED and len(members) <= _ROWS_SORTED):
            keys = {
                i: np.ascontiguousarray(ids[i][depth:], dtype=">u4").tobytes()
                for i in members.tolist()
            }
            found.append(np.array(sorted(keys, key=keys.__getitem__), dtype=small))
            continue
        depth = _in_common(ids, members, depth)
        tokens = np.fromiter(
            (_at(ids[i], depth) for i in _each(members)), dtype=np.int64, count=len(members)
        )
        by_token = np.argsort(tokens, kind="stable")
        cuts = np.flatnonzero(np.diff(tokens[by_token])) + 1
        assert len(cuts), "two examples are the same"
        parts += [(members[part], depth) for part in np.split(by_token, cuts)[::-1]]
    return np.concatenate(found)


def _in_common(ids: Sequence[np.ndarray], members: np.ndarray, depth: int) -> int:
    """How many tokens all of some examples begin with, who have `depth` in common."""
    first = ids[int(members[0])]
    least = len(first)
    for i in _each(members[1:]):
        x = ids[i][:least]
        differ = x != first[: len(x)]
        least = int(differ.argmax()) if differ.any() else len(x)
        if least <= depth:
            break
    return max(least, depth)


def _each(members: np.ndarray) -> Iterator[int]:
    """Numbers as Python's, some at a time."""
    for first in range(0, len(members), _NUMBERS):
        yield from members[first : first + _NUMBERS].tolist()


def _at(tokens: np.ndarray, depth: int) -> int:
    """A token; −1 after the last."""
    return int(tokens[depth]) if depth < len(tokens) else -1


def _common(a: np.ndarray, b: np.ndarray) -> int:
    """How many tokens two examples begin with in common, at least one of each left over."""
    most = min(len(a), len(b)) - 1
    differ = a[:most] != b[:most]
    return int(differ.argmax()) if differ.any() else most
