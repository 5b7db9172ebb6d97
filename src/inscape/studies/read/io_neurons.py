"""What do gated neurons do to what they read: add to it, take from it, or write something else?

Three vectors of every neuron are read off the weights, the norm's gain folded in, and their cosines sort neurons into six
classes. Beside the real pairing of read and write vectors stands the same count with write vectors permuted within each
layer, and an untrained copy. A planted network, whose classes are known, checks the sorting itself. Then neurons that add
most, and those that take most, are held at their mean, beside as many random ones of the same layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from inscape.charts.bars import values_by_group
from inscape.charts.curves import curves
from inscape.charts.layers import score_by_layer
from inscape.core.edit import Edit
from inscape.core.evidence import Evidence, Null, table
from inscape.core.intervals import percentile
from inscape.core.rng import child_seed
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.read.gated_neurons import CLASSES, Cosines, classify, io_cosines
from inscape.read.gated_weights import gated_weights
from inscape.study.ablations import held_at, layer_matched, neuron_means, next_token_entropy
from inscape.study.card import Card
from inscape.study.relation_prompts import ask, last_site
from inscape.study.run import Run
from inscape.worlds.gated import planted_neurons

CARD = Card(
    slug="io-neurons",
    title="Understanding Gated Neurons in Transformers from Their Input-Output Functionality",
    authors="Gerstner and Schütze",
    year=2025,
    arxiv="2505.17936",
    room="read",
    claim="Cosines between what a gated neuron reads and what it writes sort neurons into a few kinds: in the first layers "
    "many strengthen the direction that they read, in the last ones more weaken it.",
    reproduced="Weights of SmolLM2-135M-Instruct, norms folded in: the six classes by layer, against permuted pairs and an "
    "untrained copy; a planted network for the sorting itself; the most strengthening and most weakening neurons held at "
    "their mean, with the entropy of the next token of human sentences and the log-probability of capitals. Further models "
    "(Gemma among them, whose weights are not in the zoo) are taken with --set also=NAME; none is by default.",
    controls=(
        "write vectors permuted within each layer",
        "an untrained copy of the model",
        "layers shuffled",
        "as many random neurons of the same layers held at their mean",
    ),
    bar="All planted classes are recovered; |cos(w_in, w_out)| is above 0.5 for at least 10 times as many neurons as with "
    "permuted pairs; the median cosine of the layers of the first half is above that of the last quarter. What holding "
    "neurons at their mean does is shown beside the band of random ones, without a bar.",
    group_note="Weights have no rows to split; layers are drawn again for intervals. Means are taken over other sentences "
    "than entropies, and neurons are chosen by weights alone.",
    minutes={"tiny": 0.1, "small": 2, "full": 30},
    figure="classes",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m", metadata={"help": "what to open; 'planted' is made on the spot"}
    )
    also: tuple[str, ...] = field(
        default=(), metadata={"help": "further models whose weights are read"}
    )
    data: str = field(
        default="reviews", metadata={"help": "texts whose next token is looked at, or 'none'"}
    )
    facts: str = field(
        default="relations", metadata={"help": "relations, of which one is asked about, or 'none'"}
    )
    relation: str = field(default="country capital", metadata={"help": "the one asked about"})
    threshold: float = field(default=0.5, metadata={"help": "from which a cosine counts as large"})
    permutations: int = field(default=20, metadata={"help": "permuted pairings"})
    texts: int = field(
        default=96, metadata={"help": "texts measured; as many others give the means"}
    )
    top: int = field(default=200, metadata={"help": "neurons held at their mean"})
    draws: int = field(default=10, metadata={"help": "random sets of neurons of the same layers"})


PRESETS = {
    "tiny": Config(model="planted", data="none", facts="none", permutations=10),
    "small": Config(),
    "full": Config(texts=1000, top=500, draws=50, permutations=100),
}

PERMUTED, UNTRAINED = "permuted pairs", "untrained model"
Layers = list[Cosines]


def run(config: Config, run: Run) -> None:
    """Sort, compare with chance, follow the layers, hold neurons still."""
    names = (config.model, *config.also)
    models = [
        planted_neurons(seed=run.seed, by_depth=True).model if n == "planted" else open(n)
        for n in names
    ]
    run.asked(
        f"Do the gated neurons of {' and '.join(m.name for m in models)} add to what they read, or take from it?"
    )
    _planted(config, run)
    found = {}
    for model in models:
        if model.certificate is not None:
            run.certificate(model.certificate)
        found[model.name] = [io_cosines(w) for _, w in gated_weights(model)]
    aligned = [_aligned(config, run, model, found[model.name]) for model in models]
    depth = [_depth(run, model.name, found[model.name]) for model in models]
    few = min(aligned, key=lambda e: e.value)
    run.claim(
        "aligned",
        "Neurons write along or against what they read far more often than permuted pairs do",
        few,
        10,
        why="Counted at one permuted neuron in all draws together where there is none.",
    )
    run.claim(
        "depth",
        "The median cosine of the first half of the layers is above that of the last quarter",
        min(depth, key=lambda e: e.value),
        0.0,
    )
    _figures(config, run, models[0].name, found[models[0].name])
    if "none" not in (config.data, config.facts):
        _ablate(config, run, models[0], found[models[0].name])
    run.answer(_answer(config, run, models[0].name, found[models[0].name]))


def _planted(config: Config, run: Run) -> None:
    """Neurons whose class is known, sorted from the weights alone."""
    world = planted_neurons(seed=run.seed)
    right, wrong = [], []
    for layer, w in gated_weights(world.model):
        right.append(classify(io_cosines(w), config.threshold)[0] == world.codes[layer])
        other = w.permuted(rng=run.rng("planted", str(layer)))
        wrong.append(
            (classify(io_cosines(other), config.threshold)[0] == world.codes[layer]).mean()
        )
    share, n = float(np.mean(right)), int(np.size(right))
    # the rule of three bounds what none of n trials showed
    low = (
        1 - 3 / n if share == 1 else percentile(run.rng("planted").binomial(n, share, 1000) / n)[0]
    )
    evidence = Evidence(
        "planted classes recovered",
        share,
        (float(low), 1.0),
        Null.of(PERMUTED, wrong),
        n=n,
        unit="share",
    )
    run.claim("planted", "Classes that were planted are recovered from the weights", evidence, 1.0)


def _aligned(config: Config, run: Run, model: Model, found: Layers) -> Evidence:
    """How much more often |cos(w_in, w_out)| is large than with write vectors permuted; the untrained copy is the null."""
    rng = run.rng("permuted", model.name)
    own, permuted = _counts(model, config, rng)
    fresh = _counts(
        model.untrained(child_seed(run.seed, "untrained")), config, run.rng("permuted", "untrained")
    )

    def ratio(own: np.ndarray, permuted: np.ndarray) -> float:
        return float(own.sum() / max(permuted.sum(), 1.0 / config.permutations))

    drawn = rng.integers(len(own), size=(1000, len(own)))
    ends = percentile(np.array([ratio(own[i], permuted[i]) for i in drawn]))
    neurons = sum(len(c.in_out) for c in found)
    frame = pd.DataFrame(
        {"layer": np.arange(len(own)), "large": own, PERMUTED: permuted, UNTRAINED: fresh[0]}
    )
    run.table(
        f"aligned-{_slug(model.name)}",
        frame,
        f"Neurons of {model.name} with |cos(w_in, w_out)| above {config.threshold}, by layer.",
    )
    return Evidence(
        f"large cosines over permuted, {model.name}",
        ratio(own, permuted),
        (float(ends[0]), float(ends[1])),
        Null.of(UNTRAINED, [ratio(*fresh)]),
        n=neurons,
        unit="times",
    )


def _counts(
    model: Model, config: Config, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Neurons with a large cosine by layer, and the mean number over permuted pairings."""
    own, permuted = [], []
    for _, w in gated_weights(model):
        own.append((np.abs(io_cosines(w).in_out) > config.threshold).sum())
        read, write = (
            x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
            for x in (w.read, w.write)
        )
        drawn = [rng.permutation(len(read)) for _ in range(config.permutations)]
        large = [
            np.abs(np.einsum("md,md->m", read, write[order])) > config.threshold for order in drawn
        ]
        permuted.append(np.mean([x.sum() for x in large]))
    return np.array(own, dtype=np.float64), np.array(permuted)


