"""Neurons that go with a quantity: correlations of every unit, against the null of the largest of all of them.

With tens of thousands of neurons some will correlate with anything: at the 99.9 % point of a single neuron's null, one in
a thousand does by chance. What counts here is the null of the *maximum* |r| over all neurons of all layers, under the
same permutations (Westfall and Young's maxT). Layers are given one at a time, so no more than one is held.

    r = Σ z_x z_y / n,   z the standardised columns

Cost per layer: n m T for m neurons and T = targets × (1 + shuffles) columns.
Reference: Gurnee and Tegmark (2023), arXiv:2310.02207, §5 (space and time neurons).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.core.intervals import percentile, sum_by_group


@dataclass(frozen=True)
class NeuronSearch:
    """Correlations of every neuron with every target.

    Attributes:
        table: one row per neuron and target: ``site``, ``neuron``, ``target``, ``r``; the largest |r| first.
        null: largest |r| over all neurons for every permutation and target, (k, t).
        targets: names of the targets.
    """

    table: pd.DataFrame
    null: Float[np.ndarray, "k t"]
    targets: tuple[str, ...]

    def beyond(self, quantile: float = 0.999) -> pd.DataFrame:
        """Rows whose |r| passes that quantile of the null of the maximum, per target."""
        line = dict(zip(self.targets, np.quantile(self.null, quantile, axis=0), strict=True))
        return self.table[self.table["r"].abs() > self.table["target"].map(line)]


def neuron_search(
    layers: Iterable[tuple[object, np.ndarray]],
    y: Float[np.ndarray, "n t"],
    orders: Int[np.ndarray, "k n"],
    targets: tuple[str, ...],
) -> NeuronSearch:
    """Correlate every neuron with every target and every shuffle of it.

    Args:
        layers: (site, activations (n, m)) one at a time; neurons that never vary correlate with nothing.
        y: targets.
        orders: permutations of the rows, from `inscape.core.nulls.permutations`.
        targets: names of the targets.

    Returns:
        The search.

    Raises:
        ValueError: no layers, or no permutations.
    """
    if len(orders) == 0:
        raise ValueError("neuron_search: needs at least one permutation for its null")
    z = _standard(y)
    columns = np.concatenate([z[None], z[orders]]).transpose(1, 0, 2)  # (n, 1 + k, t)
    flat = columns.reshape(len(z), -1)
    found, null = [], np.zeros((len(orders), z.shape[1]))
    for site, x in layers:
        r = (_standard(np.asarray(x, dtype=np.float64)).T @ flat / len(z)).reshape(
            x.shape[1], -1, z.shape[1]
        )
        null = np.maximum(null, np.abs(r[:, 1:]).max(axis=0))
        for t, target in enumerate(targets):
            found.append(
                pd.DataFrame(
                    {
                        "site": str(site),
                        "neuron": np.arange(x.shape[1]),
                        "target": target,
                        "r": r[:, 0, t],
                    }
                )
            )
    if not found:
        raise ValueError("neuron_search: no layers were given")
    table = pd.concat(found, ignore_index=True)
    return NeuronSearch(
        table.iloc[np.argsort(-table["r"].abs(), kind="stable")].reset_index(drop=True),
        null,
        targets,
    )


def passing_interval(
    x: Float[np.ndarray, "n m"],
    y: Float[np.ndarray, "n t"],
    line: Float[np.ndarray, " t"],
    codes: Int[np.ndarray, " n"],
    counts: Int[np.ndarray, "draws groups"],
    level: float = 0.95,
) -> tuple[int, int]:
    """How many of some neurons pass the line at the lower, and at the upper, end of their |r|'s bootstrap interval.

    A count itself cannot be bootstrapped: a resample has fewer distinct groups, so its correlations are larger.

    Args:
        x: activations of the neurons.
        y: targets.
        line: the |r| to pass, per target; a neuron counts if it passes any.
        codes: group of each row.
        counts: from `inscape.core.intervals.group_counts`.
        level: of each neuron's interval.

    Returns:
        Neurons that pass even at the lower end, and that pass at the upper end.
    """
    x, y, w = _standard(x.astype(np.float64)), _standard(y), counts.astype(np.float64)
    total = (w @ sum_by_group(np.ones(len(x)), codes))[:, None]
    mean_x, mean_y = (w @ sum_by_group(v, codes) / total for v in (x, y))
    var_x, var_y = (
        w @ sum_by_group(v**2, codes) / total - m**2 for v, m in ((x, mean_x), (y, mean_y))
    )
    passed = np.zeros((2, x.shape[1]), dtype=bool)
    for j in range(y.shape[1]):
        cov = w @ sum_by_group(x * y[:, j : j + 1], codes) / total - mean_x * mean_y[:, j : j + 1]
        r = cov / np.sqrt(np.maximum(var_x * var_y[:, j : j + 1], 1e-30))
        whole = (x * y[:, j : j + 1]).mean(axis=0)
        low, high = percentile(r * np.sign(whole), level)  # on the side of the neuron's own sign
        passed |= np.stack([low, np.maximum(high, np.abs(whole))]) > line[j]
    return int(passed[0].sum()), int(passed[1].sum())


def _standard(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)
