"""Where, and for how long, does a language model represent a feeling that a text arouses but does not name?

Every setting has seven situations, one for each of seven emotions, and no feeling is named. The residual stream at the last
token is read by a multinomial logistic probe at every layer, whole settings held out, so that words of a setting were never
seen. Beside it are a bag of words, the mean of the token embeddings, an untrained copy, shuffled labels, and the model's own
answer. Then neutral text is appended to the situations and the probe is fitted anew at growing distances; the system prompt
is changed; and distances between class centroids are compared with the circle of affect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer

from inscape.charts.curves import curves
from inscape.charts.heatmap import cells
from inscape.charts.heatmap import matrix as heatmap
from inscape.charts.layers import score_by_layer
from inscape.compare.class_distances import class_distances
from inscape.core.evidence import Evidence, table
from inscape.core.measured import Measured
from inscape.core.nulls import permutations
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.data.neutral import DESCRIPTION
from inscape.data.sets.emotions import CIRCLE
from inscape.model.model import Model
from inscape.outcomes.options import option_scores
from inscape.probing.best_layer import before_last
from inscape.probing.class_scores import ClassScores
from inscape.probing.class_task import ClassTask, chosen, every, predicted, taken_along
from inscape.probing.frames import SHUFFLED, by_layer, layer_of
from inscape.probing.sweep import SweepResult
from inscape.read.trailing import trailing
from inscape.store.harvest import harvest
from inscape.store.store import Store
from inscape.studies.read.emotion_probes.circle import circle_evidence
from inscape.study.card import Card, Claim
from inscape.study.opening import Needs, opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.feelings import EMPTY, MANNERS

CARD = Card(
    slug="emotion-probes",
    title="Decoding Emotion in the Deep: A Systematic Study of How LLMs Represent, Retain, and Express Emotion",
    authors="Zhang and Zhong",
    year=2025,
    arxiv="2510.04064",
    room="read",
    claim="The emotion of a text can be read linearly from a language model's hidden states, best in the middle layers and "
    "better than the model says it when asked; system prompts shift it, and it stays for hundreds of tokens.",
    reproduced="420 situations written for this study, seven emotions in each of 60 settings, none of them named, read at "
    "the last token of SmolLM2-135M-Instruct by a logistic probe a layer; the same with the feeling named; an MLP probe; "
    "the emotion asked for by its name; neutral text of up to 200 tokens behind the situations of twelve settings; three "
    "system prompts for these. One model only, where the paper has several sizes; a larger one can be named with --model.",
    controls=(
        "a bag of words (TF-IDF) under the same probe and folds",
        "the mean of the situation's token embeddings",
        "an untrained copy of the model",
        "labels shuffled among and within settings, the layer chosen anew",
        "the model's own answer: log-probability of the emotions' names, raw or calibrated as training settings prefer",
    ),
    claims={
        "above-words": Claim(
            text="A probe of the hidden states beats a bag of words where no feeling is named",
            at_least=0.10,
            over="bag of words",
        ),
        "above-answer": Claim(
            text="The probe is at least as accurate as the model's own answer",
            at_least=0,
            over="model's own answer",
        ),
        "not-last": Claim(
            text="The layer with the highest held-out accuracy lies before the last",
            at_least=1,
            why="Value and interval take the same criterion: held-out accuracy, in the data and in draws of the settings.",
        ),
        "shuffled": Claim(
            text="With shuffled labels the same procedure is at chance",
            at_least=-0.03,
            at_most=0.03,
            sanity=True,
        ),
        "persists": Claim(
            text="After 100 neutral tokens (12 in the toy) the emotion is still read at twice chance or more",
            at_least=0.2857142857142857,
            null="shuffled labels",
        ),
    },
    answer="{how}. On held-out settings a linear probe of {model} has a macro-F1 of {best:.2f} at "
    "the layer chosen by inner cross-validation (mostly layer {layer} of 0 to {last}), against "
    "{words:.2f} of a bag of words and {asked:.2f} of the model's own answer; chance is {chance:.2f}. "
    "After {tokens} neutral tokens its accuracy is {persists:.2f} ({persists.verdict} at twice "
    "chance).",
    tiny={
        "above-words": "supported",
        "above-answer": "supported",
        "not-last": "any",  # two blocks that both hold the feeling: which is read better is chance
        "shuffled": "any",  # three shuffles of 140 rows
        "persists": "supported",
    },
    differs="No code of the authors was found; they read several sizes of models on larger sets of texts; here one "
    "small model reads situations written for the study.",
    group_note="A group is a setting: its seven situations share their words and have all seven labels.",
    negative="After 100 neutral tokens (seed 0, small) the accuracy is 0.36 [0.25, 0.48]: above chance, but with twelve "
    "settings the interval crosses twice chance.",
    minutes={"tiny": 0.2, "small": 4, "full": 60},
    figure="layers",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("emotions", "a set or table with a text label and a group")
    input: str = ""
    labels: tuple[str, ...] = ()
    group: str = ""
    at: str = setting("last", "position at which situations are read")
    explicit: str = setting("{text} I was {word}.", "how the feeling is named, with column word")
    systems: tuple[str, ...] = setting(
        (
            "You are a helpful assistant.",
            "You are a warm and empathetic friend; feel what the other person feels.",
            "You are a neutral machine that records facts and ignores feelings.",
        ),
        "system prompts; separate them in a preset, since they hold commas",
    )
    chat: str = setting(
        "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{text}{ask}<|im_end|>\n<|im_start|>assistant\n",
        "the chat template, with {system}, {text} and {ask}",
    )
    ask: str = setting(
        "\nWhich emotion is this: {options}?", "the question behind the text, with {options}"
    )
    reply: str = setting("The emotion is", "how the answer begins")
    filler: str = setting(DESCRIPTION, "neutral text appended to the situations")
    distances: tuple[int, ...] = setting((0, 10, 30, 100, 200), "tokens after the text's end")
    persists_at: int = setting(100, "the distance that the claim is about")
    part: int = setting(84, "rows for the longer texts (filler, system prompts); 0 for all")
    stride: int = setting(5, "stride over layers for controls, shuffles and longer texts", least=1)
    folds: int = 5
    shuffles: int = setting(8, "label shuffles", least=2)
    persist_shuffles: int = setting(19, "label shuffles at the distance of the claim")
    Cs: tuple[float, ...] = setting((1e-3, 1e-2, 1e-1), "inverse penalties, chosen inside")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.persists_at not in self.distances or 0 not in self.distances:
            raise ValueError(f"distances must hold 0 and persists_at={self.persists_at}")


PRESETS = {
    "tiny": Config(
        model="world:feelings",
        data="world:feelings",
        explicit="{text} {word}",
        systems=MANNERS,
        chat="{system} {text}{ask}",
        ask="",
        reply="",
        filler=" ".join(EMPTY * 4),
        distances=(0, 4, 12),
        persists_at=12,
        part=0,
        stride=1,
        folds=3,
        shuffles=3,
        Cs=(0.1,),
    ),
    "small": Config(),
    "full": Config(model="Qwen/Qwen2.5-7B-Instruct", part=0, stride=2, shuffles=100),
}

TRAINED, EXPLICIT, UNTRAINED = "trained model", "feeling named", "untrained model"
#: a sweep and the representations that it was made of
Found = tuple[SweepResult, Any]
WORDS, STATIC, ASKED = "bag of words", "token embeddings", "model's own answer"


def run(config: Config, run: Run) -> None:
    """Read every layer, compare, ask, wait, prompt, and place the centroids."""
    model, examples, _ = opened(config, run, Needs(labels="one"))
    task = ClassTask.of(examples, run, folds=config.folds, shuffles=config.shuffles, Cs=config.Cs)
    kinds = ", ".join(task.classes)
    run.asked(
        f"Can the emotion that a situation arouses ({kinds}) be read from {model.name}, though it is never named?"
    )
    store = harvest(model, examples, "embed, resid_post.*", at=config.at)
    found = _sweeps(config, run, task, model, store)
    chance = _shuffled(config, run, task, store, found[WORDS][1])
    asked = _ask(config, task, model, examples, config.systems[0], found[TRAINED][0])
    _claims(run, task, found, chance, asked)
    _profile(run, task, found, chance)
    _persistence(config, run, task, model)
    _systems(config, run, task, model)
    _centroids(run, task, store, found[TRAINED][0])
    run.facts(
        how=_how(run),
        best=task.scores.value(predicted(found[TRAINED][0])),
        words=task.scores.value(predicted(found[WORDS][0])),
        asked=task.scores.value(asked),
        chance=1 / len(task.classes),
        layer=layer_of(chosen(found[TRAINED][0])),
        last=max(map(layer_of, found[TRAINED][0].sites)),
    )


def _sweeps(
    config: Config, run: Run, task: ClassTask, model: Model, store: Store
) -> dict[str, Found]:
    """The situations in every representation, and with the feeling named."""
    examples = task.examples
    texts = examples.texts()
    words = TfidfVectorizer(sublinear_tf=True).fit_transform(texts).toarray()
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    sources: dict[str, Any] = {
        TRAINED: store.matrices,
        UNTRAINED: every(harvest(fresh, examples, "resid_post.*", at=config.at), config.stride),
        WORDS: {"words": words},
        STATIC: {"embed": harvest(model, examples, "embed", at="mean-all").matrix("embed")},
    }
    if "word" in examples.frame:
        named = [
            config.explicit.replace("{text}", t).replace("{word}", w)
            for t, w in zip(texts, examples.frame["word"], strict=True)
        ]
        naming = replace(examples, frame=examples.frame.assign(**{examples.input: named}), spans={})
        sources[EXPLICIT] = every(
            harvest(model, naming, "resid_post.*", at=config.at), config.stride
        )
    with run.progress("probe", total=len(sources), unit="representations") as bar:
        found = {}
        for name, source in sources.items():
            found[name] = (task.sweep(source), source)
            bar.advance()
    return found


def _shuffled(
    config: Config, run: Run, task: ClassTask, store: Store, words: Any
) -> dict[str, list[Any]]:
    """The same procedure on shuffled labels: sweeps of the model and of the words, shuffle by shuffle."""
    out: dict[str, list[Any]] = {TRAINED: [], WORDS: [], "labels": []}
    with run.progress("shuffled labels", total=len(task.orders), unit="shuffles") as bar:
        for order in task.orders:
            labels = task.y[order]
            out["labels"].append(labels)
            out[TRAINED].append(task.sweep(every(store, config.stride), y=labels))
            out[WORDS].append(task.sweep(words, y=labels))
            bar.advance()
    return out


def _ask(
    config: Config,
    task: ClassTask,
    model: Model,
    examples: Examples,
    system: str,
    like: SweepResult,
) -> np.ndarray:
    """The model's own answers; whether they are calibrated by their mean over training rows, training rows choose."""
    ask = config.ask.replace("{options}", ", ".join(task.classes[:-1]) + " or " + task.classes[-1])
    template = (
        config.chat.replace("{system}", system).replace("{ask}", ask).replace("{text}", "{}")
        + config.reply
    )
    scores = option_scores(model, examples.with_prompt(template), task.classes)
    y = examples.classes(examples.labels[0])[0]
    folds, out = like.folds, np.empty(len(y), dtype=np.int64)
    for fold in np.unique(folds):
        train = folds != fold
        raw, even = scores.argmax(axis=1), (scores - scores[train].mean(axis=0)).argmax(axis=1)
        better = even if (even == y)[train].mean() > (raw == y)[train].mean() else raw
        out[folds == fold] = better[folds == fold]
    return out


