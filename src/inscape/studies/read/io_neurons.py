"""Do gated neurons strengthen the direction that they read, weaken it, or write another one?

Three vectors of every neuron are read off the weights, the norm's gain folded in, and their cosines sort neurons into six
classes. Beside the real pairing of read and write vectors is the count that is expected when every neuron has the write
vector of another of its layer, and an untrained copy. A planted network, whose classes are known, checks the sorting itself.
Then the neurons with the largest and with the smallest cosines are mean-ablated, beside as many random ones of the same
layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from inscape.charts.curves import curves
from inscape.charts.layers import score_by_layer
from inscape.core.contrast import contrast
from inscape.core.edit import Edit
from inscape.core.evidence import Beside, Evidence, table
from inscape.core.measured import Measured
from inscape.core.rng import child_seed
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.outcomes.neuron_ablations import (
    held_at,
    layer_matched,
    neuron_means,
    next_token_entropy,
)
from inscape.outcomes.relation_prompts import ask, last_site
from inscape.read.gated_neurons import CLASSES, Cosines, chance_count, classify, io_cosines
from inscape.read.gated_weights import gated_weights
from inscape.study.card import Card, Claim
from inscape.study.run import Run, bars_of
from inscape.study.settings import Settings, setting
from inscape.worlds.gated import planted_neurons

CARD = Card(
    slug="io-neurons",
    title="Understanding Gated Neurons in Transformers from Their Input-Output Functionality",
    authors="Gerstner and Schütze",
    year=2025,
    arxiv="2505.17936",
    room="read",
    claim="Cosines between what a gated neuron reads and what it writes sort neurons into a few classes: in the first "
    "layers many strengthen the direction that they read, in the last ones more weaken it.",
    reproduced="Weights of SmolLM2-135M-Instruct, norms folded in: the six classes by layer, against exchanged write "
    "vectors and an untrained copy; a planted network for the sorting itself; the most strengthening and most weakening "
    "neurons mean-ablated, with the entropy of the next token of human sentences and the log-probability of capitals. "
    "Further models (Gemma among them, whose weights are not in the zoo) are taken with --set also=NAME; none by default.",
    controls=(
        "the write vector of another neuron of the layer: the exact expectation over all such pairings",
        "an untrained copy of the model",
        "layers shuffled",
        "as many random neurons of the same layers mean-ablated",
    ),
    claims={
        "planted": Claim(
            text="Planted classes are recovered from the weights",
            at_least=1.0,
            exact="a count in a planted network whose classes are known",
        ),
        "aligned": Claim(
            text="Neurons write along or against what they read at least ten times as often as with another's write vector",
            at_least=10,
            exact="counts of all neurons, and of all pairs of two neurons of a layer, of fixed weights",
        ),
        "depth": Claim(
            text="The median cosine of the first half of the layers is above that of the last quarter",
            at_least=0,
            null="layers shuffled",
        ),
    },
    # four layers are too few for an interval
    tiny={"planted": "supported", "aligned": "supported", "depth": "uncertain"},
    differs="The authors compare each cosine with the middle 95 % of the cosines of mismatched weights of a layer and study "
    "twelve models; here the count above the threshold is compared with its expectation under mismatch.",
    group_note="Weights have no rows to split; layers are what varies in intervals. Means are taken over other sentences "
    "than entropies, and neurons are chosen by weights alone.",
    minutes={"tiny": 0.1, "small": 2, "full": 30},
    figure="classes",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    model: str = setting("smollm2-135m", "what to open; 'planted' is made on the spot")
    also: tuple[str, ...] = setting((), "further models whose weights are read")
    data: str = setting("reviews", "texts whose next token is measured, or 'none'")
    facts: str = setting("relations", "relations, of which one is asked about, or 'none'")
    relation: str = setting("country capital", "the one asked about")
    threshold: float = setting(0.5, "from which a cosine counts as large")
    texts: int = setting(96, "texts measured; as many others give the means")
    top: int = setting(200, "neurons mean-ablated")
    draws: int = setting(10, "random sets of neurons of the same layers")


PRESETS = {
    "tiny": Config(model="planted", data="none", facts="none"),
    "small": Config(),
    "full": Config(texts=1000, top=500, draws=50),
}

MISMATCHED, UNTRAINED = "write vector of another neuron", "untrained model"
MATCHED = "random neurons, same layers"
Layers = list[Cosines]


def run(config: Config, run: Run) -> None:
    """Sort, compare with chance, follow the layers, ablate neurons."""
    names = (config.model, *config.also)
    models = [
        planted_neurons(seed=run.seed, by_depth=True).model if n == "planted" else open(n)
        for n in names
    ]
    run.asked(
        f"Do the gated neurons of {' and '.join(m.name for m in models)} strengthen what they read, or weaken it?"
    )
    _planted(config, run)
    found = {}
    for model in models:
        if model.certificate is not None:
            run.certificate(model.certificate)
        found[model.name] = [io_cosines(w) for _, w in gated_weights(model)]
    aligned = [_aligned(config, run, model) for model in models]
    depth = [_depth(run, model.name, found[model.name]) for model in models]
    few = min(aligned, key=lambda e: e.value)
    copy = few.beside[0]
    why = f"In an untrained copy {copy.value:.0f} neurons have so large a cosine. " + _FLOOR
    run.claim("aligned", few, why=why)
    run.claim("depth", min(depth, key=lambda e: e.value))
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
        wrong.append(classify(io_cosines(other), config.threshold)[0] == world.codes[layer])
    m = Measured("planted classes recovered", unit="share")
    m.put("planted pairs", np.concatenate(right) * 1.0)
    why = f"With every write vector exchanged for another's {np.concatenate(wrong).mean():.2f} are."
    run.claim("planted", m.value("planted pairs"), why=why)


def _aligned(config: Config, run: Run, model: Model) -> Evidence:
    """How much more often |cos(w_in, w_out)| is large than with the write vector of another neuron."""
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    own, chance = _counts(model, config)
    untrained = _counts(fresh, config)
    frame = pd.DataFrame(
        {
            "layer": np.arange(len(own)),
            "large": own,
            f"expected, {MISMATCHED}": chance,
            UNTRAINED: untrained[0],
            f"expected, {MISMATCHED}, {UNTRAINED}": untrained[1],
        }
    )
    run.table(
        f"aligned-{_slug(model.name)}",
        frame,
        f"Neurons of {model.name} with |cos(w_in, w_out)| above {config.threshold}, by layer.",
    )
    widths = [len(w.read) for _, w in gated_weights(model)]
    floor = 1.0 / (max(widths) - 1)  # one pair of two different neurons in all layers
    m = Measured(f"large cosines over those expected, {model.name}", unit="times", kind="ratio")
    # one item: counts of fixed weights have no sampling
    m.put("trained", np.array([own.sum()]), np.array([max(chance.sum(), floor)]))
    beside = Beside("reference", f"large cosines, {UNTRAINED}", float(untrained[0].sum()))
    return replace(m.value("trained"), beside=(beside,), n=int(sum(widths)), warnings=())


def _counts(model: Model, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Neurons with a large cosine by layer, and the number expected with the write vector of another neuron."""
    own, chance = [], []
    for _, w in gated_weights(model):
        own.append((np.abs(io_cosines(w).in_out) > config.threshold).sum())
        chance.append(chance_count(w, config.threshold))
    return np.array(own, dtype=np.float64), np.array(chance)


