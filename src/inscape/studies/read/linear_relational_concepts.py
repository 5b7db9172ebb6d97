"""Does inverting a relation's linear map give directions that classify subjects and steer answers?

The mean Jacobian of a relation, from the subject's state to the object's some layers before the last, is inverted at low
rank; each object's mean state then gives a direction of the subject. Held-out subjects are classified by the direction that
they lie furthest along, beside a linear SVM, differences of means, plain means, the same with objects shuffled and with
objects' states of the last layer. Swapping one object's direction for another's inside the model should change the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.svm import LinearSVC

from inscape.charts.curves import curves
from inscape.charts.heatmap import matrix
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.folds import group_codes
from inscape.core.intervals import percentile
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.read.relational_concepts import (
    Concepts,
    mean_concepts,
    relational_concepts,
    unit_directions,
)
from inscape.study.card import Card
from inscape.study.relation_maps import Mapped, answered, linearise
from inscape.study.relation_prompts import Asked, decode, last_site
from inscape.study.run import Run
from inscape.study.shares import Shares
from inscape.worlds.relations import relations

CARD = Card(
    slug="linear-relational-concepts",
    title="Identifying Linear Relational Concepts in Large Language Models",
    authors="Chanin, Hunter and Camburu",
    year=2024,
    arxiv="2311.08968",
    room="read",
    claim="Directions got by inverting a relation's linear map, with object states from before the last layers, classify "
    "subjects better than supervised probes do and change the model's answer when they are swapped.",
    reproduced="SmolLM2-135M-Instruct on seven authored relations whose objects several subjects share, in five-shot "
    "prompts, those questions that it answers; the object's layer and the rank chosen on training subjects, the subject's "
    "layer 6 of 29; classification and edits of held-out subjects.",
    controls=(
        "majority object",
        "linear SVM, differences of means and plain means on the same training subjects",
        "the same with objects shuffled among training subjects",
        "the same with object states of the last layer",
        "random directions of the same length, for edits",
    ),
    bar="Mean held-out accuracy is at least 0.25 above the majority's and above that with last-layer object states; with "
    "shuffled objects it is within 0.1 of chance. On at least two thirds of the relations edits succeed at least three "
    "times as often as random directions and at least as often as SVM directions of the same length.",
    group_note="A group is a subject, which each relation asks about once. Objects are what is classified, so they are on "
    "both sides; the subjects that are linearised are training subjects.",
    negative="In SmolLM2-135M (seed 0, small) a linear SVM on the same subjects is 0.10 better; edits along inverted "
    "relations succeed as often as its directions do on average, but on half of the relations rather than two thirds. With "
    "the object's layer fixed at 17, before the objects are there, inverted relations lose 0.27 of accuracy.",
    minutes={"tiny": 0.3, "small": 6, "full": 90},
    figure="accuracy",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m",
        metadata={"help": "what to open; 'relations-world' is trained on the spot"},
    )
    data: str = field(
        default="relations",
        metadata={"help": "columns relation, subject, object, template; span subject"},
    )
    relations: tuple[str, ...] = field(
        default=(
            "country language",
            "city country",
            "word first letter",
            "name gender",
            "profession place",
            "country continent",
            "thing kind",
        ),
        metadata={"help": "which are asked; none for all"},
    )
    shots: int = field(default=5, metadata={"help": "answered questions before each"})
    least: int = field(
        default=16,
        metadata={"help": "answered questions, of objects with three or more, for a relation"},
    )
    examples: int = field(default=4, metadata={"help": "subjects that are linearised"})
    layers: tuple[int, ...] = field(
        default=(6,), metadata={"help": "blocks after which the subject is taken; -1 before all"}
    )
    objects: tuple[int, ...] = field(
        default=(17, 21, 25),
        metadata={"help": "blocks after which the object is taken, beside the last"},
    )
    ranks: tuple[int, ...] = field(
        default=(8, 32, 128), metadata={"help": "ranks of the inverse tried"}
    )
    sizes: tuple[float, ...] = field(
        default=(0.25, 0.5, 1.0, 2.0), metadata={"help": "edits' lengths, in lengths of the state"}
    )
    train: float = field(
        default=0.6, metadata={"help": "share of each object's subjects that train"}
    )
    draws: int = field(default=5, metadata={"help": "shuffles, and random directions"})


PRESETS = {
    "tiny": Config(
        model="relations-world",
        data="relations-world",
        relations=("country", "job", "pet"),
        shots=0,
        layers=(-1,),
        objects=(0,),
        ranks=(3, 6, 12),
        draws=3,
    ),
    "small": Config(),
    "full": Config(
        relations=(),
        examples=8,
        layers=tuple(range(2, 18, 2)),
        objects=(14, 17, 20, 23, 26),
        draws=20,
    ),
}

LRC, FINAL, SVM, MEANS, PLAIN = (
    "inverted relation",
    "object of the last layer",
    "linear SVM",
    "mean difference",
    "plain mean",
)
SHUFFLED, RANDOM, MAJORITY = "shuffled objects", "random directions", "majority"


@dataclass(frozen=True, eq=False)
class Relation:
    """One relation: its maps to each object site, classes of its subjects, and which of them train."""

    maps: list[Mapped]
    classes: np.ndarray
    train: np.ndarray
    inner: np.ndarray  # training subjects that choose

    @property
    def states(self) -> np.ndarray:
        return self.maps[0].states

    @property
    def asked(self) -> Asked:
        return self.maps[0].asked


@dataclass(frozen=True, eq=False)
class Chosen:
    """A method's directions, and the site of the subject they are for."""

    site: int
    concepts: Concepts