def _claims(
    run: Run,
    task: ClassTask,
    found: Mapping[str, Found],
    chance: Mapping[str, list[Any]],
    asked: np.ndarray,
) -> None:
    """Scores of every representation, and the claims about them."""
    scores, labels = task.scores, chance["labels"]
    best, words = (predicted(found[name][0]) for name in (TRAINED, WORDS))
    nulls = {
        name: np.array(
            [
                scores.against_labels(predicted(r), y)
                for r, y in zip(chance[name], labels, strict=True)
            ]
        )
        for name in (TRAINED, WORDS)
    }
    said, shuffled = np.array([scores.against_labels(asked, y) for y in labels]), nulls[TRAINED]
    rows, made = [], {name: predicted(result) for name, (result, _) in found.items()}
    for name, codes in {**made, "MLP probe": _mlp(task, found[TRAINED]), ASKED: asked}.items():
        null = {WORDS: nulls[WORDS], ASKED: said}.get(name, shuffled)
        rows.append(scores.evidence(f"macro-F1 of {name}", codes, null, where={"read from": name}))
    run.table(
        "scores",
        table(rows),
        "Held-out settings, layers chosen inside the training folds. The null is the same procedure on shuffled labels with "
        "a layer chosen among every few of them, the trained model's where a representation has none of its own.",
    )
    gain = scores.evidence("macro-F1: model − bag of words", best, against=[words])
    why = f"The bag of words has {scores.value(words):.2f}, the probe {scores.value(best):.2f}."
    run.claim("above-words", gain, why=why)
    over = scores.evidence("macro-F1: probe − model's own answer", best, against=[asked])
    why = f"Asked for the emotion's name, the model has {scores.value(asked):.2f}."
    run.claim("above-answer", over, why=why)
    depth = before_last(found[TRAINED][0], chance[TRAINED], rng=run.rng("before last"))
    layer = layer_of(chosen(found[TRAINED][0]))
    run.claim("not-last", depth, why=f"Inner cross-validation mostly chooses layer {layer}.")
    level = 1 / len(task.classes)
    m = Measured("macro-F1 with shuffled labels − chance", unit="macro-F1")
    m.put("shuffled labels", shuffled - level)
    why = f"Mean macro-F1 of {len(shuffled)} shuffles: {shuffled.mean():.3f}; chance is 1/{len(task.classes)}."
    run.claim("shuffled", m.value("shuffled labels"), why=why)


