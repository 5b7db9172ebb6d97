"""How few directions must go before a concept cannot be read linearly, and what goes with them?

A concept (the gender in a sentence, the sentiment of a review, a bit that was planted) is erased from sentence
representations by projections of low rank found adversarially, by iterative null-space projection, by the difference of
means, by LEACE and at random. Fresh probes, linear and not, are fitted on what is left and scored on groups held out;
beside them, an unrelated task, how far rows were moved, whether neighbours stayed, and whether a classifier of occupations
that learnt from skewed data still serves women and men unequally.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from inscape.charts.bars import values_by_group
from inscape.charts.curves import curves
from inscape.charts.heatmap import matrix as heatmap
from inscape.control.inlp import INLP
from inscape.control.leace import LeaceEraser
from inscape.control.mean_projection import MeanProjection
from inscape.control.rlace import RLACE
from inscape.core import intervals
from inscape.core.evidence import Evidence, Null, table
from inscape.core.folds import group_codes
from inscape.core.projection import span
from inscape.core.rng import child_seed
from inscape.data.load import load
from inscape.model.open import open
from inscape.store.harvest import harvest
from inscape.study.card import Card
from inscape.study.erasures import Outcome, Plan, Question, compare
from inscape.study.frames import layer_of
from inscape.study.run import Run
from inscape.study.shares import Shares, bars
from inscape.worlds.occupations import occupations, skewed
from inscape.worlds.planted_concept import plant, planted_concept

CARD = Card(
    slug="rlace",
    title="Linear Adversarial Concept Erasure",
    authors="Ravfogel, Twiton, Goldberg and Cotterell",
    year=2022,
    arxiv="2201.12091",
    room="control",
    claim="A subspace of very low rank is enough to keep every linear classifier from a concept, at less damage than "
    "projecting away classifier after classifier, and it makes classifiers downstream less unequal.",
    reproduced="R-LACE of rank 1, 2 and 4, iterative null-space projection, mean projection, LEACE and random projections "
    "of sentence means from MiniLM and two layers of SmolLM2-135M, in 128 principal components: gender of names and "
    "pronouns, sentiment of human sentences, and a bit planted into these.",
    controls=(
        "random projections of the same rank",
        "probes of shuffled labels",
        "linear probes of rows that the eraser never saw",
        "perceptron probes",
        "an unrelated task, and what is left of neighbours",
    ),
    bar="In the worst of all conditions: after rank 1 a fresh logistic probe on held-out groups is at most 3 points above "
    "the majority; a random rank 1 keeps at least 90 % of the accuracy; null-space projection needs at least 3 dimensions "
    "for the same; an unrelated task loses at most 2 points. What a perceptron still reads is reported.",
    group_note="A group is a given name, or the document of a human sentence. Where occupations are asked for, duties are "
    "held out too.",
    negative="Null-space projection does not always take 3 dimensions (seed 0, small): 2 for planted bits, 2 to 6 for "
    "gender, 3 or 4 for sentiment. A linear probe fitted on rows that the eraser never saw still reads up to 7 points, "
    "after LEACE and mean projection as after R-LACE: the guarantee is for the rows fitted on. A perceptron reads gender "
    "up to 19 points.",
    minutes={"tiny": 0.1, "small": 6, "full": 60},
    figure="dimensions",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    features: tuple[str, ...] = field(
        default=(
            "minilm-l6@resid_post.5",
            "smollm2-135m@resid_post.10",
            "smollm2-135m@resid_post.20",
        ),
        metadata={
            "help": "MODEL@SITE, averaged over tokens; 'planted-world' for rows drawn on the spot"
        },
    )
    names: int = field(default=120, metadata={"help": "given names, half of them women's"})
    reviews: int = field(default=1200, metadata={"help": "human sentences"})
    planted: float = field(
        default=4.0, metadata={"help": "distance of the planted classes, in standard deviations"}
    )
    width: int = field(
        default=128, metadata={"help": "principal components of the training rows that are kept"}
    )
    ranks: tuple[int, ...] = field(
        default=(1, 2, 4), metadata={"help": "ranks of R-LACE and of random projections"}
    )
    steps: int = field(default=100, metadata={"help": "moves of R-LACE"})
    rounds: tuple[int, ...] = field(
        default=(1, 2, 3, 4, 6, 8, 12, 16),
        metadata={"help": "rounds of null-space projection that are looked at"},
    )
    slack: float = field(
        default=0.03, metadata={"help": "how far above the majority counts as erased"}
    )
    draws: int = field(default=5, metadata={"help": "random projections, and shuffles"})
    folds: int = field(default=3, metadata={"help": "folds of whole groups"})

    def __post_init__(self) -> None:
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
        features=(WORLD,), width=32, ranks=(1, 2), steps=60, rounds=(1, 2, 3, 4, 6), draws=2
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

NOTHING, MEANS, LEACE, RANDOM = "nothing", "mean projection", "LEACE", "random"


def run(config: Config, run: Run) -> None:
    """Harvest, erase, probe what is left."""
    run.asked(
        "How few directions must go before a concept cannot be read linearly, and what goes with them?"
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
    outcomes = []
    with run.progress("erase", total=config.folds * len(questions), unit="folds") as bar:
        for question in questions:
            plan = Plan(
                config.folds, config.width, whole, child_seed(run.seed, question.name), config.draws
            )
            outcomes.append(compare(question, _erasers(config), plan, bar.advance))
    found = {o.question.name: Read(config, run, o) for o in outcomes}
    _curves(config, run, found)
    _tables(config, run, found, whole)
    unequal = _unequal(run, found, whole)
    _judge(config, run, found)
    run.answer(_answer(config, run, found, unequal))


def _questions(config: Config, run: Run) -> Iterator[Question]:
    """Each concept in each representation."""
    if WORLD in config.features:
        w = planted_concept(600, strength=2.0, seed=run.seed)
        yield Question("planted bit, made-up rows", w.x, w.z, w.task, w.groups)
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
        # a few features of a language model are so large that a direction in raw units is nothing or everything
        even = StandardScaler().fit_transform(x.astype(np.float64))
        written, z, _ = plant(even, config.planted, rng=run.rng("plant", where))
        yield Question(f"planted bit, {where}", written, z, task, groups)


def _erasers(config: Config) -> Callable[[np.ndarray, np.ndarray, int], Mapping[str, Callable]]:
    """Fits every eraser on training rows; the first erases nothing."""

    def fit(x: np.ndarray, y: np.ndarray, seed: int) -> Mapping[str, Callable]:
        maps: dict[str, Callable] = {NOTHING: lambda rows: rows}
        for k in config.ranks:
            maps[f"R-LACE, {k}"] = (
                RLACE(k, steps=config.steps, random_state=seed).fit(x, y).transform
            )
        inlp = INLP(rounds=max(config.rounds), tol=-1.0).fit(
            x, y
        )  # no early stop: every rank is looked at
        for k in config.rounds:
            maps[f"INLP, {k}"] = _without(inlp.basis_[:k])
        maps[MEANS], maps[LEACE] = (
            MeanProjection().fit(x, y).transform,
            LeaceEraser().fit(x, y).transform,
        )
        rng = np.random.default_rng(seed)
        for k in config.ranks:
            for draw in range(config.draws):
                maps[f"{RANDOM}, {k}" + (f" ({draw + 1})" if draw else "")] = _without(
                    span(rng.normal(size=(k, x.shape[1])))
                )
        return maps

    return fit


def _without(basis: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: rows - (rows @ basis.T) @ basis


class Read:
    """Numbers with intervals and nulls off one question's outcome."""

    def __init__(self, config: Config, run: Run, outcome: Outcome) -> None:
        self.outcome, self.question, self.config = outcome, outcome.question, config
        self.shares = Shares(self.question.groups, run.rng("bootstrap", self.question.name))
        self.ones = np.ones(len(self.question.y))
        chance = [float(right.mean()) - self.question.majority for right in outcome.shuffled]
        self.chance = Null.of("probes of shuffled labels", chance)

    def above(self, eraser: str, probe: str = "linear") -> Evidence:
        """Accuracy above the majority's share."""
        right = getattr(self.outcome.erased[eraser], probe)
        return self.shares.evidence(
            f"accuracy above majority, {probe}",
            right - self.question.majority,
            self.ones,
            self.chance,
            unit="accuracy",
            where=self._at(eraser),
        )

    def kept(self, rank: int) -> Evidence:
        """Accuracy after a random projection as a share of that before; mean of the draws."""
        names = [n for n in self.outcome.erased if n.startswith(f"{RANDOM}, {rank}")]
        rights = [self.outcome.erased[n].linear for n in names]
        before, erased = (self.outcome.erased[n].linear for n in (NOTHING, f"R-LACE, {rank}"))
        null = Null.of("R-LACE of that rank", [self.shares.value(erased, before)])
        return self.shares.evidence(
            "accuracy kept",
            np.mean(rights, axis=0),
            before,
            null,
            unit="share",
            where=self._at(f"{RANDOM}, {rank}"),
        )

    def lost(self, eraser: str) -> Evidence:
        """Accuracy of the unrelated task lost."""
        before, after = (self.outcome.erased[n].task for n in (NOTHING, eraser))
        measured, random = (
            ~np.isnan(after),
            self.outcome.erased[f"{RANDOM}, {self.config.ranks[0]}"].task,
        )
        part, other = (
            np.where(measured, before - after, 0.0),
            np.where(measured, before - random, 0.0),
        )
        null = Null.of("random projection of rank 1", [self.shares.value(other, measured * 1.0)])
        return self.shares.evidence(
            "unrelated accuracy lost",
            part,
            measured * 1.0,
            null,
            unit="accuracy",
            where=self._at(eraser),
        )

    def needed(self) -> Evidence:
        """Dimensions that null-space projection takes to the slack that counts as erased; one more than tried if none."""
        rounds = list(self.config.rounds)
        rights = np.stack([self.outcome.erased[f"INLP, {k}"].linear for k in rounds], axis=1)
        sums, sizes = (intervals.sum_by_group(x, self.shares.codes) for x in (rights, self.ones))
        drawn = (self.shares.counts @ sums) / (self.shares.counts @ sizes)[:, None]
        line = self.question.majority + self.config.slack
        least = [self._first(row <= line, rounds) for row in drawn]
        low, high = intervals.percentile(np.array(least, dtype=float))
        own = [
            k for k in self.config.ranks if self.above(f"R-LACE, {k}").value <= self.config.slack
        ]
        null = Null.of("R-LACE", [float(min(own, default=max(self.config.ranks) + 1))])
        value = self._first(rights.mean(axis=0) <= line, rounds)
        return Evidence(
            "dimensions that null-space projection takes",
            value,
            (float(low), float(high)),
            null,
            n=len(rights),
            unit="dimensions",
            where=self._at("INLP"),
        )

    @staticmethod
    def _first(erased: np.ndarray, rounds: list[int]) -> int:
        return rounds[int(erased.argmax())] if erased.any() else rounds[-1] + 1

    def _at(self, eraser: str) -> dict[str, str | int | float]:
        return {"concept": self.question.name, "eraser": eraser}


