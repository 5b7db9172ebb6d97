"""Is a forward pass an optimisation? Does each layer take a step that lowers the loss on the next token?

At every layer and token the state is read by the last norm and the unembedding, which gives a loss on the next token and the
direction in which the state would have to move to lower it. What the layer adds is compared with that direction: for the
true next token and for one of the same frequency. Beside it are an untrained copy of the model, updates of another layer,
and random steps of the same length. Norms of states and steps are kept for every layer, the first token of a text apart
from the rest, and for a small network at several moments of its training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from inscape.charts.layers import score_by_layer
from inscape.core.folds import group_codes
from inscape.core.measured import Measured
from inscape.core.rng import child_seed
from inscape.core.share_above import share_above
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.inner_gradient import alignment, inner_gradient, inner_loss
from inscape.read.shortcut_fits import stream
from inscape.read.states import States, states
from inscape.study.card import Card, Claim
from inscape.study.claims import Judged
from inscape.study.opening import opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.lexicon import lexicon

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
    claims={
        "aligned": Claim(
            text="At 80 % of the upper half of the layers or more, updates point to the true token more than to one of the "
            "same frequency (p < 0.01)",
            at_least=0.8,
            null="true and wrong token exchanged at random",
        ),
        "untrained": Claim(
            text="In an untrained copy the mean cosine of updates and descent directions is near zero",
            at_least=-0.01,
            at_most=0.01,
            sanity=True,
        ),
        "falls": Claim(
            text="After the middle the loss falls over 70 % of the layers or more, over more than with random steps",
            at_least=0.7,
            null="random steps of the same length",
        ),
    },
    tiny={
        "aligned": "supported",
        "untrained": "any",  # 0.01 is for more tokens and a wider stream than the toy has
        "falls": "any",  # two layers: the share is 0, ½ or 1
    },
    differs="The paper names no code and gives no test of alignment; here updates are compared with the gradient of the "
    "loss that the last norm and the unembedding read at each layer.",
    group_note="A group is a module of the library, or one text that the model made up; nothing is fitted, groups are what "
    "intervals are over.",
    minutes={"tiny": 0.3, "small": 4, "full": 60},
    figure="cosine",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    model: str = setting("smollm2-135m", "a causal language model, or world:lexicon")
    data: str = setting("library-code", "texts with a group")
    input: str = ""
    group: str = ""
    rows: int = setting(500, "tokens of these texts")
    generated: int = setting(24, "texts that the model makes up; 0 for none")
    length: int = setting(40, "tokens of each")
    positions: int = setting(10, "of one text, at most")
    near: int = setting(20, "a wrong token is drawn from the N nearest in frequency")
    untrained_rows: int = setting(200, "tokens for the untrained copy")
    flips: int = setting(199, "random exchanges of true and wrong token")
    draws: int = setting(5, "random steps of each state")
    training: int = setting(180, "training steps of the small network")
    checkpoints: tuple[int, ...] = setting(
        (0, 20, 60, 120), "training steps at which the small network is measured"
    )


PRESETS = {
    "tiny": Config(
        model="world:lexicon(steps=100)",
        data="world:lexicon(steps=100)",
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
        falls: in each draw of random steps, by how much the loss falls over the layers of the upper half, (draws, upper, n).
        norm: of the state before the block and, last, after all of them.
        step: length of the update.
    """

    loss: np.ndarray
    cosine: dict[str, np.ndarray]
    after_random: np.ndarray
    falls: np.ndarray
    norm: np.ndarray
    step: np.ndarray


def run(config: Config, run: Run) -> None:
    """Measure every step of the model, of its untrained copy, and of a small network as it learns."""
    model, examples, _ = opened(config, run)
    sources = [examples]
    if config.generated:
        sources.append(_made_up(config, run, model, examples.texts()))
    run.asked(
        f"Does every layer of {model.name} take a step that lowers the loss on the next token?"
    )
    rows, groups = _rows(config, run, model, sources, config.rows)
    rng = run.rng("wrong tokens")
    wrong = matched_tokens(rows.following, corpus(model, sources), config.near, rng=rng)
    found = steps(run, model, rows, wrong, "model", config.draws)
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    few, codes = _rows(config, run, fresh, sources, config.untrained_rows)
    other = steps(
        run,
        fresh,
        few,
        matched_tokens(few.following, corpus(model, sources), config.near, rng=rng),
        "untrained",
    )
    _cosines(config, run, (found, groups), (other, codes))
    _losses(run, found, groups)
    _norms(run, model, sources, found, groups)
    _training(config, run)
    run.answer(_answer(run, model, found))


