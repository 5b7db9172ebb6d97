"""Is a forward pass an optimisation? Does each layer take a step that lowers the loss on the token to come?

At every layer and token the state is read by the last norm and the unembedding, which gives a loss on the next token and the
direction in which the state would have to move to lower it. What the layer adds is compared with that direction: for the
token that really comes next and for one as frequent that does not. Beside it stand an untrained copy of the model, updates
that belong to another layer, and random steps of the same length. Norms of states and steps are kept for every layer, the
first token of a text apart from the rest, and for a small network at several moments of its training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from inscape.charts.layers import score_by_layer
from inscape.core import intervals
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, Null
from inscape.core.folds import group_codes
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.unembed import Readout
from inscape.read.inner_gradient import alignment, inner_gradient
from inscape.study.card import Card
from inscape.study.run import Run
from inscape.study.shares import Shares
from inscape.study.shortcuts import stream
from inscape.study.states import States, states
from inscape.worlds.lexicon import Lexicon, lexicon

CARD = Card(
    slug="inner-optimization-norms",
    title="A Meta-Learning Perspective on Transformers for Causal Language Modeling",
    authors="Wu and Varshney",
    year=2023,
    arxiv="2310.05884",
    room="read",
    claim="A causal language model's forward pass can be read as an inner optimisation that training has learnt: layer by "
    "layer the state of a token is moved to lower the loss on the token after it, and this shapes the norms of states.",
    reproduced="For functions of the standard library and texts that the model made up itself: loss by layer as the last "
    "norm and the unembedding read it, cosine of each layer's update with the negative gradient of that loss, norms of "
    "states and steps; the same for a small network at several moments of its training. The paper's theorem on norms is not "
    "tested, its profiles are shown.",
    controls=(
        "a token of the same frequency that does not come next",
        "an untrained copy of the model",
        "the update of another layer",
        "a random step of the same length",
        "the first token of a text, an attention sink, apart from the rest",
    ),
    bar="In the upper half of the layers the mean cosine for the true token is above that for a token of the same frequency "
    "at 80 % of the layers or more (p < 0.01, paired by token); the untrained copy's mean cosine is below 0.01; the loss "
    "falls over 70 % of the layers after the middle or more.",
    group_note="A group is a module of the library, or one text that the model made up; nothing is fitted, groups are what "
    "the bootstrap draws.",
    minutes={"tiny": 0.3, "small": 4, "full": 60},
    figure="cosine",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m", metadata={"help": "a causal language model, or 'lexicon-world'"}
    )
    data: str = field(default="library-code", metadata={"help": "texts with a group"})
    rows: int = field(default=500, metadata={"help": "tokens of these texts that are looked at"})
    generated: int = field(
        default=24, metadata={"help": "texts that the model makes up; 0 for none"}
    )
    length: int = field(default=40, metadata={"help": "tokens of each"})
    positions: int = field(default=10, metadata={"help": "of one text, at most"})
    near: int = field(
        default=20, metadata={"help": "a wrong token is among so many of the nearest frequency"}
    )
    untrained_rows: int = field(default=200, metadata={"help": "tokens for the untrained copy"})
    training: int = field(default=180, metadata={"help": "training steps of the small network"})
    checkpoints: tuple[int, ...] = field(
        default=(0, 20, 60, 120),
        metadata={"help": "training steps at which the small network is looked at"},
    )


PRESETS = {
    "tiny": Config(
        model="lexicon-world",
        data="lexicon-world",
        rows=400,
        generated=0,
        training=100,
        checkpoints=(0, 50),
    ),
    "small": Config(),
    "full": Config(model="gpt2", rows=5000, generated=200, length=100, untrained_rows=2000),
}

TRUE, WRONG, OTHER, RANDOM, FRESH = (
    "true next token",
    "token of the same frequency",
    "update of another layer",
    "random step",
    "untrained model",
)


@dataclass(frozen=True, eq=False)
class Steps:
    """Every row at every layer: layers × n. The loss has one more layer, before the first block.

    Attributes:
        loss: on the true next token, as read before the first block and after each.
        cosine: series → cosine of the update with the negative gradient.
        after_random: loss after a random step of the same length.
        norm: of the state before the block and, last, after all of them.
        step: length of the update.
    """

    loss: np.ndarray
    cosine: dict[str, np.ndarray]
    after_random: np.ndarray
    norm: np.ndarray
    step: np.ndarray


def run(config: Config, run: Run) -> None:
    """Look at every step of the model, of its untrained copy, and of a small network as it learns."""
    if "lexicon-world" in (config.model, config.data) and config.model != config.data:
        raise StudyError(
            "'lexicon-world' is a toy network with texts of its own: give both --model and --data."
        )
    world = lexicon(steps=config.training, seed=run.seed, keep=config.checkpoints)
    model, sources = _open(config, run, world)
    run.certificate(model.certificate)
    run.asked(
        f"Does every layer of {model.name} take a step that lowers the loss on the token to come?"
    )
    rows, groups = _rows(config, run, model, sources, config.rows)
    rng = run.rng("wrong tokens")
    wrong = matched_tokens(rows.following, corpus(model, sources), config.near, rng=rng)
    found = steps(run, model, rows, wrong, "model")
    shares = Shares(groups, run.rng("bootstrap"))
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    few, codes = _rows(config, run, fresh, sources, config.untrained_rows)
    other = steps(
        run,
        fresh,
        few,
        matched_tokens(few.following, corpus(model, sources), config.near, rng=rng),
        "untrained",
    )
    _cosines(run, found, other, shares, Shares(codes, run.rng("bootstrap", "untrained")))
    _losses(run, found, shares)
    _norms(run, model, sources, found, shares)
    _training(config, run, world)
    run.answer(_answer(run, model, found))


def _open(config: Config, run: Run, world: Lexicon) -> tuple[Model, list[Examples]]:
    if config.model == "lexicon-world":
        return world.model, [world.documents]
    model, sources = open(config.model), [load(config.data)]
    if config.generated:
        tokens = model.tokenize(sources[0].texts()[-4 * config.generated :])
        starts = [
            model.tokenizer.decode(t.ids[:8], skip_special_tokens=True)
            for t in tokens
            if len(t) > 8
        ]
        starts = [s for s in dict.fromkeys(starts) if s.strip()][: config.generated]
        with run.progress("texts that the model makes up", total=1, unit="batch") as bar:
            said = model.generate(
                starts,
                config.length,
                temperature=1.0,
                seed=child_seed(run.seed, "generated") % 2**31,
            )
            bar.advance()
        frame = pd.DataFrame(
            {"text": [a + b for a, b in zip(starts, said, strict=True)], "start": starts}
        )
        sources.append(Examples(frame, "text", (), "start"))
    return model, sources


def _rows(
    config: Config, run: Run, model: Model, sources: Sequence[Examples], rows: int
) -> tuple[States, np.ndarray]:
    """Rows of every source in turn, with a code of the group of each."""
    parts, names = [], []
    for number, examples in enumerate(sources):
        few = examples.take(np.arange(min(len(examples), -(-rows // config.positions))))
        found = list(
            states(
                model, few, stream(model), most=config.positions, rng=run.rng("rows", str(number))
            )
        )
        parts += found
        names += [f"{number} {g}" for part in found for g in few.groups()[part.example]]
    return States.together(parts), group_codes(names)


def corpus(model: Model, sources: Sequence[Examples]) -> np.ndarray:
    """How often each token occurs in all texts."""
    ids = np.concatenate(
        [t.ids for examples in sources for t in model.tokenize(examples.texts()[:1500])]
    )
    return np.bincount(ids, minlength=Readout.of(model).entries)


def matched_tokens(
    true: np.ndarray, counts: np.ndarray, near: int, *, rng: np.random.Generator
) -> np.ndarray:
    """For each token another one of about its frequency.

    Args:
        true: tokens, (n,).
        counts: occurrences of every token of the vocabulary.
        near: the other is drawn among so many tokens that are nearest in the order of frequency.
        rng: the generator.

    Returns:
        Tokens, none of them the true one, (n,).
    """
    seen = np.flatnonzero(counts)
    order = seen[np.argsort(-counts[seen], kind="stable")]
    place = np.full(len(counts), len(order) - 1)
    place[order] = np.arange(len(order))
    width = min(near, len(order) - 1)
    start = np.clip(place[true] - width // 2, 0, len(order) - 1 - width)
    drawn = start + rng.integers(0, width, len(true))
    drawn += drawn >= place[true]  # the true one's own place is left out
    return order[drawn]


def steps(run: Run, model: Model, rows: States, wrong: np.ndarray, name: str) -> Steps:
    """Losses, cosines and norms of every layer."""
    readout, sites = Readout.of(model), stream(model)
    asked = torch.from_numpy(np.stack([rows.following, wrong]))
    layers, n = len(sites) - 1, len(rows)
    order = (
        np.arange(layers) + 1 + run.rng("layers", name).integers(0, max(1, layers - 1), layers)
    ) % max(layers, 2)
    draw = torch.Generator().manual_seed(child_seed(run.seed, "random steps", name) % 2**63)
    cosine = {series: np.empty((layers, n)) for series in (TRUE, WRONG, OTHER, RANDOM)}
    loss, after, norm, length = (np.empty((layers + k, n)) for k in (1, 0, 1, 0))

    def change(i: int) -> Tensor:
        return rows.at[sites[i + 1]] - rows.at[sites[i]]

    with run.progress(f"steps of {model.name}", total=layers, unit="layers") as bar:
        for i, site in enumerate(sites[:-1]):
            h, update = rows.at[site], change(i)
            found = inner_gradient(readout, h, asked)
            random = torch.randn(h.shape, generator=draw)
            random *= (update.norm(dim=-1) / random.norm(dim=-1))[:, None]
            for series, step in ((TRUE, update), (OTHER, change(int(order[i]))), (RANDOM, random)):
                cosine[series][i] = alignment(step, found.descent[0]).numpy()
            cosine[WRONG][i] = alignment(update, found.descent[1]).numpy()
            loss[i] = found.loss[0].numpy()
            after[i] = inner_gradient(readout, h + random, asked[:1]).loss[0].numpy()
            norm[i], length[i] = h.norm(dim=-1).numpy(), update.norm(dim=-1).numpy()
            bar.advance()
    last = rows.at[sites[-1]]
    loss[-1], norm[-1] = (
        inner_gradient(readout, last, asked[:1]).loss[0].numpy(),
        last.norm(dim=-1).numpy(),
    )
    return Steps(loss, cosine, after, norm, length)


def _curve(
    series: str, values: np.ndarray, shares: Shares, first: int = 0
) -> list[dict[str, object]]:
    """A row for each layer, with its interval over groups."""
    ones, rows = np.ones(values.shape[1]), []
    for i, v in enumerate(values):
        e = shares.evidence(series, v.astype(np.float64), ones)
        assert e.interval is not None
        rows.append(
            {
                "series": series,
                "layer": first + i,
                "value": e.value,
                "low": e.interval[0],
                "high": e.interval[1],
            }
        )
    return rows


def share_of_layers(
    name: str,
    better: np.ndarray,
    chance: np.ndarray,
    kind: str,
    shares: Shares,
    level: float | None = None,
) -> Evidence:
    """Share of the layers at which a mean over tokens is above zero.

    Args:
        name: of the evidence.
        better: per layer and row, above zero where the claim holds, (layers, n).
        chance: the same under the null.
        kind: name of the null.
        shares: groups and draws.
        level: a layer counts only if at most so large a share of the draws (one added) is not above zero.
    """

    def means(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return counts @ np.stack([intervals.sum_by_group(row, shares.codes) for row in x], axis=1)

    once = np.ones((1, int(shares.codes.max()) + 1))
    drawn = means(better, shares.counts * 1.0)
    holds = means(better, once)[0] > 0
    if level is not None:
        holds &= intervals.bootstrap_p(drawn) < level
    low, high = intervals.percentile((drawn > 0).mean(axis=1))
    null = Null.of(kind, [float((means(chance, once) > 0).mean())])
    # the ends count layers above zero, whatever the level, so that the share itself may lie below them
    ends = (min(float(low), float(holds.mean())), float(high))
    return Evidence(
        name, float(holds.mean()), ends, null, n=better.shape[1], unit="share of layers"
    )


def _cosines(run: Run, found: Steps, fresh: Steps, shares: Shares, fresh_shares: Shares) -> None:
    """Does an update point where the loss on the true token falls?"""
    rows = [
        r
        for series in (TRUE, WRONG, OTHER, RANDOM)
        for r in _curve(series, found.cosine[series], shares)
    ]
    rows += _curve(FRESH, fresh.cosine[TRUE], fresh_shares)
    frame = pd.DataFrame(rows)
    chart = score_by_layer(
        frame, score="cosine with the negative gradient", layer="Block", nulls=(RANDOM,)
    )
    caption = (
        "How far a block's update points where the loss falls, mean over all tokens but the first. The same updates are "
        "compared with the gradient for a token as frequent that does not come next."
    )
    run.figure("cosine", chart, caption)
    run.table("cosine", frame, "The same numbers.")
    upper = slice(len(found.step) // 2, None)
    gain = found.cosine[TRUE] - found.cosine[WRONG]
    shuffled = gain[upper] * run.rng("signs").choice([-1.0, 1.0], gain.shape[1])
    share = share_of_layers(
        "layers whose update is aligned with the true token",
        gain[upper],
        shuffled,
        "true and wrong token swapped at random",
        shares,
        0.01,
    )
    text = (
        "In the upper half, updates point to the true token more than to one as frequent (p < 0.01)"
    )
    mean = {series: found.cosine[series][upper].mean() for series in (TRUE, WRONG, OTHER)}
    run.claim(
        "aligned",
        text,
        share,
        0.8,
        why=f"Mean cosine in the upper half: {mean[TRUE]:.3f} for the true token, "
        f"{mean[WRONG]:.3f} for the other, {mean[OTHER]:.3f} with another layer's update.",
    )
    ones, own = np.ones(fresh.step.shape[1]), fresh.cosine[TRUE].mean(axis=0)
    null = Null.of("random steps", np.abs(fresh.cosine[RANDOM].mean(axis=1)))
    untrained = fresh_shares.evidence(
        "|mean cosine| in the untrained copy",
        np.sign(own.mean()) * own,
        ones,
        null,
        unit="cosine",
        direction="lower",
    )
    run.claim(
        "untrained",
        "Without training, updates have nothing to do with the loss",
        untrained,
        0.01,
        "at most",
    )


def _losses(run: Run, found: Steps, shares: Shares) -> None:
    """Does the loss fall from layer to layer?"""
    frame = pd.DataFrame(
        _curve("loss after the block", found.loss, shares, -1)
        + _curve("after a random step instead", found.after_random, shares, 0)
    )
    chart = score_by_layer(
        frame, score="loss on the next token (nats)", nulls=("after a random step instead",)
    )
    run.figure(
        "loss",
        chart,
        "Loss on the next token as the last norm and the unembedding read each layer. Layer −1 is the "
        "embedding. Grey: a random step of the same length from the layer before.",
    )
    run.table("loss", frame, "The same numbers.")
    half = len(found.step) // 2
    fall, random = found.loss[:-1] - found.loss[1:], found.loss[:-1] - found.after_random
    share = share_of_layers(
        "layers over which the loss falls",
        fall[half:],
        random[half:],
        "random steps as long",
        shares,
    )
    run.claim(
        "falls",
        "After the middle the loss falls from layer to layer",
        share,
        0.7,
        why=f"From {found.loss[half].mean():.2f} nats in the middle to {found.loss[-1].mean():.2f}.",
    )


def _norms(
    run: Run, model: Model, sources: Sequence[Examples], found: Steps, shares: Shares
) -> None:
    """Lengths of states and of steps, the first token apart."""
    few = sources[0].take(np.arange(min(40, len(sources[0]))))
    every = States.together(list(states(model, few, stream(model), skip=0)))
    first = every.position == 0
    codes = Shares(group_codes(few.groups())[every.example[first]], run.rng("first"))
    alone = np.stack(
        [every.at[s][torch.from_numpy(first)].norm(dim=-1).numpy() for s in stream(model)]
    )
    rows = _curve("state, first token", alone, codes, -1) + _curve(
        "state, other tokens", found.norm, shares, -1
    )
    rows += _curve("step, other tokens", found.step, shares, 0)
    frame = pd.DataFrame(rows)
    frame[["value", "low", "high"]] = np.log10(frame[["value", "low", "high"]].clip(lower=1e-12))
    run.figure(
        "norms",
        score_by_layer(frame, score="log₁₀ of the norm", nulls=()),
        "Norms of states after each block, and of what blocks add. The first token of a text holds attention, not "
        "text.",
    )
    run.table("norms", pd.DataFrame(rows), "The same, not as logarithms.")


def _training(config: Config, run: Run, world: Lexicon) -> None:
    """The same quantities while a small network learns."""
    rows = []
    for step, model in [*world.checkpoints.items(), (None, world.model)]:
        data = States.together(
            list(states(model, world.documents.take(np.arange(40)), stream(model)))
        )
        counts = corpus(model, [world.documents])
        wrong = matched_tokens(data.following, counts, 6, rng=run.rng("small network"))
        found = steps(run, model, data, wrong, f"at {step}")
        upper = slice(len(found.step) // 2, None)
        gain = found.cosine[TRUE] - found.cosine[WRONG]
        rows.append(
            {
                "training step": "end" if step is None else str(step),
                "loss": found.loss[-1].mean(),
                "cosine, true": found.cosine[TRUE][upper].mean(),
                "cosine, true − wrong": gain[upper].mean(),
                "norm at the end": found.norm[-1].mean(),
                "step": found.step[upper].mean(),
            }
        )
    run.table(
        "training",
        pd.DataFrame(rows),
        "A small network of four blocks as it learns: upper half of its layers.",
    )


def _answer(run: Run, model: Model, found: Steps) -> str:
    by, half = run.claims, len(found.step) // 2
    aligned = "do" if by["aligned"].passed else "do not everywhere"
    return (
        f"Blocks in the upper half of {model.name} {aligned} move a token's state where the loss on the token to come "
        f"falls, more than where it would fall for another token as frequent: at {by['aligned'].value:.0%} of these layers. "
        f"Of an update only a part goes there: the mean cosine is {found.cosine[TRUE][half:].mean():.3f}. The loss falls "
        f"over {by['falls'].value:.0%} of the layers after the middle. In an untrained copy the mean cosine is "
        f"{by['untrained'].value:.3f}."
    )
