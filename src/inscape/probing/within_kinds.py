"""Detecting success within a kind: rows centred by kind, and only rows of one kind compared.

Kinds differ in how often they succeed; a probe that reads the kind alone would score. So rows are
taken less the mean of their kind (no label is used, and every row's kind is known), AUC is over
pairs of rows of one fold and one kind, and labels are shuffled by group within each kind.

Cost: that of the detector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from inscape.core.evidence import Evidence
from inscape.core.jackknife import Jackknife
from inscape.core.measured import Measured, Role
from inscape.core.nulls import permutations
from inscape.probing.detectors import CS, detect
from inscape.probing.frames import layer_of
from inscape.probing.sweep_result import SweepResult
from inscape.read.logistic import LogisticProbe


def within(x: np.ndarray, kind: np.ndarray) -> Float32[np.ndarray, "n d"]:
    """Rows less the mean of their kind.

    Args:
        x: rows, (n, d).
        kind: of each row.

    Example:
        >>> within(np.array([[1.0], [3.0], [10.0]]), np.array(["a", "a", "b"])).ravel().tolist()
        [-1.0, 1.0, 0.0]
    """
    out = np.array(x, dtype=np.float32)
    for k in np.unique(kind):
        out[kind == k] -= out[kind == k].mean(axis=0)
    return out


def area(
    result: SweepResult,
    right: Bool[np.ndarray, " n"],
    kinds: Int[np.ndarray, " n"],
    scores: Float[np.ndarray, " n"] | None = None,
) -> Jackknife:
    """AUC over pairs of rows of one fold and one kind, jackknifed over groups.

    Args:
        result: of the detector.
        right: labels.
        kinds: of each row, 0 … kinds − 1.
        scores: decision values; those of the site chosen inside the training folds by default.
    """
    scores = result.selected_predictions[:, 0] if scores is None else scores
    cells = result.folds * (int(kinds.max()) + 1) + kinds
    return Jackknife.auc(scores, right == 1, result.groups, cells)


def shuffled_within(
    right: Bool[np.ndarray, " n"],
    kinds: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    draws: int,
    *,
    rng: np.random.Generator,
) -> Bool[np.ndarray, "draws n"]:
    """Labels shuffled by group within each kind.

    Args:
        right: labels.
        kinds: of each row.
        groups: whose labels are moved together.
        draws: how many shuffles.
        rng: of the shuffles.
    """
    out = np.tile(right, (draws, 1))
    for k in np.unique(kinds):
        rows = np.flatnonzero(kinds == k)
        some, of = right[rows], groups[rows]
        out[:, rows] = some[permutations(len(rows), draws, rng=rng, groups=of, labels=some)]
    return out


def areas_within(
    found: Mapping[str, SweepResult],
    right: Bool[np.ndarray, " n"],
    kinds: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    baseline: str,
) -> tuple[Measured, list[Evidence]]:
    """`area` of several detectors as conditions of one measurement, and at each of their sites.

    Args:
        found: name → detector, on the same rows and folds.
        right: labels.
        kinds: of each row, 0 … kinds − 1.
        groups: of each row.
        baseline: the detector that looks at no layer, a baseline.

    Returns:
        The measurement; and the evidence of every layer of the other detectors, with ``read at``,
        ``site`` and ``layer`` as coordinates.
    """
    m, layers = Measured("AUC within kinds", groups=groups, unit="AUC"), []
    for name, result in found.items():
        role: Role = "baseline" if name == baseline else "treatment"
        m.put_statistic(name, area(result, right, kinds), role=role)
        for s, site in enumerate(result.sites if name != baseline else ()):
            one = area(result, right, kinds, result.predictions[s, :, 0])
            m.put_statistic(f"{name}, {site}", one, role="baseline")
            where = {"read at": name, "site": site, "layer": layer_of(site)}
            layers.append(m.value(f"{name}, {site}", where=where))
    return m, layers


def chance_within(
    candidates: Mapping[str, np.ndarray],
    right: Bool[np.ndarray, " n"],
    kinds: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    draws: int,
    *,
    rng: np.random.Generator,
    advance: Callable[[], object] = lambda: None,
    **how: Any,
) -> list[Jackknife]:
    """`area` of the same detector on labels shuffled within kinds, the site chosen anew.

    Args:
        candidates: name → rows (n, d).
        right: labels.
        kinds: of each row, 0 … kinds − 1.
        groups: whose labels are moved together.
        draws: how many shuffles.
        rng: of the shuffles.
        advance: called after each.
        how: as `inscape.probing.detectors.detect` takes it.
    """
    found = []
    for mixed in shuffled_within(right, kinds, groups, draws, rng=rng):
        found.append(area(detect(candidates, mixed, groups, **how), mixed, kinds))
        advance()
    return found


def success_direction(
    x: np.ndarray,
    right: Bool[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    kinds: np.ndarray,
    train: Int[np.ndarray, " m"],
) -> Float[np.ndarray, " d"]:
    """A probe's direction, as long as the means of success and failure lie apart along it.

    Args:
        x: states, (n, d).
        right: labels.
        groups: grouping for the choice of the penalty.
        kinds: of each row; states are centred within them.
        train: rows that are fitted on.
    """
    rows, y = within(x, kinds)[train], right[train].astype(np.int64)
    d = LogisticProbe(CS, tol=1e-4).fit(rows, y, groups=groups[train]).direction_
    apart = rows[y == 1].mean(axis=0) - rows[y == 0].mean(axis=0)
    return float(abs(apart @ d)) * d
