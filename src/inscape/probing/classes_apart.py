"""Which of two kinds of representation tells classes apart better, among classes that are frequent
enough to be held out?

    accuracy(source), accuracy(words), their difference        folds of whole groups, one split for both

Cost: one sweep a source.
Reference: `inscape.probing.sweep`, for the scores; Orgad et al. (2024), arXiv:2410.02707, §5 (kinds
of error told by the states).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inscape.core.evidence import Evidence, named
from inscape.probing.sweep import sweep
from inscape.probing.sweep_result import compare


def classes_apart(
    sources: Mapping[str, Mapping[str, np.ndarray]],
    classes: np.ndarray,
    groups: np.ndarray,
    *,
    folds: int,
    target: str,
    **how: Any,
) -> list[Evidence]:
    """Tell classes apart from each of two sources.

    Args:
        sources: name → candidates (name → rows (n, d)), of which the training folds choose one; two
            sources.
        classes: of the rows, (n,). Rows of a class of fewer than two rows a fold are left out.
        groups: grouping for cross-validation, (n,).
        folds: of whole groups.
        target: what the classes are.
        how: ``alphas``, ``shuffles`` and ``seed``, as in `inscape.probing.sweep.sweep`.

    Returns:
        The accuracy of each source and the difference, by ``where["read from"]``; none, where fewer
        than two classes are frequent enough.

    Raises:
        ValueError: not two sources.
    """
    if len(sources) != 2:
        raise ValueError(f"classes_apart: compares two sources, got {len(sources)}")
    every, counts = np.unique(classes, return_counts=True)
    keep = np.isin(classes, every[counts >= 2 * folds])
    if len(np.unique(classes[keep])) < 2:
        return []
    found = {
        name: sweep(
            {n: x[keep] for n, x in candidates.items()},
            classes[keep],
            groups=groups[keep],
            folds=folds,
            task="classification",
            target_names=(target,),
            **how,
        )
        for name, candidates in sources.items()
    }
    (difference,) = compare(*found.values())
    rows = {name: result.selected[0] for name, result in found.items()}
    return named({**rows, "difference": difference}, by="read from")
