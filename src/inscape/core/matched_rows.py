"""As many rows of every class within each stratum: what the strata tell of the classes then is
nothing.

    n_s = min over classes of |rows of the class in stratum s|          n_s rows of each, drawn at
    random

A classifier of such rows gains nothing from knowing the stratum (the relation of a fact, the length
of a prompt). Strata that lack a class are left out.

Reference: Rosenbaum (2020), Design of Observational Studies, ch. 9 (exact matching on a stratum).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int


def matched_rows(
    of: np.ndarray,
    strata: Sequence[Any] | np.ndarray,
    classes: Sequence[Any],
    *,
    rng: np.random.Generator,
) -> dict[Any, Int[np.ndarray, " kept"]]:
    """Rows of each class, the same number in every stratum.

    Args:
        of: class of each row, (n,).
        strata: stratum of each row, (n,).
        classes: those that are matched; rows of other classes are left out.
        rng: draws the rows.

    Returns:
        Class → its rows, stratum by stratum; all of one length, 0 where no stratum has every class.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> kept = matched_rows(np.array([0, 0, 1]), ["a", "a", "a"], (0, 1), rng=rng)
        >>> kept[0].size, kept[1].tolist()
        (1, [2])
    """
    where, what = np.asarray(strata), np.asarray(of)
    rows: dict[Any, list[int]] = {c: [] for c in classes}
    for s in pd.unique(where):
        members = {c: rng.permutation(np.flatnonzero((where == s) & (what == c))) for c in classes}
        least = min(map(len, members.values()))
        for c, m in members.items():
            rows[c] += m[:least].tolist()
    return {c: np.array(r, dtype=np.int64) for c, r in rows.items()}


def spread_rows(
    strata: Sequence[Any] | np.ndarray, count: int, *, rng: np.random.Generator
) -> Int[np.ndarray, " kept"]:
    """Rows spread evenly over strata: one of each in random order, then a second of each, and so
    on.

    Args:
        strata: stratum of each row, (n,).
        count: rows at most.
        rng: of the order.

    Example:
        >>> rows = spread_rows(["a"] * 8 + ["b"] * 2, 4, rng=np.random.default_rng(0))
        >>> sorted(int(r >= 8) for r in rows)
        [0, 0, 1, 1]
    """
    where = np.asarray(strata)
    order = rng.permutation(len(where))
    turn = pd.Series(where[order]).groupby(where[order]).cumcount().to_numpy()
    return order[np.argsort(turn, kind="stable")][:count]


def some_of_each(
    strata: Sequence[Any] | np.ndarray,
    most: int,
    *,
    rng: np.random.Generator | Callable[[str], np.random.Generator],
    order: Sequence[Any] = (),
) -> Int[np.ndarray, " kept"]:
    """Rows of some items of each stratum, in rising order.

    Args:
        strata: stratum of each row, (n,).
        most: rows of a stratum; all where it has fewer.
        rng: of the draws; or named random streams, a stratum's by its name, so that another stratum
            changes none of its rows.
        order: the strata that are wanted, in the order in which they are drawn; all, in order of
            appearance, where none is given.

    Example:
        >>> rows = some_of_each(["a"] * 8 + ["b"], 2, rng=np.random.default_rng(0))
        >>> int((rows < 8).sum()), len(rows)
        (2, 3)
    """
    where, drawn = np.asarray(strata), []
    for stratum in order or pd.unique(where):
        stream = rng if isinstance(rng, np.random.Generator) else rng(str(stratum))
        drawn.append(stream.permutation(np.flatnonzero(where == stratum))[:most])
    return np.sort(np.concatenate(drawn))


def balanced_rows(
    classes: Int[np.ndarray, " n"], count: int, *, rng: np.random.Generator
) -> Int[np.ndarray, " kept"]:
    """Rows drawn evenly over two classes, in their order.

    Args:
        classes: 0 or 1, (n,).
        count: rows in all; a class that has fewer than half of them gives all it has.
        rng: draws them.

    Example:
        >>> rows = balanced_rows(np.array([0] * 8 + [1] * 8), 6, rng=np.random.default_rng(0))
        >>> len(rows), int((rows >= 8).sum())
        (6, 3)
    """
    rows = [rng.permutation(np.flatnonzero(classes == c))[: count // 2] for c in (0, 1)]
    return np.sort(np.concatenate(rows))
