"""One table that holds several tasks, parted by a column.

Cost: a pass over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inscape.core.errors import DataError
from inscape.data.columns import check_present
from inscape.data.examples import Examples


def tasks_of(
    examples: Examples, names: Sequence[str] = (), limit: int = 0, column: str = "task"
) -> dict[str, Examples]:
    """The rows of each task; of a large task whole groups in turn, as long as they fit.

    Args:
        examples: a table with the column.
        names: only these tasks, in this order; all by default.
        limit: rows of a task at most; 0 for all.
        column: that names the task of a row.

    Raises:
        DataError: there is no such column or task, or a row without one.
        ValueError: a limit below 0.
    """
    check_present(examples.frame, column)
    if limit < 0:
        raise ValueError(f"tasks_of: limit must be 0 (all rows) or more, got {limit}")
    if (missing := examples.frame[column].isna()).any():
        first = int(missing.to_numpy().argmax()) + 1
        raise DataError(
            f"column {column!r} is empty in {int(missing.sum())} rows (first: row {first}); fill it "
            "in, or drop those rows."
        )
    task = examples.frame[column].astype(str).to_numpy()
    have = list(dict.fromkeys(task))
    if missing := [name for name in names if name not in have]:
        raise DataError(f"There is no task {missing[0]!r}; there are {', '.join(have)}.")
    out = {}
    for name in names or have:
        rows = np.flatnonzero(task == name)
        groups = examples.groups()[rows] if examples.group else rows.astype(str)
        if limit and len(rows) > limit:
            rows = rows[np.isin(groups, _fitting(groups, limit))]
        out[name] = examples.take(rows)
    return out


def _fitting(groups: np.ndarray, limit: int) -> list[str]:
    """Groups in turn, each that still fits: all labels of a group stay."""
    keep, count = [], 0
    for group in dict.fromkeys(groups):
        size = int((groups == group).sum())
        if count + size <= limit:
            keep.append(group)
            count += size
    return keep
