"""How far is a layer from the last one, if only a linear map may stand between them? And how early could one leave?

Texts go through a language model once; moments of every layer with the last one, at the same token, give the least-squares
map from each. On documents that were held out each layer is then read through its map, and beside it as it is (the logit
lens), shifted by the difference of the means, through a map of low rank, and through a map fitted on tokens that do not
belong together. Then a token leaves at the first layer that is sure enough; and attention, MLP and norm of single blocks are
replaced by linear maps of what they read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from inscape.charts.bars import values_by_group
from inscape.charts.layers import score_by_layer
from inscape.core import intervals
from inscape.core.edit import Replace, Scope
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.folds import group_codes, group_folds
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.unembed import Readout
from inscape.read.lens_metrics import early_exit, exit_curve, named, spread, threshold_for
from inscape.read.linear_shortcut import Shortcut, ShortcutMoments, explained
from inscape.read.logit_lens import Reading, logit_lens
from inscape.study.card import Card
from inscape.study.frames import layer_of
from inscape.study.run import Run
from inscape.study.shares import Shares, bars
from inscape.study.shortcuts import ELSEWHERE, examples_of, fitted, sampled, stream
from inscape.study.states import States
from inscape.worlds.lexicon import lexicon

CARD = Card(
    slug="linear-shortcut-lens",
    title="Jump to Conclusions: Short-Cutting Transformers With Linear Transformations",
    authors="Din, Karidi, Choshen and Geva",
    year=2023,
    arxiv="2303.09435",
    room="read",
    claim="A linear map from a layer's state to the last one's tells what the network will say better than the state itself "
    "does, at every layer; networks often know their answer early, and with such maps a token may leave earlier.",
    reproduced="Ridge maps from every layer to the last at the same token, fitted on 15,000 tokens of the standard "
    "library's documentation and judged on modules held out: precision@1 and @10, KL, surprisal and variance explained; "
    "early exit by how far the likeliest token is ahead of the next; attention, MLP and norm of single blocks replaced by "
    "linear maps; variance explained in a sentence encoder, which has no vocabulary.",
    controls=(
        "the state as it is (the logit lens)",
        "the state shifted by the difference of the means",
        "the best map of low rank",
        "the same fit with the last layer's tokens mixed up",
        "an untrained copy of the model",
        "a block's part replaced by its mean",
    ),
    bar="Precision@10 on held-out documents is above the logit lens at 90 % of the layers or more, by 0.15 or more on "
    "average over the middle third; at 95 % of the answers kept, tokens leave at least one layer earlier; the mixed-up fit "
    "is no better than the logit lens.",
    group_note="A group is a module of the library: its passages share names, subject and author. Penalties are chosen on "
    "modules left out inside the training modules; thresholds of the exit on one half of the held-out modules for "
    "the other.",
    minutes={"tiny": 0.3, "small": 6, "full": 90},
    figure="precision",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m",
        metadata={"help": "what to open; 'lexicon-world' is trained on the spot"},
    )
    data: str = field(
        default="library-text", metadata={"help": "texts with a group: the document they are of"}
    )
    encoder: str = field(
        default="minilm-l6",
        metadata={"help": "a model without vocabulary to fit beside it, or 'none'"},
    )
    tokens: int = field(default=15_000, metadata={"help": "tokens that the maps are fitted on"})
    rows: int = field(default=480, metadata={"help": "held-out tokens at which layers are read"})
    positions: int = field(default=8, metadata={"help": "of one passage, at most"})
    folds: int = field(
        default=5, metadata={"help": "one of so many parts of the documents is held out"}
    )
    k: int = field(default=10, metadata={"help": "of precision@k"})
    rank: int = field(default=64, metadata={"help": "of the low-rank maps"})
    retention: float = field(
        default=0.95, metadata={"help": "share of the answers that early exit must keep"}
    )
    sublayers: int = field(
        default=15, metadata={"help": "every so manyth block has its parts replaced; 0 for none"}
    )
    control_tokens: int = field(
        default=3000, metadata={"help": "tokens for the untrained copy and the encoder; 0 for none"}
    )


PRESETS = {
    "tiny": Config(
        model="lexicon-world",
        data="lexicon-world",
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

IDENTITY, LINEAR, SHIFT, LOW, MIXED = (
    "logit lens",
    "linear map",
    "mean shift",
    "low-rank map",
    "mixed-up tokens",
)
#: what a block's parts read and write
PARTS = {
    "attention": ("attn_in", "attn_out"),
    "MLP": ("mlp_in", "mlp_out"),
    "norm": ("resid_mid", "mlp_in"),
}

Fits = dict[tuple[str, str], Shortcut]
Maps = dict[str, dict[str, Shortcut]]


def run(config: Config, run: Run) -> None:
    """Fit, read, leave early, replace."""
    model, examples = _open(config, run)
    run.certificate(model.certificate)
    run.asked(f"How early does {model.name} know its answer, if one may look through a linear map?")
    train, test = group_folds(examples.groups(), config.folds, rng=run.rng("folds"))[0]
    train, test = examples.take(train), examples.take(test)
    sites = stream(model)
    pairs = [(s, sites[-1]) for s in sites[:-1]] + _parts(config, model)
    moments = fitted(run, model, train, pairs, config.tokens, "model")
    fits = moments.fit()
    maps = _maps(config, moments, fits, sites)
    held = sampled(model, test, sites, config.rows, config.positions, run.rng("held out"))
    readout = Readout.of(model)
    read, kept = _read(run, readout, maps, held, config.k)
    shares = Shares(examples_of(test, held), run.rng("bootstrap"))
    _layers(config, run, read, maps, held, kept, shares, sites)
    _exit(config, run, read, kept, shares, len(sites) - 1)
    if config.sublayers:
        _replace(run, model, test, moments, fits)
    if config.control_tokens:
        _controls(config, run, model, train, test)
    run.answer(_answer(config, run, model))


def _open(config: Config, run: Run) -> tuple[Model, Examples]:
    if "lexicon-world" in (config.model, config.data):
        if config.model != config.data:
            raise StudyError(
                "'lexicon-world' is a toy network with texts of its own: give both --model and --data."
            )
        world = lexicon(
            steps=100, seed=run.seed
        )  # enough for its grammar, if not for all its words
        return world.model, world.documents
    return open(config.model), load(config.data)


def _parts(config: Config, model: Model) -> list[tuple[str, str]]:
    blocks = len(model.atlas.blocks)
    chosen = range(config.sublayers // 2, blocks, config.sublayers) if config.sublayers else ()
    have = {str(s) for s in model.sites}
    pairs = [(f"{a}.{i}", f"{b}.{i}") for a, b in PARTS.values() for i in chosen]
    return [(a, b) for a, b in pairs if a in have and b in have]


def _maps(config: Config, moments: ShortcutMoments, fits: Fits, sites: Sequence[str]) -> Maps:
    last = sites[-1]
    found: Maps = {name: {} for name in (LINEAR, IDENTITY, SHIFT, LOW, MIXED)}
    for site in sites[:-1]:
        found[LINEAR][site], found[MIXED][site] = fits[site, last], fits[site, ELSEWHERE]
        found[IDENTITY][site] = Shortcut.identity(len(fits[site, last].bias))
        found[SHIFT][site] = moments.mean_shift(site, last)
        found[LOW][site] = moments.limit(site, last, fits[site, last], config.rank)
    return found


def _read(
    run: Run, readout: Readout, maps: Maps, held: States, k: int
) -> tuple[dict[str, Reading], np.ndarray]:
    """Every lens at every layer, and the model's own answers."""
    last = held.at[list(held.at)[-1]]
    own = logit_lens(readout, last, k=1).tokens[:, 0]
    read = {}
    with run.progress("read layers", total=len(maps), unit="lenses") as bar:
        for name, of in maps.items():
            x = torch.stack([of[site](held.at[site]) for site in of])
            read[name] = logit_lens(readout, x, last, own, k=k)
            bar.advance()
    return read, own


