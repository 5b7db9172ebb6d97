"""Can a network learn to abstain where it does not know, by training one MLP to give the residual
that steering gives?

Every question is answered several times; it counts as known if most answers are right. At the last
token of a layer chosen on training rows, v is the mean state of unknown questions minus that of
known ones. Steering adds v where the model should abstain and subtracts it where it should answer,
but must be told which is which; one MLP is trained, by regression alone, to give the steered
residual by itself. The outcome is the number of confident wrong answers, about people and in a
relation that neither v nor the training has seen, beside adapters trained on the target words for
the same questions, random vectors and shuffled labels.

    fall = Σ (wrong before − wrong after) / Σ wrong before          over unknown questions,
    intervals over people

Reference: Yang et al. (2025), arXiv:2510.02324.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from inscape.charts import curves
from inscape.charts import matrix as heatmap
from inscape.control import (
    Course,
    contrastive_targets,
    labelled_controls,
    merged,
    regression,
    taught,
    train_submodule,
)
from inscape.core import Evidence, child_seed, table, torch_generator
from inscape.core.measured import FEWEST_DRAWS, Measured
from inscape.model import Model
from inscape.outcomes.abstention import (
    PEOPLE,
    RELATION,
    RIGHT,
    WRONG,
    Judge,
    KnownAndUnknown,
    people_and_relation,
    shares_said,
    shifted,
    unknown_by_samples,
)
from inscape.outcomes.steering_choice import Choice, choose
from inscape.study import (
    Card,
    Claim,
    Condition,
    Intervened,
    Needs,
    Run,
    Settings,
    in_a_word,
    intervene,
    opened,
    setting,
)
from inscape.worlds import asked_facts
from inscape.worlds.known_facts import ABSTAIN

CARD = Card(
    slug="casal",
    title=(
        "Hallucination reduction with CASAL: Contrastive Activation Steering For Amortized "
        "Learning (in a toy network)"
    ),
    authors="Yang, Qiu, Yu, Zhang, Yang, Kokhlikyan, Cancedda and Garcia-Olano",
    year=2025,
    arxiv="2510.02324",
    room="control",
    claim=(
        "A model that represents what it knows can be made to abstain where it does not know, by "
        "training one sub-module of one layer to give the residual that steering would: fewer "
        "confident wrong answers, few known answers lost; no hook needed."
    ),
    reproduced="A four-block Llama trained on facts about some people and rumours about others, "
    "with a word for not knowing; known and unknown are labelled from five sampled answers, and "
    "the truth is known. One MLP is trained on half of the people and all relations but one, and "
    "tested on the other half and on that relation; adapters of rank 8 on every query, value and "
    "MLP output are trained on the target words for the same questions. The claims are on this "
    "toy, not on a pretrained model.",
    controls=(
        "random vectors of the same length, trained in as v is",
        "known and unknown shuffled by person, for the vector and for the targets, the "
        "vector scaled to the same length",
        "steering that is told which questions are unknown, and every question steered alike",
        "low-rank adapters trained on the same questions",
    ),
    claims={
        "fall": Claim(
            text="Confident wrong answers fall on people held out.",
            at_least=0.3,
            null="CASAL, labels shuffled",
            weaker=(
                "A toy network and one relation held out, where the paper has pretrained models."
            ),
        ),
        "known": Claim(text="Few known answers about people held out are lost.", at_most=0.05),
        "fall-held": Claim(
            text="Confident wrong answers fall in the relation held out.",
            at_least=0.3,
            null="CASAL, labels shuffled",
        ),
        "known-held": Claim(
            text="Few known answers in the relation held out are lost.", at_most=0.05
        ),
        "steering": Claim(
            text=(
                "The fall is at least 80 % of that under steering that is told which questions "
                "are unknown."
            ),
            at_least=0.8,
            null="CASAL, labels shuffled",
        ),
        "random": Claim(
            text="Random vectors, trained in the same way, hardly change confident wrong answers.",
            at_most=0.1,
            sanity=True,
        ),
        "shuffled": Claim(
            text="With labels shuffled, confident wrong answers hardly change.",
            at_most=0.1,
            sanity=True,
        ),
    },
    # in so small a network a random or shuffled vector can be near v, and the held relation has few
    # questions
    tiny={
        "fall": "supported",
        "known": "any",
        "fall-held": "any",
        "known-held": "any",
        "steering": "any",
        "random": "any",
        "shuffled": "any",
    },
    answer=(
        "{opening}: one sub-module of block {layer}, trained by regression alone, removes "
        "{fall:.0%} of the confident wrong answers about people held out and {fall-held:.0%} in "
        "the relation held out, at a cost of {known:z.0%} and {known-held:z.0%} of the known "
        "questions; that is {steering:.0%} of what steering by label removes. Adapters trained "
        "on the target words for the same questions remove {adapters}. Random vectors change "
        "{random:.0%}, shuffled labels {shuffled:.0%}."
    ),
    differs=(
        "The authors train LLaMA-, Qwen- and vision models on trivia questions; we train a toy "
        "of four blocks that we taught, add v times the chosen strength at the last token of the "
        "question, and compare with supervised adapters only."
    ),
    seeds=3,
    group_note=(
        "A group is a person: none is in training and test. The relation held out is in neither "
        "training nor choice."
    ),
    negative=(
        "Random vectors are not always harmless. Small, seed 0, strength 2: they change 13 % of "
        "the wrong answers on average, one draw 59 % (seeds 1 and 2, strength 1: 3 and 5 %); in "
        "64 coordinates no random vector is quite orthogonal to the real one. Adapters on the "
        "same questions remove all wrong answers, at 6, 3 and 8 points of known accuracy (seeds "
        "0 to 2). In SmolLM2-135M it does not work (preset smollm2, 23 known test questions): "
        "17 % fewer wrong answers on people held out, 12 and 57 points of known accuracy lost, "
        "as much moved by random vectors. The paper's saving in data and computing is not "
        "measured."
    ),
    minutes={"tiny": 0.3, "small": 1, "smollm2": 8, "full": 60},
    figure="fall",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    model: str = "world:known_facts"
    data: str = setting(
        "world:known_facts",
        "questions: columns prompt, answers (a|b), relation, subject (the group); or asked-facts",
    )
    held: str = setting("", "relation held out; the last one if none")
    abstain: tuple[str, ...] = setting(
        (ABSTAIN,), "words for not knowing; adapters are trained on the first"
    )
    samples: int = setting(5, "answers sampled for each question")
    temperature: float = setting(1.0, "of the samples")
    tokens: int = setting(1, "tokens of an answer at most")
    stop: str = setting(".\n", "characters that end an answer")
    sites: str = setting("resid_post.*", "layers that may be chosen")
    strengths: tuple[float, ...] = setting((1.0, 2.0, 3.0), "strengths that may be chosen")
    submodule: str = setting("mlp", "what is trained: mlp, attention, or a path in the block")
    steps: int = setting(300, "of training the sub-module, each on 128 rows")
    rate: float = setting(1e-3, "highest learning rate of the sub-module")
    adapted: tuple[str, ...] = setting(
        ("*.q_proj", "*.v_proj", "*.down_proj"), "modules with adapters"
    )
    rank: int = setting(8, "of the adapters")
    adapter_steps: int = setting(150, "of training adapters")
    adapter_batch: int = setting(32, "questions a step of training adapters")
    adapter_rate: float = setting(3e-3, "highest learning rate of the adapters")
    draws: int = setting(20, "random vectors, and shuffles of the labels", least=FEWEST_DRAWS)


PRESETS = {
    "tiny": Config(
        model="world:known_facts(people=30, width=48, steps=300)",
        data="world:known_facts(people=30, width=48, steps=300)",
        strengths=(1.0, 2.0),
        steps=150,
        adapter_steps=60,
        draws=5,
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
        draws=5,
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

BASELINE, TOLD, ALL = "baseline", "steered by label", "all steered alike"
CASAL, RANDOM, SHUFFLED = "CASAL", "CASAL, random vectors", "CASAL, labels shuffled"
ADAPTERS = "adapters"


def run(config: Config, run: Run) -> None:
    """Label, choose, steer, train, compare."""
    made = {"asked-facts": lambda: asked_facts(seed=run.seed)}
    needs = Needs(columns=("answers", "relation"), group="subject")
    model, questions, _ = opened(config, run, needs, made)
    run.asked(
        f"Can {model.name} be trained to abstain where it does not know, by one sub-module and no "
        "words?"
    )
    judge = Judge(config.abstain, config.tokens, config.stop)
    with run.progress("sample answers", total=len(questions), unit="questions") as bar:
        unknown = unknown_by_samples(
            model,
            judge,
            questions,
            samples=config.samples,
            temperature=config.temperature,
            seed=child_seed(run.seed, "samples"),
            advance=bar.advance,
        )
    if "known" in questions.frame:
        taught_unknown = questions.frame["known"].to_numpy() == 0
        run.text(
            "labels",
            f"Labels from {config.samples} samples agree with what was taught in "
            f"{np.mean(unknown == taught_unknown):.1%} of the questions.",
        )
    split = people_and_relation(questions, unknown, config.held, run.rng("people"))
    asked = KnownAndUnknown(questions, unknown, *split)
    best = _choose(config, run, model, judge, asked)
    said = intervene(
        run, model, judge.ask, asked.tested, _conditions(config, run, model, asked, best)
    )
    _show(config, run, asked, said)
    _judge(config, run, asked, said, best.layer)


def _choose(config: Config, run: Run, model: Model, judge: Judge, asked: KnownAndUnknown) -> Choice:
    """The layer and strength at which steering does best inside the training rows, and v there."""
    rows, sites = asked.train, model.select(config.sites)
    with run.progress("choose a layer", total=len(sites), unit="layers") as bar:
        best = choose(
            model,
            judge,
            asked.questions.take(rows),
            asked.unknown[rows],
            config.sites,
            config.strengths,
            seed=run.seed,
            advance=bar.advance,
        )
    run.figure(
        "choice",
        curves(best.by_layer(), x="layer", y="share, AUC", points=True),
        "Training rows only, people and a relation left out of v: share of good answers "
        "(abstentions on unknown questions, right answers on known ones) under steering by label "
        f"of strength {best.strength:g}; and AUC of unknown against known along v. Chosen: layer "
        f"{best.layer}. The table has every strength.",
        best.tried,
    )
    return best


def _conditions(
    config: Config, run: Run, model: Model, asked: KnownAndUnknown, best: Choice
) -> list[Condition]:
    """Steering, one sub-module trained to give what it gives, its controls, and adapters."""
    layer, strength, v, _ = best
    y, train = asked.unknown[asked.train], asked.questions.take(asked.train)
    data = regression(model, train.texts(), layer, config.submodule)
    h, groups = data.residual.double().numpy(), train.groups()
    random, shuffled = labelled_controls(v, h, y, groups, config.draws, rng=run.rng("controls"))
    unknown = asked.unknown[asked.rows]
    told, alike = (
        shifted(f"resid_post.{layer}", strength * sign[:, None] * v)
        for sign in (np.where(unknown, 1.0, -1.0), np.ones(len(unknown)))
    )

    def trained(number: int, labels: np.ndarray, vector: np.ndarray) -> Model:
        targets = contrastive_targets(data.residual, labels, vector, strength)
        rng = run.rng("train", str(number))
        found = train_submodule(data, targets, steps=config.steps, rate=config.rate, rng=rng)
        made = found.put_into(model)
        if number == 0:
            again = regression(made, train.texts(), layer, config.submodule).residual
            run.text(
                "promised",
                f"The sub-module is {data.trained}, {found.count:,} weights. On its {len(train)} "
                f"training questions the regression leaves {found.left:.1%} of the squared "
                "distance to the targets; in the model the residual equals the promised one, to "
                f"{found.departure(data.residual, again):.1g} of the distance moved.",
            )
        return made

    ours = [(CASAL, y, v), *((RANDOM, *x) for x in random), *((SHUFFLED, *x) for x in shuffled)]
    return [
        Condition(BASELINE, "reference"),
        Condition(TOLD, "ceiling", told),
        Condition(ALL, "baseline", alike),
        *(
            Condition(
                name,
                "null" if name == SHUFFLED else "treatment",
                model=partial(trained, number, labels, vector),
                expensive=name == SHUFFLED,
            )
            for number, (name, labels, vector) in enumerate(ours)
        ),
        Condition(ADAPTERS, "baseline", model=partial(_adapted, config, run, model, asked)),
    ]


def _adapted(config: Config, run: Run, model: Model, asked: KnownAndUnknown) -> Model:
    """The usual way: adapters trained on the target words for the same questions."""
    course = Course(config.rank, config.adapter_steps, config.adapter_batch, config.adapter_rate)
    adapters, losses = taught(
        model,
        config.adapted,
        asked.questions.take(asked.train).texts(),
        asked.target_words(config.abstain[0]),
        course,
        generator=torch_generator(run.seed, "adapters"),
        rng=run.rng("lessons"),
    )
    count = sum(p.numel() for p in adapters.parameters)
    run.log("adapters: %d weights, loss %.2f, then %.2f", count, losses[0], losses[-1])
    return merged(model, adapters)


def _shares(asked: KnownAndUnknown, said: Intervened, test: str, of: str = "") -> Measured:
    """Confident wrong answers removed, as a share of all of them or of those that `of` removes."""
    rows = asked.part(test, True)
    m = Measured(
        "fall of confident wrong answers",
        groups=asked.tested.groups()[rows],
        unit="share",
        kind="ratio",
        where={"test": test},
    )
    before = said.answers[BASELINE][0][WRONG][rows].astype(float)
    whole = before - said.answers[of][0][WRONG][rows] if of else before
    return said.put(m, lambda answers: before - answers[WRONG][rows], whole, (BASELINE, of))


def _lost(asked: KnownAndUnknown, said: Intervened, test: str) -> dict[str, Evidence]:
    """Accuracy on known questions that each condition loses."""
    rows, name = asked.part(test, False), "accuracy on known questions"
    m = Measured(
        name,
        groups=asked.tested.groups()[rows],
        unit="share",
        direction="lower",
        where={"test": test},
    )
    said.put(m, lambda answers: answers[RIGHT][rows])
    return {
        c: m.fall(c, below=BASELINE, null=SHUFFLED, name=f"{name} lost", where={"condition": c})
        for c in m.conditions
        if c not in (BASELINE, SHUFFLED)
    }


def _show(config: Config, run: Run, asked: KnownAndUnknown, said: Intervened) -> None:
    for test, slug in ((PEOPLE, "people"), (RELATION, "relation")):
        parts = {word: asked.part(test, word == "unknown") for word in ("known", "unknown")}
        run.figure(
            f"said-{slug}",
            heatmap(
                shares_said(said.answers, parts),
                value="share",
                row="condition",
                column="question, answer",
                domain=(0.0, 1.0),
                cell=74,
            ),
            f"Answers, {test}: {len(parts['known'])} known and {len(parts['unknown'])} unknown "
            f"questions. Controls: mean over {config.draws} draws.",
        )
    run.show(
        "fall",
        _shares(asked, said, PEOPLE),
        "Share of confident wrong answers on unknown questions that each condition removes, people "
        "held out. Tick: mean with labels shuffled.",
        null=SHUFFLED,
    )
    rows = [
        e
        for test in asked.test
        for e in (
            *_shares(asked, said, test).evidence(SHUFFLED),
            *_lost(asked, said, test).values(),
        )
    ]
    run.table(
        "measured",
        table(rows),
        "Fall of confident wrong answers on unknown questions; accuracy lost on known ones. "
        "Shuffled labels: the null.",
    )


def _judge(config: Config, run: Run, asked: KnownAndUnknown, said: Intervened, layer: int) -> None:
    for test, slug in ((PEOPLE, ""), (RELATION, "-held")):
        run.claim(f"fall{slug}", _shares(asked, said, test).value(CASAL, null=SHUFFLED))
        run.claim(f"known{slug}", _lost(asked, said, test)[CASAL])
    adapters = [
        f"{_shares(asked, said, test).value(ADAPTERS).value:.0%} at a cost of "
        f"{_lost(asked, said, test)[ADAPTERS].value:z.0%}"
        for test in (PEOPLE, RELATION)
    ]
    opening = in_a_word(claim.verdict for claim in run.claims.values())
    run.facts(opening=opening, layer=layer, adapters=" and ".join(adapters))
    part = _shares(asked, said, PEOPLE, of=TOLD)
    name = "fall, as a share of that under steering by label"
    run.claim("steering", part.value(CASAL, null=SHUFFLED, name=name))
    conditions = _shares(asked, said, PEOPLE).conditions
    changes = {name: [abs(d.value) for d in conditions[name].draws] for name in (RANDOM, SHUFFLED)}
    m = Measured("mean |change| of confident wrong answers", unit="share").put_each(changes)
    for id, name in (("random", RANDOM), ("shuffled", SHUFFLED)):
        run.claim(
            id,
            m.value(name),
            why=f"The interval is over {config.draws} draws; the largest is "
            f"{max(changes[name]):.2f}.",
        )
