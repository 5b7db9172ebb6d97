"""Are a model's logits for linked questions tied by one linear map, and does what it learns follow that map?

The same made-up people are asked for their city, their country, their language and so on. The logits of one question's
answers are mapped linearly to those of another, on some of the people, and scored by Pearson's r on others: for pairs that
the world links, for pairs that it does not, with subjects shuffled, without the first principal component, and towards
random tokens. The map's rows are read: does the row of a city peak at its country? Then the model is taught the cities of a
few people and asked for their countries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from inscape.charts.bars import values_by_group
from inscape.charts.distributions import by_class
from inscape.core.errors import StudyError
from inscape.core.evidence import Beside, table
from inscape.core.jackknife import Jackknife, combine
from inscape.core.measured import Measured
from inscape.core.ridge import ALPHAS
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.read.logit_map import LogitMap, column_pearson, fit_logit_map, without_first_component
from inscape.studies.read.logit_correlation.linked_questions import (
    Question,
    answer_logits,
    each,
    pairs,
    people,
    questions,
)
from inscape.study.card import Card, Claim
from inscape.study.opening import Needs, opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.relations import FOLLOWS, Relations

CARD = Card(
    slug="logit-correlation",
    title="Linear Correlation in LM's Compositional Generalization and Hallucination",
    authors="Peng, An, Hao, Dong and Shang",
    year=2025,
    arxiv="2502.04520",
    room="read",
    claim="A language model's logits for questions whose answers imply each other are tied by a linear map; where the map "
    "agrees with the world, what is taught about one question carries over to the other, and where it does not the model "
    "hallucinates.",
    reproduced="SmolLM2-135M-Instruct, 400 made-up people, twelve authored questions with nine linked pairs; ridge maps "
    "between answers' logits scored on other people; the map from cities to countries read off; 40 people taught a city "
    "each by a few steps on the MLPs' output weights, and asked for their country. The pairing with a base model, larger "
    "vocabularies and the refit from input embeddings alone are not done here.",
    controls=(
        "pairs of questions that nothing links",
        "subjects shuffled between the two questions",
        "both sides without their first principal component",
        "random tokens in place of the second question's answers",
        "the map fitted on shuffled subjects, for what its rows say",
        "other cities' rows, for what follows a city that was taught",
    ),
    claims={
        "linked": Claim(
            text="Logits of linked questions are linearly related",
            at_least=0.5,
            null="subjects shuffled",
        ),
        "above-apart": Claim(
            text="They correlate more than those of unlinked questions",
            at_least=0.2,
            null="subjects shuffled",
        ),
        "precise": Claim(
            text="A city's row has its country among its first",
            at_least=0.3,
            null="subjects shuffled",
        ),
        "carries": Claim(
            text="Training on a person's city raises its country at least twice as much where the "
            "map is right as elsewhere",
            at_least=0.0,
            null="right and wrong shuffled",
            why="The value is the rise where the map is right less twice the rise elsewhere.",
        ),
        "shuffled": Claim(
            text="With shuffled subjects they are not related",
            at_least=-0.1,
            at_most=0.1,
            sanity=True,
        ),
        "imprecise": Claim(
            text="The rows of a map from shuffled subjects do not have it",
            at_most=0.12,
            sanity=True,
        ),
    },
    # the toy has two linked pairs, too few for an interval over pairs, and four countries, so that chance is a quarter; a
    # dozen people are taught, and for which cities the map is right changes with the seed
    tiny={
        "linked": "uncertain",
        "above-apart": "uncertain",
        "precise": "any",
        "carries": "any",
        "shuffled": "any",
        "imprecise": "any",
    },
    differs="The authors take a thousand vocabulary entries for names, least squares without penalty and rows as they are; "
    "here made-up people, ridge, and rows less the mean of their columns. They compare base models with tuned ones.",
    group_note="A group is a person; maps are fitted on some and scored on others. The people taught are of neither.",
    negative="In SmolLM2-135M (seed 0, small) linked pairs stand 0.19 of r above pairs that nothing links; 0.2 was "
    "the bar, and those are at 0.48 too. What is taught of the city raises the country as much where the map is wrong.",
    minutes={"tiny": 0.3, "small": 6, "full": 90},
    figure="pairs",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting(
        "linked-questions", "columns question, template, answer, links; text and group"
    )
    subjects: int = setting(400, "made-up people")
    train: float = setting(0.7, "share of them that maps are fitted on")
    apart: int = setting(9, "pairs that are not linked")
    shuffles: int = setting(199, "maps fitted on shuffled subjects")
    hits: int = setting(5, "columns of a row that count as its first")
    source: str = setting("city", "question whose answers are taught")
    target: str = setting("country", "question that should follow")
    taught: int = setting(40, "people who are taught an answer; 0 to leave teaching out")
    steps: int = setting(12, "steps of teaching")
    rate: float = setting(1e-3, "their learning rate (Adam, on the MLPs' output weights)")


PRESETS = {
    "tiny": Config(
        model="world:relations",
        data="world:relations",
        hits=1,
        apart=4,
        taught=12,
        steps=20,
        shuffles=79,
    ),
    "small": Config(),
    "full": Config(subjects=1000, taught=60, steps=30),
}

LINKED, APART, SHUFFLED = "linked", "not linked", "subjects shuffled"
NO_FIRST, OTHER = "without first component", "random tokens"


def run(config: Config, run: Run) -> None:
    """Ask, map, read the map, teach."""
    model, examples, world = opened(config, run, Needs(world=Relations))
    found = questions(model, examples if world is None else _as_table(world))
    everyone = people(config.subjects + config.taught, rng=run.rng("people"))
    if world is not None:
        subjects = world.examples.frame["subject"].unique()
        everyone = [str(s) for s in run.rng("people").permutation(subjects)]
    names, pupils = (
        everyone[: len(everyone) - config.taught],
        everyone[len(everyone) - config.taught :],
    )
    run.asked(
        f"Are the logits of {model.name} for linked questions tied by a linear map, and does learning follow it?"
    )
    linked, apart = pairs(found)
    if not linked or not apart:
        raise StudyError(
            "The table needs questions that are linked and questions that are not; fill in the column links."
        )
    order = run.rng("apart").permutation(len(apart))[: config.apart]
    chosen = linked + [apart[i] for i in np.sort(order)]
    logits = {}
    with run.progress("ask", total=len(found), unit="questions") as bar:
        for name, question in found.items():
            logits[name] = answer_logits(model, question, names)
            bar.advance()
    inside = np.arange(len(names)) < config.train * len(names)
    scores = _score(config, run, model, found, names, logits, chosen, linked, inside)
    _tie(config, run, scores)
    if (config.source, config.target) in linked:
        fitted = _rows(config, run, found, logits, inside)
        if config.taught:
            _teach(config, run, model, found, fitted, pupils)
    run.answer(_answer(config, run, model, len(linked)))


def _as_table(world: Relations) -> Examples:
    """A toy world's relations as linked questions."""
    frame = (
        world.examples.frame[["relation", "template", "object"]]
        .drop_duplicates()
        .sort_values(["relation", "object"])
    )
    frame = frame.rename(columns={"relation": "question", "object": "answer"}).reset_index(
        drop=True
    )
    frame["links"], frame["text"] = "", frame["answer"]
    for to, of in FOLLOWS.items():
        for row in np.flatnonzero(frame["question"] == of):
            number = int(frame.loc[row, "answer"].removeprefix(of))
            frame.loc[row, "links"] = f"{to}={to}{world.ties[to][number]}"
    return load(frame, input="text", labels=["answer"], group="question")


