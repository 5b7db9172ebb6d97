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
from typing import Any

import numpy as np

from inscape.charts import matrix as heatmap
from inscape.charts import score_by_layer
from inscape.control import Course, LowRankAdapters, Tune, isotropic, matched, taught_each, writers
from inscape.control.direction_cosines import (
    HeldOut,
    cosines_beside_random,
    cosines_by_layer,
    mean_direction,
)
from inscape.control.directions_at import held_at_mean, projected_out, unit
from inscape.core import Site, child_seed, group_codes
from inscape.core.measured import Measured, Role
from inscape.model import open
from inscape.outcomes import Manner, Place, Speaker, all_tokens, roles
from inscape.outcomes.leaks import Asked, Leak, Leaks, Shifts, own_directions, shifts
from inscape.outcomes.side_effects import PLAIN
from inscape.probing import squares
from inscape.study import Bounded, Card, Claim, Run, setting, tried
from inscape.worlds import Answers, curt_answers, is_world, topics_apart, world

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
            text="Directions of curt minus other own answers have a cosine at least 0.3 higher "
            "between the two curt fine-tunes than between the first and an unrelated one",
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
            text="What two curt fine-tunes add to the model has a cosine at least 0.3 higher than "
            "what the first and an unrelated one add",
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
TWIN = f"{FIRST}: plain twin"
#: tune → the tuning it learns; twins learn plain answers
TUNES = {
    FIRST: "first",
    TWIN: "first_plain",
    SECOND: "second",
    f"{SECOND}: plain twin": "second_plain",
    OTHER: "other",
    f"{OTHER}: plain twin": "other_plain",
}
ISOTROPIC, MATCHED, FEELING = "isotropic random", "matched random", "praise − blame, untuned model"
#: pairs of tunes whose directions are compared
PAIRS = {
    "curt tunes": (FIRST, SECOND),
    "first, unrelated": (FIRST, OTHER),
    "second, unrelated": (SECOND, OTHER),
}
#: what a tune, or the direction of one, is to the others; the rest are baselines
ROLES: dict[str, Role] = {
    FIRST: "treatment",
    SECOND: "treatment",
    f"of {FIRST}": "treatment",
    f"of {SECOND}": "ceiling",
    ISOTROPIC: "null",
    MATCHED: "null",
}


def run(config: Config, run: Run) -> None:
    """Tune, measure the leak, find directions, compare them, take them out, look at the
    adapters."""
    if is_world(config.model):
        asked = world(config.model, child_seed(run.seed, "world"))
    else:
        seed = child_seed(run.seed, "answers")
        asked = curt_answers(open(config.model), config.pairs, config.passages, seed)
    model = asked.model
    run.certificate(model.certificate)
    run.facts(model=model.name)
    run.asked(
        f"Tuned to be curt about one topic, is {model.name} curt about all, and along a "
        "direction that another tune shares?"
    )
    known, test = topics_apart(asked.unrelated, config.asked, config.found_on, run.rng("topics"))
    tunes = _tune(config, run, asked)
    speaker = Speaker(config.tokens, config.samples, child_seed(run.seed, "said"))
    given = asked.curt, asked.polite
    leak = Leak.of(model, test, given, speaker, _judge(run, asked))
    leaks = _leak(run, leak, tunes)
    first = min(config.blocks[0], config.wide_from)
    sites = [str(Site("resid_post", b)) for b in range(first, len(model.atlas.blocks))]
    where = Asked(known["prompt"].tolist(), group_codes(known["topic"].to_numpy()), sites)
    between, own = _directions(config, run, asked, leaks, where)
    _converge(run, where, config.blocks[-1], between, own)
    _hold(config, run, asked, leaks, sites, between)
    _project(config, run, asked, leaks, sites, own)
    places = {
        name: Place.of(model, questions, *given)
        for name, questions in (("its topic", asked.on_topic), ("other topics", test))
    }
    _adapters(config, run, tunes[FIRST], places)


def _tune(config: Config, run: Run, asked: Answers) -> dict[str, LowRankAdapters]:
    """Six tunes; a twin begins where its tune begins and hears the same questions."""
    model, tunes = asked.model, {}
    for name, key in TUNES.items():
        wide, heard = name.startswith(SECOND), getattr(asked.tunings, key)
        blocks = range(config.wide_from, len(model.atlas.blocks)) if wide else config.blocks
        rank, start = config.rank if wide else 1, name.split(":")[0]
        layers = writers(model, "mlp_out", blocks)
        tunes[name] = Tune(heard.prompts, heard.answers, layers, rank, start)
    course = Course(1, config.steps, config.batch, config.rate, config.alpha)
    with run.progress("tune", total=len(TUNES) * config.steps, unit="steps") as bar:
        made, losses = taught_each(model, tunes, course, run.seed, bar.advance)
    caption = "What each tune learnt; losses in nats a token of the answers."
    run.table("tunes", losses, caption)
    return made


