"""Directions over layers: several finders on the same rows, their agreement, what they score, and
nulls of the same make.

    agreement = min over pairs of finders of |cos(d_a, d_b)|

The layer shown is the one whose logistic probe has the least held-out log loss inside the training
rows; nothing that is held out is looked at. Cost: one fit of each finder a layer, and one more for
each group at the layer chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from sklearn.base import clone

from inscape.charts.heatmap import cells
from inscape.control.random_directions import half_swapped, isotropic, matched
from inscape.core import intervals
from inscape.core.evidence import Evidence
from inscape.core.folds import group_codes
from inscape.core.jackknife import left_out
from inscape.core.measured import Measured
from inscape.core.rng import generator
from inscape.core.threads import side_by_side
from inscape.data.pairs import Pairs
from inscape.probing.frames import layer_of
from inscape.read.logistic import LogisticProbe

ISOTROPIC, MATCHED, SWAPPED = "isotropic random", "matched random", "half-swapped labels"


@dataclass(frozen=True, eq=False)
class Directions:
    """Unit directions of every site.

    Attributes:
        sites: the sites.
        found: finder → (sites, d).
        nulls: kind → (draws, sites, d).
        chosen: index of the site where a logistic probe reads best inside the training rows.
        inverse_penalty: C of the logistic probe there.
    """

    sites: tuple[str, ...]
    found: dict[str, np.ndarray]
    nulls: dict[str, np.ndarray]
    chosen: int
    inverse_penalty: float

    def everywhere(
        self, directions: Float[np.ndarray, "draws sites d"]
    ) -> Float[np.ndarray, "draws sites d"]:
        """Directions of the chosen site at every site alike."""
        return np.repeat(directions[:, self.chosen][:, None], len(self.sites), axis=1)


def find(
    sites: Sequence[str],
    x: Float[np.ndarray, "sites n d"],
    y: Int[np.ndarray, " n"],
    groups: np.ndarray,
    finders: Mapping[str, Any],
    draws: int,
    *,
    rng: np.random.Generator,
) -> Directions:
    """Fit every finder at every site and draw the nulls.

    Args:
        sites: names.
        x: training rows, centred by what is not asked about.
        y: labels 0 and 1.
        groups: group of each row; every group holds both labels.
        finders: name → unfitted estimator with ``direction_``; one of them a `LogisticProbe`, which
            chooses the site. The first one's directions are those in question: matched random ones
            are drawn orthogonal to them.
        draws: matched random directions; a fifth as many isotropic ones and ones with swapped
            labels.
        rng: of the nulls.

    Raises:
        ValueError: no finder is a `LogisticProbe`.
    """
    judge = next((name for name, f in finders.items() if isinstance(f, LogisticProbe)), None)
    if judge is None:
        raise ValueError(
            "find: one of the finders must be a LogisticProbe, whose inner loss chooses the site"
        )
    fitted = side_by_side(
        lambda rows: {n: clone(f).fit(rows, y, groups=groups) for n, f in finders.items()}, list(x)
    )
    found = {name: np.stack([at[name].direction_ for at in fitted]) for name in finders}
    chosen = int(np.argmin([at[judge].inner_loss_ for at in fitted]))
    within = np.array(x, dtype=np.float32)
    for label in (0, 1):
        within[:, y == label] -= within[:, y == label].mean(axis=1, keepdims=True)
    # words differ in strength as well as in sign, so the first direction is itself among what
    # varies most within a class
    first = found[next(iter(finders))].astype(np.float32)[:, :, None]
    within -= (within @ first) @ first.transpose(0, 2, 1)
    nulls = {
        ISOTROPIC: isotropic(max(2, draws // 5), len(x), x.shape[2], rng=rng),
        MATCHED: matched(within, draws, rng=rng),
        SWAPPED: half_swapped(x, y, group_codes(groups), max(2, draws // 5), rng=rng),
    }
    return Directions(tuple(sites), found, nulls, chosen, float(fitted[chosen][judge].C_))


def find_by_fold(
    states: Mapping[str, Float[np.ndarray, "n d"]],
    pairs: Pairs,
    finders: Mapping[str, Any],
    draws: int,
    *,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> tuple[list[Float[np.ndarray, "sites n d"]], list[Directions]]:
    """Directions of every fold's training rows, and last of all rows.

    Rows are centred by the training rows of their context, for each fold anew.

    Args:
        states: site → the rows there.
        pairs: labels, groups, contexts and folds of the rows.
        finders: as in `find`.
        draws: as in `find`.
        seed: of the nulls.
        advance: called after each fold.

    Returns:
        The centred rows, and the directions, of each fold and last of all rows.
    """
    centred, found = [], []
    for f in (*range(int(pairs.fold.max()) + 1), None):
        train = np.ones(len(pairs.y), dtype=bool) if f is None else pairs.fold != f
        x = np.stack([pairs.centred(rows, train) for rows in states.values()]).astype(np.float32)
        rows, y, groups = x[:, train], pairs.y[train], pairs.groups[train]
        rng = generator(seed, "nulls", str(len(found)))
        found.append(find(list(states), rows, y, groups, finders, draws, rng=rng))
        centred.append(x)
        advance()
    return centred, found


def auc_held_out(
    found: Sequence[Directions],
    x: Sequence[Float[np.ndarray, "sites n d"]],
    pairs: Pairs,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """`auc_by_layer` of the rows that each fold of `find_by_fold` holds out.

    Args:
        found: directions of every fold.
        x: the rows, centred for each fold.
        pairs: labels, groups and folds of the rows.
        rng: of the bootstrap.
    """
    held = [pairs.fold == f for f in range(int(pairs.fold.max()) + 1)]
    rows = [part[:, m] for part, m in zip(x, held, strict=False)]
    y, groups = ([of[m] for m in held] for of in (pairs.y, pairs.groups))
    return auc_by_layer(found[: len(held)], rows, y, groups, rng)


def cosines(directions: Mapping[str, Float[np.ndarray, " d"]]) -> dict[tuple[str, str], float]:
    """|cos| of every pair of unit directions."""
    return {
        (a, b): abs(float(directions[a] @ directions[b])) for a, b in combinations(directions, 2)
    }


def cosine_table(found: Directions, beside: Sequence[str]) -> pd.DataFrame:
    """Cosines at the chosen site of all finders' directions and one draw of some nulls, as a heat
    map draws them.

    Args:
        found: the directions.
        beside: kinds of null.
    """
    shown = {**found.found, **{f"{kind}, one draw": found.nulls[kind][0] for kind in beside}}
    at = np.stack([d[found.chosen] for d in shown.values()])
    return cells(at @ at.T, list(shown))


def agreement(
    directions: Directions,
    finders: Mapping[str, Any],
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    groups: np.ndarray,
    *,
    rng: np.random.Generator,
) -> Evidence:
    """The smallest |cos| among finders at the chosen site, jackknifed: refitted without each group
    in turn.

    The null is the same number from as many directions drawn with the covariance of the rows.

    Args:
        directions: from `find`.
        finders: those compared.
        x, y, groups: the rows at the chosen site that `find` was given.
        rng: of the null.
    """
    codes = group_codes(groups)
    # the penalty stays what the training groups chose
    fixed = LogisticProbe((directions.inverse_penalty,), scale=False, tol=1e-4)
    again = {name: fixed if isinstance(f, LogisticProbe) else f for name, f in finders.items()}

    def refit(rows: np.ndarray) -> float:
        found = {name: clone(f).fit(x[rows], y[rows]).direction_ for name, f in again.items()}
        return min(cosines(found).values())

    within = x - np.stack([x[y == label].mean(axis=0) for label in (0, 1)])[y]
    many = matched(within[None], 1000 * len(finders), rng=rng)[:, 0].reshape(1000, len(finders), -1)
    null = [min(cosines(dict(zip(finders, drawn, strict=True))).values()) for drawn in many]
    kind = "as many random directions with the activations' covariance"
    m = Measured("smallest |cos| between finders", groups=codes, unit="|cos|")
    m.put_statistic("finders", left_out(refit, codes))
    m.put_draws(kind, null)
    where = {"site": directions.sites[directions.chosen]}
    return replace(m.value("finders", null=kind, where=where), n=len(x), d=x.shape[1])


def auc_by_layer(
    directions: Sequence[Directions],
    x: Sequence[Float[np.ndarray, "sites _ d"]],
    y: Sequence[Int[np.ndarray, " _"]],
    groups: Sequence[np.ndarray],
    rng: np.random.Generator,
    draws: int = 500,
) -> pd.DataFrame:
    """Area under the ROC curve of fresh rows along every direction, with intervals over groups and
    a null.

    Args:
        directions: from `find`, for each fold, on other rows.
        x: each fold's held-out rows at every site.
        y: their labels 0 and 1.
        groups: their groups.
        rng: of the bootstrap.
        draws: of the bootstrap.

    Returns:
        ``series``, ``layer``, ``value``, ``low``, ``high``, as
        `inscape.charts.layers.score_by_layer` draws them; rows are compared within their fold; the
        half-swapped directions' areas are one series, with the ends of their distribution.
    """
    label, codes = np.concatenate(y) == 1, group_codes(np.concatenate(groups))
    fold = np.repeat(np.arange(len(y)), [len(part) for part in y])
    g = int(codes.max()) + 1
    one = np.ones((1, g), dtype=np.int64)
    counts = np.vstack([one, intervals.group_counts(g, draws, rng=rng)])
    rows = []

    def along(s: int, of: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(
            [part[s].astype(np.float64) @ d[s] for part, d in zip(x, of, strict=True)]
        )

    for s, site in enumerate(directions[0].sites):
        at = {"layer": layer_of(site)}
        for name in directions[0].found:
            scores = along(s, [d.found[name] for d in directions])
            areas = intervals.bootstrap_auc(scores, label, fold, codes, counts)
            low, high = intervals.percentile(areas[1:])
            rows.append(
                {
                    "series": name,
                    **at,
                    "value": float(areas[0]),
                    "low": float(low),
                    "high": float(high),
                }
            )
        null = [
            float(
                intervals.bootstrap_auc(
                    along(s, [d.nulls[SWAPPED][k] for d in directions]), label, fold, codes, one
                )[0]
            )
            for k in range(len(directions[0].nulls[SWAPPED]))
        ]
        low, high = np.quantile(null, [0.025, 0.975])
        rows.append(
            {
                "series": SWAPPED,
                **at,
                "value": float(np.mean(null)),
                "low": float(low),
                "high": float(high),
            }
        )
    return pd.DataFrame(rows)
