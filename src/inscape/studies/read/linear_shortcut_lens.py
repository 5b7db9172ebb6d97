"""How far is a layer from the last one, if only a linear map may stand between them, and how early could a token exit?

Texts go through a language model once; moments of every layer with the last one, at the same token, give the least-squares
map from each. On held-out documents each layer is read through its map, and beside it by the logit lens, through a mean
shift, a map of low rank, a map without an intercept, and a map fitted on shuffled tokens. Then a token exits at the first
layer that is confident enough; and attention, MLP and norm of single blocks are replaced by linear maps of what they read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from inscape.charts.layers import score_by_layer
from inscape.core.edit import Replace, Scope
from inscape.core.evidence import Beside, Evidence, table
from inscape.core.folds import group_codes, group_folds
from inscape.core.measured import Measured
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.unembed import Readout
from inscape.probing.frames import layer_of
from inscape.read.lens_metrics import exit_curve, exit_depth, named, spread
from inscape.read.linear_shortcut import Shortcut, ShortcutMoments, explained
from inscape.read.logit_lens import Reading, logit_lens
from inscape.read.shortcut_fits import ELSEWHERE, examples_of, fitted, sampled, stream
from inscape.read.states import States
from inscape.study.by_layer import ByLayer, Reader, Score, by_layer
from inscape.study.card import Card, Claim
from inscape.study.opening import opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting

CARD = Card(
    slug="linear-shortcut-lens",
    title="Jump to Conclusions: Short-Cutting Transformers With Linear Transformations",
    authors="Din, Karidi, Choshen and Geva",
    year=2023,
    arxiv="2303.09435",
    room="read",
    claim="A linear map from a layer's state to the last layer's predicts the model's next token better than the logit "
    "lens does, at every layer; with such maps a token may exit earlier at the same accuracy.",
    reproduced="Ridge maps from every layer to the last at the same token, fitted on 15,000 tokens of the standard "
    "library's documentation and evaluated on held-out modules: precision@1 and @10, KL, surprisal and variance explained; "
    "early exit at equal retention; attention, MLP and norm of single blocks replaced by linear maps; variance explained in "
    "a sentence encoder, which has no vocabulary.",
    controls=(
        "the logit lens (identity map)",
        "a shift by the difference of the means",
        "the best map of low rank, and the map without an intercept",
        "the same fit with the last layer's tokens shuffled within the batch",
        "an untrained copy of the model",
        "a block's part replaced by its mean",
    ),
    claims=dict(
        layers=Claim(
            text="At 90 % of the layers or more the linear map's precision@k is above the logit lens's",
            at_least=0.0,
            over="logit lens",
            why="The value is the gain at the layer that has a tenth of the layers below it.",
        ),
        gain=Claim(
            text="Averaged over the middle third of the layers, the gain in precision@k over the logit lens is large",
            at_least=0.15,
            over="logit lens",
        ),
        exit=Claim(
            text="At equal retention of the answers, tokens exit at least one layer earlier than with the logit lens",
            at_least=1.0,
            over="logit lens",
            why="The paper's rule: the two likeliest tokens' probabilities differ by more than a threshold that decays with "
            "position, and no token exits before the first block.",
        ),
        shuffled=Claim(
            text="A map fitted on shuffled tokens is no better than the logit lens",
            at_most=0.0,
            sanity=True,
            why="Such a map can only predict the average distribution; early layers of the logit lens do worse than that.",
        ),
    ),
    # so small a network has no layers to spare: where the gain lies is left to chance
    tiny=dict(layers="any", gain="any", exit="any", shuffled="supported"),
    answer="Through a linear map to the last layer, precision@k is higher than with the logit lens by {layers:.2f} at the "
    "layer that has a tenth of the layers below it ({layers.verdict}), and by {gain:.2f} over the middle third "
    "({gain.verdict}), on documents that the maps never saw. At equal retention tokens exit {exit:.1f} layers earlier "
    "({exit.verdict}). The same map fitted on shuffled tokens gains {shuffled:.2f}.",
    differs="The authors fit least squares without penalty or intercept on Wikipedia; here the maps have an intercept and a "
    "ridge penalty chosen inside the training documents, and the map without an intercept is shown beside them. Exits are "
    "compared on a curve over 400 thresholds, where theirs has a dozen for the maps and two for the logit lens.",
    group_note="A group is a module of the library: its passages share names, subject and author. Penalties are chosen on "
    "modules left out inside the training modules.",
    minutes={"tiny": 0.3, "small": 6, "full": 90},
    figure="precision",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("library-text", "texts with a grouping column, the document")
    input: str = ""
    group: str = ""
    encoder: str = setting("minilm-l6", "a model without vocabulary to fit beside it, or 'none'")
    tokens: int = setting(15_000, "tokens that the maps are fitted on")
    rows: int = setting(480, "held-out tokens at which layers are read")
    positions: int = setting(8, "positions of one passage, at most")
    folds: int = setting(5, "number of folds of whole documents; one is held out")
    k: int = setting(10, "k of precision@k")
    rank: int = setting(64, "rank of the low-rank maps")
    retention: float = setting(0.95, "share of the answers that early exit must keep")
    sublayers: int = setting(15, "every k-th block has its parts replaced; 0 for none")
    control_tokens: int = setting(3000, "tokens for the untrained copy and the encoder; 0 for none")


PRESETS = {
    "tiny": Config(
        model="world:lexicon(steps=100)",
        data="world:lexicon(steps=100)",
        encoder="none",
        tokens=2000,
        rows=400,
        k=3,
        rank=4,
        sublayers=2,
        control_tokens=1000,
    ),
    "small": Config(),
    "full": Config(model="gpt2", tokens=100_000, rows=4000, sublayers=2, control_tokens=20_000),
}

IDENTITY, LINEAR, SHIFT, LOW, SHUFFLED, ORIGIN = (
    "logit lens",
    "linear map",
    "mean shift",
    "low-rank map",
    "shuffled tokens",
    "no intercept",
)
KL = "KL from the final distribution"
#: what a block's parts read and write
PARTS = {
    "attention": ("attn_in", "attn_out"),
    "MLP": ("mlp_in", "mlp_out"),
    "norm": ("resid_mid", "mlp_in"),
}

Fits = dict[tuple[str, str], Shortcut]
Maps = dict[str, dict[str, Shortcut]]


def run(config: Config, run: Run) -> None:
    """Fit the maps, read the layers through them, exit early, replace parts of blocks."""
    model, examples, _ = opened(config, run)
    run.asked(f"How early does {model.name} know its answer, read through a linear map?")
    train, test = group_folds(examples.groups(), config.folds, rng=run.rng("folds"))[0]
    train, test = examples.take(train), examples.take(test)
    sites = stream(model)
    pairs = [(s, sites[-1]) for s in sites[:-1]] + _parts(config, model)
    moments = fitted(run, model, train, pairs, config.tokens, "model")
    fits = moments.fit()
    maps = _maps(config, moments, fits, sites)
    held = sampled(model, test, sites, config.rows, config.positions, run.rng("held out"))
    own, readers = _readers(Readout.of(model), maps, held, config.k)
    documents = examples_of(test, held)
    states = {site: held.at[site] for site in sites[:-1]}
    read = by_layer(run, readers, states, _scores(own, config.k), documents)
    note = f"{len(own)} tokens of held-out documents. Grey: the map fitted on shuffled tokens."
    read.show(run, {f"precision@{config.k}": "precision", KL: "kl"}, (SHUFFLED,), note)
    _explained(run, maps, held)
    _claim_layers(run, read, f"precision@{config.k}")
    _exit(config, run, read.readings, own, held, documents)
    if config.sublayers:
        _replace(run, model, test, moments, fits)
    if config.control_tokens:
        _controls(config, run, model, train, test)


def _parts(config: Config, model: Model) -> list[tuple[str, str]]:
    blocks = len(model.atlas.blocks)
    chosen = range(config.sublayers // 2, blocks, config.sublayers) if config.sublayers else ()
    have = {str(s) for s in model.sites}
    pairs = [(f"{a}.{i}", f"{b}.{i}") for a, b in PARTS.values() for i in chosen]
    return [(a, b) for a, b in pairs if a in have and b in have]


def _maps(config: Config, moments: ShortcutMoments, fits: Fits, sites: Sequence[str]) -> Maps:
    last = sites[-1]
    found: Maps = {name: {} for name in (LINEAR, IDENTITY, SHIFT, LOW, SHUFFLED, ORIGIN)}
    for site in sites[:-1]:
        fit = fits[site, last]
        found[LINEAR][site], found[SHUFFLED][site] = fit, fits[site, ELSEWHERE]
        found[IDENTITY][site] = Shortcut.identity(len(fit.bias))
        found[SHIFT][site] = moments.mean_shift(site, last)
        found[LOW][site] = moments.limit(site, last, fit, config.rank)
        found[ORIGIN][site] = moments.through_origin(site, last, fit.alpha)
    return found


def _readers(
    readout: Readout, maps: Maps, held: States, k: int
) -> tuple[np.ndarray, dict[str, Reader]]:
    """The model's own answers, and every lens: each layer's map, then the unembedding."""
    last = held.at[list(held.at)[-1]]
    own = logit_lens(readout, last, k=1).tokens[:, 0]

    def read(of: Mapping[str, Shortcut], states: Mapping[str, torch.Tensor]) -> Reading:
        x = torch.stack([of[site](states[site]) for site in of])
        return logit_lens(readout, x, last, own, k=k)

    return own, {name: partial(read, of) for name, of in maps.items()}


def _scores(own: np.ndarray, k: int) -> dict[str, Score]:
    """How well a lens predicts the model's own answer."""
    return {
        f"precision@{k}": Score("share", lambda r: named(r.tokens, own, k)),
        "precision@1": Score("share", lambda r: named(r.tokens, own, 1)),
        KL: Score("nats", lambda r: r.kl),
        "surprisal of the final token": Score("nats", lambda r: r.surprisal),
    }


