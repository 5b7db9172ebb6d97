"""Yes-or-no features of examples, and how well few neurons of a network tell each of them.

    one value against the others of its kind → y ∈ {0, 1}
    balanced accuracy of k neurons, on held-out groups

A sparse sweep chooses neuron and layer in the training folds. Beside it stand the same sweep on
shuffled labels, random neurons, an untrained copy and a dense probe of the layer that most folds
choose.

Cost: a sparse sweep of the model and of the copy, one dense probe.
Reference: Gurnee et al. (2023), arXiv:2305.01610, §3; `inscape.probing.sparse_sweep`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.core.counts import count
from inscape.core.evidence import Evidence
from inscape.core.formulas import mean_of
from inscape.core.jackknife import Jackknife, combine
from inscape.core.rng import generator
from inscape.probing.class_scores import ClassScores
from inscape.probing.frames import layer_of
from inscape.probing.sparse_sweep import SparseSweep, balanced


class Question(NamedTuple):
    """One value of a kind against its other values.

    Attributes:
        kind: the kind.
        value: the value.
        several: whether the kind has more than two values, so that others are asked about too.
        rows: the examples of the kind.
        y: 1 where they have the value.
    """

    kind: str
    value: str
    several: bool
    rows: Int[np.ndarray, " n"]
    y: Int[np.ndarray, " n"]


def questions(frame: pd.DataFrame, kind: str = "feature", value: str = "value") -> list[Question]:
    """Each value against the others of its kind; of two values the first.

    Args:
        frame: one row an example, with a column of kinds and one of values.
        kind: the column of kinds.
        value: the column of values.

    Raises:
        ValueError: a row without a kind or a value.

    Example:
        >>> frame = pd.DataFrame({"feature": list("aaab"), "value": list("xyzx")})
        >>> [(q.kind, q.value, q.y.tolist()) for q in questions(frame)][:2]
        [('a', 'x', [1, 0, 0]), ('a', 'y', [0, 1, 0])]
    """
    if (missing := frame[[kind, value]].isna().any(axis=1)).any():
        raise ValueError(
            f"questions: {int(missing.sum())} rows lack {kind!r} or {value!r}; fill them in or drop "
            "those rows"
        )
    out = []
    for name, part in frame.reset_index(drop=True).groupby(kind, sort=False):
        of = part[value].astype(str)
        every = list(dict.fromkeys(of))
        several = len(every) > 2
        for one in every if several else every[:1]:
            y = (of == one).to_numpy().astype(np.int64)
            out.append(Question(str(name), one, several, part.index.to_numpy(), y))
    return out


@dataclass(frozen=True, eq=False)
class NeuronFeature:
    """A feature and what was found of it.

    Attributes:
        name: the feature.
        question: whose labels were probed.
        found: the sparse sweep.
        dense: balanced accuracy of a probe of all neurons at the best site.
        untrained: balanced accuracy of the best neuron of an untrained copy.
    """

    name: str
    question: Question
    found: SparseSweep
    dense: float
    untrained: float

    @cached_property
    def scores(self) -> ClassScores:
        """Balanced accuracy over the feature's rows and groups."""
        return ClassScores(self.found.y, self.found.groups, "balanced accuracy")

    @cached_property
    def null(self) -> list[float]:
        """The best neuron of each shuffle, chosen anew, against the shuffled labels."""
        return [
            self.scores.against_labels(self.found.selected(t), self.found.labels[t])
            for t in range(1, len(self.found.labels))
        ]

    @property
    def random(self) -> float:
        """Median over random single neurons."""
        return float(np.median(self.found.random))

    @cached_property
    def evidence(self) -> Evidence:
        """The best neuron, chosen with its layer in each fold; null: the same on shuffled
        labels."""
        site, neuron = self.found.best()
        where = {
            "feature": self.name,
            "layer": layer_of(site),
            "neuron": neuron,
            "random neuron, median": self.random,
            "untrained": self.untrained,
            "dense probe": self.dense,
        }
        return self.scores.evidence(
            "best single neuron", self.found.selected(), self.null, where=where
        )

    def of_size(self, size: int, sweep: SparseSweep | None = None) -> Jackknife:
        """Balanced accuracy of `size` neurons, the mean over the layers of a sweep; its own by
        default."""
        found = self.found if sweep is None else sweep
        at = found.sizes.index(size)
        layers = [self.scores.jackknife(p[at].astype(np.int64)) for p in found.sized]
        return combine(mean_of, *layers, kind="share")

    def __str__(self) -> str:
        """Its accuracy beside that of a random neuron and that on shuffled labels."""
        return (
            f"{self.name} {self.evidence.value:.2f} (random {self.random:.2f}, shuffled "
            f"{np.mean(self.null):.2f})"
        )

    def picks(self) -> list[tuple[Int[np.ndarray, " m"], str, int]]:
        """Of each fold the examples that are held out, and the site and neuron chosen without
        them."""
        out = []
        for fold, place in enumerate(self.found.chosen()):
            held = self.question.rows[self.found.fold_of_row == fold]
            neuron = int(self.found.neurons[place, fold])
            out.append((held, self.found.sites[int(place)], neuron))
        return out

    def by_layer(self) -> pd.DataFrame:
        """Balanced accuracy of every layer and size: ``feature``, ``site``, ``k``, ``balanced
        accuracy``."""
        rows = [
            {
                "feature": self.name,
                "site": site,
                "k": k,
                "balanced accuracy": float(balanced(self.found.sized[s, i], self.found.y)),
            }
            for s, site in enumerate(self.found.sites)
            for i, k in enumerate(self.found.sizes)
        ]
        return pd.DataFrame(rows)


