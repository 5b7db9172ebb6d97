"""Does a language model put a word together that reaches it in pieces, and where? Can what it put together be put back?

Words are followed at their last piece. A linear probe tells words from pairs of pieces that are none; the whole word's token
is looked for in the state, by the unembedding and by putting the state into a prompt that repeats a word (Patchscopes),
after each block; attention from the last piece to the earlier ones is cut; what attention and MLP add is read. Then a map
from such states to input embeddings, learnt on words that have a token, makes an embedding for words that have none, which
stands for all their pieces in a text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from inscape.charts.bars import values_by_group
from inscape.charts.layers import score_by_layer
from inscape.control.attention_knockout import attention_knockout
from inscape.core.edit import Replace, Scope
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.folds import random_folds
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.unembed import Readout
from inscape.read.linear_shortcut import ShortcutMoments
from inscape.read.logit_lens import logit_lens
from inscape.read.patchscopes import patchscope
from inscape.study.card import Card
from inscape.study.frames import SHUFFLED, by_layer, layer_of
from inscape.study.pieces import (
    Context,
    Ids,
    WordPieces,
    ids,
    last_states,
    of_lexicon,
    of_texts,
    tokens,
)
from inscape.study.run import Run
from inscape.study.shares import Shares, bars
from inscape.study.shortcuts import stream
from inscape.study.sweep import compare, sweep
from inscape.worlds.lexicon import lexicon

CARD = Card(
    slug="inner-lexicon",
    title="From Tokens to Words: On the Inner Lexicon of LLMs",
    authors="Kaplan, Oren, Reif and Schwartz",
    year=2024,
    arxiv="2410.05864",
    room="read",
    claim="Language models put the pieces of a word together at its last piece, in early to middle layers, whatever the "
    "pieces are, and take what they put together for the word when it is given back to them as an input embedding.",
    reproduced="Words of reviews and of the standard library's documentation: a linear probe of words against pairs of the "
    "same pieces by layer; words of one token cut into two to four, and misspelt, looked for by the unembedding and by "
    "Patchscopes; attention to earlier pieces cut; updates of attention and MLP read; embeddings made for words of several "
    "tokens. New output embeddings are not made.",
    controls=(
        "nonwords that hold the same pieces at the same places",
        "the input embedding of the last piece",
        "another word's token looked for in the state",
        "the mean of the pieces' embeddings, and another word's made embedding",
    ),
    bar="Words are told from nonwords with an accuracy of 0.75 at the layer chosen inside the training folds, 0.10 above "
    "the embedding; Patchscopes finds cut words most often strictly inside the stack, five times as often as another "
    "word; the made embedding gives a lower loss on what follows than the mean of the pieces for 60 % of the words.",
    group_note="A group is a last piece: it ends as many words as nonwords, and is on one side only. Retrieval and loss are "
    "by word; layers are chosen on half of the words for the other, the map's on words that have a token.",
    negative="With the paper's prompt (seed 0, small) Patchscopes finds no cut word of SmolLM2-135M at any layer inside the "
    "stack, and neither does the unembedding; the prompt is now chosen by whether words are repeated from their own "
    "embeddings, and then 4 of 100 cut words are found, and no other word: few, so that their ratio is uncertain.",
    minutes={"tiny": 0.3, "small": 5, "full": 60},
    figure="retrieval",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m", metadata={"help": "a causal language model, or 'lexicon-world'"}
    )
    data: str = field(
        default="reviews", metadata={"help": "texts that words and contexts come from"}
    )
    more: str = field(default="library-text", metadata={"help": "further texts, or 'none'"})
    words: int = field(default=800, metadata={"help": "words of each kind, at most"})
    asked: int = field(default=120, metadata={"help": "cut words that are looked for"})
    every: int = field(default=4, metadata={"help": "Patchscopes looks at every so manyth layer"})
    inserted: int = field(
        default=120, metadata={"help": "words of several tokens that get an embedding"}
    )
    before: str = field(
        default="One more word:",
        metadata={"help": "what stands before a word on its own; may be empty"},
    )
    repeat: tuple[str, ...] = field(
        default=(
            "Next is the same word twice: 1) {} 2)",
            " house house; river river; table table; {}",
            "Repeat the word:{} ->",
        ),
        metadata={
            "help": "prompts that repeat the word put in for {}; words' own embeddings choose one"
        },
    )
    folds: int = field(default=5, metadata={"help": "outer folds of the probe"})
    shuffles: int = field(default=10, metadata={"help": "label shuffles of the probe's null"})
    window: int = field(default=6, metadata={"help": "blocks in which attention is cut at once"})


PRESETS = {
    "tiny": Config(
        model="lexicon-world",
        data="lexicon-world",
        more="none",
        asked=24,
        every=1,
        inserted=8,
        before="",
        repeat=("say {} :",),
        folds=4,
        window=2,
    ),
    "small": Config(),
    "full": Config(model="meta-llama/Llama-2-7b-hf", asked=1500, every=1, inserted=340),
}

Ask = Callable[[Tensor], Tensor]
PATCH, LENS, OTHER, WRONG = (
    "Patchscopes",
    "logit lens",
    "another word (Patchscopes)",
    "misspelt (Patchscopes)",
)


def run(config: Config, run: Run) -> None:
    """Tell, find, cut, read, put back."""
    model, words = _open(config, run)
    run.certificate(model.certificate)
    run.asked(
        f"Does {model.name} put together words that reach it in pieces, and does it take them back?"
    )
    run.log(
        "%d words cut, %d misspelt, %d of several tokens, %d nonwords, %d contexts",
        len(words.split),
        len(words.typos),
        len(words.words),
        len(words.nonwords),
        len(words.contexts),
    )
    before = tuple(ids(model.tokenizer, config.before)) if config.before else ()
    _tell(config, run, model, words, before)
    ask = _repeating(config, run, model, words)
    peak = _find(config, run, model, words, before, ask)
    _cut(config, run, model, words, before, peak, ask)
    _updates(config, run, model, words, before)
    _put_back(config, run, model, words, before)
    run.answer(_answer(run, model))


def _open(config: Config, run: Run) -> tuple[Model, WordPieces]:
    if "lexicon-world" in (config.model, config.data):
        if config.model != config.data:
            raise StudyError(
                "'lexicon-world' is a toy network with words of its own: give both --model and --data."
            )
        world = lexicon(seed=run.seed)
        return world.model, of_lexicon(world)
    texts = [t for name in (config.data, config.more) if name != "none" for t in load(name).texts()]
    model = open(config.model)
    return model, of_texts(model.tokenizer, texts, config.words, rng=run.rng("words"))


def _tell(config: Config, run: Run, model: Model, words: WordPieces, before: Ids) -> None:
    """Words against nonwords, by a linear probe at the last piece."""
    rows = [*words.words, *words.nonwords]
    y = np.repeat([1, 0], [len(words.words), len(words.nonwords)])
    sites = stream(model)
    states = last_states(model, [before + r for r in rows], sites)
    groups = np.array([r[-1] for r in rows])
    options = {
        "groups": groups,
        "folds": config.folds,
        "task": "classification",
        "shuffles": config.shuffles,
        "shuffle": "rows",
        "alphas": (0.01, 1.0),
        "target_names": ("word",),
        "seed": run.seed,
    }
    with run.progress("words and nonwords", total=len(sites), unit="layers") as bar:
        found = sweep(
            {s: states[s].numpy() for s in sites}, y, progress=lambda *_: bar.advance(), **options
        )
    flat = sweep({sites[0]: states[sites[0]].numpy()}, y, **options)
    frame = by_layer({"linear probe": found}).drop(columns="target")
    chart = score_by_layer(
        frame, score="accuracy", nulls=(SHUFFLED,), chosen=layer_of(found.best["word"])
    )
    run.figure(
        "words",
        chart,
        f"{len(words.words)} words against as many pairs of the same pieces that are none, last "
        "pieces held out. Layer −1 is the embedding, which is the same for both.",
    )
    run.table("words", frame, "The same numbers.")
    run.claim(
        "words",
        "Words are told from nonwords at the layer that training folds choose",
        found.selected[0],
        0.75,
    )
    gain = compare(found, flat, names=("layer chosen", "embedding"))[0]
    run.claim(
        "above-embedding", "The layer chosen tells more than the last piece alone", gain, 0.10
    )


def _repeating(config: Config, run: Run, model: Model, words: WordPieces) -> Ask:
    """The prompt after which the model repeats most words whose own embedding is put in: what Patchscopes needs at least.

    The words are others than those that are looked for, where there are others.
    """
    own = words.whole[config.asked : config.asked + 40] or words.whole[:40]
    x, rates, asks = last_states(model, [(w,) for w in own], ["embed"])["embed"], {}, {}
    for text in config.repeat:
        start, end = text.split("{}")
        # the space before a word is part of its token
        head, tail = ids(model.tokenizer, start.rstrip()), ids(model.tokenizer, end)
        asks[text] = asker(model, [*head, own[0], *tail], len(head))
        rates[text] = float((patchscope(asks[text], x, k=1).tokens[:, 0] == np.array(own)).mean())
    best = max(rates, key=lambda text: rates[text])
    said = "; ".join(f"“{text}” {rate:.2f}" for text, rate in rates.items())
    run.text(
        "prompt",
        f"Share of words repeated when their own embedding is put into the prompt: {said}. The best is used.",
    )
    if rates[best] < 0.5:
        run.warn(
            f"The model repeats only {rates[best]:.0%} of words from their own embedding, so Patchscopes sees little."
        )
    return asks[best]


def asker(model: Model, prompt: Sequence[int], place: int) -> Ask:
    """A callable that puts states in place of one input embedding of a prompt and gives the logits after it."""
    row = torch.tensor([list(prompt)])

    def ask(x: Tensor) -> Tensor:
        edit = Replace(Scope("embed", (place,)), x[:, None])
        last = torch.full((len(x), 1), len(prompt) - 1)
        found = model.run(row.expand(len(x), -1), edits=edit, logits=True, at=last).logits
        assert found is not None
        return found[:, 0]

    return ask


def _find(config: Config, run: Run, model: Model, words: WordPieces, before: Ids, ask: Ask) -> str:
    """The whole word's token in the state of its last piece, layer by layer."""
    count = min(config.asked, len(words.split))
    whole = np.array(words.whole[:count])
    sites = stream(model)
    few = sorted({*range(0, len(sites), config.every), len(sites) - 1})
    states = last_states(model, [before + r for r in words.split[:count]], sites)
    wrong = [before + r for r, _ in words.typos[:count]]
    typed = last_states(model, wrong, [sites[i] for i in few]) if wrong else {}
    right = np.array([w for _, w in words.typos[:count]])
    shift = np.roll(whole, 1)
    said = logit_lens(Readout.of(model), torch.stack([states[s] for s in sites]), k=1).tokens[
        ..., 0
    ]
    hits: dict[str, np.ndarray] = {LENS: (said == whole).astype(float)}
    patch, other, mistyped = [], [], []
    with run.progress("put states into a prompt", total=len(few), unit="layers") as bar:
        for i in few:
            top = patchscope(ask, states[sites[i]], k=1).tokens[:, 0]
            patch.append(top == whole)
            other.append(top == shift)
            if wrong:
                mistyped.append(patchscope(ask, typed[sites[i]], k=1).tokens[:, 0] == right)
            bar.advance()
    hits |= {PATCH: np.array(patch) * 1.0, OTHER: np.array(other) * 1.0}
    if wrong:
        hits[WRONG] = np.array(mistyped) * 1.0
    shares = {n: Shares(np.arange(h.shape[1]), run.rng("find", n)) for n, h in hits.items()}
    curves = []
    for name, values in hits.items():
        for i, v in zip(range(len(sites)) if name == LENS else few, values, strict=True):
            e = shares[name].evidence(name, v, np.ones(len(v)))
            curves.append(
                {
                    "series": name,
                    "layer": i - 1,
                    "value": e.value,
                    "low": e.ends[0],
                    "high": e.ends[1],
                }
            )
    frame = pd.DataFrame(curves)
    chart = score_by_layer(frame, score="share of words found", nulls=(OTHER,))
    run.figure(
        "retrieval",
        chart,
        f"{count} words of one token, fed in two to four pieces: how often the state at the last "
        "piece names the whole word. Layer −1 is the embedding of the last piece.",
    )
    run.table("retrieval", frame, "The same numbers.")
    _claim_peak(run, hits[PATCH], hits[OTHER], [sites[i] for i in few], shares[PATCH])
    return sites[few[1 + int(hits[PATCH][1:-1].mean(axis=1).argmax())]]


