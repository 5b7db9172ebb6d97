"""What a gated neuron does, from its three weight vectors: how what it writes lies to what it
reads.

A neuron of a gated MLP adds φ(w_gate · x) (w_in · x) w_out to the stream. Turning w_in and w_out
round together changes nothing, so signs are fixed to cos(w_gate, w_in) ≥ 0. With cosines called
large beyond a threshold (½):

    cos(w_in, w_out)   |cos(w_gate, w_out)| large       small
    large, positive    enrichment                       conditional enrichment
    large, negative    depletion                        conditional depletion
    small              proportional change              orthogonal output

A neuron is atypical where the third cosine is not what the other two say it should be: where its
sign class is not the product of theirs (orthogonal output is never atypical). Cost: three dot
products a neuron.

Reference: Gerstner and Schütze (2025), Understanding gated neurons in transformers from their
input–output functionality, arXiv:2505.17936, §4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from inscape.core.evidence import Evidence
from inscape.core.item_rows import checked_rows, unit_rows
from inscape.core.measured import Measured, fact
from inscape.core.median import median_evidence

CLASSES = (
    "enrichment",
    "conditional enrichment",
    "proportional change",
    "orthogonal output",
    "conditional depletion",
    "depletion",
)


@dataclass(frozen=True, eq=False)
class GatedWeights:
    """The three vectors of every neuron of a layer, in the residual stream.

    Attributes:
        read: w_in, (m, d).
        gate: w_gate, (m, d).
        write: w_out, (m, d).
    """

    read: Float[np.ndarray, "m d"]
    gate: Float[np.ndarray, "m d"]
    write: Float[np.ndarray, "m d"]

    def permuted(self, *, rng: np.random.Generator) -> GatedWeights:
        """Every neuron with another one's write vector: what cosines are by chance in this layer.

        Raises:
            ValueError: fewer than two neurons.
        """
        m = len(self.write)
        if m < 2:
            raise ValueError(
                "GatedWeights.permuted: one neuron has no other whose vector it could get"
            )
        # a random cycle, so that no neuron keeps its own
        order = rng.permutation(m)
        other = np.empty(m, dtype=np.int64)
        other[order] = np.roll(order, 1)
        return GatedWeights(self.read, self.gate, self.write[other])


@dataclass(frozen=True, eq=False)
class Cosines:
    """Cosines of every neuron, signs fixed.

    Attributes:
        in_out: cos(w_in, w_out), (m,).
        gate_out: cos(w_gate, w_out), (m,).
        gate_in: cos(w_gate, w_in), (m,), never negative.
    """

    in_out: Float[np.ndarray, " m"]
    gate_out: Float[np.ndarray, " m"]
    gate_in: Float[np.ndarray, " m"]


def io_cosines(weights: GatedWeights) -> Cosines:
    """The three cosines of every neuron; zero where a vector is.

    Raises:
        ValueError: vectors that are not finite.

    Example:
        >>> w = GatedWeights(np.array([[2.0, 0.0]]), np.array([[-1.0, 0.0]]), np.array([[3.0, 0.0]]))
        >>> c = io_cosines(w)
        >>> c.in_out.tolist(), c.gate_out.tolist(), c.gate_in.tolist()
        ([1.0], [1.0], [1.0])
    """
    read, gate, write = (_unit(x) for x in (weights.read, weights.gate, weights.write))
    gate_in = np.einsum("md,md->m", gate, read)
    turn = np.where(gate_in < 0, -1.0, 1.0)
    in_out = np.einsum("md,md->m", read, write)
    return Cosines(in_out, turn * np.einsum("md,md->m", gate, write), np.abs(gate_in))


def chance_count(weights: GatedWeights, threshold: float = 0.5) -> float:
    """How many neurons would have |cos(w_in, w_out)| above the threshold, if each had the write
    vector of another neuron.

    The exact mean over derangements of the pairing: the share of all pairs of two different
    neurons, times their number. Permutations leave neurons with their own vector (one of each draw,
    on average), which counts as chance what is not.

    Example:
        >>> eye = np.eye(3)
        >>> chance_count(GatedWeights(eye, eye, eye)), chance_count(GatedWeights(eye, eye, eye[[1, 2, 0]]))
        (0.0, 1.5)
    """
    large = np.abs(_unit(weights.read) @ _unit(weights.write).T) > threshold
    m = len(large)
    return float((large.sum() - np.diag(large).sum()) / max(m - 1, 1))


def classify(
    cosines: Cosines, threshold: float = 0.5
) -> tuple[Int[np.ndarray, " m"], Bool[np.ndarray, " m"]]:
    """The class of every neuron as an index into `CLASSES`, and whether it is atypical.

    Raises:
        ValueError: a threshold outside 0 … 1.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"classify: threshold must be between 0 and 1, got {threshold}")
    sign = {
        name: _sign(getattr(cosines, name), threshold) for name in ("in_out", "gate_out", "gate_in")
    }
    with_gate = sign["gate_out"] != 0
    code = np.select(
        [sign["in_out"] > 0, sign["in_out"] < 0],
        [np.where(with_gate, 0, 1), np.where(with_gate, 5, 4)],
        np.where(with_gate, 2, 3),
    )
    return code.astype(np.int64), (sign["gate_in"] != sign["in_out"] * sign["gate_out"]) & (
        code != 3
    )