def _explained(run: Run, maps: Maps, held: States) -> None:
    last = list(held.at)[-1]
    rows = [
        {"lens": lens, "site": s, "R²": explained(held.at[last].numpy(), of[s](held.at[s]).numpy())}
        for lens, of in maps.items()
        for s in of
    ]
    run.table("explained", pd.DataFrame(rows), "Variance of the last layer explained (R²).")


def _mean(gains: np.ndarray) -> np.ndarray:
    return gains.mean(axis=0)


def _claim_layers(run: Run, read: ByLayer, score: str) -> None:
    third = len(read.sites) // 3
    middle = read.sites[third : -third or None]

    def tenth(gains: np.ndarray) -> np.ndarray:
        return np.quantile(gains, 0.1, axis=0, method="lower")

    def gain(name: str, lens: str, of: Callable[..., Any] = _mean, sites: Any = middle) -> Evidence:
        return read.across(name, score, of, lens, over=IDENTITY, sites=sites)

    run.claim("layers", gain("gain at the tenth of the layers", LINEAR, tenth, read.sites))
    shift, origin = gain("gain of a mean shift", SHIFT), gain("gain without intercept", ORIGIN)
    run.claim(
        "gain",
        gain("gain, middle third", LINEAR),
        why=f"A shift of the mean gains {shift.value:.2f}, the map without an intercept {origin.value:.2f}.",
    )
    run.claim("shuffled", gain("gain of shuffled tokens", SHUFFLED, sites=read.sites))


