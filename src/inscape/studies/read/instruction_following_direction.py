"""Does a model know, before it speaks, whether it will follow an instruction, and does that knowledge matter?

Instructions that a program can check, crossed with tasks and phrasings, are answered greedily. A logistic probe reads
success off the residual stream at the prompt's last token, in the middle of the answer and at its end; states are centred
and scores compared within a kind of instruction, tasks are held out, then whole kinds. The probe's direction is then added
to the stream while prompts that failed are answered again, beside random directions of the same length, with an eye on the
perplexity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch

from inscape.charts.bars import values_by_group
from inscape.charts.histogram import null_distribution
from inscape.charts.layers import score_by_layer
from inscape.core import intervals
from inscape.core.batch import Tokens
from inscape.core.edit import Add, Edit, Scope
from inscape.core.errors import DataError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.folds import group_codes, group_folds
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.continuations import Continuation, continuations
from inscape.model.model import Model
from inscape.model.open import open
from inscape.read.logistic import LogisticProbe
from inscape.store.generations import generations
from inscape.store.harvest import harvest
from inscape.store.token_losses import token_losses
from inscape.study.card import Card
from inscape.study.detectors import AT, CS, detect, only, states
from inscape.study.frames import layer_of
from inscape.study.run import Run
from inscape.study.shares import Shares, bars
from inscape.study.sweep_result import SweepResult
from inscape.worlds.instructions import follows, instructions, obedience

CARD = Card(
    slug="instruction-following-direction",
    title="Do LLMs “know” internally when they follow instructions?",
    authors="Heo, Heinze-Deml, Elachqar, Chan, Ren, Nallasamy, Miller and Narain",
    year=2024,
    arxiv="2410.14516",
    room="read",
    claim="A direction that is there before the first word predicts whether an instruction will be followed, for tasks "
    "never seen; moving along it makes a model follow more often than moving at random does, and the text stays good.",
    reproduced="Five checkable instructions, 40 tasks, three phrasings, one sentence each, answered greedily. Logistic "
    "probes within the kind of instruction by layer at three tokens, tasks or kinds held out; failures answered again with "
    "the direction added, whose site and strength are chosen on other tasks.",
    controls=(
        "labels shuffled within the kind of instruction",
        "length and phrasing of the prompt",
        "random directions of the same length",
        "perplexity of the new answers under the model as it is",
    ),
    bar="With tasks held out, AUC within a kind is at least 0.65 before the answer begins, and at least 0.05 above length "
    "and phrasing; steering lifts success above the 95 % point of random directions, perplexity up by less than 10 %. AUC "
    "with kinds held out is reported.",
    group_note="A group is a task (a topic), with all its instructions and phrasings; then a kind of instruction.",
    negative="Steering does not help SmolLM2-135M (seed 0, small): 3 % of 30 failures become successes along the direction, "
    "10 % along random ones, 17 % against it. Kinds followed less than a tenth of the time are left out of steering.",
    minutes={"tiny": 0.3, "small": 7, "full": 60},
    figure="layers",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m",
        metadata={"help": "what to open; 'obedience-world' is trained on the spot"},
    )
    data: str = field(
        default="instructions", metadata={"help": "prompts: columns kind, word, task, phrasing"}
    )
    count: int = field(default=40, metadata={"help": "tasks of the built-in prompts"})
    tokens: int = field(default=40, metadata={"help": "tokens generated at most"})
    stop: str = field(default="", metadata={"help": "characters that end an answer"})
    chat: bool = field(
        default=True, metadata={"help": "put prompts into the model's chat template, if it has one"}
    )
    sites: str = field(
        default="resid_post.2::3", metadata={"help": "sites a probe may choose from"}
    )
    folds: int = field(default=5, metadata={"help": "folds of whole tasks"})
    shuffles: int = field(default=5, metadata={"help": "label shuffles of the null"})
    steered: int = field(
        default=30,
        metadata={"help": "failures that are answered again; half as many to choose with"},
    )
    able: float = field(
        default=0.1,
        metadata={"help": "least success of a kind, on other tasks, for it to be steered"},
    )
    draws: int = field(default=20, metadata={"help": "random directions"})
    steer_at: tuple[str, ...] = field(
        default=("resid_post.11", "resid_post.17", "resid_post.23"),
        metadata={"help": "those of the sites tried on other tasks"},
    )
    guard: float = field(
        default=1.1, metadata={"help": "how many times perplexity may be its own in what is chosen"}
    )
    strengths: tuple[float, ...] = field(
        default=(1.0, 2.0, 4.0),
        metadata={
            "help": "tried on other tasks; in distances between the means of success and failure"
        },
    )


PRESETS = {
    "tiny": Config(
        model="obedience-world",
        data="obedience-world",
        tokens=1,
        stop=".",
        sites="resid_post.*",
        folds=3,
        shuffles=5,
        steer_at=("resid_post.0", "resid_post.1"),
        guard=1e9,
    ),
    "small": Config(),
    "full": Config(
        model="HuggingFaceTB/SmolLM2-1.7B-Instruct",
        sites="resid_post.*",
        shuffles=30,
        steered=200,
        draws=100,
    ),
}

TOKENS = {
    "first": "before the answer",
    "middle": "middle of the answer",
    "last": "end of the answer",
}
SHUFFLED, WORDS = "shuffled labels", "length and phrasing"


def run(config: Config, run: Run) -> None:
    """Answer, read, hold kinds out, steer."""
    model, prompts = _open(config, run)
    run.certificate(model.certificate)
    run.asked(
        f"Does {model.name} know before it answers whether it will follow an instruction, and does that matter?"
    )
    texts = _chat(config, model, prompts)
    with run.progress("answer", total=len(texts), unit="prompts") as bar:
        made = [
            m[0]
            for m in generations(model, texts, config.tokens, stop=config.stop, advance=bar.advance)
        ]
    right = _followed(prompts, made)
    _accuracy(run, prompts, right)
    keep = np.array([bool(m.text.strip()) for m in made])
    texts, made = ([x for x, k in zip(row, keep, strict=True) if k] for row in (texts, made))
    answered = _spans(prompts.take(keep), texts, made)
    store = harvest(model, answered, config.sites, at="spans:" + ",".join(TOKENS))
    every = dict(states(store, model, answered, list(TOKENS)))
    _read(config, run, model, answered, every, right[keep])
    _steer(config, run, model, answered, texts, every, right[keep], made)
    run.answer(_answer(run, model))


def _open(config: Config, run: Run) -> tuple[Model, Examples]:
    if "obedience-world" in (config.model, config.data):
        world = obedience(seed=run.seed)
        run.log(
            "the toy network answers %.0f %% of its commands as its tones have it",
            100 * world.accuracy,
        )
        return world.model, world.prompts
    prompts = (
        instructions(config.count)
        if config.data == "instructions"
        else load(config.data, group="task")
    )
    missing = {"kind", "word", "task", "phrasing"} - set(prompts.frame)
    if missing:
        raise DataError(
            f"prompts need the columns kind, word, task and phrasing; these lack {', '.join(sorted(missing))}."
        )
    return open(config.model), prompts


def _chat(config: Config, model: Model, prompts: Examples) -> list[str]:
    """Prompts as the model expects them."""
    if not (config.chat and getattr(model.tokenizer, "chat_template", None)):
        return prompts.texts()
    turn = [[{"role": "user", "content": text}] for text in prompts.texts()]
    return [
        model.tokenizer.apply_chat_template(t, tokenize=False, add_generation_prompt=True)
        for t in turn
    ]


def _followed(prompts: Examples, made: Sequence[Continuation]) -> np.ndarray:
    rows = zip(prompts.frame["kind"], prompts.frame["word"], made, strict=True)
    return np.array([follows(str(k), str(w), m.text) for k, w, m in rows])


def _accuracy(run: Run, prompts: Examples, right: np.ndarray) -> None:
    frame, rows = prompts.frame.reset_index(drop=True), []
    for kind in pd.unique(frame["kind"]):
        for phrasing in pd.unique(frame["phrasing"]):
            inside = ((frame["kind"] == kind) & (frame["phrasing"] == phrasing)).to_numpy()
            if inside.any():
                shares = Shares(
                    prompts.groups()[inside], run.rng("success", str(kind), str(phrasing))
                )
                null = Null.of("all phrasings", [right[(frame["kind"] == kind).to_numpy()].mean()])
                e = shares.evidence(
                    "success",
                    right[inside] * 1.0,
                    np.ones(inside.sum()),
                    null,
                    unit="share",
                    where={"kind": str(kind), "phrasing": str(phrasing)},
                )
                rows.append(e)
    run.table("success", table(rows), "How often each instruction is followed, in each phrasing.")


def _spans(prompts: Examples, texts: list[str], made: list[Continuation]) -> Examples:
    """Answered prompts, with the prompt's last character and the answer's middle and last ones as spans."""
    whole, rows = [], []
    for text, m in zip(texts, made, strict=True):
        body, start = m.text.rstrip(), len(text)
        lead = len(body) - len(body.lstrip())
        ends = {
            "first": len(text.rstrip(" ")),
            "middle": start + (lead + len(body)) // 2 + 1,
            "last": start + len(body),
        }
        while body[ends["middle"] - 1 - start].isspace():
            ends["middle"] += 1
        whole.append(text + body)
        rows.append(
            {f"{n}_start": e - 1 for n, e in ends.items()}
            | {f"{n}_end": e for n, e in ends.items()}
        )
    frame = pd.concat([prompts.frame.reset_index(drop=True), pd.DataFrame(rows)], axis=1).assign(
        **{prompts.input: whole}
    )
    return replace(prompts, frame=frame, spans={n: (f"{n}_start", f"{n}_end") for n in TOKENS})


def within(x: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Rows less the mean of their kind: no label is used, and every row's kind is known."""
    out = np.array(x, dtype=np.float32)
    for k in np.unique(kind):
        out[kind == k] -= out[kind == k].mean(axis=0)
    return out