def _score(
    config: Config,
    run: Run,
    model: Model,
    found: dict[str, Question],
    names: list[str],
    logits: dict[str, np.ndarray],
    chosen: list[tuple[str, str]],
    linked: list[tuple[str, str]],
    inside: np.ndarray,
) -> pd.DataFrame:
    """Held-out r of every pair under every condition, mean over the second question's answers."""
    vocabulary = int(model.atlas.head.weight.shape[0])  # type: ignore[union-attr, operand, index]
    rng, rows = run.rng("conditions"), []
    random = each(
        found,
        lambda q: answer_logits(
            model, q, names, rng.integers(vocabulary, size=min(len(q.tokens), 40))
        ),
    )
    plain = {name: without_first_component(y, inside) for name, y in logits.items()}
    for a, b in chosen:
        kind = LINKED if (a, b) in linked else APART
        conditions = {
            kind: (logits[a], logits[b]),
            NO_FIRST: (plain[a], plain[b]),
            OTHER: (logits[a], random[b]),
        }
        for name, (y1, y2) in conditions.items():
            rows.append(
                {
                    "pair": f"{a} → {b}",
                    "kind": kind,
                    "condition": name,
                    "draw": 0,
                    "r": _r(y1, y2, inside),
                }
            )
        for k in range(config.shuffles):
            order = rng.permutation(len(names))
            rows.append(
                {
                    "pair": f"{a} → {b}",
                    "kind": kind,
                    "condition": SHUFFLED,
                    "draw": k,
                    "r": _r(logits[a][order], logits[b], inside),
                }
            )
    return pd.DataFrame(rows)


