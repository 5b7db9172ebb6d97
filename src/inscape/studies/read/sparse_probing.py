"""Are features represented by single MLP neurons? Sparse probes of one neuron, or many, for each of some twenty features.

Features of texts (the language, Python source) are read from the mean over a text's tokens, features of words (part of
speech, digits, sentiment, capitals, compounds) at the word's last token. In every fold the best neuron, and the layer it
is in, are chosen on training lexemes or documents alone. The curve over k shows over how many neurons a feature is spread,
beside random neurons, shuffled labels, an untrained copy and a dense probe; for compound words the same probes read randomly
rotated bases of the layer. Neurons for a language are mean-ablated while the model reads that language and others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from inscape.charts.curves import curves
from inscape.core.averages import average_evidence
from inscape.core.counts import count
from inscape.core.evidence import Evidence, table
from inscape.core.folds import group_codes
from inscape.core.jackknife import Jackknife, combine
from inscape.core.measured import Measured
from inscape.core.rng import child_seed, generator
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.mean_ablation import held_at_mean
from inscape.outcomes.token_losses import token_losses
from inscape.probing.class_scores import ClassScores
from inscape.probing.frames import layer_of
from inscape.probing.sparse_sweep import SparseSweep, balanced, sparse_sweep
from inscape.probing.sweep import sweep
from inscape.store.harvest import harvest
from inscape.store.store import Store
from inscape.study.card import Card, Claim
from inscape.study.opening import Needs, opened
from inscape.study.run import Run, bars_of
from inscape.study.settings import Settings, setting

CARD = Card(
    slug="sparse-probing",
    title="Finding Neurons in a Haystack: Case Studies with Sparse Probing",
    authors="Gurnee, Nanda, Pauly, Harvey, Troitskii and Bertsimas",
    year=2023,
    arxiv="2305.01610",
    room="read",
    claim="Early layers of language models spread many features over sparse combinations of neurons, in superposition; "
    "middle layers have single neurons that represent a feature of the context almost alone, such as the language.",
    reproduced="k-sparse probes on the 30 × 1,536 MLP neurons of SmolLM2-135M-Instruct for the language of a text, Python "
    "source, part of speech, digits, sentiment words, capital cities and eight compound words; k from 1 to 256, neurons "
    "ranked by class-mean difference over their deviation; the neuron of each text feature mean-ablated while its "
    "context is read. One model, so nothing is said about scale; texts were written for this study, few for each feature.",
    controls=(
        "random single neurons of every layer, with the same fit",
        "labels shuffled by blocks of groups, neuron and layer chosen anew for each shuffle",
        "an untrained copy of the model",
        "a dense logistic probe on all neurons of the layer",
        "sixteen axes of a random rotation of the layer's neurons, for compound words",
        "random neurons of the same layer mean-ablated, and other contexts read",
    ),
    claims=dict(
        neurons=Claim(
            text="Text features have single neurons that detect them, where random neurons and "
            "shuffled labels do not",
            at_least=3,
            null="shuffled labels",
            why="A feature counts from a balanced accuracy of 0.8, with the median random neuron at most 0.6 and shuffled "
            "labels at most 0.55. The ends of the interval count features whose own interval lies above 0.8, or reaches it.",
        ),
        compounds=Claim(
            text="In the first quarter of the layers sixteen neurons read compound words better "
            "than one",
            at_least=0.05,
            over="one neuron",
            why="Balanced accuracy, mean over compounds and layers.",
        ),
        basis=Claim(
            text="There sixteen neurons read compound words better than sixteen axes of a random rotation",
            at_least=0,
            null="random rotations of the basis",
            why="Without this the curve over k says nothing about neurons: it may hold in any basis.",
        ),
    ),
    answer="Single neurons detect {neurons:.0f} text features. For compound words in the first "
    "quarter of the layers sixteen neurons gain {compounds:.2f} over one, and {basis:.2f} over "
    "sixteen axes of a random rotation.",
    # the toy compounds have no neurons and are few: what sixteen gain, in which basis, is chance
    tiny=dict(neurons="supported", compounds="any", basis="any"),
    differs="The authors rank by the difference of class means without dividing by the deviation, and also fit the "
    "cardinality constraint exactly; they use Pythia models and larger sets of texts, and no rotated basis.",
    group_note="A group is a lexeme, a sentence in all its languages, or, for compounds, a beginning of the text with the "
    "words that replace the compound's parts in it.",
    negative="In the first quarter of SmolLM2-135M (seed 0, small) sixteen neurons gain 0.03 [0.03, 0.04] over one for "
    "compound words, below the criterion of 0.05, and 0.001 [−0.003, 0.006] over sixteen axes of a random rotation: the "
    "curve over k shows no code that is particular to neurons.",
    minutes={"tiny": 0.2, "small": 5, "full": 60},
    figure="sizes",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("haystack", "a set or table: columns feature, value, group; span word")
    input: str = ""
    group: str = ""
    sizes: tuple[int, ...] = setting(
        (1, 2, 4, 8, 16, 32, 64, 128, 256), "numbers of neurons; 1 and 16 among them"
    )
    ranking: str = setting("mean difference", "of neurons, as read.rank has it")
    stride: int = setting(1, "stride over layers for features other than compounds")
    folds: int = 4
    shuffles: int = setting(19, "label shuffles of each text feature", least=2)
    word_shuffles: int = setting(5, "label shuffles of each word feature", least=2)
    random: int = setting(100, "random neurons of each layer for text features", least=2)
    rotations: int = setting(5, "random rotations of the basis for compounds", least=5)
    untrained: int = setting(4, "stride over the untrained copy's first half of layers")
    held: int = setting(2, "random neurons mean-ablated for comparison", least=2)
    held_folds: int = setting(2, "folds whose held-out texts are read with neurons ablated")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not {1, 16} <= set(self.sizes):
            raise ValueError(f"sizes must hold 1 and 16, got {self.sizes}")


PRESETS = {
    "tiny": Config(
        model="world:needles",
        data="world:needles",
        sizes=(1, 16),
        folds=3,
        word_shuffles=3,
        random=20,
        untrained=1,
        held=2,
    ),
    "small": Config(stride=2),
    "full": Config(model="EleutherAI/pythia-1.4b", shuffles=20, random=100),
}

TEXT, RANDOM = "text", "random neurons of the same layer"


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

    @property
    def compound(self) -> bool:
        return self.name.startswith("compound")

    @property
    def scores(self) -> ClassScores:
        return ClassScores(self.y, self.groups, "balanced accuracy")


def run(config: Config, run: Run) -> None:
    """Harvest, probe each feature, judge, and ablate neurons."""
    needs = Needs(columns=("feature", "value"), grouped=True)
    model, examples, _ = opened(config, run, needs)
    run.asked(
        f"Which features are represented by single MLP neurons of {model.name}, and which are spread over many?"
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
            _ablate(config, run, model, part, store, features)
        words = [f for f in features if f.compound]
        if scope != TEXT and words:
            _compounds(config, run, store, words)
    _table(run, features)
    _figures(run, features)
    _neurons(run, [f for f in features if f.kind == TEXT])
    run.text("features", _sentence(model, features))


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
    compound, text = name.startswith("compound"), kind == TEXT
    found = sparse_sweep(
        _layers(store, rows, config.stride, compound),
        y,
        groups,
        sizes=config.sizes,
        ranking=config.ranking,
        shuffles=config.shuffles if text else config.word_shuffles,
        random=config.random if text else min(config.random, 20),
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
    return replace(made, evidence=_evidence(made))


def _evidence(feature: Feature) -> Evidence:
    """Balanced accuracy of the best neuron, chosen with its layer in each fold; null: the same on shuffled labels."""
    found, scores = feature.found, feature.scores
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
    panels = {True: "compound words (first quarter of the layers)", False: "other features"}
    series = [
        {
            "series": f.name,
            "panel": panels[f.compound],
            "x": k,
            "value": float(np.mean([balanced(p[i], f.y) for p in _shown(f)])),
        }
        for f in features
        for i, k in enumerate(f.found.sizes)
    ]
    run.figure(
        "sizes",
        curves(
            pd.DataFrame(series),
            x="neurons (k)",
            y="balanced accuracy",
            zero=False,
            points=True,
        ),
        "Balanced accuracy by number of neurons, held out: at the layer most folds choose for k = 1, and for "
        "compounds the mean over the first quarter of the layers. One half is chance.",
    )
    name = "balanced accuracy of the best single neuron"
    found = [replace(f.evidence, name=name, unit="") for f in features if f.evidence is not None]
    run.figure(
        "single",
        bars_of(found, "feature"),
        "The best single neuron of every feature; red tick: the same on shuffled labels.",
    )


def _shown(feature: Feature) -> np.ndarray:
    """Predictions by size of the layers that the curve is about, (layers, k, n)."""
    if feature.compound:
        return feature.found.sized
    return feature.found.sized[[feature.found.sites.index(feature.found.best()[0])]]


def _neurons(run: Run, texts: list[Feature]) -> None:
    """Text features with a neuron of their own, counted."""
    rows = [f.evidence for f in texts if f.evidence is not None]
    chance = [e.null.mean for e in rows if e.null is not None]
    random = [float(np.median(f.found.random)) for f in texts]
    null = [
        [
            f.scores.against_labels(f.found.selected(t), f.found.labels[t])
            for t in range(1, len(f.found.labels))
        ]
        for f in texts
    ]
    found = count(
        "text features with a neuron of their own",
        rows,
        0.8,
        unit="features",
        counted=[r <= 0.6 and c <= 0.55 for r, c in zip(random, chance, strict=True)],
        null=np.array(null).T,
        kind="shuffled labels",
    )
    said = [
        f"{f.name} {e.value:.2f} (random {r:.2f}, shuffled {c:.2f})"
        for f, e, r, c in zip(texts, rows, random, chance, strict=True)
    ]
    run.claim("neurons", found, why="; ".join(said) + ".")


def _score(feature: Feature, sweep: SparseSweep, size: int) -> Jackknife:
    """Balanced accuracy of `size` neurons, the mean over the layers of a sweep."""
    scores, at = feature.scores, sweep.sizes.index(size)
    layers = [scores.jackknife(p[at].astype(np.int64)) for p in sweep.sized]
    return combine(lambda *s: np.mean(s, axis=0), *layers, kind="share")


def _compounds(config: Config, run: Run, store: Store, words: list[Feature]) -> None:
    """Sixteen neurons against one, and against sixteen axes of a random rotation of the standardised neurons."""
    many = [_score(f, f.found, 16) for f in words]
    one = [_score(f, f.found, 1) for f in words]
    gain = [a - b for a, b in zip(many, one, strict=True)]
    made = average_evidence("balanced accuracy: k = 16 − k = 1", gain, unit="balanced accuracy")
    run.claim("compounds", made)
    turned, sizes = [], []
    with run.progress("rotated bases", total=config.rotations, unit="rotations") as bar:
        for draw in range(config.rotations):
            turns: dict[str, np.ndarray] = {}
            axes = [_turned(config, run, store, f, (draw, turns)) for f in words]
            turned.append([_score(f, x, 16) for f, x in zip(words, axes, strict=True)])
            once = [_score(f, x, 1).value for f, x in zip(words, axes, strict=True)]
            sixteen = float(np.mean([s.value for s in turned[-1]]))
            sizes.append({"rotation": draw, "k = 1": float(np.mean(once)), "k = 16": sixteen})
            bar.advance()
    own = {"k = 1": float(np.mean([s.value for s in one]))}
    own["k = 16"] = float(np.mean([s.value for s in many]))
    run.table(
        "rotations",
        pd.DataFrame(
            [
                {"basis": "neurons", **own},
                *({"basis": f"rotation {r.pop('rotation') + 1}", **r} for r in sizes),
            ]
        ),
        "Balanced accuracy for compound words, mean over compounds and the first quarter of the layers.",
    )
    basis = average_evidence(
        "balanced accuracy: sixteen neurons − sixteen rotated axes",
        many,
        null=turned,
        kind="random rotations of the basis",
        expensive=True,
        unit="balanced accuracy",
    )
    run.claim("basis", basis.above_chance())


def _turned(
    config: Config, run: Run, store: Store, feature: Feature, of: tuple[int, dict[str, np.ndarray]]
) -> SparseSweep:
    """The sweep of a feature's rows in a randomly rotated basis; rotations of a draw are kept for the other features."""
    draw, turns = of

    def layers() -> Iterator[tuple[str, np.ndarray]]:
        for site, x in _layers(store, feature.rows, config.stride, quarter=True):
            if site not in turns:
                rng = generator(run.seed, "rotation", site, str(draw))
                gaussian = rng.standard_normal((x.shape[1], x.shape[1]), dtype=np.float32)
                turns[site] = np.linalg.qr(gaussian)[0]
            spread = x.std(axis=0)
            z = np.divide(x - x.mean(axis=0), spread, out=np.zeros_like(x), where=spread > 1e-9)
            yield site, z @ turns[site]

    return sparse_sweep(
        layers(),
        feature.y,
        feature.groups,
        sizes=(1, 16),
        ranking=config.ranking,
        shuffles=0,
        random=1,
        folds=config.folds,
        seed=run.seed,
    )