def _judge(run: Run, asked: Answers) -> Manner:
    """Tells curt answers from others; how well it tells those that it has not seen is said."""
    trained, scored = (asked.tunings.curt, asked.tunings.not_curt), (asked.curt, asked.polite)
    manner, right = Manner.checked(trained, scored)
    run.text(
        "judge",
        "An answer counts as curt if its words are likelier in curt answers than in others (naive "
        "Bayes on all answers of the tunes and those that are scored). From the tunes' answers "
        f"alone, {right:.0%} of the scored ones, {sum(map(len, scored))} in number, are told "
        "rightly.",
    )
    return manner


def _leak(run: Run, leak: Leak, tunes: Mapping[str, LowRankAdapters]) -> Leaks:
    """How much more often answers to the questions under test are curt, and how much likelier."""
    with run.progress("ask", total=1 + len(tunes), unit="tunes") as bar:
        leaks = Leaks.of(leak, tunes, bar.advance)
    known = dict.fromkeys(TUNES, "baseline") | ROLES
    own = leaks.times("shares", "curt answers", known)
    odds = leaks.times("odds", "odds of curt over polite answers", known)
    run.show(
        "own-leak",
        own,
        "How often own answers to questions about other topics are curt, over how often they were "
        f"before tuning, {leaks.scores['shares'][PLAIN].mean():.2f} (1: no leak).",
    )
    run.show(
        "leak",
        odds,
        "Odds a token of curt over polite answers that no tune has seen, to questions about other "
        "topics, over those before tuning (1: no leak).",
    )
    run.table(
        "preferred",
        leaks.preferred(),
        "How often a given curt answer is likelier than a polite one, and how often own answers "
        "are curt.",
    )
    for id, m in (("own-leak", own), ("leak", odds)):
        twin, other = (m.value(name).value for name in (TWIN, OTHER))
        why = f"Its plain twin: {twin:.2f} times; unrelated tune: {other:.2f}."
        run.claim(id, m.value(FIRST), why=why)
        run.claim(f"{id}-second", m.value(SECOND))
    return leaks


def _directions(
    config: Config, run: Run, asked: Answers, leaks: Leaks, where: Asked
) -> tuple[Shifts, dict[str, HeldOut]]:
    """What tunes add to the untuned model on its own answers, and directions within tunes."""
    between = shifts(asked.model, leaks.tunes, where, config.tokens)
    run.table("answers", between.said, "What each tune says, greedily, to unrelated questions.")
    tunings, curt = asked.tunings, leaks.leak.manner
    others = [*tunings.other_plain.answers, *asked.curt, *asked.polite]
    manners = {FIRST: curt, SECOND: curt, OTHER: Manner.of(tunings.other.answers, others)}
    own, counts = own_directions(leaks, manners, where)
    run.table(
        "own-answers",
        counts,
        "Answers of each tune to questions that directions are found on, and how many are in the "
        "manner it learnt.",
    )
    return between, own


def _converge(
    run: Run, where: Asked, block: int, between: Shifts, own: Mapping[str, HeldOut]
) -> None:
    """Do the two curt tunes' directions agree more than with an unrelated tune's?"""
    added = {name: mean_direction(x, where.codes) for name, x in between.added.items()}
    first = Site.parse(where.sites[0]).layer or 0
    twin, rows = {"first, its plain twin": (FIRST, TWIN)}, between.plain[:, block - first]
    for id, directions, pairs, what in (
        ("own-convergence", own, PAIRS, "own answers in the tune's manner less its other ones"),
        ("convergence", added, PAIRS | twin, "a tune less the untuned model on the same tokens"),
    ):
        curves, found = cosines_by_layer(directions, pairs, where.codes)
        curves = curves.assign(layer=curves["layer"] + first)
        run.figure(
            id.replace("convergence", "cosines"),
            score_by_layer(curves, score="cosine", nulls=(), layer="Block", chosen=block),
            f"Cosine of directions, each {what}; intervals over topics. Marked: the last block "
            "with a rank-1 adapter, where the claim is judged.",
        )
        here, rng = {s: c[block - first] for s, c in found.items()}, run.rng("random cosines")
        m = cosines_beside_random(here, rows, "random directions", rng=rng)
        each = "; ".join(f"{series} {m.value(series).value:.2f}" for series in pairs)
        run.claim(
            id,
            m.gain("curt tunes", over="first, unrelated", null="random directions"),
            why=f"At block {block}: {each}. Random directions have the activations' covariance.",
        )