def with_a_neuron(
    features: Sequence[NeuronFeature],
    at_least: float = 0.8,
    random: float = 0.6,
    shuffled: float = 0.55,
) -> Evidence:
    """How many features have a neuron of their own; null: the same count on shuffled labels.

    Args:
        features: with as many shuffles each.
        at_least: balanced accuracy from which a neuron tells its feature.
        random: that the median random neuron may have.
        shuffled: that the mean over shuffled labels may have.
    """
    allowed = [f.random <= random and float(np.mean(f.null)) <= shuffled for f in features]
    return count(
        "text features with a neuron of their own",
        [f.evidence for f in features],
        at_least,
        unit="features",
        counted=allowed,
        null=np.array([f.null for f in features]).T,
        kind="shuffled labels",
    )


def by_size(features: Sequence[NeuronFeature], averaged: Collection[str] = ()) -> pd.DataFrame:
    """Balanced accuracy by number of neurons, ready to be drawn: ``series``, ``x``, ``value``.

    Args:
        features: a series each, at the layer that most folds choose.
        averaged: names of those that are averaged over their layers in place of that.
    """
    parts = []
    for f in features:
        layers = f.by_layer()
        if f.name not in averaged:
            layers = layers[layers["site"] == f.found.best()[0]]
        mean = layers.groupby("k", sort=False)["balanced accuracy"].mean().reset_index()
        parts.append(mean.set_axis(["x", "value"], axis=1).assign(series=f.name))
    return pd.concat(parts, ignore_index=True)[["series", "x", "value"]]


@dataclass(frozen=True, eq=False)
class RotatedBasis:
    """A random rotation of each site's standardised neurons, the same whenever a site comes again.

    What holds of neurons and as much of the axes of a random rotation is not about neurons.

    Attributes:
        seed: of the rotations.
        draw: which rotation.
    """

    seed: int
    draw: int
    _turns: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __call__(
        self, layers: Iterator[tuple[str, Float[np.ndarray, "n d"]]]
    ) -> Iterator[tuple[str, Any]]:
        """Rotate the rows of every site.

        Args:
            layers: site and rows, one after another; neurons that do not vary become zero.
        """
        for site, x in layers:
            if site not in self._turns:
                rng = generator(self.seed, "rotation", site, str(self.draw))
                gaussian = rng.standard_normal((x.shape[1], x.shape[1]), dtype=np.float32)
                self._turns[site] = np.linalg.qr(gaussian)[0]
            spread = x.std(axis=0)
            z = np.divide(x - x.mean(axis=0), spread, out=np.zeros_like(x), where=spread > 1e-9)
            yield site, z @ self._turns[site]