def _read(
    config: Config,
    run: Run,
    model: Model,
    answered: Examples,
    every: dict[str, np.ndarray],
    right: np.ndarray,
) -> None:
    """AUC within a kind of instruction, tasks held out; the same with kinds held out."""
    frame, groups = answered.frame, group_codes(answered.groups())
    kind, types = frame["kind"].astype(str).to_numpy(), group_codes(frame["kind"].to_numpy())
    options = {"folds": config.folds, "seed": run.seed, "name": "success"}
    centred = {name: within(x, kind) for name, x in every.items()}
    with run.progress("detect success", total=len(centred), unit="sites") as bar:
        found = detect(centred, right, groups, progress=lambda *_: bar.advance(), **options)
    heads = [
        text[: int(end)] for text, end in zip(answered.texts(), frame["first_end"], strict=True)
    ]
    lengths = np.array([len(t) for t in model.tokenize(heads)])
    words = np.hstack(
        [
            lengths[:, None],
            lengths[:, None] ** 2,
            pd.get_dummies(frame["phrasing"]).to_numpy(dtype=float),
        ]
    )
    plain = detect({WORDS: within(words, kind)}, right, groups, **options)
    before = {n: x for n, x in centred.items() if n.endswith(f"{AT}first")}
    chance = []
    for k in range(config.shuffles):
        mixed, rng = right.copy(), run.rng("shuffles", str(k))
        for t in np.unique(types):
            mixed[types == t] = rng.permutation(mixed[types == t])
        result = detect(before, mixed, groups, **options)
        chance.append(
            _area(
                result,
                result.selected_predictions[:, 0],
                mixed,
                types,
                result.group_draws[:1] * 0 + 1,
            )[0]
        )
    null, rows, curves = Null.of(f"{SHUFFLED}, within kinds", chance), [], []
    draws = found.group_draws
    areas = {TOKENS[t]: only(found, t) for t in TOKENS} | {WORDS: plain}
    taken = {
        name: _evidence(r, r.selected_predictions[:, 0], right, types, null, draws, name)
        for name, r in areas.items()
    }
    for name, result in areas.items():
        rows.append(taken[name][0])
        for s, site in enumerate(result.sites):
            e = _evidence(result, result.predictions[s, :, 0], right, types, null, draws, name)[0]
            layer = None if name == WORDS else layer_of(site)
            curves.append(
                {
                    "series": name,
                    "layer": layer,
                    "value": e.value,
                    "low": e.ends[0],
                    "high": e.ends[1],
                }
            )  # type: ignore[index]
    curves.append(
        {"series": SHUFFLED, "layer": None, "value": null.mean, "low": null.low, "high": null.high}
    )
    run.figure(
        "layers",
        score_by_layer(pd.DataFrame(curves), score="AUC within kinds", nulls=(SHUFFLED,)),
        "How well success is told from failure within a kind of instruction, tasks held out.",
    )
    if types.max() > 0:
        apart = detect(
            before, right, types, folds=int(types.max()) + 1, seed=run.seed, name="success"
        ).selected[0]
        rows.append(
            replace(apart, where={"read at": "before the answer, whole kinds held out"}, null=null)
        )
    run.table("scores", table(rows), "AUC of the layer chosen inside the training folds.")
    run.claim(
        "before",
        "Success is read before the answer begins, tasks held out",
        taken[TOKENS["first"]][0],
        0.65,
    )
    gain = taken[TOKENS["first"]][1] - taken[WORDS][1]
    ends = intervals.percentile(gain)
    more = Evidence(
        "AUC: before the answer − length and phrasing",
        taken[TOKENS["first"]][0].value - taken[WORDS][0].value,
        (float(ends[0]), float(ends[1])),
        Null.of("no difference", [0.0]),
        float(intervals.bootstrap_p(gain)),
        n=len(right),
        unit="AUC",
    )
    run.claim("above-words", "and better than off the prompt's length and phrasing", more, 0.05)


