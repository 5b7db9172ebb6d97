"""What an MLP probe gains over ridge, on the folds of a sweep: the part of an answer that is there but not linearly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from inscape.core import intervals
from inscape.core.evidence import Evidence, Null
from inscape.core.rng import child_seed, generator
from inscape.core.threads import side_by_side
from inscape.read.mlp import fit_mlp
from inscape.study.sweep_result import SweepResult


def mlp_gain(matrix: Callable[[str], np.ndarray], result: SweepResult, seed: int) -> list[Evidence]:
    """R² of an MLP probe minus that of ridge, same site, folds and held-out rows, bootstrapped over groups.

    In each fold both read the site that its training rows choose, by ridge's inner score averaged over the targets.

    Args:
        matrix: a site's representation (n, d) by its name.
        result: a ridge sweep.
        seed: of the probes and of the one shuffle that stands as null: the MLP's R² on it, minus ridge's mean over the
            sweep's own shuffles (zero if it has none).

    Returns:
        One per target.
    """
    n, best = (
        len(result.y),
        result.inner[:, :, 0].mean(axis=2).argmax(axis=0),
    )  # best: (f,), index of the site
    order = generator(seed, "mlp", "shuffle").permutation(n)
    labels = np.concatenate([result.y, result.y[order]])  # true, then shuffled
    predicted = np.empty_like(labels)
    held = {s: matrix(result.sites[s]).astype(np.float64) for s in set(best.tolist())}

    def fit(job: tuple[int, int]) -> None:
        fold, start = job
        train, test = np.flatnonzero(result.folds != fold), np.flatnonzero(result.folds == fold)
        x, name = held[int(best[fold])], child_seed(seed, "mlp", str(fold)) % 2**32
        predicted[start + test] = (
            fit_mlp(x[train], labels[start + train], seed=name)
            .predict(x[test])
            .reshape(len(test), -1)
        )

    side_by_side(fit, [(fold, start) for fold in range(len(best)) for start in (0, n)])
    base = intervals.sum_by_group(result.row_base, result.groups)
    ridge_loss = result.row_loss[best[result.folds], np.arange(n)]
    loss = intervals.sum_by_group((result.y - predicted[:n]) ** 2 - ridge_loss, result.groups)
    ends = intervals.percentile(
        intervals.bootstrap_ratio(loss, base, result.group_draws) - 1, result.level
    )
    gain = -loss.sum(axis=0) / base.sum(axis=0)
    none = 1 - ((labels[n:] - predicted[n:]) ** 2).sum(axis=0) / result.row_base.sum(axis=0)
    shuffled = (
        result.null_scores[best].mean(axis=(0, 1))
        if result.null_scores.shape[1]
        else np.zeros(gain.shape)
    )
    (most, _), *_ = Counter(best.tolist()).most_common(1)
    return [
        Evidence(
            f"R² of {target}: MLP − ridge",
            float(gain[j]),
            (float(ends[0, j]), float(ends[1, j])),
            Null.of("both on shuffled labels", [float(none[j] - shuffled[j])]),
            n=n,
            d=held[most].shape[1],
            unit="R²",
            where={"site": result.sites[most], "target": target, "split": result.split},
        )
        for j, target in enumerate(result.targets)
    ]
