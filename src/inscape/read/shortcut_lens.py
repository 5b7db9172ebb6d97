"""Lenses that read a layer through a linear map to the last one, beside the maps that they are
compared with.

    linear map        ridge on tokens of the training documents
    logit lens        the identity
    mean shift        the difference of the means
    low-rank map      the best of that rank
    shuffled tokens   the same fit with the last layer's tokens shuffled within the batch
    no intercept      through the origin

All are fitted on some documents and read on held-out tokens of others.

Cost: `inscape.read.shortcut_fits.fitted`, then a readout for each layer and lens.
Reference: Din et al. (2023), arXiv:2303.09435, §3 and §4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.linear_shortcut import Shortcut, ShortcutMoments, explained
from inscape.read.logit_lens import Reading, logit_lens
from inscape.read.shortcut_fits import ELSEWHERE, Recorder, fitted, sampled
from inscape.read.states import States

LINEAR, IDENTITY, SHIFT, LOW, SHUFFLED, ORIGIN = (
    "linear map",
    "logit lens",
    "mean shift",
    "low-rank map",
    "shuffled tokens",
    "no intercept",
)


@dataclass(frozen=True)
class Fitting:
    """How lenses are fitted and sampled.

    Attributes:
        tokens: that the maps are fitted on.
        rows: held-out tokens at which layers are read.
        positions: of one text, at most.
        rank: of the low-rank maps.
    """

    tokens: int
    rows: int
    positions: int
    rank: int


@dataclass(frozen=True, eq=False)
class ShortcutLenses:
    """Every lens of one model, and the rows that it is judged on.

    Attributes:
        maps: lens → site → its map to the last layer.
        fits: (source, target) → the ridge map.
        moments: that they were fitted on.
        held: held-out rows.
    """

    maps: dict[str, dict[str, Shortcut]]
    fits: dict[tuple[str, str], Shortcut]
    moments: ShortcutMoments
    held: States

    @property
    def sites(self) -> list[str]:
        """The layers before the last."""
        return list(self.maps[LINEAR])

    @property
    def last(self) -> Float[Tensor, "n d"]:
        """The last layer's states of the held-out rows."""
        return self.held.at[list(self.held.at)[-1]]

    def explained(self, lenses: Sequence[str] = ()) -> pd.DataFrame:
        """Variance of the last layer explained: ``lens``, ``site``, ``R²``.

        Args:
            lenses: some of them; all by default.
        """
        goal = self.last.numpy()
        rows = [
            (lens, site, explained(goal, self.maps[lens][site](self.held.at[site]).numpy()))
            for lens in lenses or self.maps
            for site in self.sites
        ]
        return pd.DataFrame(rows, columns=["lens", "site", "R²"])

    def readers(
        self, readout: Readout, k: int
    ) -> tuple[
        Int[np.ndarray, " n"], dict[str, Callable[[Mapping[str, Float[Tensor, "n d"]]], Reading]]
    ]:
        """The model's own answers, and every lens as a reader of the states of all layers.

        Args:
            readout: the unembedding behind the last norm.
            k: likeliest tokens kept.
        """
        own = logit_lens(readout, self.last, k=1).tokens[:, 0]

        def read(of: Mapping[str, Shortcut], states: Mapping[str, Tensor]) -> Reading:
            x = torch.stack([of[site](states[site]) for site in of])
            return logit_lens(readout, x, self.last, own, k=k)

        return own, {name: partial(read, of) for name, of in self.maps.items()}


def shortcut_lenses(
    run: Recorder,
    model: Model,
    train: Examples,
    test: Examples,
    sites: Sequence[str],
    how: Fitting,
    *,
    also: Sequence[tuple[str, str]] = (),
    name: str,
) -> ShortcutLenses:
    """Fit every lens of one model.

    Args:
        run: for progress and random streams.
        model: the model.
        train, test: texts with a group, the document.
        sites: layers in order, the last one last.
        how: sizes.
        also: further pairs (source, target) of which ridge maps are fitted.
        name: of the random streams.
    """
    *layers, last = sites
    pairs = [*((site, last) for site in layers), *also]
    moments = fitted(run, model, train, pairs, how.tokens, name)
    fits = moments.fit()
    maps = {
        LINEAR: {s: fits[s, last] for s in layers},
        IDENTITY: {s: Shortcut.identity(len(fits[s, last].bias)) for s in layers},
        SHIFT: {s: moments.mean_shift(s, last) for s in layers},
        LOW: {s: moments.limit(s, last, fits[s, last], how.rank) for s in layers},
        SHUFFLED: {s: fits[s, ELSEWHERE] for s in layers},
        ORIGIN: {s: moments.through_origin(s, last, fits[s, last].alpha) for s in layers},
    }
    held = sampled(model, test, sites, how.rows, how.positions, run.rng("held out"))
    return ShortcutLenses(maps, fits, moments, held)