def _area(
    result: SweepResult,
    scores: np.ndarray,
    right: np.ndarray,
    types: np.ndarray,
    counts: np.ndarray,
) -> np.ndarray:
    """AUC over pairs of rows of one fold and one kind, for each draw of the groups."""
    cell = result.folds * (types.max() + 1) + types
    return intervals.bootstrap_auc(
        np.asarray(scores), right.astype(bool), cell, result.groups, counts
    )


def _evidence(
    result: SweepResult,
    scores: np.ndarray,
    right: np.ndarray,
    types: np.ndarray,
    null: Null,
    draws: np.ndarray,
    name: str,
) -> tuple[Evidence, np.ndarray]:
    value = float(_area(result, scores, right, types, np.ones_like(draws[:1]))[0])
    drawn = _area(result, scores, right, types, draws)
    low, high = intervals.percentile(drawn)
    return Evidence(
        "AUC within kinds",
        value,
        (float(low), float(high)),
        null,
        n=len(right),
        unit="AUC",
        where={"read at": name},
    ), drawn


def _steer(
    config: Config,
    run: Run,
    model: Model,
    answered: Examples,
    texts: list[str],
    every: dict[str, np.ndarray],
    right: np.ndarray,
    made: list[Continuation],
) -> None:
    """The direction of half of the tasks, added while failures of the other half are answered again."""
    kind, groups = answered.frame["kind"].astype(str).to_numpy(), group_codes(answered.groups())
    (train, test), _ = group_folds(groups, 2, rng=run.rng("halves"))
    y, along = right.astype(np.int64), {}
    for site in config.steer_at:
        rows = within(every[f"{site}{AT}first"], kind)
        d = LogisticProbe(CS, tol=1e-4).fit(rows[train], y[train], groups=groups[train]).direction_
        means = [rows[train][y[train] == c].mean(axis=0) for c in (0, 1)]
        along[site] = float(abs((means[1] - means[0]) @ d)) * d
    # an instruction that is never followed cannot be what the direction is about, and no push will teach it
    able = np.isin(
        kind, [k for k in np.unique(kind) if y[train][kind[train] == k].mean() >= config.able]
    )
    rng = run.rng("random directions")
    noise = rng.normal(size=(config.draws, len(d)))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    halves = (("train", train), ("test", test))
    failed = {name: rng.permutation(part[(y[part] == 0) & able[part]]) for name, part in halves}
    known, asked = failed["train"][: config.steered // 2], failed["test"][: config.steered]
    if not len(known) or not len(asked):
        run.warn("There are too few failures to steer.")
        return

    def again(which: np.ndarray, directions: np.ndarray, site: str) -> list[list[Continuation]]:
        """Each failure answered under each direction, failures × directions."""

        def edits(numbers: np.ndarray) -> list[Edit]:
            v = torch.from_numpy(np.tile(directions, (len(numbers), 1)).astype(np.float32))[:, None]
            return [Add(Scope(site, "last", "prompt"), v), Add(Scope(site, phase="generated"), v)]

        with run.progress("answer again", total=len(which), unit="prompts") as bar:
            return continuations(
                model,
                [texts[i] for i in which],
                config.tokens,
                samples=len(directions),
                stop=config.stop,
                edits=edits,
                advance=bar.advance,
            )

    def success(which: np.ndarray, out: list[list[Continuation]]) -> np.ndarray:
        frame = answered.frame.iloc[which]
        parts = zip(frame["kind"], frame["word"], out, strict=True)
        return np.array(
            [[follows(str(k), str(w), m.text) for m in several] for k, w, several in parts],
            dtype=float,
        )

    def costs(which: np.ndarray, out: list[Continuation]) -> np.ndarray:
        """Loss per token of answers under the model as it is, (n, 2): nats and tokens."""
        heads = model.tokenize([texts[i] for i in which])
        whole = [_joined(h, m) for h, m in zip(heads, out, strict=True)]
        losses = token_losses(model, whole, after=[len(h) for h in heads])
        return np.stack([losses.nats, losses.tokens], axis=1)

    base, grid = costs(known, [made[i] for i in known]), []
    for site, d in along.items():
        tried = again(known, np.array(config.strengths)[:, None] * d, site)
        lifts = success(known, tried)
        for k, strength in enumerate(config.strengths):
            after = costs(known, [several[k] for several in tried])
            ratio = float(
                np.exp(after[:, 0].sum() / after[:, 1].sum() - base[:, 0].sum() / base[:, 1].sum())
            )
            grid.append(
                {
                    "site": site,
                    "strength": strength,
                    "success": lifts[:, k].mean(),
                    "perplexity, times": ratio,
                }
            )
    run.table(
        "strengths",
        pd.DataFrame(grid),
        "Tried on failures of the tasks that the direction was found on.",
    )
    best = max(
        [g for g in grid if g["perplexity, times"] < config.guard] or grid,
        key=lambda g: g["success"],
    )
    site, strength = str(best["site"]), float(best["strength"])
    d = strength * along[site]
    out = again(asked, np.concatenate([d[None], np.linalg.norm(d) * noise, -d[None]]), site)
    lift, shares = success(asked, out), Shares(groups[asked], run.rng("steered"))
    ones, random = np.ones(len(asked)), lift[:, 1:-1].mean(axis=0)
    parts = {"along the direction": lift[:, 0], "random directions": lift[:, 1:-1].mean(axis=1)}
    parts["against it"] = lift[:, -1]
    null = {"kind": "random directions of the same length", "unit": "share"}
    shown = [
        shares.evidence(
            "failures that become successes", p, ones, draws=random, where={"moved": name}, **null
        )
        for name, p in parts.items()
    ]
    run.table(
        "steering",
        table(shown),
        f"{len(asked)} failures answered again at strength {strength:g}, at {site}.",
    )
    run.figure(
        "steering",
        values_by_group(bars(shown, "moved"), value="failures that become successes"),
        "The same; tick: mean of the random directions.",
    )
    run.figure(
        "random",
        null_distribution(
            pd.DataFrame({"value": random}),
            shown[0].value,
            null="random directions",
            value="failures that become successes",
        ),
        "Each random direction, and the probe's.",
    )
    point = np.quantile(random, 0.95)
    over = shares.evidence(
        "successes above the 95 % point of random directions",
        parts["along the direction"] - point,
        ones,
        draws=random - point,
        **null,
    )
    run.claim(
        "steering",
        "Moved along the direction, failures become successes more often than at random",
        over,
        0.01,
    )
    old, new = costs(asked, [made[i] for i in asked]), costs(asked, [several[0] for several in out])
    counts = shares.counts.astype(np.float64)
    sums = [intervals.sum_by_group(c, shares.codes) for c in (old, new)]
    logs = [(counts @ s)[:, 0] / (counts @ s)[:, 1] for s in sums]
    ends = intervals.percentile(np.exp(logs[1] - logs[0]) - 1)
    value = float(np.exp(new[:, 0].sum() / new[:, 1].sum() - old[:, 0].sum() / old[:, 1].sum()) - 1)
    ran = costs(asked, [several[1] for several in out])
    chance = float(
        np.exp(ran[:, 0].sum() / ran[:, 1].sum() - old[:, 0].sum() / old[:, 1].sum()) - 1
    )
    rise = Evidence(
        "rise of the perplexity",
        value,
        (float(ends[0]), float(ends[1])),
        Null.of("a random direction", [chance]),
        n=len(asked),
        unit="share",
        direction="lower",
    )
    run.claim(
        "perplexity",
        "and the answers are no worse text",
        rise,
        0.1,
        "at most",
        why="Of the new answers against the old ones, under the model as it is.",
    )


def _joined(head: Tokens, made: Continuation) -> Tokens:
    ids = np.concatenate([head.ids, made.ids if len(made.ids) else head.ids[-1:]])
    return Tokens(
        ids, np.zeros((len(ids), 2), dtype=np.int64), np.zeros(len(ids), dtype=bool), head.text
    )


def _answer(run: Run, model: Model) -> str:
    by = run.claims
    knows = "knows in part" if by["before"].passed else "hardly knows"
    out = (
        f"{model.name} {knows} before it answers whether it will follow an instruction: within a kind of instruction, tasks "
        f"held out, AUC is {by['before'].value:.2f} (length and phrasing: "
        f"{by['before'].value - by['above-words'].value:.2f})."
    )
    if "steering" in by:
        better = "more often than" if by["steering"].passed else "no more often than"
        out += (
            f" Moved along that direction, failures become successes {better} under 95 % of random directions "
            f"({by['steering'].value:+.0%}), and perplexity changes by {by['perplexity'].value:+.0%}."
        )
    return out
