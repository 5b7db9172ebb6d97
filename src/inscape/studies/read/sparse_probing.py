"""Are there neurons for things? Sparse probes over MLP neurons: one neuron, or many, for each of some twenty features.

Features of texts (the language, Python source) are read from the mean over a text's tokens, features of words (part of
speech, digits, sentiment, capitals, compounds) at the word's last token. In every fold the best neuron, and the layer it
is in, are chosen on training lexemes or documents alone. Then the curve over k says how many neurons a feature is spread
over, beside random neurons, shuffled labels, an untrained copy and a dense probe; and neurons for a language are held at
their mean while the model reads that language and others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from inscape.charts.bars import values_by_group
from inscape.charts.curves import curves
from inscape.core import intervals
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.folds import group_codes
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.store.harvest import harvest
from inscape.store.hold import held_at_mean
from inscape.store.store import Store
from inscape.store.token_losses import token_losses
from inscape.study.card import Card
from inscape.study.class_scores import ClassScores
from inscape.study.frames import layer_of
from inscape.study.run import Run
from inscape.study.shares import bars
from inscape.study.sparse_sweep import SparseSweep, balanced, sparse_sweep
from inscape.study.sweep import sweep
from inscape.worlds.needles import needles

CARD = Card(
    slug="sparse-probing",
    title="Finding Neurons in a Haystack: Case Studies with Sparse Probing",
    authors="Gurnee, Nanda, Pauly, Harvey, Troitskii and Bertsimas",
    year=2023,
    arxiv="2305.01610",
    room="read",
    claim="Early layers of language models spread many features over sparse combinations of neurons, in superposition; "
    "middle layers have single neurons that all but stand for a feature of the context, such as the language.",
    reproduced="k-sparse probes on the 30 × 1,536 MLP neurons of SmolLM2-135M-Instruct for the language of a text, Python "
    "source, part of speech, digits, sentiment words, capital cities and eight compound words; k from 1 to 256, neurons "
    "ranked by class-mean difference; the neuron of each text feature held at its mean while its context is read. One "
    "model, so nothing is said of scale; texts were written for this study and are few for each feature.",
    controls=(
        "random single neurons of every layer, with the same fit",
        "labels shuffled by blocks of groups, neuron and layer chosen anew for each shuffle",
        "an untrained copy of the model",
        "a dense logistic probe on all neurons of the layer",
        "random neurons of the same layer held at their mean, and other contexts read",
    ),
    bar="On at least three features of texts the best single neuron's balanced accuracy is at least 0.8 on texts held out, "
    "where the median random neuron has at most 0.6 and shuffled labels at most 0.55; for compound words sixteen neurons "
    "gain at least 0.05 over one, on average over the first quarter of the layers.",
    group_note="A group is a lexeme, a sentence in all its languages, or, for compounds, a beginning of the text with the "
    "words that replace the compound's parts in it.",
    negative="In the first quarter of SmolLM2-135M (seed 0, small) sixteen neurons gain 0.03 over the best one for compound "
    "words, less than the bar: single neurons already read them well there.",
    minutes={"tiny": 0.2, "small": 5, "full": 60},
    figure="sizes",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m",
        metadata={"help": "what to open; 'needles-world' is made on the spot"},
    )
    data: str = field(
        default="haystack",
        metadata={"help": "a set or table: columns feature, value, group; span word"},
    )
    sizes: tuple[int, ...] = field(
        default=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        metadata={"help": "numbers of neurons; 1 and 16 among them"},
    )
    ranking: str = field(
        default="mean difference", metadata={"help": "of neurons, as read.rank has it"}
    )
    stride: int = field(
        default=1, metadata={"help": "every so many layers for features other than compounds"}
    )
    folds: int = field(default=4, metadata={"help": "outer folds"})
    shuffles: int = field(default=5, metadata={"help": "label shuffles of each feature"})
    random: int = field(default=20, metadata={"help": "random neurons of each layer"})
    untrained: int = field(
        default=4, metadata={"help": "every so many of the untrained copy's first half of layers"}
    )
    held: int = field(
        default=2, metadata={"help": "random neurons held at their mean for comparison"}
    )
    held_folds: int = field(
        default=2, metadata={"help": "folds whose held-out texts are read with neurons held"}
    )

    def __post_init__(self) -> None:
        if not {1, 16} <= set(self.sizes):
            raise ValueError(f"sizes must hold 1 and 16, got {self.sizes}")
        if min(self.folds, self.shuffles + 1, self.random + 1, self.held + 1) < 2:
            raise ValueError("folds must be at least 2, and shuffles, random and held at least 1")


PRESETS = {
    "tiny": Config(
        model="needles-world",
        data="needles-world",
        sizes=(1, 16),
        folds=3,
        shuffles=3,
        random=10,
        untrained=1,
        held=2,
    ),
    "small": Config(stride=2),
    "full": Config(model="EleutherAI/pythia-1.4b", shuffles=20, random=100),
}

TEXT = "text"


@dataclass(frozen=True, eq=False)
class Feature:
    """One yes-or-no question: rows of the examples, the labels there, and what was found."""

    name: str
    kind: str
    rows: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    found: SparseSweep
    dense: float
    untrained: float
    evidence: Evidence | None = None

    def scores(self, run: Run) -> ClassScores:
        return ClassScores(
            self.y, self.groups, run.rng("bootstrap", self.name), "balanced accuracy"
        )


def run(config: Config, run: Run) -> None:
    """Harvest, probe each feature, judge, and hold neurons at their mean."""
    model, examples = _open(config, run)
    run.certificate(model.certificate)
    run.asked(
        f"Which features do single MLP neurons of {model.name} stand for, and which are spread over many?"
    )
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    features: list[Feature] = []
    for scope, at in ((TEXT, "mean"), ("word", "span:word")):
        part = (
            examples.take(np.flatnonzero(_scope(examples) == scope))
            if (_scope(examples) == scope).any()
            else None
        )
        if part is None:
            continue
        store = harvest(model, part, "mlp_act.*", at=at)
        half = max(1, len(model.atlas.blocks) // 2)
        blank = harvest(fresh, part, f"mlp_act.:{half}:{config.untrained}", at=at)
        with run.progress(
            f"features of {scope}s", total=len(_questions(part)), unit="features"
        ) as bar:
            for question in _questions(part):
                features.append(_probe(config, run, part, (store, blank), question))
                bar.advance()
        if scope == TEXT:
            _hold(config, run, model, part, store, features)
    _table(run, features)
    _figures(run, features)
    _claims(run, features)
    run.answer(_answer(run, model, features))


def _open(config: Config, run: Run) -> tuple[Model, Examples]:
    if "needles-world" in (config.model, config.data):
        if config.model != config.data:
            raise StudyError(_MIXED % (config.model, config.data))
        world = needles(seed=run.seed)
        return world.model, world.examples
    examples = load(config.data)
    for column in ("feature", "value"):
        if column not in examples.frame:
            raise StudyError(
                f"{config.data!r} has no column {column!r}; give a table with columns text, feature, value, group."
            )
    if examples.group is None:
        run.warn(
            "The rows have no column 'group', so each counts as its own: rows that are alike may be on both sides."
        )
    return open(config.model), examples


def _scope(examples: Examples) -> np.ndarray:
    """Whether a row is about its text or about a word in it; about the text where nothing is said."""
    if "scope" in examples.frame:
        return examples.frame["scope"].to_numpy().astype(str)
    return np.full(len(examples), "word" if "word" in examples.spans else TEXT)


def _questions(examples: Examples) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """(name, feature, rows, labels): each value against the others of its feature; of two values the first."""
    out = []
    frame = examples.frame.reset_index(drop=True)
    for feature, part in frame.groupby("feature", sort=False):
        values = list(dict.fromkeys(part["value"].astype(str)))
        for value in values if len(values) > 2 else values[:1]:
            y = (part["value"].astype(str) == value).to_numpy().astype(np.int64)
            plain = value if feature in (TEXT, "part of speech") else f"{feature}: {value}"
            name = f"compound “{feature}”" if value == "one" and len(values) == 2 else plain
            out.append((name, str(feature), part.index.to_numpy(), y))
    return out


def _layers(
    store: Store, rows: np.ndarray, stride: int, quarter: bool
) -> Iterator[tuple[str, np.ndarray]]:
    layers = list(store.sites)
    last = max(1, len(layers) // 4) if quarter else len(layers)
    for site in layers[:last] if quarter else layers[::stride]:
        yield str(site), store.take(site, rows)


def _probe(
    config: Config,
    run: Run,
    examples: Examples,
    stores: tuple[Store, Store],
    question: tuple[str, str, np.ndarray, np.ndarray],
) -> Feature:
    """One question asked of a trained and of an untrained model's neurons."""
    (store, blank), (name, kind, rows, y) = stores, question
    groups = group_codes(
        examples.groups()[rows] if examples.group is not None else np.arange(len(rows))
    )
    options: dict[str, Any] = {"folds": config.folds, "seed": run.seed}
    compound = name.startswith("compound")
    found = sparse_sweep(
        _layers(store, rows, config.stride, compound),
        y,
        groups,
        sizes=config.sizes,
        ranking=config.ranking,
        shuffles=config.shuffles,
        random=config.random,
        **options,
    )
    empty = sparse_sweep(
        _layers(blank, rows, 1, compound), y, groups, sizes=(1,), shuffles=0, random=1, **options
    )
    site, _ = found.best()
    dense = sweep(
        {site: store.take(site, rows)},
        y,
        groups=groups,
        folds=min(config.folds, int(groups.max()) + 1),
        task="classification",
        shuffles=0,
        alphas=(1e-3, 1e-2, 1e-1),
        seed=run.seed,
    )
    right = balanced(dense.predictions[0, :, 0] > 0, y)
    made = Feature(
        name, kind, rows, y, groups, found, float(right), float(balanced(empty.selected() == 1, y))
    )
    return replace(made, evidence=_evidence(run, made))