def _mlp(task: ClassTask, found: Found) -> np.ndarray:
    """A small MLP on the layer chosen most by inner cross-validation."""
    result, source = found
    return task.mlp(
        dict((str(s), m) for s, m in source())[chosen(result)].astype(np.float64), result.folds
    )


def _profile(
    run: Run, task: ClassTask, found: Mapping[str, Found], chance: Mapping[str, list[Any]]
) -> None:
    """Accuracy by layer against every control."""
    series = {name: found[name][0] for name in (TRAINED, EXPLICIT, UNTRAINED) if name in found}
    frame = by_layer(series, {name: found[name][0] for name in (WORDS, STATIC)})
    shuffles = chance[TRAINED]
    scores = np.stack([r.scores[:, 0] for r in shuffles])
    grey = [
        {
            "series": SHUFFLED,
            "target": frame["target"].iloc[0],
            "layer": layer_of(site),
            "value": s.mean(),
            "low": s.min(),
            "high": s.max(),
        }
        for site, s in zip(shuffles[0].sites, scores.T, strict=True)
    ]
    best = layer_of(chosen(found[TRAINED][0]))
    frame = pd.concat([frame, pd.DataFrame(grey)], ignore_index=True).drop(columns="target")
    run.figure(
        "layers",
        score_by_layer(frame, score="accuracy", chosen=best),
        f"Accuracy by layer, whole settings held out; chance is 1/{len(task.classes)}. Layer −1 is the embedding of "
        "the last token. The band of the shuffled labels runs from their least to their most.",
    )
    confused = pd.crosstab(task.y, predicted(found[TRAINED][0]), normalize="index")
    names = [[task.classes[c] for c in axis] for axis in (confused.index, confused.columns)]
    run.figure(
        "confusion",
        heatmap(
            cells(confused.to_numpy(), *names),
            value="share",
            row="aroused",
            column="read",
            domain=(0, 1),
        ),
        "What is read for each emotion, as shares of its situations.",
    )