def _layers(
    config: Config,
    run: Run,
    read: Mapping[str, Reading],
    maps: Maps,
    held: States,
    own: np.ndarray,
    shares: Shares,
    sites: Sequence[str],
) -> None:
    """How well each lens names the model's own answer, layer by layer."""
    ones, k, last = np.ones(len(own)), config.k, held.at[sites[-1]].numpy()
    hits = {name: named(r.tokens, own, k).astype(np.float64) for name, r in read.items()}
    rows, curves = [], {"precision": [], "kl": []}
    for name, r in read.items():
        for i, site in enumerate(sites[:-1]):
            found = {
                f"precision@{k}": hits[name][i],
                "precision@1": named(r.tokens[i], own, 1) * 1.0,
                "KL from the final distribution": r.kl[i].astype(np.float64),
                "surprisal of the final token": r.surprisal[i].astype(np.float64),
            }
            units = dict(zip(found, ("share", "share", "nats", "nats"), strict=True))
            said = {
                m: shares.evidence(m, v, ones, unit=units[m], where={"lens": name, "site": site})
                for m, v in found.items()
            }
            r2 = explained(last, maps[name][site](held.at[site]).numpy())
            rows += [
                *said.values(),
                Evidence(
                    "variance explained",
                    r2,
                    n=len(own),
                    unit="R²",
                    where={"lens": name, "site": site},
                ),
            ]
            for figure, measure in zip(
                curves, (f"precision@{k}", "KL from the final distribution"), strict=True
            ):
                e = said[measure]
                assert e.interval is not None
                curves[figure].append(
                    {
                        "series": name,
                        "layer": layer_of(site),
                        "value": e.value,
                        "low": e.interval[0],
                        "high": e.interval[1],
                    }
                )
    run.figure(
        "precision",
        score_by_layer(pd.DataFrame(curves["precision"]), score=f"precision@{k}", nulls=(MIXED,)),
        f"How often the model's own next token is among the {k} that a layer's state says, {len(own)} tokens of "
        "documents held out. Layer −1 is the embedding. Grey: the map fitted on tokens that do not belong "
        "together.",
    )
    chart = score_by_layer(
        pd.DataFrame(curves["kl"]), score="KL from the final distribution (nats)", nulls=(MIXED,)
    )
    run.figure("kl", chart, "The same layers: how far what they say is from what is said.")
    run.table("layers", table(rows), "Every lens at every layer.")
    _claim_layers(run, hits, shares, k)


