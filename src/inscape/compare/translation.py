"""Linear maps from one space to another, and finding an item's counterpart there: stitching, word
translation.

    least squares   W = argmin Σ ‖W x_i − y_i‖² + α ‖W‖²          orthogonal   W = argmin over rotations
    CSLS(x, y) = 2 cos(Wx, y) − r(Wx) − r(y)                       r: mean cosine to the k nearest on the other side

Some vectors are near to everything (hubs) and answer for many; CSLS takes away how near a vector is
to all. Precision is on items that were not fitted, beside chance, 1/m for m candidates.

Cost: n d e for the map, m² e for retrieval.
Reference: Mikolov, Le and Sutskever (2013), arXiv:1309.4168; Conneau et al. (2018),
arXiv:1710.04087, eq. 3 (CSLS); Bansal, Nakkiran and Barak (2021), arXiv:2106.07682 (stitching).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, no_type_check

import numpy as np
from jaxtyping import Float, Float64, Int
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from inscape.compare.paired_rows import paired_rows
from inscape.compare.procrustes import Procrustes
from inscape.core import ridge
from inscape.core.arrays import like
from inscape.core.item_rows import centred_rows, checked_rows, unit_rows


class TranslationMap(BaseEstimator):
    """An affine map from one representation into another.

    Args:
        kind: ``"ridge"`` (one penalty, chosen by leave-one-out), ``"least squares"`` or
            ``"orthogonal"``.

    Attributes:
        coef_: (d, e).
        intercept_: (e,).

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 4))
        >>> TranslationMap().fit(x[:40], 2 * x[:40] + 1).precision(x[40:], 2 * x[40:] + 1)
        1.0
    """

    @no_type_check
    def __init__(self, kind: Literal["ridge", "least squares", "orthogonal"] = "ridge") -> None:
        self.kind = kind

    def fit(self, x: Any, y: Any) -> TranslationMap:
        """Fit on pairs of rows.

        Raises:
            ValueError: an unknown kind, or other items on the two sides.
        """
        a, b = paired_rows(x, y, "TranslationMap", least=2)
        if self.kind == "orthogonal":
            moved = Procrustes().fit(a, b)
            self.coef_ = moved.factor_ * moved.rotation_
        elif self.kind == "ridge":
            basis = ridge.Rows(a).basis()
            self.coef_ = basis.v @ ridge.fit(basis, b, shared=True).coef
        elif self.kind == "least squares":
            self.coef_ = np.linalg.lstsq(a - a.mean(axis=0), b - b.mean(axis=0), rcond=None)[0]
        else:
            raise ValueError(
                "TranslationMap: kind must be 'ridge', 'least squares' or 'orthogonal', got "
                f"{self.kind!r}"
            )
        self.intercept_ = b.mean(axis=0) - a.mean(axis=0) @ self.coef_
        return self

    def transform(self, x: Any) -> Any:
        """Rows of the first side in the space of the second, (m, e)."""
        check_is_fitted(self)
        return like(checked_rows(x, "TranslationMap: x") @ self.coef_ + self.intercept_, x)

    def score(self, x: Any, y: Any) -> float:
        """R² over all features on other rows, against their own mean.

        Raises:
            ValueError: rows of y that are all the same.
        """
        a, b = paired_rows(x, y, "TranslationMap", least=2)
        whole = float(np.sum(centred_rows(b) ** 2))
        if not whole > 0:
            raise ValueError("TranslationMap: the rows of y are all the same, so R² is undefined")
        return 1 - float(np.sum((b - self.transform(a)) ** 2)) / whole

    def precision(self, x: Any, y: Any, *, k: int = 1, csls: int | None = 10) -> float:
        """Share of rows whose own counterpart is among the k nearest of all rows of `y`.

        Args:
            x: (m, d), rows that were not fitted.
            y: (m, e), their counterparts, which are also the candidates.
            k: how many guesses.
            csls: neighbours that CSLS averages over; None for plain cosines.
        """
        a, b = paired_rows(x, y, "TranslationMap", least=2)
        return float(self.hits(a, b, np.arange(len(a)), k=k, csls=csls).mean())

    def hits(
        self, x: Any, candidates: Any, own: Any, *, k: int = 1, csls: int | None = 10
    ) -> Float64[np.ndarray, " m"]:
        """Whether the counterpart of each row is among its k nearest of all candidates.

        Args:
            x: (m, d), rows that were not fitted.
            candidates: (c, e), rows of the second side.
            own: which candidate is the counterpart of each row, (m,).
            k: how many guesses.
            csls: neighbours that CSLS averages over; None for plain cosines.

        Returns:
            1 or 0 for each row.
        """
        near = cosines(self.transform(checked_rows(x, "TranslationMap: x")), candidates)
        near = near if csls is None else csls_scores(near, min(csls, *near.shape))
        return retrieved(near, np.asarray(own), k)


@dataclass(frozen=True, eq=False)
class TranslationTask:
    """Two spaces with a dictionary, of whose words some are tested and the others fitted.

    Attributes:
        x: words of the first space, (n, d).
        y: words of the second, which are all candidates, (m, e).
        dictionary: which row of y translates each row of x, (n,).
        test: rows of x that are never fitted.
        rest: the other rows of x, in the order in which maps take them.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, order = rng.normal(size=(60, 4)), rng.permutation(60)
        >>> task = TranslationTask.split(x, x[order], np.argsort(order), 20, rng=rng)
        >>> task.hits(30, k=1).mean().item(), bool(task.hits(30, k=1, shuffled=rng).mean() < 0.3)
        (1.0, True)
    """

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "m e"]
    dictionary: Int[np.ndarray, " n"]
    test: Int[np.ndarray, " t"]
    rest: Int[np.ndarray, " r"]

    @classmethod
    def split(
        cls,
        x: Float[np.ndarray, "n d"],
        y: Float[np.ndarray, "m e"],
        dictionary: Int[np.ndarray, " n"],
        test: int,
        *,
        rng: np.random.Generator,
    ) -> TranslationTask:
        """Hold `test` random words out.

        Raises:
            ValueError: no translation for each word, one that is no row of y, or too few words.
        """
        if len(dictionary) != len(x) or not ((dictionary >= 0) & (dictionary < len(y))).all():
            raise ValueError(
                f"TranslationTask: the dictionary must give each of {len(x)} words a row of the "
                f"{len(y)} of y"
            )
        if not 1 <= test <= len(x) - 2:
            raise ValueError(
                f"TranslationTask: test must be between 1 and {len(x) - 2}, so that two words are "
                f"left to fit, got {test}"
            )
        order = rng.permutation(len(x))
        return cls(x, y, dictionary, order[:test], order[test:])

    def hits(
        self,
        pairs: int,
        kind: Literal["ridge", "least squares", "orthogonal"] = "ridge",
        *,
        k: int = 5,
        csls: int | None = None,
        shuffled: np.random.Generator | None = None,
    ) -> Float64[np.ndarray, " t"]:
        """Whether each test word's translation is among the k nearest candidates.

        Args:
            pairs: the first so many words of `rest` are fitted.
            kind: of the map, as in `TranslationMap`.
            k: how many guesses.
            csls: neighbours that CSLS averages over; None for plain cosines.
            shuffled: fit the null, in which these words' translations are in a random order.

        Returns:
            1 or 0 for each test word.

        Raises:
            ValueError: more pairs than `rest` has, or fewer than 2.
        """
        if not 2 <= pairs <= len(self.rest):
            raise ValueError(
                f"TranslationTask: pairs must be between 2 and {len(self.rest)}, the words of rest, "
                f"got {pairs}"
            )
        fitted = self.rest[:pairs]
        to = self.dictionary[fitted]
        to = to if shuffled is None else shuffled.permutation(to)
        found = TranslationMap(kind).fit(self.x[fitted], self.y[to])
        return found.hits(self.x[self.test], self.y, self.dictionary[self.test], k=k, csls=csls)


def retrieved(
    near: Float[np.ndarray, "m c"], own: Int[np.ndarray, " m"], k: int = 1
) -> Float64[np.ndarray, " m"]:
    """Whether each row's counterpart is among the k nearest candidates; ties go to the earlier
    candidate, and one whose nearness is NaN is not found.

    Args:
        near: how near each candidate is to each row.
        own: which candidate is the counterpart.
        k: how many guesses.

    Returns:
        1 or 0 for each row.

    Raises:
        ValueError: no candidate for each row, one that does not exist, or k below 1.

    Example:
        >>> retrieved(np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]]), np.array([1, 2]), k=2).tolist()
        [1.0, 0.0]
    """
    own = np.asarray(own)
    if own.shape != near.shape[:1] or not ((own >= 0) & (own < near.shape[1])).all() or k < 1:
        raise ValueError(
            f"retrieved: {len(near)} rows need one of {near.shape[1]} candidates each, and k at "
            f"least 1, got {own.shape} and {k}"
        )
    at = own[:, None]
    mine = np.take_along_axis(near, at, axis=1)
    ahead = ~(near <= mine) | ((near == mine) & (np.arange(near.shape[1]) < at))
    return (ahead.sum(axis=1) < k).astype(np.float64)


def cosines(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> Float64[np.ndarray, "n m"]:
    """Cosine of every row with every row; 0 for a row of length zero."""
    one, two = (unit_rows(checked_rows(s, "cosines", least=0)) for s in (x, y))
    return one @ two.T


def csls_scores(near: Float[np.ndarray, "n m"], k: int = 10) -> Float64[np.ndarray, "n m"]:
    """Cosines less how near each side's vectors are to their k nearest on the other side,
    ``2 c − r_x − r_y``.

    Raises:
        ValueError: k below 1 or above the vectors of a side.
    """
    if not 1 <= k <= min(near.shape):
        raise ValueError(
            f"csls_scores: k must be between 1 and {min(near.shape)}, the vectors of a side, got {k}"
        )
    rows = np.sort(near, axis=1)[:, -k:].mean(axis=1)
    columns = np.sort(near, axis=0)[-k:].mean(axis=0)
    return 2 * near - rows[:, None] - columns
