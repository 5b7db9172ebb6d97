"""k-sparse probes at every site: the best single neuron, more of them, random ones, and shuffled
labels.

In each fold neurons are ranked on the training rows alone, and everything that is chosen is chosen
there: the neuron, and the site, by balanced accuracy on inner folds in which the ranking is made
anew. Shuffled labels go through the same. All label sets of a site and fold are ranked by one
product and fitted at once (`inscape.core.nested`).

Cost per site and fold: n d for each label set and inner fold, n k² for the sizes.
Reference: Gurnee et al. (2023), arXiv:2305.01610, §3; Varma and Simon (2006), BMC Bioinformatics
7:91 (selection inside).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from inscape.core import nested
from inscape.core.folds import Fold, group_codes, group_folds
from inscape.core.nulls import permutations
from inscape.core.rng import generator
from inscape.read.rank import mean_difference
from inscape.read.sparse import class_weights, sparse_path

# legend: s sites, f folds, k sizes, t label sets (the observed one first), n rows, r random neurons


@dataclass(frozen=True, eq=False)
class SparseSweep:
    """Held-out predictions of sparse probes.

    Attributes:
        sites: their names.
        sizes: numbers of neurons.
        y: label, 0 or 1, (n,).
        labels: the observed label and its shuffles, (t, n).
        groups: group codes, (n,).
        fold_of_row: the fold each row was held out in.
        sized: predictions of every size, (s, k, n).
        single: predictions of the best single neuron, for every label set, (s, t, n).
        inner: balanced accuracy of the best single neuron on inner folds, (s, f, t).
        neurons: the best single neuron of each fold, (s, f).
        random: balanced accuracy of single random neurons, held out, (s, r).
    """

    sites: tuple[str, ...]
    sizes: tuple[int, ...]
    y: Int[np.ndarray, " n"]
    labels: Int[np.ndarray, "t n"]
    groups: Int[np.ndarray, " n"]
    fold_of_row: Int[np.ndarray, " n"]
    sized: Bool[np.ndarray, "s k n"]
    single: Bool[np.ndarray, "s t n"]
    inner: Float[np.ndarray, "s f t"]
    neurons: Int[np.ndarray, "s f"]
    random: Float[np.ndarray, "s r"]

    def chosen(self, label_set: int = 0) -> Int[np.ndarray, " f"]:
        """Index of the site that each fold's training rows choose for the single neuron."""
        return self.inner[:, :, label_set].argmax(axis=0)

    def selected(self, label_set: int = 0) -> Int[np.ndarray, " n"]:
        """Held-out predictions of the single neuron at the site chosen in each fold."""
        site = self.chosen(label_set)[self.fold_of_row]
        return self.single[site, label_set, np.arange(len(self.y))].astype(np.int64)

    def selected_size(self, size: int) -> Int[np.ndarray, " n"]:
        """Held-out predictions of `size` neurons at those same sites."""
        site = self.chosen()[self.fold_of_row]
        return self.sized[site, self.sizes.index(size), np.arange(len(self.y))].astype(np.int64)

    def best(self) -> tuple[str, int]:
        """The site most folds choose, and the neuron most folds take there: for showing."""
        site = int(np.bincount(self.chosen()).argmax())
        return self.sites[site], int(np.bincount(self.neurons[site]).argmax())


def balanced(predicted: Bool[np.ndarray, "*b n"], truth: Int[np.ndarray, "*b n"]) -> Any:
    """Balanced accuracy along the last axis."""
    up, down = truth == 1, truth == 0
    hit = (predicted & up).sum(axis=-1) / np.maximum(up.sum(axis=-1), 1)
    return (hit + (~predicted & down).sum(axis=-1) / np.maximum(down.sum(axis=-1), 1)) / 2