def _ablate(
    config: Config,
    run: Run,
    model: Model,
    examples: Examples,
    store: Store,
    features: list[Feature],
) -> None:
    """The neuron of each text feature mean-ablated: the loss that this adds on held-out texts."""
    if model.atlas.head is None:
        return
    texts, rng, rows = np.array(examples.texts(), dtype=object), run.rng("held"), []
    plain = token_losses(model, list(texts))
    for feature in (f for f in features if f.kind == TEXT):
        more = np.zeros((1 + config.held, len(texts)))
        for fold in range(min(config.held_folds, int(feature.found.fold_of_row.max()) + 1)):
            held = feature.rows[feature.found.fold_of_row == fold]
            place = int(feature.found.chosen()[fold])
            site, neuron = feature.found.sites[place], int(feature.found.neurons[place, fold])
            anyone = rng.integers(store.width(site), size=config.held)
            for k, unit in enumerate([neuron, *anyone]):
                edits = held_at_mean(store, pd.DataFrame({"site": [site], "neuron": [int(unit)]}))
                lost = token_losses(model, list(texts[held]), edits=edits).nats - plain.nats[held]
                more[k][held] = lost / plain.tokens[held]
        rows += _costs(feature, more, feature.found.fold_of_row < config.held_folds)
    run.table(
        "held",
        table(rows),
        "Loss per token that is added by mean-ablating a neuron, in nats: the feature's own neuron, on held-out texts that "
        "have the feature and on those that do not; null: random neurons of the same layer.",
    )


