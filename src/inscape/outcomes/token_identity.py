"""What every token of a vision transformer represents of the class: read by its own class matrix,
and beside it.

    identifiability = 1 − rank of the right class / (classes − 1)        1: first, ½: chance

for the class token, the tokens of the object and the rest, after every block. Beside the lens stand
random class matrices, the same cells in permuted places, and a linear probe on the tokens of the
block.

Cost: one pass over the pictures and a probe a block; the random matrices cost the readout each.
Reference: Vilas et al. (2023), arXiv:2310.18969, §4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured, measured_grid
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.outcomes.picture_states import Shown, states_of
from inscape.read.class_lens import identifiability, projected
from inscape.read.logistic import LogisticProbe
from inscape.worlds.cluttered_digits import Pictures, permuted_cells

CLASS, OBJECT, REST = "class token", "tokens of the digit", "other tokens"
LENS, MATRICES, PLACES, PROBE = (
    "lens",
    "random class matrices",
    "permuted places",
    "linear probe",
)


def over_tokens(
    x: Float[np.ndarray, "*l n tokens"], pictures: Pictures, where: str
) -> Float[np.ndarray, "*l n"]:
    """The mean over some tokens of each picture.

    Args:
        x: a value for each token, the class token first.
        pictures: say which cells are the object's.
        where: `CLASS`, `OBJECT` or `REST`.
    """
    if where == CLASS:
        return x[..., 0]
    mask = pictures.object if where == OBJECT else ~pictures.object
    return (x[..., 1:] * mask).sum(-1) / mask.sum(-1)


@dataclass(frozen=True, eq=False)
class TokenIdentity:
    """What one network's tokens identify.

    Attributes:
        pictures: what it saw.
        readings: reading → identifiability, (layers, n, tokens).
        random: after the last block, under each random class matrix, (matrices, n, tokens).
        probe: the linear probe on the tokens after the last block.
    """

    pictures: Pictures
    readings: dict[str, Float[np.ndarray, "layers n tokens"]]
    random: Float[np.ndarray, "matrices n tokens"]
    probe: LogisticProbe

    def mean(self, reading: str, where: str) -> Float[np.ndarray, "layers n"]:
        """Identifiability by layer, a mean over some tokens of each picture."""
        return over_tokens(self.readings[reading], self.pictures, where)


@dataclass(frozen=True, eq=False)
class PooledIdentity:
    """Identifiability in several networks, their pictures side by side.

    Attributes:
        groups: what each picture's object is made of, (n,): pictures of several networks may share
            it.
        means: tokens and reading → identifiability, a mean over these tokens of each picture,
            (layers, n).
        random: tokens → the same after the last block under each random class matrix,
            (matrices, n).
    """

    groups: Int[np.ndarray, " n"]
    means: dict[tuple[str, str], Float[np.ndarray, "layers n"]]
    random: dict[str, Float[np.ndarray, "matrices n"]]

    def by_layer(self) -> list[Evidence]:
        """Every mean, with ``target`` (the tokens), ``series`` (the reading) and ``layer``; −1 is
        the embedding.
        """
        grid = {
            (*key, i - 1): own for key, layers in self.means.items() for i, own in enumerate(layers)
        }
        names = ("target", "series", "layer")
        return measured_grid("identifiability", grid, names, groups=self.groups)

    def last(self, where: str, reading: str = LENS) -> float:
        """Mean identifiability of some tokens after the last block."""
        return float(self.means[where, reading][-1].mean())

    def of_class_token(self) -> Evidence:
        """Of the class token after the last block; null: random class matrices."""
        name, own = "identifiability after the last block", self.means[CLASS, LENS][-1]
        return self._against(name, own, self.random[CLASS])

    def of_object_over_rest(self) -> Evidence:
        """Of the object's tokens less that of the others after the last block; null: the same under
        random class matrices.
        """
        own = self.means[OBJECT, LENS][-1] - self.means[REST, LENS][-1]
        null = self.random[OBJECT] - self.random[REST]
        return self._against("identifiability: digit − other tokens", own, null)

    def of_random_matrices(self) -> Evidence:
        """Of the class token under random class matrices, over matrices."""
        m = Measured("identifiability under random class matrices", unit="identifiability")
        m.put(MATRICES, self.random[CLASS].mean(axis=1))
        return m.value(MATRICES)

    def _against(self, name: str, own: np.ndarray, null: np.ndarray) -> Evidence:
        m = Measured(name, groups=self.groups, unit="identifiability")
        m.put(LENS, own)
        m.put(MATRICES, null, role="null")
        return m.value(LENS, null=MATRICES)


def pooled_identity(read: Sequence[TokenIdentity]) -> PooledIdentity:
    """Networks read in the same way, as one.

    Args:
        read: one for each network, with as many layers and random matrices.
    """
    kinds, readings = (CLASS, OBJECT, REST), read[0].readings
    means = {
        (where, reading): np.concatenate([r.mean(reading, where) for r in read], axis=1)
        for where in kinds
        for reading in readings
    }
    random = {
        where: np.concatenate([over_tokens(r.random, r.pictures, where) for r in read], axis=1)
        for where in kinds
    }
    groups = np.concatenate([r.pictures.source for r in read])
    return PooledIdentity(groups, means, random)


def token_identity(
    model: Model,
    known: Shown,
    shown: Shown,
    *,
    matrices: int,
    averaged: int,
    rng: Callable[[str], np.random.Generator],
) -> TokenIdentity:
    """Read every token of one network.

    Args:
        model: a vision transformer with a class head.
        known: training pictures, on which probes are fitted.
        shown: the pictures judged, with states at the same sites.
        matrices: random class matrices, for the null after the last block.
        averaged: of these, how many are read at every layer.
        rng: named random streams: ``random class matrix`` and ``mixed``.
    """
    readout, sites = Readout.of(model), list(shown.states)
    y, pictures = shown.pictures.classes[:, None], shown.pictures
    random = _random(readout, matrices, rng("random class matrix"))
    read = partial(_read, y=y)
    mixed, order = permuted_cells(pictures.images, rng=rng("mixed"))
    moved = read(list(states_of(model, mixed, sites).values()), readout)
    # back to the place that each cell's content came from, so that the object's tokens are compared
    # with themselves
    first = np.zeros((len(pictures), 1), dtype=int)
    back = np.concatenate([first, 1 + np.argsort(order, axis=1)], axis=1)
    states = list(shown.states.values())
    # the penalty is chosen after the last block, whose probe also orders tokens
    grids = {s: (0.1, 1.0, 10.0) if s == sites[-1] else (1.0,) for s in sites}
    probes = {
        s: LogisticProbe(Cs=grids[s]).fit(*_probe_rows(known.states[s], known.pictures))
        for s in sites
    }
    readings = {
        LENS: read(states, readout),
        MATRICES: np.mean([read(states, r) for r in random[:averaged]], axis=0),
        PLACES: np.take_along_axis(moved, back[None], axis=2),
        PROBE: np.stack([_probed(probes[s], shown.states[s], y) for s in sites]),
    }
    last = np.stack([read(states[-1:], r)[0] for r in random])
    return TokenIdentity(pictures, readings, last, probes[sites[-1]])


def updates(model: Model, pictures: Pictures) -> pd.DataFrame:
    """What attention and MLP add in each block, read by the class matrix.

    Args:
        model: a vision transformer with a class head.
        pictures: what it sees.

    Returns:
        ``block``, ``update``, identifiability of each kind of token, and for MLPs how often the
        value vector of the class token's most active neuron is highest for the class.
    """
    readout, rows = Readout.of(model), []
    for i in range(len(model.atlas.blocks)):
        sites = [f"attn_out.{i}", f"mlp_out.{i}", f"mlp_act.{i}"]
        found = states_of(model, pictures.images, sites)
        for part, site in zip(("attention", "MLP"), sites[:2], strict=True):
            score = identifiability(projected(readout, found[site]), pictures.classes[:, None])
            parts = (score[:, 0], score[:, 1:][pictures.object], score[:, 1:][~pictures.object])
            means = [float(own.mean()) for own in parts]
            row = dict(zip((CLASS, OBJECT, REST), means, strict=True))
            rows.append({"block": i, "update": part, **row})
        output = model.atlas.place(Site("mlp_out", i)).module.weight.detach()
        first = found[sites[2]][:, 0].argmax(-1)
        named = projected(readout, output.T)[first].argmax(-1).numpy() == pictures.classes
        rows[-1]["most active neuron writes the class"] = named.mean()
    return pd.DataFrame(rows)


def _read(states: Sequence[Tensor], by: Readout, *, y: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.stack([identifiability(by(x), y) for x in states])


def _random(readout: Readout, count: int, rng: np.random.Generator) -> list[Readout]:
    """Class matrices of the same spread behind the same norm."""
    spread, shape = float(readout.weight.std()), tuple(readout.weight.shape)
    drawn = [rng.normal(0, spread, shape).astype(np.float32) for _ in range(count)]
    return [Readout(torch.from_numpy(w), readout.norm) for w in drawn]


def _probe_rows(
    states: Tensor, pictures: Pictures, most: int = 6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some tokens of every picture with the picture's class: what a probe is trained on."""
    keep = np.linspace(0, states.shape[1] - 1, most).astype(int)
    rows = states[:, keep].reshape(-1, states.shape[-1]).numpy()
    own = states[:, 1:][torch.from_numpy(pictures.object)].numpy()
    each = pictures.object.sum(axis=1)
    y, groups = (
        np.concatenate([np.repeat(x, most), np.repeat(x, each)])
        for x in (pictures.classes, pictures.source)
    )
    return np.concatenate([rows, own]), y, groups


def _probed(probe: LogisticProbe, states: Tensor, y: np.ndarray) -> np.ndarray:
    scores = probe.decision_function(states.reshape(-1, states.shape[-1]).numpy())
    every = np.full((len(scores), int(max(probe.classes_.max(), y.max())) + 1), scores.min() - 1)
    every[:, probe.classes_] = scores
    return identifiability(every.reshape(*states.shape[:2], -1), y)
