"""Where, and for how long, does a language model represent a feeling that a text arouses but does
not name?

Every setting has seven situations, one for each of seven emotions, and no feeling is named. The
residual stream at the last token is read by a multinomial logistic probe at every layer, whole
settings held out, so that words of a setting were never seen. Beside it are a bag of words, the
mean of the token embeddings, an untrained copy, shuffled labels, and the model's own answer. Then
neutral text is appended to the situations and the probe is fitted anew at growing distances; the
system prompt is changed; and distances between class centroids are compared with the circle of
affect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer

from inscape.charts import cells, curves, score_by_layer
from inscape.charts import matrix as heatmap
from inscape.compare import class_distances, class_plane
from inscape.core import Measured, child_seed
from inscape.data import Examples
from inscape.data.neutral import DESCRIPTION
from inscape.data.sets.emotions import CIRCLE
from inscape.model import Model
from inscape.outcomes import ChatQuestion
from inscape.probing import (
    ClassScores,
    ClassTask,
    above_last,
    chance_scores,
    chosen,
    every,
    predicted,
    taken_across,
    thinned,
    thinned_states,
)
from inscape.probing.frames import SHUFFLED, by_layer, layer_of, shuffled_band
from inscape.probing.persistence import FITTED, persistence, persistence_lines
from inscape.probing.sweep import SweepResult
from inscape.read import trailing
from inscape.store.harvest import harvest
from inscape.store.store import Store
from inscape.study import Card, Claim, Needs, Run, Settings, opened, setting
from inscape.worlds.feelings import EMPTY, MANNERS

CARD = Card(
    slug="emotion-probes",
    title=(
        "Decoding Emotion in the Deep: A Systematic Study of How LLMs Represent, Retain, and "
        "Express Emotion"
    ),
    authors="Zhang and Zhong",
    year=2025,
    arxiv="2510.04064",
    room="read",
    claim=(
        "The emotion of a text can be read linearly from a language model's hidden states, best "
        "in the middle layers and better than the model says it when asked; system prompts shift "
        "it, and it stays for hundreds of tokens."
    ),
    reproduced=(
        "420 situations written for this study, seven emotions in each of 60 settings, none of "
        "them named, read at the last token of SmolLM2-135M-Instruct by a logistic probe a "
        "layer; the same with the feeling named; an MLP probe; the emotion asked for by its "
        "name; neutral text of up to 200 tokens behind the situations of twelve settings; three "
        "system prompts for these. One model only, where the paper has several sizes; a larger "
        "one can be named with --model."
    ),
    controls=(
        "a bag of words (TF-IDF) under the same probe and folds",
        "the mean of the situation's token embeddings",
        "an untrained copy of the model",
        "labels shuffled among and within settings, the layer chosen anew",
        "the model's own answer: log-probability of the emotions' names, raw or calibrated "
        "as training settings prefer",
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
            text="The layer chosen in training folds is read more accurately than the last layer",
            at_least=0,
            null="shuffled labels",
            why="Every few of the layers, the last among them; the same ones for shuffled labels.",
        ),
        "shuffled": Claim(
            text="With shuffled labels the same procedure is at chance",
            at_least=-0.03,
            at_most=0.03,
            sanity=True,
        ),
        "persists": Claim(
            text=(
                "After 100 neutral tokens (12 in the toy) the emotion is still read at twice "
                "chance or more"
            ),
            at_least=0.2857142857142857,
            null="shuffled labels",
        ),
    },
    answer=(
        "{how}. On held-out settings a linear probe of {model} has a macro-F1 of {best:.2f} at "
        "the layer chosen by inner cross-validation (mostly layer {layer} of 0 to {last}), "
        "against {words:.2f} of a bag of words and {asked:.2f} of the model's own answer; chance "
        "is {chance:.2f}. After {tokens} neutral tokens its accuracy is {persists:.2f} "
        "({persists.verdict} at twice chance)."
    ),
    tiny={
        "above-words": "supported",
        "above-answer": "supported",
        "not-last": "any",  # two blocks that both hold the feeling: which is read better is chance
        "shuffled": "any",  # three shuffles of 140 rows
        "persists": "supported",
    },
    differs=(
        "No code of the authors was found; they read several sizes of models on larger sets of "
        "texts; here one small model reads situations written for the study. That the best layer is "
        "not the last is claimed of the gain in accuracy: by its place alone the best layer lies "
        "before the last for nearly all shuffled labels too."
    ),
    group_note=(
        "A group is a setting: its seven situations share their words and have all seven labels."
    ),
    negative=(
        "After 100 neutral tokens (seed 0, small) the accuracy is 0.36 [0.25, 0.48]: above "
        "chance, but with twelve settings the interval crosses twice chance. The layer that training "
        "folds choose is read no better than the last one (0.72 each): that feelings are read best "
        "before the end is not seen."
    ),
    minutes={"tiny": 0.2, "small": 8, "full": 60},
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
        "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{text}{ask}<|im_end|>\n"
        "<|im_start|>assistant\n",
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
    persist_shuffles: int = setting(39, "label shuffles at the distance of the claim")
    last_shuffles: int = setting(39, "label shuffles of the gain over the last layer", least=2)
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
WORDS, STATIC, ASKED = "bag of words", "token embeddings", "model's own answer"


def run(config: Config, run: Run) -> None:
    """Read every layer, compare, ask, wait, prompt, and place the centroids."""
    model, examples, _ = opened(config, run, Needs(labels="one"))
    task = ClassTask.of(examples, run, folds=config.folds, shuffles=config.shuffles, Cs=config.Cs)
    kinds = ", ".join(task.classes)
    run.asked(
        f"Can the emotion that a situation arouses ({kinds}) be read from {model.name}, though it "
        "is never named?"
    )
    store = harvest(model, examples, "embed, resid_post.*", at=config.at)
    sources = _sources(config, run, model, examples, store)
    names = run.each("probe", sources, "representations")
    found = {name: task.sweep(sources[name]) for name in names}
    thin = {TRAINED: every(store, config.stride), WORDS: sources[WORDS]}
    with run.progress("shuffled labels", total=2 * len(task.orders), unit="shuffles") as bar:
        chance = {name: task.shuffled(x, advance=bar.advance) for name, x in thin.items()}
    best, site = found[TRAINED], chosen(found[TRAINED])
    codes = {name: predicted(result) for name, result in found.items()}
    codes["MLP probe"] = task.mlp(store.matrix(site).astype(np.float64), best.folds)
    question = ChatQuestion(config.chat, config.ask, config.reply)
    how = {"system": config.systems[0], "folds": best.folds}
    codes[ASKED] = question.answers(model, examples, task.classes, task.y, **how)
    _claims(run, task, chance, codes)
    few = task.sweep(thin[TRAINED], shuffles=config.last_shuffles)
    why = f"Of all layers, inner cross-validation mostly chooses layer {layer_of(site)}."
    run.claim("not-last", above_last(few), why=why)
    _profile(run, task, found, chance[TRAINED])
    _persistence(config, run, task, model)
    _systems(config, run, task, model, question)
    _centroids(run, task, store, site)
    words, answer = run.claims["above-words"], run.claims["above-answer"]
    part = "In part" if words.evidence.ends[0] > 0 else "Not shown"
    score = task.scores.value
    run.facts(
        how="Yes" if words.supported and answer.supported else part,
        chance=1 / len(task.classes),
        tokens=config.persists_at,
        layer=layer_of(site),
        last=max(map(layer_of, best.sites)),
        best=score(codes[TRAINED]),
        words=score(codes[WORDS]),
        asked=score(codes[ASKED]),
    )


def _sources(
    config: Config, run: Run, model: Model, examples: Examples, store: Store
) -> dict[str, Any]:
    """The situations in every representation, and with the feeling named."""
    texts, fresh = examples.texts(), model.untrained(child_seed(run.seed, "untrained"))
    words = TfidfVectorizer(sublinear_tf=True).fit_transform(texts).toarray()
    sources: dict[str, Any] = {
        TRAINED: store.matrices,
        UNTRAINED: every(harvest(fresh, examples, "resid_post.*", at=config.at), config.stride),
        WORDS: {"words": words},
        STATIC: {"embed": harvest(model, examples, "embed", at="mean-all").matrix("embed")},
    }
    if "word" in examples.frame:
        pairs = zip(texts, examples.frame["word"], strict=True)
        named = [config.explicit.replace("{text}", t).replace("{word}", w) for t, w in pairs]
        told = harvest(model, examples.with_texts(named), "resid_post.*", at=config.at)
        sources[EXPLICIT] = every(told, config.stride)
    return sources


def _claims(
    run: Run,
    task: ClassTask,
    chance: Mapping[str, list[SweepResult]],
    codes: Mapping[str, np.ndarray],
) -> None:
    """Scores of every representation, and the claims about them."""
    scores, nulls = task.scores, {n: chance_scores(task.scores, s) for n, s in chance.items()}
    nulls[ASKED] = chance_scores(scores, chance[TRAINED], codes[ASKED])
    rows = {
        name: scores.evidence(
            f"macro-F1 of {name}", made, nulls.get(name, nulls[TRAINED]), where={"read from": name}
        )
        for name, made in codes.items()
    }
    run.table(
        "scores",
        list(rows.values()),
        "Held-out settings, layers chosen inside the training folds. The null is the same "
        "procedure on shuffled labels with a layer chosen among every few of them, the trained "
        "model's where a representation has none of its own.",
    )
    own = codes[TRAINED]
    gain = scores.evidence("macro-F1: model − bag of words", own, against=[codes[WORDS]])
    why = f"The bag of words has {rows[WORDS].value:.2f}, the probe {rows[TRAINED].value:.2f}."
    run.claim("above-words", gain, why=why)
    gain = scores.evidence("macro-F1: probe − model's own answer", own, against=[codes[ASKED]])
    why = f"Asked for the emotion's name, the model has {rows[ASKED].value:.2f}."
    run.claim("above-answer", gain, why=why)
    shuffled, k = nulls[TRAINED], len(task.classes)
    m = Measured("macro-F1 with shuffled labels − chance", unit="macro-F1")
    m.put("shuffled labels", shuffled - 1 / k)
    why = f"Mean macro-F1 of {len(shuffled)} shuffles: {shuffled.mean():.3f}; chance is 1/{k}."
    run.claim("shuffled", m.value("shuffled labels"), why=why)


def _profile(
    run: Run, task: ClassTask, found: Mapping[str, SweepResult], chance: list[SweepResult]
) -> None:
    """Accuracy by layer against every control."""
    series = {name: found[name] for name in (TRAINED, EXPLICIT, UNTRAINED) if name in found}
    lines = by_layer(series, {name: found[name] for name in (WORDS, STATIC)})
    frame = pd.concat([lines.drop(columns="target"), shuffled_band(chance)], ignore_index=True)
    run.figure(
        "layers",
        score_by_layer(frame, score="accuracy", chosen=layer_of(chosen(found[TRAINED]))),
        f"Accuracy by layer, whole settings held out; chance is 1/{len(task.classes)}. Layer −1 is "
        "the embedding of the last token. The band of the shuffled labels runs from their least to "
        "their most.",
    )
    shares = task.confusion(found[TRAINED])
    run.figure(
        "confusion",
        heatmap(shares, value="share", row="aroused", column="read", domain=(0, 1)),
        "What is read for each emotion, as shares of its situations.",
    )


def _persistence(config: Config, run: Run, task: ClassTask, model: Model) -> None:
    """The probe fitted anew at every distance, and the one fitted at the text's end applied
    there."""
    rows, at = task.first(config.part), config.persists_at
    texts, sites = task.examples.take(rows), thinned(model, config.stride)
    read = trailing(model, texts, config.filler, config.distances, sites)
    most = max(config.shuffles, config.persist_shuffles)
    shuffles = dict.fromkeys(config.distances, config.shuffles) | {at: most}
    rng = run.rng("persistence", "shuffles")
    with run.progress("persistence", total=len(read), unit="distances") as bar:
        found = persistence(task, rows, read, shuffles, rng=rng, advance=bar.advance)
    run.figure(
        "persistence",
        curves(
            persistence_lines(found),
            x="neutral tokens after the situation",
            y="accuracy",
            nulls=(SHUFFLED,),
            points=True,
        ),
        f"The same neutral text after {len(rows)} situations; accuracy at each distance in tokens, "
        f"whole settings held out. Chance is 1/{len(task.classes)}.",
        found,
    )
    kept = next(e for e in found if e.where == {"tokens": at, "probe": FITTED})
    run.claim("persists", kept, why=f"At a distance of {at} tokens.")


def _systems(
    config: Config, run: Run, task: ClassTask, model: Model, question: ChatQuestion
) -> None:
    """System prompts: accuracy of a probe fitted under another one, and of the model's own
    answer."""
    rows = task.first(config.part)
    part, y = task.examples.take(rows), task.y[rows]
    systems = {f"prompt {i + 1}": system for i, system in enumerate(config.systems)}
    read = {}
    for name, system in systems.items():
        asked = part.with_prompt(question.before(system))
        store = harvest(model, asked, "resid_post.*", at="span:input")
        read[name] = thinned_states(store, config.stride)
    across, said = taken_across(task, rows, read), []
    scores = ClassScores(y, task.groups[rows], "accuracy")
    for name, system in systems.items():
        how = {"system": system, "folds": across.sweeps[name].folds}
        answers = question.answers(model, part, task.classes, y, **how)
        where = {"system prompt": name, "words": system}
        said.append(scores.evidence(f"accuracy of {ASKED}", answers, where=where))
    words = "; ".join(f"{name}: “{system}”" for name, system in systems.items())
    run.figure(
        "systems",
        heatmap(
            cells(across.accuracy, across.names),
            value="accuracy",
            row="probe fitted under",
            column="read under",
            domain=(0, 1),
            cell=90,
        ),
        "Accuracy on held-out settings of probes fitted under one system prompt and read under "
        f"another: {words}.",
    )
    run.table(
        "systems",
        said,
        "What the model itself says under each system prompt. Chance is one seventh.",
    )


def _centroids(run: Run, task: ClassTask, store: Store, site: str) -> None:
    """The classes' centroids at the chosen layer, beside the circle of affect."""
    x = store.matrix(site).astype(np.float64)
    scale = float(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())
    near = class_distances(x, task.y, task.groups, rng=run.rng("centroids")) / scale
    domain = (0, float(near.max()))
    run.figure(
        "centroids",
        heatmap(
            cells(near, task.classes),
            value="squared distance",
            row="emotion",
            column="emotion",
            domain=domain,
            cell=58,
        ),
        f"Cross-validated squared distances between the centroids at {site}, in units of the mean "
        "squared distance of a situation from the mean of all.",
    )
    if set(task.classes) <= set(CIRCLE):
        plane, rng = np.array([CIRCLE[c] for c in task.classes]), run.rng("circle")
        name = "the circle of affect"
        run.table(
            "circle",
            [class_plane(x, task.y, task.groups, plane, rng=rng, name=name)],
            "Rank correlation of these distances with those of the emotions on the circle "
            "of affect (valence and arousal); p by permuting the emotions.",
        )
