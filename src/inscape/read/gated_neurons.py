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

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

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


def _sign(x: np.ndarray, threshold: float) -> np.ndarray:
    return np.where(x > threshold, 1, np.where(x < -threshold, -1, 0))


def _unit(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    size = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, size, out=np.zeros_like(x), where=size > 0)
