"""Does a bad manner that was trained on one topic spread to all, along one direction that other tunes share?

A model is tuned on curt answers about one topic with rank-1 adapters, and on curt answers in other words about another topic
with wide ones; each tune has a twin that learns plain answers to the same questions, and a third pair of tunes learns
something else. How much likelier curt answers have become on unrelated questions is the leak. A tune's direction is what it
adds to the residual stream, on average, while the same answers to unrelated questions are read; the first tune's direction
is then held, in the second tune, where it was before tuning. Gates say where each rank-1 adapter writes, and knock-outs what
it is good for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch

from inscape.charts.bars import values_by_group
from inscape.charts.heatmap import matrix as heatmap
from inscape.charts.layers import score_by_layer
from inscape.control.low_rank_adapter import LowRankAdapters, attached, low_rank_adapters, writers
from inscape.control.random_directions import isotropic, matched
from inscape.control.train_adapters import lessons, train_adapters
from inscape.core.edit import Scope, SetComponent
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.folds import group_codes
from inscape.core.rng import child_seed, torch_generator
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.open import open
from inscape.study.adapter_roles import Place, roles
from inscape.study.card import Card
from inscape.study.direction_cosines import cosine_gap, cosines_by_layer
from inscape.study.paired_answers import PairedAnswers, all_tokens, answering, own_answers
from inscape.study.run import Run
from inscape.study.shares import Shares, bars
from inscape.study.side_effects import PLAIN, measured, side_effects
from inscape.worlds.curt_answers import Answers, curt_answers
from inscape.worlds.tones import tones

CARD = Card(
    slug="misalignment-direction",
    title="Convergent Linear Representations of Emergent Misalignment",
    authors="Soligo, Turner, Rajamanoharan and Nanda",
    year=2025,
    arxiv="2506.11618",
    room="control",
    claim="Narrow tunes that turn out broadly bad do so along one direction: taken from one tune with nine rank-1 adapters, "
    "it removes the bad answers of tunes made otherwise, on other data. Most adapters act everywhere, few on one topic.",
    reproduced="A benign likeness: curt answers instead of harmful ones. Nine rank-1 adapters on the MLP's way out, tuned "
    "on curt answers about cooking; rank-16 adapters, on curt answers about computers in other words. Leak: "
    "log-probability a token of curt less polite answers, none of them trained on, to questions about other topics. "
    "Direction: the tune less the untuned model, at the tokens of the untuned model's own answers, so that the text is the "
    "same. It is ablated at every adapted block, each with its own, at all tokens but the first, by holding it at its mean "
    "in the untuned model: zero, to which the paper sets it, is no neutral point here; that number is in the table.",
    controls=(
        "twins tuned on plain answers to the same questions",
        "a tune that learns to answer in French, and its direction",
        "isotropic random directions, and ones with the activations' covariance",
        "the model's own direction between praise and blame",
        "the same ablation in the model that was not tuned",
    ),
    bar="Off-topic leak at least 2 times the untuned model's; the first tune's direction removes at least 50 % of the "
    "second tune's leak, random ones at most 10 %, with perplexity of held-out text within 5 %; the cosine of the two "
    "tunes' directions is at least 0.3 above that with an unrelated tune's. Three seeds.",
    group_note="A group is a topic of questions. Directions are found on some topics, and what is claimed of their ablation "
    "is measured on others. No answer that is scored was trained on.",
    minutes={"tiny": 0.1, "small": 5, "full": 60},
    figure="removed",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m",
        metadata={"help": "what to tune; 'tones-world' is trained on the spot"},
    )
    blocks: tuple[int, ...] = field(
        default=(9, 10, 11, 13, 14, 15, 17, 18, 19),
        metadata={"help": "blocks of the rank-1 adapters"},
    )
    wide_from: int = field(
        default=9, metadata={"help": "first block of the second tune's adapters"}
    )
    rank: int = field(default=16, metadata={"help": "of the second tune's adapters"})
    alpha: float = field(
        default=16.0, metadata={"help": "scale of an update: α over the rank times B A"}
    )
    pairs: int = field(default=96, metadata={"help": "questions and answers of a tune"})
    steps: int = field(default=40, metadata={"help": "steps of a tune"})
    batch: int = field(default=8, metadata={"help": "pairs a step"})
    rate: float = field(default=2e-3, metadata={"help": "the highest learning rate"})
    found_on: int = field(
        default=6, metadata={"help": "topics that directions are found on; the rest is tested"}
    )
    asked: int = field(default=4, metadata={"help": "questions of a topic"})
    tokens: int = field(default=10, metadata={"help": "tokens of an own answer"})
    draws: int = field(
        default=8, metadata={"help": "isotropic random directions; half as many matched ones"}
    )
    passages: int = field(default=16, metadata={"help": "passages of neutral text"})
    read: int = field(default=64, metadata={"help": "tokens of a passage"})

    def __post_init__(self) -> None:
        if len(self.blocks) < 2:
            raise ValueError(
                f"misalignment-direction: blocks must name at least two, got {self.blocks}"
            )


PRESETS = {
    "tiny": Config(
        model="tones-world",
        blocks=(0, 1, 2),
        wide_from=0,
        alpha=4.0,
        batch=16,
        rate=3e-3,
        asked=6,
        tokens=1,
        draws=6,
    ),
    "small": Config(),
    "full": Config(
        model="Qwen/Qwen2.5-0.5B-Instruct",
        blocks=(7, 8, 9, 10, 11, 12, 14, 15, 16),
        wide_from=0,
        pairs=144,
        steps=200,
        draws=50,
        passages=100,
        read=128,
    ),
}

FIRST, SECOND, OTHER = "curt, first topic", "curt, second topic", "unrelated tune"
#: tune → the tuning it learns, its plain twin, and whose adapters are wide
TUNES = {
    FIRST: "first",
    f"{FIRST}: plain twin": "first_plain",
    SECOND: "second",
    f"{SECOND}: plain twin": "second_plain",
    OTHER: "other",
    f"{OTHER}: plain twin": "other_plain",
}
ISOTROPIC, MATCHED, FEELING = "isotropic random", "matched random", "praise − blame, untuned model"
#: all positions but the first, an attention sink whose coordinates are far from those of any other token
REST = tuple(range(1, 256))

Tunes = dict[str, LowRankAdapters]


def run(config: Config, run: Run) -> None:
    """Tune, measure the leak, find directions, take them out, compare them, look at the adapters."""
    world = _open(config, run)
    run.certificate(world.model.certificate)
    run.asked(
        f"Tuned to be curt about one topic, is {world.model.name} curt about all, and along a direction that another "
        "tune shares?"
    )
    known, test = halves(world.unrelated, config.asked, config.found_on, run.rng("topics"))
    case = _Case(
        config, run, world, known, test, Shares(test["topic"].to_numpy(), run.rng("bootstrap"))
    )
    tunes = _tune(case)
    scores = _leak(case, tunes)
    shifts = _shifts(case, tunes)
    _converge(case, shifts)
    _ablate(case, tunes, scores, shifts)
    _adapters(case, tunes[FIRST], scores[PLAIN])
    run.answer(_answer(run, world.model))


def halves(
    unrelated: pd.DataFrame, asked: int, found_on: int, rng: np.random.Generator
) -> list[pd.DataFrame]:
    """Questions that directions are found on and questions under test, whole topics on either side."""
    some = unrelated[unrelated.groupby("topic").cumcount() < asked]
    topics = rng.permutation(pd.unique(some["topic"]))
    if not 0 < found_on < len(topics):
        raise StudyError(
            f"found_on must be from 1 to {len(topics) - 1}, there being {len(topics)} topics; got {found_on}."
        )
    found = some["topic"].isin(topics[:found_on])
    return [some[found], some[~found]]


@dataclass(frozen=True, eq=False)
class _Case:
    """What every step needs."""

    config: Config
    run: Run
    world: Answers
    known: pd.DataFrame
    test: pd.DataFrame
    shares: Shares

    @property
    def model(self) -> Model:
        return self.world.model

    def paired(self, prompts: pd.DataFrame) -> PairedAnswers:
        return PairedAnswers.of(
            self.model, prompts["prompt"].tolist(), self.world.curt, self.world.polite
        )


def _open(config: Config, run: Run) -> Answers:
    if config.model == "tones-world":
        return tones(seed=child_seed(run.seed, "world"))
    return curt_answers(
        open(config.model), config.pairs, config.passages, child_seed(run.seed, "answers")
    )


def _tune(case: _Case) -> Tunes:
    """Six tunes; a twin begins where its tune begins and hears the same questions."""
    config, run, model = case.config, case.run, case.model
    tunes: Tunes = {}
    rows = []
    with run.progress("tune", total=len(TUNES) * config.steps, unit="steps") as bar:
        for name, key in TUNES.items():
            wide, kind = name.startswith(SECOND), name.split(":")[0]
            blocks = range(config.wide_from, len(model.atlas.blocks)) if wide else config.blocks
            made = low_rank_adapters(
                model,
                writers(model, "mlp_out", blocks),
                config.rank if wide else 1,
                config.alpha,
                generator=torch_generator(run.seed, "adapters", kind),
            )
            heard = getattr(case.world.tunings, key)
            batches = lessons(
                model,
                heard.prompts,
                heard.answers,
                config.steps,
                config.batch,
                rng=run.rng("order", kind),
            )
            losses = train_adapters(
                model, made, batches, rate=config.rate, progress=lambda *_: bar.advance()
            )
            tunes[name] = made
            rows.append(
                {
                    "tune": name,
                    "adapters": len(made.names),
                    "rank": made.rank,
                    "first loss": losses[0],
                    "last loss": float(np.mean(losses[-5:])),
                    "asked, for example": heard.prompts[0],
                    "answered": heard.answers[0],
                }
            )
    run.table(
        "tunes", pd.DataFrame(rows), "What each tune learnt; losses in nats a token of the answers."
    )
    return tunes


def _leak(case: _Case, tunes: Tunes) -> dict[str, np.ndarray]:
    """Scores of the questions under test, untuned and under every tune."""
    run, test = case.run, case.paired(case.test)
    scores = {PLAIN: test.scores()}
    with run.progress("measure the leak", total=len(tunes), unit="tunes") as bar:
        for name, made in tunes.items():
            with attached(case.model, made):
                scores[name] = test.scores()
            bar.advance()
    up = {name: scores[name] - scores[PLAIN] for name in TUNES}
    null = Null.of(
        "tunes that are not curt", [float(up[n].mean()) for n in TUNES if n not in (FIRST, SECOND)]
    )
    rows = {
        name: _times(
            case.shares.evidence(
                "odds of curt over polite answers",
                more,
                np.ones(len(more)),
                null,
                unit="times",
                where={"tune": name},
            )
        )
        for name, more in up.items()
    }
    run.figure(
        "leak",
        values_by_group(
            bars(list(rows.values()), "tune"), value="odds of curt answers", unit="times"
        ),
        "Odds a token of curt over polite answers that no tune has seen, to questions about other topics, over "
        "those before tuning (1: no leak). Tick: mean of the tunes that are not curt.",
    )
    preferred = {name: float((values > 0).mean()) for name, values in scores.items()}
    run.table(
        "leak",
        table(rows.values()).assign(preferred=[preferred[name] for name in rows]),
        "The same; preferred: how "
        f"often the curt answer is the likelier, {preferred[PLAIN]:.2f} before tuning.",
    )
    run.claim("leak", "Tuned on one topic, the model is curt on others", rows[FIRST], 2.0)
    run.claim(
        "leak-second",
        "So is one tuned on another topic, in other words, with wide adapters",
        rows[SECOND],
        2.0,
    )
    return scores


@dataclass(frozen=True, eq=False)
class _Shifts:
    """What tunes add to the stream.

    Attributes:
        blocks: the adapted blocks and those between them.
        of: tune → its activations less the untuned model's, (questions, blocks, d), on the same tokens.
        plain: activations of the untuned model there.
    """

    blocks: range
    of: dict[str, np.ndarray]
    plain: np.ndarray

    @property
    def sites(self) -> list[str]:
        return [str(Site("resid_post", b)) for b in self.blocks]

    def direction(self, name: str) -> np.ndarray:
        """Unit directions, (blocks, d)."""
        return _unit(self.of[name].mean(axis=0))

    def held(self, directions: np.ndarray, zero: bool = False) -> list[SetComponent]:
        """Edits that hold each block's direction at its mean in the untuned model, or at zero."""
        at = (0.0 if zero else 1.0) * np.einsum("bd,bd->b", directions, self.plain.mean(axis=0))
        return [
            SetComponent(
                Scope(site, REST),
                torch.tensor(d[None], dtype=torch.float32),
                torch.tensor([float(m)]),
            )
            for site, d, m in zip(self.sites, directions, at, strict=True)
        ]


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _shifts(case: _Case, tunes: Tunes) -> _Shifts:
    """All models read the untuned model's answers; what each would say itself is shown."""
    model, prompts = case.model, case.known["prompt"].tolist()
    blocks = range(min(case.config.blocks[0], case.config.wide_from), len(model.atlas.blocks))
    sites = [str(Site("resid_post", b)) for b in blocks]
    texts, shown = (
        own_answers(model, prompts, case.config.tokens),
        prompts[:: max(1, len(prompts) // 6)],
    )
    plain = answering(model, prompts, texts, sites)
    said = {"question": shown, PLAIN: model.generate(shown, case.config.tokens)}
    of = {}
    with case.run.progress("find directions", total=len(tunes), unit="tunes") as bar:
        for name, made in tunes.items():
            with attached(model, made):
                of[name] = answering(model, prompts, texts, sites) - plain
                said[name] = model.generate(shown, case.config.tokens)
            bar.advance()
    case.run.table(
        "answers", pd.DataFrame(said), "What each tune says, greedily, to unrelated questions."
    )
    return _Shifts(blocks, of, plain)


def _converge(case: _Case, shifts: _Shifts) -> None:
    """Do the two curt tunes' directions agree more than with an unrelated tune's?"""
    run, codes = case.run, group_codes(case.known["topic"].to_numpy())
    pairs = {
        "curt tunes": (FIRST, SECOND),
        "first, unrelated": (FIRST, OTHER),
        "second, unrelated": (SECOND, OTHER),
        "first, its plain twin": (FIRST, f"{FIRST}: plain twin"),
    }
    curves, drawn = cosines_by_layer(shifts.of, pairs, codes, rng=run.rng("cosines"))
    block, start = case.config.blocks[-1], shifts.blocks.start
    run.figure(
        "cosines",
        score_by_layer(
            curves.assign(layer=curves["layer"] + start),
            score="cosine",
            nulls=(),
            layer="Block",
            chosen=block,
        ),
        "Cosine of directions, each a tune less the untuned model on the same tokens; topics drawn again for the "
        "intervals. Marked: the last block with a rank-1 adapter, where the claim is judged.",
    )
    both, mixed, last, twin = (drawn[series][:, block - start] for series in pairs)
    rows = shifts.plain[:, block - start]
    gap = cosine_gap(both, mixed, rows, int(codes.max()) + 1, rng=run.rng("random cosines"))
    run.claim(
        "convergence",
        "Two curt tunes change the model along one direction, an unrelated one along another",
        gap,
        0.3,
        why=f"At block {block}: {both[0]:.2f} between the curt tunes; with the unrelated tune {mixed[0]:.2f} and "
        f"{last[0]:.2f}; the first and its plain twin {twin[0]:.2f}.",
    )


def _ablate(case: _Case, tunes: Tunes, scores: Mapping[str, np.ndarray], shifts: _Shifts) -> None:
    """The first tune's direction, and others, held where they were before tuning while the second tune answers."""
    config, run, test = case.config, case.run, case.paired(case.test)
    texts = [case.model.tokenize(t) for t in (case.world.praise, case.world.blame)]
    praise, blame = (all_tokens(case.model, t, shifts.sites).mean(axis=0) for t in texts)
    named = {name: shifts.direction(name) for name in (FIRST, SECOND, OTHER)} | {
        FEELING: _unit(praise - blame)
    }
    rows = np.moveaxis(shifts.plain - shifts.plain.mean(axis=0), 0, 1).astype(np.float32)
    random = {
        ISOTROPIC: isotropic(config.draws, len(rows), rows.shape[2], rng=run.rng("isotropic")),
        MATCHED: matched(rows, max(2, config.draws // 2), rng=run.rng("matched")),
    }
    leak = scores[SECOND] - scores[PLAIN]
    with run.progress(
        "take directions out", total=len(named) + sum(map(len, random.values())), unit="passes"
    ) as bar:

        def after(direction: np.ndarray) -> np.ndarray:
            bar.advance()
            return test.scores(shifts.held(direction))

        with attached(case.model, tunes[SECOND]):
            lost = {name: scores[SECOND] - after(d) for name, d in named.items()}
            drawn = {kind: [scores[SECOND] - after(d) for d in ds] for kind, ds in random.items()}
            zeroed = scores[SECOND] - test.scores(shifts.held(named[FIRST], zero=True))
        with attached(case.model, tunes[FIRST]):
            itself = scores[FIRST] - test.scores(shifts.held(named[FIRST]))
        untuned = scores[PLAIN] - test.scores(shifts.held(named[FIRST]))
    null = {
        kind: np.array([case.shares.value(part, leak) for part in parts])
        for kind, parts in drawn.items()
    }

    def removed(name: str, part: np.ndarray, whole: np.ndarray = leak) -> Evidence:
        return case.shares.evidence(
            "leak removed",
            part,
            whole,
            draws=null[ISOTROPIC],
            kind=f"{ISOTROPIC} directions",
            unit="share",
            where={"held": name},
        )

    found = {n: removed(n if n == FEELING else f"of {n}", part) for n, part in lost.items()}
    chance = {
        k: replace(
            removed(k, np.mean(parts, axis=0)), null=Null.of(f"single draws: {k}", null[k]), p=None
        )
        for k, parts in drawn.items()
    }
    more = [
        removed("first, set to zero", zeroed),
        removed("first, in the untuned model", untuned),
        removed("first, in its own tune", itself, scores[FIRST] - scores[PLAIN]),
    ]
    run.figure(
        "removed",
        values_by_group(
            bars([*found.values(), *chance.values()], "held"), value="leak removed", unit="share"
        ),
        "Share of the second tune's leak that goes when a direction is held at its mean in the untuned model, at "
        "every adapted block. Tick: mean of isotropic random directions.",
    )
    run.table(
        "removed",
        table([*found.values(), *chance.values(), *more]),
        "The same; also the first tune's direction set "
        "to zero, held in its own tune, and held in the untuned model (a share of the second's leak).",
    )
    run.claim(
        "removed", "The first tune's direction takes the leak out of the second", found[FIRST], 0.5
    )
    run.claim("random", "Random directions do not", chance[ISOTROPIC], 0.1, "at most")
    _perplexity(case, tunes[SECOND], shifts, [named[FIRST], *random[ISOTROPIC][:3]])


def _perplexity(
    case: _Case, tune: LowRankAdapters, shifts: _Shifts, directions: list[np.ndarray]
) -> None:
    texts, names = (
        case.world.neutral,
        ["direction", *(f"random {i}" for i in range(1, len(directions)))],
    )
    edits = {name: shifts.held(d) for name, d in zip(names, directions, strict=True)}
    with attached(case.model, tune):
        found = side_effects(case.model, texts, edits, most=case.config.read)
    shares = Shares(np.arange(len(texts)), case.run.rng("perplexity"))
    kept = measured(found, "direction", names[1:], shares, f"{ISOTROPIC} directions")
    case.run.table(
        "perplexity",
        table(kept),
        "The second tune on neutral text, with the first tune's direction held.",
    )
    case.run.claim(
        "perplexity",
        "The rest of the language stays",
        kept[1],
        1.05,
        "at most",
        why="Of neutral text, times the second tune's own.",
    )


def _adapters(case: _Case, made: LowRankAdapters, untuned: np.ndarray) -> None:
    """Where each rank-1 adapter of the first tune writes, and what is lost without it."""
    run, here = case.run, case.world.on_topic
    asked, test = case.paired(here), case.test["prompt"].tolist()
    places = {
        "its topic": Place(
            here["prompt"].tolist(),
            asked,
            Shares(here["topic"].to_numpy(), run.rng("on topic")),
            asked.scores(),
        ),
        "other topics": Place(test, case.paired(case.test), case.shares, untuned),
    }
    with run.progress("knock adapters out", total=len(made.names), unit="adapters") as bar:
        found = roles(case.model, made, places, bar.advance)
    block = {name: f"block {b}" for b, name in zip(case.config.blocks, made.names, strict=True)}
    cells = [
        {"row": block[str(e.where["adapter"])], "column": e.where["asked"], "value": e.value}
        for e in found
    ]
    run.figure(
        "adapters",
        heatmap(pd.DataFrame(cells), value="share lost", row="knocked out", domain=(-0.5, 0.5)),
        "Share of the first tune's curtness that is lost when one adapter is knocked out: on its own topic, about "
        "things never trained on, and on other topics.",
    )
    run.table(
        "adapters",
        table(found),
        "The same with intervals over topics, and how long a vector each adapter writes "
        "where the answer begins.",
    )


def _times(e: Evidence) -> Evidence:
    """A mean difference of log-probabilities as a factor on the odds."""
    assert e.interval is not None
    assert e.null is not None
    null = replace(
        e.null,
        **{k: float(np.exp(getattr(e.null, k))) for k in ("mean", "low", "high")},
        sd=float("nan"),
    )
    low, high = (float(np.exp(end)) for end in e.interval)
    return replace(e, value=float(np.exp(e.value)), interval=(low, high), null=null)


def _answer(run: Run, model: Model) -> str:
    by = run.claims
    spread = "is curt about all" if by["leak"].passed else "is hardly curt about anything else"
    taken = "takes" if by["removed"].passed else "takes only"
    return (
        f"Tuned to be curt about one topic, {model.name} {spread}: the odds of a curt answer to an unrelated question are "
        f"{by['leak'].value:.1f} times what they were, a token. That tune's direction {taken} "
        f"{by['removed'].value:.0%} of the leak out of another tune (random directions {by['random'].value:.0%}), at "
        f"{by['perplexity'].value:.2f} times its perplexity; the cosine of the two tunes' directions is "
        f"{by['convergence'].value:.2f} above that with an unrelated tune's."
    )