def _claim_peak(
    run: Run, found: np.ndarray, other: np.ndarray, sites: Sequence[str], shares: Shares
) -> None:
    """Where retrieval is best: chosen on one half of the words, judged on the other."""
    n = found.shape[1]
    best, ends, wrong, layers = np.zeros(n), np.zeros(n), np.zeros(n), []
    for known, asked in random_folds(n, 2, rng=run.rng("halves")):
        inside = 1 + int(found[1:-1, known].mean(axis=1).argmax())
        edge = 0 if found[0, known].mean() >= found[-1, known].mean() else len(sites) - 1
        best[asked], ends[asked], wrong[asked] = (
            found[inside, asked],
            found[edge, asked],
            other[inside, asked],
        )
        layers.append(layer_of(sites[inside]))
    ones = np.ones(n)
    null = Null.of("another word, any layer", other.mean(axis=1))
    rise = shares.evidence(
        "found inside − at the better end", best - ends, ones, null, unit="share"
    )
    run.claim(
        "inside",
        "Cut words are found more often inside the stack than at either end of it",
        rise,
        0.01,
        why=f"Best after block {' and '.join(str(x) for x in dict.fromkeys(layers))}: {best.mean():.2f} found; "
        f"{ends.mean():.2f} at the better end.",
    )
    # as if one of the words had been found by chance, where none was
    floor = max(wrong.mean(), 1 / n)
    e = shares.evidence(
        "found ÷ another word found",
        best,
        np.full(n, floor),
        Null.of("another word", [wrong.mean() / floor]),
    )
    run.claim(
        "above-permuted",
        "Cut words are found many times as often as another word is",
        replace(e, unit="×"),
        5.0,
    )


