"""Does inverting a relation's linear map give directions that classify subjects and steer answers?

The mean Jacobian of a relation, from the subject's state to the object's some layers before the last, is inverted at low
rank; each object's mean state then gives a direction of the subject. Held-out subjects are classified by the direction that
they lie furthest along, beside a linear SVM, differences of means, plain means, the same with objects shuffled and with
objects' states of the last layer. Swapping one object's direction for another's at every layer should change the answer.
Directions are made from prompts with answered questions before them; what is held out is asked without any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.svm import LinearSVC

from inscape.charts.curves import curves
from inscape.charts.heatmap import matrix
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, table
from inscape.core.folds import group_codes
from inscape.core.measured import Measured, Role
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.model.unembed import Readout
from inscape.outcomes.relation_maps import Mapped, answered, by_relation, linearise
from inscape.outcomes.relation_prompts import Asked, ask, last_site
from inscape.read.relational_concepts import (
    Concepts,
    mean_concepts,
    relational_concepts,
    unit_directions,
)
from inscape.study.card import Card, Claim
from inscape.study.opening import opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting

CARD = Card(
    slug="linear-relational-concepts",
    title="Identifying Linear Relational Concepts in Large Language Models",
    authors="Chanin, Hunter and Camburu",
    year=2024,
    arxiv="2311.08968",
    room="read",
    claim="Directions got by inverting a relation's linear map, with object states from before the last layers, classify "
    "subjects better than supervised probes do and change the model's answer when they are swapped.",
    reproduced="SmolLM2-135M-Instruct on seven authored relations whose objects several subjects share. Directions are "
    "made in five-shot prompts, from those questions that it answers, the subject's layer in mid-depth, the object's layer "
    "and the rank chosen on training subjects; held-out subjects are classified and edited in the question alone.",
    controls=(
        "majority object",
        "linear SVM, differences of means and plain means on the same training subjects",
        "the same with objects shuffled among training subjects",
        "the same with object states of the last layer",
        "random directions of the same length, for edits",
    ),
    claims={
        "accuracy": Claim(
            text="Inverted relations classify held-out subjects better than the majority object",
            at_least=0.25,
            null="shuffled objects",
        ),
        "above-final": Claim(
            text="Object states from before the last layer invert better than those of the last",
            at_least=0.0,
            over="object of the last layer",
        ),
        "above-svm": Claim(
            text="They classify better than a linear SVM on the same subjects",
            at_least=0.0,
            over="linear SVM",
            why="The SVM sees the states of all training subjects.",
        ),
        "steers": Claim(
            text="On two thirds of the relations edits succeed at least three times as often as random ones and as often as "
            "SVM directions",
            at_least=0.0,
            over="the better of three times random directions and the linear SVM",
            why="The value is how far success is above that, on the last relation of the best two thirds. An edit succeeds "
            "where the new object becomes likelier than the old; its length is chosen on training subjects.",
        ),
        "shuffled": Claim(
            text="With shuffled objects accuracy is at chance",
            at_least=-0.1,
            at_most=0.1,
            sanity=True,
        ),
    },
    # the toy's last layer says the object as well as the one before it: which is above changes with the seed
    tiny={
        "accuracy": "supported",
        "above-final": "any",
        "above-svm": "not supported",
        "steers": "supported",
        "shuffled": "supported",
    },
    answer="{yes}. Over {count} relations that {model} answers, directions got by inverting the "
    "relation's map classify held-out subjects {accuracy:+.2f} against the majority object "
    "({accuracy.verdict}) and {above-svm:+.2f} against a linear SVM; against object states of the last "
    "layer it is {above-final:+.2f} ({above-final.verdict}). Edits succeed three times as often as "
    "random ones and as often as SVM directions on two thirds of the relations: {steers.verdict} "
    "({steers:+.2f}).",
    differs="The authors linearise twenty prompts of GPT-J and Llama-2 at every pair of layers and change the state by "
    "its own length at each layer; here six prompts, two object layers beside the last, and all methods' changes have the "
    "same length. Only questions for which the old object is the likelier one are edited.",
    group_note="A group is a subject, over all relations that ask about it. Objects are what is classified, so they are on "
    "both sides; the subjects that are linearised are training subjects.",
    negative="In SmolLM2-135M (seed 0, small) object states of the last layer are as good as earlier ones (0.06 better, "
    "[−0.02, 0.14]), and a linear SVM as well as inverted relations (0.05 better, [−0.06, 0.17]). Edits succeed as often as "
    "those of SVM directions and three times as often as random ones on two of six relations; on average in 0.79 of the "
    "cases, SVM directions in 0.67, random ones in 0.10.",
    minutes={"tiny": 0.3, "small": 6, "full": 90},
    figure="accuracy",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("relations", "columns relation, subject, object, template; span subject")
    relations: tuple[str, ...] = setting(
        (
            "country language",
            "city country",
            "word first letter",
            "name gender",
            "profession place",
            "country continent",
            "thing kind",
        ),
        "which are asked; none for all",
    )
    shots: int = setting(5, "answered questions before each")
    least: int = setting(16, "answered questions, of objects with three or more, for a relation")
    examples: int = setting(6, "subjects that are linearised")
    layers: tuple[int, ...] = setting(
        (14,), "blocks after which the subject is taken; -1 before all"
    )
    objects: tuple[int, ...] = setting(
        (21, 25), "blocks after which the object is taken, beside the last"
    )
    ranks: tuple[int, ...] = setting((8, 32, 128), "ranks of the inverse tried")
    sizes: tuple[float, ...] = setting(
        (0.03, 0.1, 0.3, 1.0), "edits' lengths at every layer, in lengths of the state there"
    )
    train: float = setting(0.6, "share of each object's subjects that train")
    shuffles: int = setting(199, "shuffles of the objects")
    draws: int = setting(5, "random directions for every object")


PRESETS = {
    "tiny": Config(
        model="world:relations",
        data="world:relations",
        relations=("country", "job", "pet"),
        shots=0,
        layers=(-1,),
        objects=(0,),
        ranks=(3, 6, 12),
        shuffles=39,
        draws=3,
    ),
    "small": Config(),
    "full": Config(
        relations=(),
        examples=20,
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
SHUFFLED, RANDOM, MAJORITY, CHANCE = "shuffled objects", "random directions", "majority", "chance"
ALONE, SHOTS = "question alone", "with answered questions"
ROLES: dict[str, Role] = {
    **dict.fromkeys((FINAL, SVM, MEANS, PLAIN, MAJORITY), "baseline"),
    CHANCE: "reference",
    SHUFFLED: "null",
}


@dataclass(frozen=True, eq=False)
class Relation:
    """One relation: its maps to each object site, classes of its subjects, and which of them train.

    `plain` are the same questions alone, without answered ones before them, and `read` their subjects' states.
    """

    maps: list[Mapped]
    plain: Asked
    read: np.ndarray
    classes: np.ndarray
    train: np.ndarray
    inner: np.ndarray  # training subjects that choose

    @property
    def states(self) -> np.ndarray:
        return self.maps[0].states

    @property
    def asked(self) -> Asked:
        return self.maps[0].asked

    @property
    def held(self) -> np.ndarray:
        return np.flatnonzero(~self.train)


@dataclass(frozen=True, eq=False)
class Chosen:
    """A method's directions, and the site of the subject they are for."""

    site: int
    concepts: Concepts


