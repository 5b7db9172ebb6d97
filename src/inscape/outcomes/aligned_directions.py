"""Directions by alignment: what to swap between opposite texts, at one token, to swap the model's
verdict.

At every site the line is the closed form of `inscape.control.line_alignment`, from one pass and one
backward over training texts; at the site chosen it is trained from there (one-dimensional
distributed alignment search). At the last site one token's state reaches no other token, so nothing
can be asked of it, and the line of the site before stands there.

Cost: a pass and a backward over the texts; a step of training is a batch through the layers behind
the site, and back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.control.alignment_search import Interchange, align
from inscape.control.line_alignment import LineMap, Rest, first_order_line
from inscape.core.batch import Tokens
from inscape.core.errors import DataError
from inscape.core.measured import Measured
from inscape.core.rng import torch_generator
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.data.positions import resolve
from inscape.model.batching import batches_by_length
from inscape.model.graph import constants
from inscape.model.model import Model
from inscape.outcomes.contrast import Contrast
from inscape.outcomes.verdicts import Training, Verdicts


@dataclass(frozen=True, eq=False)
class Aligned:
    """Lines of every site.

    Attributes:
        directions: unit vectors, the label 1 at their upper end, (sites, d); trained at the chosen
            site.
        closed: the closed form at the chosen site, where training began, (d,).
        losses: of training, in nats.
    """

    directions: Float[np.ndarray, "sites d"]
    closed: Float[np.ndarray, " d"]
    losses: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Texts:
    """Pairs of opposites that agree token by token: rows 2i and 2i + 1."""

    tokens: list[Tokens]
    spots: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, model: Model, examples: Examples, y: np.ndarray, at: str) -> _Texts:
        tokens = model.tokenize(examples.texts())
        spots = np.array([resolve(at, t, examples.span(i))[-1] for i, t in enumerate(tokens)])
        lengths = np.array([len(t) for t in tokens])
        fits = (lengths[::2] == lengths[1::2]) & (spots[::2] == spots[1::2])
        if not fits.any():
            raise DataError(
                "no pair has its two texts aligned token by token, so no state has a counterpart "
                "to swap with."
            )
        rows = np.flatnonzero(np.repeat(fits, 2))
        return cls([tokens[i] for i in rows], spots[rows], np.asarray(y)[rows])


def aligned(
    model: Model,
    examples: Examples,
    y: Int[np.ndarray, " n"],
    words: Contrast,
    sites: Sequence[str],
    chosen: int,
    at: str,
    *,
    steps: int,
    batch: int = 12,
    generator: torch.Generator,
    budget: int = 512,
) -> Aligned:
    """Find a line at every site from training texts.

    Args:
        model: a causal language model.
        examples: training texts; rows 2i and 2i + 1 are opposites.
        y: their labels 0 and 1.
        words: whose contrast is the verdict.
        sites: of the residual stream: ``embed`` and every ``resid_post``, in order.
        chosen: where the line is trained.
        at: which token's state is swapped, as `inscape.data.positions` reads it.
        steps: of training.
        batch: texts a step.
        generator: of the batches.
        budget: padded tokens of a pass with its backward.

    Raises:
        DataError: no pair is aligned token by token.
    """
    texts = _Texts.of(model, examples, y, at)
    other = np.arange(len(texts.y)) ^ 1
    up, down = list(words.positive.values()), list(words.negative.values())
    states, slopes, scores, streams = _slopes(model, texts, up, down, sites, chosen, budget)
    lines = np.stack(
        [first_order_line(x[other] - x, g) for x, g in zip(states, slopes, strict=True)]
    )
    for s in range(1, len(lines)):
        lines[s] = lines[s] if lines[s].any() else lines[s - 1]
    closed, losses = lines[chosen].copy(), []
    if chosen < len(model.atlas.blocks):
        rest = Rest(model, texts.tokens, streams, texts.spots, chosen, [*up, *down])
        middle = torch.from_numpy(
            (scores + scores[other]) / 2
        )  # of a pair's two verdicts, the template's part of them
        phi, h = (
            LineMap(torch.from_numpy(closed)),
            torch.from_numpy(states[chosen]).float().to(model.device),
        )
        pairs = Interchange(
            h, h[torch.from_numpy(other)], torch.from_numpy(texts.y.astype(np.int64))
        )

        def finish(swapped: Tensor, rows: Tensor) -> Tensor:
            margin = _contrast(rest(swapped, rows), len(up)) - middle[rows].to(swapped)
            return torch.stack(
                [margin, -margin], dim=1
            )  # the source has the other label: 1 asks for what 0 has

        with constants(model.net):
            losses = align(
                phi,
                pairs,
                finish,
                steps=steps,
                batch=batch,
                lr=0.1 / len(closed) ** 0.5,
                generator=generator,
            )
        lines[chosen] = phi.direction.double().cpu().numpy()
    for s, x in enumerate(states):
        toward = (x[texts.y == 1].mean(axis=0) - x[texts.y == 0].mean(axis=0)) @ lines[s]
        lines[s] *= 1.0 if toward >= 0 else -1.0
    return Aligned(lines / np.linalg.norm(lines, axis=1, keepdims=True), closed, tuple(losses))


def search(
    model: Model,
    training: Sequence[Training],
    sites: Sequence[str],
    chosen: Sequence[int],
    words: Contrast,
    at: str,
    *,
    steps: int,
    seed: int,
    advance: Callable[[], None],
) -> list[tuple[int, Aligned]]:
    """Lines of every fold, trained at the site that was chosen for it, and where that is.

    Behind the last block one token's state says nothing to others: a fold that chose it is trained
    at the one before.

    Args:
        model: a causal language model.
        training: texts of each fold.
        sites: of the residual stream: ``embed`` and every ``resid_post``, in order.
        chosen: index of the site of each fold.
        words: whose contrast is the verdict.
        at: which token.
        steps: of training.
        seed: of the batches.
        advance: called after each fold.
    """
    out = []
    for f, (known, wanted) in enumerate(zip(training, chosen, strict=True)):
        site = min(wanted, len(model.atlas.blocks) - 1)
        stream = torch_generator(seed, "align", str(f))
        out.append(
            (
                site,
                aligned(
                    model,
                    known.texts,
                    known.y,
                    words,
                    sites,
                    site,
                    at,
                    steps=steps,
                    generator=stream,
                ),
            )
        )
        advance()
    return out


def interchanged(
    model: Model,
    examples: Examples,
    words: Contrast,
    site: int,
    at: str,
    lines: Float[np.ndarray, "k d"],
) -> tuple[Float[np.ndarray, "k n"], np.ndarray]:
    """Verdicts with the one token's coordinate along each line taken from the opposite text, which
    is the neighbour.

    Args:
        model: a causal language model.
        examples: held-out texts; rows 2i and 2i + 1 are opposites.
        words: whose contrast is the verdict.
        site: index of the site among ``embed`` and every ``resid_post``.
        at: which token.
        lines: unit directions.

    Returns:
        Scores, and which rows they are of: those of pairs that are aligned token by token.
    """
    if site >= len(model.atlas.blocks):
        raise ValueError(
            "interchanged: behind the last block nothing reads a token's state but its own"
        )
    texts = _Texts.of(model, examples, np.arange(len(examples)), at)
    name = "embed" if site == 0 else f"resid_post.{site - 1}"
    up, down = list(words.positive.values()), list(words.negative.values())
    entries, out = [*up, *down], np.empty((len(lines), len(texts.y)))
    for rows in batches_by_length([len(t) for t in texts.tokens], 1024):
        # batches by length hold both texts of a pair or not: the opposite's state is read beside
        twin = rows ^ 1
        pair = [
            model.run(model.collate([texts.tokens[i] for i in which]), name)[name]
            for which in (rows, twin)
        ]
        every = torch.arange(len(rows))
        own, theirs = (
            x[every, torch.from_numpy(texts.spots[w])]
            for x, w in zip(pair, (rows, twin), strict=True)
        )
        tokens = [texts.tokens[i] for i in rows]
        streams = [x[: len(t)] for x, t in zip(pair[0], tokens, strict=True)]
        rest = Rest(model, tokens, streams, texts.spots[rows], site, entries)
        with torch.no_grad():
            for k, line in enumerate(lines):
                v = torch.from_numpy(line).to(own)
                margin = _contrast(rest(own + ((theirs - own) @ v)[:, None] * v, every), len(up))
                out[k, rows] = margin.detach().double().cpu().numpy()
    return out, texts.y


def closed_by(
    test: Verdicts,
    sites: Sequence[int],
    at: str,
    lines: Sequence[Float[np.ndarray, "k d"]],
    names: Sequence[str],
) -> Measured:
    """The share of the difference between opposites' verdicts that swapping one coordinate of one
    token closes.

    Args:
        test: held-out texts; neighbours in a part are opposites.
        sites: of each part.
        at: which token.
        lines: of each part, first those that are named, then random ones, which are the baseline.
        names: of the first lines.
    """
    before, towards = test.scores(), np.where(test.y == 1, 1.0, -1.0)
    opposite = np.arange(len(before)) ^ 1
    whole, parts, start = np.zeros(len(before)), np.zeros((len(lines[0]), len(before))), 0
    for texts, site, tried in zip(test.parts, sites, lines, strict=True):
        scores, rows = interchanged(test.model, texts, test.words, site, at, tried)
        rows = rows + start
        whole[rows] = (towards * (before - before[opposite]))[rows]
        parts[:, rows] = towards[rows] * (before[rows] - scores)
        start += len(texts)
    m = Measured(
        "share of the verdict's difference closed",
        groups=test.shares.groups,
        unit="share",
        kind="ratio",
    )
    for name, p in zip(names, parts, strict=False):
        m.put(name, p, whole)
    m.put("random directions", parts[len(names) :], whole, role="baseline")
    return m


def _contrast(logits: Float[Tensor, "n v"], first: int) -> Float[Tensor, " n"]:
    """Mean of the first entries less mean of the others, as `inscape.outcomes.contrast` scores."""
    return logits[:, :first].mean(dim=1) - logits[:, first:].mean(dim=1)


def _slopes(
    model: Model,
    texts: _Texts,
    up: list[int],
    down: list[int],
    sites: Sequence[str],
    chosen: int,
    budget: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Tensor]]:
    """States at the token and the slope of what is to rise there, at every site; clean scores;
    streams at the chosen one.
    """
    n, width = len(texts.y), model.width(sites[0])
    states, slopes = (
        np.empty((len(sites), n, width), np.float32),
        np.empty((len(sites), n, width), np.float32),
    )
    scores, streams = np.empty(n), [torch.empty(0)] * n
    # what is to rise: the opposite's verdict, which is yes where its label is 1
    rising = torch.from_numpy(1.0 - 2.0 * texts.y).to(model.device)
    for rows in batches_by_length([len(t) for t in texts.tokens], budget):
        tokens = [texts.tokens[i] for i in rows]
        every, ends = torch.arange(len(rows)), torch.tensor([len(t) - 1 for t in tokens])
        caught: list[Tensor] = []

        def verdict(logits: Tensor, rows=rows, every=every, ends=ends, caught=caught) -> Tensor:
            last = logits[every, ends][:, [*up, *down]]
            caught.append(_contrast(last, len(up)))
            return (rising[torch.from_numpy(rows)].to(last) * caught[0]).sum()

        with constants(model.net):
            found = model.run(model.collate(tokens), list(sites), grad_of=verdict)
        spot = torch.from_numpy(texts.spots[rows])
        scores[rows] = caught[0].detach().double().cpu().numpy()
        for s, site in enumerate(sites):
            states[s, rows] = found[site][every, spot].float().cpu().numpy()
            slopes[s, rows] = found.grads[Site.parse(site)][every, spot].float().cpu().numpy()
        for i, stream, t in zip(rows, found[sites[chosen]], tokens, strict=True):
            streams[int(i)] = stream[: len(t)]
    return states, slopes, scores, streams
