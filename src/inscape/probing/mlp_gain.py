"""What an MLP probe gains over ridge, on the folds of a sweep: the part of an answer that is there
but not linearly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from inscape.core.evidence import Beside, Evidence
from inscape.core.measured import Measured
from inscape.core.rng import child_seed, generator
from inscape.core.threads import side_by_side
from inscape.probing.sweep_result import SweepResult
from inscape.read.mlp import fit_mlp


def mlp_gain(matrix: Callable[[str], np.ndarray], result: SweepResult, seed: int) -> list[Evidence]:
    """R² of an MLP probe minus that of ridge, same site, folds and held-out rows, paired over
    groups.

    In each fold both read the site that its training rows choose, by ridge's inner score averaged
    over the targets.

    Args:
        matrix: a site's representation (n, d) by its name.
        result: a ridge sweep.
        seed: of the probes, and of the one shuffle of the labels on which the MLP's own R² is shown
            beside.

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
    (most, _), *_ = Counter(best.tolist()).most_common(1)
    found = []
    for j, target in enumerate(result.targets):
        m = Measured(
            f"R² of {target}", groups=result.groups, unit="R²", kind="r2", level=result.level
        )
        base = result.row_base[:, j]
        m.put("MLP", (result.y[:, j] - predicted[:n, j]) ** 2, base)
        m.put("ridge", result.row_loss[best[result.folds], np.arange(n), j], base, role="baseline")
        shuffled = (labels[n:, j] - predicted[n:, j]) ** 2
        m.put("MLP, shuffled labels", shuffled, base, role="reference")
        where = {"site": result.sites[most], "target": target, "split": result.split}
        made = m.gain("MLP", over="ridge", d=held[most].shape[1], where=where)
        none = m.value("MLP, shuffled labels").value
        beside = (*made.beside, Beside("reference", "MLP on shuffled labels", float(none)))
        found.append(replace(made, beside=beside))
    return found
