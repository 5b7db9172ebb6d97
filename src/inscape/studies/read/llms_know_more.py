"""Does a model know more than it says? Whether an answer is right, read at the token where the answer stands.

Questions of three tasks are answered greedily and graded by a program. A logistic probe reads "this answer is right" off
the MLPs' outputs at the prompt's end, the first generated token, the exact answer's last token and the last token; layer
and penalty are chosen inside the training folds, whole groups are held out. Then: does a probe of one task read another; do
the states tell what kind of mistake the model makes when it is asked again and again; and is the answer that the probe
prefers among samples better than one taken at random, than the commonest, than the greedy one, for each kind of mistake?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from inscape.charts.heatmap import matrix as heatmap
from inscape.charts.layers import score_by_layer
from inscape.core.evidence import Evidence, table
from inscape.core.intervals import interval
from inscape.core.jackknife import over_groups
from inscape.core.measured import Measured, Role
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.generations import generations
from inscape.outcomes.passes import passes
from inscape.outcomes.questions import TOKENS, Answered, answered, exact_text, kinds
from inscape.probing.detectors import AT, CS, detect, fitted, fold_of, only, states
from inscape.probing.frames import by_layer, layer_of
from inscape.probing.sweep import sweep
from inscape.probing.sweep_result import SweepResult, compare
from inscape.read.logistic import LogisticProbe
from inscape.read.transfer import DataSet, transfer
from inscape.store.harvest import harvest
from inscape.study.card import Card, Claim
from inscape.study.opening import opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds import hearsay
from inscape.worlds.quiz import quiz

CARD = Card(
    slug="llms-know-more",
    title="LLMs Know More Than They Show: On the Intrinsic Representation of LLM Hallucinations",
    authors="Orgad, Toker, Gekhman, Reichart, Szpektor, Kotek and Belinkov",
    year=2024,
    arxiv="2410.02707",
    room="read",
    claim="Whether an answer is right is encoded above all at the tokens of the answer itself; probes for it do not carry "
    "over between tasks; the states show what kind of mistake is made, and sometimes prefer the "
    "right answer when the model gives another.",
    reproduced="Questions about places, sums of two-digit numbers and comparisons of cities, with the first words of the "
    "answer given, answered greedily, some of them by eight samples too. Logistic probes by layer at four tokens, subjects "
    "held out; transfer at a layer fixed beforehand; kinds of mistake from the samples; the sample that the probe prefers.",
    controls=(
        "labels shuffled by group",
        "an untrained copy of the model, reading the same answers",
        "log-probabilities of all that is generated and of the exact answer",
        "the model's own verdict when asked, and the surface of question and answer",
        "a sample at random, the majority of the samples, the greedy answer",
    ),
    claims={
        "above-prompt": Claim(
            text="AUC at the exact answer is above that at the prompt's end, on the second best task",
            at_least=0.05,
            over="end of the prompt",
        ),
        "above-logprob": Claim(
            text="AUC at the exact answer is above that of log-probabilities, on the second best task",
            at_least=0.03,
            over="the better of the log-probabilities of all generated tokens and of the exact answer's",
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
            text="Where the right answer is among the samples and fewer than half of them, the probe's choice is right more "
            "often than one at random",
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
    # six shuffles do not settle an AUC of one half to 0.05; how far a toy's tasks read alike changes with its training
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
    answer="The states of {model} tell right answers from wrong ones, {above-prompt:most of all where the "
    "answer stands|not much better where the answer stands} (AUC {above-prompt:+.2f} against the "
    "prompt's end on the second best task), and they say {above-logprob:more than|hardly more than} the "
    "probability that it gave the answer ({above-logprob:+.2f}). {transferred}{mistaken}Among several "
    "samples the probe's choice is right {prefers:+.1%} against a random one ({prefers.verdict}), "
    "{prefers-majority:+.1%} against the commonest ({prefers-majority.verdict}) and "
    "{prefers-greedy:+.1%} against the greedy answer ({prefers-greedy.verdict}).",
    differs="The authors ask ten public sets of models of seven billion weights and up, sample thirty answers, and train "
    "one probe at one layer chosen on a validation set; here three made tasks, eight samples, a choice inside the folds.",
    group_note="A group is a country with its capital and cities, a first summand, or a block of cities that are only "
    "compared with each other: no subject is on both sides.",
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
        stop=hearsay.STOP,
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
GREEDY, RANDOM, MAJORITY = "greedy", "random sample", "majority"
PREFERRED, LIKELIEST, BEST = "preferred by the probe", "likeliest sample", "best sample"
ROLES: dict[str, Role] = {
    **dict.fromkeys((GREEDY, MAJORITY, LIKELIEST), "baseline"),
    RANDOM: "reference",
    BEST: "ceiling",
}


def run(config: Config, run: Run) -> None:
    """Answer, read, transfer, answer again, choose."""
    made = {"quiz": lambda: quiz(config.count, seed=run.seed)}
    model, questions, _ = opened(config, run, made=made)
    run.asked(
        f"Do the states of {model.name} tell whether what it says is right, where, and better than its words do?"
    )
    prompts = questions.texts()
    with run.progress("answer", total=len(prompts), unit="questions") as bar:
        made = generations(model, prompts, config.tokens, stop=config.stop, advance=bar.advance)
    asked = answered(questions, [m[0] for m in made])
    run.log(
        "%.1f %% of the answered texts keep their tokens", 100 * exact_text(model, asked, prompts)
    )
    if len(asked) < len(prompts):
        run.warn(
            f"{len(prompts) - len(asked)} of {len(prompts)} questions were answered with no words and are left out."
        )
    store = harvest(model, asked.texts, config.sites, at="spans:" + ",".join(TOKENS))
    every = dict(states(store, model, asked.texts, list(TOKENS)))
    found = _detect(config, run, model, asked, every)
    _transfer(config, run, asked, every, found)
    _again(config, run, model, questions, asked, every, found)
    said = {
        "transfer": "What a probe finds {transfer:is mostly the task's own|is not clearly the task's "
        "own}: on another task AUC is {transfer:.2f} lower. ",
        "prefers-mistaken": "Where the right answer is in fewer than half of the samples, the probe's "
        "choice is right {prefers-mistaken:+.1%} against a random one ({prefers-mistaken.verdict}). ",
    }
    given = [s.format_map(run.claims) if id in run.claims else "" for id, s in said.items()]
    run.facts(transferred=given[0], mistaken=given[1])


def _inside(asked: Answered) -> dict[str, np.ndarray]:
    return {str(task): np.flatnonzero(asked.task == task) for task in pd.unique(asked.task)}


def _detect(
    config: Config, run: Run, model: Model, asked: Answered, every: dict[str, np.ndarray]
) -> dict[str, SweepResult]:
    """Detectors of each task: every token and layer, baselines in the same folds, the null at the exact answer."""
    found, rows, frames, groups = {}, [], [], asked.texts.groups()
    areas: dict[str, dict[str, SweepResult]] = {}
    nulls = []
    said = {LOGPROB: asked.logprob(), EXACT: asked.exact_logprob(model), SURFACE: asked.surface()}
    stream = dict(harvest(model, asked.texts, config.stream, at="span:exact").matrices())
    for task, inside in _inside(asked).items():
        y, g = asked.right[inside], groups[inside]
        options = {"folds": config.folds, "seed": run.seed, "name": task}
        with run.progress(f"detect, {task}", total=len(every), unit="sites") as bar:
            whole = detect(
                {n: x[inside] for n, x in every.items()},
                y,
                g,
                progress=lambda *_: bar.advance(),
                **options,
            )
        found[task], parts = whole, {token: only(whole, token) for token in TOKENS}
        words = {name: detect({name: x[inside]}, y, g, **options) for name, x in said.items()}
        exact = {n: x[inside] for n, x in every.items() if n.endswith(f"{AT}exact")}
        null = detect(exact, y, g, shuffles=config.shuffles, **options)
        nulls.append(null)
        for name, result in {**{TOKENS[t]: r for t, r in parts.items()}, **words}.items():
            e = null.selected[0] if name == TOKENS["exact"] else result.selected[0]
            rows.append(replace(e, where={"task": task, "read at": name}))
        beside = detect({str(s): x[inside] for s, x in stream.items()}, y, g, **options)
        where = {"task": task, "read at": "exact answer, residual stream"}
        rows.append(replace(beside.selected[0], where=where))
        rows += _fewer(config, run, model, asked.take(inside), task)
        frames.append(by_layer({TOKENS[t]: r for t, r in parts.items()}, words))
        areas[task] = {TOKENS[t]: parts[t] for t in ("exact", "prompt")} | words
    run.figure(
        "layers",
        score_by_layer(pd.concat(frames, ignore_index=True), score="AUC"),
        "How well a probe on other subjects' answers tells right answers from wrong ones, by layer and token; "
        "level lines need no look inside. One half is chance.",
    )
    run.table(
        "scores",
        table(rows),
        "AUC of the layer chosen inside the training folds, and of what needs no look inside. "
        "The last two of a task are measured on fewer answers.",
    )
    accuracy = [e for task, i in _inside(asked).items() for e in _accuracy(asked.take(i), task)]
    run.table("accuracy", table(accuracy), "How often the greedy answer is right.")
    mean = np.mean([f.scores[:, 0] for f in found.values()], axis=0)
    names = [site.partition(AT)[::2] for site in next(iter(found.values())).sites]
    grid = [
        {"row": TOKENS[t], "column": str(layer_of(s)), "value": v}
        for (s, t), v in zip(names, mean, strict=True)
    ]
    run.figure(
        "grid",
        heatmap(pd.DataFrame(grid), value="AUC", column="layer", domain=(0.5, 1.0), cell=44),
        "The same, averaged over the tasks.",
    )
    _second_best(run, areas)
    shuffled = Measured("mean AUC with labels shuffled by group", unit="AUC")
    shuffled.put("shuffled", np.mean([n.selected_scores[1:, 0] for n in nulls], axis=0))
    run.claim("shuffled", shuffled.value("shuffled"))
    return found


def _second_best(run: Run, areas: Mapping[str, Mapping[str, SweepResult]]) -> None:
    """The gain of the exact answer on the task where it is second largest."""
    m, at = Measured("AUC", unit="AUC"), TOKENS["exact"]
    sizes = [int(next(iter(by.values())).groups.max()) + 1 for by in areas.values()]
    for task, size, last in zip(areas, sizes, np.cumsum(sizes), strict=True):
        for name, result in areas[task].items():
            # no group is in two tasks
            area = over_groups(
                result.selected_statistic(0), np.arange(last - size, last), sum(sizes)
            )
            m.put_statistic(f"{task}, {name}", area)
    several = min(2, len(areas))
    for id, others in (("above-prompt", (TOKENS["prompt"],)), ("above-logprob", (LOGPROB, EXACT))):
        width = 1 + len(others)

        def ranked(*s: np.ndarray, width: int = width) -> np.ndarray:
            gains = [
                s[k] - np.max(np.stack(s[k + 1 : k + width]), axis=0)
                for k in range(0, len(s), width)
            ]
            return np.sort(np.stack(gains), axis=0)[-several]

        used = [[f"{task}, {name}" for name in (at, *others)] for task in areas]
        gain = m.combined(
            f"AUC at the exact answer − {' or '.join(others)}, second best task",
            ranked,
            *(name for each in used for name in each),
        )
        each = [
            f"{task} {m.value(own).value - max(m.value(o).value for o in rest):+.3f}"
            for task, (own, *rest) in zip(areas, used, strict=True)
        ]
        run.claim(id, gain, why=f"By task: {'; '.join(each)}.")


def _accuracy(asked: Answered, task: str) -> list[Evidence]:
    words = pd.Series([a.text for a in asked.said])
    groups = asked.texts.groups()
    m = Measured(
        "accuracy of the greedy answer", groups=groups, unit="accuracy", where={"task": task}
    )
    m.put("greedy answer", asked.right)
    m.put("share of the commonest answer", words == words.mode().iloc[0], role="reference")
    return m.evidence()


def _fewer(config: Config, run: Run, model: Model, asked: Answered, task: str) -> list[Evidence]:
    """Some of the answers read by an untrained copy, and judged by the model itself when it is asked."""
    few = asked.take(
        np.sort(run.rng("untrained", task).permutation(len(asked))[: config.untrained])
    )
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    store = harvest(fresh, few.texts, config.sites, at="span:exact")
    matrices = {f"{s}{AT}exact": x for s, x in store.matrices()}
    options = {"folds": config.folds, "seed": run.seed, "name": task}
    result = detect(matrices, few.right, few.texts.groups(), **options)
    out = [
        replace(result.selected[0], where={"task": task, "read at": "exact answer, untrained copy"})
    ]
    if config.ask != "none":
        asked_ = detect(
            {VERDICT: _says(config, model, few)}, few.right, few.texts.groups(), **options
        )
        out.append(replace(asked_.selected[0], where={"task": task, "read at": VERDICT}))
    return out


def _says(config: Config, model: Model, asked: Answered) -> np.ndarray:
    """Log-odds of yes against no when the model is asked whether its answer is true."""
    said = ((" Yes", " yes"), (" No", " no"))
    ids = [
        [model.tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in words]
        for words in said
    ]
    stripped = asked.texts.frame[asked.texts.input].str.rstrip()
    texts = replace(
        asked.texts, frame=asked.texts.frame.assign(**{asked.texts.input: stripped}), spans={}
    )
    out = np.empty((len(asked), 1))
    for step in passes(model, texts.with_prompt(config.ask), logits=True):
        logits = step.activations.logits
        assert logits is not None
        last = logits[:, 0].double()
        out[step.rows, 0] = (
            (last[:, ids[0]].logsumexp(dim=1) - last[:, ids[1]].logsumexp(dim=1)).cpu().numpy()
        )
    return out


def _transfer(
    config: Config,
    run: Run,
    asked: Answered,
    every: dict[str, np.ndarray],
    found: dict[str, SweepResult],
) -> None:
    """Fitted on one task, scored on another, at one site fixed beforehand."""
    if len(found) < 2:
        return
    x, groups, inside = (
        every[f"{config.transfer_site}{AT}exact"],
        asked.texts.groups(),
        _inside(asked),
    )
    sets = {
        t: DataSet(x[i], asked.right[i].astype(np.int64), groups[i], fold_of(found[t]))
        for t, i in inside.items()
    }
    moved = transfer(sets, LogisticProbe(CS, tol=1e-4))
    ends = [[interval(area).ends or (None, None) for area in line] for line in moved.areas]
    cells = [
        {
            "row": a,
            "column": b,
            "value": moved.auc[i, j],
            "low": ends[i][j][0],
            "high": ends[i][j][1],
        }
        for i, a in enumerate(moved.names)
        for j, b in enumerate(moved.names)
    ]
    run.figure(
        "transfer",
        heatmap(
            pd.DataFrame(cells), value="AUC", row="fitted on", column="scored on", domain=(0.0, 1.0)
        ),
        f"Probes at {config.transfer_site}, exact answer. On the diagonal subjects are held out.",
    )
    run.table(
        "transfer",
        pd.DataFrame(cells),
        "The same numbers with 95 % intervals over groups of the task scored.",
    )
    own, other = moved.means
    m = Measured("AUC", unit="AUC")
    m.put_statistic("own task", own)
    m.put_statistic("another task", other, role="reference")
    run.claim("transfer", m.gain("own task", over="another task"))


def _again(
    config: Config,
    run: Run,
    model: Model,
    questions: Examples,
    asked: Answered,
    every: dict[str, np.ndarray],
    found: dict[str, SweepResult],
) -> None:
    """Several samples of some questions: kinds of mistake, and the sample that the probe prefers."""
    few = np.sort(
        np.concatenate(
            [
                run.rng("again", t).permutation(i)[: config.resampled]
                for t, i in _inside(asked).items()
            ]
        )
    )
    greedy = asked.take(few)
    prompts = [questions.texts()[i] for i in greedy.rows]
    with run.progress("answer again", total=len(prompts), unit="questions") as bar:
        made = generations(
            model,
            prompts,
            config.tokens,
            samples=config.samples,
            temperature=config.temperature,
            seed=child_seed(run.seed, "samples") % 2**31,
            stop=config.stop,
            advance=bar.advance,
        )
    several = [c for each in made for c in each]
    of = np.repeat(np.arange(len(few)), config.samples)
    samples = answered(questions, several, greedy.rows[of])
    # rows of samples say which question of the quiz; here: which of those asked again
    position = {int(q): k for k, q in enumerate(greedy.rows)}
    of = np.array([position[int(q)] for q in samples.rows])
    kind = _kinds(
        config,
        run,
        greedy,
        {n: x[few] for n, x in every.items() if n.endswith(f"{AT}exact")},
        samples,
        of,
    )
    score = _preference(model, asked, few, every, found, samples, of, config.sites)
    _choices(config, run, greedy, samples, of, score, kind)


def _kinds(
    config: Config,
    run: Run,
    greedy: Answered,
    exact: dict[str, np.ndarray],
    samples: Answered,
    of: np.ndarray,
) -> np.ndarray:
    """What the samples say of each question, read off the greedy answer's token."""
    seen = np.unique(of)
    kind = kinds(samples.right, [a.text for a in samples.said], of)
    first = pd.unique(of)  # `kinds` keeps the order of first appearance
    kind = kind[np.argsort(first)]
    some = greedy.take(seen)
    counts = pd.crosstab(some.task, kind).reset_index(names="task")
    run.table(
        "kinds",
        counts,
        f"Questions by what {config.samples} samples say: right in half of them or more; one wrong "
        "answer in half of them or more; right at times; never right and scattered.",
    )
    keep = np.isin(
        kind,
        [
            k
            for k, c in zip(*np.unique(kind, return_counts=True), strict=True)
            if c >= 2 * config.folds
        ],
    )
    groups = np.array([f"{t} {g}" for t, g in zip(some.task, some.texts.groups(), strict=True)])[
        keep
    ]
    if len(np.unique(kind[keep])) < 2:
        return kind
    options = {
        "groups": groups,
        "folds": config.folds,
        "task": "classification",
        "alphas": CS,
        "seed": run.seed,
        "target_names": ("kind",),
    }
    inside = sweep(
        {n: x[seen][keep] for n, x in exact.items()},
        kind[keep],
        shuffles=config.shuffles,
        **options,
    )
    words = np.hstack(
        [some.logprob(), some.surface(), pd.get_dummies(some.task).to_numpy(dtype=float)]
    )[keep]
    outside = sweep({"words": words}, kind[keep], shuffles=config.shuffles, **options)
    rows = [
        replace(inside.selected[0], where={"read from": "exact answer"}),
        replace(outside.selected[0], where={"read from": "task, surface and log-probability"}),
        replace(compare(inside, outside)[0], where={"read from": "difference"}),
    ]
    run.table("kinds-read", table(rows), "Accuracy of telling the kinds apart, subjects held out.")
    return kind


