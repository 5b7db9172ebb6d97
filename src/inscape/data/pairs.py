"""Pairs of opposites: texts of equal length, one of each label, folded by group; and scores centred
within a context.

A pair's texts differ in nothing but what is asked about, so each is the other's counterfactual. A
*context* (the template of a sentence) shifts scores and activations alike for both labels; since
every context holds as many of one label as of the other, what is centred within it, by mean or by
median, is not told the label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from inscape.core.errors import DataError
from inscape.core.folds import group_codes, group_folds
from inscape.core.item_rows import row_mask
from inscape.data.columns import check_present
from inscape.data.examples import Examples


@dataclass(frozen=True)
class Pairs:
    """Rows of examples by label, pair, context and group.

    Attributes:
        y: label, 0 or 1, (n,).
        rows: the row with label 1 and the row with label 0 of each pair, (pairs, 2).
        context: context of each row, 0 … C − 1.
        groups: group of each row, 0 … G − 1; a pair is within one.
        fold: the fold each row is held out in.
    """

    y: Int[np.ndarray, " n"]
    rows: Int[np.ndarray, "pairs 2"]
    context: Int[np.ndarray, " n"]
    groups: Int[np.ndarray, " n"]
    fold: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, examples: Examples, context: str, folds: int, *, rng: np.random.Generator) -> Pairs:
        """Read pairs off the column ``pair`` and deal whole groups to folds.

        Args:
            examples: with a label of two classes (the first one), a group and a column ``pair``.
            context: the column of contexts, or ``""`` for one context.
            folds: how many.
            rng: deals the groups.

        Raises:
            DataError: a column is missing, the label has not two classes, a pair is not one of each
                within a group, or too few groups.
        """
        y, classes = examples.classes(examples.labels[0])
        if len(classes) != 2:
            raise DataError(
                f"the label {examples.labels[0]!r} has {len(classes)} classes, and opposites need "
                "two."
            )
        check_present(examples.frame, "pair")
        pair, groups = (
            group_codes(examples.frame["pair"].to_numpy(), len(y)),
            group_codes(examples.groups()),
        )
        order = np.lexsort((-y, pair))
        if (
            len(y) % 2
            or (pair[order][::2] != pair[order][1::2]).any()
            or (y[order].reshape(-1, 2) != [1, 0]).any()
        ):
            raise DataError("column 'pair' must give each pair exactly one text of either label.")
        rows = order.reshape(-1, 2)
        if (groups[rows[:, 0]] != groups[rows[:, 1]]).any():
            raise DataError(
                "the two texts of a pair must be of one group, or the pair is on both sides of a "
                "split."
            )
        if context:
            check_present(examples.frame, context)
        within = (
            group_codes(examples.frame[context].to_numpy())
            if context
            else np.zeros(len(y), dtype=np.int64)
        )
        fold = np.empty(len(y), dtype=np.int64)
        for f, (_, held) in enumerate(group_folds(groups, folds, rng=rng)):
            fold[held] = f
        return cls(y, rows, within, groups, fold)

    def sample(
        self, k: int, among: Shaped[np.ndarray, " n"], *, rng: np.random.Generator
    ) -> Int[np.ndarray, " rows"]:
        """Rows of up to k pairs, as evenly over groups as they allow.

        Args:
            k: how many pairs.
            among: rows that may be taken; a pair needs both.
            rng: draws them.

        Returns:
            Rows, each pair's two together, label 1 first.

        Raises:
            DataError: there is none.
            ValueError: k below 1.
        """
        if k < 1:
            raise ValueError(f"sample: k must be at least 1 pair, got {k}")
        among = row_mask(among, len(self.y), "sample: among")
        may = np.flatnonzero(among[self.rows].all(axis=1))
        if not len(may):
            raise DataError(
                "no pair has two texts of the same number of tokens, so no position has a "
                "counterpart."
            )
        drawn = rng.permutation(may)
        groups = self.groups[self.rows[drawn, 0]]
        turn = np.array(
            [(groups[:i] == g).sum() for i, g in enumerate(groups)]
        )  # how many of its group come before
        return self.rows[drawn[np.argsort(turn, kind="stable")][:k]].ravel()

    def centred(
        self, x: Float[np.ndarray, "n d"], train: Shaped[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n d"]:
        """Rows less the mean of the training rows of their context; of all training rows where a
        context has none.
        """
        train, out = row_mask(train, len(x), "centred: train"), x.astype(np.float64)
        for c in range(int(self.context.max()) + 1):
            inside = train & (self.context == c)
            out[self.context == c] -= x[inside if inside.any() else train].mean(
                axis=0, dtype=np.float64
            )
        return out


def above_median(
    scores: Float[np.ndarray, " n"], context: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Scores less the median of their context: the threshold at which half of a balanced context is
    called positive.
    """
    out = np.array(scores, dtype=np.float64)
    for c in np.unique(context):
        out[context == c] -= np.median(out[context == c])
    return out