def _cut(
    config: Config, run: Run, model: Model, words: WordPieces, before: Ids, peak: str, ask: Ask
) -> None:
    """Attention from the last piece to the earlier ones cut in some blocks: what is still found at the peak."""
    count, blocks = min(config.asked, len(words.split)), layer_of(peak) + 1
    rows = [before + r for r in words.split[:count]]
    whole = np.array(words.whole[:count])
    plain = patchscope(ask, last_states(model, rows, [peak])[peak], k=1).tokens[:, 0] == whole
    shares, found = Shares(np.arange(count), run.rng("cut")), []
    for start in range(0, blocks, config.window):
        layers = list(range(start, min(start + config.window, blocks)))
        states = []
        for i in range(0, count, 40):
            few = rows[i : i + 40]
            batch = model.collate([tokens(r) for r in few])
            assert batch.lengths is not None
            t, last = (
                torch.arange(batch.inputs["input_ids"].shape[1])[None],
                batch.lengths[:, None] - 1,
            )
            pieces = torch.tensor([len(r) for r in words.split[i : i + 40]])[:, None]
            earlier = (t < last) & (t > last - pieces)
            with attention_knockout(model, layers, t == last, earlier):
                states.append(model.run(batch, peak, at=last)[peak][:, 0].float())
        kept = patchscope(ask, torch.cat(states), k=1).tokens[:, 0] == whole
        null = Null.of("nothing cut", [plain.mean()])
        where = {"cut in": f"blocks {layers[0]} to {layers[-1]}"}
        found.append(
            shares.evidence(
                "share of words found", kept * 1.0, np.ones(count), null, unit="share", where=where
            )
        )
    run.table(
        "cut",
        table(found),
        f"Words found at {peak} with the attention of the last piece to earlier ones cut.",
    )
    run.figure(
        "cut",
        values_by_group(bars(found, "cut in"), value="share of words found"),
        f"Words found at {peak} when the last piece may not look at the earlier ones in some blocks. Tick: nothing "
        "cut.",
    )