def _tables(config: Config, run: Run, found: dict[str, Read], whole: tuple[str, ...]) -> None:
    """Everything, and in one picture what perceptrons still read."""
    rows, cells = [], []
    for name, read in found.items():
        for eraser in whole:
            e, is_ = read.outcome.erased[eraser], np.nanmean
            rows.append(
                {
                    "concept": name,
                    "erased by": eraser,
                    "majority": read.question.majority,
                    "logistic": is_(e.linear),
                    "logistic, unseen rows": is_(e.unseen),
                    "perceptron": is_(e.mlp),
                    "unrelated task": is_(e.task),
                    "change": float(np.sum(e.moved) / np.sum(e.size)),
                    "neighbours kept": is_(e.overlap),
                }
            )
            cells.append(
                {"row": eraser, "column": name, "value": is_(e.mlp) - read.question.majority}
            )
    run.table(
        "accuracy",
        pd.DataFrame(rows),
        "Held-out accuracy of fresh probes after each eraser; change is the share "
        "of the squared deviation that was moved. “Unseen rows”: probes fitted and scored on rows that no eraser "
        "saw.",
    )
    probes = ("linear", "unseen", "mlp")
    evidence = [
        read.above(eraser, probe) for read in found.values() for eraser in whole for probe in probes
    ]
    run.table(
        "intervals",
        table(evidence),
        "The same above the majority's share, with intervals over groups.",
    )
    chart = heatmap(pd.DataFrame(cells), value="above majority", domain=(-0.5, 0.5))
    run.figure(
        "perceptron",
        chart,
        "What a perceptron still reads: held-out accuracy above the majority's share.",
    )
    kept = [f for read in found.values() for f in read.outcome.kept]
    run.text(
        "components",
        f"Rows are standardised and put into at most {config.width} principal components of the training "
        f"rows, which hold {min(kept):.0%} to {max(kept):.0%} of their variance.",
    )