def run(config: Config, run: Run) -> None:
    """Ask, linearise, invert; classify; edit."""
    model, examples, _ = opened(config, run)
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
            found.append(_relation(config, run, asked, examples, bar.advance))
    chosen = [_methods(config, run, r) for r in found]
    _classify(config, run, found, chosen)
    _edit(config, run, found, chosen)
    both = {run.claims[id].verdict for id in ("accuracy", "steers")}
    yes = "Yes" if both == {"supported"} else "In part" if "supported" in both else "No"
    run.facts(yes=yes, count=len(found))


def _shared(asked: Asked) -> Asked:
    """Subjects whose object at least three of them have."""
    _, code, count = np.unique(asked.objects.astype(str), return_inverse=True, return_counts=True)
    return asked.take(count[code] >= 3)


def _alone(examples: Examples, asked: Asked) -> Asked:
    """The same questions, in the same order, with nothing before them."""
    rows = (examples.frame["relation"] == asked.relation).to_numpy()
    found = ask(asked.model, examples.take(rows), 0, rng=np.random.default_rng(0))
    place = {str(s): i for i, s in enumerate(found.subjects)}
    return found.take(np.array([place[str(s)] for s in asked.subjects]))


def _relation(
    config: Config,
    run: Run,
    asked: Asked,
    examples: Examples,
    advance: Callable[[], object],
) -> Relation:
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
        )
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
    plain = _alone(examples, asked)
    return Relation(maps, plain, plain.states(sites), classes, train, inner)


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
        coef = _svm().fit(s / scale, y).coef_
        return [unit_directions(np.vstack([-coef, coef]) if len(coef) == 1 else coef)]
    maps = r.maps[-1:] if name == FINAL else r.maps[:-1]
    return [
        relational_concepts(
            m.embedding(site), m.outputs[rows], y, min(rank, m.embedding(site).rank)
        )
        for m in maps
        for rank in config.ranks
    ]


