"""Neurons that go with a quantity: correlations of every unit, against the null of the largest of
all of them.

With tens of thousands of neurons some will correlate with anything: at the 99.9 % point of a single
neuron's null, one in a thousand does by chance. What counts here is the null of the *maximum* |r|
over all neurons of all layers, under the same permutations (Westfall and Young's maxT). Layers are
given one at a time, so no more than one is held.

    r = Σ z_x z_y / n,   z the standardised columns

Cost per layer: n m T for m neurons and T = targets × (1 + shuffles) columns.
Reference: Gurnee and Tegmark (2023), arXiv:2310.02207, §5 (space and time neurons).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.core.evidence import Evidence, Null
from inscape.core.intervals import interval, sum_by_group
from inscape.core.item_rows import unit_rows
from inscape.core.jackknife import Jackknife
from inscape.core.nulls import p_value, permutations


@dataclass(frozen=True)
class NeuronSearch:
    """Correlations of every neuron with every target.

    Attributes:
        table: one row per neuron and target: ``site``, ``neuron``, ``target``, ``r``; the largest
            |r| first.
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

    def count(self, quantile: float = 0.999) -> int:
        """How many neurons are beyond that quantile for any target."""
        return len(self.beyond(quantile).drop_duplicates(["site", "neuron"]))


def neuron_search(
    layers: Iterable[tuple[object, np.ndarray]],
    y: Float[np.ndarray, "n t"],
    orders: Int[np.ndarray, "k n"],
    targets: tuple[str, ...],
) -> NeuronSearch:
    """Correlate every neuron with every target and every shuffle of it.

    Args:
        layers: (site, activations (n, m)) one at a time; neurons that never vary correlate with
            nothing.
        y: targets.
        orders: permutations of the rows, from `inscape.core.nulls.permutations`.
        targets: names of the targets.

    Returns:
        The search.

    Raises:
        ValueError: no layers, no permutations, names that are not one for each target, other rows
            in a layer, or numbers that are not finite.
    """
    if len(orders) == 0:
        raise ValueError("neuron_search: needs at least one permutation for its null")
    z = _standard(y, "targets")
    if z.ndim != 2 or z.shape[1] != len(targets):
        raise ValueError(
            f"neuron_search: y has shape {np.shape(y)} and targets has {len(targets)} names; give a "
            "column for each name"
        )
    columns = np.concatenate([z[None], z[orders]]).transpose(1, 0, 2)  # (n, 1 + k, t)
    flat = columns.reshape(len(z), -1)
    found, null = [], np.zeros((len(orders), z.shape[1]))
    for site, x in layers:
        r = _correlated(x, flat, site).reshape(x.shape[1], -1, z.shape[1])
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


def strongest(
    layers: Iterable[tuple[object, np.ndarray]],
    y: Float[np.ndarray, "n t"],
    count: int,
) -> pd.DataFrame:
    """The neurons with the largest |r| to any target, whatever chance gives.

    Args:
        layers: (site, activations (n, m)) one at a time.
        y: targets.
        count: neurons at most.

    Returns:
        The rows of a search's table, the largest |r| first, each neuron once; targets are numbers.
    """
    names = tuple(map(str, range(y.shape[1])))
    search = neuron_search(layers, y, np.arange(len(y))[None], names)
    return search.table.drop_duplicates(["site", "neuron"]).head(count)


def random_alike(
    neurons: pd.DataFrame, width: Callable[[str], int], *, rng: np.random.Generator
) -> pd.DataFrame:
    """As many random neurons at the same sites.

    Args:
        neurons: with a column ``site``.
        width: a site → how many neurons it has.
        rng: draws them, with replacement.
    """
    return neurons.assign(neuron=[int(rng.integers(width(s))) for s in neurons["site"]])


def passing(
    layers: Iterable[tuple[object, np.ndarray]],
    y: Float[np.ndarray, "n t"],
    orders: Int[np.ndarray, "k n"],
    line: Float[np.ndarray, " t"],
) -> Int[np.ndarray, " 1+k"]:
    """How many neurons pass the line for any target: with the true targets first, then with each
    permutation of them.

    The counts of fresh permutations are the null of the count: the same neurons, the same line.

    Args:
        layers: (site, activations (n, m)) one at a time.
        y: targets.
        orders: permutations, others than those that set the line.
        line: the |r| to pass, per target.
    """
    z = _standard(y, "targets")
    columns = np.concatenate([z[None], z[orders]]).transpose(1, 0, 2)
    counts = np.zeros(columns.shape[1], dtype=np.int64)
    for site, x in layers:
        flat = columns.reshape(len(z), -1)
        r = _correlated(x, flat, site).reshape(x.shape[1], -1, z.shape[1])
        counts += (np.abs(r) > line).any(axis=2).sum(axis=0)
    return counts


