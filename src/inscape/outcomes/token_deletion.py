"""On which tokens does a vision transformer's answer depend? Tokens deleted in several orders, and
the accuracy lost.

A token is deleted by setting its embedding to the mean over pictures at that place. Orders are
those of a lens (the gradient of the class token's score with respect to its attention, that
gradient times the attention, the token's own score), of a linear probe on the tokens, of the
object's own tokens, and random ones. The lens's map is chosen on training pictures.

Cost: one pass over the pictures for each order, and one with gradients in closed form.
Reference: Vilas et al. (2023), arXiv:2310.18969, §5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.outcomes.picture_states import Shown, batches, logits_of
from inscape.outcomes.token_identity import PROBE
from inscape.read.class_lens import attention_gradient, score_gradient
from inscape.read.logistic import LogisticProbe
from inscape.worlds.cluttered_digits import Pictures

GRADIENT, WEIGHTED, SCORE = "attention gradient", "attention × gradient", "the token's own score"
TRUTH, RANDOM, INK = "the digit's own tokens", "at random", "the most ink"
#: the null of `PooledDeletion.measured`
SINGLE = "single random orders"


@dataclass(frozen=True, eq=False)
class Deletion:
    """What one network loses.

    Attributes:
        right: whether its own answer is right, (n,).
        lost: order → right answers lost when its first tokens are deleted, (n,); for random ones a
            mean over draws.
        drawn: right answers lost in each random order, (draws, n).
        chosen: the lens's map that costs most on training pictures.
    """

    right: Bool[np.ndarray, " n"]
    lost: dict[str, Float[np.ndarray, " n"]]
    drawn: Float[np.ndarray, "draws n"]
    chosen: str


@dataclass(frozen=True, eq=False)
class PooledDeletion:
    """What several networks lose, their pictures side by side.

    Attributes:
        networks: what each of them loses.
        groups: what each picture's object is made of, (n,), network after network.
    """

    networks: Sequence[Deletion]
    groups: Int[np.ndarray, " n"]

    @cached_property
    def right(self) -> Bool[np.ndarray, " n"]:
        """Whether each network's own answer is right."""
        return np.concatenate([d.right for d in self.networks])

    @cached_property
    def lost(self) -> dict[str, Float[np.ndarray, " n"]]:
        """Order → right answers lost."""
        names = self.networks[0].lost
        return {name: np.concatenate([d.lost[name] for d in self.networks]) for name in names}

    @cached_property
    def best(self) -> Float[np.ndarray, " n"]:
        """Right answers lost in the order of the map that each network's training pictures
        choose.
        """
        return np.concatenate([d.lost[d.chosen] for d in self.networks])

    def measured(self) -> Measured:
        """Accuracy lost in every order; `SINGLE` random orders are a null."""
        m = Measured("accuracy lost", groups=self.groups, unit="share")
        for name in (GRADIENT, WEIGHTED, SCORE, PROBE, TRUTH, INK, RANDOM):
            m.put(name, self.lost[name], role="baseline" if name in (INK, RANDOM) else "treatment")
        m.put(SINGLE, np.concatenate([d.drawn for d in self.networks], axis=1), role="null")
        return m

    def over_random(self) -> Evidence:
        """Accuracy lost in the order of the lens's chosen map, over that lost at random."""
        m = Measured("accuracy lost, lens ÷ random", groups=self.groups, unit="×", kind="ratio")
        m.put("lens", self.best, self.lost[RANDOM])
        return m.value("lens")

    def table(self) -> pd.DataFrame:
        """A row for each network: ``network``, ``accuracy``, ``importance chosen`` and the accuracy
        lost in every order.
        """
        rows = []
        for k, d in enumerate(self.networks):
            row = {"network": k, "accuracy": d.right.mean(), "importance chosen": d.chosen}
            rows.append(row | {f"lost, {name}": own.mean() for name, own in d.lost.items()})
        return pd.DataFrame(rows)


