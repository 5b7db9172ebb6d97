"""Are features represented by single MLP neurons? Sparse probes of one neuron, or many, for each of
some twenty features.

Features of texts (the language, Python source) are read from the mean over a text's tokens,
features of words (part of speech, digits, sentiment, capitals, compounds) at the word's last token.
In every fold the best neuron, and the layer it is in, are chosen on training lexemes or documents
alone. The curve over k shows over how many neurons a feature is spread, beside random neurons,
shuffled labels, an untrained copy and a dense probe; for compound words the same probes read
randomly rotated bases of the layer. Neurons for a language are mean-ablated while the model reads
that language and others.
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
from inscape.core.evidence import table
from inscape.core.folds import group_codes
from inscape.core.measured import Measured
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.held_out_ablation import Pick, loss_added
from inscape.outcomes.token_losses import token_losses
from inscape.probing.neuron_features import NeuronFeature, Question, RotatedBasis, questions
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
    claim=(
        "Early layers of language models spread many features over sparse combinations of "
        "neurons, in superposition; middle layers have single neurons that represent a feature "
        "of the context almost alone, such as the language."
    ),
    reproduced=(
        "k-sparse probes on the 30 × 1,536 MLP neurons of SmolLM2-135M-Instruct for the language "
        "of a text, Python source, part of speech, digits, sentiment words, capital cities and "
        "eight compound words; k from 1 to 256, neurons ranked by class-mean difference over "
        "their deviation; the neuron of each text feature mean-ablated while its context is "
        "read. One model, so nothing is said about scale; texts were written for this study, few "
        "for each feature."
    ),
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
            why=(
                "A feature counts from a balanced accuracy of 0.8, with the median random neuron "
                "at most 0.6 and shuffled labels at most 0.55. The ends of the interval count "
                "features whose own interval lies above 0.8, or reaches it."
            ),
        ),
        compounds=Claim(
            text="In the first quarter of the layers sixteen neurons read compound words better "
            "than one",
            at_least=0.05,
            over="one neuron",
            why="Balanced accuracy, mean over compounds and layers.",
        ),
        basis=Claim(
            text=(
                "There sixteen neurons read compound words better than sixteen axes of a random "
                "rotation"
            ),
            at_least=0,
            null="random rotations of the basis",
            why=(
                "Without this the curve over k says nothing about neurons: it may hold in any "
                "basis."
            ),
        ),
    ),
    answer="Single neurons detect {neurons:.0f} text features. For compound words in the first "
    "quarter of the layers sixteen neurons gain {compounds:.2f} over one, and {basis:.2f} over "
    "sixteen axes of a random rotation.",
    # the toy compounds have no neurons and are few: what sixteen gain, in which basis, is chance
    tiny=dict(neurons="supported", compounds="any", basis="any"),
    differs=(
        "The authors rank by the difference of class means without dividing by the deviation, "
        "and also fit the cardinality constraint exactly; they use Pythia models and larger sets "
        "of texts, and no rotated basis."
    ),
    group_note=(
        "A group is a lexeme, a sentence in all its languages, or, for compounds, a beginning of "
        "the text with the words that replace the compound's parts in it."
    ),
    negative=(
        "In the first quarter of SmolLM2-135M (seed 0, small) sixteen neurons gain 0.03 [0.03, "
        "0.04] over one for compound words, below the criterion of 0.05, and 0.001 [−0.003, "
        "0.006] over sixteen axes of a random rotation: the curve over k shows no code that is "
        "particular to neurons."
    ),
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
ROTATED = "random rotations of the basis"
#: how probes of text and of word features are read
SCOPES = ((TEXT, "mean"), ("word", "span:word"))
Features = list[NeuronFeature]


def run(config: Config, run: Run) -> None:
    """Harvest, probe each feature, judge, and ablate neurons."""
    needs = Needs(columns=("feature", "value"), grouped=True)
    model, examples, _ = opened(config, run, needs)
    run.asked(
        f"Which features are represented by single MLP neurons of {model.name}, and which are "
        "spread over many?"
    )
    fresh, every = model.untrained(child_seed(run.seed, "untrained")), []
    half = max(1, len(model.atlas.blocks) // 2)
    for scope, at in SCOPES:
        rows = np.flatnonzero(_scope(examples) == scope)
        if not len(rows):
            continue
        part = examples.take(rows)
        store = harvest(model, part, "mlp_act.*", at=at)
        blank = harvest(fresh, part, f"mlp_act.:{half}:{config.untrained}", at=at)
        asked, found = questions(part.frame), []
        with run.progress(f"features of {scope}s", total=len(asked), unit="features") as bar:
            for question in asked:
                found.append(_probe(config, run, part, (store, blank), question))
                bar.advance()
        if scope == TEXT and model.atlas.head is not None:
            _ablate(config, run, model, part, store, found)
        if words := [f for f in found if _compound(f)]:
            _compounds(config, run, store, words)
        every += found
    _show(run, every)
    _neurons(run, [f for f in every if f.question.kind == TEXT])
    run.text("features", _sentence(model, every))


def _scope(examples: Examples) -> np.ndarray:
    """Whether a row is about its text or about a word in it; about the text where nothing is
    said."""
    if "scope" in examples.frame:
        return examples.frame["scope"].to_numpy().astype(str)
    return np.full(len(examples), "word" if "word" in examples.spans else TEXT)


def _compound(feature: NeuronFeature) -> bool:
    return feature.name.startswith("compound")


def _name(question: Question) -> str:
    if question.value == "one" and not question.several:
        return f"compound “{question.kind}”"
    plain = question.kind in (TEXT, "part of speech")
    return question.value if plain else f"{question.kind}: {question.value}"


def _layers(
    store: Store, rows: np.ndarray, stride: int, quarter: bool
) -> Iterator[tuple[str, np.ndarray]]:
    layers = list(store.sites)
    few = layers[: max(1, len(layers) // 4)] if quarter else layers[::stride]
    yield from ((str(site), store.take(site, rows)) for site in few)


def _probe(
    config: Config, run: Run, examples: Examples, stores: tuple[Store, Store], question: Question
) -> NeuronFeature:
    """One question asked of a trained and of an untrained model's neurons."""
    (store, blank), name, rows, y = stores, _name(question), question.rows, question.y
    own = examples.groups()[rows] if examples.group is not None else np.arange(len(rows))
    groups, compound, text = group_codes(own), name.startswith("compound"), question.kind == TEXT
    option: dict[str, Any] = {"folds": config.folds, "seed": run.seed}
    found = sparse_sweep(
        _layers(store, rows, config.stride, compound),
        y,
        groups,
        sizes=config.sizes,
        ranking=config.ranking,
        shuffles=config.shuffles if text else config.word_shuffles,
        random=config.random if text else min(config.random, 20),
        **option,
    )
    layers = _layers(blank, rows, 1, compound)
    empty = sparse_sweep(layers, y, groups, sizes=(1,), shuffles=0, random=1, **option)
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
    right = float(balanced(dense.predictions[0, :, 0] > 0, y))
    return NeuronFeature(name, question, found, right, float(balanced(empty.selected() == 1, y)))