def _made_up(config: Config, run: Run, model: Model, texts: list[str]) -> Examples:
    """Texts that the model generates from the first eight tokens of the last texts."""
    tokens = model.tokenize(texts[-4 * config.generated :])
    starts = [
        model.tokenizer.decode(t.ids[:8], skip_special_tokens=True) for t in tokens if len(t) > 8
    ]
    starts = [s for s in dict.fromkeys(starts) if s.strip()][: config.generated]
    seed = child_seed(run.seed, "generated") % 2**31
    with run.progress("texts that the model makes up", total=1, unit="batch") as bar:
        said = model.generate(starts, config.length, temperature=1.0, seed=seed)
        bar.advance()
    made = {"text": [a + b for a, b in zip(starts, said, strict=True)], "start": starts}
    return Examples(pd.DataFrame(made), "text", (), "start")


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
        near: the other is drawn from as many tokens, the nearest in the order of frequency.
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


def steps(
    run: Run, model: Model, rows: States, wrong: np.ndarray, name: str, draws: int = 0
) -> Steps:
    """Losses, cosines and norms of every layer, and the loss after several random steps in the upper half."""
    readout, sites = Readout.of(model), stream(model)
    asked = torch.from_numpy(np.stack([rows.following, wrong]))
    layers, n = len(sites) - 1, len(rows)
    order = (
        np.arange(layers) + 1 + run.rng("layers", name).integers(0, max(1, layers - 1), layers)
    ) % max(layers, 2)
    draw = torch.Generator().manual_seed(child_seed(run.seed, "random steps", name) % 2**63)
    cosine = {series: np.empty((layers, n)) for series in (TRUE, WRONG, OTHER, RANDOM)}
    loss, after, norm, length = (np.empty((layers + k, n)) for k in (1, 0, 1, 0))
    falls = np.empty((draws, layers - layers // 2, n))

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
            after[i] = inner_loss(readout, h + random, asked[0]).numpy()
            for k in range(draws if i >= layers // 2 else 0):
                again = torch.randn(h.shape, generator=draw)
                again *= (update.norm(dim=-1) / again.norm(dim=-1))[:, None]
                moved = inner_loss(readout, h + again, asked[0]).numpy()
                falls[k, i - layers // 2] = loss[i] - moved
            norm[i], length[i] = h.norm(dim=-1).numpy(), update.norm(dim=-1).numpy()
            bar.advance()
    last = rows.at[sites[-1]]
    loss[-1], norm[-1] = (
        inner_gradient(readout, last, asked[:1]).loss[0].numpy(),
        last.norm(dim=-1).numpy(),
    )
    return Steps(loss, cosine, after, falls, norm, length)


def _curve(
    series: str, values: np.ndarray, groups: np.ndarray, first: int = 0
) -> list[dict[str, object]]:
    """A row for each layer, with its interval over groups."""
    rows = []
    for i, v in enumerate(values):
        m = Measured(series, groups=groups)
        m.put(series, v)
        e = m.value(series)
        low, high = e.ends
        row = {"series": series, "layer": first + i, "value": e.value, "low": low, "high": high}
        rows.append(row)
    return rows


def _cosines(
    config: Config, run: Run, of: tuple[Steps, np.ndarray], untrained: tuple[Steps, np.ndarray]
) -> None:
    """Cosines of updates with descent directions."""
    (found, groups), (fresh, codes) = of, untrained
    rows = [
        r
        for series in (TRUE, WRONG, OTHER, RANDOM)
        for r in _curve(series, found.cosine[series], groups)
    ]
    rows += _curve(FRESH, fresh.cosine[TRUE], codes)
    frame = pd.DataFrame(rows)
    chart = score_by_layer(
        frame, score="cosine with the negative gradient", layer="Block", nulls=(RANDOM,)
    )
    caption = (
        "Cosine of a block's update with the descent direction of the loss, mean over all tokens but the first. The same "
        "updates are compared with the direction for a token of the same frequency that does not come next."
    )
    run.figure("cosine", chart, caption, frame)
    upper = slice(len(found.step) // 2, None)
    gain = found.cosine[TRUE] - found.cosine[WRONG]
    share = share_above(
        "layers whose update is aligned with the true token",
        gain[upper],
        groups,
        rng=run.rng("aligned"),
        kind="true and wrong token exchanged at random",
        flips=config.flips,
        level=0.01,
    )
    mean = {series: found.cosine[series][upper].mean() for series in (TRUE, WRONG, OTHER)}
    why = (
        f"Mean cosine in the upper half: {mean[TRUE]:.3f} for the true token, {mean[WRONG]:.3f} for the other, "
        f"{mean[OTHER]:.3f} with another layer's update; negative for the true one in {_negative(found):.0%} of the layers."
    )
    run.claim("aligned", share, why=why)
    m = Measured("mean cosine in the untrained copy", groups=codes, unit="cosine")
    m.put(FRESH, fresh.cosine[TRUE].mean(axis=0))
    m.put(RANDOM, fresh.cosine[RANDOM].mean(axis=0), role="reference")
    why = f"Random steps have {m.value(RANDOM).value:.4f}."
    run.claim("untrained", m.value(FRESH), why=why)


def _negative(found: Steps) -> float:
    """Share of the upper half of the layers whose mean cosine with the descent direction is negative."""
    return float((found.cosine[TRUE][len(found.step) // 2 :].mean(axis=1) < 0).mean())


def _losses(run: Run, found: Steps, groups: np.ndarray) -> None:
    """The loss from layer to layer."""
    frame = pd.DataFrame(
        _curve("loss after the block", found.loss, groups, -1)
        + _curve("after a random step instead", found.after_random, groups, 0)
    )
    chart = score_by_layer(
        frame, score="loss on the next token (nats)", nulls=("after a random step instead",)
    )
    run.figure(
        "loss",
        chart,
        "Loss on the next token as the last norm and the unembedding read each layer. Layer −1 is the "
        "embedding. Grey: a random step of the same length from the layer before.",
        frame,
    )
    half = len(found.step) // 2
    share = share_above(
        "layers over which the loss falls",
        (found.loss[:-1] - found.loss[1:])[half:],
        groups,
        rng=run.rng("falls"),
        kind="random steps of the same length",
        null=found.falls,
    )
    why = f"From {found.loss[half].mean():.2f} nats in the middle to {found.loss[-1].mean():.2f}."
    run.claim("falls", share, why=why)


def _norms(
    run: Run, model: Model, sources: Sequence[Examples], found: Steps, groups: np.ndarray
) -> None:
    """Lengths of states and of steps, the first token apart."""
    few = sources[0].take(np.arange(min(40, len(sources[0]))))
    every = States.together(list(states(model, few, stream(model), skip=0)))
    first = every.position == 0
    codes = group_codes(few.groups())[every.example[first]]
    alone = np.stack(
        [every.at[s][torch.from_numpy(first)].norm(dim=-1).numpy() for s in stream(model)]
    )
    rows = _curve("state, first token", alone, codes, -1) + _curve(
        "state, other tokens", found.norm, groups, -1
    )
    rows += _curve("step, other tokens", found.step, groups, 0)
    frame = pd.DataFrame(rows)
    frame[["value", "low", "high"]] = np.log10(frame[["value", "low", "high"]].clip(lower=1e-12))
    run.figure(
        "norms",
        score_by_layer(frame, score="log₁₀ of the norm", nulls=()),
        "Norms of states after each block, and of what blocks add. The first token of a text is an attention "
        "sink.",
    )
    run.table("norms", pd.DataFrame(rows), "The same, not as logarithms.")


def _training(config: Config, run: Run) -> None:
    """The same quantities while a small network learns."""
    world = lexicon(steps=config.training, seed=run.seed, keep=config.checkpoints)
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
    mean = found.cosine[TRUE][half:].mean()
    return (
        f"In the upper half of {model.name} updates point to the true next token more than to another of the same frequency "
        f"at {by['aligned'].value:.0%} of the layers ({by['aligned'].verdict} at 80 %). Their mean cosine with the descent "
        f"direction is {mean:.3f}, and negative at {_negative(found):.0%} of these layers. After the middle the loss falls "
        f"over {by['falls'].value:.0%} of the layers, with random steps of the same length over {_chance(by['falls']):.0%} "
        f"({by['falls'].verdict} at 70 %). In an untrained copy the mean cosine is {by['untrained'].value:.3f}."
    )


def _chance(claim: Judged) -> float:
    return claim.evidence.null.mean if claim.evidence.null is not None else float("nan")