def _evidence(run: Run, feature: Feature) -> Evidence:
    """Balanced accuracy of the best neuron, chosen with its layer in each fold; null: the same on shuffled labels."""
    found, scores = feature.found, feature.scores(run)
    null = [
        scores.against_labels(found.selected(t), found.labels[t])
        for t in range(1, len(found.labels))
    ]
    e = scores.evidence(f"balanced accuracy of {feature.name}, k = 1", found.selected(), null)
    site, neuron = found.best()
    return replace(
        e,
        where={
            "feature": feature.name,
            "layer": layer_of(site),
            "neuron": neuron,
            "random neuron, median": float(np.median(found.random)),
            "untrained": feature.untrained,
            "dense probe": feature.dense,
        },
    )


def _table(run: Run, features: list[Feature]) -> None:
    rows = [f.evidence for f in features if f.evidence is not None]
    run.table(
        "neurons",
        table(rows),
        "The best single neuron, chosen with its layer in the training folds; layer and "
        "neuron shown are those most folds take. Compounds: among the first quarter of the layers.",
    )
    every = [
        {
            "feature": f.name,
            "site": site,
            "k": k,
            "balanced accuracy": float(balanced(f.found.sized[s, i], f.y)),
        }
        for f in features
        for s, site in enumerate(f.found.sites)
        for i, k in enumerate(f.found.sizes)
    ]
    run.table("layers", pd.DataFrame(every), "Every layer and size, held out.")


