"""Is what a language model knows of a subject read off its state by one affine map for each relation?

For a few subjects of a relation the Jacobian of the answer's state in the subject's is taken; their mean is the relation's
map. On held-out subjects the map's object is decoded and compared with what the model says, beside the logit lens, a
translation, least squares on the same few examples and a random map of the same singular values. Inverted at low rank, the
map says how a subject must change for another object; the change is made inside the model, beside one from the random map.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from inscape.charts.bars import values_by_group
from inscape.charts.heatmap import matrix
from inscape.charts.layers import score_by_layer
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.intervals import percentile
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.read.relational import AffineRelation
from inscape.study.card import Card
from inscape.study.frames import layer_of
from inscape.study.relation_maps import Mapped, answered, linearise
from inscape.study.relation_prompts import decode, last_site
from inscape.study.run import Run
from inscape.study.shares import Shares, bars
from inscape.worlds.relations import relations

CARD = Card(
    slug="linear-relational-embedding",
    title="Linearity of Relation Decoding in Transformer Language Models",
    authors="Hernandez, Sen Sharma, Haklay, Meng, Wattenberg, Andreas, Belinkov and Bau",
    year=2023,
    arxiv="2308.09124",
    room="read",
    claim="For many relations, though not for all that the model knows, the object is read off the subject's state by one "
    "affine map, which the mean Jacobian of a few examples gives; inverted, the map says how to edit the subject.",
    reproduced="SmolLM2-135M-Instruct on eight authored relations in five-shot prompts, those questions that it answers; "
    "Jacobians of six subjects at four layers; layer, gain and rank chosen on other subjects; faithfulness and causal edits "
    "on subjects held out of both.",
    controls=(
        "logit lens on the subject's state",
        "translation by the mean difference of the same examples",
        "least squares on the same examples",
        "a map of the same singular values in random directions, for decoding and for edits of the same length",
    ),
    bar="On at least 3 relations held-out faithfulness is at least 0.5 and at least 0.1 above the best of logit lens, "
    "translation and least squares; causal edits succeed at least twice as often as those of the random map. Relations that "
    "the model knows and the map decodes in fewer than 0.3 of the cases are listed.",
    group_note="A group is a subject, which each relation asks about once; it is linearised, chooses or is held out. "
    "Objects that several subjects share are on both sides: the least squares baseline has that advantage too.",
    minutes={"tiny": 0.3, "small": 5, "full": 90},
    figure="faithfulness",
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
            "country capital",
            "country language",
            "city country",
            "adjective opposite",
            "adjective comparative",
            "verb past",
            "word first letter",
            "number successor",
        ),
        metadata={"help": "which are asked; none for all"},
    )
    shots: int = field(default=5, metadata={"help": "answered questions before each"})
    least: int = field(
        default=20, metadata={"help": "answers that the model must know for a relation to be taken"}
    )
    examples: int = field(default=6, metadata={"help": "subjects that are linearised"})
    layers: tuple[int, ...] = field(
        default=(3, 8, 13, 18),
        metadata={"help": "blocks after which the subject is taken; -1 before all"},
    )
    betas: tuple[float, ...] = field(
        default=(0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0), metadata={"help": "gains tried"}
    )
    ranks: tuple[int, ...] = field(
        default=(8, 32, 128), metadata={"help": "ranks of the inverse tried"}
    )
    draws: int = field(default=5, metadata={"help": "random maps"})

    def __post_init__(self) -> None:
        if self.examples < 3 or self.least < self.examples + 6:
            raise ValueError(
                f"examples must be at least 3 and least at least examples + 6, got {self.examples}, {self.least}"
            )


PRESETS = {
    "tiny": Config(
        model="relations-world",
        data="relations-world",
        relations=("city", "country", "job", "pet"),
        shots=0,
        layers=(-1, 0),
        ranks=(4, 16, 48),
        draws=3,
    ),
    "small": Config(),
    "full": Config(
        relations=(),
        examples=8,
        layers=tuple(range(0, 24, 2)),
        ranks=(4, 16, 64, 128, 256),
        draws=20,
    ),
}

LRE, LENS, SHIFT, SQUARES, RANDOM = (
    "mean Jacobian",
    "logit lens",
    "translation",
    "least squares",
    "random map",
)
MORE = "least squares, all training rows"


def run(config: Config, run: Run) -> None:
    """Ask, linearise, decode, edit."""
    model, examples = _open(config, run)
    if model.certificate is not None:
        run.certificate(model.certificate)
    run.asked(
        f"For which relations is what {model.name} answers one affine map of the subject's state?"
    )
    kept, known = answered(
        model, examples, config.relations, config.shots, config.least, rng=run.rng("shots")
    )
    sites = [
        str(s)
        for s in model.select(["embed" if k < 0 else f"resid_post.{k}" for k in config.layers])
    ]
    found: list[Mapped] = []
    with run.progress("linearise", total=config.examples * len(kept), unit="prompts") as bar:
        for asked in kept:
            found.append(
                linearise(
                    asked,
                    sites,
                    last_site(model),
                    config.examples,
                    rng=run.rng("deal", asked.relation),
                    advance=bar.advance,
                )
            )
    run.table(
        "known",
        pd.DataFrame([{"relation": r, "answered": a, "asked": n} for r, (a, n) in known.items()]),
        f"Questions that {model.name} answers, {config.shots} examples before each; only those are used.",
    )
    scores = {m.relation: _faithful(config, run, m) for m in found}
    _decoding(config, run, scores)
    _layers(config, run, found)
    edits = {m.relation: _causal(config, run, m) for m in found}
    _editing(run, edits)
    run.answer(_answer(run, model, scores, known))


def _open(config: Config, run: Run) -> tuple[Model, Examples]:
    if "relations-world" in (config.model, config.data):
        if config.model != config.data:
            raise StudyError(
                "'relations-world' goes with no other model or data: give it for both, or for neither."
            )
        world = relations(seed=run.seed)
        return world.model, world.examples
    return open(config.model), load(config.data)


def _candidates(
    m: Mapped, name: str, site: int, config: Config, rng: np.random.Generator
) -> list[AffineRelation]:
    """A method's maps from one site: several where it has a gain to be chosen."""
    if name == LENS:
        d = m.states.shape[2]
        return [AffineRelation(np.eye(d), np.zeros(d))]
    if name == SHIFT:
        return [m.translated(site)]
    if name in (SQUARES, MORE):
        return [m.fitted(site, more=name == MORE)]
    base = m.embedding(site)
    base = base if name == LRE else base.randomised(rng=rng)
    return [base.with_beta(beta) for beta in config.betas]