def token_deletion(
    model: Model,
    probe: LogisticProbe,
    known: Shown,
    shown: Shown,
    *,
    share: float,
    draws: int,
    rng: Callable[[str, str], np.random.Generator],
) -> Deletion:
    """Delete the first tokens of every order.

    Args:
        model: a vision transformer with a class head.
        probe: of the class, on tokens after the last block.
        known: training pictures, with states at ``embed`` first and the last block last.
        shown: the pictures judged.
        share: of the cells, deleted.
        draws: random orders.
        rng: named random streams: ``order`` and the draw's number.
    """
    mean, last = known.states["embed"].mean(dim=0), list(shown.states)[-1]

    def loser(part: Shown) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        of = part.pictures
        right = logits_of(model, of.images).argmax(-1).numpy() == of.classes
        return right, partial(_lost, model, of, mean=mean, right=right * 1.0, share=share)

    _, lose_known = loser(known)
    maps = importance(model, known.pictures, known.states[last], probe)
    cost = {name: lose_known(maps[name]).mean() for name in (GRADIENT, WEIGHTED, SCORE)}
    right, lose = loser(shown)
    own = importance(model, shown.pictures, shown.states[last], probe)
    shape = shown.pictures.object.shape
    drawn = np.stack([lose(rng("order", str(k)).random(shape)) for k in range(draws)])
    lost = {name: lose(score) for name, score in own.items()}
    lost |= {TRUTH: lose(shown.pictures.object + 0.0), RANDOM: drawn.mean(axis=0)}
    lost[INK] = lose(ink(shown.pictures))
    return Deletion(right, lost, drawn, max(cost, key=lambda name: cost[name]))


def ink(pictures: Pictures) -> Float[np.ndarray, "n cells"]:
    """The sum of the pixels of each cell: an order that needs no network.

    Args:
        pictures: whose cells make a square.
    """
    n, _, h, w = pictures.images.shape
    side = round(pictures.object.shape[1] ** 0.5)
    parts = pictures.images.reshape(n, -1, side, h // side, side, w // side)
    return parts.sum(axis=(1, 3, 5), dtype=np.float64).reshape(n, -1)


def importance(
    model: Model, pictures: Pictures, last: Float[Tensor, "n tokens d"], probe: LogisticProbe
) -> dict[str, Float[np.ndarray, "n cells"]]:
    """How much the answer (the network's own, right or wrong) depends on each cell, in several
    ways.

    Args:
        model: a vision transformer with a class head.
        pictures: what it sees.
        last: states after the last block.
        probe: of the class, on those states.
    """
    readout, blocks = Readout.of(model), range(len(model.atlas.blocks))
    sites = [f"{p}.{i}" for i in blocks for p in ("pattern", "v", "resid_mid")]
    answer = logits_of(model, pictures.images).argmax(-1)
    gradient, weighted = [], []
    for rows in batches(len(pictures)):
        found = model.run({"pixel_values": torch.from_numpy(pictures.images[rows]).float()}, sites)
        total, product = torch.zeros(()), torch.zeros(())
        for i in blocks:
            output = model.atlas.place(Site("attn_out", i)).module.weight.detach()
            g = score_gradient(readout, found[f"resid_mid.{i}"][:, 0], answer[rows])
            heads = model.atlas.heads(Site("pattern", i))
            slope = attention_gradient(g, found[f"v.{i}"], output, heads)
            total = total + slope.sum(1)
            product = product + (slope * found[f"pattern.{i}"][:, :, 0]).sum(1)
        gradient.append(total[:, 1:].cpu().numpy())
        weighted.append(product[:, 1:].cpu().numpy())
    n = np.arange(len(pictures))
    with torch.no_grad():
        own = torch.log_softmax(readout(last[:, 1:]), -1)[torch.from_numpy(n), :, answer].numpy()
    scores = probe.decision_function(last[:, 1:].reshape(-1, last.shape[-1]).numpy())
    place = np.clip(np.searchsorted(probe.classes_, answer.numpy()), 0, scores.shape[1] - 1)
    above = (scores - scores.max(1, keepdims=True)).reshape(len(pictures), -1, scores.shape[1])
    maps = (np.concatenate(gradient), np.concatenate(weighted), own, above[n, :, place])
    return dict(zip((GRADIENT, WEIGHTED, SCORE, PROBE), maps, strict=True))


def _lost(
    model: Model,
    pictures: Pictures,
    score: np.ndarray,
    *,
    mean: Tensor,
    right: np.ndarray,
    share: float,
) -> np.ndarray:
    """Right answers lost with the embedding of this share of the cells, the highest in `score`, set
    to its mean, (n,)."""
    count = round(share * score.shape[1])
    gone = np.zeros((len(pictures), score.shape[1] + 1), dtype=bool)
    np.put_along_axis(gone, 1 + np.argsort(-score, axis=1, kind="stable")[:, :count], True, axis=1)
    after = logits_of(model, pictures.images, gone, mean).argmax(-1).numpy() == pictures.classes
    return right - after