def _figures(run: Run, features: list[Feature]) -> None:
    """Accuracy by k, and the best neuron of every feature."""
    series = []
    for feature in features:
        scores = feature.scores(run)
        panel = (
            "compound words (first quarter of the layers)"
            if feature.name.startswith("compound")
            else "other features"
        )
        for i, k in enumerate(feature.found.sizes):
            draws = np.mean(
                [scores.bootstrap(p[i].astype(np.int64)) for p in _shown(feature)], axis=0
            )
            low, high = intervals.percentile(draws)
            value = np.mean([balanced(p[i], feature.y) for p in _shown(feature)])
            series.append(
                {
                    "series": feature.name,
                    "panel": panel,
                    "x": k,
                    "value": value,
                    "low": low,
                    "high": high,
                }
            )
    run.figure(
        "sizes",
        curves(
            pd.DataFrame(series).drop(columns=["low", "high"]),
            x="neurons (k)",
            y="balanced accuracy",
            zero=False,
            points=True,
        ),
        "Balanced accuracy by number of neurons, held out: at the layer most folds choose for k = 1, and for "
        "compounds the mean over the first quarter of the layers. One half is chance.",
    )
    shown = bars([f.evidence for f in features if f.evidence is not None], "feature")
    run.figure(
        "single",
        values_by_group(shown, value="balanced accuracy of the best single neuron"),
        "The best single neuron of every feature; red tick: the same on shuffled labels.",
    )