def _updates(config: Config, run: Run, model: Model, words: WordPieces, before: Ids) -> None:
    """Which part of which block writes the word: what attention and MLP add at the last piece, read without the norm."""
    count, blocks = min(config.asked, len(words.split)), range(len(model.atlas.blocks))
    whole, parts = np.array(words.whole[:count]), {"attention": "attn_out", "MLP": "mlp_out"}
    sites = [f"{point}.{i}" for point in parts.values() for i in blocks]
    states = last_states(model, [before + r for r in words.split[:count]], sites)
    readout, shares, rows = (
        Readout(Readout.of(model).weight),
        Shares(np.arange(count), run.rng("updates")),
        [],
    )
    for name, point in parts.items():
        read = logit_lens(
            readout, torch.stack([states[f"{point}.{i}"] for i in blocks]), targets=whole, k=1
        )
        for i in blocks:
            e = shares.evidence(name, (read.rank[i] < 10).astype(float), np.ones(count))
            rows.append(
                {
                    "series": name,
                    "layer": i,
                    "value": e.value,
                    "low": e.ends[0],
                    "high": e.ends[1],
                }
            )
    frame = pd.DataFrame(rows)
    chart = score_by_layer(frame, score="share of words among the ten", layer="Block", nulls=())
    run.figure(
        "updates",
        chart,
        "How often the whole word is among the ten tokens that a block's update points to most.",
    )
    run.table("updates", frame, "The same numbers.")