def _curves(config: Config, run: Run, found: dict[str, Read]) -> None:
    rows = []
    for name, read in found.items():
        sets = {"R-LACE": config.ranks, "INLP": config.rounds, RANDOM: config.ranks}
        for series, ranks in sets.items():
            for k in (0, *ranks):
                e = read.above(f"{series}, {k}" if k else NOTHING)
                low, high = e.interval or (np.nan, np.nan)
                rows.append(
                    {
                        "panel": name,
                        "series": series,
                        "x": k,
                        "value": e.value,
                        "low": low,
                        "high": high,
                    }
                )
    chart = curves(
        pd.DataFrame(rows),
        x="dimensions removed",
        y="accuracy above majority",
        nulls=(RANDOM,),
        points=True,
    )
    run.figure(
        "dimensions",
        chart,
        "Held-out accuracy of a fresh logistic probe above the majority's share.",
    )


def _unequal(run: Run, found: dict[str, Read], whole: tuple[str, ...]) -> list[Evidence]:
    """Root mean square over occupations of the difference in true-positive rates of women and men."""
    rows = []
    for name, read in found.items():
        if (q := read.question).skew is None:
            continue
        jobs = group_codes(q.task)
        cells = 2 * jobs + q.y
        values: dict[str, tuple[float, np.ndarray]] = {}
        for eraser in whole:
            right = read.outcome.erased[eraser].leaning
            hot = np.eye(int(cells.max()) + 1)[cells] * ~np.isnan(right)[:, None]
            won, all_ = (
                intervals.sum_by_group(x, read.shares.codes)
                for x in (hot * np.nan_to_num(right)[:, None], hot)
            )
            values[eraser] = (
                _gap(won.sum(0), all_.sum(0)),
                _gap(read.shares.counts @ won, read.shares.counts @ all_),
            )
        null = Null.of(
            "random projection of rank 1",
            [values[next(n for n in whole if n.startswith(RANDOM))][0]],
        )
        for eraser, (value, drawn) in values.items():
            low, high = intervals.percentile(drawn)
            rows.append(
                Evidence(
                    "TPR gap",
                    value,
                    (float(low), float(high)),
                    null,
                    n=len(q.y),
                    direction="lower",
                    where={"bar": f"{eraser}, {name.removeprefix('gender, ')}", "eraser": eraser},
                )
            )
    if rows:
        run.table(
            "unequal",
            table(rows),
            "Difference of true-positive rates between women and men, root mean square "
            "over occupations, of a logistic classifier whose training rows of each occupation are mostly of one "
            "gender.",
        )
        run.figure(
            "unequal",
            values_by_group(bars(rows, "bar"), value="TPR gap"),
            "The same. Tick: after a random projection of rank 1. Sampling noise adds to a gap, and resampling "
            "adds it twice.",
        )
    return rows