class LargeCosines(NamedTuple):
    """Neurons that write along or against what they read, layer by layer.

    Attributes:
        found: how many have |cos(w_in, w_out)| above the threshold.
        expected: how many would, with the write vector of another neuron: `chance_count`.
        neurons: how many the layer has.
    """

    found: Float[np.ndarray, " layers"]
    expected: Float[np.ndarray, " layers"]
    neurons: Int[np.ndarray, " layers"]

    def over_expected(self, name: str, **more: Any) -> Evidence:
        """How many times as many there are in all layers as expected, a count of fixed weights: it
        has no interval.

        Where no pair of two neurons has so large a cosine, one is counted in all layers together:
        1 / (m − 1) neurons are then expected, m the neurons of the widest layer.

        Args:
            name: whose neurons.
            more: further fields of `Evidence`, such as ``beside``.
        """
        floor = 1.0 / (int(self.neurons.max()) - 1)
        ratio = float(self.found.sum()) / max(float(self.expected.sum()), floor)
        named = f"large cosines over those expected, {name}"
        return fact(named, ratio, "times", n=int(self.neurons.sum()), **more)


def large_cosines(weights: Mapping[int, GatedWeights], threshold: float = 0.5) -> LargeCosines:
    """Count the neurons with |cos(w_in, w_out)| above a threshold, and those expected.

    Args:
        weights: layer → its neurons, at least two.
        threshold: from which a cosine counts as large.

    Raises:
        ValueError: no layer, or one of a single neuron.
    """
    layers = list(weights.values())
    if min((len(w.read) for w in layers), default=0) < 2:
        raise ValueError("large_cosines: needs a layer, and two neurons or more in each")
    found = [float((np.abs(io_cosines(w).in_out) > threshold).sum()) for w in layers]
    expected = [chance_count(w, threshold) for w in layers]
    return LargeCosines(
        np.array(found), np.array(expected), np.array([len(w.read) for w in layers])
    )


def classes_recovered(
    weights: Mapping[int, GatedWeights],
    codes: Int[np.ndarray, "layers m"],
    threshold: float = 0.5,
) -> Bool[np.ndarray, " neurons"]:
    """Whether each neuron is sorted into its planted class, layer after layer.

    Args:
        weights: layer → its neurons.
        codes: the planted classes, indices into `CLASSES`, (layers, m).
        threshold: from which a cosine counts as large.
    """
    parts = [classify(io_cosines(w), threshold)[0] == codes[k] for k, w in weights.items()]
    return np.concatenate(parts)


def class_shares(layers: Sequence[Cosines], threshold: float = 0.5) -> list[Evidence]:
    """Share of each class in each layer; coordinates ``class``, ``layer`` and ``atypical``, the
    share of the layer's neurons that are of the class and atypical.

    Args:
        layers: cosines of every layer, from the first.
        threshold: from which a cosine counts as large.
    """
    found = []
    for layer, cosines in enumerate(layers):
        codes, atypical = classify(cosines, threshold)
        m = Measured("share of the layer's neurons")
        for k, kind in enumerate(CLASSES):
            m.put(kind, codes == k)
            share = float((atypical & (codes == k)).mean())
            found.append(m.value(kind, where={"class": kind, "layer": layer, "atypical": share}))
    return found


def median_cosines(layers: Sequence[Cosines]) -> list[Evidence]:
    """Median over each layer's neurons of cos(w_in, w_out) and cos(w_gate, w_out); coordinates
    ``cosine`` and ``layer``.

    Args:
        layers: cosines of every layer, from the first.
    """
    found = []
    for layer, c in enumerate(layers):
        for name, x in (("cos(w_in, w_out)", c.in_out), ("cos(w_gate, w_out)", c.gate_out)):
            where = {"cosine": name, "layer": layer}
            found.append(median_evidence("median cosine", x, where=where))
    return found


def _sign(x: np.ndarray, threshold: float) -> np.ndarray:
    return np.where(x > threshold, 1, np.where(x < -threshold, -1, 0))


def _unit(x: np.ndarray) -> np.ndarray:
    return unit_rows(checked_rows(x, "gated neurons: vectors"))
