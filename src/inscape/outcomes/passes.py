"""Passes: forward passes over examples in batches of near-equal length, with nothing stored.

A store keeps the model as it is. What happens under an edit, or a score read off the logits, is
looked at once and thrown away: that is what this is for. Order is by length, so each batch says
which examples it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from inscape.core.batch import Batch, Tokens
from inscape.core.edit import Edit
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.data.positions import parse, resolve
from inscape.model.activations import Activations
from inscape.model.batching import batches_alike
from inscape.model.model import Model

#: a mark: from an example's tokens and spans, which of its tokens
Mark = Callable[[Tokens, Mapping[str, tuple[int, int]]], np.ndarray]


class Step(NamedTuple):
    """One batch's results.

    Attributes:
        rows: which examples it holds, (batch,) int64.
        activations: at the one position asked for of each, (batch, 1, width), and the logits there.
    """

    rows: np.ndarray
    activations: Activations


def passes(
    model: Model,
    examples: Examples,
    capture: str | Site | Sequence[str | Site] = (),
    *,
    at: str = "last",
    edits: Callable[[np.ndarray], Sequence[Edit]] | Sequence[Edit] = (),
    marks: Mapping[str, Mark] | None = None,
    logits: bool = False,
    budget: int = 1024,
) -> Iterator[Step]:
    """Run a text model over examples.

    Args:
        model: the model.
        examples: what is fed in.
        capture: sites or patterns.
        at: one position of each example, as `inscape.data.positions` reads it.
        edits: edits, or a function that makes them for the examples of a batch.
        marks: named masks that scopes may refer to.
        logits: whether to compute the logits at that position.
        budget: padded tokens a batch.

    Yields:
        Each batch's rows and activations.

    Raises:
        DataError: an example that has no such position.
        ValueError: `at` names more or less than one position of each example.
    """
    where = parse(at)
    if not where.single or where.reduce != "none":
        raise ValueError(f"passes: at must name one position of each example, got {at!r}")
    tokens = model.tokenize(examples.texts())
    spans = [examples.span(i) for i in range(len(examples))]
    spots = np.array([resolve(where, t, s)[0] for t, s in zip(tokens, spans, strict=True)])
    lengths = np.array([len(t) for t in tokens])
    for rows in batches_alike(lengths, model.switches.kinds(lengths), budget):
        masks = {
            name: [mark(tokens[i], spans[i]) for i in rows] for name, mark in (marks or {}).items()
        }
        batch: Batch = model.collate([tokens[i] for i in rows], masks)
        made = edits(rows) if callable(edits) else edits
        spot = torch.from_numpy(spots[rows][:, None])
        yield Step(rows, model.run(batch, capture, edits=list(made), at=spot, logits=logits))


def gather(model: Model, examples: Examples, site: str | Site, **options: Any) -> np.ndarray:
    """One site at one position of every example, in the examples' order, (n, width) float32; see
    `passes`.
    """
    out: np.ndarray | None = None
    for step in passes(model, examples, site, **options):
        (value,) = step.activations.values()
        if out is None:
            out = np.empty((len(examples), value.shape[-1]), dtype=np.float32)
        out[step.rows] = value[:, 0].float().cpu().numpy()
    assert out is not None
    return out