def _exit(
    config: Config,
    run: Run,
    read: Mapping[str, Reading],
    own: np.ndarray,
    held: States,
    documents: np.ndarray,
) -> None:
    """Exit after the first block that is confident enough, at the same retention for each lens."""
    place = held.position / (held.position + 1).mean()
    depth, curves = {}, []
    for lens in (LINEAR, IDENTITY, SHIFT, SHUFFLED, ORIGIN):
        ahead = np.exp(read[lens].log_probs[..., :2].astype(np.float64))
        sure, ahead = (
            np.vstack([np.full(len(own), -np.inf), x[1:], np.full(len(own), np.inf)])
            for x in (read[lens].confidence, ahead[..., 0] - ahead[..., 1])
        )
        tokens = np.vstack([read[lens].tokens[..., 0], own])
        depth[lens, "constant"] = exit_depth(sure, tokens, own, documents, config.retention)
        depth[lens, "decaying"] = exit_depth(
            ahead, tokens, own, documents, config.retention, position=place
        )
        for x, share in exit_curve(sure, tokens, own, spread(sure, 40)):
            row = {"series": lens, "layer": x, "value": share, "low": share, "high": share}
            curves.append(row)
    m = Measured("mean exit", groups=documents, unit="layers")
    for (lens, threshold), found in depth.items():
        m.put_statistic(f"{lens}, {threshold}", found, role="baseline")
    rows = [m.value(f"{a}, {b}", where={"lens": a, "threshold": b}) for a, b in depth]
    of = f"{config.retention:.0%} of the answers kept"
    run.table(
        "exit",
        table(rows),
        f"Mean exit layer with {of}, by lens and kind of threshold: on the "
        "likeliest token's probability, or, decaying with position, on its lead over the second.",
    )
    chart = score_by_layer(
        pd.DataFrame(curves),
        score="share of answers kept",
        layer="Blocks computed, mean",
        interval="none drawn",
        nulls=(SHUFFLED,),
    )
    run.figure("exit", chart, "Early exit at every threshold: blocks computed and answers kept.")
    constant = m.fall(f"{LINEAR}, constant", below=f"{IDENTITY}, constant")
    run.claim(
        "exit",
        m.fall(f"{LINEAR}, decaying", below=f"{IDENTITY}, decaying"),
        why=f"With {of}. By the likeliest token's probability and one threshold: {constant.value:.2f} layers earlier.",
    )