def _svm() -> LinearSVC:
    return LinearSVC(C=0.1, fit_intercept=False, max_iter=20000, random_state=0)


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
    for k in range(config.shuffles):
        rng, mixed = run.rng("shuffled", r.asked.relation, str(k)), r.classes.copy()
        for part in (
            r.train & r.inner,
            r.train & ~r.inner,
        ):  # every object keeps rows in both halves
            mixed[part] = rng.permutation(r.classes[part])
        out[SHUFFLED].append(_choose(config, r, LRC, mixed))
    return out


def _right(r: Relation, by: Mapping[str, list[Chosen]], states: np.ndarray) -> dict[str, Any]:
    """Which held-out subjects each method classifies rightly, (sets, n), with what needs no state beside it."""
    truth = r.classes[r.held]
    right: dict[str, Any] = {
        name: np.stack([c.concepts.predict(states[c.site][r.held]) == truth for c in some])
        for name, some in by.items()
    }
    right[MAJORITY] = (truth == np.bincount(r.classes[r.train]).argmax())[None]
    right[CHANCE] = np.full((1, len(truth)), 1.0 / (int(r.classes.max()) + 1))
    return right


def _classify(
    config: Config, run: Run, found: list[Relation], chosen: list[dict[str, list[Chosen]]]
) -> None:
    """Accuracy on held-out subjects, and the claims about it."""
    rows: list[Evidence] = []
    cells, every = [], {}
    for prompt in (ALONE, SHOTS):
        right = [
            _right(r, by, r.read if prompt == ALONE else r.states)
            for r, by in zip(found, chosen, strict=True)
        ]
        for r, own in zip(found, right, strict=True):
            where = {"relation": r.asked.relation, "prompt": prompt, "objects": _count(r)}
            m = Measured("accuracy", unit="accuracy", where=where)
            for name, x in own.items():
                m.put(name, x, role=ROLES.get(name, "treatment"))
                if prompt == ALONE:
                    cell = {"row": r.asked.relation, "column": name}
                    cells.append({**cell, "value": float(x.mean())})
            rows += m.evidence(SHUFFLED)
        every[prompt] = _macro("accuracy", "accuracy", found, [r.held for r in found], right)
        rows += [
            replace(e, where={"relation": "mean of all", "prompt": prompt, "objects": 0, **e.where})
            for e in every[prompt].evidence(SHUFFLED)
        ]
    run.table(
        "accuracy",
        table(rows),
        "Accuracy on held-out subjects, by relation and kind of direction, in prompts of the question alone and with "
        f"{config.shots} answered questions before it.",
    )
    run.figure(
        "accuracy",
        matrix(pd.DataFrame(cells), value="accuracy", domain=(0.0, 1.0), row="relation"),
        "Accuracy on held-out subjects, the question alone; sites and rank of every method are chosen on training subjects.",
    )
    m, shown = every[ALONE], every[SHOTS].gain(LRC, over=MAJORITY)
    counts = [_count(r) for r in found]
    run.claim(
        "accuracy",
        m.gain(LRC, over=MAJORITY, null=SHUFFLED),
        why=f"Means over {len(found)} relations of {min(counts)} to {max(counts)} objects; with {config.shots} answered "
        f"questions before each, {shown.value:.2f}.",
    )
    run.claim("above-final", m.gain(LRC, over=FINAL))
    run.claim("above-svm", m.gain(LRC, over=SVM))
    run.claim("shuffled", m.gain(SHUFFLED, over=CHANCE))


def _count(r: Relation) -> int:
    return int(r.classes.max()) + 1