def _best(
    m: Mapped, name: str, config: Config, rng: np.random.Generator
) -> tuple[int, AffineRelation]:
    """The site and map of a method that agree most on the rows that choose."""
    options = [(k, r) for k in range(len(m.sites)) for r in _candidates(m, name, k, config, rng)]
    score = m.shares([(r, k) for k, r in options], m.chooses)
    return options[int(np.argmax(score))]


def _faithful(config: Config, run: Run, m: Mapped) -> dict[str, np.ndarray]:
    """For every method, on which held-out rows its map says what the model says; random maps one after another."""
    out: dict[str, np.ndarray] = {}
    for name in (LRE, LENS, SHIFT, SQUARES, MORE):
        site, relation = _best(m, name, config, run.rng("faithful"))
        out[name] = m.agrees(relation, site, m.held)
    site, own = _best(m, LRE, config, run.rng("faithful"))
    drawn = [own.randomised(rng=run.rng("random", m.relation, str(k))) for k in range(config.draws)]
    out[RANDOM] = np.stack([m.agrees(relation, site, m.held) for relation in drawn])
    return out


def _wins(values: dict[str, dict[str, float]], of: str = LRE) -> int:
    """Relations with faithfulness of at least ½ and a tenth above the best baseline."""
    return sum(
        v[of] >= 0.5 and v[of] >= 0.1 + max(v[b] for b in (LENS, SHIFT, SQUARES))
        for v in values.values()
    )