def _gap(won: np.ndarray, all_: np.ndarray) -> np.ndarray | float:
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = won / all_
    gap = np.sqrt(np.nanmean((rate[..., 0::2] - rate[..., 1::2]) ** 2, axis=-1))
    return gap if gap.ndim else float(gap)


def _judge(config: Config, run: Run, found: dict[str, Read]) -> None:
    first = f"R-LACE, {config.ranks[0]}"
    reads = found.values()

    def why(e: Evidence) -> str:
        return f"Worst condition: {e.where['concept']}." if len(found) > 1 else ""

    can = min((r.above(NOTHING) for r in reads), key=lambda e: e.value)
    run.claim("can", "Before anything is erased, the concept is read", can, 0.1, why=why(can))
    worst = max((r.above(first) for r in reads), key=lambda e: e.value)
    run.claim(
        "erased",
        "Without one direction, a fresh logistic probe is at the majority's share",
        worst,
        config.slack,
        "at most",
        why=why(worst),
    )
    kept = min((r.kept(config.ranks[0]) for r in reads), key=lambda e: e.value)
    run.claim("random", "Without a random direction it reads on", kept, 0.9, why=why(kept))
    takes = [r.needed() for r in reads]
    needed = min(takes, key=lambda e: e.value)
    run.claim(
        "inlp",
        "Null-space projection takes more dimensions to the same",
        needed,
        3,
        why=why(needed),
    )
    run.table(
        "null-space",
        table(takes),
        "Rounds of null-space projection until a fresh logistic probe is erased as "
        "R-LACE's first direction erases it.",
    )
    lost = max((r.lost(first) for r in reads), key=lambda e: e.value)
    run.claim(
        "unrelated", "An unrelated task does not suffer", lost, 0.02, "at most", why=why(lost)
    )


def _answer(config: Config, run: Run, found: dict[str, Read], unequal: list[Evidence]) -> str:
    first, claims = f"R-LACE, {config.ranks[0]}", run.claims
    above = {
        probe: [r.above(first, probe).value for r in found.values()]
        for probe in ("linear", "unseen", "mlp")
    }
    takes = [r.needed().value for r in found.values()]
    text = (
        f"Conditions: {len(found)}. Without the one direction that R-LACE finds, a fresh logistic probe is at most "
        f"{claims['erased'].value:z.2f} above the majority ({claims['can'].value:.2f} or more before), one fitted on rows "
        f"that the eraser never saw at most {max(above['unseen']):z.2f}, and a perceptron {min(above['mlp']):z.2f} to "
        f"{max(above['mlp']):z.2f}. Null-space projection takes {min(takes):.0f} to {max(takes):.0f} dimensions. The "
        f"unrelated task loses at most {claims['unrelated'].value:z.2f}."
    )
    if unequal:
        by = {
            w: np.mean([e.value for e in unequal if e.where["eraser"] == w])
            for w in (NOTHING, first)
        }
        text += f" The gap between women's and men's true-positive rates goes from {by[NOTHING]:.2f} to {by[first]:.2f}."
    return text