def sparse_sweep(
    matrices: Iterable[tuple[Any, np.ndarray]],
    y: Int[np.ndarray, " n"],
    groups: np.ndarray,
    *,
    sizes: Sequence[int],
    folds: int = 4,
    inner: int = 3,
    shuffles: int = 5,
    random: int = 20,
    ranking: str = "mean difference",
    C: float = 1.0,
    seed: int = 0,
) -> SparseSweep:
    """Probe every site.

    Args:
        matrices: (site, rows (n, d)) pairs, one at a time.
        y: label, 0 or 1.
        groups: one group per row, whole groups are held out.
        sizes: numbers of neurons; those above d are taken as d.
        folds: outer folds, fewer where there are fewer groups.
        inner: inner folds for the choice of the site.
        shuffles: label shuffles, by blocks of groups.
        random: random neurons at each site.
        ranking: of the sizes; the single neuron of `single` is by class-mean difference, for every
            label set.
        C: inverse penalty for neurons of unit deviation.
        seed: of folds, shuffles and random neurons.

    Returns:
        The sweep.
    """
    codes = group_codes(groups, len(y))
    count = int(codes.max()) + 1
    outer = group_folds(codes, min(folds, count), rng=generator(seed, "sparse", "folds"))
    order = permutations(
        len(y), shuffles, rng=generator(seed, "sparse", "shuffles"), groups=codes, labels=y
    )
    labels = np.concatenate([y[None], y[order]])
    insides = []
    for f, (train, _) in enumerate(outer):
        own = group_codes(codes[train])
        insides.append(
            group_folds(
                own,
                max(2, min(inner, int(own.max()) + 1)),
                rng=generator(seed, "sparse", "inner", str(f)),
            )
        )
    fold_of_row = np.empty(len(y), dtype=np.int64)
    for f, (_, test) in enumerate(outer):
        fold_of_row[test] = f
    names, found = [], []
    wanted: tuple[int, ...] = ()
    for site, x in matrices:
        wanted = tuple(sorted({min(int(k), x.shape[1]) for k in sizes}))
        task = _Task(labels, outer, insides, wanted, ranking, C)
        rng = generator(seed, "sparse", "random", str(site))
        names.append(str(site))
        found.append(task.site(np.asarray(x, dtype=np.float64), random, rng))
    sized, single, scores, neurons, chance = (np.stack(part) for part in zip(*found, strict=True))
    return SparseSweep(
        tuple(names), wanted, y, labels, codes, fold_of_row, sized, single, scores, neurons, chance
    )


@dataclass(frozen=True, eq=False)
class _Task:
    """What is the same at every site: label sets, folds, sizes, and how probes are fitted."""

    labels: np.ndarray
    outer: list[Fold]
    insides: list[list[Fold]]
    sizes: tuple[int, ...]
    ranking: str
    C: float

    def site(self, x: np.ndarray, random: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """All fields of `SparseSweep` that a site has."""
        labels, (t, n) = self.labels, self.labels.shape
        sized = np.zeros((len(self.sizes), n), dtype=bool)
        single = np.zeros((t, n), dtype=bool)
        inner = np.zeros((len(self.outer), t))
        neurons = np.zeros(len(self.outer), dtype=np.int64)
        drawn = rng.integers(x.shape[1], size=random)
        anyone = np.zeros((random, n), dtype=bool)
        observed = np.repeat(labels[:1], random, axis=0)
        for f, (train, test) in enumerate(self.outer):
            top = _top(x[train], labels[:, train])
            neurons[f] = top[0]
            single[:, test] = _fit_single(x, top, labels, train, test, self.C)
            for known, held in self.insides[f]:
                rows, out = train[known], train[held]
                made = _fit_single(x, _top(x[rows], labels[:, rows]), labels, rows, out, self.C)
                inner[f] += balanced(made, labels[:, out]) / len(self.insides[f])
            anyone[:, test] = _fit_single(x, drawn, observed, train, test, self.C)
            path = sparse_path(
                x[train], labels[0, train], self.sizes, ranking=self.ranking, C=self.C, tol=1e-4
            )
            sized[:, test] = (path.logits(x[test]) > 0).T
        return sized, single, inner, neurons, balanced(anyone, observed)


def _top(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return mean_difference(x, labels.T).argmax(axis=1)


def _fit_single(
    x: np.ndarray,
    neurons: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    C: float,
) -> np.ndarray:
    """Predictions on the test rows of one neuron for each label set, (t, test)."""
    inside, outside = x[train][:, neurons].T[:, :, None], x[test][:, neurons].T[:, :, None]
    mean, spread = inside.mean(axis=1, keepdims=True), inside.std(axis=1, keepdims=True)
    spread = np.where(spread > 1e-12, spread, 1.0)
    y = labels[:, train]
    weight = class_weights(np.clip(y, 0, 1))
    weight = np.where(np.isfinite(weight), weight, 1.0)  # a shuffle may leave one class only
    fitted = nested.fit(
        (inside - mean) / spread, y.astype(np.float64), (1,), 1.0 / C, weight=weight, tol=1e-4
    )
    return fitted.logits((outside - mean) / spread)[:, :, 0] > 0