def _show(run: Run, features: Features) -> None:
    """The best neuron of every feature, and accuracy by k."""
    found = [f.evidence for f in features]
    run.table(
        "neurons",
        table(found),
        "The best single neuron, chosen with its layer in the training folds; layer and "
        "neuron shown are those most folds take. Compounds: among the first quarter of the layers.",
    )
    every = pd.concat([f.by_layer() for f in features], ignore_index=True)
    run.table("layers", every, "Every layer and size, held out.")
    # compounds are shown by the mean over their layers, others by the layer that most folds choose
    best = {f.name: f.found.sites if _compound(f) else [f.found.best()[0]] for f in features}
    kept = [site in best[name] for name, site in zip(every["feature"], every["site"], strict=True)]
    mean = every[kept].groupby(["feature", "k"], sort=False)["balanced accuracy"].mean()
    shown = mean.reset_index().set_axis(["series", "x", "value"], axis=1)
    panels = {
        f.name: "compound words (first quarter of the layers)" if _compound(f) else "other features"
        for f in features
    }
    run.figure(
        "sizes",
        curves(
            shown.assign(panel=shown["series"].map(panels)),
            x="neurons (k)",
            y="balanced accuracy",
            zero=False,
            points=True,
        ),
        "Balanced accuracy by number of neurons, held out: at the layer most folds choose for "
        "k = 1, and for compounds the mean over the first quarter of the layers. One half is "
        "chance.",
    )
    name = "balanced accuracy of the best single neuron"
    run.figure(
        "single",
        bars_of([replace(e, name=name, unit="") for e in found], "feature"),
        "The best single neuron of every feature; red tick: the same on shuffled labels.",
    )


