"""Does a model know more than it says? Whether an answer is right, read at the token where the
answer stands.

Questions of three tasks are answered greedily and graded by a program. A logistic probe reads "this
answer is right" off the MLPs' outputs at the prompt's end, the first generated token, the exact
answer's last token and the last token; layer and penalty are chosen inside the training folds,
whole groups are held out. Then: does a probe of one task read another; do the states tell what kind
of mistake the model makes when it is asked again and again; and is the answer that the probe
prefers among samples better than one taken at random, than the commonest, than the greedy one, for
each kind of mistake?
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from inscape.charts import matrix as heatmap
from inscape.charts import score_by_layer
from inscape.core import child_seed, some_of_each
from inscape.data import Examples
from inscape.model import Model
from inscape.outcomes import answered_again, answered_greedily, verdict_odds
from inscape.outcomes.questions import TOKENS, Answered, kinds
from inscape.outcomes.sample_choices import (
    GREEDY,
    MAJORITY,
    PREFERRED,
    RANDOM,
    Choices,
    sample_choices,
)
from inscape.probing import (
    SweepResult,
    by_layer_each,
    chosen_scores,
    classes_apart,
    mean_by_layer,
    mean_shuffled,
    part_gain,
)
from inscape.probing.detectors import (
    AT,
    CS,
    detect_each,
    only,
    scores_of_others_each,
    states,
    transfer_each,
)
from inscape.store.harvest import harvest
from inscape.study import Card, Claim, Run, Settings, opened, setting
from inscape.worlds import quiz
from inscape.worlds.hearsay import STOP

CARD = Card(
    slug="llms-know-more",
    title="LLMs Know More Than They Show: On the Intrinsic Representation of LLM Hallucinations",
    authors="Orgad, Toker, Gekhman, Reichart, Szpektor, Kotek and Belinkov",
    year=2024,
    arxiv="2410.02707",
    room="read",
    claim=(
        "Whether an answer is right is encoded above all at the tokens of the answer itself; "
        "probes for it do not carry over between tasks; the states show what kind of mistake is "
        "made, and sometimes prefer the right answer when the model gives another."
    ),
    reproduced=(
        "Questions about places, sums of two-digit numbers and comparisons of cities, with the "
        "first words of the answer given, answered greedily, some of them by eight samples too. "
        "Logistic probes by layer at four tokens, subjects held out; transfer at a layer fixed "
        "beforehand; kinds of mistake from the samples; the sample that the probe prefers."
    ),
    controls=(
        "labels shuffled by group",
        "an untrained copy of the model, reading the same answers",
        "log-probabilities of all that is generated and of the exact answer",
        "the model's own verdict when asked, and the surface of question and answer",
        "a sample at random, the majority of the samples, the greedy answer",
    ),
    claims={
        "above-prompt": Claim(
            text=(
                "AUC at the exact answer is above that at the prompt's end, on the second best task"
            ),
            at_least=0.05,
            over="end of the prompt",
        ),
        "above-logprob": Claim(
            text=(
                "AUC at the exact answer is above that of log-probabilities, on the second best "
                "task"
            ),
            at_least=0.03,
            over=(
                "the better of the log-probabilities of all generated tokens and of the exact "
                "answer's"
            ),
        ),
        "transfer": Claim(
            text="A probe of one task is worse on another task than on its own",
            at_least=0.1,
            over="another task",
        ),
        "prefers": Claim(
            text="The sample that the probe prefers is right at least as often as one at random",
            at_least=0.0,
            over="random sample",
        ),
        "prefers-greedy": Claim(
            text="It is right at least as often as the greedy answer", at_least=0.0, over="greedy"
        ),
        "prefers-majority": Claim(
            text="It is right at least as often as the most common sample",
            at_least=0.0,
            over="majority",
        ),
        "prefers-mistaken": Claim(
            text=(
                "Where the right answer is among the samples and fewer than half of them, the "
                "probe's choice is right more often than one at random"
            ),
            at_least=0.0,
            over="random sample",
            why="What the model knows and mostly does not answer.",
        ),
        "shuffled": Claim(
            text="With labels shuffled by group AUC is one half",
            at_least=0.45,
            at_most=0.55,
            sanity=True,
        ),
    },
    # six shuffles do not settle an AUC of one half to 0.05; how far a toy's tasks read alike
    # changes with its training
    tiny={
        "above-prompt": "supported",
        "above-logprob": "supported",
        "transfer": "any",
        "prefers": "supported",
        "prefers-greedy": "supported",
        "prefers-majority": "supported",
        "prefers-mistaken": "supported",
        "shuffled": "any",
    },
    answer=(
        "The states of {model} tell right answers from wrong ones, {above-prompt:most of all "
        "where the answer stands|not much better where the answer stands} (AUC "
        "{above-prompt:+.2f} against the prompt's end on the second best task), and they say "
        "{above-logprob:more than|hardly more than} the probability that it gave the answer "
        "({above-logprob:+.2f}). {transferred}{mistaken}Among several samples the probe's choice "
        "is right {prefers:+.1 points} against a random one ({prefers.verdict}), "
        "{prefers-majority:+.1 points} against the commonest ({prefers-majority.verdict}) and "
        "{prefers-greedy:+.1 points} against the greedy answer ({prefers-greedy.verdict})."
    ),
    differs=(
        "The authors ask ten public sets of models of seven billion weights and up, sample "
        "thirty answers, and train one probe at one layer chosen on a validation set; here three "
        "made tasks, eight samples, a choice inside the folds."
    ),
    group_note=(
        "A group is a country with its capital and cities, a first summand, or a block of cities "
        "that are only compared with each other: no subject is on both sides."
    ),
    minutes={"tiny": 0.3, "small": 6, "full": 90},
    figure="layers",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("quiz", "questions: columns prompt, answers (a|b), task, group")
    count: int = setting(400, "questions of each task of the quiz")
    tokens: int = setting(10, "tokens generated at most")
    stop: str = setting(".\n", "characters that end an answer")
    sites: str = setting("mlp_out.2::3", "sites a detector may choose from")
    transfer_site: str = setting("mlp_out.20", "where transfer is measured")
    stream: str = setting(
        "resid_post.2::3", "sites of the residual stream, read at the exact answer beside them"
    )
    folds: int = 5
    shuffles: int = setting(10, "label shuffles of the null")
    resampled: int = setting(100, "questions of each task that are answered several times")
    samples: int = setting(8, "how many times")
    temperature: float = setting(1.0, "of the samples")
    untrained: int = setting(
        120, "answers of each task that an untrained copy reads, and that are asked about"
    )
    ask: str = setting(
        "{}\nQuestion: Is this answer true, yes or no?\nAnswer:",
        "how the model is asked for its own verdict, or 'none'",
    )


PRESETS = {
    "tiny": Config(
        model="world:hearsay",
        data="world:hearsay",
        tokens=3,
        stop=STOP,
        sites="mlp_out.*",
        transfer_site="mlp_out.1",
        stream="resid_post.*",
        folds=3,
        shuffles=6,
        resampled=108,
        samples=4,
        untrained=108,
        ask="none",
    ),
    "small": Config(),
    "full": Config(
        count=3000,
        sites="mlp_out.*",
        stream="resid_post.*",
        shuffles=50,
        resampled=1000,
        samples=30,
        untrained=1000,
    ),
}

LOGPROB, EXACT = "log-probability", "log-probability of the exact answer"
SURFACE, VERDICT = "surface", "asked for a verdict"
#: a reading of all answers: name → rows; and detectors: task → sweep
Rows = dict[str, np.ndarray]
Found = dict[str, SweepResult]


def run(config: Config, run: Run) -> None:
    """Answer, read, transfer, answer again, choose."""
    made = {"quiz": lambda: quiz(config.count, seed=run.seed)}
    model, questions, _ = opened(config, run, made=made)
    run.asked(
        f"Do the states of {model.name} tell whether what it says is right, where, and better than "
        "its words do?"
    )
    with run.progress("answer", total=len(questions), unit="questions") as bar:
        asked, kept, silent = answered_greedily(
            model, questions, config.tokens, stop=config.stop, advance=bar.advance
        )
    run.log("%.1f %% of the answered texts keep their tokens", 100 * kept)
    if silent:
        run.warn(
            f"{silent} of {len(questions)} questions were answered with no words and are left out."
        )
    store = harvest(model, asked.texts, config.sites, at="spans:" + ",".join(TOKENS))
    every = dict(states(store, model, asked.texts, list(TOKENS)))
    exact = {n.partition(AT)[0]: x for n, x in every.items() if n.endswith(f"{AT}exact")}
    found = _detect(config, run, model, asked, every, exact)
    if len(found) > 1:
        _transfer(config, run, asked, exact[config.transfer_site], found)
    _again(config, run, model, questions, asked, exact, found)
    told = {
        "transfer": "What a probe finds {transfer:is mostly the task's own|is not clearly the "
        "task's own}: on another task AUC is {transfer:.2f} lower. ",
        "prefers-mistaken": "Where the right answer is in fewer than half of the samples, the "
        "probe's choice is right {prefers-mistaken:+.1 points} against a random one "
        "({prefers-mistaken.verdict}). ",
    }
    given = [s.format_map(run.claims) if id in run.claims else "" for id, s in told.items()]
    run.facts(transferred=given[0], mistaken=given[1])


def _detect(
    config: Config, run: Run, model: Model, asked: Answered, every: Rows, exact: Rows
) -> Found:
    """Detectors of each task: every token and layer, and baselines in the same folds."""
    how = {"folds": config.folds, "seed": run.seed}
    read = partial(
        detect_each, right=asked.right, groups=asked.texts.groups(), parts=asked.tasks, **how
    )
    with run.progress("detect", total=len(every) * len(asked.tasks), unit="sites") as bar:
        found = read(every, advance=bar.advance)
    tokens = {name: {t: only(r, at) for t, r in found.items()} for at, name in TOKENS.items()}
    said = {LOGPROB: asked.logprob(), EXACT: asked.exact_logprob(model), SURFACE: asked.surface()}
    words = {name: read({name: x}) for name, x in said.items()}
    shuffled = read(exact, shuffles=config.shuffles)
    stream = harvest(model, asked.texts, config.stream, at="span:exact").matrices()
    shown = tokens | words | {TOKENS["exact"]: shuffled}
    shown["exact answer, residual stream"] = read(dict(stream))
    rows = some_of_each(asked.task, config.untrained, rng=partial(run.rng, "untrained"))
    few = asked.take(rows)
    again = partial(detect_each, right=few.right, groups=few.texts.groups(), parts=few.tasks, **how)
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    blank = harvest(fresh, few.texts, config.sites, at="span:exact").matrices()
    shown["exact answer, untrained copy"] = again(dict(blank))
    if config.ask != "none":
        shown[VERDICT] = again({VERDICT: verdict_odds(model, few.texts, config.ask)[:, None]})
    run.figure(
        "layers",
        score_by_layer(by_layer_each(tokens, words), score="AUC"),
        "How well a probe on other subjects' answers tells right answers from wrong ones, by layer "
        "and token; level lines need no look inside. One half is chance.",
    )
    run.table(
        "scores",
        chosen_scores(shown, by=("task", "read at")),
        "AUC of the layer chosen inside the training folds, and of what needs no look inside. "
        "The last two of a task are measured on fewer answers.",
    )
    run.figure(
        "grid",
        heatmap(
            mean_by_layer(tokens),
            value="AUC",
            row="read at",
            column="layer",
            domain=(0.5, 1.0),
            cell=44,
        ),
        "The same, averaged over the tasks.",
    )
    run.table("accuracy", asked.accuracy(), "How often the greedy answer is right.")
    for id, others in (
        ("above-prompt", (TOKENS["prompt"],)),
        ("above-logprob", (LOGPROB, EXACT)),
    ):
        title = f"AUC at the exact answer − {' or '.join(others)}, second best task"
        gain = part_gain(title, tokens | words, TOKENS["exact"], others)
        run.claim(id, gain.evidence, why=f"By task: {gain.in_words}.")
    name = "mean AUC with labels shuffled by group"
    run.claim("shuffled", mean_shuffled(list(shuffled.values()), name))
    return found


def _transfer(config: Config, run: Run, asked: Answered, x: np.ndarray, found: Found) -> None:
    """Fitted on one task, scored on another, at one site fixed beforehand."""
    moved = transfer_each(x, asked.right, asked.texts.groups(), asked.tasks, found)
    areas = moved.table()
    run.figure(
        "transfer",
        heatmap(areas, value="AUC", row="fitted on", column="scored on", domain=(0.0, 1.0)),
        f"Probes at {config.transfer_site}, exact answer. On the diagonal subjects are held out.",
    )
    caption = "The same numbers with 95 % intervals over groups of the task scored."
    run.table("transfer", areas, caption)
    run.claim("transfer", moved.measured().gain("own task", over="another task"))


def _again(
    config: Config,
    run: Run,
    model: Model,
    questions: Examples,
    asked: Answered,
    exact: Rows,
    found: Found,
) -> None:
    """Several samples of some questions: kinds of mistake, and the sample that the probe
    prefers."""
    rows = some_of_each(asked.task, config.resampled, rng=partial(run.rng, "again"))
    with run.progress("answer again", total=len(rows), unit="questions") as bar:
        samples, of = answered_again(
            model,
            questions,
            asked.rows[rows],
            config.tokens,
            samples=config.samples,
            stop=config.stop,
            temperature=config.temperature,
            seed=child_seed(run.seed, "samples") % 2**31,
            advance=bar.advance,
        )
    seen = rows[np.unique(of)]
    greedy, kind = asked.take(seen), kinds(samples.right, [a.text for a in samples.said], of)
    _kinds(config, run, greedy, {n: x[seen] for n, x in exact.items()}, kind)
    store = harvest(model, samples.texts, config.sites, at="span:exact")
    new = {str(site): x for site, x in store.matrices()}
    at_exact = {t: only(r, "exact") for t, r in found.items()}
    score = scores_of_others_each(at_exact, exact, asked.texts.groups(), asked.tasks, new, rows[of])
    right = {GREEDY: greedy.right * 1.0, **sample_choices(samples, of, score)}
    _choices(config, run, Choices(right, kind, greedy.task_groups))


def _kinds(config: Config, run: Run, greedy: Answered, exact: Rows, kind: np.ndarray) -> None:
    """What the samples say of each question, read off the greedy answer's token."""
    run.table(
        "kinds",
        pd.crosstab(greedy.task, kind).reset_index(names="task"),
        f"Questions by what {config.samples} samples say: right in half of them or more; one wrong "
        "answer in half of them or more; right at times; never right and scattered.",
    )
    told = classes_apart(
        {"exact answer": exact, "task, surface and log-probability": {"words": greedy.outside()}},
        kind,
        greedy.task_groups,
        folds=config.folds,
        target="kind",
        alphas=CS,
        shuffles=config.shuffles,
        seed=run.seed,
    )
    if told:
        run.table("kinds-read", told, "Accuracy of telling the kinds apart, subjects held out.")


def _choices(config: Config, run: Run, choices: Choices) -> None:
    """How often each way of choosing an answer is right, over all questions and by kind of
    mistake."""
    m = choices.measured()
    run.show(
        "choices",
        m,
        f"How often each way of answering is right, on {len(choices.kind)} questions answered "
        f"{config.samples} times. Random: the mean over the samples of a question.",
    )
    run.table("choices-by-kind", choices.by_kind(), "The same for each kind of mistake.")
    others = {"prefers": RANDOM, "prefers-greedy": GREEDY, "prefers-majority": MAJORITY}
    for id, other in others.items():
        run.claim(id, m.gain(PREFERRED, over=other), why=choices.rates())
    seldom = choices.seldom
    if not seldom.any():
        run.warn(
            "No question has a right answer in fewer than half of its samples: take more --samples."
        )
        return
    gain = choices.measured(seldom, "right at times").gain(PREFERRED, over=RANDOM)
    why = f"{seldom.sum()} questions: {choices.rates(seldom)}"
    run.claim("prefers-mistaken", gain, why=why)
