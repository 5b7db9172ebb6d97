"""One's own question of one's own data: what is predicted, from which rows, and what must be held
out together.

A label is classified where it is text or holds only 0 and 1, and regressed otherwise. Inputs that
come more than once with the same answer are one group, whether or not a group was named, since a
probe that has seen a text knows its answer.

Cost: one pass over the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from inscape.core.errors import DataError
from inscape.core.folds import group_codes
from inscape.core.repeated import groups_by_content
from inscape.data import columns

TASKS = ("auto", "classification", "regression")
#: how much more frequent the largest class may be than the smallest before it is said
UNEVEN = 1.5


@dataclass(frozen=True, eq=False)
class Target:
    """A label as it is predicted.

    Attributes:
        name: the column.
        task: ``"classification"`` or ``"regression"``.
        y: class codes (n,) int64, or numbers (n,) float64.
        classes: names of the classes, in the order of their codes; empty for a regression.
        groups: group of each row, 0 … G − 1: named groups and repeated inputs together.
        notes: what a reader must know.
    """

    name: str
    task: str
    y: np.ndarray
    classes: tuple[str, ...]
    groups: Int[np.ndarray, " n"]
    notes: tuple[str, ...]

    @property
    def metric(self) -> str:
        """R² or balanced accuracy."""
        return "balanced accuracy" if self.classes else "r2"

    @property
    def chance(self) -> float:
        """The score of a guess: 0 of R², one over the classes of balanced accuracy."""
        return 1 / len(self.classes) if self.classes else 0.0


def target(
    values: pd.Series,
    inputs: Sequence[Any] | None,
    groups: Sequence[Any] | np.ndarray | None,
    task: str = "auto",
    folds: int = 2,
) -> Target:
    """A column as a target, with the groups that must be held out together.

    Args:
        values: the label of each row, named.
        inputs: what the network read for each row, by which repeated inputs are found; None where
            that is not known.
        groups: the group of each row; None where none was named.
        task: ``"auto"``, ``"classification"`` or ``"regression"``.
        folds: how many there will be; as many groups must be left.

    Raises:
        DataError: the labels are missing in places, all alike, or as many classes as rows; or
            repeated inputs join groups, so that fewer are left than there are folds.
        ValueError: an unknown task.
    """
    name = str(values.name)
    if task not in TASKS:
        raise ValueError(f"probe: task must be {', '.join(TASKS)}, got {task!r}")
    found = columns.contents(values)
    columns.check_label(found)
    numeric = found.kind == "number"
    if task == "regression" and not numeric:
        raise DataError(
            f"column {name!r} is text, which cannot be a regression target; use the task "
            "classification or a column of numbers."
        )
    zero_one = numeric and set(np.unique(columns.numbers(values))) == {0.0, 1.0}
    if task == "regression" or (task == "auto" and numeric and not zero_one):
        y, classes = columns.numbers(values).astype(np.float64), ()
        if np.ptp(y) == 0:
            raise DataError(
                f"column {name!r} has the same value in every row, so there is nothing to predict; "
                "choose another label."
            )
        notes: tuple[str, ...] = ()
    else:
        y, classes = _codes(values, numeric)
        notes = _class_notes(name, y, classes)
    own = np.arange(len(y)) if groups is None else np.asarray(groups)
    merged = given = group_codes(own, len(y))
    if inputs is not None:
        merged = groups_by_content(own, inputs, y)
        repeats = len(y) - len(set(map(str, inputs)))
        before, left = int(given.max()) + 1, int(merged.max()) + 1
        if before >= folds > left:
            raise DataError(
                f"{repeats} of {len(y)} rows repeat the input of another row, which joins {before} "
                f"groups into {left}, too few for {folds} folds; name no group (repeats stay "
                "together), or drop the repeated rows."
            )
        if repeats:
            notes = (
                f"{repeats} of {len(y)} rows repeat the input of another row; those with the same "
                f"{name} were kept on one side of every split.",
                *notes,
            )
    return Target(name, "classification" if classes else "regression", y, classes, merged, notes)


def _codes(values: pd.Series, numeric: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    name = str(values.name)
    texts = [columns.canonical(value) for value in values]
    order = columns.numbers(values).tolist() if numeric else texts
    classes = tuple(dict(sorted(zip(texts, order, strict=True), key=lambda pair: pair[1])))
    if len(classes) < 2:
        raise DataError(
            f"column {name!r} has one class only ({classes[0]!r}); a probe needs at least two."
        )
    if len(classes) > len(texts) / 4:
        cure = "use the task regression" if numeric else "choose a column of fewer classes"
        raise DataError(
            f"column {name!r} has {len(classes)} classes in {len(texts)} rows, too few of each to "
            f"learn; {cure}."
        )
    code = {text: i for i, text in enumerate(classes)}
    return np.array([code[text] for text in texts], dtype=np.int64), classes


def _class_notes(name: str, y: np.ndarray, classes: tuple[str, ...]) -> tuple[str, ...]:
    counts = np.bincount(y, minlength=len(classes))
    if counts.max() < UNEVEN * counts.min():
        return ()
    order = np.argsort(-counts, kind="stable")
    shown = order if len(order) <= 4 else [*order[:2], *order[-2:]]
    parts = [f"{counts[i]} rows of {classes[i]!r}" for i in shown]
    if len(order) > 4:
        parts.insert(2, "…")
    return (
        f"The classes of {name} are uneven: {', '.join(parts)}. Balanced accuracy counts every "
        f"class alike; always naming the largest class gives {1 / len(classes):.3g}.",
    )
