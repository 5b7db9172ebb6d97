"""Do gated neurons strengthen the direction that they read, weaken it, or write another one?

Three vectors of every neuron are read off the weights, the norm's gain folded in, and their cosines
sort neurons into six classes. Beside the real pairing of read and write vectors is the count that
is expected when every neuron has the write vector of another of its layer, and an untrained copy. A
planted network, whose classes are known, checks the sorting itself. Then the neurons with the
largest and with the smallest cosines are mean-ablated, beside as many random ones of the same
layers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from inscape.charts import score_by_layer
from inscape.core import (
    Beside,
    Edit,
    Evidence,
    Measured,
    child_seed,
    contrast,
    table,
)
from inscape.data import Examples, load
from inscape.model import Model, open
from inscape.outcomes import (
    ask,
    extreme_neurons,
    held_at,
    last_site,
    matched_edits,
    neuron_means,
    next_token_entropy,
)
from inscape.probing import lines
from inscape.read import (
    Cosines,
    class_shares,
    classes_recovered,
    gated_weights,
    io_cosines,
    large_cosines,
    median_cosines,
)
from inscape.study import Card, Claim, Condition, Run, Settings, bars_of, intervene, setting
from inscape.worlds import planted_neurons

CARD = Card(
    slug="io-neurons",
    title="Understanding Gated Neurons in Transformers from Their Input-Output Functionality",
    authors="Gerstner and Schütze",
    year=2025,
    arxiv="2505.17936",
    room="read",
    claim=(
        "Cosines between what a gated neuron reads and what it writes sort neurons into a few "
        "classes: in the first layers many strengthen the direction that they read, in the last "
        "ones more weaken it."
    ),
    reproduced=(
        "Weights of SmolLM2-135M-Instruct, norms folded in: the six classes by layer, against "
        "exchanged write vectors and an untrained copy; a planted network for the sorting "
        "itself; the most strengthening and most weakening neurons mean-ablated, with the "
        "entropy of the next token of human sentences and the log-probability of capitals. "
        "Further models (Gemma among them, whose weights are not in the zoo) are taken with "
        "--set also=NAME; none by default."
    ),
    controls=(
        "the write vector of another neuron of the layer: the exact expectation over all "
        "such pairings",
        "an untrained copy of the model",
        "the layers turned in a circle",
        "as many random neurons of the same layers mean-ablated",
    ),
    claims={
        "planted": Claim(
            text="Planted classes are recovered from the weights",
            at_least=1.0,
            exact="a count in a planted network whose classes are known",
        ),
        "aligned": Claim(
            text=(
                "Neurons write along or against what they read at least ten times as often as "
                "with another's write vector"
            ),
            at_least=10,
            exact=(
                "counts of all neurons, and of all pairs of two neurons of a layer, of fixed "
                "weights"
            ),
        ),
        "depth": Claim(
            text=(
                "The median cosine of the first half of the layers is above that of the last "
                "quarter"
            ),
            at_least=0,
            null="layers turned in a circle",
        ),
    },
    answer="Some do. {up:.1%} of the neurons of {model} write along what they read (cosine above "
    "{threshold}) and {down:.1%} against it, {aligned:,.0f} times as many as expected with the "
    "write vector of another neuron. The median cosine of the first half of the layers "
    "{depth:is|may be|is not} above that of the last quarter ({depth:+.3f}). Most neurons write "
    "little of what they read.",
    # four layers are too few for an interval
    tiny={"planted": "supported", "aligned": "supported", "depth": "uncertain"},
    differs=(
        "The authors compare each cosine with the middle 95 % of the cosines of mismatched "
        "weights of a layer and study twelve models; here the count above the threshold is "
        "compared with its expectation under mismatch."
    ),
    group_note=(
        "Weights have no rows to split; layers are what varies in intervals. Means are taken "
        "over other sentences than entropies, and neurons are chosen by weights alone."
    ),
    negative=(
        "That the median cosine falls with depth is not told from a smooth drift in one model: it "
        "falls by 0.37, and of the 30 ways to turn its layers in a circle one more does as well "
        "(p 0.067)."
    ),
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
BEFORE, MATCHED = "unedited", "random neurons, same layers"
ENTROPY, FACTS = "entropy of the next token", "log-probability of answers"
FLOOR = "Where no pair of two neurons has so large a cosine, one is counted in all layers together."
Layers = list[Cosines]


def run(config: Config, run: Run) -> None:
    """Sort, compare with chance, follow the layers, ablate neurons."""
    models = [
        planted_neurons(seed=run.seed, by_depth=True).model if n == "planted" else open(n)
        for n in (config.model, *config.also)
    ]
    name = models[0].name
    run.asked(
        f"Do the gated neurons of {' and '.join(m.name for m in models)} strengthen what they "
        "read, or weaken it?"
    )
    for model in models:
        if model.certificate is not None:
            run.certificate(model.certificate)
    _planted(config, run)
    found = {m.name: [io_cosines(w) for _, w in gated_weights(m)] for m in models}
    few = min((_aligned(config, run, model) for model in models), key=lambda e: e.value)
    why = f"In an untrained copy {few.beside[0].value:.0f} neurons have so large a cosine. "
    run.claim("aligned", few, why=why + FLOOR)
    depth = (_depth(run, n, layers) for n, layers in found.items())
    run.claim("depth", min(depth, key=lambda e: e.value))
    _layers(config, run, name, found[name])
    if "none" not in (config.data, config.facts):
        _ablate(config, run, models[0], found[name])
    cos = np.concatenate([c.in_out for c in found[name]])
    up, down = (float((sign * cos > config.threshold).mean()) for sign in (1, -1))
    run.facts(model=name, threshold=config.threshold, up=up, down=down)


def _planted(config: Config, run: Run) -> None:
    """Neurons whose class is known, sorted from the weights alone."""
    world = planted_neurons(seed=run.seed)
    weights = dict(gated_weights(world.model))
    other = {k: w.permuted(rng=run.rng("planted", str(k))) for k, w in weights.items()}
    right, wrong = (classes_recovered(w, world.codes, config.threshold) for w in (weights, other))
    m = Measured("planted classes recovered", unit="share")
    m.put("planted pairs", right)
    why = f"With every write vector exchanged for another's {wrong.mean():.2f} are."
    run.claim("planted", m.value("planted pairs"), why=why)


def _aligned(config: Config, run: Run, model: Model) -> Evidence:
    """How much more often |cos(w_in, w_out)| is large than with the write vector of another
    neuron."""
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    both = [dict(gated_weights(m)) for m in (model, fresh)]
    own, copy = (large_cosines(weights, config.threshold) for weights in both)
    frame = pd.DataFrame(
        {
            "layer": np.arange(len(own.found)),
            "large": own.found,
            f"expected, {MISMATCHED}": own.expected,
            UNTRAINED: copy.found,
            f"expected, {MISMATCHED}, {UNTRAINED}": copy.expected,
        }
    )
    slug = re.sub(r"[^a-z0-9]+", "-", model.name.lower()).strip("-")
    run.table(
        f"aligned-{slug}",
        frame,
        f"Neurons of {model.name} with |cos(w_in, w_out)| above {config.threshold}, by layer.",
    )
    beside = Beside("reference", f"large cosines, {UNTRAINED}", float(copy.found.sum()))
    return own.over_expected(model.name, beside=(beside,))


def _depth(run: Run, name: str, found: Layers) -> Evidence:
    """Mean over the first half of the layers of their median cosine, less that over the last
    quarter."""
    medians = np.array([np.median(c.in_out) for c in found])
    place, count = np.arange(len(medians)), len(medians)
    return contrast(
        f"median cosine, first half − last quarter, {name}",
        medians,
        place < count / 2,
        place >= count - max(1, count // 4),
        kind="layers turned in a circle",
        unit="cosine",
    )


def _layers(config: Config, run: Run, name: str, found: Layers) -> None:
    """Shares of the classes and median cosines by layer, of the first model."""
    shares = class_shares(found, config.threshold)
    caption = f"Share of each class by layer of {name}; atypical ones are counted within it."
    run.table("classes", table(shares), caption)
    shown = [e for e in shares if e.where["class"] != "orthogonal output"]
    run.figure(
        "classes",
        score_by_layer(lines(shown, "class"), score="share of the layer's neurons"),
        f"Classes by layer of {name}, threshold {config.threshold}. The rest, not drawn, is "
        "orthogonal output: neurons that write nothing of what they read.",
    )
    caption = f"Median over the neurons of each layer of {name}."
    run.layers("cosines", median_cosines(found), caption, series="cosine")


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
    most, least = extreme_neurons([c.in_out for c in found], config.top)
    chosen = {"most enriching": most, "most depleting": least}

    def measure(model: Model, texts: Examples, edits: list[Edit] | None) -> np.ndarray:
        """Entropies of all texts, then log-probabilities of all answers."""
        under = asked.under(edits) if edits else asked
        logs = under.log_probability(under.outputs(last_site(model)))
        return np.concatenate([next_token_entropy(model, texts, edits or []), logs])

    conditions = [Condition(BEFORE, "reference")]
    for name, neurons in chosen.items():
        conditions.append(Condition(name, edits=held_at(means, neurons)))
        null, streams = f"{MATCHED}, {name}", partial(run.rng, "matched", name)
        drawn = matched_edits(means, neurons, config.draws, rng=streams)
        conditions += [Condition(null, "null", edits, expensive=True) for edits in drawn]
    done = intervene(run, model, measure, measured, conditions)
    before, changes, gains = done.answers[BEFORE][0], [], []
    size = len(measured)
    for what, part in ((ENTROPY, slice(size)), (FACTS, slice(size, None))):
        m = Measured(f"change of {what}", unit="nats", direction="none")
        done.put(m, lambda x, part=part: (x - before)[part], without=[BEFORE])
        for name in chosen:
            null, where = f"{MATCHED}, {name}", {"neurons": name, "what": what}
            changes.append(m.value(name, null=null, where={**where, "set": f"{name}, {what}"}))
            gains.append(m.gain(name, over=null, where={**where, "set": "− random"}))
    run.table(
        "ablation",
        table([*changes, *gains]),
        f"{config.top} neurons mean-ablated: change of the next token's entropy over "
        f"{len(measured)} texts and of the log-probability of {len(asked)} answers "
        f"({config.relation}) that the model knows, in nats, beside {config.draws} random sets of "
        "the same layers (null), and the paired difference to their mean.",
    )
    run.figure(
        "ablation",
        bars_of([replace(e, name="change") for e in changes], "set"),
        "Change by mean-ablation in nats; tick: the mean of random sets of the same layers.",
    )
