"""Fitting linear shortcuts on texts: moments of layers with the last one, and the held-out rows
they are judged on.

Cost: one forward pass over the texts, and n d² a pair (`inscape.read.linear_shortcut`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core.folds import group_codes, group_folds
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.read.linear_shortcut import Shortcut, ShortcutMoments
from inscape.read.states import States, states

#: the last layer at another token of the same batch, as a target of its own
ELSEWHERE = "last layer, another token"


@runtime_checkable
class Recorder(Protocol):
    """What a fit needs of the run it is part of: named random streams, a progress bar and a log."""

    def rng(self, *names: str) -> np.random.Generator: ...

    def progress(
        self, description: str, total: int | float | None = None, unit: str = "steps"
    ) -> AbstractContextManager[Any]: ...

    def log(self, message: str, *values: object) -> None: ...


def stream(model: Model) -> list[str]:
    """The residual stream before the first block and after each."""
    return [str(s) for s in model.select("embed, resid_post.*")]


def examples_of(examples: Examples, rows: States) -> np.ndarray:
    """The document of every row."""
    return group_codes(examples.groups())[rows.example]


def fitted(
    run: Recorder,
    model: Model,
    train: Examples,
    pairs: Sequence[tuple[str, str]],
    tokens: int,
    name: str,
) -> ShortcutMoments:
    """Moments of pairs of sites over training texts, in three parts of the documents.

    Sources of the first pair's target are also paired with that target at other tokens of the same
    batch, under the name `ELSEWHERE`: the map of tokens that do not belong together.

    Args:
        run: for progress and random streams.
        model: the model.
        train: texts with a group, in an order that says nothing.
        pairs: (source, target); one target is the last layer, in the first pair.
        tokens: texts are taken until there are so many.
        name: of the random streams.
    """
    texts, count = train.texts(), 0
    lengths = [len(t) for t in model.tokenize(texts)]
    few = train.take(np.arange(int(np.searchsorted(np.cumsum(lengths), tokens)) + 1)[: len(texts)])
    part = np.empty(len(few), dtype=np.int64)
    for p, (_, rows) in enumerate(group_folds(few.groups(), 3, rng=run.rng("parts", name))):
        part[rows] = p
    last = pairs[0][1]
    every = [*pairs, *((s, ELSEWHERE) for s, t in pairs if t == last)]
    moments, rng = ShortcutMoments(every), run.rng("mixed up", name)
    with run.progress(f"fit {model.name}", total=len(few), unit="texts") as bar:
        for rows in states(
            model, few, sorted({site for pair in pairs for site in pair}), last=True
        ):
            for p in np.unique(part[rows.example]):
                here = torch.from_numpy(np.flatnonzero(part[rows.example] == p))
                at = {site: x[here] for site, x in rows.at.items()}
                moments.add(
                    {**at, ELSEWHERE: at[last][torch.from_numpy(rng.permutation(len(here)))]},
                    int(p),
                )
            count += len(rows)
            bar.advance(len(np.unique(rows.example)))
    run.log(
        "%s: maps fitted on %d tokens of %d documents", model.name, count, len(set(few.groups()))
    )
    return moments


def best_source(
    states: Mapping[str, Float[Tensor, "n d"]], goal: Float[Tensor, "n e"], parts: int = 3
) -> tuple[str, Shortcut]:
    """The site from which a map explains most of a goal on rows left out, and the map of all rows.

    Args:
        states: site → the states of the rows there.
        goal: what is mapped to.
        parts: of the rows, each left out once, to choose penalty and site.
    """
    target, part = "goal", np.arange(len(goal)) % parts
    moments = ShortcutMoments([(site, target) for site in states])
    for p in range(parts):
        here = torch.from_numpy(np.flatnonzero(part == p))
        moments.add({**{s: x[here] for s, x in states.items()}, target: goal[here]}, p)
    fits = moments.fit()
    site = max(states, key=lambda s: fits[s, target].inner)
    return site, fits[site, target]


def sampled(
    model: Model,
    test: Examples,
    sites: Sequence[str],
    rows: int,
    positions: int,
    rng: np.random.Generator,
) -> States:
    """About so many rows: some random positions of each of a few texts, as many texts of every
    document as can be.

    Intervals are over documents; one long document must not fill the sample.
    """
    codes = group_codes(test.groups())
    shuffled = rng.permutation(len(codes))
    turn = np.empty(len(codes), dtype=np.int64)
    for document in range(int(codes.max()) + 1):
        own = shuffled[codes[shuffled] == document]
        turn[own] = np.arange(len(own))
    order = shuffled[np.argsort(turn[shuffled], kind="stable")]
    chosen = np.sort(order[: -(-rows // positions)])
    few = test.take(chosen)
    found = States.together(list(states(model, few, sites, most=positions, last=True, rng=rng)))
    return replace(found, example=chosen[found.example])