def _macro(
    name: str,
    unit: str,
    found: Sequence[Relation],
    rows: Sequence[np.ndarray],
    values: Sequence[Mapping[str, np.ndarray]],
) -> Measured:
    """The mean over relations of their means, over groups of subjects: every relation weighs the same."""
    subjects = [r.asked.subjects[i] for r, i in zip(found, rows, strict=True)]
    weight = np.concatenate([np.full(len(i), 1.0 / len(i)) for i in rows])
    m = Measured(name, groups=np.concatenate(subjects).astype(str), unit=unit, kind="ratio")
    for condition in values[0]:
        whole = np.concatenate([own[condition] for own in values], axis=1)
        m.put(condition, whole * weight, weight, role=ROLES.get(condition, "treatment"))
    return m


@dataclass(frozen=True, eq=False)
class Swap:
    """Subjects of a relation to be edited: their rows, the class put in place of their own, their states' mean lengths.

    Lengths are of the sites where concepts may be and of every block's output, without an edit.
    """

    rows: np.ndarray
    aims: np.ndarray
    lengths: Mapping[str, float]


def _swaps(run: Run, r: Relation, rows: np.ndarray, stream: str) -> Swap:
    """For each subject another object, of another first token, where the old one is the likelier without an edit."""
    rng, classes = run.rng("aims", r.asked.relation, stream), r.classes
    token = {int(c): int(r.asked.answer[np.flatnonzero(classes == c)[0]]) for c in classes}
    others = [[c for c in sorted(token) if token[c] != token[int(classes[i])]] for i in rows]
    some = np.array([i for i, o in zip(rows, others, strict=True) if o], dtype=np.int64)
    aims = np.array([rng.choice(o) for o in others if o], dtype=np.int64)
    if len(some):
        outputs = r.plain.take(some).outputs(last_site(r.plain.model))
        kept = _judged(r, some, aims, outputs)[0] == 0
        some, aims = some[kept], aims[kept]
    if not len(some):
        return Swap(some, aims, {})
    blocks = [str(s) for s in r.plain.model.sites if s.point == "resid_post"]
    sites = list(dict.fromkeys([*r.maps[0].sites, *blocks]))
    norms = np.linalg.norm(r.plain.take(some).states(sites), axis=2).mean(axis=1)
    return Swap(some, aims, dict(zip(sites, norms.tolist(), strict=True)))


