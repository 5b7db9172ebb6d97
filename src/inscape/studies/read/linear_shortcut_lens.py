"""How far is a layer from the last one, if only a linear map may stand between them, and how early
could a token exit?

Texts go through a language model once; moments of every layer with the last one, at the same token,
give the least-squares map from each. On held-out documents each layer is read through its map, and
beside it by the logit lens, through a mean shift, a map of low rank, a map without an intercept,
and a map fitted on shuffled tokens. Then a token exits at the first layer that is confident enough;
and attention, MLP and norm of single blocks are replaced by linear maps of what they read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from inscape.charts import score_by_layer
from inscape.core import Evidence, Measured, child_seed, group_folds, table
from inscape.data import Examples
from inscape.model import Model, Readout, open
from inscape.outcomes import part_pairs, replaced_parts
from inscape.probing import layer_of
from inscape.read import Reading, States, examples_of, stream
from inscape.read.lens_metrics import exit_curve, exit_depth, named, spread, sureness
from inscape.read.shortcut_lens import (
    IDENTITY,
    LINEAR,
    LOW,
    ORIGIN,
    SHIFT,
    SHUFFLED,
    Fitting,
    shortcut_lenses,
)
from inscape.study import ByLayer, Card, Claim, Run, Score, Settings, by_layer, opened, setting

CARD = Card(
    slug="linear-shortcut-lens",
    title="Jump to Conclusions: Short-Cutting Transformers With Linear Transformations",
    authors="Din, Karidi, Choshen and Geva",
    year=2023,
    arxiv="2303.09435",
    room="read",
    claim="A linear map from a layer's state to the last layer's predicts the model's next token "
    "better than the logit lens does, at every layer; with such maps a token may exit earlier at "
    "the same accuracy.",
    reproduced="Ridge maps from every layer to the last at the same token, fitted on 15,000 tokens "
    "of the standard library's documentation and evaluated on held-out modules: precision@1 and "
    "@10, KL, surprisal and variance explained; early exit at equal retention; attention, MLP and "
    "norm of single blocks replaced by linear maps; variance explained in a sentence encoder, "
    "which has no vocabulary.",
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
            text="At 90 % of the layers or more the linear map's precision@k is above the logit "
            "lens's",
            at_least=0.0,
            over="logit lens",
            why="The value is the gain at the layer that has a tenth of the layers below it.",
        ),
        gain=Claim(
            text="Averaged over the middle third of the layers, the gain in precision@k over the "
            "logit lens is large",
            at_least=0.15,
            over="logit lens",
        ),
        exit=Claim(
            text="At equal retention of the answers, tokens exit at least one layer earlier than "
            "with the logit lens",
            at_least=1.0,
            over="logit lens",
            why="The paper's rule: the two likeliest tokens' probabilities differ by more than a "
            "threshold that decays with position, and no token exits before the first block.",
        ),
        shuffled=Claim(
            text="A map fitted on shuffled tokens is no better than the logit lens",
            at_most=0.0,
            sanity=True,
            why="Such a map can only predict the average distribution; early layers of the logit "
            "lens do worse than that.",
        ),
    ),
    # so small a network has no layers to spare: where the gain lies is left to chance
    tiny=dict(layers="any", gain="any", exit="any", shuffled="supported"),
    answer="Through a linear map to the last layer, precision@k is higher than with the logit lens "
    "by {layers:.2f} at the layer that has a tenth of the layers below it ({layers.verdict}), and "
    "by {gain:.2f} over the middle third ({gain.verdict}), on documents that the maps never saw. "
    "At equal retention tokens exit {exit:.1f} layers earlier ({exit.verdict}). The same map "
    "fitted on shuffled tokens gains {shuffled:.2f}.",
    differs="The authors fit least squares without penalty or intercept on Wikipedia; here the "
    "maps have an intercept and a ridge penalty chosen inside the training documents, and the map "
    "without an intercept is shown beside them. Exits are compared on a curve over 400 thresholds, "
    "where theirs has a dozen for the maps and two for the logit lens.",
    group_note="A group is a module of the library: its passages share names, subject and author. "
    "Penalties are chosen on modules left out inside the training modules.",
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

KL = "KL from the final distribution"


def run(config: Config, run: Run) -> None:
    """Fit the maps, read the layers through them, exit early, replace parts of blocks."""
    model, examples, _ = opened(config, run)
    run.asked(f"How early does {model.name} know its answer, read through a linear map?")
    halves = group_folds(examples.groups(), config.folds, rng=run.rng("folds"))[0]
    train, test = (examples.take(rows) for rows in halves)
    parts = part_pairs(model, config.sublayers)
    how = Fitting(config.tokens, config.rows, config.positions, config.rank)
    options: dict[str, Any] = {"also": [*parts.values()], "name": "model"}
    lenses = shortcut_lenses(run, model, train, test, stream(model), how, **options)
    own, readers = lenses.readers(Readout.of(model), config.k)
    precision, documents = f"precision@{config.k}", examples_of(test, lenses.held)
    scores = {
        precision: Score("share", lambda r: named(r.tokens, own, config.k)),
        "precision@1": Score("share", lambda r: named(r.tokens, own, 1)),
        KL: Score("nats", lambda r: r.kl),
        "surprisal of the final token": Score("nats", lambda r: r.surprisal),
    }
    states = {site: lenses.held.at[site] for site in lenses.sites}
    read = by_layer(run, readers, states, scores, documents)
    note = f"{len(own)} tokens of held-out documents. Grey: the map fitted on shuffled tokens."
    read.show(run, {precision: "precision", KL: "kl"}, (SHUFFLED,), note)
    run.table("explained", lenses.explained(), "Variance of the last layer explained (R²).")
    _claim_layers(run, read, precision)
    _exit(config, run, read.readings, own, lenses.held, documents)
    if parts:
        few, fits = test.take(np.arange(min(len(test), 16))), (lenses.moments, lenses.fits)
        with run.progress("replace parts", total=len(parts), unit="parts") as bar:
            rng = run.rng("replaced")
            rows = replaced_parts(model, few, parts, *fits, rng=rng, advance=bar.advance)
        caption = (
            "One part of one block replaced by a linear map of what it reads; tick: by its mean."
        )
        run.show("replaced", rows, caption, by="part")
    if config.control_tokens:
        _controls(config, run, model, train, test)


def _claim_layers(run: Run, read: ByLayer, score: str) -> None:
    third = len(read.sites) // 3
    middle = read.sites[third : -third or None]

    def mean(gains: np.ndarray) -> np.ndarray:
        return gains.mean(axis=0)

    def tenth(gains: np.ndarray) -> np.ndarray:
        return np.quantile(gains, 0.1, axis=0, method="lower")

    def gain(name: str, lens: str, of: Callable[..., Any] = mean, sites: Any = middle) -> Evidence:
        return read.across(name, score, of, lens, over=IDENTITY, sites=sites)

    run.claim("layers", gain("gain at the tenth of the layers", LINEAR, tenth, read.sites))
    shift, origin = gain("gain of a mean shift", SHIFT), gain("gain without intercept", ORIGIN)
    others = f"the map without an intercept {origin.value:.2f}."
    why = f"A shift of the mean gains {shift.value:.2f}, {others}"
    run.claim("gain", gain("gain, middle third", LINEAR), why=why)
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
    place, curves = held.position / (held.position + 1).mean(), []
    m = Measured("mean exit", groups=documents, unit="layers")
    for lens in (LINEAR, IDENTITY, SHIFT, SHUFFLED, ORIGIN):
        sure = sureness(read[lens].log_probs, read[lens].tokens, own)
        for kind, how, position in (
            ("constant", sure.margin, None),
            ("decaying", sure.lead, place),
        ):
            depth = exit_depth(
                how, sure.tokens, own, documents, config.retention, position=position
            )
            m.put_statistic(f"{lens}, {kind}", depth, role="baseline")
        for x, share in exit_curve(sure.margin, sure.tokens, own, spread(sure.margin, 40)):
            row = {"series": lens, "layer": x, "value": share, "low": share, "high": share}
            curves.append(row)
    kinds = [name.rsplit(", ", 1) for name in m.conditions]
    rows = [m.value(f"{a}, {b}", where={"lens": a, "threshold": b}) for a, b in kinds]
    of = f"{config.retention:.0%} of the answers kept"
    run.table(
        "exit",
        table(rows),
        f"Mean exit layer with {of}, by lens and kind of threshold: on the log-probability by "
        "which the likeliest token leads the second, or, decaying with position, on the "
        "difference of their probabilities.",
    )
    chart = score_by_layer(
        pd.DataFrame(curves),
        score="share of answers kept",
        layer="Blocks computed, mean",
        interval="none drawn",
        nulls=(SHUFFLED,),
    )
    run.figure("exit", chart, "Early exit at every threshold: blocks computed and answers kept.")
    constant = m.fall(f"{LINEAR}, constant", below=f"{IDENTITY}, constant").value
    decaying = m.fall(f"{LINEAR}, decaying", below=f"{IDENTITY}, decaying")
    why = f"By the lead in log-probability and one threshold: {constant:.2f} layers earlier."
    run.claim("exit", decaying, why=f"With {of}. {why}")


def _controls(config: Config, run: Run, model: Model, train: Examples, test: Examples) -> None:
    """The same fits where nothing was learnt, and where there is no vocabulary."""
    how = Fitting(config.control_tokens, config.rows, config.positions, config.rank)
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    *every, last = stream(fresh)
    sites = [*every[:: max(1, len(every) // 6)], last]
    lenses = shortcut_lenses(run, fresh, train, test, sites, how, name="untrained")
    own, readers = lenses.readers(Readout.of(fresh), config.k)
    frame = lenses.explained((LINEAR, IDENTITY))
    hits = [named(readers[n](lenses.held.at).tokens, own, config.k) for n in (LINEAR, IDENTITY)]
    frame[f"precision@{config.k}"] = np.concatenate(hits).mean(axis=1)
    run.table(
        "untrained",
        frame,
        "An untrained copy of the model: precision and variance explained where nothing was "
        "learned.",
    )
    if config.encoder == "none":
        return
    encoder = open(config.encoder)
    lenses = shortcut_lenses(run, encoder, train, test, stream(encoder), how, name="encoder")
    frame = lenses.explained((LINEAR, LOW, SHIFT, SHUFFLED))
    frame.insert(1, "layer", [layer_of(site) for site in frame.pop("site")])
    run.table(
        "encoder",
        frame,
        f"{encoder.name}, which has no vocabulary: variance of the last layer explained (R²), "
        "held-out documents.",
    )