def run(config: Config, run: Run) -> None:
    """Ask, linearise, invert; classify; edit."""
    model, examples = _open(config, run)
    if model.certificate is not None:
        run.certificate(model.certificate)
    run.asked(
        f"Do the inverted relations of {model.name} give directions that classify subjects and steer answers?"
    )
    kept, known = answered(
        model, examples, config.relations, config.shots, config.least, rng=run.rng("shots")
    )
    run.table(
        "known",
        pd.DataFrame([{"relation": r, "answered": a, "asked": n} for r, (a, n) in known.items()]),
        f"Questions that {model.name} answers, {config.shots} examples before each; only those are used.",
    )
    shared = [s for s in map(_shared, kept) if len(s) >= config.least and len(set(s.objects)) > 1]
    if not shared:
        raise StudyError(
            "No relation has enough answered subjects whose object others share; give more rows, or lower least."
        )
    found = []
    with run.progress(
        "linearise", total=config.examples * len(shared) * (1 + len(config.objects)), unit="prompts"
    ) as bar:
        for asked in shared:
            found.append(_relation(config, run, asked, bar.advance))
    chosen = [_methods(config, run, r) for r in found]
    _classify(config, run, found, chosen)
    _edit(config, run, found, chosen)
    run.answer(_answer(run, model, len(found)))


def _open(config: Config, run: Run) -> tuple[Model, Examples]:
    if "relations-world" in (config.model, config.data):
        if config.model != config.data:
            raise StudyError(
                "'relations-world' goes with no other model or data: give it for both, or for neither."
            )
        world = relations(seed=run.seed)
        return world.model, world.examples
    return open(config.model), load(config.data)


def _shared(asked: Asked) -> Asked:
    """Subjects whose object at least three of them have."""
    _, code, count = np.unique(asked.objects.astype(str), return_inverse=True, return_counts=True)
    return asked.take(count[code] >= 3)


