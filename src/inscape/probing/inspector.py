"""The inspector: confidence from the states of all layers at once, and from parts of them.

    p = σ(mean over networks of their log-odds)        all states; the contrastive loss left out;
                                                       a kind of state left out; the upper half alone

Networks are fitted on a fold's training rows and read on its held-out ones.

Cost: a small convolution for each network and part.
Reference: Beigi et al. (2024), InternalInspector, arXiv:2406.12053; `inscape.read.layer_cnn` for
the network, `inscape.read.layer_map` for its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from inscape.core.rng import child_seed
from inscape.read.layer_cnn import LayerCNN

INSPECTOR, PLAIN = "all states, contrastive", "all states, log loss only"
UPPER = "upper half of the layers"
#: weight of the contrastive loss
CONTRAST = 0.3


class Part(NamedTuple):
    """What a network sees, and how it is trained.

    Attributes:
        layers: of the layer map.
        columns: of its columns.
        contrast: weight of the contrastive loss.
    """

    layers: Int[np.ndarray, " l"]
    columns: Int[np.ndarray, " c"]
    contrast: float = CONTRAST


@dataclass(frozen=True, eq=False)
class InspectedFold:
    """One fold: the layer map of its training rows, and which rows these are.

    Attributes:
        x: rows laid out by depth, the kinds of state side by side, (n, layers, columns).
        groups: of the rows.
        train: rows to fit on.
        test: rows held out.
        number: of the fold; names its random streams.
        epochs: of training, at most.
        seed: of the networks.
    """

    x: Float[np.ndarray, "n layers columns"]
    groups: Int[np.ndarray, " n"]
    train: Int[np.ndarray, " train"]
    test: Int[np.ndarray, " test"]
    number: int
    epochs: int
    seed: int

    def odds(
        self, y: Int[np.ndarray, " n"], name: str, k: int, part: Part | None = None
    ) -> Float[np.ndarray, " test"]:
        """Log-odds on held-out rows of one network.

        Args:
            y: 1 where the answer is right.
            name: of the random stream.
            k: which network of it.
            part: what it sees; everything by default.
        """
        x = self.x if part is None else self.x[:, part.layers][:, :, part.columns]
        contrast = CONTRAST if part is None else part.contrast
        seed = child_seed(self.seed, name, str(k), str(self.number)) % 2**31
        net = LayerCNN(contrast=contrast, epochs=self.epochs, seed=seed)
        net.fit(x[self.train], y[self.train], groups=self.groups[self.train])
        return net.decision_function(x[self.test])

    def parts(self, kinds: Sequence[str]) -> dict[str, Part]:
        """What is compared: everything, with and without the contrastive loss; of several kinds of
        state, without each, and the upper half of the layers.

        Args:
            kinds: of state, in the order in which they stand side by side.
        """
        _, depth, size = self.x.shape
        layers, columns = np.arange(depth), np.arange(size)
        every = Part(layers, columns)
        found = {INSPECTOR: every, PLAIN: every._replace(contrast=0.0)}
        if len(kinds) > 1:
            found[UPPER] = every._replace(layers=layers[len(layers) // 2 :])
            of = columns // (len(columns) // len(kinds))
            for k, kind in enumerate(kinds):
                found[f"without {kind}"] = every._replace(columns=columns[of != k])
        return found

    def confidences(
        self, y: Int[np.ndarray, " n"], kinds: Sequence[str], networks: int
    ) -> dict[str, Float[np.ndarray, " test"]]:
        """Probability that a held-out answer is right, from each of `parts`.

        Args:
            y: 1 where the answer is right.
            kinds: as in `parts`.
            networks: whose log-odds are averaged where everything is seen; one elsewhere.
        """
        out = {}
        for name, part in self.parts(kinds).items():
            count = networks if name in (INSPECTOR, PLAIN) else 1
            odds = [self.odds(y, "network", k, part) for k in range(count)]
            out[name] = expit(np.mean(odds, axis=0))
        return out
