"""How few directions must go before a concept cannot be read linearly, and what goes with them?

A concept (the gender in a sentence, the sentiment of a review, a bit that was planted) is erased
from sentence representations by projections of low rank found adversarially, by iterative
null-space projection, by the difference of means, by LEACE and at random. Fresh probes, linear and
not, are fitted on what is left and scored on groups held out; beside them, an unrelated task, how
far rows were moved, whether neighbours stayed, and whether a classifier of occupations that learnt
from skewed data still serves women and men unequally.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from inscape.charts import curves
from inscape.charts import matrix as heatmap
from inscape.core import Beside, child_seed, table
from inscape.data import load
from inscape.model import open
from inscape.probing import layer_of
from inscape.probing.erased_evidence import PROBES, ErasedEvidence
from inscape.probing.erasures import Plan, Question, compare
from inscape.probing.ranked_erasers import LEACE, MEANS, NOTHING, RANDOM, ranked_erasers
from inscape.store.harvest import harvest
from inscape.study import Bounded, Card, Claim, Run, setting, worst
from inscape.worlds import occupations, plant, planted_concept, skewed

CARD = Card(
    slug="rlace",
    title="Linear Adversarial Concept Erasure",
    authors="Ravfogel, Twiton, Goldberg and Cotterell",
    year=2022,
    arxiv="2201.12091",
    room="control",
    claim="Removing a subspace of very low rank prevents every linear classifier from reading a "
    "concept, with less damage than iterative null-space projection, and makes downstream "
    "classifiers fairer.",
    reproduced=(
        "R-LACE of rank 1, 2 and 4, iterative null-space projection, mean projection, LEACE and "
        "random projections of sentence means from MiniLM and two layers of SmolLM2-135M, in 128 "
        "principal components: gender of names and pronouns, sentiment of human sentences, and "
        "a bit planted into these."
    ),
    controls=(
        "random projections of the same rank",
        "probes of labels shuffled by group",
        "linear probes of rows that the eraser never saw",
        "perceptron probes",
        "an unrelated task, and what is left of neighbours",
    ),
    claims={
        "can": Claim(
            text="Before erasing, a probe reads the concept",
            at_least=0.1,
            null="labels shuffled by group",
            why="Accuracy above the majority's share; what cannot be read cannot be erased.",
        ),
        "erased": Claim(
            text="With one direction removed, a new logistic probe is at the majority rate",
            at_most=0.03,
        ),
        "random": Claim(
            text="With a random direction removed, a new probe still reads the concept",
            at_least=0.9,
        ),
        "inlp": Claim(
            text="Null-space projection needs more dimensions on a natural concept: after one and "
            "after two, a new probe still reads it",
            at_least=0.03,
            why="Above the majority's share: what counts as erased for R-LACE's one direction.",
        ),
        "unrelated": Claim(text="Accuracy on an unrelated task does not fall", at_most=0.02),
        "fairness": Claim(
            text="Without the direction, a classifier trained on skewed rows has a smaller gap in "
            "true-positive rates",
            at_least=0.0,
            over="nothing",
            weaker="Skewed rows of short sentences, where the paper has biographies from the web.",
            why="By how much the difference of true-positive rates falls.",
        ),
    },
    # what is left is nothing, within 4 points: in 600 rows they may or may not hold the criterion
    # of 3
    tiny={
        "can": "supported",
        "erased": "any",
        "random": "supported",
        "inlp": "supported",
        "unrelated": "supported",
        "fairness": "supported",
    },
    answer=(
        "Conditions: {conditions}. Without the one direction that R-LACE finds, a fresh logistic "
        "probe is at most {linear} above the majority ({can:.2f} or more before), one fitted on "
        "rows that the eraser never saw at most {unseen}, and a perceptron {perceptron}. On "
        "natural concepts null-space projection takes {takes} dimensions. The unrelated task "
        "loses at most {lost}.{gap}"
    ),
    differs=(
        "The authors play the game with SGD on mini-batches, keep the best iterate and stop when "
        "accuracy is near the majority; here the opponent is solved for at each move and the "
        "iterates' average is rounded. Their null-space projection uses SGD classifiers, ours "
        "logistic regression."
    ),
    group_note=(
        "A group is a given name, or the document of a human sentence. Where occupations are "
        "asked for, duties are held out too."
    ),
    negative=(
        "Null-space projection does not always take 3 dimensions: two are enough for gender at "
        "layer 10 of SmolLM2-135M (seed 0, small). The gap in true-positive rates falls from "
        "0.25 to 0.09 in MiniLM, and not at all at that layer. A linear probe fitted on rows "
        "that the eraser never saw still reads a few points, after LEACE and mean projection as "
        "after R-LACE: the guarantee is for the rows fitted on. A perceptron reads gender on."
    ),
    minutes={"tiny": 0.1, "small": 6, "full": 60},
    figure="dimensions",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    features: tuple[str, ...] = setting(
        (
            "minilm-l6@resid_post.5",
            "smollm2-135m@resid_post.10",
            "smollm2-135m@resid_post.20",
        ),
        "MODEL@SITE, averaged over tokens; 'planted-world' for rows drawn on the spot",
    )
    names: int = setting(120, "given names, half of them women's")
    reviews: int = setting(1200, "human sentences")
    planted: float = setting(4.0, "distance of the planted classes, in standard deviations")
    width: int = setting(128, "principal components of the training rows that are kept")
    ranks: tuple[int, ...] = setting((1, 2, 4), "ranks of R-LACE and of random projections")
    steps: int = setting(100, "moves of R-LACE")
    rounds: tuple[int, ...] = setting(
        (1, 2, 3, 4, 6, 8, 12, 16), "rounds of null-space projection that are looked at"
    )
    slack: float = setting(0.03, "how far above the majority counts as erased")
    draws: int = setting(5, "random projections")
    shuffles: int = setting(39, "label shuffles of the null")
    folds: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ranks", "rounds", "features"):
            if not getattr(self, name):
                raise ValueError(f"{name} must hold at least one entry")
        if any(f != WORLD and "@" not in f for f in self.features):
            raise ValueError(
                f"features must read MODEL@SITE or {WORLD}, got {', '.join(self.features)}"
            )


WORLD = "planted-world"
PRESETS = {
    "tiny": Config(
        features=(WORLD,),
        width=32,
        ranks=(1, 2),
        steps=60,
        rounds=(1, 2, 3, 4, 6),
        draws=2,
        shuffles=19,
    ),
    "small": Config(),
    "full": Config(
        features=(
            "minilm-l6@resid_post.5",
            *(f"HuggingFaceTB/SmolLM2-1.7B@resid_post.{k}" for k in (5, 11, 17, 23)),
        ),
        reviews=4000,
        width=512,
        steps=500,
        folds=5,
        draws=20,
    ),
}

PLANTED = "planted bit"


def run(config: Config, run: Run) -> None:
    """Harvest, erase, probe what is left."""
    run.asked(
        "How few directions must go before a concept cannot be read linearly, and what goes "
        "with them?"
    )
    questions = list(_questions(config, run))
    whole = (
        NOTHING,
        MEANS,
        LEACE,
        f"INLP, {config.rounds[-1]}",
        f"{RANDOM}, {config.ranks[0]}",
        *(f"R-LACE, {k}" for k in config.ranks),
    )
    erasers = ranked_erasers(config.ranks, config.rounds, steps=config.steps, draws=config.draws)
    names = (NOTHING, f"R-LACE, {config.ranks[0]}", f"{RANDOM}, {config.ranks[0]}")
    found: dict[str, ErasedEvidence] = {}
    with run.progress("erase", total=config.folds * len(questions), unit="folds") as bar:
        for question in questions:
            seed = child_seed(run.seed, question.name)
            plan = Plan(config.folds, config.width, whole, seed, config.shuffles)
            outcome = compare(question, erasers, plan, bar.advance)
            found[question.name] = ErasedEvidence(outcome, *names)
    _curves(config, run, found)
    _tables(config, run, found, whole)
    _judge(config, run, found)


def _questions(config: Config, run: Run) -> Iterator[Question]:
    """Each concept in each representation."""
    if WORLD in config.features:
        # a task that is told apart without fail leaves nothing to be unequal in
        w = planted_concept(600, strength=2.0, apart=0.8, seed=run.seed)
        # each task mostly with one value of the bit, which is where classifiers learn to lean on it
        skew = (w.z == w.task % 2) | (run.rng("skew").random(len(w.z)) < 0.15)
        yield Question(f"{PLANTED}, made-up rows", w.x, w.z, w.task, w.groups, skew=skew)
    features = [f.split("@") for f in config.features if f != WORLD]
    if not features:
        return
    people, texts = occupations(config.names), load("reviews", limit=config.reviews)
    for name, site in features:
        model = open(name)
        run.certificate(model.certificate)
        where = f"{model.name} {layer_of(site)}"
        jobs, frame = people.frame["occupation"].to_numpy(), texts.frame
        x = harvest(model, people, site, at="mean").matrix(site)
        yield Question(
            f"gender, {where}",
            x,
            people.frame["female"].to_numpy(),
            jobs,
            people.groups(),
            people.frame["duty"].to_numpy(),
            skewed(people, seed=run.seed),
        )
        x = harvest(model, texts, site, at="mean").matrix(site)
        task, groups = frame["source"].to_numpy(), texts.groups()
        yield Question(f"sentiment, {where}", x, frame["positive"].to_numpy(), task, groups)
        # a few features of a language model are so large that a direction in raw units is nothing
        # or everything
        even = StandardScaler().fit_transform(x.astype(np.float64))
        written, z, _ = plant(even, config.planted, rng=run.rng("plant", where))
        yield Question(f"{PLANTED}, {where}", written, z, task, groups)


def _tables(
    config: Config, run: Run, found: dict[str, ErasedEvidence], whole: tuple[str, ...]
) -> None:
    """Everything, and in one picture what perceptrons still read."""
    rows = pd.DataFrame(
        {
            "concept": name,
            "erased by": eraser,
            "majority": read.question.majority,
            "logistic": np.nanmean(e.linear),
            "logistic, unseen rows": np.nanmean(e.unseen),
            "perceptron": np.nanmean(e.mlp),
            "unrelated task": np.nanmean(e.task),
            "change": float(np.sum(e.moved) / np.sum(e.size)),
            "neighbours kept": np.nanmean(e.overlap),
        }
        for name, read in found.items()
        for eraser in whole
        for e in (read.outcome.erased[eraser],)
    )
    run.table(
        "accuracy",
        rows,
        "Held-out accuracy of fresh probes after each eraser; change is the share of the squared "
        "deviation that was moved. “Unseen rows”: probes fitted and scored on rows that no eraser "
        "saw.",
    )
    evidence = [
        read.above(eraser, probe) for read in found.values() for eraser in whole for probe in PROBES
    ]
    caption = "The same above the majority's share, with intervals over groups."
    run.table("intervals", table(evidence), caption)
    cells = rows.rename(columns={"erased by": "row", "concept": "column"})
    cells = cells.assign(value=cells["perceptron"] - cells["majority"])[["row", "column", "value"]]
    run.figure(
        "perceptron",
        heatmap(
            cells,
            value="above majority",
            row="erased by",
            column="concept, model and layer",
            domain=(-0.5, 0.5),
        ),
        "What a perceptron still reads: held-out accuracy above the majority's share.",
    )
    kept = [f for read in found.values() for f in read.outcome.kept]
    run.text(
        "components",
        f"Rows are standardised and put into at most {config.width} principal components of the "
        f"training rows, which hold {min(kept):.0%} to {max(kept):.0%} of their variance.",
    )


def _curves(config: Config, run: Run, found: dict[str, ErasedEvidence]) -> None:
    sets = {"R-LACE": config.ranks, "INLP": config.rounds, RANDOM: config.ranks}
    rows = pd.DataFrame(
        {"panel": name, "series": series, "x": k, "value": e.value}
        | dict(zip(("low", "high"), e.ends, strict=True))
        for name, read in found.items()
        for series, ranks in sets.items()
        for k in (0, *ranks)
        for e in (read.above(f"{series}, {k}" if k else NOTHING),)
    )
    y = "accuracy above majority"
    run.figure(
        "dimensions",
        curves(rows, x="dimensions removed", y=y, nulls=(RANDOM,), points=True),
        "Held-out accuracy of a fresh logistic probe above the majority's share.",
    )


def _judge(config: Config, run: Run, found: dict[str, ErasedEvidence]) -> None:
    reads = list(found.values())
    # concepts that were not planted; all where there is no other
    natural = [r for r in reads if not r.question.name.startswith(PLANTED)] or reads
    few = [k for k in config.rounds if k < 3]
    unequal = [r for r in reads if r.unequal is not None]
    evidence = {
        "can": [r.above(NOTHING) for r in reads],
        "erased": [r.above(r.first) for r in reads],
        "random": [r.kept() for r in reads],
        "inlp": [r.above(f"INLP, {k}") for r in natural for k in few],
        "unrelated": [r.lost() for r in reads],
        "fairness": [
            r.unequal.fall(r.first, below=NOTHING, where={"concept": r.question.name})
            for r in unequal
        ],
    }
    for id, several in evidence.items():
        if several:
            e = worst(CARD.claims[id], several)
            where = ", ".join(map(str, e.where.values()))
            run.claim(id, e, why=f"Worst of {len(several)}: {where}.")
    rounds = {k: f"INLP, {k}" for k in config.rounds}
    ranks = {k: f"R-LACE, {k}" for k in config.ranks}
    takes = pd.DataFrame(
        {"concept": r.question.name, "null-space projection": own["value"]}
        | {"fewest": own["fewest"], "most": own["most"]}
        | {"R-LACE": r.needed(ranks, config.slack)["value"]}
        for r in reads
        for own in (r.needed(rounds, config.slack),)
    )
    run.table(
        "null-space",
        takes,
        "Dimensions that null-space projection takes until a fresh logistic probe is erased as "
        "R-LACE's first direction erases it.",
    )
    above = {probe: [r.above(r.first, probe).value for r in reads] for probe in PROBES}
    own = takes[takes["concept"].isin([r.question.name for r in natural])]["null-space projection"]
    run.facts(
        conditions=len(found),
        linear=f"{max(above['linear']):z.2f}",
        unseen=f"{max(above['unseen']):z.2f}",
        perceptron=f"{min(above['mlp']):z.2f} to {max(above['mlp']):z.2f}",
        takes=f"{own.min()} to {own.max()}",
        lost=f"{max(e.value for e in evidence['unrelated']):z.2f}",
        gap="",
    )
    if unequal:
        _unequal(run, unequal)


def _unequal(run: Run, reads: Sequence[ErasedEvidence]) -> None:
    """Women and men, served by a classifier that learnt where the occupation goes with them."""
    rows = [
        r.unequal.value(
            eraser,
            where={
                "bar": f"{eraser}, {r.question.name.removeprefix('gender, ')}",
                "eraser": eraser,
            },
            beside=(Beside("baseline", r.chance, float(r.unequal.value(r.chance).value)),),
        )
        for r in reads
        for eraser in r.unequal.conditions
    ]
    run.show(
        "unequal",
        rows,
        "Difference of true-positive rates between the concept's two values (women and men), root "
        "mean square over the task's classes, of a logistic classifier whose training rows of each "
        "class are mostly of one value. Tick: after a random projection. Sampling noise adds to a "
        "gap.",
        by="bar",
    )
    before, after = (
        np.mean([r.unequal.value(n).value for r in reads]) for n in (NOTHING, reads[0].first)
    )
    run.facts(
        gap=" The gap between true-positive rates of a classifier that learnt from skewed rows "
        f"goes from {before:.2f} to {after:.2f} ({run.claims['fairness'].verdict})."
    )
