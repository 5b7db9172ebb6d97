"""Rankings of coordinates (neurons, latents) by what each says of a two-class label: which k would
a sparse probe take?

    mean difference      |μ₁ − μ₀| / σ, each coordinate on its own
    mutual information   I(bin of x; y), bins of equal counts, each coordinate on its own
    lasso                the order in which coordinates enter the L1 path of least squares on the label
    adaptive             logistic fits on fewer and fewer coordinates: half of them, those of least |β|, leave each time
    random               no order at all: what choosing is worth is measured against it

A ranking looks at the rows it is given, so it belongs inside the training part; ranking on all rows
and then holding some out is the commonest leak of sparse probing. Cost n d for the first two, n d k
for the third, a fit each halving for the fourth.

Reference: Gurnee et al. (2023), Finding neurons in a haystack, arXiv:2305.01610, §3.2; Efron et al.
(2004), Ann. Stat. 32, for the path.
"""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path

from inscape.core import logistic, ridge

RANKINGS = ("mean difference", "mutual information", "lasso", "adaptive", "random")
#: bins of mutual information
BINS = 8


def rank(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    count: int,
    ranking: str = "mean difference",
    *,
    rng: np.random.Generator | None = None,
) -> Int[np.ndarray, " count"]:
    """The first `count` coordinates of a ranking, best first.

    Args:
        x: training rows.
        y: labels, 0 or 1, both present.
        count: how many; at most d.
        ranking: one of `RANKINGS`.
        rng: of ``"random"``.

    Returns:
        Indices of coordinates.

    Raises:
        ValueError: an unknown ranking, a count outside 1 … d, labels of one class or other than 0
            and 1, numbers that are not finite, or no generator for ``"random"``.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(100, 5))
        >>> rank(x, (x[:, 3] > 0).astype(int), 1).tolist()
        [3]
    """
    if ranking not in RANKINGS:
        raise ValueError(f"rank: ranking must be one of {', '.join(RANKINGS)}, got {ranking!r}")
    if not 1 <= count <= x.shape[1]:
        raise ValueError(
            f"rank: count must be between 1 and {x.shape[1]}, the coordinates there are, got "
            f"{count}"
        )
    _check_labels(x, y)
    if y.min() == y.max():
        raise ValueError("rank: y holds one class only; a ranking compares two")
    if ranking == "random":
        if rng is None:
            raise ValueError(
                "rank: a random ranking needs a generator; pass rng=np.random.default_rng(seed)"
            )
        return rng.permutation(x.shape[1])[:count]
    x = np.asarray(x, dtype=np.float64)
    if ranking in ("mean difference", "mutual information"):
        found = {"mean difference": mean_difference, "mutual information": mutual_information}[
            ranking
        ](x, y[:, None])
        return np.argsort(-found[0], kind="stable")[:count]
    return (
        _lasso(_standard(x), y, count) if ranking == "lasso" else _adaptive(_standard(x), y, count)
    )


def mean_difference(
    x: Float[np.ndarray, "n d"], y: Int[np.ndarray, "n t"]
) -> Float[np.ndarray, "t d"]:
    """``|μ₁ − μ₀|`` of every coordinate in its own standard deviation, for many labels at once; 0
    where it never varies.

    Raises:
        ValueError: labels other than 0 and 1 or not one a row, or numbers that are not finite.
    """
    _check_labels(x, y)
    yes = y.astype(np.float64)
    up, down = yes.sum(axis=0)[:, None], (1 - yes).sum(axis=0)[:, None]
    z = _standard(x)
    total = z.sum(axis=0)
    hits = yes.T @ z
    return np.abs(hits / np.maximum(up, 1) - (total - hits) / np.maximum(down, 1))


def mutual_information(
    x: Float[np.ndarray, "n d"], y: Int[np.ndarray, "n t"], bins: int = BINS
) -> Float[np.ndarray, "t d"]:
    """Mutual information of every coordinate's quantile bin with a label, in nats, for many labels
    at once.

    The plug-in estimate is biased upwards by about (bins − 1)/2n for every coordinate alike, which
    leaves an order as it is. A coordinate whose values tie (a rectified neuron that is mostly zero)
    has fewer bins.

    Raises:
        ValueError: as `mean_difference`, or fewer than two bins.
    """
    _check_labels(x, y)
    if bins < 2:
        raise ValueError(f"mutual_information: bins must be at least 2, got {bins}")
    n = len(x)
    edges = np.quantile(x, np.arange(1, bins) / bins, axis=0)  # (bins − 1, d)
    code = (x[None] > edges[:, None]).sum(axis=0)  # (n, d)
    yes = y.astype(np.float64)
    share = yes.mean(axis=0)[:, None]
    out = np.zeros((y.shape[1], x.shape[1]))
    for b in range(bins):
        here = (code == b).astype(np.float64)
        size = here.mean(axis=0)
        up = yes.T @ here / n
        for joint, margin in ((up, share), (size - up, 1 - share)):
            ratio = np.divide(joint, size * margin, out=np.ones_like(joint), where=joint > 0)
            out += joint * np.log(ratio)
    return np.maximum(out, 0.0)


def _check_labels(x: np.ndarray, y: np.ndarray) -> None:
    if len(x) != len(y) or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"rank: y must hold 0 or 1 for each of the {len(x)} rows; np.unique(y, "
            "return_inverse=True) gives such codes"
        )
    if not np.isfinite(x).all():
        raise ValueError("rank: x holds NaN or infinite numbers; leave those rows out of x and y")


def _lasso(z: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    target = y - y.mean()
    with (
        warnings.catch_warnings()
    ):  # coordinates that coincide are dropped from the path, which is what is wanted
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, _, coefs = lars_path(z, target, method="lasso", max_iter=4 * count)
    first = np.where((coefs != 0).any(axis=1), (coefs != 0).argmax(axis=1), coefs.shape[1])
    # what never entered comes after, by its correlation with the label
    return np.lexsort((-np.abs(z.T @ target), first))[:count]


def _adaptive(z: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    left, gone = np.arange(z.shape[1]), []
    labels = logistic.one_hot(y.astype(np.int64)[:, None], 2)
    while len(left) > 1:
        basis = ridge.Rows(z[:, left]).basis()
        found = logistic.fit(basis.z, basis.w, labels, np.ones(1), tol=1e-3, max_iter=200)
        order = np.argsort(-np.abs(basis.v @ found.beta[1:, 0, 0]), kind="stable")
        # halving to the count that is asked for, then one by one, so that the order inside it is
        # one of fits
        keep = (
            max(count, len(left) // 2) if len(left) > count else len(left) - max(1, len(left) // 8)
        )
        gone.append(left[order[keep:]])
        left = left[order[:keep]]
    return np.concatenate([left, *reversed(gone)])[:count]


def _standard(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)