def _costs(feature: Feature, more: np.ndarray, read: np.ndarray) -> list[Evidence]:
    out = []
    for context, inside in (
        ("with the feature", read & (feature.y == 1)),
        ("without", read & (feature.y == 0)),
    ):
        rows = feature.rows[inside]
        m = Measured("loss added", groups=feature.groups[inside], unit="nats/token")
        m.put("its neuron", more[0][rows])
        m.put(RANDOM, more[1:, rows], role="null")
        where = {"feature": feature.name, "texts": context}
        out.append(m.value("its neuron", null=RANDOM, where=where))
    return out


def _sentence(model: Model, features: list[Feature]) -> str:
    rows = {f.name: f.evidence for f in features if f.evidence is not None and not f.compound}
    strong = [name for name, e in rows.items() if e.value >= 0.8]
    weak = [f"{name} ({e.value:.2f})" for name, e in rows.items() if e.value < 0.8]
    least = min((rows[name].value for name in strong), default=0.0)
    told = f"{', '.join(strong)} with a balanced accuracy of {least:.2f} or more"
    return (
        f"One neuron of {model.name}, chosen with its layer on other lexemes or texts, tells "
        f"{told if strong else 'none of the features'}"
        f"{'; below 0.80 are ' + ', '.join(weak) if weak else ''}."
    )