def _r(y1: np.ndarray, y2: np.ndarray, inside: np.ndarray) -> float:
    fitted = fit_logit_map(y1[inside], y2[inside], ALPHAS)
    return float(column_pearson(y2[~inside], fitted(y1[~inside])).mean())


def _tie(config: Config, run: Run, scores: pd.DataFrame) -> None:
    """How tied linked pairs are, and the claims about it; the interval is over pairs."""
    own = scores[scores["condition"].isin((LINKED, APART))]
    mixed = scores[scores["condition"] == SHUFFLED]
    draws = mixed.pivot(index="draw", columns="pair", values="r")[own["pair"]].to_numpy()
    m = Measured("held-out r", unit="Pearson's r", kind="ratio")
    inside = {k: (own["kind"] == k).to_numpy(dtype=np.float64) for k in (LINKED, APART)}
    r = own["r"].to_numpy()
    m.put(LINKED, r * inside[LINKED], inside[LINKED])
    m.put(APART, r * inside[APART], inside[APART], role="baseline")
    m.put(SHUFFLED, draws * inside[LINKED], inside[LINKED], role="null")
    run.claim("linked", m.value(LINKED, null=SHUFFLED))
    chance = [draws[:, inside[k] > 0].mean(axis=1) for k in (LINKED, APART)]
    gap = Measured("held-out r", unit="Pearson's r")
    for kind, role in ((LINKED, "treatment"), (APART, "baseline")):
        gap.put_statistic(kind, m.conditions[kind].mean, role=role)
    gap.put_draws(SHUFFLED, chance[0] - chance[1])
    run.claim("above-apart", gap.gain(LINKED, over=APART, null=SHUFFLED))
    every = Measured("mean r with subjects shuffled", unit="Pearson's r")
    every.put(SHUFFLED, draws, role="null")
    farthest = float(np.abs(draws).max())
    run.claim(
        "shuffled",
        every.value(SHUFFLED),
        why=f"Over all pairs and shuffles; |r| of a single one is at most {farthest:.2f}.",
    )
    wide = scores.groupby(["pair", "kind", "condition"], sort=False)["r"].mean().reset_index()
    run.table(
        "pairs", wide, "Mean held-out r over the second question's answers, by pair and condition."
    )
    alone = mixed.groupby("pair")["r"].mean()
    bars = pd.DataFrame(
        [
            {
                "group": f"{row.pair} ({row.kind})",
                "value": row.r,
                "low": row.r,
                "high": row.r,
                "null": alone[row.pair],
            }
            for row in own.itertuples()
        ]
    )
    run.figure(
        "pairs",
        values_by_group(bars, value="held-out Pearson's r", interval="none", ends=20),
        "How well the logits of the first question predict those of the second, on people not fitted on; tick: "
        "subjects shuffled.",
    )
    summary = wide.groupby(["kind", "condition"])["r"].mean().reset_index()
    run.table("conditions", summary, "Mean r by kind of pair and condition.")