def count_evidence(
    layers: Callable[[], Iterable[tuple[object, np.ndarray]]],
    search: NeuronSearch,
    y: Float[np.ndarray, "n t"],
    codes: Int[np.ndarray, " n"],
    orders: Int[np.ndarray, "k n"],
    *,
    kind: str,
    quantile: float = 0.999,
) -> Evidence:
    """The number of neurons beyond the null of the largest |r|, against the same count under fresh
    permutations.

    The interval is the group jackknife of the count, the line held fixed.

    Args:
        layers: gives (site, activations) anew at each call.
        search: sets the line.
        y: targets.
        codes: group of each row.
        orders: fresh permutations.
        kind: name of the null.
        quantile: of the null of the largest |r|.
    """
    line = np.quantile(search.null, quantile, axis=0)
    counts = passing(layers(), y, orders, line)
    sizes = np.bincount(codes)
    without, d = np.zeros(len(sizes)), 0
    for _, x in layers():
        without += passing_without(x, y, line, codes)
        d += x.shape[1]
    found = Jackknife(float(counts[0]), without, sizes[None] * 1.0, len(y), "positive")
    ends = interval(found)
    return Evidence(
        "neurons beyond the null of the largest |r|",
        int(counts[0]),
        ends.ends,
        Null.of(kind, counts[1:].astype(np.float64)),
        float(p_value(float(counts[0]), counts[1:].astype(np.float64))),
        n=len(y),
        d=d,
        unit="neurons",
        warnings=ends.warnings,
    )


def searched(
    layers: Callable[[], Iterable[tuple[object, np.ndarray]]],
    y: Float[np.ndarray, "n t"],
    codes: Int[np.ndarray, " n"],
    targets: tuple[str, ...],
    *,
    streams: Callable[[str], np.random.Generator],
    draws: int = 1000,
) -> dict[str, NeuronSearch]:
    """`neuron_search` against single rows shuffled, ``"rows"``, and against whole groups,
    ``"groups"``: only the second shows more than what goes with a group.

    Args:
        layers: gives (site, activations) anew at each call.
        y: targets.
        codes: group of each row.
        targets: names of the targets.
        streams: the kind → the generator of its shuffles.
        draws: shuffles of either kind.
    """
    found = {}
    for kind, groups in (("rows", None), ("groups", codes)):
        orders = permutations(len(y), draws, rng=streams(kind), groups=groups, labels=y)
        found[kind] = neuron_search(layers(), y, orders, targets)
    return found


def count_beyond(
    layers: Callable[[], Iterable[tuple[object, np.ndarray]]],
    found: dict[str, NeuronSearch],
    kind: str,
    y: Float[np.ndarray, "n t"],
    codes: Int[np.ndarray, " n"],
    *,
    rng: np.random.Generator,
    draws: int = 199,
) -> Evidence:
    """`count_evidence` of one of the two nulls of `searched`, on fresh shuffles of that kind.

    Args:
        layers: gives (site, activations) anew at each call.
        found: of `searched`.
        kind: ``"rows"`` or ``"groups"``.
        y: targets.
        codes: group of each row.
        rng: of the shuffles.
        draws: how many.
    """
    groups = codes if kind == "groups" else None
    fresh = permutations(len(y), draws, rng=rng, groups=groups, labels=y)
    name = f"the same count with {kind} shuffled"
    return count_evidence(layers, found[kind], y, codes, fresh, kind=name)


def weight_cosines(
    weights: Float[np.ndarray, "m d"], directions: Float[np.ndarray, "t d"]
) -> Float[np.ndarray, "m t"]:
    """Cosine of every neuron's weights with every direction; zero where either has no length.

    Example:
        >>> weight_cosines(np.array([[3.0, 4.0]]), np.array([[0.0, 2.0], [1.0, 0.0]])).tolist()
        [[0.8, 0.6]]
    """
    a, b = (unit_rows(np.asarray(x, dtype=np.float64)) for x in (weights, directions))
    return a @ b.T


def passing_without(
    x: Float[np.ndarray, "n m"],
    y: Float[np.ndarray, "n t"],
    line: Float[np.ndarray, " t"],
    codes: Int[np.ndarray, " n"],
) -> Int[np.ndarray, " groups"]:
    """How many neurons pass the line without each group in turn, correlations taken anew.

    A count cannot be bootstrapped: a resample has fewer distinct groups, so its correlations are
    larger. Leaving out one group has no such bias.

    Args:
        x: activations of the neurons.
        y: targets.
        line: the |r| to pass, per target; a neuron counts if it passes any.
        codes: group of each row, 0 … G − 1.
    """
    x, y = _standard(x.astype(np.float64), "activations"), _standard(y, "targets")
    w = 1.0 - np.eye(int(codes.max()) + 1)
    total = (w @ sum_by_group(np.ones(len(x)), codes))[:, None]
    mean_x, mean_y = (w @ sum_by_group(v, codes) / total for v in (x, y))
    var_x, var_y = (
        w @ sum_by_group(v**2, codes) / total - m**2 for v, m in ((x, mean_x), (y, mean_y))
    )
    passed = np.zeros((len(w), x.shape[1]), dtype=bool)
    for j in range(y.shape[1]):
        cov = w @ sum_by_group(x * y[:, j : j + 1], codes) / total - mean_x * mean_y[:, j : j + 1]
        r = cov / np.sqrt(np.maximum(var_x * var_y[:, j : j + 1], 1e-30))
        passed |= np.abs(r) > line[j]
    return passed.sum(axis=1)


def _correlated(x: Any, flat: np.ndarray, site: object) -> np.ndarray:
    """r of every neuron with every standardised column, (m, columns)."""
    rows = np.asarray(x, dtype=np.float64)
    if len(rows) != len(flat):
        raise ValueError(
            f"neurons: {site} has {len(rows)} rows and the targets {len(flat)}; give the same items"
        )
    return _standard(rows, f"activations of {site}").T @ flat / len(flat)


def _standard(x: np.ndarray, what: str) -> np.ndarray:
    # a NaN would pass for a neuron that never varies, and correlate with nothing
    if not np.isfinite(x).all():
        raise ValueError(
            f"neurons: {what} hold NaN or infinite numbers; leave those rows out everywhere"
        )
    centred = x - x.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)
