"""Does a model know, before it speaks, whether it will follow an instruction, and does that
knowledge matter?

Instructions that a program can check, crossed with tasks and phrasings, are answered greedily. A
logistic probe reads success off the residual stream at the prompt's last token, in the middle of
the answer and at its end; states are centred and scores compared within a kind of instruction,
tasks are held out, then whole kinds. The probe's direction is then added to the stream while
prompts that failed are answered again, beside random directions of the same length, with an eye on
the perplexity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from inscape.charts import null_distribution
from inscape.control import isotropic
from inscape.core import Measured, group_codes, group_folds
from inscape.model import Model, as_users
from inscape.outcomes import generations
from inscape.outcomes.instruction_answers import (
    TOKENS,
    InstructionAnswers,
    Steered,
    followed,
    success_rates,
)
from inscape.probing import areas_within, chance_within, success_direction, within
from inscape.probing.detectors import AT, detect, only, states
from inscape.store.harvest import harvest
from inscape.study import Card, Claim, Needs, Run, Settings, opened, setting
from inscape.worlds import instructions

CARD = Card(
    slug="instruction-following-direction",
    title="Do LLMs “know” internally when they follow instructions?",
    authors="Heo, Heinze-Deml, Elachqar, Chan, Ren, Nallasamy, Miller and Narain",
    year=2024,
    arxiv="2410.14516",
    room="read",
    claim="A direction of the states before the first word predicts whether an instruction will be "
    "followed, on held-out tasks; steering along it makes a model follow more often than along "
    "random directions, and the text stays good.",
    reproduced="Five checkable instructions, 40 tasks, three phrasings, one sentence each, "
    "answered greedily. Logistic probes within the kind of instruction by layer at three tokens, "
    "tasks or kinds held out; failures answered again with the direction added, whose site and "
    "strength are chosen on other tasks.",
    controls=(
        "labels shuffled by task, within the kind of instruction",
        "length and phrasing of the prompt",
        "random directions of the same length",
        "perplexity of the new answers under the baseline model",
    ),
    claims={
        "before": Claim(
            text="A probe reads success before the answer begins, tasks held out",
            at_least=0.65,
            null="labels shuffled within kinds",
        ),
        "above-words": Claim(
            text="It reads success better than the prompt's length and phrasing do",
            at_least=0.05,
            over="length and phrasing",
        ),
        "steering": Claim(
            text="Steered along the direction, failures become successes more often than along 95 "
            "% of random directions",
            at_least=0.01,
            null="random directions",
        ),
        "perplexity": Claim(
            text="The steered answers are no worse text",
            at_most=0.1,
            weaker="The perplexity of the answers under the model itself; in the paper a larger "
            "model grades them.",
            why="Of the new answers against the old ones, under the baseline model.",
        ),
    },
    # an answer that the toy would not have given is one that it finds unlikely: the guard sees it
    tiny={
        "before": "supported",
        "above-words": "supported",
        "steering": "supported",
        "perplexity": "not supported",
    },
    answer="{model} {before:knows in part|may know in part|hardly knows} before it answers whether "
    "it will follow an instruction: within a kind of instruction, tasks held out, AUC is "
    "{before:.2f} (length and phrasing: {words:.2f}).{moved}",
    differs="The authors centre states over all instructions together, so that a probe may learn "
    "which are easy; here states are centred and scores compared within a kind. They fit the "
    "direction on the prompts that they answer again, and add it at every token, in a layer set by "
    "hand; here it comes from other tasks, which also choose layer and strength, and is added at "
    "the prompt's last token and after it.",
    group_note="A group is a task (a topic), with all its instructions and phrasings; then a kind "
    "of instruction.",
    negative="Steering does not help SmolLM2-135M: no more failures become successes along the "
    "direction than along random ones or against it. Kinds followed less than a tenth of the time "
    "are left out of steering.",
    minutes={"tiny": 0.3, "small": 7, "full": 60},
    figure="layers",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("instructions", "prompts: columns kind, word, task, phrasing")
    count: int = setting(40, "tasks of the built-in prompts")
    tokens: int = setting(40, "tokens generated at most")
    stop: str = setting("", "characters that end an answer")
    chat: bool = setting(True, "put prompts into the model's chat template, if it has one")
    sites: str = setting("resid_post.2::3", "sites a probe may choose from")
    folds: int = setting(5, "folds of whole tasks")
    shuffles: int = setting(39, "label shuffles of the null")
    steered: int = setting(30, "failures that are answered again; half as many to choose with")
    able: float = setting(0.1, "least success of a kind, on other tasks, for it to be steered")
    draws: int = setting(39, "random directions")
    steer_at: tuple[str, ...] = setting(
        ("resid_post.11", "resid_post.17", "resid_post.23"),
        "those of the sites tried on other tasks",
    )
    guard: float = setting(1.1, "how many times perplexity may be its own in what is chosen")
    strengths: tuple[float, ...] = setting(
        (1.0, 2.0, 4.0),
        "tried on other tasks; in distances between the means of success and failure",
    )


PRESETS = {
    "tiny": Config(
        model="world:obedience",
        data="world:obedience",
        tokens=1,
        stop=".",
        sites="resid_post.*",
        folds=3,
        steer_at=("resid_post.0", "resid_post.1"),
        guard=1e9,
    ),
    "small": Config(),
    "full": Config(
        model="HuggingFaceTB/SmolLM2-1.7B-Instruct",
        sites="resid_post.*",
        shuffles=99,
        steered=200,
        draws=100,
    ),
}

BEFORE = TOKENS["first"]
SHUFFLED, WORDS = "labels shuffled within kinds", "length and phrasing"
ALONG, AGAINST, RANDOM = "along the direction", "against it", "random directions"
POINT, ONE = f"95 % point of {RANDOM}", "a random direction"


def run(config: Config, run: Run) -> None:
    """Answer, read, hold kinds out, steer."""
    built = {"instructions": lambda: instructions(config.count)}
    needs = Needs(columns=("kind", "word", "task", "phrasing"), group="task")
    model, prompts, _ = opened(config, run, needs, built)
    run.asked(
        f"Does {model.name} know before it answers whether it will follow an instruction, and does "
        "that matter?"
    )
    texts = as_users(model, prompts.texts()) if config.chat else prompts.texts()
    with run.progress("answer", total=len(texts), unit="prompts") as bar:
        made = generations(model, texts, config.tokens, stop=config.stop, advance=bar.advance)
    said = [first for first, *_ in made]
    rates = success_rates(prompts, followed(prompts.frame, said))
    run.table("success", rates, "How often each instruction is followed, in each phrasing.")
    answers = InstructionAnswers.of(prompts, texts, said)
    store = harvest(model, answers.examples, config.sites, at="spans:" + ",".join(TOKENS))
    every = dict(states(store, model, answers.examples, list(TOKENS)))
    _read(config, run, model, answers, every)
    _steer(config, run, model, answers, every)


def _read(
    config: Config,
    run: Run,
    model: Model,
    answers: InstructionAnswers,
    every: dict[str, np.ndarray],
) -> None:
    """AUC within a kind of instruction, tasks held out; the same with kinds held out."""
    right, groups, kinds = answers.right, answers.groups, group_codes(answers.kinds)
    options = {"folds": config.folds, "seed": run.seed, "name": "success"}
    centred = {name: within(x, answers.kinds) for name, x in every.items()}
    with run.progress("detect success", total=len(centred), unit="sites") as bar:
        found = detect(centred, right, groups, progress=lambda *_: bar.advance(), **options)
    areas = {name: only(found, token) for token, name in TOKENS.items()}
    words = within(answers.surface(model), answers.kinds)
    areas[WORDS] = detect({WORDS: words}, right, groups, **options)
    m, layers = areas_within(areas, right, kinds, groups, WORDS)
    before = {n: x for n, x in centred.items() if n.endswith(f"{AT}first")}
    how = {**options, "rng": run.rng("shuffles")}
    with run.progress("shuffle labels", total=config.shuffles, unit="shuffles") as bar:
        chance = chance_within(
            before, right, kinds, groups, config.shuffles, advance=bar.advance, **how
        )
    m.put_statistic(SHUFFLED, *chance, role="null")
    rows = [
        m.value(name, null=SHUFFLED if name == BEFORE else "", where={"read at": name})
        for name in areas
    ]
    # these two belong to no layer
    nowhere, band = {"layer": float("nan")}, rows[0].chance()
    layers.append(m.value(WORDS, where={"read at": WORDS, **nowhere}))
    layers.append(replace(band, name=m.name, null=None, where={"read at": SHUFFLED, **nowhere}))
    run.layers(
        "layers",
        layers,
        "How well success is told from failure within a kind of instruction, tasks held out.",
        series="read at",
        nulls=(SHUFFLED,),
    )
    if kinds.max() > 0:
        options["folds"] = int(kinds.max()) + 1
        apart = detect(before, right, kinds, **options).selected[0]
        rows.append(replace(apart, where={"read at": f"{BEFORE}, whole kinds held out"}))
    run.table("scores", rows, "AUC of the layer chosen inside the training folds.")
    run.claim("before", rows[0])
    run.facts(words=m.value(WORDS).value, moved="")
    run.claim("above-words", m.gain(BEFORE, over=WORDS))


def _steer(
    config: Config,
    run: Run,
    model: Model,
    answers: InstructionAnswers,
    every: dict[str, np.ndarray],
) -> None:
    """The direction of half of the tasks, added while failures of the other half are answered
    again."""
    y, groups = answers.right, answers.groups
    (train, test), _ = group_folds(groups, 2, rng=run.rng("halves"))
    failures, rng = answers.failures(train, config.able), run.rng("random directions")
    noise = isotropic(config.draws, 1, next(iter(every.values())).shape[1], rng=rng)[:, 0]
    known, asked = (rng.permutation(part[failures[part]]) for part in (train, test))
    known, asked = known[: config.steered // 2], asked[: config.steered]
    if not len(known) or not len(asked):
        run.warn("There are too few failures to steer.")
        return
    along = {
        site: success_direction(every[f"{site}{AT}first"], y, groups, answers.kinds, train)
        for site in config.steer_at
    }
    steered = Steered(model, answers, config.tokens, config.stop, run.progress)
    site, strength, tried = steered.choose(known, along, config.strengths, config.guard)
    run.table("strengths", tried, "Tried on failures of the tasks that the direction was found on.")
    step = strength * along[site]
    moves = np.concatenate([step[None], -step[None], np.linalg.norm(step) * noise])
    right, out = steered.ask(asked, moves, site)
    name = "failures that become successes"
    m = Measured(name, groups=groups[asked], unit="share of failures")
    m.put_each({ALONG: right[:, 0], AGAINST: right[:, 1]})
    m.put(RANDOM, right[:, 2:].T, role="null")
    caption = f"{len(asked)} failures answered again at strength {strength:g}, at {site}."
    shown = [m.value(n, null=RANDOM, where={"moved": n}) for n in (ALONG, RANDOM, AGAINST)]
    run.show("steering", shown, f"{caption} Tick: mean of the random directions.", by="moved")
    drawn = pd.DataFrame({"value": [d.value for d in m.conditions[RANDOM].draws]})
    chart = null_distribution(drawn, shown[0].value, null=RANDOM, value=name)
    run.figure("random", chart, "Each random direction, and the probe's.")
    m.put_quantile(POINT, RANDOM, 0.95)
    run.claim("steering", m.gain(ALONG, over=POINT, null=RANDOM))
    said = {ALONG: [o[0] for o in out], ONE: [o[2] for o in out]}
    run.claim("perplexity", steered.rise(asked, said, ALONG, ONE))
    run.facts(
        moved=" Moved along that direction, failures become successes "
        "{steering:more often than|no more often than} under 95 % of random directions "
        "({steering:+.0%}), and perplexity changes "
        "by {perplexity:+.0%}.".format_map(run.claims)
    )