def _rows(
    config: Config,
    run: Run,
    found: dict[str, Question],
    logits: dict[str, np.ndarray],
    inside: np.ndarray,
) -> tuple[LogitMap, np.ndarray]:
    """Does the row of an answer peak at what it implies? The map, and which links it has right."""
    links = found[config.source].links[config.target]
    y1, y2 = logits[config.source], logits[config.target]
    fitted = fit_logit_map(y1[inside], y2[inside], ALPHAS)
    right = fitted.precise(links, config.hits)
    rng, mixed = run.rng("rows"), []
    for _ in range(config.shuffles):
        shuffled = y1[inside][rng.permutation(int(inside.sum()))]
        mixed.append(fit_logit_map(shuffled, y2[inside], ALPHAS).precise(links, config.hits))
    m = Measured(f"links among the first {config.hits}", unit="share")
    m.put("map", right)
    m.put(SHUFFLED, np.stack(mixed), role="null")
    run.claim("precise", m.value("map", null=SHUFFLED))
    at_random = Beside("reference", "columns drawn at random", min(1.0, config.hits / y2.shape[1]))
    run.claim("imprecise", m.value(SHUFFLED, direction="lower", beside=(at_random,)))
    top = np.argsort(-(fitted.weight - fitted.weight.mean(axis=0)), axis=1)[:, :5]
    a, b = found[config.source].answers, found[config.target].answers
    frame = pd.DataFrame(
        {
            config.source: [a[i] for i, _ in links],
            "implies": [b[j] for _, j in links],
            "right": right,
            "row peaks at": [", ".join(b[j] for j in top[i]) for i, _ in links],
        }
    )
    run.table(
        "rows", frame, f"What each row of the map from {config.source} to {config.target} peaks at."
    )
    return fitted, right


def _teach(
    config: Config,
    run: Run,
    model: Model,
    found: dict[str, Question],
    fitted: tuple[LogitMap, np.ndarray],
    pupils: list[str],
) -> None:
    """Teach new people an answer to the first question; what happens to the second's?"""
    weight, right = fitted[0].weight - fitted[0].weight.mean(axis=0), fitted[1]
    source, target = found[config.source], found[config.target]
    links, rng = source.links[config.target], run.rng("teach")
    some = rng.permutation(len(links))[: config.taught]
    names = pupils[: len(some)]
    some = some[: len(names)]
    taught = _taught(config, run, model, source, names, links[some, 0])
    change = {}
    for question in (source, target):
        before, after = (answer_logits(m, question, names) for m in (model, taught))
        moved = _log_softmax(after) - _log_softmax(before)
        change[question.name] = moved
    n = np.arange(len(some))
    rise = change[target.name][n, links[some, 1]]
    learnt = change[source.name][n, links[some, 0]]
    follow = column_pearson(change[target.name].T, weight[links[some, 0]].T)
    other = column_pearson(change[target.name].T, weight[np.roll(links[some, 0], 1)].T)
    frame = pd.DataFrame(
        {
            source.name: [source.answers[i] for i in links[some, 0]],
            "map right": right[some],
            "learnt": learnt,
            "follows": rise,
            "r with its row": follow,
            "r with another": other,
        }
    )
    run.table(
        "taught",
        frame,
        f"Change of log-probability among the answers (nats) of the {source.name} that was taught "
        f"and of the {target.name} that it implies.",
    )
    mask = right[some]
    if mask.all() or not mask.any():
        run.warn(
            "The map is right for all of the answers taught, or for none, so there is nothing to compare."
        )
        return

    _carried(run, source, target, learnt, rise, mask)
    m = Measured("r of the change with a row of the map", unit="Pearson's r")
    m.put("own row", follow)
    m.put("another's row", other, role="reference")
    run.table(
        "shape",
        table(
            [*m.evidence(), m.gain("own row", over="another's row", where={"condition": "gain"})]
        ),
        "Whether the whole change of the second question's logits follows the map's row.",
    )
    shown = pd.DataFrame(
        {
            "panel": f"rise of the {target.name}",
            "class": np.where(mask, "map right", "map wrong"),
            "value": rise,
        }
    )
    run.figure(
        "taught",
        by_class(shown, value="change of log-probability (nats)", classes="", bins=20),
        f"{len(n)} people taught a {source.name}: how much likelier its {target.name} becomes.",
    )