def _persistence(config: Config, run: Run, task: ClassTask, model: Model) -> None:
    """The probe fitted anew at every distance, and the one fitted at the text's end applied there."""
    rows = task.first(config.part)
    part, y, groups = task.examples.take(rows), task.y[rows], task.groups[rows]
    last = max(s.layer for s in model.sites if s.layer is not None)
    sites = [f"resid_post.{i}" for i in sorted({*range(0, last + 1, config.stride), last})]
    read = trailing(model, part, config.filler, config.distances, sites)
    scores = ClassScores(y, groups, "accuracy")
    most = max(config.shuffles, config.persist_shuffles)
    hot = np.eye(len(task.classes))[y]
    orders = permutations(
        len(y), most, rng=run.rng("persistence", "shuffles"), groups=groups, labels=hot
    )
    found: list[Evidence] = []
    series = []
    here = {s: x for s, x in read[0].items()}
    first = task.sweep(here, rows)
    with run.progress("persistence", total=len(config.distances), unit="distances") as bar:
        for distance in config.distances:
            result = task.sweep(read[distance], rows)
            order = orders[: most if distance == config.persists_at else config.shuffles]
            shuffled = [(predicted(task.sweep(read[distance], rows, y[o])), y[o]) for o in order]
            null = [scores.against_labels(made, labels) for made, labels in shuffled]
            taken = taken_along(first, here, read[distance], y)
            for name, made in (
                ("probe fitted there", predicted(result)),
                ("probe fitted at the text's end", taken),
            ):
                e = scores.evidence(
                    f"accuracy {distance} tokens on",
                    made,
                    null,
                    where={"tokens": distance, "probe": name},
                )
                found.append(e)
                low, high = e.ends
                row = {"series": name, "x": distance, "value": e.value}
                series.append({**row, "low": low, "high": high})
            series.append(
                {
                    "series": SHUFFLED,
                    "x": distance,
                    "value": np.mean(null),
                    "low": min(null),
                    "high": max(null),
                }
            )
            bar.advance()
    run.figure(
        "persistence",
        curves(
            pd.DataFrame(series),
            x="neutral tokens after the situation",
            y="accuracy",
            nulls=(SHUFFLED,),
            points=True,
        ),
        f"The same neutral text after {len(rows)} situations; accuracy at each distance in tokens, whole settings held "
        f"out. Chance is 1/{len(task.classes)}.",
        table(found),
    )
    kept = next(
        e for e in found if e.where == {"tokens": config.persists_at, "probe": "probe fitted there"}
    )
    run.claim("persists", kept, why=f"At a distance of {config.persists_at} tokens.")
    run.facts(tokens=config.persists_at)


