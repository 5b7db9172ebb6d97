"""Alignment along one line: the direction whose coordinate, swapped between opposites, moves the
answer most.

One-dimensional distributed alignment search trains a unit vector v so that the interchange

    h_base + ((h_source − h_base)·v) v

at one token and layer makes the network answer as the source would. To first order in the swap its
effect on a metric m is (Δ·v)(g·v), with Δ = h_source − h_base and g = ∂m/∂h at the base, so the
best line of a network that is straight there is

    argmax_{‖v‖=1} Σ_i (Δ_i·v)(g_i·v)        the leading eigenvector of ½ Σ_i (Δ_i g_iᵀ + g_i Δ_iᵀ),

in closed form, at all layers from one pass and one backward; training starts there.

Cost: n d² for the closed form; a step of training is one pass from the layer on, forwards and back,
weights held. Reference: Geiger et al. (2023), arXiv:2303.02536; Tigges et al. (2023),
arXiv:2310.15154, §2.3; Nanda (2023), attribution patching.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn

from inscape.control.alignment_maps import AlignmentMap
from inscape.core.batch import Tokens
from inscape.core.edit import Replace, Scope
from inscape.model.connected import connected
from inscape.model.model import Model
from inscape.model.skip import begun_at
from inscape.model.unembed import Readout


class LineMap(AlignmentMap):
    """A reflection that takes a learned direction to the first coordinate, which stands for the
    variable.

    Args:
        start: where the direction begins, (d,); any length but zero.
    """

    def __init__(self, start: Float[Tensor, " d"]) -> None:
        super().__init__(len(start), 1, torch.Generator())
        if not float(start.norm()) > 0:
            raise ValueError("LineMap: start must not be zero; give a direction")
        self.line = nn.Parameter((start / start.norm()).float().clone())

    @property
    def direction(self) -> Float[Tensor, " d"]:
        """The unit direction."""
        return (self.line / self.line.norm()).detach()

    def forward(self, h: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        v = self.line / self.line.norm()
        # towards whichever of ±e₁ is farther, so that the mirror's normal is never short
        first = torch.zeros_like(v)
        first[0] = torch.where(v.detach()[0] < 0, -1.0, 1.0)
        normal = v + first
        return h - 2 * (h @ normal)[:, None] * normal / (normal @ normal)

    def inverse(self, z: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        return self(z)


def first_order_line(
    change: Float[np.ndarray, "n d"], slope: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, " d"]:
    """The unit direction along which swapping moves a metric most, if the metric is straight.

    Args:
        change: source less base, Δ.
        slope: gradient at the base of what is to rise, g.

    Returns:
        The direction, zero where nothing depends on the state; its sign is arbitrary.
    """
    both = change.T.astype(np.float64) @ slope.astype(np.float64)
    whole = both + both.T
    size = float(np.abs(whole).max())
    if size == 0 or not np.isfinite(size):
        return np.zeros(change.shape[1])
    start = np.random.default_rng(0).standard_normal(len(whole))
    return eigsh(whole / size, k=1, which="LA", v0=start)[1][:, 0]


class Rest:
    """The rest of a language model, from one token's state before a block to the scores of a few
    entries at the last token.

    Called as `inscape.control.alignment_search.Finish`; weights should be constants
    (`inscape.model.graph.constants`).

    Args:
        model: a causal language model.
        tokens: the texts, n of them.
        streams: ``resid_pre`` of the layer for each, (tokens, d).
        spots: which token's state is given.
        layer: the block.
        entries: token ids whose logits are given back.
    """

    def __init__(
        self,
        model: Model,
        tokens: Sequence[Tokens],
        streams: Sequence[Float[Tensor, "_ d"]],
        spots: Int[np.ndarray, " n"],
        layer: int,
        entries: Sequence[int],
    ) -> None:
        self.model, self.layer = model, layer
        self.ids = model.collate(tokens).inputs["input_ids"]
        self.streams = nn.utils.rnn.pad_sequence(list(streams), batch_first=True)
        self.spots, self.ends = (
            torch.from_numpy(np.asarray(spots)),
            torch.tensor([len(t) - 1 for t in tokens]),
        )
        readout = Readout.of(model)
        chosen = list(entries)
        bias = None if readout.bias is None else readout.bias[chosen]
        self.readout = Readout(readout.weight[chosen], None, bias, readout.cap)

    def __call__(
        self, h: Float[Tensor, "b d"], rows: Int[Tensor, " b"]
    ) -> Float[Tensor, "b entries"]:
        width = int(self.ends[rows].max()) + 1
        stream, every = self.streams[rows, :width], torch.arange(len(rows))
        here = (torch.arange(width)[None] == self.spots[rows, None])[..., None].to(h.device)
        edit = Replace(
            Scope(f"resid_pre.{self.layer}"), torch.where(here, h[:, None].to(stream), stream)
        )
        with begun_at(self.model, self.layer, stream):
            found = connected(self.model, self.ids[rows, :width], "final_norm", edits=edit)
        (last,) = found.values()
        return self.readout(last[every, self.ends[rows]])