def _depth(run: Run, name: str, found: Layers) -> Evidence:
    """Mean over the first half of the layers of their median cosine, less that over the last quarter."""
    medians = np.array([np.median(c.in_out) for c in found])
    place, count = np.arange(len(medians)), len(medians)
    return contrast(
        f"median cosine, first half − last quarter, {name}",
        medians,
        place < count / 2,
        place >= count - max(1, count // 4),
        rng=run.rng("depth", name),
        kind="layers shuffled",
        unit="cosine",
    )


def _figures(config: Config, run: Run, name: str, found: Layers) -> None:
    """Shares of the classes and cosines by layer, of the first model."""
    rows, medians = [], []
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
            reach = 0.98 / np.sqrt(len(x))  # of the rank of the median, from the binomial
            middle, *ends = np.quantile(x, [0.5, max(0, 0.5 - reach), min(1, 0.5 + reach)])
            medians.append(
                {
                    "series": series,
                    "layer": layer,
                    "value": float(middle),
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
        f"Classes by layer of {name}, threshold {config.threshold}. The rest, not drawn, is orthogonal output: neurons "
        "that write nothing of what they read.",
    )
    run.figure(
        "cosines",
        score_by_layer(pd.DataFrame(medians), score="median cosine"),
        f"Median over the neurons of each layer of {name}.",
    )


def _ablate(config: Config, run: Run, model: Model, found: Layers) -> None:
    """Mean-ablate the neurons with the largest, and with the smallest cosines."""
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
    with run.progress("ablate neurons", total=2 * (1 + config.draws), unit="sets") as bar:
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
            evidence += [e for what in before for e in _effect(name, what, changed)]
    run.table(
        "ablation",
        table(evidence),
        f"{config.top} neurons mean-ablated: change of the next token's entropy over {len(measured)} texts and of the "
        f"log-probability of {len(asked)} answers ({config.relation}) that the model knows, in nats, beside "
        f"{config.draws} random sets of the same layers (null), and the paired difference to their mean.",
    )
    run.figure(
        "ablation",
        bars_of([replace(e, name="change") for e in evidence if e.null is not None], "set"),
        "Change by mean-ablation in nats; tick: the mean of random sets of the same layers.",
    )


def _effect(name: str, what: str, changed: list[dict[str, np.ndarray]]) -> list[Evidence]:
    where = {"neurons": name, "what": what, "set": f"{name}, {what}"}
    m = Measured(f"change of {what}", unit="nats", direction="none", where=where)
    m.put(name, changed[0][what])
    m.put(MATCHED, np.stack([c[what] for c in changed[1:]]), role="null", expensive=True)
    return [m.value(name, null=MATCHED), m.gain(name, over=MATCHED)]


def _answer(config: Config, run: Run, name: str, found: Layers) -> str:
    cos = np.concatenate([c.in_out for c in found])
    more, depth = run.claims["aligned"], run.claims["depth"]
    shares: Callable[[np.ndarray], float] = lambda x: float(x.mean())  # noqa: E731
    up, down = shares(cos > config.threshold), shares(cos < -config.threshold)
    order = {"supported": "is", "uncertain": "may be", "not supported": "is not"}[depth.verdict]
    return (
        f"Some do. {up:.1%} of the neurons of {name} write along what they read (cosine above {config.threshold}) and "
        f"{down:.1%} against it, {more.value:,.0f} times as many as expected with the write vector of another neuron. The "
        f"median cosine of the first half of the layers {order} above that of the last quarter ({depth.value:+.3f}). Most "
        "neurons write little of what they read."
    )


_FLOOR = (
    "Where no pair of two neurons has so large a cosine, one is counted in all layers together."
)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")[:40]


ENTROPY, FACTS = "entropy of the next token", "log-probability of answers"