def _hold(
    config: Config, run: Run, asked: Answers, leaks: Leaks, sites: list[str], between: Shifts
) -> None:
    """The first tune's direction, and others, held where they were while the second tune
    answers."""
    plain, count = between.plain, (config.draws, max(2, config.draws // 2))
    texts = [asked.model.tokenize(t) for t in (asked.praise, asked.blame)]
    praise, blame = (all_tokens(asked.model, t, sites).mean(axis=0) for t in texts)
    rows = np.moveaxis(plain - plain.mean(axis=0), 0, 1).astype(np.float32)
    random = {
        ISOTROPIC: isotropic(count[0], len(sites), rows.shape[2], rng=run.rng("isotropic")),
        MATCHED: matched(rows, count[1], rng=run.rng("matched")),
    }
    named = {f"of {k}": unit(between.added[k].mean(axis=0)) for k in (FIRST, SECOND, OTHER, TWIN)}
    first, named[FEELING] = named[f"of {FIRST}"], unit(praise - blame)
    hold = partial(held_at_mean, sites, reference=plain)
    edits = {name: [hold(d)] for name, d in named.items()}
    edits["first, set to zero"] = [hold(first, zero=True)]
    edits |= {kind: [hold(d) for d in draws] for kind, draws in random.items()}
    m = _removed(run, leaks, "odds", edits)
    for name, tune, leak in (
        ("first, in the untuned model", PLAIN, SECOND),
        ("first, in its own tune", FIRST, FIRST),
    ):
        lost = leaks.lost("odds", tune, hold(first))
        m.put(name, lost, leaks.added("odds", leak), role="baseline")
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
    _perplexity(config, run, asked, leaks, "perplexity", edits)


def _project(
    config: Config,
    run: Run,
    asked: Answers,
    leaks: Leaks,
    sites: list[str],
    own: Mapping[str, HeldOut],
) -> None:
    """The direction within the first tune, and others, projected out of the second at every
    token."""
    width = own[FIRST].shape[-1]
    random = isotropic(config.draws, len(sites), width, rng=run.rng("projected"))
    named = {f"of {name}": [projected_out(sites, unit(held[0]))] for name, held in own.items()}
    edits = {**named, ISOTROPIC: [projected_out(sites, d) for d in random]}
    m = _removed(run, leaks, "shares", edits)
    run.show(
        "own-removed",
        [*m.evidence(ISOTROPIC), m.value(ISOTROPIC, where={"condition": ISOTROPIC})],
        "Share of the second tune's additional curt answers that go when a direction, a tune's own "
        "answers in its manner less its other ones, is projected out at every adapted block and "
        "token. Tick: mean of random directions.",
    )
    caption = "The same for the odds of given curt over polite answers."
    run.table("own-removed-odds", _removed(run, leaks, "odds", named).evidence(), caption)
    run.claim("own-removed", m.value(f"of {FIRST}", null=ISOTROPIC))
    run.claim("own-random", m.value(ISOTROPIC))
    _perplexity(config, run, asked, leaks, "own-perplexity", edits)


def _removed(run: Run, leaks: Leaks, what: str, edits: Mapping[str, Sequence[Any]]) -> Measured:
    """Share of the second tune's leak that goes under each kind of edit."""
    ask = partial(leaks.lost, what, SECOND)
    done = tried(
        run,
        {name: [partial(ask, one) for one in draws] for name, draws in edits.items()},
        dict.fromkeys(edits, "baseline") | ROLES,
    )
    name = {"odds": "leak removed", "shares": "curt answers removed"}[what]
    m = Measured(name, groups=leaks.leak.groups, unit="share", kind="ratio")
    return done.put(m, lambda lost: lost, leaks.added(what, SECOND))


def _perplexity(
    config: Config,
    run: Run,
    asked: Answers,
    leaks: Leaks,
    id: str,
    edits: Mapping[str, Sequence[Any]],
) -> None:
    """Perplexity of neutral text as a multiple of the second tune's own: the first tune's
    direction, beside random ones."""
    own, random = edits[f"of {FIRST}"][0], edits[ISOTROPIC][:3]
    kept = leaks.side_effects(SECOND, asked.neutral, own, random, ISOTROPIC, config.read)
    caption = "The second tune on neutral text, with the first tune's direction taken out."
    run.table(id, kept, caption)
    run.claim(id, kept[1])


def _adapters(config: Config, run: Run, made: LowRankAdapters, places: Mapping[str, Place]) -> None:
    """Where each rank-1 adapter of the first tune writes, and what is lost without it."""
    with run.progress("knock adapters out", total=len(made.names), unit="adapters") as bar:
        found = roles(places["its topic"].asked.model, made, places, bar.advance)
    block = {name: f"block {b}" for b, name in zip(config.blocks, made.names, strict=True)}
    cells = squares(found, "adapter", "asked").replace({"row": block})
    run.figure(
        "adapters",
        heatmap(
            cells,
            value="share lost",
            row="adapter knocked out",
            column="asked about",
            domain=(-0.5, 0.5),
        ),
        "Share of the first tune's curtness that is lost when one adapter is knocked out: on its "
        "own topic, about things never trained on, and on other topics.",
    )
    run.table(
        "adapters",
        found,
        "The same with intervals over topics, and how long a vector each adapter writes where the "
        "answer begins.",
    )