def _preference(
    model: Model,
    asked: Answered,
    few: np.ndarray,
    every: dict[str, np.ndarray],
    found: dict[str, SweepResult],
    samples: Answered,
    of: np.ndarray,
    sites: str,
) -> np.ndarray:
    """How right each sample is to a probe of other subjects' greedy answers, in log-odds."""
    texts = pd.Series(samples.texts.texts())
    first = np.flatnonzero(~texts.duplicated())
    code = pd.Categorical(texts, categories=texts.iloc[first]).codes
    store = harvest(model, samples.texts.take(first), sites, at="span:exact")
    states_ = {f"{s}{AT}exact": x for s, x in store.matrices()}
    score = np.full(len(samples), np.nan)
    groups, task_of = asked.texts.groups(), samples.task
    for task, inside in _inside(asked).items():
        result = only(found[task], "exact")
        named = {s: every[f"{s}{AT}exact"][inside] for s in result.sites}
        number = {int(row): k for k, row in enumerate(inside)}
        mine = np.flatnonzero(task_of == task)
        fold = np.array([result.folds[number[int(few[q])]] for q in of[mine]])
        for f, probe in enumerate(fitted(result, named, groups[inside])):
            rows = mine[fold == f]
            if len(rows):
                site = result.sites[int(result.chosen[f, 0])]
                score[rows] = probe.decision_function(states_[f"{site}{AT}exact"][code[rows]])
    return score


