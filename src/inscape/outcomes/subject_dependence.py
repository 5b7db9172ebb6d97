"""How far a prediction depends on a span of the prompt: the subject cut off, or replaced by an
average.

    JS(p(next | prompt), p'(next | prompt))  in nats

p' is the prediction when the last token may not attend to the span in some layers (attention
knockout), or when the span's embeddings are their mean over all prompts of one kind. Both take the
subject away and leave the relation; they fail otherwise, so each checks the other.

Cost: two passes of the model over the prompts.
Reference: Geva et al. (2023), arXiv:2304.14767, §4 (knockout); Cheang et al. (2025),
arXiv:2510.09033, §3 (divergence as the measure of recall).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inscape.control.attention_knockout import attention_knockout
from inscape.core.class_means import class_means, class_ratio
from inscape.core.edit import Replace, Scope
from inscape.core.evidence import Beside, Evidence
from inscape.core.folds import group_codes
from inscape.data.examples import Examples
from inscape.data.positions import span_mask
from inscape.model.batching import batches_by_length
from inscape.model.continuations import Continuation
from inscape.model.model import Model
from inscape.read.jensen_shannon import jensen_shannon

#: told how many prompts are done
Advance = Callable[[int], Any]


def cut_off(
    model: Model,
    examples: Examples,
    layers: Sequence[int] | None = None,
    *,
    span: str = "subject",
    advance: Advance | None = None,
) -> Float[np.ndarray, " n"]:
    """How far the prediction moves when the last token may not attend to a span, in nats.

    Args:
        model: predicts.
        examples: prompts with the span.
        layers: where attention is cut; every layer by default.
        span: its name.
        advance: told how many prompts are done.
    """
    blocks = range(len(model.atlas.blocks)) if layers is None else layers
    return _moved(model, examples, span, blocks, None, advance)


def cut_off_by_windows(
    model: Model,
    examples: Examples,
    window: int,
    *,
    span: str = "subject",
    advance: Callable[[], Any] | None = None,
) -> dict[int, Float[np.ndarray, " n"]]:
    """`cut_off` in each window of layers, side by side.

    Args:
        model: predicts.
        examples: prompts with the span.
        window: layers of a window; the last may have fewer.
        span: its name.
        advance: called after each window.

    Returns:
        The middle layer of a window → how far predictions move, in nats.
    """
    layers, found = len(model.atlas.blocks), {}
    for first in range(0, layers, window):
        inside = range(first, min(first + window, layers))
        found[inside[len(inside) // 2]] = cut_off(model, examples, inside, span=span)
        if advance is not None:
            advance()
    return found


RIGHT, RECALLED, UNGROUNDED = KINDS = ("right", "recalled error", "ungrounded error")


class ErrorKinds(NamedTuple):
    """Completions by kind.

    Attributes:
        line: from so large a divergence on an error is recalled, in nats.
        rows: completions of the subjects that were not set aside.
        kinds: of these, one of `KINDS`.
    """

    line: float
    rows: Int[np.ndarray, " m"]
    kinds: np.ndarray


def error_kinds(
    cut: Float[np.ndarray, " n"],
    right: Bool[np.ndarray, " n"],
    subjects: Sequence[Any] | np.ndarray,
    *,
    aside: float,
    quantile: float,
    rng: np.random.Generator,
) -> ErrorKinds:
    """Right completions, errors that depend on their subject as right ones do, and errors that do
    not.

    What counts as depending is fixed on subjects set aside: a divergence of at least the quantile
    of their right completions.

    Args:
        cut: how far each prediction moves when it is cut off from its subject, in nats.
        right: which completions are right.
        subjects: of each completion; a subject is set aside with all of them.
        aside: share of the subjects that is set aside.
        quantile: of the divergence of right completions.
        rng: draws the subjects.

    Raises:
        ValueError: no right completion of a subject that is set aside, or a divergence that is NaN.
    """
    codes = group_codes(np.asarray(subjects))
    if np.isnan(cut).any():
        raise ValueError("error_kinds: a divergence is NaN; leave that completion out")
    away = (rng.random(int(codes.max()) + 1) < aside)[codes]
    if not (away & right).any():
        raise ValueError(
            f"error_kinds: no completion of the {aside:.0%} of subjects set aside is right, so nothing "
            "fixes the line; set more aside"
        )
    line = float(np.quantile(cut[away & right], quantile))
    kinds = np.where(right, RIGHT, np.where(cut >= line, RECALLED, UNGROUNDED))
    return ErrorKinds(line, np.flatnonzero(~away), kinds[~away])


def dependence_by_kind(
    values: Float[np.ndarray, " n"],
    kinds: np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    **where: str | int,
) -> list[Evidence]:
    """Mean divergence of each kind of completion that there is, beside that of all.

    Args:
        values: how far each prediction moves, in nats.
        kinds: of each completion, one of `KINDS`.
        groups: of each completion.
        where: further coordinates beside ``completion``: how the subject was taken away.
    """
    every = Beside("reference", "all completions", float(values.mean()))
    options = {"by": "completion", "order": KINDS, "unit": "nats", "beside": (every,)}
    return class_means("divergence", values, kinds, groups, where=where, **options)


def recalled_ratio(
    values: Float[np.ndarray, " n"],
    kinds: np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    *,
    draws: int,
    rng: np.random.Generator,
) -> Evidence:
    """Mean divergence of recalled errors over that of ungrounded ones; null: the two shuffled by
    group.

    Args:
        values: how far each prediction moves, in nats.
        kinds: of each completion, one of `KINDS`.
        groups: of each completion.
        draws: shuffles.
        rng: of the shuffles.
    """
    wrong = kinds != RIGHT
    return class_ratio(
        "divergence of recalled / ungrounded errors",
        values[wrong],
        kinds[wrong] == RECALLED,
        np.asarray(groups)[wrong],
        kind="kinds of error shuffled",
        draws=draws,
        rng=rng,
    )


def windows_by_kind(
    model: Model,
    examples: Examples,
    kinds: np.ndarray,
    window: int,
    *,
    span: str = "subject",
    advance: Callable[[], Any] | None = None,
) -> list[Evidence]:
    """`cut_off_by_windows`, the mean divergence of each kind of completion; coordinates ``layer``
    and ``completion``.

    Args:
        model: predicts.
        examples: prompts with the span.
        kinds: of each prompt's completion, one of `KINDS`.
        window: layers of a window.
        span: its name.
        advance: called after each window.
    """
    moved = cut_off_by_windows(model, examples, window, span=span, advance=advance)
    options = {"by": "completion", "order": KINDS, "unit": "nats"}
    found = []
    for layer, x in moved.items():
        where = {"layer": layer}
        found += class_means("divergence", x, kinds, examples.groups(), where=where, **options)
    return found


def prompt_surface(
    model: Model, examples: Examples, *, span: str = "subject", relation: str = "relation"
) -> Float[np.ndarray, "n features"]:
    """What a prompt shows without a look inside: its length in tokens, the length of a span in
    characters, and one column for each relation, in alphabetical order.

    Args:
        model: whose tokens.
        examples: prompts.
        span: the column with the span's text.
        relation: the column with the relation.
    """
    tokens = [len(t) for t in model.tokenize(examples.texts())]
    letters, of = examples.frame[span].str.len(), pd.get_dummies(examples.frame[relation])
    return np.column_stack([tokens, letters, of]).astype(np.float64)


def answer_odds(said: Sequence[Continuation], empty: float = -20.0) -> Float[np.ndarray, "n 2"]:
    """Mean log-probability of a completion's tokens and that of its first, in nats.

    Args:
        said: completions.
        empty: both, of one without a token.
    """
    return np.array(
        [[m.logprobs.mean(), m.logprobs[0]] if len(m.ids) else [empty] * 2 for m in said]
    )


def blurred(
    model: Model,
    examples: Examples,
    kinds: Sequence[Any] | np.ndarray,
    *,
    span: str = "subject",
    advance: Advance | None = None,
) -> Float[np.ndarray, " n"]:
    """How far the prediction moves when a span's embeddings are their mean over prompts of the same
    kind, in nats.

    Args:
        model: predicts.
        examples: prompts with the span.
        kinds: of each prompt: its relation.
        span: its name.
        advance: told how many prompts are done.
    """
    means = _mean_embedding(model, examples, span, group_codes(np.asarray(kinds)))
    return _moved(model, examples, span, (), means, advance)


def _moved(
    model: Model,
    examples: Examples,
    span: str,
    layers: Sequence[int],
    means: Float[Tensor, "n d"] | None,
    advance: Advance | None,
) -> Float[np.ndarray, " n"]:
    tokens = model.tokenize(examples.texts())
    marks = [span_mask(t, examples.span(i)[span]) for i, t in enumerate(tokens)]
    lengths, out = np.array([len(t) for t in tokens]), np.empty(len(tokens))
    for rows in batches_by_length(lengths, 1024):
        batch = model.collate([tokens[i] for i in rows], {span: [marks[i] for i in rows]})
        last = torch.from_numpy(lengths[rows] - 1)[:, None]
        queries = torch.arange(int(lengths[rows].max()))[None] == last
        kept = batch.marks[span] & ~queries
        edits = (
            [] if means is None else [Replace(Scope("embed", f"mark:{span}"), means[rows][:, None])]
        )
        cut = attention_knockout(model, layers, queries, kept) if means is None else nullcontext()
        before = model.run(batch, logits=True, at=last).logits
        with cut:
            after = model.run(batch, logits=True, at=last, edits=edits).logits
        assert before is not None
        assert after is not None
        out[rows] = jensen_shannon(*(x[:, 0].float().cpu().numpy() for x in (before, after)))
        if advance is not None:
            advance(len(rows))
    return out


def _mean_embedding(
    model: Model, examples: Examples, span: str, codes: np.ndarray
) -> Float[Tensor, "n d"]:
    """Mean embedding of the span's tokens over the prompts of each one's kind."""
    tokens = model.tokenize(examples.texts())
    marks = [span_mask(t, examples.span(i)[span]) for i, t in enumerate(tokens)]
    sums: Tensor | None = None
    for rows in batches_by_length([len(t) for t in tokens], 4096):
        batch = model.collate([tokens[i] for i in rows], {span: [marks[i] for i in rows]})
        x = model.run(batch, "embed")["embed"] * batch.marks[span][..., None]
        sums = torch.zeros(len(tokens), x.shape[-1]) if sums is None else sums
        sums[torch.from_numpy(rows)] = x.sum(dim=1).float().cpu()
    assert sums is not None
    count = torch.tensor([int(m.sum()) for m in marks])
    same = torch.from_numpy(codes[:, None] == codes[None]).float()
    return (same @ sums) / (same @ count.float())[:, None]
