"""Does a language model put a word together that reaches it in pieces, and where? Can what it put together be put back?

Words are followed at their last piece. A linear probe tells words from pairs of pieces that are none; the whole word's token
is looked for in the state, by the unembedding and by putting the state into a prompt that repeats a word (Patchscopes),
after each block; attention from the last piece to the earlier ones is cut; what attention and MLP add is read. Then a map
from such states to input embeddings, learnt on words that have a token, makes an embedding for words that have none, which
stands for all their pieces in a text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from inscape.charts.layers import score_by_layer
from inscape.control.attention_knockout import attention_knockout
from inscape.core.edit import Replace, Scope
from inscape.core.evidence import Beside
from inscape.core.folds import Fold, random_folds
from inscape.core.measured import Measured
from inscape.core.nulls import permutations
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.probing.frames import SHUFFLED, by_layer, layer_of, lines
from inscape.probing.sweep import compare, sweep
from inscape.read.linear_shortcut import ShortcutMoments
from inscape.read.logit_lens import logit_lens
from inscape.read.patchscopes import patchscope
from inscape.read.shortcut_fits import stream
from inscape.studies.read.inner_lexicon.pieces import (
    Context,
    Ids,
    WordPieces,
    ids,
    last_states,
    of_lexicon,
    of_texts,
    tokens,
)
from inscape.study.card import Card, Claim
from inscape.study.opening import Needs, opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.lexicon import Lexicon

CARD = Card(
    slug="inner-lexicon",
    title="From Tokens to Words: On the Inner Lexicon of LLMs",
    authors="Kaplan, Oren, Reif and Schwartz",
    year=2024,
    arxiv="2410.05864",
    room="read",
    claim="Language models combine the pieces of a word at its last piece, in early to middle "
    "layers, whatever the pieces are, and read the combined state as the word when it is given "
    "back to them as an input embedding.",
    reproduced="Words of reviews and of the standard library's documentation: a linear probe of words against pairs of the "
    "same pieces by layer; words of one token cut into two to four, and misspelt, looked for by the unembedding and by "
    "Patchscopes; attention to earlier pieces cut; updates of attention and MLP read; embeddings made for words of several "
    "tokens. New output embeddings are not made.",
    controls=(
        "nonwords that hold the same pieces at the same places",
        "the input embedding of the last piece",
        "another word's token looked for in the state, and words permuted",
        "the mean of the pieces' embeddings, and another word's made embedding",
    ),
    claims={
        "words": Claim(
            text="A probe separates words from nonwords at the layer chosen by inner "
            "cross-validation",
            at_least=0.75,
            null="labels shuffled by group",
        ),
        "above-embedding": Claim(
            text="The chosen layer separates them better than the last piece alone",
            at_least=0.1,
            over="embedding",
        ),
        "inside": Claim(
            text="Cut words are found more often inside the stack than at either end of it",
            at_least=0.01,
            over="the better end",
        ),
        "above-permuted": Claim(
            text="Cut words are found at least five times as often as another word",
            at_least=0.0,
            null="words permuted",
            why="The share found less five times that of another word; a ratio of rates near zero has no interval.",
        ),
        "inserted": Claim(
            text="A made embedding represents a word better than the mean of its pieces",
            at_least=0.6,
            why="The share of words after which the loss on what follows is lower.",
        ),
    },
    # eight last pieces leave a share of one an interval down to 0.63; which of its blocks names a word, and whether a map
    # learnt on so few words serves others, changes with the seed
    tiny={
        "words": "uncertain",
        "above-embedding": "supported",
        "inside": "any",
        "above-permuted": "any",
        "inserted": "any",
    },
    answer="Words and pairs of the same pieces that are none {words:are told apart|are told apart only in "
    "part} at the last piece in {model} ({words:.2f} right, {above-embedding:.2f} above the embedding). "
    "A word of one token that comes in pieces is found {inside:inside the stack, hardly at its ends|no "
    "more often inside the stack}: {inside:.0%} more of the words there, {above-permuted:at least five "
    "times|not clearly five times} as often as another word. An embedding made from such a state "
    "stands for a word of several tokens {inserted:better|not clearly better} than the mean of its "
    "pieces: for {inserted:.0%} of the words.",
    differs="The authors' repository holds no code. The prompt that repeats a word is chosen among three by words' own "
    "embeddings, the map to embeddings has a penalty and an intercept, and no output embeddings are made.",
    group_note="A group is a last piece: it ends as many words as nonwords, and is on one side only. Retrieval and loss are "
    "by word; layers are chosen on half of the words for the other, the map's on words that have a token.",
    negative="With the paper's prompt Patchscopes finds no cut word of SmolLM2-135M at any layer inside the stack, and "
    "neither does the unembedding. The prompt is now chosen by whether words are repeated from their own embeddings, and "
    "then a few in a hundred cut words are found.",
    minutes={"tiny": 0.3, "small": 5, "full": 60},
    figure="retrieval",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    model: str = setting("smollm2-135m", "a causal language model, or world:lexicon")
    data: str = setting("reviews", "texts that words and contexts come from")
    more: str = setting("library-text", "further texts, or 'none'")
    words: int = setting(800, "words of each kind, at most")
    asked: int = setting(120, "cut words that are looked for")
    every: int = setting(4, "Patchscopes looks at every so manyth layer")
    inserted: int = setting(120, "words of several tokens that get an embedding")
    before: str = setting("One more word:", "what stands before a word on its own; may be empty")
    repeat: tuple[str, ...] = setting(
        (
            "Next is the same word twice: 1) {} 2)",
            " house house; river river; table table; {}",
            "Repeat the word:{} ->",
        ),
        "prompts that repeat the word put in for {}; words' own embeddings choose one",
    )
    folds: int = setting(5, "outer folds of the probe")
    shuffles: int = setting(39, "label shuffles of the probe's null")
    draws: int = setting(199, "permutations of the words looked for")
    window: int = setting(6, "blocks in which attention is cut at once")


PRESETS = {
    "tiny": Config(
        model="world:lexicon",
        data="world:lexicon",
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
MADE, MEAN = "made embedding", "mean of the pieces"


def run(config: Config, run: Run) -> None:
    """Tell, find, cut, read, put back."""
    model, examples, world = opened(config, run, Needs(world=Lexicon))
    if world is not None:
        words = of_lexicon(world)
    else:
        more = load(config.more).texts() if config.more != "none" else []
        texts = [*examples.texts(), *more]
        words = of_texts(model.tokenizer, texts, config.words, rng=run.rng("words"))
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
        frame,
    )
    run.claim("words", found.selected[0])
    run.claim("above-embedding", compare(found, flat, names=("layer chosen", "embedding"))[0])


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
    every = torch.stack([states[s] for s in sites])
    said = logit_lens(Readout.of(model), every, k=1).tokens[..., 0]
    top, mistyped = [], []
    with run.progress("put states into a prompt", total=len(few), unit="layers") as bar:
        for i in few:
            top.append(patchscope(ask, states[sites[i]], k=1).tokens[:, 0])
            if wrong:
                mistyped.append(patchscope(ask, typed[sites[i]], k=1).tokens[:, 0] == right)
            bar.advance()
    named = np.array(top)
    hits = {LENS: said == whole, PATCH: named == whole, OTHER: others(named, whole)}
    if wrong:
        hits[WRONG] = np.array(mistyped)
    layers = {name: [i - 1 for i in (range(len(sites)) if name == LENS else few)] for name in hits}
    frame = _by_layer("share of words found", hits, layers)
    chart = score_by_layer(frame, score="share of words found", nulls=(OTHER,))
    run.figure(
        "retrieval",
        chart,
        f"{count} words of one token, fed in two to four pieces: how often the state at the last "
        "piece names the whole word. Layer −1 is the embedding of the last piece.",
        frame,
    )
    _claim_peak(config, run, named, whole, layers[PATCH])
    return sites[few[1 + int(hits[PATCH][1:-1].mean(axis=1).argmax())]]


def _by_layer(name: str, hits: dict[str, np.ndarray], layers: dict[str, list[int]]) -> pd.DataFrame:
    """Shares of words layer by layer, as `inscape.charts.layers.score_by_layer` draws them.

    Args:
        name: what is shared.
        hits: series → whether it is so, (layers, words).
        layers: of each series.
    """
    found = []
    for series, values in hits.items():
        m = Measured(name, unit="share")
        for layer, row in zip(layers[series], values, strict=True):
            m.put(str(layer), row)
            found.append(m.value(str(layer), where={"series": series, "layer": layer}))
    return lines(found, "series")


def others(named: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """How often a state names another of the words than its own, mean over the others, (layers, n).

    Args:
        named: the token that each state names, (layers, n).
        whole: the words' own tokens, (n,), each another one.
    """
    return (np.isin(named, whole) & (named != whole)) / (len(whole) - 1)


def at_peak(found: np.ndarray, halves: Sequence[Fold]) -> tuple[np.ndarray, list[int], list[int]]:
    """Each word at the layer inside the stack where most of the other half's words are found.

    Args:
        found: whether a word is found at a layer, (layers, n); the first and the last layer are the ends.
        halves: of the words.

    Returns:
        The layer of each word, (n,), and of each half: the layer inside, and the better end.
    """
    where, inside, ends = np.zeros(found.shape[1], dtype=np.int64), [], []
    for known, asked in halves:
        rate = found[:, known].mean(axis=1)
        inside.append(1 + int(rate[1:-1].argmax()))
        ends.append(0 if rate[0] >= rate[-1] else len(found) - 1)
        where[asked] = inside[-1]
    return where, inside, ends


def _claim_peak(
    config: Config, run: Run, named: np.ndarray, whole: np.ndarray, layers: Sequence[int]
) -> None:
    """Where retrieval is best: chosen on one half of the words, judged on the other."""
    n = len(whole)
    halves, every = random_folds(n, 2, rng=run.rng("halves")), np.arange(n)
    where, inside, edges = at_peak(named == whole, halves)
    edge = np.zeros(n, dtype=np.int64)
    for (_, asked), at in zip(halves, edges, strict=True):
        edge[asked] = at
    m = Measured("share of words found", unit="share")
    m.put("inside", (named == whole)[where, every])
    m.put("the better end", (named == whole)[edge, every], role="baseline")
    m.put("5 × another word", 5 * others(named, whole)[where, every], role="baseline")
    chance = []
    for order in permutations(n, config.draws, rng=run.rng("permuted")):
        found = named == whole[order]
        chance.append(found[at_peak(found, halves)[0], every])
    m.put("words permuted", chance, role="null")
    best = [layers[i] for i in dict.fromkeys(inside)]
    rates = {name: m.value(name).value for name in m.conditions}
    run.claim(
        "inside",
        m.gain("inside", over="the better end"),
        why=f"Best after block {' and '.join(map(str, best))}: {rates['inside']:.2f} found; "
        f"{rates['the better end']:.2f} at the better end.",
    )
    run.claim(
        "above-permuted",
        m.gain("inside", over="5 × another word", null="words permuted"),
        why=f"Found {rates['inside']:.3f}, another word {rates['5 × another word'] / 5:.4f}.",
    )


def _cut(
    config: Config, run: Run, model: Model, words: WordPieces, before: Ids, peak: str, ask: Ask
) -> None:
    """Attention from the last piece to the earlier ones cut in some blocks: what is still found at the peak."""
    count, blocks = min(config.asked, len(words.split)), layer_of(peak) + 1
    rows = [before + r for r in words.split[:count]]
    whole = np.array(words.whole[:count])
    plain = patchscope(ask, last_states(model, rows, [peak])[peak], k=1).tokens[:, 0] == whole
    m = Measured("share of words found", unit="share")
    m.put("nothing cut", plain, role="reference")
    reference = Beside("reference", "nothing cut", m.value("nothing cut").value)
    found = []
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
            pieces = torch.tensor([len(r) for r in words.split[i : i + len(few)]])[:, None]
            earlier = (t < last) & (t > last - pieces)
            with attention_knockout(model, layers, t == last, earlier):
                states.append(model.run(batch, peak, at=last)[peak][:, 0].float())
        kept = patchscope(ask, torch.cat(states), k=1).tokens[:, 0] == whole
        name = f"blocks {layers[0]} to {layers[-1]}"
        m.put(name, kept)
        found.append(m.value(name, where={"cut in": name}, beside=(reference,)))
    run.show(
        "cut",
        found,
        f"Words found at {peak} when the last piece may not look at the earlier ones in some blocks. Tick: nothing cut.",
        by="cut in",
    )


def _updates(config: Config, run: Run, model: Model, words: WordPieces, before: Ids) -> None:
    """Which part of which block writes the word: what attention and MLP add at the last piece, read without the norm."""
    count, blocks = min(config.asked, len(words.split)), range(len(model.atlas.blocks))
    whole, parts = np.array(words.whole[:count]), {"attention": "attn_out", "MLP": "mlp_out"}
    sites = [f"{point}.{i}" for point in parts.values() for i in blocks]
    states = last_states(model, [before + r for r in words.split[:count]], sites)
    readout, hits = Readout(Readout.of(model).weight), {}
    for name, point in parts.items():
        read = logit_lens(
            readout, torch.stack([states[f"{point}.{i}"] for i in blocks]), targets=whole, k=1
        )
        hits[name] = np.asarray(read.rank) < 10
    frame = _by_layer("share of words among the ten", hits, {name: list(blocks) for name in hits})
    chart = score_by_layer(frame, score="share of words among the ten", layer="Block", nulls=())
    run.figure(
        "updates",
        chart,
        "How often the whole word is among the ten tokens that a block's update points to most.",
        frame,
    )


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
        MADE: _loss(model, contexts, made),
        MEAN: _loss(model, contexts, mean),
        "another word's": _loss(model, contexts, made.roll(1, 0)),
        "all pieces": _loss(model, contexts, None, pieces),
    }
    of = [c.word for c in contexts]
    m = Measured("loss on what follows", groups=of, unit="nats", direction="lower")
    better = Measured("share of words", groups=of, unit="share")
    for name, v in loss.items():
        m.put(name, v, role="treatment" if name == MADE else "baseline")
        better.put(name, v < loss[MEAN])
    run.show(
        "put-back",
        [m.value(name, where={"input": name}) for name in loss],
        f"One embedding in place of a word's pieces, and all its pieces: loss on the tokens after {len(contexts)} words of "
        f"several tokens. The map is from {site}, chosen on words that have a token (variance explained "
        f"{fits[site, 'embed'].inner:.2f}).",
        by="input",
    )
    other = Beside(
        "baseline", "another word's made embedding", better.value("another word's").value
    )
    run.claim(
        "inserted",
        better.value(MADE, beside=(other,)),
        why=f"Mean loss {loss[MADE].mean():.2f} nats; mean of the pieces {loss[MEAN].mean():.2f}; all pieces "
        f"{loss['all pieces'].mean():.2f}.",
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
