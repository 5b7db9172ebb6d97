"""Neurons of languages: where they lie, whom they serve, and what happens to each language's loss
without them.

Neurons are those that `inscape.read.lape` selects by the entropy of their firing rates, numbered
layer after layer. Held at zero, a language's neurons should raise the loss of that language and
hardly that of others; as many random neurons of the same layers should not.

Cost: one pass of the texts for each set of neurons.
Reference: Tang et al. (2024), Language-specific neurons, arXiv:2402.16438, §4; Kargaran et al.
(2025), arXiv:2506.01074, §5.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int

from inscape.core.edit import Edit, Replace, Scope
from inscape.core.evidence import Evidence, table
from inscape.core.measured import Measured
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.text_sums import Gates
from inscape.outcomes.token_losses import token_losses
from inscape.read.lape import Lape, equal_sets


def zeroed(neurons: Bool[np.ndarray, " m"], layers: Int[np.ndarray, " m"]) -> list[Edit]:
    """Edits that hold neurons at zero.

    Args:
        neurons: which.
        layers: the layer of each neuron; those of a layer stand together.
    """
    out: list[Edit] = []
    for layer in np.unique(layers[neurons]):
        columns = tuple(int(c) for c in np.flatnonzero(neurons[layers == layer]))
        out.append(Replace(Scope(str(Site("mlp_act", int(layer)))), torch.zeros(1), columns))
    return out


def matched(
    neurons: Bool[np.ndarray, " m"],
    never: Bool[np.ndarray, " m"],
    layers: Int[np.ndarray, " m"],
    *,
    rng: np.random.Generator,
) -> Bool[np.ndarray, " m"]:
    """As many random neurons of each layer.

    Args:
        neurons: whose number in each layer is matched, as far as there are others.
        never: neurons that are not drawn.
        layers: the layer of each neuron.
        rng: draws them.
    """
    out = np.zeros_like(neurons)
    for layer in np.unique(layers[neurons]):
        pool = np.flatnonzero((layers == layer) & ~never)
        count = min(len(pool), int((neurons & (layers == layer)).sum()))
        out[rng.choice(pool, count, replace=False)] = True
    return out


def placed(
    found: Lape, layers: Int[np.ndarray, " m"], languages: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How many neurons each language has, and where.

    Args:
        found: the neurons.
        layers: the layer of each.
        languages: in the order of `found`.

    Returns:
        ``language``, ``neurons``, ``of it alone``, ``median layer``; and ``series``, ``x`` (the
        middle of a tenth of the layers), ``value`` (% of its neurons that are the language's).
    """
    rows, profile, last = [], [], int(layers.max()) + 1
    width = max(1, last // 10)
    for name, mine in zip(languages, found.belongs, strict=True):
        alone = mine & (found.belongs.sum(axis=0) == 1)
        median = float(np.median(layers[mine])) if mine.any() else np.nan
        rows.append((name, int(mine.sum()), int(alone.sum()), median))
        for first in range(0, last, width):
            inside = (layers >= first) & (layers < first + width)
            profile.append((name, first + (width - 1) / 2, 100 * float(mine[inside].mean())))
    counts = pd.DataFrame(rows, columns=["language", "neurons", "of it alone", "median layer"])
    return counts, pd.DataFrame(profile, columns=["series", "x", "value"])


def still_active(
    found: Lape, gates: Gates, code: Int[np.ndarray, " texts"], languages: Sequence[str]
) -> pd.DataFrame:
    """Share of each language's neurons that are most active for it on other texts too, and of all
    other neurons.

    Args:
        found: the neurons, each counted for the language in which it fires most.
        gates: open gates on the other texts.
        code: the language of each of those.
        languages: in the order of `found`.
    """
    counts, tokens, _ = gates
    rates = [counts[code == k].sum(0) / tokens[code == k].sum() for k in range(len(languages))]
    there, most = np.argmax(rates, axis=0), found.rates.argmax(axis=0)
    rows = []
    for k, name in enumerate(languages):
        mine = found.selected & (most == k)
        if mine.any():
            kept, rest = (float((there[x] == k).mean()) for x in (mine, ~found.selected))
            rows.append((name, int(mine.sum()), kept, rest))
    columns = ["language", "neurons", "still most active there", "any neuron"]
    return pd.DataFrame(rows, columns=columns)


def loss_rises(
    model: Model,
    texts: Examples,
    sets: Mapping[Hashable, Sequence[Edit]],
    languages: Sequence[str],
    advance: Callable[[], object],
) -> dict[Hashable, Float[np.ndarray, "programs languages"]]:
    """By how much each text's loss a token rises under each set of edits.

    Args:
        model: a language model.
        texts: columns ``program`` and ``language``: every program once in every language.
        sets: edits by name.
        languages: columns of what is returned.
        advance: called after each pass.
    """
    frame, numbers = texts.frame.reset_index(drop=True), pd.unique(texts.frame["program"])
    before, grids = token_losses(model, texts.texts()), {}
    advance()
    for name, edits in sets.items():
        after = token_losses(model, texts.texts(), edits=edits)
        rise = (after.nats - before.nats) / before.tokens
        wide = frame.assign(rise=rise).pivot(index="program", columns="language", values="rise")
        grids[name] = wide.loc[numbers, list(languages)].to_numpy()
        advance()
    return grids


def neuron_sets(
    found: Lape,
    layers: Int[np.ndarray, " m"],
    languages: Sequence[str],
    *,
    each: int,
    draws: int,
    rng: Callable[..., np.random.Generator],
) -> dict[tuple[str, int], list[Edit]]:
    """Edits that zero each language's neurons, equally many a language, and as many random ones.

    Args:
        found: the neurons.
        layers: the layer of each.
        languages: in the order of `found`; those without neurons are left out.
        each: neurons of each language.
        draws: random sets for each language.
        rng: named random streams: ``matched``, the language and the draw's number.

    Returns:
        (language, draw) → edits, with draw −1 for its own neurons.
    """
    sets = {}
    equal = equal_sets(found, each)
    for name, own, every in zip(languages, equal, found.belongs, strict=True):
        if every.any():
            sets[name, -1] = zeroed(own, layers)
            for k in range(draws):
                drawn = matched(own, found.selected, layers, rng=rng("matched", name, str(k)))
                sets[name, k] = zeroed(drawn, layers)
    return sets


class OwnRises(NamedTuple):
    """Whether neurons serve their own language.

    Attributes:
        ratios: own rise of the loss over the mean rise of the other languages, for each language.
        gains: own rise less twice that mean.
        random_ratios: the ratio with random neurons, for each language.
        random: the ratio with random neurons, over all languages; None where no language has
            neurons.
        random_rise: mean rise in the own language with random neurons, in nats.
    """

    ratios: list[Evidence]
    gains: list[Evidence]
    random_ratios: list[float]
    random: Evidence | None
    random_rise: float

    def table(self) -> pd.DataFrame:
        """Ratios, beside those of random neurons, and gains."""
        frame = table([*self.ratios, *self.gains])
        if self.random is not None:
            frame["random neurons"] = self.random_ratios + [float("nan")] * len(self.gains)
        return frame

    @property
    def ranked(self) -> str:
        """The ratios in words, highest first; empty where no language has neurons."""
        found = sorted(self.ratios, key=lambda e: -e.value)
        return "; ".join(f"{e.where['language']} {e.value:.1f}" for e in found)


def own_rises(
    grids: Mapping[tuple[str, int], Float[np.ndarray, "programs languages"]],
    languages: Sequence[str],
    kinds: np.ndarray,
) -> OwnRises:
    """The rise of each language's own loss against that of the others.

    Args:
        grids: as `loss_rises` gives them for `neuron_sets`.
        languages: columns of the grids.
        kinds: the group of each program.
    """
    name, ratios, gains, random = "own rise / mean rise of the others", [], [], []
    for k, language in enumerate(languages):
        parts = [_parts(grid, k) for (of, _), grid in grids.items() if of == language]
        if not parts:
            continue
        own, *drawn = parts
        random.append(np.stack(drawn, axis=1))
        where = {"language": language}
        m = Measured(name, groups=kinds, unit="times", kind="ratio", where=where)
        m.put("language's neurons", *own)
        ratios.append(m.value("language's neurons"))
        m = Measured("rise of the loss", groups=kinds, unit="nats", where=where)
        m.put("own", own[0])
        m.put("twice the others'", 2 * own[1], role="baseline")
        gains.append(m.gain("own", over="twice the others'"))
    if not random:
        return OwnRises(ratios, gains, [], None, float("nan"))
    own, other = np.stack(random, axis=1).reshape(2, -1)
    groups = np.tile(kinds, len(own) // len(kinds))
    m = Measured(f"{name}, random neurons", groups=groups, unit="times", kind="ratio")
    m.put("random neurons", own, other)
    each = [float(a.sum() / b.sum()) if b.sum() else float("nan") for a, b in random]
    return OwnRises(ratios, gains, each, m.value("random neurons"), float(own.mean()))


def _parts(grid: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The rise of one language, and the mean of the others, (programs,) each."""
    return grid[:, k], np.delete(grid, k, axis=1).mean(axis=1)