def _decoding(config: Config, run: Run, scores: dict[str, dict[str, np.ndarray]]) -> None:
    """Faithfulness on held-out subjects, by relation and method, and the claim over relations."""
    evidence, cells = [], []
    for relation, by in scores.items():
        n = len(by[LRE])
        shares = Shares(np.arange(n), run.rng("bootstrap", relation))
        null = by[RANDOM].mean(axis=1)
        for name in (LRE, SQUARES, MORE, SHIFT, LENS):
            evidence.append(
                shares.evidence(
                    "faithfulness",
                    by[name],
                    np.ones(n),
                    draws=null,
                    kind=RANDOM,
                    unit="share",
                    where={"relation": relation, "method": name},
                )
            )
            cells.append({"row": relation, "column": name, "value": evidence[-1].value})
        cells.append({"row": relation, "column": RANDOM, "value": float(null.mean())})
    run.table(
        "faithfulness",
        table(evidence),
        "Share of held-out subjects whose decoded object is what the model says.",
    )
    run.figure(
        "faithfulness",
        matrix(pd.DataFrame(cells), value="share", domain=(0.0, 1.0), row="relation"),
        "Faithfulness on held-out subjects; layer and gain of every method chosen on other subjects. "
        f"“{MORE}” has seen several times as many subjects as the others.",
    )
    means = {r: {name: float(x.mean()) for name, x in by.items()} for r, by in scores.items()}
    rng, drawn = run.rng("wins"), []
    for _ in range(1000):
        again = {}
        for r, by in scores.items():
            rows = rng.integers(len(by[LRE]), size=len(by[LRE]))
            again[r] = {name: float(x[..., rows].mean()) for name, x in by.items()}
        drawn.append(_wins(again))
    ends = percentile(np.array(drawn, dtype=np.float64))
    null = [
        float(
            _wins(
                {r: {**means[r], RANDOM: float(by[RANDOM][k].mean())} for r, by in scores.items()},
                RANDOM,
            )
        )
        for k in range(config.draws)
    ]
    count = Evidence(
        "relations decoded by the mean Jacobian",
        _wins(means),
        (float(ends[0]), float(ends[1])),
        Null.of(RANDOM, null),
        n=len(scores),
        unit="relations",
    )
    run.claim(
        "faithful",
        "Relations in which the map is right for half of the subjects and a tenth above every baseline",
        count,
        3,
    )
    low = [f"{r} ({by[LRE].mean():.2f})" for r, by in scores.items() if by[LRE].mean() < 0.3]
    run.text(
        "not-linear",
        f"Known to the model and decoded in fewer than 0.3 of the cases: {', '.join(low) or 'none'}.",
    )


def _layers(config: Config, run: Run, found: list[Mapped]) -> None:
    """Faithfulness by layer, the gain chosen at each on other rows, averaged over relations."""
    rows = []
    for name in (LRE, SQUARES, SHIFT, LENS, RANDOM):
        for k, site in enumerate(found[0].sites):
            values = []
            for m in found:
                options = _candidates(m, name, k, config, run.rng("layers", name, m.relation))
                best = (
                    int(np.argmax(m.shares([(r, k) for r in options], m.chooses)))
                    if len(options) > 1
                    else 0
                )
                values.append(m.agrees(options[best], k, m.held).mean())
            rng = run.rng("layers", name, site)
            drawn = rng.choice(values, size=(1000, len(values))).mean(axis=1)
            low, high = percentile(drawn)
            rows.append(
                {
                    "series": name,
                    "layer": layer_of(site),
                    "value": float(np.mean(values)),
                    "low": low,
                    "high": high,
                }
            )
    frame = pd.DataFrame(rows)
    chart = score_by_layer(
        frame, score="faithfulness", interval="95 %, relations drawn again", nulls=(RANDOM,)
    )
    run.figure(
        "layers",
        chart,
        f"Mean over {len(found)} relations of held-out faithfulness, by the layer at which the subject is taken. "
        "Layer −1 is the embedding.",
    )
    run.table("layers", frame, "The same numbers.")