def _shown(feature: Feature) -> np.ndarray:
    """Predictions by size of the layers that the curve is about, (layers, k, n)."""
    if feature.name.startswith("compound"):
        return feature.found.sized
    return feature.found.sized[[feature.found.sites.index(feature.found.best()[0])]]


def _claims(run: Run, features: list[Feature]) -> None:
    texts = [f for f in features if f.kind == TEXT]
    rows = [f.evidence for f in texts if f.evidence is not None]
    passed = []
    for e, feature in zip(rows, texts, strict=True):
        assert e.null is not None
        passed.append(
            e.value >= 0.8 and np.median(feature.found.random) <= 0.6 and e.null.mean <= 0.55
        )
    ends = [
        sum(
            p and e.interval is not None and e.interval[i] >= 0.8
            for p, e in zip(_free(rows, texts), rows, strict=True)
        )
        for i in (0, 1)
    ]
    chance = [
        sum(
            f.scores(run).against_labels(f.found.selected(t), f.found.labels[t]) >= 0.8
            for f in texts
        )
        for t in range(1, min(len(f.found.labels) for f in texts))
    ]
    why = "; ".join(
        f"{f.name} {e.value:.2f} (random {np.median(f.found.random):.2f}, shuffled {e.null.mean:.2f})"
        for f, e in zip(texts, rows, strict=True)
        if e.null is not None
    )
    count = Evidence(
        "text features with a neuron of their own",
        sum(passed),
        (min(ends), max(ends)),
        Null.of("shuffled labels", [float(c) for c in chance]),
        n=sum(len(f.y) for f in texts),
        unit="features",
    )
    run.claim(
        "neurons",
        "Features of texts have single neurons that tell them, where random neurons and shuffled labels do "
        "not",
        count,
        3,
        why=f"A feature counts from 0.8 on, with random neurons at most 0.6 and shuffled labels at "
        f"most 0.55. The interval counts the ends of the features' own. {why}.",
    )
    compounds = [f for f in features if f.name.startswith("compound")]
    if compounds:
        run.claim(
            "compounds",
            "In the first quarter of the layers compound words need more than one neuron: sixteen gain",
            _gain(run, compounds),
            0.05,
            why="Mean over compounds and layers; null: compounds' labels exchanged for "
            "random ones, which gain nothing but by chance.",
        )


def _free(rows: list[Evidence], texts: list[Feature]) -> list[bool]:
    """Whether random neurons and shuffled labels stay below their bars."""
    return [
        bool(np.median(f.found.random) <= 0.6 and e.null is not None and e.null.mean <= 0.55)
        for f, e in zip(texts, rows, strict=True)
    ]


def _gain(run: Run, compounds: list[Feature]) -> Evidence:
    """Balanced accuracy of 16 neurons minus that of one, over layers and compounds; groups are drawn, compounds kept."""
    draws, values = [], []
    for feature in compounds:
        scores, one, many = (
            feature.scores(run),
            feature.found.sizes.index(1),
            feature.found.sizes.index(16),
        )
        layers = feature.found.sized.astype(np.int64)
        draws.append(
            np.mean([scores.bootstrap(p[many]) - scores.bootstrap(p[one]) for p in layers], axis=0)
        )
        values.append(np.mean([scores.value(p[many]) - scores.value(p[one]) for p in layers]))
    low, high = intervals.percentile(np.mean(draws, axis=0))
    rng, null = run.rng("gain"), []
    for _ in range(200):  # the gain of predictions against labels that they know nothing of
        gaps = []
        for feature in compounds:
            other = feature.y[rng.permutation(len(feature.y))]
            one, many = feature.found.sizes.index(1), feature.found.sizes.index(16)
            gaps.append(
                np.mean(
                    [
                        balanced(p[many], other) - balanced(p[one], other)
                        for p in feature.found.sized
                    ]
                )
            )
        null.append(float(np.mean(gaps)))
    n = sum(len(f.y) for f in compounds)
    return Evidence(
        "balanced accuracy: k = 16 − k = 1",
        float(np.mean(values)),
        (float(low), float(high)),
        Null.of("labels permuted", null),
        n=n,
        unit="balanced accuracy",
    )


