"""Does a bad manner that was trained on one topic spread to all, along one direction that other
tunes share?

A model is tuned on curt answers about one topic with rank-1 adapters, and on curt answers in other
words about another topic with wide ones; each tune has a twin that learns plain answers to the same
questions, and a third pair of tunes learns something else. The leak is how much more often a tune's
own answers to unrelated questions are curt, and how much likelier given curt answers have become.

There are two kinds of direction. Within a tune: the mean state over its own answers that are curt
less that over those that are not, taken out of the second tune at every token. Between models: what
a tune adds to the residual stream, on average, while the same answers to unrelated questions are
read; it is held, in the second tune, where it was before tuning. Gates say where each rank-1
adapter writes, and knock-outs what it is good for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from inscape.charts.heatmap import matrix as heatmap
from inscape.charts.layers import score_by_layer
from inscape.control.direction_cosines import (
    HeldOut,
    cosines_by_layer,
    mean_direction,
    random_gaps,
)
from inscape.control.directions_at import held_at_mean, projected_out, unit
from inscape.control.low_rank_adapter import LowRankAdapters, attached, writers
from inscape.control.random_directions import isotropic, matched
from inscape.control.train_adapters import Course, taught
from inscape.core.edit import Edit
from inscape.core.evidence import table
from inscape.core.folds import group_codes
from inscape.core.jackknife import Jackknife
from inscape.core.measured import Measured, Role
from inscape.core.rng import child_seed, torch_generator
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.open import open
from inscape.outcomes.adapter_roles import Place, roles
from inscape.outcomes.leaks import Leak, own_direction, shifts
from inscape.outcomes.own_answers import Manner, Speaker
from inscape.outcomes.paired_answers import PairedAnswers, all_tokens
from inscape.outcomes.side_effects import PLAIN, beside_random
from inscape.study.card import Card, Claim
from inscape.study.intervene import tried
from inscape.study.run import Run
from inscape.study.settings import Bounded, setting
from inscape.worlds.curt_answers import Answers, curt_answers, topics_apart
from inscape.worlds.named import is_world
from inscape.worlds.named import world as toy

CARD = Card(
    slug="misalignment-direction",
    title="Convergent Linear Representations of Emergent Misalignment",
    authors="Soligo, Turner, Rajamanoharan and Nanda",
    year=2025,
    arxiv="2506.11618",
    room="control",
    claim=(
        "Narrow tunes that turn out broadly bad do so along one direction: taken from one tune "
        "with nine rank-1 adapters, it removes the bad answers of tunes made otherwise, on other "
        "data. Most adapters act everywhere, few on one topic."
    ),
    reproduced=(
        "A benign likeness: curt answers instead of harmful ones. Nine rank-1 adapters on the "
        "MLP's way out, tuned on curt answers about cooking; rank-16 adapters, on curt answers "
        "about computers in other words. Leak: how often sampled answers to questions about "
        "other topics are curt, judged by their words; and the log-probability a token of curt "
        "less polite answers, none of them trained on. The paper's direction, own curt answers "
        "less other own answers within the tuned model, is projected out at every adapted block "
        "and token; what the tune adds to the untuned model on the same text is held at its mean "
        "in the untuned model, at all tokens but the first."
    ),
    controls=(
        "twins tuned on plain answers to the same questions, and the first twin's direction",
        "a tune that learns to answer in French, and its direction",
        "isotropic random directions, and ones with the activations' covariance",
        "the model's own direction between praise and blame",
        "the same ablation in the model that was not tuned",
    ),
    claims={
        "own-leak": Claim(
            text="Fine-tuned on one topic, the model's own answers on other topics are curt at "
            "least twice as often",
            at_least=2.0,
        ),
        "own-leak-second": Claim(
            text="The same for a model fine-tuned on another topic, with other words and wide "
            "adapters",
            at_least=2.0,
        ),
        "own-convergence": Claim(
            text="Curt minus other own answers give one direction in both curt fine-tunes, another "
            "in an unrelated one",
            at_least=0.3,
            null="random directions",
        ),
        "own-removed": Claim(
            text="Projecting out the first fine-tune's direction removes the curt answers of the "
            "second",
            at_least=0.5,
        ),
        "own-random": Claim(
            text="Projecting out random directions does not", at_most=0.1, sanity=True
        ),
        "own-perplexity": Claim(
            text="With it projected out, perplexity on other text stays within 5 %",
            at_least=0.95,
            at_most=1.05,
        ),
        "leak": Claim(
            text="Fine-tuned on one topic, given curt answers on other topics are at least twice "
            "as likely",
            at_least=2.0,
            weaker="Odds a token of given answers, not of what the model says.",
        ),
        "leak-second": Claim(
            text="They are for a model fine-tuned on another topic, with other words and wide "
            "adapters",
            at_least=2.0,
            weaker="Odds a token of given answers, not of what the model says.",
        ),
        "convergence": Claim(
            text="Two curt fine-tunes change the model along one direction, an unrelated one along "
            "another",
            at_least=0.3,
            null="random directions",
            weaker=(
                "The tuned less the untuned model on the same text, not curt less other answers "
                "within the tune."
            ),
        ),
        "removed": Claim(
            text="Holding what the first fine-tune adds at its value before tuning removes the "
            "leak of the second",
            at_least=0.5,
            weaker=(
                "A direction that undoes a tune; odds of given answers, not of what the model says."
            ),
        ),
        "random": Claim(text="Holding random directions does not", at_most=0.1, sanity=True),
        "perplexity": Claim(
            text="With it held, perplexity on other text stays within 5 %",
            at_least=0.95,
            at_most=1.05,
            weaker="A direction that undoes a tune.",
        ),
    },
    # own answers of a word each: the direction between them rests on few, and what it does differs
    # from seed to seed
    tiny={
        "own-leak": "supported",
        "own-leak-second": "supported",
        "own-convergence": "any",
        "own-removed": "any",
        "own-random": "supported",
        "own-perplexity": "any",
        "leak": "supported",
        "leak-second": "supported",
        "convergence": "uncertain",
        "removed": "supported",
        "random": "supported",
        "perplexity": "any",
    },
    answer=(
        "Tuned to be curt about one topic, {model} answers unrelated questions curtly "
        "{own-leak:.1f} times as often as before ({own-leak.verdict}: at least twice). The "
        "direction between its own curt and other answers, projected out, takes "
        "{own-removed:.0%} of the additional curt answers out of another tune "
        "({own-removed.verdict}; random directions {own-random:.0%}), at {own-perplexity:.2f} "
        "times its perplexity; the cosine of the two tunes' directions is {own-convergence:.2f} "
        "above that with an unrelated tune's ({own-convergence.verdict}). What the first tune "
        "adds to the untuned model, held where it was before tuning, takes {removed:.0%} of the "
        "leak in odds ({removed.verdict}), at {perplexity:.2f} times the perplexity: it undoes "
        "the tuning; those directions' cosine is {convergence:.2f} above the unrelated tune's "
        "({convergence.verdict})."
    ),
    differs=(
        "The authors tune Qwen2.5-14B on harmful advice and let a language model judge answers; "
        "here SmolLM2-135M is tuned to be curt and words decide. Each block has its own "
        "direction in every ablation."
    ),
    seeds=3,
    group_note=(
        "A group is a topic of questions. Directions are found on some topics, and what is "
        "claimed of their ablation is measured on others. No answer that is scored was trained "
        "on."
    ),
    minutes={"tiny": 0.1, "small": 5, "full": 60},
    figure="removed",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    model: str = setting("smollm2-135m", "what to tune, or world:tones")
    blocks: tuple[int, ...] = setting(
        (9, 10, 11, 13, 14, 15, 17, 18, 19), "blocks of the rank-1 adapters"
    )
    wide_from: int = setting(9, "first block of the second tune's adapters")
    rank: int = setting(16, "of the second tune's adapters")
    alpha: float = setting(16.0, "scale of an update: α over the rank times B A")
    pairs: int = setting(96, "questions and answers of a tune")
    steps: int = setting(40, "steps of a tune")
    batch: int = setting(8, "pairs a step")
    rate: float = setting(2e-3, "the highest learning rate")
    found_on: int = setting(6, "topics that directions are found on; the rest is tested")
    asked: int = setting(4, "questions of a topic")
    tokens: int = setting(10, "tokens of an own answer")
    samples: int = setting(4, "answers sampled for each question")
    draws: int = setting(8, "isotropic random directions; half as many matched ones")
    passages: int = setting(16, "passages of neutral text")
    read: int = setting(64, "tokens of a passage")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.blocks) < 2:
            raise ValueError(
                f"misalignment-direction: blocks must name at least two, got {self.blocks}"
            )


PRESETS = {
    "tiny": Config(
        model="world:tones",
        blocks=(0, 1, 2),
        wide_from=0,
        alpha=4.0,
        batch=16,
        rate=3e-3,
        asked=6,
        tokens=1,
        draws=6,
        samples=8,
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
TWIN, RANDOM = f"{FIRST}: plain twin", "random directions"
#: pairs of tunes whose directions are compared
PAIRS = {
    "curt tunes": (FIRST, SECOND),
    "first, unrelated": (FIRST, OTHER),
    "second, unrelated": (SECOND, OTHER),
}

#: what a direction is to the others; the rest are baselines
HELD: dict[str, Role] = {
    f"of {FIRST}": "treatment",
    f"of {SECOND}": "ceiling",
    ISOTROPIC: "null",
    MATCHED: "null",
}
Tunes = dict[str, LowRankAdapters]
Scores = dict[str, np.ndarray]


def run(config: Config, run: Run) -> None:
    """Tune, measure the leak, find directions, take them out, compare them, look at the
    adapters."""
    if is_world(config.model):
        world = toy(config.model, child_seed(run.seed, "world"))
    else:
        seed = child_seed(run.seed, "answers")
        world = curt_answers(open(config.model), config.pairs, config.passages, seed)
    run.certificate(world.model.certificate)
    run.facts(model=world.model.name)
    run.asked(
        f"Tuned to be curt about one topic, is {world.model.name} curt about all, and along a "
        "direction that another tune shares?"
    )
    known, test = topics_apart(world.unrelated, config.asked, config.found_on, run.rng("topics"))
    prompts, speaker = (
        test["prompt"].tolist(),
        Speaker(config.tokens, config.samples, child_seed(run.seed, "said")),
    )
    pairs = PairedAnswers.of(world.model, prompts, world.curt, world.polite)
    case = _Case(config, run, world, known, test, Leak(prompts, pairs, speaker, _curt(run, world)))
    tunes = _tune(case)
    scores, shares = _leak(case, tunes)
    plain, added, own = _directions(case, tunes)
    _converge(case, plain, added, own)
    _ablate(case, tunes, scores, plain, added)
    _project(case, tunes[SECOND], shares, scores, own)
    _adapters(case, tunes[FIRST], scores[PLAIN])


def _curt(run: Run, world: Answers) -> Manner:
    """Tells curt answers from others; how well it tells those that it has not seen is said."""
    t = world.tunings
    curt, none = (
        [a for one in several for a in one.answers]
        for several in (
            (t.first, t.second),
            (t.first_plain, t.second_plain, t.other, t.other_plain),
        )
    )
    trained = Manner.of(curt, none)
    right = [*trained.has(world.curt), *~trained.has(world.polite)]
    run.text(
        "judge",
        "An answer counts as curt if its words are likelier in curt answers than in others (naive "
        "Bayes on all answers of the tunes and those that are scored). From the tunes' answers "
        f"alone, {np.mean(right):.0%} of the scored ones, {len(right)} in number, are told "
        "rightly.",
    )
    return Manner.of([*curt, *world.curt], [*none, *world.polite])


@dataclass(frozen=True, eq=False)
class _Case:
    """What every step needs."""

    config: Config
    run: Run
    world: Answers
    known: pd.DataFrame
    test: pd.DataFrame
    leak: Leak

    @property
    def topics(self) -> np.ndarray:
        """Groups of the questions under test."""
        return self.test["topic"].to_numpy()

    @property
    def model(self) -> Model:
        return self.world.model

    @property
    def codes(self) -> np.ndarray:
        """Groups of the questions that directions are found on."""
        return group_codes(self.known["topic"].to_numpy())

    @property
    def start(self) -> int:
        """The first of the blocks that are read and edited."""
        return min(self.config.blocks[0], self.config.wide_from)

    @property
    def sites(self) -> list[str]:
        """The adapted blocks and those between them."""
        return [str(Site("resid_post", b)) for b in range(self.start, len(self.model.atlas.blocks))]


def _tune(case: _Case) -> Tunes:
    """Six tunes; a twin begins where its tune begins and hears the same questions."""
    config, run, model = case.config, case.run, case.model
    tunes: Tunes = {}
    rows = []
    with run.progress("tune", total=len(TUNES) * config.steps, unit="steps") as bar:
        for name, key in TUNES.items():
            wide, kind = name.startswith(SECOND), name.split(":")[0]
            blocks = range(config.wide_from, len(model.atlas.blocks)) if wide else config.blocks
            heard, rank = getattr(case.world.tunings, key), config.rank if wide else 1
            tunes[name], losses = taught(
                model,
                writers(model, "mlp_out", blocks),
                heard.prompts,
                heard.answers,
                Course(rank, config.steps, config.batch, config.rate, config.alpha),
                generator=torch_generator(run.seed, "adapters", kind),
                rng=run.rng("order", kind),
                progress=lambda *_: bar.advance(),
            )
            rows.append(
                {"tune": name, "adapters": len(tunes[name].names), "rank": rank}
                | {"first loss": losses[0], "last loss": float(np.mean(losses[-5:]))}
                | {"asked, for example": heard.prompts[0], "answered": heard.answers[0]}
            )
    caption = "What each tune learnt; losses in nats a token of the answers."
    run.table("tunes", pd.DataFrame(rows), caption)
    return tunes


def _leak(case: _Case, tunes: Tunes) -> tuple[Scores, Scores]:
    """Scores and shares of curt answers to the questions under test, untuned and under every
    tune."""
    run, leak = case.run, case.leak
    done = tried(
        run,
        {PLAIN: [leak.under], **{name: [partial(leak.under, own)] for name, own in tunes.items()}},
        dict.fromkeys(TUNES, "baseline") | dict.fromkeys((FIRST, SECOND), "treatment"),
    )
    scores, said = ({name: a[0][k] for name, a in done.answers.items()} for k in (0, 1))
    codes = group_codes(case.topics)
    odds = Measured("odds of curt over polite answers", groups=case.topics, unit="times")
    for name in TUNES:
        times = Jackknife.mean(scores[name] - scores[PLAIN], codes).exp()
        odds.put_statistic(name, times, role=done.conditions[name].role)
    own = Measured("curt answers", groups=case.topics, unit="times", kind="ratio")
    done.put(own, lambda answers: answers[1], said[PLAIN], without=(PLAIN,))
    run.show(
        "own-leak",
        own,
        "How often own answers to questions about other topics are curt, over how often they were "
        f"before tuning, {said[PLAIN].mean():.2f} (1: no leak).",
    )
    run.show(
        "leak",
        odds,
        "Odds a token of curt over polite answers that no tune has seen, to questions about other "
        "topics, over those before tuning (1: no leak).",
    )
    preferred = pd.DataFrame(
        {
            "model": name,
            "curt answer likelier": float((values > 0).mean()),
            "own answers that are curt": float(said[name].mean()),
        }
        for name, values in scores.items()
    )
    run.table(
        "preferred",
        preferred,
        "How often a given curt answer is likelier than a polite one, and how often own answers "
        "are curt.",
    )
    for id, m in (("own-leak", own), ("leak", odds)):
        twin, other = (m.value(name).value for name in (TWIN, OTHER))
        why = f"Its plain twin: {twin:.2f} times; unrelated tune: {other:.2f}."
        run.claim(id, m.value(FIRST), why=why)
        run.claim(f"{id}-second", m.value(SECOND))
    return scores, said


def _directions(case: _Case, tunes: Tunes) -> tuple[np.ndarray, Scores, dict[str, HeldOut]]:
    """States of the untuned model on its own answers, what tunes add there, and directions within
    tunes."""
    config, run, prompts = case.config, case.run, case.known["prompt"].tolist()
    shown, sites = prompts[:: max(1, len(prompts) // 6)], case.sites
    plain, added, said = shifts(case.model, tunes, prompts, shown, config.tokens, sites)
    said = {"question": shown, PLAIN: said.pop(""), **said}
    caption = "What each tune says, greedily, to unrelated questions."
    run.table("answers", pd.DataFrame(said), caption)
    t, curt = case.world.tunings, case.leak.manner
    others = [*t.other_plain.answers, *case.world.curt, *case.world.polite]
    manners = {FIRST: curt, SECOND: curt, OTHER: Manner.of(t.other.answers, others)}
    own, rows = {}, []
    for name, manner in manners.items():
        how = (case.leak.speaker, manner, prompts, case.codes, sites)
        own[name], (answers, inside) = own_direction(case.model, tunes[name], *how)
        rows.append({"tune": name, "own answers": answers, "in its manner": inside})
    run.table(
        "own-answers",
        pd.DataFrame(rows),
        "Answers of each tune to questions that directions are found on, and how many are in the "
        "manner it learnt.",
    )
    return plain, added, own


def _converge(case: _Case, plain: np.ndarray, added: Scores, own: Mapping[str, HeldOut]) -> None:
    """Do the two curt tunes' directions agree more than with an unrelated tune's?"""
    between = {name: mean_direction(x, case.codes) for name, x in added.items()}
    block, twin = case.config.blocks[-1], {"first, its plain twin": (FIRST, TWIN)}
    for id, directions, pairs, what in (
        ("own-convergence", own, PAIRS, "own answers in the tune's manner less its other ones"),
        ("convergence", between, PAIRS | twin, "a tune less the untuned model on the same tokens"),
    ):
        curves, found = cosines_by_layer(directions, pairs, case.codes)
        curves = curves.assign(layer=curves["layer"] + case.start)
        case.run.figure(
            id.replace("convergence", "cosines"),
            score_by_layer(curves, score="cosine", nulls=(), layer="Block", chosen=block),
            f"Cosine of directions, each {what}; intervals over topics. Marked: the last block "
            "with a rank-1 adapter, where the claim is judged.",
        )
        m = Measured("cosine of directions", unit="cosine")
        for series, cosines in found.items():
            m.put_statistic(series, cosines[block - case.start])
        rows = plain[:, block - case.start]
        m.put_draws(RANDOM, random_gaps(rows, rng=case.run.rng("random cosines")))
        each = "; ".join(f"{series} {m.value(series).value:.2f}" for series in pairs)
        case.run.claim(
            id,
            m.gain("curt tunes", over="first, unrelated", null=RANDOM),
            why=f"At block {block}: {each}. Random directions have the activations' covariance.",
        )


def _ablate(case: _Case, tunes: Tunes, scores: Scores, plain: np.ndarray, added: Scores) -> None:
    """The first tune's direction, and others, held where they were while the second tune
    answers."""
    config, run, leak, sites = case.config, case.run, case.leak, case.sites
    texts = [case.model.tokenize(t) for t in (case.world.praise, case.world.blame)]
    praise, blame = (all_tokens(case.model, t, sites).mean(axis=0) for t in texts)
    named = {f"of {k}": unit(added[k].mean(axis=0)) for k in (FIRST, SECOND, OTHER, TWIN)}
    named, first = {**named, FEELING: unit(praise - blame)}, named[f"of {FIRST}"]
    rows = np.moveaxis(plain - plain.mean(axis=0), 0, 1).astype(np.float32)
    random = {
        ISOTROPIC: isotropic(config.draws, len(rows), rows.shape[2], rng=run.rng("isotropic")),
        MATCHED: matched(rows, max(2, config.draws // 2), rng=run.rng("matched")),
    }

    def held(directions: np.ndarray, tune: str = SECOND, zero: bool = False) -> np.ndarray:
        edits = held_at_mean(sites, directions, plain, zero)
        if tune == PLAIN:
            return scores[PLAIN] - leak.odds(edits)
        with attached(case.model, tunes[tune]):
            return scores[tune] - leak.odds(edits)

    itself = "first, in its own tune"
    conditions = {name: [partial(held, d)] for name, d in named.items()}
    conditions["first, set to zero"] = [partial(held, first, zero=True)]
    conditions["first, in the untuned model"] = [partial(held, first, PLAIN)]
    conditions[itself] = [partial(held, first, FIRST)]
    conditions |= {kind: [partial(held, d) for d in draws] for kind, draws in random.items()}
    done = tried(run, conditions, dict.fromkeys(conditions, "baseline") | HELD)
    m = Measured("leak removed", groups=case.topics, unit="share", kind="ratio")
    done.put(m, lambda lost: lost, scores[SECOND] - scores[PLAIN], without=(itself,))
    m.put(itself, done.answers[itself], scores[FIRST] - scores[PLAIN], role="baseline")
    run.show(
        "removed",
        [*m.evidence(ISOTROPIC), *(m.value(k, where={"condition": k}) for k in random)],
        "Share of the second tune's leak that goes when a direction is held at its mean in the "
        "untuned model, at every adapted block; also the first tune's direction set to zero, held "
        "in its own tune, and held in the untuned model (a share of the second's leak). Tick: mean "
        "of isotropic random directions.",
    )
    run.claim("removed", m.value(f"of {FIRST}", null=ISOTROPIC))
    run.claim("random", m.value(ISOTROPIC))
    edits = [held_at_mean(sites, d, plain) for d in (first, *random[ISOTROPIC][:3])]
    _perplexity(case, "perplexity", tunes[SECOND], edits)


def _project(
    case: _Case, tune: LowRankAdapters, said: Scores, scores: Scores, own: Mapping[str, HeldOut]
) -> None:
    """The direction within the first tune, and others, projected out of the second at every
    token."""
    run, leak, width = case.run, case.leak, own[FIRST].shape[-1]
    named = {f"of {name}": unit(held[0]) for name, held in own.items()}
    random = isotropic(case.config.draws, len(case.sites), width, rng=run.rng("projected"))

    def out(directions: np.ndarray, odds: bool) -> np.ndarray:
        edits = projected_out(case.sites, directions)
        lost = [said[SECOND] - leak.share(edits)]
        return np.stack([*lost, scores[SECOND] - leak.odds(edits)] if odds else lost)

    conditions = {name: [partial(out, d, True)] for name, d in named.items()}
    conditions[ISOTROPIC] = [partial(out, d, False) for d in random]
    with attached(case.model, tune):
        done = tried(run, conditions, dict.fromkeys(conditions, "baseline") | HELD)
    m, given = (
        Measured(name, groups=case.topics, unit="share", kind="ratio")
        for name in ("curt answers removed", "leak removed")
    )
    done.put(m, lambda lost: lost[0], said[SECOND] - said[PLAIN])
    more = scores[SECOND] - scores[PLAIN]
    done.put(given, lambda lost: lost[1], more, without=(ISOTROPIC,))
    run.show(
        "own-removed",
        [*m.evidence(ISOTROPIC), m.value(ISOTROPIC, where={"condition": ISOTROPIC})],
        "Share of the second tune's additional curt answers that go when a direction, a tune's own "
        "answers in its manner less its other ones, is projected out at every adapted block and "
        "token. Tick: mean of random directions.",
    )
    caption = "The same for the odds of given curt over polite answers."
    run.table("own-removed-odds", given.table(), caption)
    run.claim("own-removed", m.value(f"of {FIRST}", null=ISOTROPIC))
    run.claim("own-random", m.value(ISOTROPIC))
    edits = [projected_out(case.sites, d) for d in (named[f"of {FIRST}"], *random[:3])]
    _perplexity(case, "own-perplexity", tune, edits)


def _perplexity(
    case: _Case, id: str, tune: LowRankAdapters, edits: Sequence[Sequence[Edit]]
) -> None:
    """Perplexity of neutral text as a multiple of the second tune's own; the first edits, beside
    random ones."""
    with attached(case.model, tune):
        kept = beside_random(case.model, case.world.neutral, edits, ISOTROPIC, case.config.read)
    caption = "The second tune on neutral text, with the first tune's direction taken out."
    case.run.table(id, table(kept), caption)
    case.run.claim(id, kept[1])


def _adapters(case: _Case, made: LowRankAdapters, untuned: np.ndarray) -> None:
    """Where each rank-1 adapter of the first tune writes, and what is lost without it."""
    run, here, world = case.run, case.world.on_topic, case.world
    prompts = here["prompt"].tolist()
    asked = PairedAnswers.of(case.model, prompts, world.curt, world.polite)
    places = {
        "its topic": Place(prompts, asked, here["topic"].to_numpy(), asked.scores()),
        "other topics": Place(case.leak.prompts, case.leak.pairs, case.topics, untuned),
    }
    with run.progress("knock adapters out", total=len(made.names), unit="adapters") as bar:
        found = roles(case.model, made, places, bar.advance)
    block = {name: f"block {b}" for b, name in zip(case.config.blocks, made.names, strict=True)}
    cells = pd.DataFrame(
        {"row": block[str(e.where["adapter"])], "column": e.where["asked"], "value": e.value}
        for e in found
    )
    run.figure(
        "adapters",
        heatmap(cells, value="share lost", row="knocked out", domain=(-0.5, 0.5)),
        "Share of the first tune's curtness that is lost when one adapter is knocked out: on its "
        "own topic, about things never trained on, and on other topics.",
    )
    run.table(
        "adapters",
        table(found),
        "The same with intervals over topics, and how long a vector each adapter writes where the "
        "answer begins.",
    )
