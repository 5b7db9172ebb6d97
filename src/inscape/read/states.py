"""States at every token: batches of near-equal length through a model, one row for each token
looked at, nothing stored.

What lenses are fitted on and asked about: the residual stream where a next token is to be
predicted. First positions can be left out (attention sinks hold nothing of the text and drown
everything else), and so can all but a few positions of a text.

Cost: one forward pass over the padded tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from inscape.core.folds import group_codes
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.model.batching import batches_by_length
from inscape.model.model import Model


@dataclass(frozen=True, eq=False)
class States:
    """Rows of one batch, or of several put together.

    Attributes:
        example: which example each row is of, (n,).
        position: its position there, (n,).
        token: the token there, (n,).
        following: the token after it; −1 at the end of a text, (n,).
        at: site → states, (n, d).
    """

    example: np.ndarray
    position: np.ndarray
    token: np.ndarray
    following: np.ndarray
    at: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.example)

    def stack(self, sites: Sequence[str]) -> Tensor:
        """States of several sites, (sites, n, d)."""
        return torch.stack([self.at[site] for site in sites])

    @classmethod
    def together(cls, parts: Sequence[States]) -> States:
        """All rows as one."""
        side = (
            np.concatenate([getattr(p, f) for p in parts])
            for f in ("example", "position", "token", "following")
        )
        return cls(*side, {site: torch.cat([p.at[site] for p in parts]) for site in parts[0].at})


def states(
    model: Model,
    examples: Examples,
    sites: str | Site | Sequence[str | Site],
    *,
    skip: int = 1,
    most: int | None = None,
    last: bool = False,
    rng: np.random.Generator | None = None,
    budget: int = 1024,
) -> Iterator[States]:
    """Run a text model over examples and give its states batch by batch.

    Args:
        model: the model.
        examples: texts; longer ones than the model takes are refused.
        sites: sites or patterns.
        skip: first positions left out.
        most: at most so many positions of a text, drawn at random.
        last: whether the last position, after which nothing is known, is given too.
        rng: of the draw.
        budget: padded tokens a batch.

    Yields:
        One `States` a batch; a text with no position left gives no row.

    Raises:
        ValueError: positions are to be drawn, and there is no generator.
    """
    if most is not None and rng is None:
        raise ValueError("states: drawing positions needs a generator; give rng=…")
    tokens = model.tokenize(examples.texts())
    wanted = model.select(sites)
    keep: list[np.ndarray] = []
    for t in tokens:
        spots = np.arange(skip, len(t) - (not last))
        if most is not None and rng is not None and len(spots) > most:
            spots = np.sort(rng.permutation(spots)[:most])
        keep.append(spots)
    for rows in batches_by_length([len(t) for t in tokens], budget):
        batch = model.collate([tokens[i] for i in rows])
        found: Any = model.run(batch, wanted)
        at = torch.from_numpy(
            np.concatenate(
                [np.stack([np.full(len(keep[i]), r), keep[i]]) for r, i in enumerate(rows)], 1
            )
        )
        if not at.shape[1]:
            continue
        where = at.to(model.device)
        kept = {str(site): value[where[0], where[1]].float().cpu() for site, value in found.items()}
        ids = [tokens[i].ids for i in rows]
        after = [np.append(t[1:], -1) for t in ids]
        yield States(
            np.concatenate([np.full(len(keep[i]), i) for i in rows]),
            at[1].numpy(),
            np.concatenate([t[keep[i]] for t, i in zip(ids, rows, strict=True)]),
            np.concatenate([t[keep[i]] for t, i in zip(after, rows, strict=True)]),
            kept,
        )


def states_of_sources(
    model: Model,
    sources: Sequence[Examples],
    sites: Sequence[str],
    rows: int,
    *,
    most: int,
    rng: Callable[[str], np.random.Generator],
) -> tuple[States, Int[np.ndarray, " n"]]:
    """About as many rows of every source, with the group of each; groups of two sources are two.

    Args:
        model: the model.
        sources: texts, of which the first are taken.
        sites: sites of the model.
        rows: of each source.
        most: positions of a text, drawn at random.
        rng: number of the source, as text → its generator.
    """
    parts, names = [], []
    for number, examples in enumerate(sources):
        few = examples.take(np.arange(min(len(examples), -(-rows // most))))
        for part in states(model, few, sites, most=most, rng=rng(str(number))):
            parts.append(part)
            names += [f"{number} {g}" for g in few.groups()[part.example]]
    return States.together(parts), group_codes(names)
