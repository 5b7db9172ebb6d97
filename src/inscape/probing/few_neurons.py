"""How well few neurons of a model tell each of many features: the same probes of all of them.

    k-sparse probes of the model's neurons;  the best neuron of an untrained copy;  a dense probe of
    the layer that most folds choose;  the same sizes in a randomly rotated basis of each layer

Whether several neurons tell more than one says nothing about neurons where as many axes of a random
rotation tell as much.

Cost: a sparse sweep of the model and of the copy for each feature, and one for each rotation.
Reference: Gurnee et al. (2023), arXiv:2305.01610, §3 to §5; `inscape.probing.sparse_sweep`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from inscape.core.jackknife import Jackknife
from inscape.probing.neuron_features import NeuronFeature, Question, RotatedBasis
from inscape.probing.sparse_sweep import SparseSweep, balanced, sparse_sweep
from inscape.probing.sweep import sweep
from inscape.store.store import Store


class Layers(NamedTuple):
    """Some layers of a store, read one at a time.

    Attributes:
        store: the activations.
        sites: the layers.
    """

    store: Store
    sites: Sequence[Any]

    @classmethod
    def every(cls, store: Store, stride: int = 1) -> Layers:
        """Every stride-th layer."""
        return cls(store, list(store.sites)[::stride])

    @classmethod
    def first_quarter(cls, store: Store) -> Layers:
        """The first quarter of the layers, at least one."""
        sites = list(store.sites)
        return cls(store, sites[: max(1, len(sites) // 4)])

    def of(self, rows: Int[np.ndarray, " n"]) -> Iterator[tuple[str, np.ndarray]]:
        """Site and its neurons at these rows, (n, d), one after another."""
        for site in self.sites:
            yield str(site), self.store.take(site, rows)


@dataclass(frozen=True)
class FewNeurons:
    """How features are probed, the same for all.

    Attributes:
        sizes: numbers of neurons.
        ranking: of the neurons, as in `inscape.read.rank`.
        folds: outer folds.
        seed: of folds, shuffles and random neurons.
    """

    sizes: tuple[int, ...]
    ranking: str = "mean difference"
    folds: int = 4
    seed: int = 0

    def feature(
        self,
        name: str,
        question: Question,
        groups: Int[np.ndarray, " n"],
        neurons: Layers,
        untrained: Layers,
        *,
        shuffles: int,
        random: int,
    ) -> NeuronFeature:
        """Ask one question of the neurons of a model and of its untrained copy.

        Args:
            name: of the feature.
            question: its rows and labels.
            groups: group codes of these rows.
            neurons: layers of the model.
            untrained: layers of the copy.
            shuffles: label shuffles.
            random: random neurons of each layer.
        """
        rows, y = question.rows, question.y
        found = self.sweep(neurons.of(rows), y, groups, shuffles=shuffles, random=random)
        empty = self.sweep(untrained.of(rows), y, groups, sizes=(1,))
        site, _ = found.best()
        dense = sweep(
            dict(Layers(neurons.store, [site]).of(rows)),
            y,
            groups=groups,
            folds=min(self.folds, int(groups.max()) + 1),
            task="classification",
            shuffles=0,
            alphas=(1e-3, 1e-2, 1e-1),
            seed=self.seed,
        )
        right = float(balanced(dense.predictions[0, :, 0] > 0, y))
        copied = float(balanced(empty.selected() == 1, y))
        return NeuronFeature(name, question, found, right, copied)

    def rotated(
        self, features: Sequence[NeuronFeature], layers: Layers, draw: int, sizes: tuple[int, ...]
    ) -> dict[int, list[Jackknife]]:
        """Balanced accuracy of each feature from axes of one random rotation of each layer.

        Args:
            features: probed on these layers.
            layers: whose neurons are rotated.
            draw: which rotation.
            sizes: numbers of axes.

        Returns:
            Number of axes → the mean over layers, one for each feature.
        """
        turn = RotatedBasis(self.seed, draw)
        sweeps = [
            self.sweep(turn(layers.of(f.question.rows)), f.found.y, f.found.groups, sizes=sizes)
            for f in features
        ]
        return {k: [f.of_size(k, s) for f, s in zip(features, sweeps, strict=True)] for k in sizes}

    def sweep(
        self,
        layers: Iterator[tuple[str, np.ndarray]],
        y: Int[np.ndarray, " n"],
        groups: Int[np.ndarray, " n"],
        *,
        sizes: tuple[int, ...] = (),
        shuffles: int = 0,
        random: int = 1,
    ) -> SparseSweep:
        """A sparse sweep with these folds, ranking and seed.

        Args:
            layers: site and rows, one after another.
            y: label, 0 or 1.
            groups: group codes.
            sizes: numbers of neurons; those of all features by default.
            shuffles: label shuffles.
            random: random neurons of each layer.
        """
        return sparse_sweep(
            layers,
            y,
            groups,
            sizes=sizes or self.sizes,
            ranking=self.ranking,
            shuffles=shuffles,
            random=random,
            folds=self.folds,
            seed=self.seed,
        )