def _put_back(config: Config, run: Run, model: Model, words: WordPieces, before: Ids) -> None:
    """An embedding for words of several tokens, from a map learnt on words of one."""
    sites = stream(model)
    few = sites[1 : 1 + max(2, 2 * len(sites) // 3) : config.every]
    cut = last_states(model, [before + r for r in words.split], few)
    goal = last_states(model, [(*before, w) for w in words.whole], ["embed"])["embed"]
    part = np.arange(len(goal)) % 3
    moments = ShortcutMoments([(s, "embed") for s in few])
    for p in range(3):
        here = torch.from_numpy(np.flatnonzero(part == p))
        moments.add({**{s: cut[s][here] for s in few}, "embed": goal[here]}, p)
    fits = moments.fit()
    site = max(few, key=lambda s: fits[s, "embed"].inner)
    contexts = words.contexts[: config.inserted]
    pieces = [words.words[c.word] for c in contexts]
    made: Tensor = fits[site, "embed"](
        last_states(model, [before + p for p in pieces], [site])[site]
    )
    table_of = last_states(
        model, [(*before, t) for t in sorted({t for p in pieces for t in p})], ["embed"]
    )["embed"]
    row = {t: i for i, t in enumerate(sorted({t for p in pieces for t in p}))}
    mean = torch.stack([table_of[[row[t] for t in p]].mean(0) for p in pieces])
    loss = {
        "made embedding": _loss(model, contexts, made),
        "mean of the pieces": _loss(model, contexts, mean),
        "another word's": _loss(model, contexts, made.roll(1, 0)),
        "all pieces": _loss(model, contexts, None, pieces),
    }
    ones, shares = np.ones(len(contexts)), Shares(np.arange(len(contexts)), run.rng("put back"))
    rows = [
        shares.evidence(
            "loss on what follows", v, ones, unit="nats", direction="lower", where={"input": n}
        )
        for n, v in loss.items()
    ]
    caption = (
        f"Loss on the tokens after {len(contexts)} words of several tokens. The map is from {site}, chosen on words that "
        f"have a token (variance explained {fits[site, 'embed'].inner:.2f})."
    )
    run.table("put-back", table(rows), caption)
    run.figure(
        "put-back",
        values_by_group(bars(rows, "input"), value="loss on what follows", unit="nats"),
        "One embedding in place of a word's pieces, and all its pieces.",
    )
    better = (loss["made embedding"] < loss["mean of the pieces"]).astype(float)
    null = Null.of(
        "another word's made embedding",
        [float((loss["another word's"] < loss["mean of the pieces"]).mean())],
    )
    share: Evidence = shares.evidence("share of words", better, ones, null, unit="share")
    run.claim(
        "inserted",
        "A made embedding stands for a word better than the mean of its pieces",
        share,
        0.6,
        why=f"Mean loss {loss['made embedding'].mean():.2f} nats; mean of the pieces "
        f"{loss['mean of the pieces'].mean():.2f}; all pieces {loss['all pieces'].mean():.2f}.",
    )


def _loss(
    model: Model, contexts: Sequence[Context], x: Tensor | None, pieces: Sequence[Ids] = ()
) -> np.ndarray:
    """Mean loss on the tokens after a word, whose place holds one made embedding, or its own pieces."""
    out = np.empty(len(contexts))
    for i, c in enumerate(contexts):
        middle = [c.after[0]] if x is not None else list(pieces[i])
        row = [*c.before, *middle, *c.after]
        start = len(c.before) + len(middle) - 1
        edits = None if x is None else Replace(Scope("embed", (len(c.before),)), x[i])
        at = torch.arange(start, len(row) - 1)[None]
        logits = model.run(torch.tensor([row]), edits=edits, logits=True, at=at).logits
        assert logits is not None
        log_p = torch.log_softmax(logits[0].float(), -1)
        out[i] = -float(log_p[torch.arange(len(c.after)), torch.tensor(c.after)].mean())
    return out


def _answer(run: Run, model: Model) -> str:
    by = run.claims
    told = "are told apart" if by["words"].passed else "are told apart only in part"
    where = (
        "inside the stack, hardly at its ends"
        if by["inside"].passed
        else "no more often inside the stack"
    )
    found = f"{where}: {by['inside'].value:.0%} more of the words there"
    back = "better" if by["inserted"].passed else "not clearly better"
    return (
        f"Words and pairs of the same pieces that are none {told} at the last piece in {model.name} "
        f"({by['words'].value:.2f} right, {by['above-embedding'].value:.2f} above the embedding). A word of one token that "
        f"comes in pieces is found {found}, {by['above-permuted'].value:.0f} times as often as another word. An embedding "
        f"made from such a state stands for a word of several tokens {back} than the mean of its pieces: for "
        f"{by['inserted'].value:.0%} of the words."
    )