def _relation(config: Config, run: Run, asked: Asked, advance: object) -> Relation:
    """Maps to every object site from the same examples, and a split that leaves every object on both sides."""
    sites = [
        str(s)
        for s in asked.model.select(
            ["embed" if k < 0 else f"resid_post.{k}" for k in config.layers]
        )
    ]
    outputs = [*(f"resid_post.{k}" for k in config.objects), last_site(asked.model)]
    maps = [
        linearise(
            asked, sites, out, config.examples, rng=run.rng("deal", asked.relation), advance=advance
        )  # type: ignore[arg-type]
        for out in outputs
    ]
    classes, rng = group_codes(asked.objects.astype(str)), run.rng("split", asked.relation)
    train, inner = np.zeros(len(asked), dtype=bool), np.zeros(len(asked), dtype=bool)
    train[maps[0].examples] = True
    for c in range(int(classes.max()) + 1):
        rows = rng.permutation(np.flatnonzero((classes == c) & ~train))
        mine = int((classes == c).sum())
        more = max(
            0,
            min(mine - 1, max(2, round(config.train * mine))) - int((train & (classes == c)).sum()),
        )
        train[rows[:more]] = True
        some = rng.permutation(np.flatnonzero((classes == c) & train))
        inner[some[: len(some) // 2]] = True
    return Relation(maps, classes, train, inner)


def _directions(
    r: Relation, name: str, site: int, rows: np.ndarray, config: Config, classes: np.ndarray
) -> list[Concepts]:
    """A method's directions from training rows at one site: several where rank and object's site are to be chosen."""
    s, y = r.states[site][rows], classes[rows]
    if name == MEANS:
        return [mean_concepts(s, y)]
    if name == PLAIN:
        return [
            unit_directions(
                np.stack(
                    [s[y == c].mean(axis=0, dtype=np.float64) for c in range(int(y.max()) + 1)]
                )
            )
        ]
    if name == SVM:
        scale = float(np.sqrt((s**2).mean()))
        coef = LinearSVC(C=0.1, max_iter=20000, random_state=0).fit(s / scale, y).coef_
        return [unit_directions(np.vstack([-coef, coef]) if len(coef) == 1 else coef)]
    maps = r.maps[-1:] if name == FINAL else r.maps[:-1]
    return [
        relational_concepts(
            m.embedding(site), m.outputs[rows], y, min(rank, m.embedding(site).rank)
        )
        for m in maps
        for rank in config.ranks
    ]


def _choose(config: Config, r: Relation, name: str, classes: np.ndarray) -> Chosen:
    """Directions of all training subjects, at the site and with the settings that classify one half from the other."""
    half, other = np.flatnonzero(r.train & ~r.inner), np.flatnonzero(r.train & r.inner)
    best, at = -1.0, (0, 0)
    for site in range(len(r.states)):
        for k, concepts in enumerate(_directions(r, name, site, half, config, classes)):
            score = (concepts.predict(r.states[site][other]) == classes[other]).mean()
            if score > best:
                best, at = float(score), (site, k)
    site, k = at
    return Chosen(site, _directions(r, name, site, np.flatnonzero(r.train), config, classes)[k])


def _methods(config: Config, run: Run, r: Relation) -> dict[str, list[Chosen]]:
    """Every method's directions; one for each shuffle."""
    out = {name: [_choose(config, r, name, r.classes)] for name in (LRC, FINAL, SVM, MEANS, PLAIN)}
    out[SHUFFLED] = []
    for k in range(config.draws):
        rng, mixed = run.rng("shuffled", r.asked.relation, str(k)), r.classes.copy()
        for part in (
            r.train & r.inner,
            r.train & ~r.inner,
        ):  # every object keeps rows in both halves
            mixed[part] = rng.permutation(r.classes[part])
        out[SHUFFLED].append(_choose(config, r, LRC, mixed))
    return out


def _classify(
    config: Config, run: Run, found: list[Relation], chosen: list[dict[str, list[Chosen]]]
) -> None:
    """Accuracy on held-out subjects, and the claims about it."""
    right: list[dict[str, np.ndarray]] = []
    evidence, cells = [], []
    for r, by in zip(found, chosen, strict=True):
        held = np.flatnonzero(~r.train)
        truth = r.classes[held]
        own = {
            name: np.stack(
                [(c.concepts.predict(r.states[c.site][held]) == truth) for c in some]
            ).astype(np.float64)
            for name, some in by.items()
        }
        own[MAJORITY] = (truth == np.bincount(r.classes[r.train]).argmax())[None].astype(np.float64)
        right.append(own)
        shares = Shares(np.arange(len(held)), run.rng("bootstrap", r.asked.relation))
        for name in (LRC, FINAL, SVM, MEANS, PLAIN, MAJORITY):
            where = {
                "relation": r.asked.relation,
                "directions": name,
                "objects": int(r.classes.max()) + 1,
            }
            evidence.append(
                shares.evidence(
                    "accuracy",
                    own[name][0],
                    np.ones(len(held)),
                    draws=own[SHUFFLED].mean(axis=1),
                    kind=SHUFFLED,
                    unit="accuracy",
                    where=where,
                )
            )
        cells += [
            {"row": r.asked.relation, "column": n, "value": float(x.mean())} for n, x in own.items()
        ]
    run.table(
        "accuracy",
        table(evidence),
        "Accuracy on held-out subjects, by relation and kind of direction.",
    )
    run.figure(
        "accuracy",
        matrix(pd.DataFrame(cells), value="accuracy", domain=(0.0, 1.0), row="relation"),
        "Accuracy on held-out subjects; sites and rank of every method are chosen on training subjects.",
    )

    def mean(name: str, rows: list[np.ndarray], draw: int | None = None) -> float:
        return float(
            np.mean(
                [
                    own[name][:, i].mean() if draw is None else own[name][draw, i].mean()
                    for own, i in zip(right, rows, strict=True)
                ]
            )
        )

    every = [np.arange(own[LRC].shape[1]) for own in right]
    rng = run.rng("bootstrap")
    drawn = [[rng.integers(len(i), size=len(i)) for i in every] for _ in range(1000)]
    n = sum(map(len, every))

    def less(a: str, b: str, null: Null) -> Evidence:
        ends = percentile(np.array([mean(a, rows) - mean(b, rows) for rows in drawn]))
        return Evidence(
            f"accuracy, {a} − {b}",
            mean(a, every) - mean(b, every),
            (float(ends[0]), float(ends[1])),
            null,
            n=n,
            unit="accuracy",
        )

    def shuffled(b: str) -> Null:
        return Null.of(
            SHUFFLED, [mean(SHUFFLED, every, k) - mean(b, every) for k in range(config.draws)]
        )

    classes = [float(len(np.unique(r.classes))) for r in found]
    run.claim(
        "accuracy",
        "Inverted relations classify held-out subjects better than the majority object does",
        less(LRC, MAJORITY, shuffled(MAJORITY)),
        0.25,
        why=f"Means over {len(found)} relations of {min(classes):.0f} to {max(classes):.0f} objects.",
    )
    run.claim(
        "above-final",
        "Object states from before the last layer invert better than those of the last",
        less(LRC, FINAL, shuffled(FINAL)),
        0.0,
    )
    run.claim(
        "above-svm",
        "They classify better than a linear SVM on the same subjects",
        less(LRC, SVM, shuffled(SVM)),
        0.0,
        why="The paper's comparison. The SVM sees the states of all training subjects.",
    )
    chance = float(np.mean([1 / c for c in classes]))
    ends = percentile(np.array([mean(SHUFFLED, rows) - chance for rows in drawn]))
    off = Evidence(
        "accuracy with shuffled objects − chance",
        abs(mean(SHUFFLED, every) - chance),
        (float(ends[0]), float(ends[1])),
        shuffled(SHUFFLED),
        n=n,
        unit="accuracy",
    )
    run.claim(
        "shuffled",
        "With objects shuffled nothing is classified",
        off,
        0.1,
        "at most",
        why=f"Chance is {chance:.2f}, one over the number of objects.",
    )


def _edit(
    config: Config, run: Run, found: list[Relation], chosen: list[dict[str, list[Chosen]]]
) -> None:
    """Swap an object's direction for another's in held-out subjects, at several lengths."""
    names, rows = (LRC, SVM, MEANS, RANDOM), []
    results: list[dict[str, np.ndarray]] = []
    with run.progress("edit", total=len(found), unit="relations") as bar:
        for r, by in zip(found, chosen, strict=True):
            held, train = np.flatnonzero(~r.train), np.flatnonzero(r.train)
            tried = {
                size: _success(config, run, r, by[LRC], train, size, "train").mean()
                for size in config.sizes
            }
            best = max(tried, key=lambda size: tried[size])
            out = {}
            for size in config.sizes:
                for name in names:
                    some = by[name] if name != RANDOM else _random(config, run, r, by[LRC][0])
                    hits = _success(config, run, r, some, held, size, "held")
                    rows.append(
                        {
                            "relation": r.asked.relation,
                            "series": name,
                            "x": size,
                            "value": float(hits.mean()),
                            "chosen": size == best,
                        }
                    )
                    if size == best:
                        out[name] = hits
            results.append(out)
            bar.advance()
    frame = pd.DataFrame(rows)
    run.table(
        "edits",
        frame,
        "Share of held-out subjects that answer with the new object, by length of the edit.",
    )
    means = frame.groupby(["series", "x"], sort=False)["value"].mean().reset_index()
    run.figure(
        "edits",
        curves(
            means,
            x="length of the edit, in lengths of the state",
            y="edits that succeed",
            nulls=(RANDOM,),
            points=True,
        ),
        f"Mean over {len(found)} relations.",
    )

    def share(rows: list[np.ndarray], who: str = LRC, draw: int | None = None) -> float:
        won = []
        for out, i in zip(results, rows, strict=True):
            own = out[who][0, i].mean() if draw is None else out[who][draw, i].mean()
            rest = out[RANDOM][:, i] if draw is None else np.delete(out[RANDOM], draw, axis=0)[:, i]
            won.append(own > 0 and own >= 3 * rest.mean() and own >= out[SVM][0, i].mean())
        return float(np.mean(won))

    every = [np.arange(out[LRC].shape[1]) for out in results]
    rng = run.rng("edits", "bootstrap")
    ends = percentile(
        np.array([share([rng.integers(len(i), size=len(i)) for i in every]) for _ in range(1000)])
    )
    null = [share(every, RANDOM, k) for k in range(config.draws)]
    evidence = Evidence(
        "relations steered",
        share(every),
        (float(ends[0]), float(ends[1])),
        Null.of("one random direction judged so", null),
        n=len(found),
        unit="share",
    )
    rates = ", ".join(f"{np.mean([o[name].mean() for o in results]):.2f} {name}" for name in names)
    run.claim(
        "steers",
        "Edits succeed three times as often as random ones and as often as SVM directions",
        evidence,
        2 / 3,
        why=f"At the length that training subjects choose. Mean success: {rates}.",
    )


def _success(
    config: Config,
    run: Run,
    r: Relation,
    some: list[Chosen],
    rows: np.ndarray,
    size: float,
    stream: str,
) -> np.ndarray:
    """For each set of directions, which subjects answer with the object whose direction was put in, (sets, n)."""
    rng, classes = run.rng("aims", r.asked.relation, stream), r.classes
    aims = np.array([rng.choice(np.setdiff1d(np.unique(classes), classes[i])) for i in rows])
    answer = np.array([r.asked.answer[np.flatnonzero(classes == c)[0]] for c in aims])
    asked, out = r.asked.take(rows), []
    for c in some:
        s = r.states[c.site][rows]
        length = float(np.linalg.norm(s, axis=1).mean())
        steps = np.stack(
            [
                c.concepts.swap(int(classes[i]), int(a), size * length)
                for i, a in zip(rows, aims, strict=True)
            ]
        )
        put = s + steps.astype(np.float32)
        found = decode(
            asked.model, asked.outputs(last_site(asked.model), put, r.maps[0].sites[c.site])
        )
        out.append((found == answer).astype(np.float64))
    return np.stack(out)


def _random(config: Config, run: Run, r: Relation, like: Chosen) -> list[Chosen]:
    """Random directions for every object, at the same site."""
    out = []
    for k in range(config.draws):
        rng = np.random.default_rng(child_seed(run.seed, "random", r.asked.relation, str(k)))
        out.append(
            Chosen(like.site, unit_directions(rng.normal(size=like.concepts.directions.shape)))
        )
    return out


def _answer(run: Run, model: Model, count: int) -> str:
    by = run.claims
    yes = "Yes" if by["accuracy"].passed and by["steers"].passed else "In part"
    svm = "better than" if by["above-svm"].value > 0 else "no better than"
    return (
        f"{yes}. Over {count} relations that {model.name} answers, directions got by inverting the relation's map classify "
        f"held-out subjects {by['accuracy'].value:.2f} above the majority object, {svm} a linear SVM (difference "
        f"{by['above-svm'].value:+.2f}); with object states of the last layer they are {by['above-final'].value:.2f} worse. "
        f"Swapped inside the model they steer {by['steers'].value:.0%} of the relations as the bar asks."
    )