def _claim_layers(run: Run, hits: Mapping[str, np.ndarray], shares: Shares, k: int) -> None:
    ones, third = np.ones(hits[LINEAR].shape[1]), len(hits[LINEAR]) // 3
    middle = slice(third, -third or None)

    def above(name: str, counts: np.ndarray) -> np.ndarray:
        gain = np.stack(
            [intervals.sum_by_group(g, shares.codes) for g in hits[name] - hits[IDENTITY]], axis=1
        )
        return (counts @ gain > 0).mean(axis=1)

    once = np.ones((1, int(shares.codes.max()) + 1))
    low, high = intervals.percentile(above(LINEAR, shares.counts * 1.0))
    null = Null.of("map fitted on mixed-up tokens", above(MIXED, once))
    share = Evidence(
        "share of layers",
        float(above(LINEAR, once)[0]),
        (float(low), float(high)),
        null,
        n=len(ones),
        unit="share of layers",
    )
    run.claim(
        "layers",
        f"At nearly every layer the linear map's precision@{k} is above the logit lens's",
        share,
        0.9,
    )
    gain = {name: hits[name] - hits[IDENTITY] for name in (LINEAR, SHIFT, MIXED)}
    null = Null.of("map fitted on mixed-up tokens", gain[MIXED][middle].mean(axis=1))
    part = gain[LINEAR][middle].mean(axis=0)
    more = shares.evidence(f"gain in precision@{k}, middle third", part, ones, null, unit="share")
    run.claim(
        "gain",
        "In the middle third of the layers the gain is large",
        more,
        0.15,
        why=f"A shift of the mean alone gains {gain[SHIFT][middle].mean():.2f}.",
    )
    null = Null.of("shift of the mean alone", gain[SHIFT].mean(axis=1))
    mixed = shares.evidence(
        f"gain in precision@{k}, all layers", gain[MIXED].mean(axis=0), ones, null, unit="share"
    )
    text = "Fitted on tokens that do not belong together, the map is no better than the logit lens"
    run.claim("mixed-up", text, mixed, 0.0, "at most", why=MEAN)


