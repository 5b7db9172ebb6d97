"""Similarities of all pairs of sites with intervals, permutation nulls and calibrated scores, from
pair tables.

Value: the cosine of two pair tables (`inscape.compare.pair_table`). Interval: the jackknife over
items (or groups), on

    s₍₋i₎ = (N − a_i) / √((N_x − b_i)(N_y − c_i))
    N = Σ A B,  a_i: what item i adds to it;  N_x, b_i and N_y, c_i: likewise of Σ A² and Σ B²

with the tables' centring as it is, which changes terms of second order only. Null: permuted items,
the same permutations for all pairs (`inscape.compare.shift_null`), so that the best of S × T pairs
is judged by the null of the best. Calibrated score:

    s_cal = max(0, (s − τ) / (1 − τ))
    τ: the ⌈(1 − α)(K + 1)⌉-th smallest of the K null draws and the value itself

Cost: n² (d / 2 + S T) for S and T sites, d for tables that are not symmetric; the null as much
again.
Reference: Efron and Tibshirani (1993), ch. 11; Westfall and Young (1993), §2.3; Gröger, Wen and
Brbić (2026), Revisiting the Platonic Representation Hypothesis: an Aristotelian view,
arXiv:2602.14486 (calibration).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from inscape.compare.pair_table import PairTable, lengths, same
from inscape.compare.shift_null import shift_null
from inscape.compare.shifts import Shifts
from inscape.core.evidence import Evidence, Null
from inscape.core.folds import group_codes
from inscape.core.intervals import interval
from inscape.core.jackknife import Jackknife
from inscape.core.nulls import p_value


@dataclass(frozen=True, eq=False)
class SimilarityMap:
    """Similarities of S × T pairs of sites.

    Attributes:
        measure: which similarity.
        values: (S, T).
        without: the same without each item or group, (S, T, G).
        n: items.
        sizes: items of each group, (G,).
        draws: the permutations' values, (K, S, T); empty where no null was asked for.
        moved: the value on the items that the permutations move, (S, T): what the draws are
            compared with.
        null: name of the null.
    """

    measure: str
    values: Float64[np.ndarray, "s t"]
    without: Float64[np.ndarray, "s t g"]
    n: int
    sizes: Float64[np.ndarray, " g"]
    draws: Float64[np.ndarray, "k s t"]
    moved: Float64[np.ndarray, "s t"]
    null: str

    @property
    def p(self) -> Float64[np.ndarray, "s t"]:
        """One-sided p of each pair against its own null, nothing corrected."""
        return np.asarray(p_value(self.moved, np.moveaxis(self.draws, 0, -1)))

    @property
    def p_corrected(self) -> Float64[np.ndarray, "s t"]:
        """p of each pair against the null of the largest over all pairs: corrected for the
        search.
        """
        best = self.draws.max(axis=(1, 2))
        return np.asarray(
            p_value(self.moved, np.broadcast_to(best, (*self.moved.shape, len(best))))
        )

    def calibrated(self, alpha: float = 0.05) -> Float64[np.ndarray, "s t"]:
        """Scores above what chance reaches with probability `alpha`: 0 at that threshold, 1 for
        identity.
        """
        return calibrated(self.values, np.moveaxis(self.draws, 0, -1), alpha)

    def evidence(self, row: int, column: int, **more: Any) -> Evidence:
        """One pair with its interval and its own null.

        Args:
            row: place among the first sites.
            column: place among the second.
            more: further fields of `Evidence`.
        """
        draws = self.draws[:, row, column]
        chance = {}
        if len(draws):
            chance = {"null": Null.of(self.null, draws), "p": float(self.p[row, column])}
        return self._evidence((row, column), chance, more)

    def best(self, **more: Any) -> tuple[tuple[int, int], Evidence]:
        """The most similar pair, beside the null of the largest over all pairs.

        The value is the largest of many and so optimistic; its interval is of that pair alone, and
        a warning says so.
        """
        at = np.unravel_index(int(np.argmax(self.values)), self.values.shape)
        place = (int(at[0]), int(at[1]))
        chance: dict[str, Any] = {}
        if len(self.draws):
            chance = {
                "null": Null.of(f"{self.null}, largest of all pairs", self.draws.max(axis=(1, 2))),
                "p": float(self.p_corrected[place]),
            }
        if self.values.size > 1:
            note = (
                f"The largest of {self.values.size} pairs is optimistic; p is corrected for "
                "that, the interval is not."
            )
            more = {**more, "warnings": (*more.get("warnings", ()), note)}
        return place, self._evidence(place, chance, more)

    def interval(self, row: int, column: int) -> tuple[float, float] | None:
        """The 95 % interval of one pair over items or groups; None where there is none."""
        return interval(self._jackknife(row, column)).ends

    def mean(self, rows: Any, columns: Any, *, both: bool = False) -> Jackknife:
        """The mean of some pairs, jackknifed over items or groups.

        Args:
            rows: place of each pair among the first sites.
            columns: place of each among the second.
            both: average each pair with the pair the other way round, for a measure that is not
                symmetric and sites compared with themselves.

        Example:
            >>> from inscape.compare.linear_cka import linear_table
            >>> x = np.random.default_rng(0).normal(size=(50, 3))
            >>> found = similarity_map([linear_table(x), linear_table(x @ np.diag([1, 2, 3]))])
            >>> bool(found.mean([0, 1], [1, 0]).value == found.values[0, 1])
            True
        """
        values, without = self.values[rows, columns], self.without[rows, columns]
        if both:
            values = (values + self.values[columns, rows]) / 2
            without = (without + self.without[columns, rows]) / 2
        return Jackknife(float(values.mean()), without.mean(axis=0), self.sizes[None], self.n)

    def _jackknife(self, row: int, column: int) -> Jackknife:
        return Jackknife(
            float(self.values[row, column]), self.without[row, column], self.sizes[None], self.n
        )

    def _evidence(
        self, at: tuple[int, int], chance: dict[str, Any], more: dict[str, Any]
    ) -> Evidence:
        found = interval(self._jackknife(*at))
        facts = {"name": self.measure, "unit": self.measure, "n": self.n, **chance, **more}
        facts["warnings"] = (*found.warnings, *more.get("warnings", ()))
        return Evidence(value=float(self.values[at]), interval=found.ends, **facts)


def similarity_map(
    first: Sequence[PairTable],
    second: Sequence[PairTable] | None = None,
    *,
    groups: Any = None,
    shifts: Shifts | None = None,
) -> SimilarityMap:
    """Similarities of all pairs of tables.

    Args:
        first: tables of the sites of one representation, as `linear_table` and its like make them.
        second: those of the other; None compares the first with themselves.
        groups: what varies in the intervals, one group per item; None for the items themselves.
        shifts: the permutations of the null, from `inscape.compare.shifts`; None for no null.

    Returns:
        The map.

    Raises:
        ValueError: no tables, tables of other items or measures, or one that tells no items apart.

    Example:
        >>> from inscape.compare.linear_cka import linear_table
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> found = similarity_map([linear_table(x), linear_table(x[:, :2])])
        >>> bool(found.values[0, 1] == found.values[1, 0]), found.values[0, 0].round(9).item()
        (True, 1.0)
    """
    if not first or (second is not None and not second):
        raise ValueError("similarity_map: there are no tables; give at least one on each side")
    codes = None if groups is None else group_codes(groups, first[0].n)
    tables = [*first, *(() if second is None else second)]
    for table in tables:
        same(first[0], table)
    s = slice(0, len(first))
    t = s if second is None else slice(len(first), len(tables))
    total, own, gone, lost = _sums(tables, s, t, codes)
    below = np.array([lengths(table, square) for table, square in zip(tables, own, strict=True)])
    values = total / np.sqrt(np.outer(below[s], below[t]))
    sizes = np.ones(first[0].n) if codes is None else np.bincount(codes).astype(np.float64)
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # nothing left without one group: no interval
        share = lost / own[:, None] * below[:, None]
        left = below[:, None] - share
        without = (total[..., None] - gone) / np.sqrt(left[s][:, None] * left[t][None])
    draws = np.empty((0, *values.shape)) if shifts is None else _null(tables, s, t, shifts)
    moved = values if shifts is None else draws[0]
    kind = "" if shifts is None else shifts.kind
    measure, n = first[0].measure, first[0].n
    return SimilarityMap(measure, values, without, n, sizes, draws[1:], moved, kind)


def calibrated(
    value: Float[np.ndarray, " *s"] | float, null: Float[np.ndarray, "*s k"], alpha: float = 0.05
) -> Float64[np.ndarray, " *s"]:
    """A similarity above its null's threshold, on a scale from 0 (chance) to 1 (identity).

    Args:
        value: similarities, at most 1.
        null: their draws, along the last axis.
        alpha: how often chance alone exceeds the threshold.

    Raises:
        ValueError: too few draws for this alpha.

    Example:
        >>> calibrated(0.6, np.linspace(0, 0.2, 39)).round(3).item()
        0.503
    """
    value, draws = np.asarray(value, dtype=np.float64), null.shape[-1]
    place = int(np.ceil((1 - alpha) * (draws + 1) - 1e-9))
    if not 0 < alpha < 1 or draws < 1 / alpha - 1 - 1e-9:
        raise ValueError(
            f"calibrated: {draws} draws cannot give a threshold at alpha = {alpha:g}; draw at "
            f"least {int(np.ceil(1 / alpha - 1 - 1e-9)) if 0 < alpha < 1 else 19}"
        )
    every = np.concatenate([value[..., None], null], axis=-1)
    threshold = np.partition(every, place - 1, axis=-1)[..., place - 1]
    above = np.divide(
        value - threshold, 1 - threshold, out=np.zeros_like(value), where=threshold < 1
    )
    return np.asarray(np.maximum(above, 0.0))


def _null(tables: list[PairTable], s: slice, t: slice, shifts: Shifts) -> np.ndarray:
    if int(shifts.order.max()) >= tables[0].n:
        raise ValueError(
            f"similarity_map: shifts were made for more than the {tables[0].n} items; make them "
            "for these"
        )
    return shift_null(tables[s], tables[t], shifts)


def _sums(
    tables: list[PairTable], s: slice, t: slice, codes: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Σ A B and Σ A² over all pairs of items, (S, T) and (tables,), and the parts that go with each
    group, (S, T, G) and (tables, G).
    """
    n, twice = tables[0].n, tables[0].per_item == 2
    count = n if codes is None else int(codes.max()) + 1
    total, own = np.zeros((len(tables[s]), len(tables[t]))), np.zeros(len(tables))
    gone, lost = np.zeros((count, *total.shape)), np.zeros((count, len(tables)))
    groups = np.arange(n) if codes is None else codes
    for part in tables[0].blocks(2 * len(tables)):
        # of symmetric tables what lies below the diagonal was seen from above it
        columns = slice(part.start if twice else 0, n)
        stack = np.empty((len(tables), part.stop - part.start, n - columns.start))
        for table, tile in zip(tables, stack, strict=True):
            tile[...] = table.tile(part, columns)
        for which, inner, squares in _by_item(stack, s, t, part, twice):
            total, own = total + inner.sum(axis=0), own + squares.sum(axis=0)
            np.add.at(gone, groups[which], (1 + twice) * inner)
            np.add.at(lost, groups[which], (1 + twice) * squares)
        if twice and codes is not None:  # pairs within a group went from both their ends
            stack *= codes[part, None] == codes[columns]
            for which, inner, squares in _by_item(stack, s, t, part, twice):
                np.subtract.at(gone, codes[which], inner)
                np.subtract.at(lost, codes[which], squares)
    return total, own, np.moveaxis(gone, 0, -1), lost.T


def _by_item(
    stack: np.ndarray, s: slice, t: slice, part: slice, symmetric: bool
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Some items, and what the tiles of all tables (tables, b, c) hold of each of them: products of
    tables, (items, S, T), and the squares of each, (items, tables).

    The rows come first; then, where columns begin at the first row, those beyond the last row.
    """
    rows = stack.transpose(1, 0, 2)
    yield (part, *_products(rows, s, t))
    size, beyond = stack.shape[1], stack.shape[2] - stack.shape[1]
    if symmetric and beyond:
        columns = np.ascontiguousarray(stack[:, :, size:].transpose(2, 0, 1))
        yield (slice(part.stop, part.stop + beyond), *_products(columns, s, t))


def _products(stack: np.ndarray, s: slice, t: slice) -> tuple[np.ndarray, np.ndarray]:
    """Item by item (items, tables, c), products of tables and squares of each."""
    inner = stack[:, s] @ stack[:, t].transpose(0, 2, 1)
    return inner, np.einsum("ikc,ikc->ik", stack, stack)