def _hold(
    config: Config,
    run: Run,
    model: Model,
    examples: Examples,
    store: Store,
    features: list[Feature],
) -> None:
    """The neuron of each text feature held at its mean: how much more its own context costs, held-out texts only."""
    if model.atlas.head is None:
        return
    texts, rng, rows = np.array(examples.texts(), dtype=object), run.rng("held"), []
    plain = token_losses(model, list(texts))
    for feature in (f for f in features if f.kind == TEXT):
        more = {"its neuron": np.zeros(len(texts)), "random": np.zeros((config.held, len(texts)))}
        for fold in range(min(config.held_folds, int(feature.found.fold_of_row.max()) + 1)):
            held = feature.rows[feature.found.fold_of_row == fold]
            place = int(feature.found.chosen()[fold])
            site, neuron = feature.found.sites[place], int(feature.found.neurons[place, fold])
            anyone = rng.integers(store.width(site), size=config.held)
            for k, unit in enumerate([neuron, *anyone]):
                edits = held_at_mean(store, pd.DataFrame({"site": [site], "neuron": [int(unit)]}))
                lost = token_losses(model, list(texts[held]), edits=edits).nats - plain.nats[held]
                (more["its neuron"] if k == 0 else more["random"][k - 1])[held] = (
                    lost / plain.tokens[held]
                )
        rows += _costs(run, feature, more, feature.found.fold_of_row < config.held_folds)
    run.table(
        "held",
        table(rows),
        "Loss per token that is added by holding a neuron at its mean over all texts, in nats: "
        "the feature's own neuron, on held-out texts that have the feature and on those that do not.",
    )


def _costs(
    run: Run, feature: Feature, more: dict[str, np.ndarray], read: np.ndarray
) -> list[Evidence]:
    out = []
    for context, inside in (
        ("with the feature", read & (feature.y == 1)),
        ("without", read & (feature.y == 0)),
    ):
        rows, codes = feature.rows[inside], group_codes(feature.groups[inside])
        counts = intervals.group_counts(
            int(codes.max()) + 1, 500, rng=run.rng("held", feature.name, context)
        )
        sums = intervals.sum_by_group(
            np.stack([more["its neuron"][rows], np.ones(len(rows))], axis=1), codes
        )
        low, high = intervals.percentile((counts @ sums[:, 0]) / (counts @ sums[:, 1]))
        null = Null.of("random neurons of the same layer", more["random"][:, rows].mean(axis=1))
        value, ends = float(more["its neuron"][rows].mean()), (float(low), float(high))
        out.append(
            Evidence(
                "loss added",
                value,
                ends,
                null,
                n=len(rows),
                unit="nats/token",
                where={"feature": feature.name, "texts": context},
            )
        )
    return out


def _answer(run: Run, model: Model, features: list[Feature]) -> str:
    rows = {
        f.name: f.evidence
        for f in features
        if f.evidence is not None and not f.name.startswith("compound")
    }
    strong = [name for name, e in rows.items() if e.value >= 0.8]
    weak = [f"{name} ({e.value:.2f})" for name, e in rows.items() if e.value < 0.8]
    least = min((rows[name].value for name in strong), default=0.0)
    claims, gain = run.claims, ""
    if "compounds" in claims:
        value = claims["compounds"].value
        gain = f" For compound words in the first quarter of the layers sixteen neurons gain {value:.2f} over one."
    return (
        f"One neuron of {model.name}, chosen with its layer on other lexemes or texts, tells "
        + (
            f"{', '.join(strong)} with a balanced accuracy of {least:.2f} or more"
            if strong
            else "none of the features"
        )
        + (f"; below 0.80 stay {', '.join(weak)}" if weak else "")
        + "."
        + gain
    )


_MIXED = (
    "'needles-world' is a toy network with languages of its own, and goes with no other model or data: give both --model "
    "and --data, not %r with %r, or take the preset small."
)
