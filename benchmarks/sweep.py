"""The ridge sweep against the loop that everyone writes: scikit-learn's `RidgeCV`, once per site,
fold and label set.

31 sites × 5 folds × (1 + 20 shuffles) of two targets, n = 1,500, d = 576, ten penalties chosen per
target by leave-one-out in both. In each round ours does one site whole (five folds, all label sets)
and the loop does a few of the same label sets of one fold; both are extrapolated by exact counts
(31 sites; 31 × 5 × 21 fits), which favours neither: every fit of the loop has the same shape. The
loop runs with all BLAS threads and with one, and the faster counts: on a busy machine the former
can be many times slower. Scores and penalties of the label sets done by both must agree.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from sklearn.linear_model import RidgeCV
from threadpoolctl import threadpool_limits

from inscape.core import ridge
from inscape.core.folds import random_folds
from inscape.core.threads import side_by_side

SITES, FOLDS, SHUFFLES, ROWS, WIDTH, TARGETS = 31, 5, 20, 1500, 576, 2
ROUNDS, LABEL_SETS = 3, 3
ALPHAS = np.logspace(-3, 6, 10)


def run() -> list[dict[str, object]]:
    """Time both in turn; one row for the whole sweep."""
    rng = np.random.default_rng(0)
    folds = random_folds(ROWS, FOLDS, rng=rng)
    ours, worst = [], 0.0
    theirs: dict[str, list[float]] = {"all BLAS threads": [], "one BLAS thread": []}
    for _ in range(ROUNDS):
        x = (rng.normal(size=(ROWS, WIDTH)) * np.exp(rng.normal(size=WIDTH))).astype(np.float32)
        y = x[:, :TARGETS] + 3 * rng.normal(size=(ROWS, TARGETS))
        sets = np.stack(
            [y] + [y[rng.permutation(ROWS)] for _ in range(SHUFFLES)], axis=1
        )  # (n, k, t)
        started = time.perf_counter()
        mine = _ours(x, sets, folds)
        ours.append(time.perf_counter() - started)
        fold = len(ours) % FOLDS
        for threads, seconds in theirs.items():
            with threadpool_limits(1 if threads == "one BLAS thread" else None, user_api="blas"):
                started = time.perf_counter()
                loop = _loop(x, sets[:, :LABEL_SETS], folds[fold])
                seconds.append((time.perf_counter() - started) / LABEL_SETS)
            worst = max(worst, float(np.abs(loop - mine[fold, :LABEL_SETS]).max()))
    if worst > 1e-4:
        raise AssertionError(f"the two disagree: scores differ by {worst:.2g}")
    threads = min(theirs, key=lambda name: median(theirs[name]))
    seconds, loop_seconds = (
        median(ours) * SITES,
        median(theirs[threads]) * SITES * FOLDS * (1 + SHUFFLES),
    )
    note = (
        f"{SITES} sites × {FOLDS} folds × {1 + SHUFFLES} label sets, n = {ROWS}, d = {WIDTH}, "
        f"{TARGETS} targets; medians of {ROUNDS} rounds in turn; ours from whole sites, the loop "
        f"from {LABEL_SETS} fits a round, both multiplied up to the full count; the loop with "
        f"{threads}, the faster for it; largest difference of R² {worst:.1g}"
    )
    return [
        {
            "name": "ridge sweep with shuffles",
            "ours": seconds,
            "theirs": loop_seconds,
            "ratio": loop_seconds / seconds,
            "target": 50.0,
            "unit": "s",
            "note": note,
        }
    ]


def _ours(
    x: np.ndarray, sets: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    rows, scores = ridge.Rows(x), np.empty((len(folds), *sets.shape[1:]))
    columns = sets.reshape(len(x), -1)

    def one(f: int) -> None:
        train, test = folds[f]
        basis = rows.basis(train)
        fitted = ridge.fit(basis, columns[train], ALPHAS, scale=False)
        scores[f] = _r2(columns, fitted.predict(rows.project(basis, test)), train, test).reshape(
            sets.shape[1:]
        )

    side_by_side(one, range(len(folds)))
    return scores


def _loop(x: np.ndarray, sets: np.ndarray, fold: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    # float64 for both: in the float32 of the harvest scikit-learn would be somewhat faster and
    # agree to fewer digits
    train, test = fold
    x = x.astype(np.float64)
    scores = np.empty(sets.shape[1:])
    for k in range(sets.shape[1]):
        probe = RidgeCV(alphas=ALPHAS, alpha_per_target=True).fit(x[train], sets[train, k])
        scores[k] = _r2(sets[:, k], probe.predict(x[test]), train, test)
    return scores


def _r2(y: np.ndarray, predicted: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    return 1 - ((y[test] - predicted) ** 2).sum(axis=0) / (
        (y[test] - y[train].mean(axis=0)) ** 2
    ).sum(axis=0)