def _replace(run: Run, model: Model, test: Examples, moments: ShortcutMoments, fits: Fits) -> None:
    """One part of one block at a time replaced by a linear map of what it reads, or by its mean."""
    few = test.take(np.arange(min(len(test), 16)))
    tokens = model.tokenize(few.texts())
    batch = model.collate(tokens)
    rng, most = run.rng("replaced"), int(min(len(t) for t in tokens)) - 1
    spots = torch.from_numpy(
        np.stack([1 + np.sort(rng.permutation(len(t) - 1)[: min(8, most)]) for t in tokens])
    )
    pairs = {
        (kind, i): (f"{a}.{i}", f"{b}.{i}")
        for kind, (a, b) in PARTS.items()
        for i in range(len(model.atlas.blocks))
        if (f"{a}.{i}", f"{b}.{i}") in moments.pairs
    }
    sites = sorted({site for pair in pairs.values() for site in pair})
    plain = model.run(batch, sites, at=None)
    before = torch.log_softmax(model.run(batch, at=spots, logits=True).logits.double(), -1)  # type: ignore[union-attr]
    docs = np.repeat(group_codes(few.groups()), spots.shape[1])
    m = Measured(KL, groups=docs, unit="nats", direction="lower")
    rows = []

    def moved(target: str, value: torch.Tensor) -> np.ndarray:
        value[:, 0] = plain[target][
            :, 0
        ]  # the first token is an attention sink, which no map was fitted on
        edit = Replace(Scope(target), value)
        after = torch.log_softmax(
            model.run(batch, edits=edit, at=spots, logits=True).logits.double(), -1
        )  # type: ignore[union-attr]
        return (before.exp() * (before - after)).sum(-1).flatten().cpu().numpy()

    with run.progress("replace parts", total=len(pairs), unit="parts") as bar:
        for (kind, i), (source, target) in pairs.items():
            fit = fits[source, target]
            linear = moved(target, fit(plain[source].float()).to(plain[target].dtype))
            mean = moments.mean_shift(source, target).bias + moments.mean_of(source)
            flat = moved(
                target, torch.tensor(mean).to(plain[target]).expand_as(plain[target]).clone()
            )
            name = f"{kind}, block {i}"
            m.put(f"{name}: linear", linear)
            m.put(f"{name}: mean", flat, role="baseline")
            where = {"part": name, "inner R²": fit.inner}
            mean_kl = m.value(f"{name}: mean")
            beside = (Beside("baseline", "mean", float(mean_kl.value)),)
            rows.append(m.value(f"{name}: linear", where=where, beside=beside))
            bar.advance()
    caption = "One part of one block replaced by a linear map of what it reads; tick: by its mean."
    run.show("replaced", rows, caption, by="part")


def _controls(config: Config, run: Run, model: Model, train: Examples, test: Examples) -> None:
    """The same fits where nothing was learnt, and where there is no vocabulary."""
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    every = stream(fresh)
    sites = [*every[:-1][:: max(1, len(every) // 6)], every[-1]]
    moments = fitted(
        run, fresh, train, [(s, sites[-1]) for s in sites[:-1]], config.control_tokens, "untrained"
    )
    held = sampled(fresh, test, sites, config.rows, config.positions, run.rng("held out"))
    maps = {
        name: m
        for name, m in _maps(config, moments, moments.fit(), sites).items()
        if name in (LINEAR, IDENTITY)
    }
    own, readers = _readers(Readout.of(fresh), maps, held, config.k)
    read = {name: reader(held.at) for name, reader in readers.items()}
    rows = [
        {
            "site": s,
            "lens": name,
            f"precision@{config.k}": named(read[name].tokens[i], own, config.k).mean(),
            "R²": explained(held.at[sites[-1]].numpy(), maps[name][s](held.at[s]).numpy()),
        }
        for name in maps
        for i, s in enumerate(sites[:-1])
    ]
    run.table(
        "untrained",
        pd.DataFrame(rows),
        "An untrained copy of the model: precision and variance explained where nothing was learned.",
    )
    if config.encoder == "none":
        return
    encoder = open(config.encoder)
    sites = stream(encoder)
    moments = fitted(
        run, encoder, train, [(s, sites[-1]) for s in sites[:-1]], config.control_tokens, "encoder"
    )
    held = sampled(encoder, test, sites, config.rows, config.positions, run.rng("held out"))
    maps = _maps(config, moments, moments.fit(), sites)
    goal = held.at[sites[-1]].numpy()
    frame = pd.DataFrame(
        [
            {
                "lens": name,
                "layer": layer_of(s),
                "R²": explained(goal, maps[name][s](held.at[s]).numpy()),
            }
            for name in (LINEAR, LOW, SHIFT, SHUFFLED)
            for s in sites[:-1]
        ]
    )
    run.table(
        "encoder",
        frame,
        f"{encoder.name}, which has no vocabulary: variance of the last layer explained (R²), "
        "held-out documents.",
    )