def _exit(
    config: Config,
    run: Run,
    read: Mapping[str, Reading],
    own: np.ndarray,
    shares: Shares,
    blocks: int,
) -> None:
    """Leave at the first layer that is sure enough; the threshold comes from the other half of the documents."""
    halves = group_folds(shares.codes, 2, rng=run.rng("halves"))
    left, kept, curves = {}, {}, []
    for name in (LINEAR, IDENTITY, SHIFT, MIXED):
        sure = np.vstack([read[name].confidence, np.full(len(own), np.inf)])
        said = np.vstack([read[name].tokens[..., 0], own])
        left[name], kept[name] = np.empty(len(own)), np.empty(len(own))
        for known, asked in halves:
            t = threshold_for(sure[:, known], said[:, known], own[known], config.retention)
            found = early_exit(sure[:, asked], said[:, asked], own[asked], t)
            left[name][asked], kept[name][asked] = found.layer, found.kept
        curve = exit_curve(sure, said, own, spread(sure, 40))
        curves += [
            {"series": name, "layer": depth, "value": share, "low": share, "high": share}
            for depth, share in curve
        ]
    ones = np.ones(len(own))
    asked = (("mean exit", left, "blocks"), ("answers kept", kept, "share"))
    rows = [
        shares.evidence(what, values[name], ones, unit=unit, where={"lens": name})
        for name in left
        for what, values, unit in asked
    ]
    run.table(
        "exit",
        table(rows),
        f"Blocks computed when {config.retention:.0%} of the answers are to be kept, of "
        f"{blocks}; thresholds from the other half of the documents.",
    )
    chart = score_by_layer(
        pd.DataFrame(curves),
        score="share of answers kept",
        layer="Blocks computed, mean",
        interval="none drawn",
        nulls=(MIXED,),
    )
    run.figure("exit", chart, "Early exit at every threshold: fewer blocks against answers kept.")
    null = Null.of(
        "exit after a shift of the mean alone", [shares.value(left[IDENTITY] - left[SHIFT], ones)]
    )
    earlier = shares.evidence(
        "layers earlier", left[IDENTITY] - left[LINEAR], ones, null, unit="layers"
    )
    share = {name: kept[name].mean() for name in (LINEAR, IDENTITY)}
    text = f"With {config.retention:.0%} of the answers kept, tokens leave earlier than by the logit lens"
    run.claim(
        "exit",
        text,
        earlier,
        1.0,
        why=f"Kept on the documents judged: {share[LINEAR]:.3f}, by the logit lens "
        f"{share[IDENTITY]:.3f}; mean exit after {left[LINEAR].mean():.1f} and {left[IDENTITY].mean():.1f} blocks "
        f"of {blocks}.",
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
    rows = []
    docs = np.repeat(group_codes(few.groups()), spots.shape[1])
    shares = Shares(docs, run.rng("replaced", "bootstrap"))

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
            null = Null.of("its mean in its place", [float(flat.mean())])
            where = {"part": kind, "block": i, "inner R²": fit.inner}
            rows.append(
                shares.evidence(
                    "KL from the final distribution",
                    linear,
                    np.ones(len(linear)),
                    null,
                    unit="nats",
                    direction="lower",
                    where=where,
                )
            )
            bar.advance()
    named_rows = bars(rows, "part").assign(
        group=[f"{e.where['part']}, block {e.where['block']}" for e in rows]
    )
    run.table(
        "replaced",
        table(rows),
        "What one part replaced by a linear map of its input does to the final distribution.",
    )
    run.figure(
        "replaced",
        values_by_group(named_rows, value="KL from the final distribution", unit="nats", ends=30),
        "One part of one block replaced by a linear map. Tick: replaced by its mean.",
    )


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
    read, own = _read(run, Readout.of(fresh), maps, held, config.k)
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
        "An untrained copy: what a linear map finds again where blocks do nothing that was learnt.",
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
            for name in (LINEAR, LOW, SHIFT, MIXED)
            for s in sites[:-1]
        ]
    )
    run.table(
        "encoder",
        frame,
        f"{encoder.name}, which has no vocabulary: variance of the last layer explained (R²), "
        "held-out documents.",
    )


def _answer(config: Config, run: Run, model: Model) -> str:
    by = run.claims
    better = "tells" if by["layers"].passed else "does not everywhere tell"
    return (
        f"Read through a linear map to the last layer, a state of {model.name} {better} the model's next token better than "
        f"read as it is: at {by['layers'].value:.0%} of the layers, on documents that the maps never saw, and by "
        f"{by['gain'].value:.2f} in precision@{config.k} over the middle third. When {config.retention:.0%} of the answers "
        f"must be kept, tokens leave {by['exit'].value:.1f} layers earlier than by the logit lens. The same map fitted on "
        f"tokens that do not belong together gains {by['mixed-up'].value:.2f}."
    )


MEAN = (
    "Such a map can only say what is said on average; where the logit lens says less than that, as in early layers, it is "
    "beaten even by it."
)
