"""Are a model's logits for linked questions tied by one linear map, and does what it learns follow
that map?

The same made-up people are asked for their city, their country, their language and so on. The
logits of one question's answers are mapped linearly to those of another, on some of the people, and
scored by Pearson's r on others: for pairs that the world links, for pairs that it does not, with
subjects shuffled, without the first principal component, and towards random tokens. The map's rows
are read: does the row of a city peak at its country? Then the model is taught the cities of a few
people and asked for their countries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from inscape.charts import by_class, values_by_group
from inscape.core import StudyError
from inscape.outcomes import LinkedRows, linked_rows, teach_links
from inscape.outcomes.linked_questions import Polled, compared, pairs, people, poll, questions
from inscape.study import Card, Claim, Needs, Run, Settings, in_a_word, opened, setting
from inscape.worlds import Relations

CARD = Card(
    slug="logit-correlation",
    title="Linear Correlation in LM's Compositional Generalization and Hallucination",
    authors="Peng, An, Hao, Dong and Shang",
    year=2025,
    arxiv="2502.04520",
    room="read",
    claim="A language model's logits for questions whose answers imply each other are tied by a "
    "linear map; where the map agrees with the world, what is taught about one question carries "
    "over to the other, and where it does not the model hallucinates.",
    reproduced="SmolLM2-135M-Instruct, 400 made-up people, twelve authored questions with nine "
    "linked pairs; ridge maps between answers' logits scored on other people; the map from cities "
    "to countries read off; 40 people taught a city each by a few steps on the MLPs' output "
    "weights, and asked for their country. The pairing with a base model, larger vocabularies and "
    "the refit from input embeddings alone are not done here.",
    controls=(
        "pairs of questions that nothing links",
        "subjects shuffled between the two questions",
        "both sides without their first principal component",
        "random tokens in place of the second question's answers",
        "the map fitted on shuffled subjects, and cosines of the unembedding, for what its rows say",
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
    # the toy has two linked pairs, too few for an interval over pairs, and four countries, so that
    # chance is a quarter; a dozen people are taught, and for which cities the map is right changes
    # with the seed
    tiny={
        "linked": "uncertain",
        "above-apart": "uncertain",
        "precise": "any",
        "carries": "any",
        "shuffled": "any",
        "imprecise": "any",
    },
    answer="{yes}. On people that the maps were not fitted on, the logits of {model} for {count} "
    "linked pairs of questions are predicted with a mean r of {linked:.2f} ({linked.verdict}), "
    "{above-apart:.2f} above pairs that nothing links ({above-apart.verdict}).{row}{carried}",
    differs="The authors take a thousand vocabulary entries for names, least squares without "
    "penalty and rows as they are; here made-up people, ridge, and rows less the mean of their "
    "columns. They compare base models with tuned ones.",
    group_note="Maps are fitted on some people and scored on others; the people taught are of "
    "neither. Intervals of r are over pairs of questions, some of which share a question; those of "
    "rows over cities, those of teaching over people.",
    negative="In SmolLM2-135M (seed 0, small) linked pairs stand 0.19 of r above pairs that "
    "nothing links; 0.2 was the bar, and those are at 0.48 too. The tie is not one of answers: "
    "random tokens in place of the second question's are predicted with 0.64, its own answers with "
    "0.66. That a city's row has its country among its first five (74 %) needs no map: the cosine "
    "of their two rows of the unembedding, less the mean of each country's, has it among the first "
    "five for 84 % of the cities. What is taught of the city raises the country as much where the "
    "map is wrong.",
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

LINKED, APART = "linked", "not linked"


def run(config: Config, run: Run) -> None:
    """Ask, map, read the map, teach."""
    model, examples, world = opened(config, run, Needs(world=Relations))
    found = questions(model, examples if world is None else world.linked())
    everyone = people(config.subjects + config.taught, rng=run.rng("people"))
    if world is not None:
        subjects = world.examples.frame["subject"].unique()
        everyone = [str(s) for s in run.rng("people").permutation(subjects)]
    names, pupils = np.split(np.array(everyone), [len(everyone) - config.taught])
    run.asked(
        f"Are the logits of {model.name} for linked questions tied by a linear map, and does "
        "learning follow it?"
    )
    linked, apart = pairs(found)
    if not linked or not apart:
        raise StudyError(
            "The table needs questions that are linked and questions that are not; fill in the "
            "column links."
        )
    order = np.sort(run.rng("apart").permutation(len(apart))[: config.apart])
    kinds = dict.fromkeys(linked, LINKED) | {apart[i]: APART for i in order}
    with run.progress("ask", total=len(found), unit="questions") as bar:
        polled = poll(model, found, names.tolist(), bar.advance)
    train = np.arange(len(names)) < config.train * len(names)
    _tie(run, polled.ties(kinds, train, config.shuffles, rng=run.rng("conditions")))
    yes = in_a_word(run.claims[id].verdict for id in ("linked", "above-apart"))
    run.facts(yes=yes, count=len(linked), row="", carried="")
    if (config.source, config.target) in linked:
        rows = _rows(config, run, polled, train)
        if config.taught:
            _teach(config, run, polled, rows, pupils.tolist())


def _tie(run: Run, scores: pd.DataFrame) -> None:
    """How tied linked pairs are, and the claims about it; the interval is over pairs."""
    ties = compared(scores, LINKED, APART)
    run.claim("linked", ties.own)
    run.claim("above-apart", ties.gap)
    farthest = f"|r| of a single one is at most {ties.farthest:.2f}."
    run.claim("shuffled", ties.shuffled, why=f"Over all pairs and shuffles; {farthest}")
    wide = scores.groupby(["pair", "kind", "condition"], sort=False)["r"].mean().reset_index()
    run.table(
        "pairs", wide, "Mean held-out r over the second question's answers, by pair and condition."
    )
    run.figure(
        "pairs",
        values_by_group(ties.bars, value="held-out Pearson's r", interval="none", ends=20),
        "How well the logits of the first question predict those of the second, on people not "
        "fitted on; tick: subjects shuffled.",
    )
    summary = wide.groupby(["kind", "condition"])["r"].mean().reset_index()
    run.table("conditions", summary, "Mean r by kind of pair and condition.")


def _rows(config: Config, run: Run, polled: Polled, train: np.ndarray) -> LinkedRows:
    """Does the row of an answer peak at what it implies? The map, and which links it has right."""
    how = {"hits": config.hits, "shuffles": config.shuffles, "rng": run.rng("rows")}
    rows = linked_rows(polled, config.source, config.target, train, **how)
    run.claim("precise", rows.precise)
    run.claim("imprecise", rows.mixed)
    caption = f"What each row of the map from {config.source} to {config.target} peaks at."
    run.table("rows", rows.peaks, caption)
    said = (
        f" The row of a {config.source} has its {config.target} among the first {config.hits} in "
        "{precise:.0%} of the cases ({imprecise:.0%} if shuffled)."
    )
    run.facts(row=said.format_map(run.claims))
    return rows


def _teach(config: Config, run: Run, polled: Polled, rows: LinkedRows, pupils: list[str]) -> None:
    """Teach new people an answer to the first question; what happens to the second's?"""
    how = {"most": config.taught, "steps": config.steps, "rate": config.rate}
    with run.progress("teach", total=config.steps, unit="steps") as bar:
        ends = (config.source, config.target, rows, pupils)
        taught = teach_links(polled, *ends, rng=run.rng("teach"), advance=bar.advance, **how)
    run.log("taught: loss %.2f after %d steps", taught.loss, config.steps)
    run.table(
        "taught",
        taught.table(),
        f"Change of log-probability among the answers (nats) of the {config.source} that was "
        f"taught and of the {config.target} that it implies.",
    )
    right, rise = taught.right, taught.rise
    if right.all() or not right.any():
        run.warn(
            "The map is right for all of the answers taught, or for none, so there is nothing to "
            "compare."
        )
        return
    run.claim(
        "carries",
        taught.carried(rng=run.rng("carries")),
        why=f"The {config.source} rises by {taught.learnt.mean():.2f} nats; its {config.target} by "
        f"{rise[right].mean():.2f} where the map is right and {rise[~right].mean():.2f} elsewhere.",
    )
    run.facts(
        carried=f" That what is taught of the {config.source} raises the {config.target} twice as "
        f"much where the map is right as elsewhere is {run.claims['carries'].verdict}."
    )
    caption = "Whether the whole change of the second question's logits follows the map's row."
    run.table("shape", taught.followed(), caption)
    run.figure(
        "taught",
        by_class(taught.rises(), value="change of log-probability (nats)", classes="", bins=20),
        f"{len(rise)} people taught a {config.source}: how much likelier its {config.target} "
        "becomes.",
    )