def _choices(
    config: Config,
    run: Run,
    greedy: Answered,
    samples: Answered,
    of: np.ndarray,
    score: np.ndarray,
    kind: np.ndarray,
) -> None:
    """How often each way of choosing an answer is right, over all questions and by kind of mistake."""
    seen, right = np.unique(of), samples.right * 1.0
    parts: dict[str, list[float]] = {
        name: [] for name in (GREEDY, RANDOM, MAJORITY, PREFERRED, LIKELIEST, BEST)
    }
    mean = samples.logprob()[:, 0]
    for q in seen:
        rows = np.flatnonzero(of == q)
        words = pd.Series([samples.said[i].text.lower() for i in rows])
        commonest = rows[(words == words.mode().iloc[0]).to_numpy()]
        parts[GREEDY].append(float(greedy.right[q]))
        parts[RANDOM].append(right[rows].mean())
        parts[MAJORITY].append(right[commonest].mean())
        parts[PREFERRED].append(right[rows[score[rows].argmax()]])
        parts[LIKELIEST].append(right[rows[mean[rows].argmax()]])
        parts[BEST].append(right[rows].max())
    groups = np.array(
        [f"{t} {g}" for t, g in zip(greedy.task[seen], greedy.texts.groups()[seen], strict=True)]
    )

    def measured(inside: np.ndarray, name: str) -> Measured:
        m = Measured("accuracy", groups=groups[inside], unit="accuracy", where={"mistake": name})
        for condition, p in parts.items():
            m.put(condition, np.array(p)[inside], role=ROLES.get(condition, "treatment"))
        return m

    m = measured(np.ones(len(seen), dtype=bool), "all")
    run.show(
        "choices",
        m,
        f"How often each way of answering is right, on {len(seen)} questions answered {config.samples} times. Random: the "
        "mean over the samples of a question.",
    )
    by_kind = [e for k in pd.unique(kind) for e in measured(kind == k, str(k)).evidence()]
    run.table("choices-by-kind", table(by_kind), "The same for each kind of mistake.")
    why = ", ".join(f"{name} {np.mean(p):.2f}" for name, p in parts.items()) + "."
    for id, other in (
        ("prefers", RANDOM),
        ("prefers-greedy", GREEDY),
        ("prefers-majority", MAJORITY),
    ):
        run.claim(id, m.gain(PREFERRED, over=other), why=why)
    seldom = (np.array(parts[BEST]) > 0) & (kind != "right")
    if not seldom.any():
        run.warn(
            "No question has a right answer in fewer than half of its samples: take more --samples."
        )
        return
    m = measured(seldom, "right at times")
    rates = ", ".join(f"{name} {m.value(name).value:.2f}" for name in parts)
    why = f"{seldom.sum()} questions: {rates}."
    run.claim("prefers-mistaken", m.gain(PREFERRED, over=RANDOM), why=why)
