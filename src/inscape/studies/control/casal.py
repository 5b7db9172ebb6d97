"""Can a network be taught to say that it does not know by one MLP that holds what steering would put in its place?

Each question is answered several times; what is mostly right is known. At the last token of a layer chosen on training rows,
v is the mean state of unknown questions less that of known ones. Steering adds v where the model should abstain and takes it
away where it should answer, but must be told which is which; one MLP is trained, by regression alone, to give the steered
residual by itself. Counted are confident wrong answers, about people and in a relation that neither v nor the training has
seen, beside adapters taught the wanted words on the same questions, random vectors and shuffled labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Bool

from inscape.charts.bars import values_by_group
from inscape.charts.curves import curves
from inscape.charts.heatmap import matrix as heatmap
from inscape.control.contrast_vectors import difference_of_means
from inscape.control.low_rank_adapter import low_rank_adapters, merged
from inscape.control.random_directions import isotropic
from inscape.control.submodule_training import (
    Regression,
    Retrained,
    contrastive_targets,
    regression,
    train_submodule,
)
from inscape.control.train_adapters import lessons, train_adapters
from inscape.core.errors import DataError, StudyError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.folds import group_codes
from inscape.core.nulls import permutations
from inscape.core.rng import child_seed, torch_generator
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.store.generations import generations
from inscape.study.abstention import RIGHT, SAID, WRONG, Judge, shifted
from inscape.study.card import Card
from inscape.study.run import Run
from inscape.study.shares import Shares, bars
from inscape.study.steering_choice import Choice, choose
from inscape.worlds.asked_facts import asked_facts
from inscape.worlds.known_facts import ABSTAIN, known_facts

CARD = Card(
    slug="casal",
    title="Hallucination reduction with CASAL: Contrastive Activation Steering For Amortized Learning",
    authors="Yang, Qiu, Yu, Zhang, Yang, Kokhlikyan, Cancedda and Garcia-Olano",
    year=2025,
    arxiv="2510.02324",
    room="control",
    claim="A model that has a sense of what it knows can be made to say so by training one sub-module of one layer to give "
    "the residual that steering would: fewer confident wrong answers, hardly a known one lost, and no hook.",
    reproduced="A four-block Llama that was told facts about some people and rumours about others, with a word for not "
    "knowing; known and unknown are labelled from five sampled answers, and known exactly. One MLP is trained on half of "
    "the people and all relations but one, and judged on the other half and on that relation; adapters of rank 8 on every "
    "query, value and MLP output are taught the wanted words on the same questions. No pretrained model is studied here.",
    controls=(
        "random vectors of the same length, trained in as the real one",
        "known and unknown shuffled by person, for the vector and for the targets, the vector made as long",
        "steering that is told which questions are unknown, and steering of every question alike",
        "low-rank adapters trained on the same questions",
    ),
    bar="Confident wrong answers on unknown questions fall by at least 30 % with at most 5 points of accuracy on known ones "
    "lost, on people held out and on a relation held out; the fall is at least 80 % of steering's; random "
    "vectors and shuffled labels change them by at most 10 %.",
    group_note="A group is a person: none is in training and test. The relation held out is in neither training nor choice.",
    negative="Random vectors are not always harmless. Small, seed 0, strength 2: they change 14 % of the wrong answers on "
    "average, one draw 63 % (seeds 1 and 2, strength 1: 2 and 4 %); in 64 coordinates no random vector is quite "
    "orthogonal to the real one. Adapters on the same questions take all wrong answers away, at 11, 3 and 6 points of known "
    "accuracy (seeds 0 to 2). In SmolLM2-135M it does not work (preset smollm2, 23 known test questions): 17 % fewer wrong "
    "answers on people held out, 12 and 57 points of known accuracy lost, as much moved by random vectors. The paper's "
    "saving in data and computing is not measured.",
    minutes={"tiny": 0.3, "small": 2, "smollm2": 6, "full": 60},
    figure="fall",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="known-facts",
        metadata={"help": "what to open; 'known-facts' is trained on the spot"},
    )
    data: str = field(
        default="known-facts",
        metadata={
            "help": "questions: columns prompt, answers (a|b), relation, subject (the group); or asked-facts"
        },
    )
    people: int = field(
        default=60, metadata={"help": "known people of the toy world, and as many strangers"}
    )
    relations: int = field(default=8, metadata={"help": "relations of the toy world"})
    width: int = field(default=64, metadata={"help": "of the toy network"})
    training: int = field(default=700, metadata={"help": "steps of training the toy network"})
    held: str = field(default="", metadata={"help": "relation held out; the last one if none"})
    abstain: tuple[str, ...] = field(
        default=(ABSTAIN,),
        metadata={"help": "words that say that it is not known; adapters are taught the first"},
    )
    samples: int = field(default=5, metadata={"help": "answers sampled for each question"})
    temperature: float = field(default=1.0, metadata={"help": "of the samples"})
    tokens: int = field(default=1, metadata={"help": "tokens of an answer at most"})
    stop: str = field(default=".\n", metadata={"help": "characters that end an answer"})
    sites: str = field(default="resid_post.*", metadata={"help": "layers that may be chosen"})
    strengths: tuple[float, ...] = field(
        default=(1.0, 2.0, 3.0), metadata={"help": "strengths that may be chosen"}
    )
    submodule: str = field(
        default="mlp", metadata={"help": "what is trained: mlp, attention, or a path in the block"}
    )
    steps: int = field(
        default=300, metadata={"help": "of training the sub-module, each on 128 rows"}
    )
    rate: float = field(default=1e-3, metadata={"help": "highest learning rate of the sub-module"})
    adapted: tuple[str, ...] = field(
        default=("*.q_proj", "*.v_proj", "*.down_proj"), metadata={"help": "layers with adapters"}
    )
    rank: int = field(default=8, metadata={"help": "of the adapters"})
    adapter_steps: int = field(default=150, metadata={"help": "of training adapters"})
    adapter_batch: int = field(
        default=32, metadata={"help": "questions a step of training adapters"}
    )
    adapter_rate: float = field(
        default=3e-3, metadata={"help": "highest learning rate of the adapters"}
    )
    draws: int = field(default=20, metadata={"help": "random vectors, and shuffles of the labels"})


PRESETS = {
    "tiny": Config(
        people=30,
        relations=8,
        width=48,
        training=300,
        strengths=(1.0, 2.0),
        steps=150,
        adapter_steps=60,
        draws=3,
    ),
    "small": Config(),
    "smollm2": Config(
        model="smollm2-135m",
        data="asked-facts",
        held="country",
        tokens=4,
        sites="resid_post.16:27:5",
        strengths=(1.0, 3.0),
        rate=3e-4,
        steps=200,
        adapter_steps=40,
        adapter_batch=8,
        adapter_rate=1e-3,
        draws=2,
    ),
    "full": Config(
        model="meta-llama/Llama-3.1-8B-Instruct",
        data="questions.csv",
        tokens=12,
        abstain=("I don't know", "unknown"),
        strengths=(1.0, 2.0, 4.0),
        rate=1e-4,
        steps=1000,
        adapter_steps=1000,
        adapter_rate=3e-4,
    ),
}

AS_IS, TOLD, ALL, CASAL, ADAPTERS = (
    "as it is",
    "steered, told which",
    "steered, all alike",
    "CASAL",
    "adapters",
)
RANDOM, SHUFFLED = "CASAL, random vectors", "CASAL, labels shuffled"
HERE, HELD = "people held out", "relation held out"


@dataclass(frozen=True, eq=False)
class Asked:
    """Questions and what is known of them.

    Attributes:
        model: the model as it is.
        judge: tells answers apart.
        questions: all of them.
        unknown: which are labelled so, from samples.
        train: rows that are trained on.
        test: name of the test → its rows.
    """

    model: Model
    judge: Judge
    questions: Examples
    unknown: Bool[np.ndarray, " n"]
    train: np.ndarray
    test: Mapping[str, np.ndarray]

    @property
    def judged(self) -> np.ndarray:
        """Rows of all tests."""
        return np.concatenate(list(self.test.values()))


def run(config: Config, run: Run) -> None:
    """Label, choose, steer, train, compare."""
    model, questions = _open(config, run)
    run.certificate(model.certificate)
    run.asked(
        f"Can {model.name} be trained to abstain where it does not know, by one sub-module and no words?"
    )
    asked = _label(config, run, model, questions)
    best = _choose(config, run, asked)
    said = _conditions(config, run, asked, best)
    _show(config, run, asked, said)
    _judge(config, run, asked, said, best.layer)


def _open(config: Config, run: Run) -> tuple[Model, Examples]:
    if "known-facts" in (config.model, config.data):
        if config.model != config.data:
            raise StudyError(
                "the toy model knows toy people only; ask for known-facts as model and data, or as neither."
            )
        world = known_facts(
            config.people, config.relations, 6, config.width, config.training, run.seed
        )
        told, misled = 100 * world.accuracy, 100 * world.misled
        run.log(
            "the toy network says %.0f %% of what it was told and is misled about strangers in %.0f %%",
            told,
            misled,
        )
        return world.model, world.questions
    questions = (
        asked_facts(seed=run.seed)
        if config.data == "asked-facts"
        else load(config.data, group="subject")
    )
    missing = [c for c in ("answers", "relation") if c not in questions.frame]
    if missing:
        raise DataError(
            f"the questions need columns answers and relation; {' and '.join(missing)} is missing."
        )
    return open(config.model), questions


def _label(config: Config, run: Run, model: Model, questions: Examples) -> Asked:
    """Known is what is right in most samples."""
    with run.progress("sample answers", total=len(questions), unit="questions") as bar:
        seed = child_seed(run.seed, "samples")
        made = generations(
            model,
            questions.texts(),
            config.tokens,
            samples=config.samples,
            stop=config.stop,
            temperature=config.temperature,
            seed=seed,
            advance=bar.advance,
        )
    judge = Judge(config.abstain, config.tokens, config.stop)
    right = np.stack(
        [judge.said(questions, [m[k].text for m in made])[RIGHT] for k in range(config.samples)]
    )
    unknown = right.mean(axis=0) < 0.5
    train, test = _split(questions, unknown, config.held, run.rng("people"))
    if "known" in questions.frame:
        same = float(np.mean(unknown == (questions.frame["known"].to_numpy() == 0)))
        run.text(
            "labels",
            f"Labels from {config.samples} samples agree with what was told in {same:.1%} of the questions.",
        )
    return Asked(model, judge, questions, unknown, train, test)


def _split(
    questions: Examples, unknown: Bool[np.ndarray, " n"], held: str, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """People are dealt to training and test; one relation, the last if none is named, is in the test alone."""
    relation, groups = (
        questions.frame["relation"].astype(str).to_numpy(),
        group_codes(questions.groups()),
    )
    held = held or str(relation[-1])
    if held not in relation or len(set(relation)) < 2:
        names = ", ".join(sorted(set(relation)))
        raise DataError(
            f"there is no relation {held!r} to hold out beside another one; there are: {names}."
        )
    half = rng.permutation(int(groups.max()) + 1) % 2 == 0
    train = np.flatnonzero(half[groups] & (relation != held))
    new = ~np.isin(groups, groups[train])
    test = {
        HERE: np.flatnonzero(new & (relation != held)),
        HELD: np.flatnonzero(new & (relation == held)),
    }
    for name, rows in {"training": train, **test}.items():
        if unknown[rows].all() or not unknown[rows].any():
            raise DataError(
                f"{name}: the {len(rows)} questions are all known or all unknown to the model; ask others."
            )
    return train, test


def _choose(config: Config, run: Run, asked: Asked) -> Choice:
    """The layer and strength at which steering does best inside the training rows, and v there."""
    train, sites = asked.questions.take(asked.train), asked.model.select(config.sites)
    with run.progress("choose a layer", total=len(sites), unit="layers") as bar:
        best = choose(
            asked.model,
            asked.judge,
            train,
            asked.unknown[asked.train],
            config.sites,
            config.strengths,
            seed=run.seed,
            advance=bar.advance,
        )
    rows = best.tried[best.tried["strength"] == best.strength]
    parts = [
        rows.assign(series=name, value=rows[c])
        for c, name in (("good", "good answers"), ("AUC", "AUC along v"))
    ]
    lines = pd.concat(parts).rename(columns={"layer": "x"})[["series", "x", "value"]]
    run.figure(
        "choice",
        curves(lines, x="layer", y="share, AUC", points=True),
        "Training rows only, people and a relation left out of v: share of good answers (unknown questions abstained "
        f"from, known ones answered rightly) under steering of strength {best.strength:g} that is told which is "
        f"which; and how well v tells them apart. Chosen: layer {best.layer}.",
    )
    run.table("choice", best.tried, "The same for every strength.")
    return best


def _conditions(
    config: Config, run: Run, asked: Asked, best: Choice
) -> dict[str, list[np.ndarray]]:
    """What is said to every question of the tests, (3, n), under each condition; several draws of the controls."""
    layer, strength, v, _ = best
    site, tested, u = (
        f"resid_post.{layer}",
        asked.questions.take(asked.judged),
        asked.unknown[asked.judged],
    )
    y, train = asked.unknown[asked.train], asked.questions.take(asked.train)
    data = regression(asked.model, train.texts(), layer, config.submodule)
    h = data.residual.double().numpy()
    size, rng = np.linalg.norm(v), run.rng("controls")
    random = isotropic(config.draws, 1, len(v), rng=rng)[:, 0]
    orders = permutations(len(y), config.draws, rng=rng, groups=train.groups())
    shift = strength * np.where(u, 1.0, -1.0)[:, None] * v
    ask = asked.judge.ask
    said = {
        AS_IS: [ask(asked.model, tested)],
        TOLD: [ask(asked.model, tested, shifted(site, shift))],
        ALL: [ask(asked.model, tested, shifted(site, strength * np.tile(v, (len(u), 1))))],
    }
    shuffles = [(y[o], difference_of_means(h[None], y[o].astype(int))[0]) for o in orders]
    jobs = [
        (CASAL, y, v),
        *((RANDOM, y, r) for r in random),
        *((SHUFFLED, z, w) for z, w in shuffles),
    ]
    with run.progress("train", total=len(jobs) + 1, unit="models") as bar:
        for number, (name, labels, vector) in enumerate(jobs):
            targets = contrastive_targets(
                data.residual, labels, vector * (size / np.linalg.norm(vector)), strength
            )
            found = train_submodule(
                data,
                targets,
                steps=config.steps,
                rate=config.rate,
                rng=run.rng("train", str(number)),
            )
            made = found.put_into(asked.model)
            said.setdefault(name, []).append(ask(made, tested))
            if name == CASAL:
                _kept(config, run, data, found, made, train)
            bar.advance()
        said[ADAPTERS] = [ask(_adapted(config, run, asked, train, y), tested)]
        bar.advance()
    return said


def _kept(
    config: Config, run: Run, data: Regression, found: Retrained, made: Model, train: Examples
) -> None:
    """What the regression promised, asked of the model itself."""
    again = regression(made, train.texts(), data.layer, config.submodule).residual
    off = float((again - found.promised).norm() / (found.promised - data.residual).norm())
    count = sum(w.numel() for w in found.weights.values())
    run.text(
        "promised",
        f"The sub-module is {data.trained}, {count:,} weights. On its {len(train)} training questions the "
        f"regression leaves {found.left:.1%} of the squared distance to the targets; inside the model the residual is "
        f"what was promised, to {off:.1g} of the way it moved.",
    )


def _adapted(config: Config, run: Run, asked: Asked, train: Examples, unknown: np.ndarray) -> Model:
    """The usual way: adapters taught the wanted words on the same questions."""
    prompts, answers = train.texts(), train.frame["answers"].astype(str)
    wanted = [
        config.abstain[0] if u else a.split("|")[0] for u, a in zip(unknown, answers, strict=True)
    ]
    words = [
        w if p.endswith((" ", "\n")) else f" {w}" for p, w in zip(prompts, wanted, strict=True)
    ]
    batches = lessons(
        asked.model,
        prompts,
        words,
        config.adapter_steps,
        config.adapter_batch,
        rng=run.rng("lessons"),
    )
    stream = torch_generator(run.seed, "adapters")
    adapters = low_rank_adapters(asked.model, config.adapted, config.rank, generator=stream)
    losses = train_adapters(asked.model, adapters, batches, rate=config.adapter_rate)
    count = sum(p.numel() for p in adapters.parameters)
    run.log("adapters: %d weights, loss %.2f, then %.2f", count, losses[0], losses[-1])
    return merged(asked.model, adapters)


def _part(asked: Asked, test: str, unknown: bool) -> np.ndarray:
    """Which of the judged rows are of a test and known, or not."""
    where = np.repeat(list(asked.test), [len(rows) for rows in asked.test.values()])
    return np.flatnonzero((where == test) & (asked.unknown[asked.judged] == unknown))


def _measured(
    run: Run, asked: Asked, said: Mapping[str, list[np.ndarray]], name: str, test: str
) -> dict[str, Evidence]:
    """Of one condition (the mean over its draws): the fall of confident wrong answers, and the accuracy lost."""
    groups, out = asked.questions.groups()[asked.judged], {}
    for what, k, unknown in (("fall", WRONG, True), ("lost", RIGHT, False)):
        rows = _part(asked, test, unknown)
        shares = Shares(groups[rows], run.rng("bootstrap", test, what))
        before = said[AS_IS][0][k][rows].astype(np.float64)
        whole = before if what == "fall" else np.ones(len(rows))
        parts = {n: [before - s[k][rows] for s in said[n]] for n in (name, SHUFFLED)}
        draws = np.array([shares.value(p, whole) for p in parts[SHUFFLED]])
        title = (
            "fall of confident wrong answers"
            if what == "fall"
            else "accuracy on known questions lost"
        )
        where = {"condition": name, "test": test}
        mean = np.mean(parts[name], axis=0)
        out[what] = shares.evidence(
            title, mean, whole, draws=draws, kind=SHUFFLED, unit="share", where=where
        )
    return out


def _show(config: Config, run: Run, asked: Asked, said: Mapping[str, list[np.ndarray]]) -> None:
    cells, rows = [], []
    for test in asked.test:
        for unknown in (False, True):
            part = _part(asked, test, unknown)
            for name in said:
                for k, word in enumerate(SAID):
                    if unknown and word == "right":
                        continue  # a question is unknown because it is hardly ever right
                    share = float(np.mean([s[k][part].mean() for s in said[name]]))
                    column = f"{'unknown' if unknown else 'known'}, {word}"
                    cells.append(
                        {
                            "row": name,
                            "column": column,
                            "value": share,
                            "test": test,
                            "n": len(part),
                        }
                    )
    frame = pd.DataFrame(cells)
    for test, slug in ((HERE, "people"), (HELD, "relation")):
        chart = heatmap(frame[frame["test"] == test], value="share", domain=(0.0, 1.0), cell=74)
        counts = [len(_part(asked, test, unknown)) for unknown in (False, True)]
        run.figure(
            f"said-{slug}",
            chart,
            f"What is said, {test}: {counts[0]} known and {counts[1]} unknown questions. "
            f"Controls: mean over {config.draws} draws.",
        )
    for test in asked.test:
        rows += [
            e
            for name in said
            if name != AS_IS
            for e in _measured(run, asked, said, name, test).values()
        ]
    shown = [e for e in rows if e.name.startswith("fall") and e.where["test"] == HERE]
    run.figure(
        "fall",
        values_by_group(
            bars(shown, "condition"), value="fall of confident wrong answers", unit="share"
        ),
        "Confident wrong answers on unknown questions, people held out: by what share they fall. Tick: mean with "
        "labels shuffled.",
    )
    run.table(
        "measured",
        table(rows),
        "Fall of confident wrong answers on unknown questions; accuracy lost on known ones.",
    )


def _judge(
    config: Config, run: Run, asked: Asked, said: Mapping[str, list[np.ndarray]], layer: int
) -> None:
    for test, slug in ((HERE, ""), (HELD, "-held")):
        found = _measured(run, asked, said, CASAL, test)
        run.claim(f"fall{slug}", f"Confident wrong answers fall, {test}", found["fall"], 0.3)
        run.claim(
            f"known{slug}",
            f"and known questions stay known, {test}",
            found["lost"],
            0.05,
            "at most",
        )
    rows = _part(asked, HERE, True)
    wrong = {name: [s[WRONG][rows].astype(np.float64) for s in said[name]] for name in said}
    shares = Shares(asked.questions.groups()[asked.judged][rows], run.rng("bootstrap", "steering"))
    before = wrong[AS_IS][0]
    steered = before - wrong[TOLD][0]
    null = np.array([shares.value(before - w, steered) for w in wrong[SHUFFLED]])
    part = shares.evidence(
        "fall, of that under steering",
        before - wrong[CASAL][0],
        steered,
        draws=null,
        kind=SHUFFLED,
        unit="share",
    )
    run.claim(
        "steering",
        "The fall is most of what steering does that is told which questions are unknown",
        part,
        0.8,
    )
    for name, slug in ((RANDOM, "random"), (SHUFFLED, "shuffled")):
        changes = np.array([shares.value(before - w, before) for w in wrong[name]])
        change = Evidence(
            f"mean |change| over {config.draws} draws",
            float(np.abs(changes).mean()),
            (float(np.abs(changes).min()), float(np.abs(changes).max())),
            Null.of("no training", [0.0]),
            n=len(rows),
            unit="share",
            level=1.0,
        )
        run.claim(
            slug,
            f"{name}: confident wrong answers hardly change",
            change,
            0.1,
            "at most",
            why="The interval is from the least to the most changed draw.",
        )
    run.answer(_answer(run, asked, said, layer))


def _answer(run: Run, asked: Asked, said: Mapping[str, list[np.ndarray]], layer: int) -> str:
    by = {c: claim.value for c, claim in run.claims.items()}
    passed = all(run.claims[c].passed for c in ("fall", "known", "fall-held", "known-held"))
    taught = [_measured(run, asked, said, ADAPTERS, t) for t in asked.test]
    wanted = [taught[i][what].value for what in ("fall", "lost") for i in range(2)]
    return (
        f"{'Yes' if passed else 'Not as asked'}: one sub-module of block {layer}, trained by regression alone, takes away "
        f"{by['fall']:.0%} of the confident wrong answers about people held out and {by['fall-held']:.0%} in the relation "
        f"held out, at a cost of {100 * by['known']:z.0f} and {100 * by['known-held']:z.0f} points of accuracy on what is "
        f"known; that is {by['steering']:.0%} of what steering does when it is told which questions are unknown. Adapters "
        f"taught the wanted words on the same questions take away {wanted[0]:.0%} and {wanted[1]:.0%}, at a cost of "
        f"{100 * wanted[2]:z.0f} and {100 * wanted[3]:z.0f} points. Random vectors change {by['random']:.0%}, shuffled "
        f"labels {by['shuffled']:.0%}."
    )