def _neurons(run: Run, texts: Features) -> None:
    """Text features with a neuron of their own, counted."""
    rows = [f.evidence for f in texts]
    chance = [float(np.mean(f.null)) for f in texts]
    found = count(
        "text features with a neuron of their own",
        rows,
        0.8,
        unit="features",
        counted=[f.random <= 0.6 and c <= 0.55 for f, c in zip(texts, chance, strict=True)],
        null=np.array([f.null for f in texts]).T,
        kind="shuffled labels",
    )
    said = [
        f"{f.name} {e.value:.2f} (random {f.random:.2f}, shuffled {c:.2f})"
        for f, e, c in zip(texts, rows, chance, strict=True)
    ]
    run.claim("neurons", found, why="; ".join(said) + ".")


def _compounds(config: Config, run: Run, store: Store, words: Features) -> None:
    """Sixteen neurons against one, and against sixteen axes of a random rotation of the neurons."""
    sizes = (16, 1)
    many, one = ([f.of_size(k) for f in words] for k in sizes)
    gain = [a - b for a, b in zip(many, one, strict=True)]
    made = average_evidence("balanced accuracy: k = 16 − k = 1", gain, unit="balanced accuracy")
    run.claim("compounds", made)
    drawn = {"neurons": (many, one)}
    with run.progress("rotated bases", total=config.rotations, unit="rotations") as bar:
        for draw in range(config.rotations):
            turn = RotatedBasis(run.seed, draw)
            axes = [_turned(config, run, store, f, turn) for f in words]
            many_, one_ = (
                [f.of_size(k, x) for f, x in zip(words, axes, strict=True)] for k in sizes
            )
            drawn[f"rotation {draw + 1}"] = many_, one_
            bar.advance()
    mean = lambda x: float(np.mean([s.value for s in x]))  # noqa: E731
    rows = [{"basis": b, "k = 1": mean(y), "k = 16": mean(x)} for b, (x, y) in drawn.items()]
    caption = (
        "Balanced accuracy for compound words, mean over compounds and the first quarter of the "
        "layers."
    )
    run.table("rotations", pd.DataFrame(rows), caption)
    basis = average_evidence(
        "balanced accuracy: sixteen neurons − sixteen rotated axes",
        many,
        null=[x for x, _ in list(drawn.values())[1:]],
        kind=ROTATED,
        expensive=True,
        unit="balanced accuracy",
    )
    run.claim("basis", basis.above_chance())


def _turned(
    config: Config, run: Run, store: Store, feature: NeuronFeature, turn: RotatedBasis
) -> SparseSweep:
    """The sweep of a feature's rows in a randomly rotated basis."""
    return sparse_sweep(
        turn(_layers(store, feature.question.rows, config.stride, quarter=True)),
        feature.found.y,
        feature.found.groups,
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
    features: Features,
) -> None:
    """The neuron of each text feature mean-ablated: the loss that this adds on held-out texts."""
    texts, rng, rows = examples.texts(), run.rng("held"), []
    before = token_losses(model, texts)
    for feature in (f for f in features if f.question.kind == TEXT):
        found, own = feature.found, feature.question.rows
        picks = feature.picks()[: config.held_folds]
        option = {"random": config.held, "rng": rng, "before": before}
        more = loss_added(model, store, texts, [Pick(*p) for p in picks], **option)
        read = found.fold_of_row < config.held_folds
        for context, with_it in (("with the feature", 1), ("without", 0)):
            inside = read & (found.y == with_it)
            m = Measured("loss added", groups=found.groups[inside], unit="nats/token")
            m.put("its neuron", more[0][own[inside]])
            m.put(RANDOM, more[1:, own[inside]], role="null")
            where = {"feature": feature.name, "texts": context}
            rows.append(m.value("its neuron", null=RANDOM, where=where))
    run.table(
        "held",
        table(rows),
        "Loss per token that is added by mean-ablating a neuron, in nats: the feature's own "
        "neuron, on held-out texts that have the feature and on those that do not; null: random "
        "neurons of the same layer.",
    )


def _sentence(model: Model, features: Features) -> str:
    """Which features a single neuron tells, and which are below 0.80."""
    values = {f.name: f.evidence.value for f in features if not _compound(f)}
    strong = {name: v for name, v in values.items() if v >= 0.8}
    weak = ", ".join(f"{name} ({v:.2f})" for name, v in values.items() if v < 0.8)
    told = "none of the features"
    if strong:
        least = min(strong.values())
        told = f"{', '.join(strong)} with a balanced accuracy of {least:.2f} or more"
    return (
        f"One neuron of {model.name}, chosen with its layer on other lexemes or texts, tells "
        f"{told}{f'; below 0.80 are {weak}' if weak else ''}."
    )