def _causal(config: Config, run: Run, m: Mapped) -> dict[str, np.ndarray]:
    """For which held-out subjects an edit brings another subject's object, with the map and with random ones."""

    def others(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each row another with a different answer."""
        every = [rows[m.asked.answer[rows] != m.asked.answer[r]] for r in rows]
        return np.array(
            [rng.choice(some) if len(some) else r for some, r in zip(every, rows, strict=True)]
        )

    def success(rows: np.ndarray, to: np.ndarray, site: int, shift: np.ndarray) -> np.ndarray:
        put = m.states[site][rows] + shift.astype(np.float32)
        found = decode(m.asked.model, m.asked.take(rows).outputs(m.output, put, m.sites[site]))
        return (
            (found == m.asked.answer[to]) & (m.asked.answer[to] != m.asked.answer[rows])
        ).astype(np.float64)

    def shift(relation: AffineRelation, rows: np.ndarray, to: np.ndarray, rank: int) -> np.ndarray:
        return relation.shift(m.outputs[to] - m.outputs[rows], min(rank, relation.rank))

    aims = others(m.chooses, run.rng("aims", m.relation))
    options = [(k, r) for k in range(len(m.sites)) for r in config.ranks]
    maps = [m.embedding(k) for k in range(len(m.sites))]
    tried = [
        success(m.chooses, aims, k, shift(maps[k], m.chooses, aims, r)).mean() for k, r in options
    ]
    site, rank = options[int(np.argmax(tried))]
    to = others(m.held, run.rng("aims", m.relation, "held"))
    own = shift(maps[site], m.held, to, rank)
    random = []
    for k in range(config.draws):
        step = shift(
            maps[site].randomised(rng=run.rng("edit", m.relation, str(k))), m.held, to, rank
        )
        # as long as the map's own step: a step that is too short or too long fails for that alone
        step *= np.linalg.norm(own, axis=1, keepdims=True) / np.linalg.norm(
            step, axis=1, keepdims=True
        )
        random.append(success(m.held, to, site, step))
    whole = m.states[site][to] - m.states[site][m.held]
    return {
        LRE: success(m.held, to, site, own),
        RANDOM: np.stack(random),
        WHOLE: success(m.held, to, site, whole),
    }


def _editing(run: Run, edits: dict[str, dict[str, np.ndarray]]) -> None:
    """Edits that succeed, by relation and over all."""
    evidence = []
    for relation, by in edits.items():
        shares, ones = (
            Shares(np.arange(len(by[LRE])), run.rng("edits", relation)),
            np.ones(len(by[LRE])),
        )
        for name in (LRE, WHOLE):
            chance = {"draws": by[RANDOM].mean(axis=1), "kind": f"{RANDOM}, same length"}
            where = {"relation": relation, "edit": name}
            evidence.append(
                shares.evidence(
                    "edits that succeed", by[name], ones, unit="share", where=where, **chance
                )
            )
    run.table(
        "edits",
        table(evidence),
        "Share of held-out subjects that answer with the other's object after the edit.",
    )
    shown = bars([e for e in evidence if e.where["edit"] == LRE], "relation")
    run.figure(
        "edits",
        values_by_group(shown, value="edits that succeed", unit="share"),
        "Edits by the inverse of the relation's map; tick: random maps, steps of the same length.",
    )
    own, random = (
        np.concatenate([by[LRE] for by in edits.values()]),
        np.concatenate([by[RANDOM] for by in edits.values()], 1),
    )

    def ratio(rows: np.ndarray | slice, x: np.ndarray = own) -> float:
        # one success in all draws together stands for none
        return float(x[rows].mean() / max(random[:, rows].mean(), 1 / random.size))

    rng = run.rng("edits", "ratio")
    ends = percentile(np.array([ratio(rng.integers(len(own), size=len(own))) for _ in range(1000)]))
    null = [ratio(slice(None), row) for row in random]
    times = Evidence(
        "edits that succeed, over those of a random map",
        ratio(slice(None)),
        (float(ends[0]), float(ends[1])),
        Null.of("one random map over their mean", null),
        n=len(own),
        unit="times",
    )
    run.claim(
        "causal",
        "Edits by the inverse of the map succeed more often than those of a random map",
        times,
        2,
        why=f"{own.mean():.2f} of the edits succeed, {random.mean():.2f} with random maps.",
    )


def _answer(
    run: Run,
    model: Model,
    scores: dict[str, dict[str, np.ndarray]],
    known: dict[str, tuple[int, int]],
) -> str:
    by, best = run.claims, sorted(scores, key=lambda r: -scores[r][LRE].mean())
    half = [r for r in best if scores[r][LRE].mean() >= 0.5]
    return (
        f"For {len(half)} of the {len(scores)} relations that {model.name} knows ({len(known)} were asked), one affine map "
        f"from the mean Jacobian says what the model says for at least half of the held-out subjects"
        f"{': ' + ', '.join(f'{r} ({scores[r][LRE].mean():.2f})' for r in half) if half else ''}. In "
        f"{by['faithful'].value:.0f} of them it is a tenth above logit lens, translation and least squares on as many "
        f"examples. Edits by its inverse succeed {by['causal'].value:.1f} times as often as those of a random map."
    )


WHOLE = "the other subject's whole state"