def _systems(config: Config, run: Run, task: ClassTask, model: Model) -> None:
    """System prompts: accuracy of a probe fitted under another one, and of the model's own answer."""
    rows = task.first(config.part)
    part, y = task.examples.take(rows), task.y[rows]
    scores = ClassScores(y, task.groups[rows], "accuracy")
    names = [f"prompt {i + 1}" for i in range(len(config.systems))]
    read, sweeps, said = {}, {}, []
    for name, system in zip(names, config.systems, strict=True):
        template = config.chat.split("{ask}")[0].replace("{system}", system).replace("{text}", "{}")
        store = harvest(model, part.with_prompt(template), "resid_post.*", at="span:input")
        read[name] = {str(s): m for s, m in every(store, config.stride)()}
        sweeps[name] = task.sweep(read[name], rows)
        answers = _ask(config, task, model, part, system, sweeps[name])
        said.append(
            scores.evidence(
                f"accuracy of {ASKED}", answers, where={"system prompt": name, "words": system}
            )
        )

    def across(a: str, b: str) -> float:
        own = a == b
        made = predicted(sweeps[a]) if own else taken_along(sweeps[a], read[a], read[b], y)
        return scores.value(made)

    run.figure(
        "systems",
        heatmap(
            cells(np.array([[across(a, b) for b in names] for a in names]), names),
            value="accuracy",
            row="probe fitted under",
            column="read under",
            domain=(0, 1),
            cell=90,
        ),
        "Accuracy on held-out settings of probes fitted under one system prompt and read under another: "
        + "; ".join(f"{n}: “{s}”" for n, s in zip(names, config.systems, strict=True))
        + ".",
    )
    run.table(
        "systems",
        table(said),
        "What the model itself says under each system prompt. Chance is one seventh.",
    )


def _centroids(run: Run, task: ClassTask, store: Store, result: SweepResult) -> None:
    """The classes' centroids at the layer chosen most by inner cross-validation, beside the circle of affect."""
    site = chosen(result)
    x = store.matrix(site).astype(np.float64)
    scale = float(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())
    near = class_distances(x, task.y, task.groups, rng=run.rng("centroids")) / scale
    run.figure(
        "centroids",
        heatmap(
            cells(near, task.classes),
            value="squared distance",
            domain=(0, float(near.max())),
            cell=58,
        ),
        f"Cross-validated squared distances between the centroids at {site}, in units of the mean squared distance "
        "of a situation from the mean of all.",
    )
    if set(task.classes) <= set(CIRCLE):
        plane = np.array([CIRCLE[c] for c in task.classes])
        placed = circle_evidence(x, task.y, task.groups, plane, rng=run.rng("circle"))
        run.table(
            "circle",
            table([placed]),
            "Rank correlation of these distances with those of the emotions on the circle "
            "of affect (valence and arousal); p by permuting the emotions.",
        )


def _how(run: Run) -> str:
    """Yes where the probe beats words and answer; in part where it beats the words at all."""
    words = run.claims["above-words"]
    if words.supported and run.claims["above-answer"].supported:
        return "Yes"
    return "In part" if words.evidence.ends[0] > 0 else "Not shown"