def _judged(
    r: Relation, rows: np.ndarray, aims: np.ndarray, outputs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the new object is likelier than the old, and where it is the answer, from last-token states."""
    first = np.array([r.asked.answer[np.flatnonzero(r.classes == c)[0]] for c in range(_count(r))])
    new, old = first[aims], first[r.classes[rows]]
    model, at = r.plain.model, torch.arange(len(rows))
    with torch.no_grad():
        logits = Readout.of(model)(torch.from_numpy(outputs).to(model.dtype)).float().cpu()
    prefers = logits[at, torch.from_numpy(new)] > logits[at, torch.from_numpy(old)]
    return prefers.double().numpy(), (logits.argmax(-1).numpy() == new).astype(np.float64)


def _success(r: Relation, some: Sequence[Chosen], swap: Swap, size: float) -> np.ndarray:
    """For each set of directions, which edits succeed and which make the new object the answer, (2, sets, n)."""
    plain, out = r.plain.take(swap.rows), []
    pairs = list(zip(r.classes[swap.rows].tolist(), swap.aims.tolist(), strict=True))
    for c in some:
        step = np.stack([c.concepts.swap(old, new, size) for old, new in pairs])
        steps = {
            site: step * length
            for site, length in swap.lengths.items()
            if site.startswith("resid_post") or site == r.maps[0].sites[c.site]
        }
        outputs = plain.moved(last_site(plain.model), steps)
        out.append(np.stack(_judged(r, swap.rows, swap.aims, outputs)))
    return np.stack(out, axis=1)


def _edit(
    config: Config, run: Run, found: list[Relation], chosen: list[dict[str, list[Chosen]]]
) -> None:
    """Swap an object's direction for another's in held-out subjects, at every layer and several lengths."""
    rows: list[dict[str, Any]] = []
    results: list[tuple[Relation, Swap, dict[str, np.ndarray]]] = []
    with run.progress("edit", total=len(found), unit="relations") as bar:
        for r, by in zip(found, chosen, strict=True):
            random = _random(config, run, r, by[LRC][0])
            some = {name: by[name] for name in (LRC, SVM, MEANS)} | {RANDOM: random}
            swap, inside = _swaps(run, r, r.held, "held"), _inside(run, r)
            bar.advance()
            if not len(swap.rows) or not len(inside.rows):
                run.log(
                    "%s: no subject has a likelier right object, so none is edited",
                    r.asked.relation,
                )
                continue
            best = max(config.sizes, key=lambda size: _lead(r, some, inside, size))
            for size in config.sizes:
                hits = {name: _success(r, sets, swap, size) for name, sets in some.items()}
                rows += [
                    {
                        "relation": r.asked.relation,
                        "series": name,
                        "x": size,
                        "value": float(h[0].mean()),
                        "says": float(h[1].mean()),
                        "chosen": size == best,
                        "n": len(swap.rows),
                    }
                    for name, h in hits.items()
                ]
                if size == best:
                    results.append((r, swap, {name: h[0] for name, h in hits.items()}))
    if not results:
        raise StudyError(
            "No subject has a likelier right object, so none can be edited; give more rows."
        )
    frame = pd.DataFrame(rows)
    run.table(
        "edits",
        frame,
        "Share of held-out subjects for whom the new object becomes likelier than the old one (value) and the answer "
        "(says), by length of the edit.",
    )
    means = frame.groupby(["series", "x"], sort=False)["value"].mean().reset_index()
    run.figure(
        "edits",
        curves(
            means,
            x="length of the edit at every layer, in lengths of the state",
            y="edits that succeed",
            nulls=(RANDOM,),
            points=True,
        ),
        f"Mean over {len(results)} relations.",
    )
    _steered(run, results)


def _inside(run: Run, r: Relation) -> Swap:
    return _swaps(run, r, np.flatnonzero(r.train), "train")


def _lead(r: Relation, some: Mapping[str, list[Chosen]], swap: Swap, size: float) -> float:
    """How far success is above that of one set of random directions, on training subjects."""
    own, random = (_success(r, some[name][:1], swap, size)[0].mean() for name in (LRC, RANDOM))
    return float(own - random)


def _steered(run: Run, results: Sequence[tuple[Relation, Swap, dict[str, np.ndarray]]]) -> None:
    """Success at the chosen length, by relation and over all; the claim about two thirds of the relations."""
    found, swaps, hits = (list(x) for x in zip(*results, strict=True))
    m = by_relation(
        "edits that succeed",
        {r.asked.relation: r.asked.subjects[s.rows] for r, s, _ in results},
        {r.asked.relation: own for r, _, own in results},
    )
    rows = [
        m.value(
            f"{r.asked.relation}, {name}",
            where={"relation": r.asked.relation, "directions": name},
        )
        for r in found
        for name in hits[0]
    ]
    names = [[f"{r.asked.relation}, {name}" for name in (LRC, SVM, RANDOM)] for r in found]
    every = _macro("edits that succeed", "share", found, [s.rows for s in swaps], hits)
    rows += [
        every.value(name, where={"relation": "mean of all", "directions": name}) for name in hits[0]
    ]
    run.table(
        "steered", table(rows), "Edits that succeed, at the length that training subjects choose."
    )
    least = [0.5 / own[RANDOM].size for own in hits]  # where none of them succeeds, half of one
    wanted = -(-2 * len(found) // 3)

    def margin(k: int, own: Any, svm: Any, random: Any) -> Any:
        return own - np.maximum(svm, 3 * np.maximum(random, least[k]))

    def last(*s: np.ndarray) -> np.ndarray:
        margins = [margin(k, *s[3 * k : 3 * k + 3]) for k in range(len(found))]
        return np.sort(np.stack(margins), axis=0)[len(found) - wanted]

    held = sum(margin(k, *(m.value(n).value for n in three)) >= 0 for k, three in enumerate(names))
    rates = ", ".join(f"{every.value(name).value:.2f} {name}" for name in hits[0])
    ranked = m.combined(
        f"success − the better of SVM and three times random, relation {wanted} of {len(found)}",
        last,
        *(name for three in names for name in three),
    )
    why = f"It holds on {held} of {len(found)} relations. Mean success: {rates}."
    run.claim("steers", ranked, why=why)


def _random(config: Config, run: Run, r: Relation, like: Chosen) -> list[Chosen]:
    """Random directions for every object, at the same site."""
    out = []
    for k in range(config.draws):
        rng = np.random.default_rng(child_seed(run.seed, "random", r.asked.relation, str(k)))
        out.append(
            Chosen(like.site, unit_directions(rng.normal(size=like.concepts.directions.shape)))
        )
    return out