def _carried(
    run: Run,
    source: Question,
    target: Question,
    learnt: np.ndarray,
    rise: np.ndarray,
    mask: np.ndarray,
) -> None:
    """The rise where the map is right less twice that elsewhere, over people; which is which shuffled for the null."""
    codes = np.arange(len(rise))

    def more(where: np.ndarray) -> Jackknife:
        own, other = (
            Jackknife.ratio(rise * part, part.astype(np.float64), codes) for part in (where, ~where)
        )
        return combine(lambda own, other: own - 2 * other, own, other)

    rng = run.rng("carries")
    m = Measured("rise where the map is right − twice that elsewhere", unit="nats")
    m.put_statistic("taught", more(mask))
    drawn = [more(rng.permutation(mask)).value for _ in range(999)]
    m.put_draws("right and wrong shuffled", drawn)
    run.claim(
        "carries",
        m.value("taught", null="right and wrong shuffled"),
        why=f"The {source.name} rises by {learnt.mean():.2f} nats; its {target.name} by {rise[mask].mean():.2f} "
        f"where the map is right and {rise[~mask].mean():.2f} elsewhere.",
    )


def _taught(
    config: Config,
    run: Run,
    model: Model,
    question: Question,
    names: list[str],
    answers: np.ndarray,
) -> Model:
    """A copy of the model after a few steps on one answer for each name; only what MLPs write with is changed."""
    pupil = model.copied("taught")
    net: Any = pupil.net
    weights = [pupil.atlas.place(s).module.weight for s in pupil.sites if s.point == "mlp_act"]
    net.requires_grad_(False)
    optimiser = torch.optim.Adam([w.requires_grad_(True) for w in weights], lr=config.rate)  # type: ignore[union-attr, operand]
    tokens = model.tokenize([question.template.format(name) for name in names])
    batch, answer = model.collate(tokens), torch.from_numpy(question.tokens[answers])
    last = torch.tensor([len(t) - 1 for t in tokens])
    with run.progress("teach", total=config.steps, unit="steps") as bar, torch.enable_grad():
        for _ in range(config.steps):
            states = pupil.atlas.body(
                input_ids=batch.inputs["input_ids"].to(model.device), use_cache=False
            )[0]
            logits = net.lm_head(states[torch.arange(len(names)), last])
            loss = torch.nn.functional.cross_entropy(logits, answer.to(logits.device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            bar.advance()
    run.log("taught: loss %.2f after %d steps", float(loss.detach()), config.steps)
    return pupil


def _log_softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _answer(config: Config, run: Run, model: Model, count: int) -> str:
    by = run.claims
    both = {by["linked"].verdict, by["above-apart"].verdict}
    yes = "Yes" if both == {"supported"} else "In part" if "supported" in both else "No"
    text = (
        f"{yes}. On people that the maps were not fitted on, the logits of {model.name} for {count} linked pairs of "
        f"questions are predicted with a mean r of {by['linked']:.2f} ({by['linked'].verdict}), {by['above-apart']:.2f} "
        f"above pairs that nothing links ({by['above-apart'].verdict})."
    )
    if "precise" in by:
        text += (
            f" The row of a {config.source} has its {config.target} among the first {config.hits} in "
            f"{by['precise']:.0%} of the cases ({by['imprecise']:.0%} if shuffled)."
        )
    if "carries" in by:
        text += (
            f" That what is taught of the {config.source} raises the {config.target} twice as much where the map is right "
            f"as elsewhere is {by['carries'].verdict}."
        )
    return text