def _depth(run: Run, name: str, found: Layers) -> Evidence:
    """Mean over the first half of the layers of their median cosine, less that over the last quarter."""
    medians = np.array([np.median(c.in_out) for c in found])
    count = len(medians)
    first, last = np.arange(count) < count / 2, np.arange(count) >= count - max(1, count // 4)

    def gap(values: np.ndarray) -> float:
        return float(values[first].mean() - values[last].mean())

    rng = run.rng("depth", name)
    drawn = []
    for _ in range(1000):
        a, b = (rng.choice(np.flatnonzero(part), part.sum()) for part in (first, last))
        drawn.append(medians[a].mean() - medians[b].mean())
    shuffled = np.array([gap(medians[rng.permutation(count)]) for _ in range(999)])
    ends, p = percentile(np.array(drawn)), float((1 + (shuffled >= gap(medians)).sum()) / 1000)
    return Evidence(
        f"median cosine, first half − last quarter, {name}",
        gap(medians),
        (float(ends[0]), float(ends[1])),
        Null.of("layers shuffled", shuffled),
        p,
        n=count,
        unit="cosine",
    )


def _figures(config: Config, run: Run, name: str, found: Layers) -> None:
    """Shares of the classes and cosines by layer, of the first model."""
    rows, medians, rng = [], [], run.rng("figures")
    for layer, c in enumerate(found):
        codes, atypical = classify(c, config.threshold)
        for k, kind in enumerate(CLASSES):
            share, n = float((codes == k).mean()), len(codes)
            half = 1.96 * np.sqrt(share * (1 - share) / n)
            rows.append(
                {
                    "class": kind,
                    "layer": layer,
                    "share": share,
                    "low": max(0.0, share - half),
                    "high": share + half,
                    "atypical": float((atypical & (codes == k)).sum() / n),
                }
            )
        for series, x in (("cos(w_in, w_out)", c.in_out), ("cos(w_gate, w_out)", c.gate_out)):
            middle = [np.median(rng.choice(x, len(x))) for _ in range(100)]
            ends = percentile(np.array(middle))
            medians.append(
                {
                    "series": series,
                    "layer": layer,
                    "value": float(np.median(x)),
                    "low": ends[0],
                    "high": ends[1],
                }
            )
    frame = pd.DataFrame(rows)
    run.table(
        "classes",
        frame,
        f"Share of each class by layer of {name}; atypical ones are counted within their class.",
    )
    shown = frame[frame["class"] != "orthogonal output"].rename(
        columns={"class": "series", "layer": "x", "share": "value"}
    )
    run.figure(
        "classes",
        curves(shown, x="Layer", y="share of the layer's neurons"),
        f"Classes by layer of {name}, cosines called large from {config.threshold}. The rest, not drawn, is "
        "orthogonal output: neurons that write none of what they read.",
    )
    run.figure(
        "cosines",
        score_by_layer(pd.DataFrame(medians), score="median cosine"),
        f"Median over the neurons of each layer of {name}.",
    )


def _ablate(config: Config, run: Run, model: Model, found: Layers) -> None:
    """Hold the neurons that add most, and that take most, at their mean."""
    texts = load(config.data, limit=2 * config.texts)
    rows = run.rng("texts").permutation(len(texts))
    means = neuron_means(model, texts.take(np.sort(rows[: len(rows) // 2])))
    measured = texts.take(np.sort(rows[len(rows) // 2 :]))
    facts = load(config.facts)
    facts = facts.take((facts.frame["relation"] == config.relation).to_numpy())
    asked = ask(model, facts, min(5, len(facts) // 4), rng=run.rng("shots"))
    asked = asked.take(asked.known) if asked.known.sum() > 1 else asked
    width = [len(c.in_out) for c in found]
    every = pd.concat(
        [
            pd.DataFrame({"layer": k, "neuron": np.arange(len(c.in_out)), "cos": c.in_out})
            for k, c in enumerate(found)
        ],
        ignore_index=True,
    ).sort_values("cos", ascending=False)
    chosen = {"most enriching": every.head(config.top), "most depleting": every.tail(config.top)}

    def measure(edits: list[Edit]) -> dict[str, np.ndarray]:
        under = asked.under(edits) if edits else asked
        return {
            ENTROPY: next_token_entropy(model, measured, edits),
            FACTS: under.log_probability(under.outputs(last_site(model))),
        }

    before, evidence = measure([]), []
    with run.progress("hold neurons", total=2 * (1 + config.draws), unit="sets") as bar:
        for name, neurons in chosen.items():
            sets = [
                layer_matched(neurons, width, rng=run.rng("matched", name, str(k)))
                for k in range(config.draws)
            ]
            changed = []
            for some in (neurons, *sets):
                after = measure(held_at(means, some))
                changed.append({what: after[what] - before[what] for what in before})
                bar.advance()
            evidence += [_effect(run, name, what, changed) for what in before]
    run.table(
        "ablation",
        table(evidence),
        f"{config.top} neurons held at their mean: change of the next token's entropy over {len(measured)} texts and "
        f"of the log-probability of {len(asked)} answers ({config.relation}) that the model knows, in nats, beside "
        f"{config.draws} random sets of the same layers (null). p is two-sided.",
    )
    bars = pd.DataFrame(
        [
            {
                "group": f"{e.where['neurons']}, {e.where['what']}",
                "value": e.value,
                "low": e.interval[0],
                "high": e.interval[1],
                "null": e.null.mean,
            }
            for e in evidence
            if e.interval and e.null
        ]
    )
    run.figure(
        "ablation",
        values_by_group(bars, value="change", unit="nats"),
        "What holding neurons at their mean changes; tick: the mean of random sets of the same layers.",
    )


def _effect(run: Run, name: str, what: str, changed: list[dict[str, np.ndarray]]) -> Evidence:
    own, random = changed[0][what], np.array([c[what].mean() for c in changed[1:]])
    rng = run.rng("ablation", name, what)
    ends = percentile(own[rng.integers(len(own), size=(1000, len(own)))].mean(axis=1))
    far = np.abs(random - random.mean()) >= abs(own.mean() - random.mean())
    p = float((1 + far.sum()) / (1 + len(random)))
    return Evidence(
        f"change of {what}",
        float(own.mean()),
        (float(ends[0]), float(ends[1])),
        Null.of("random neurons, same layers", random),
        p,
        n=len(own),
        unit="nats",
        direction="none",
        where={"neurons": name, "what": what},
    )


def _answer(config: Config, run: Run, name: str, found: Layers) -> str:
    cos = np.concatenate([c.in_out for c in found])
    more, depth = run.claims["aligned"], run.claims["depth"]
    shares: Callable[[np.ndarray], float] = lambda x: float(x.mean())  # noqa: E731
    up, down = shares(cos > config.threshold), shares(cos < -config.threshold)
    by = "first add and last take" if depth.passed else "show no such order by depth"
    return (
        f"Some do. {up:.1%} of the neurons of {name} write along what they read (cosine above {config.threshold}) and "
        f"{down:.1%} against it; with permuted pairs {more.value:,.0f} times fewer have so large a cosine. Layers {by}: the "
        f"median cosine of the first half is {depth.value:+.3f} over that of the last quarter. Most neurons write little of "
        "what they read."
    )


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")[:40]


ENTROPY, FACTS = "entropy of the next token", "log-probability of answers"
