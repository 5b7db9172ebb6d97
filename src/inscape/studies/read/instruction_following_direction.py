"""Does a model know, before it speaks, whether it will follow an instruction, and does that knowledge matter?

Instructions that a program can check, crossed with tasks and phrasings, are answered greedily. A logistic probe reads
success off the residual stream at the prompt's last token, in the middle of the answer and at its end; states are centred
and scores compared within a kind of instruction, tasks are held out, then whole kinds. The probe's direction is then added
to the stream while prompts that failed are answered again, beside random directions of the same length, with an eye on the
perplexity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from inscape.charts.histogram import null_distribution
from inscape.charts.layers import score_by_layer
from inscape.core.batch import Tokens
from inscape.core.edit import Add, Edit, Scope
from inscape.core.evidence import Beside, table
from inscape.core.folds import group_codes, group_folds
from inscape.core.jackknife import Jackknife, combine
from inscape.core.measured import Measured
from inscape.core.nulls import permutations
from inscape.data.examples import Examples
from inscape.model.chat import as_users
from inscape.model.continuations import Continuation, continuations
from inscape.model.model import Model
from inscape.outcomes.generations import generations
from inscape.outcomes.token_losses import token_losses
from inscape.probing.detectors import AT, CS, detect, only, states
from inscape.probing.frames import lines
from inscape.probing.sweep_result import SweepResult
from inscape.read.logistic import LogisticProbe
from inscape.store.harvest import harvest
from inscape.study.card import Card, Claim
from inscape.study.opening import Needs, opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.instructions import follows, instructions

CARD = Card(
    slug="instruction-following-direction",
    title="Do LLMs “know” internally when they follow instructions?",
    authors="Heo, Heinze-Deml, Elachqar, Chan, Ren, Nallasamy, Miller and Narain",
    year=2024,
    arxiv="2410.14516",
    room="read",
    claim="A direction of the states before the first word predicts whether an instruction will be "
    "followed, on held-out tasks; steering along it makes a model follow more often than along "
    "random directions, and the text stays good.",
    reproduced="Five checkable instructions, 40 tasks, three phrasings, one sentence each, answered greedily. Logistic "
    "probes within the kind of instruction by layer at three tokens, tasks or kinds held out; failures answered again with "
    "the direction added, whose site and strength are chosen on other tasks.",
    controls=(
        "labels shuffled by task, within the kind of instruction",
        "length and phrasing of the prompt",
        "random directions of the same length",
        "perplexity of the new answers under the baseline model",
    ),
    claims={
        "before": Claim(
            text="A probe reads success before the answer begins, tasks held out",
            at_least=0.65,
            null="labels shuffled within kinds",
        ),
        "above-words": Claim(
            text="It reads success better than the prompt's length and phrasing do",
            at_least=0.05,
            over="length and phrasing",
        ),
        "steering": Claim(
            text="Steered along the direction, failures become successes more often than along 95 "
            "% of random directions",
            at_least=0.01,
            null="random directions",
        ),
        "perplexity": Claim(
            text="The steered answers are no worse text",
            at_most=0.1,
            weaker="The perplexity of the answers under the model itself; in the paper a larger model grades them.",
            why="Of the new answers against the old ones, under the baseline model.",
        ),
    },
    # an answer that the toy would not have given is one that it finds unlikely: the guard sees it
    tiny={
        "before": "supported",
        "above-words": "supported",
        "steering": "supported",
        "perplexity": "not supported",
    },
    answer="{model} {before:knows in part|may know in part|hardly knows} before it answers whether it will "
    "follow an instruction: within a kind of instruction, tasks held out, AUC is {before:.2f} (length "
    "and phrasing: {words:.2f}).{moved}",
    differs="The authors centre states over all instructions together, so that a probe may learn which are easy; here "
    "states are centred and scores compared within a kind. They fit the direction on the prompts that they answer again, "
    "and add it at every token, in a layer set by hand; here it comes from other tasks, which also choose layer and "
    "strength, and is added at the prompt's last token and after it.",
    group_note="A group is a task (a topic), with all its instructions and phrasings; then a kind of instruction.",
    negative="Steering does not help SmolLM2-135M: no more failures become successes along the direction than along random "
    "ones or against it. Kinds followed less than a tenth of the time are left out of steering.",
    minutes={"tiny": 0.3, "small": 7, "full": 60},
    figure="layers",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("instructions", "prompts: columns kind, word, task, phrasing")
    count: int = setting(40, "tasks of the built-in prompts")
    tokens: int = setting(40, "tokens generated at most")
    stop: str = setting("", "characters that end an answer")
    chat: bool = setting(True, "put prompts into the model's chat template, if it has one")
    sites: str = setting("resid_post.2::3", "sites a probe may choose from")
    folds: int = setting(5, "folds of whole tasks")
    shuffles: int = setting(39, "label shuffles of the null")
    steered: int = setting(30, "failures that are answered again; half as many to choose with")
    able: float = setting(0.1, "least success of a kind, on other tasks, for it to be steered")
    draws: int = setting(39, "random directions")
    steer_at: tuple[str, ...] = setting(
        ("resid_post.11", "resid_post.17", "resid_post.23"),
        "those of the sites tried on other tasks",
    )
    guard: float = setting(1.1, "how many times perplexity may be its own in what is chosen")
    strengths: tuple[float, ...] = setting(
        (1.0, 2.0, 4.0),
        "tried on other tasks; in distances between the means of success and failure",
    )


PRESETS = {
    "tiny": Config(
        model="world:obedience",
        data="world:obedience",
        tokens=1,
        stop=".",
        sites="resid_post.*",
        folds=3,
        steer_at=("resid_post.0", "resid_post.1"),
        guard=1e9,
    ),
    "small": Config(),
    "full": Config(
        model="HuggingFaceTB/SmolLM2-1.7B-Instruct",
        sites="resid_post.*",
        shuffles=99,
        steered=200,
        draws=100,
    ),
}

TOKENS = {
    "first": "before the answer",
    "middle": "middle of the answer",
    "last": "end of the answer",
}
BEFORE = TOKENS["first"]
SHUFFLED, WORDS = "labels shuffled within kinds", "length and phrasing"
ALONG, AGAINST, RANDOM = "along the direction", "against it", "random directions"
POINT = f"95 % point of {RANDOM}"


@dataclass(frozen=True)
class Answered:
    """Prompts that the model answered.

    Attributes:
        examples: prompt and answer, with the spans of `TOKENS`.
        texts: the prompts as the model reads them.
        made: the answers.
        right: whether each follows its instruction, (n,).
    """

    examples: Examples
    texts: list[str]
    made: list[Continuation]
    right: np.ndarray

    @property
    def kinds(self) -> np.ndarray:
        """The kind of instruction of each prompt."""
        return self.examples.frame["kind"].astype(str).to_numpy()

    @property
    def groups(self) -> np.ndarray:
        """The task of each prompt, 0 … tasks − 1."""
        return group_codes(self.examples.groups())


def run(config: Config, run: Run) -> None:
    """Answer, read, hold kinds out, steer."""
    made = {"instructions": lambda: instructions(config.count)}
    needs = Needs(columns=("kind", "word", "task", "phrasing"), group="task")
    model, prompts, _ = opened(config, run, needs, made)
    run.asked(
        f"Does {model.name} know before it answers whether it will follow an instruction, and does that matter?"
    )
    texts = as_users(model, prompts.texts()) if config.chat else prompts.texts()
    with run.progress("answer", total=len(texts), unit="prompts") as bar:
        made = [
            m[0]
            for m in generations(model, texts, config.tokens, stop=config.stop, advance=bar.advance)
        ]
    right = _followed(prompts.frame, made)
    _accuracy(run, prompts, right)
    keep = np.array([bool(m.text.strip()) for m in made])
    texts, made = ([x for x, k in zip(row, keep, strict=True) if k] for row in (texts, made))
    answered = Answered(_spans(prompts.take(keep), texts, made), texts, made, right[keep])
    store = harvest(model, answered.examples, config.sites, at="spans:" + ",".join(TOKENS))
    every = dict(states(store, model, answered.examples, list(TOKENS)))
    _read(config, run, model, answered, every)
    _steer(config, run, model, answered, every)


def _followed(frame: pd.DataFrame, made: Sequence[Continuation]) -> np.ndarray:
    rows = zip(frame["kind"], frame["word"], made, strict=True)
    return np.array([follows(str(k), str(w), m.text) for k, w, m in rows])


def _accuracy(run: Run, prompts: Examples, right: np.ndarray) -> None:
    frame, rows = prompts.frame.reset_index(drop=True), []
    for kind, phrasing in frame[["kind", "phrasing"]].drop_duplicates().itertuples(index=False):
        every = (frame["kind"] == kind).to_numpy()
        inside = every & (frame["phrasing"] == phrasing).to_numpy()
        m = Measured("success", groups=prompts.groups()[inside], unit="share")
        m.put("followed", right[inside])
        mean = Beside("reference", "all phrasings", float(right[every].mean()))
        where = {"kind": str(kind), "phrasing": str(phrasing)}
        rows.append(m.value("followed", where=where, beside=(mean,)))
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
    config: Config, run: Run, model: Model, answered: Answered, every: dict[str, np.ndarray]
) -> None:
    """AUC within a kind of instruction, tasks held out; the same with kinds held out."""
    right, groups = answered.right, answered.groups
    types = group_codes(answered.kinds)
    options = {"folds": config.folds, "seed": run.seed, "name": "success"}
    centred = {name: within(x, answered.kinds) for name, x in every.items()}
    with run.progress("detect success", total=len(centred), unit="sites") as bar:
        found = detect(centred, right, groups, progress=lambda *_: bar.advance(), **options)
    words = within(_words(model, answered.examples), answered.kinds)
    areas = {name: only(found, token) for token, name in TOKENS.items()}
    areas[WORDS] = detect({WORDS: words}, right, groups, **options)
    m = Measured("AUC within kinds", groups=groups, unit="AUC")
    for name, result in areas.items():
        role = "baseline" if name == WORDS else "treatment"
        m.put_statistic(name, area(result, right, types), role=role)
        for s, site in enumerate(result.sites):
            one = area(result, right, types, result.predictions[s, :, 0])
            m.put_statistic(f"{name}, {site}", one, role="baseline")
    before, chance = {n: x for n, x in centred.items() if n.endswith(f"{AT}first")}, []
    with run.progress("shuffle labels", total=config.shuffles, unit="shuffles") as bar:
        for mixed in shuffled(right, types, groups, config.shuffles, run.rng("shuffles")):
            chance.append(area(detect(before, mixed, groups, **options), mixed, types))
            bar.advance()
    m.put_statistic(SHUFFLED, *chance, role="null")
    _layers(run, m, {n: r.sites for n, r in areas.items() if n != WORDS})
    rows = [
        m.value(name, null=SHUFFLED if name == BEFORE else "", where={"read at": name})
        for name in areas
    ]
    if types.max() > 0:
        options["folds"] = int(types.max()) + 1
        apart = detect(before, right, types, **options).selected[0]
        rows.append(replace(apart, where={"read at": f"{BEFORE}, whole kinds held out"}))
    run.table("scores", table(rows), "AUC of the layer chosen inside the training folds.")
    run.claim("before", rows[0])
    run.facts(words=m.value(WORDS).value, moved="")
    run.claim("above-words", m.gain(BEFORE, over=WORDS))


def _words(model: Model, answered: Examples) -> np.ndarray:
    """What needs no look inside: the prompt's length in tokens, its square, and the phrasing."""
    ends = zip(answered.texts(), answered.frame["first_end"], strict=True)
    heads = model.tokenize([text[: int(end)] for text, end in ends])
    lengths = np.array([[len(t), len(t) ** 2] for t in heads])
    return np.hstack([lengths, pd.get_dummies(answered.frame["phrasing"]).to_numpy(dtype=float)])


def area(
    result: SweepResult, right: np.ndarray, types: np.ndarray, scores: np.ndarray | None = None
) -> Jackknife:
    """AUC over pairs of rows of one fold and one kind of instruction, jackknifed over tasks.

    Args:
        result: of the detector.
        right: labels, (n,).
        types: kind of instruction of each row, 0 … kinds − 1.
        scores: decision values (n,); those of the layer chosen inside the training folds by default.
    """
    scores = result.selected_predictions[:, 0] if scores is None else scores
    cells = result.folds * (int(types.max()) + 1) + types
    return Jackknife.auc(scores, right == 1, result.groups, cells)


def shuffled(
    right: np.ndarray, types: np.ndarray, groups: np.ndarray, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Labels shuffled by task within each kind of instruction, (draws, n)."""
    out = np.tile(right, (draws, 1))
    for t in np.unique(types):
        rows = np.flatnonzero(types == t)
        some, of = right[rows], groups[rows]
        out[:, rows] = some[permutations(len(rows), draws, rng=rng, groups=of, labels=some)]
    return out


def _layers(run: Run, m: Measured, sites: dict[str, tuple[str, ...]]) -> None:
    by_site = [
        m.value(f"{name}, {site}", where={"read at": name, "site": site})
        for name, own in sites.items()
        for site in own
    ]
    frame, rules = lines(by_site, "read at"), []
    null, words = m.value(BEFORE, null=SHUFFLED).null, m.value(WORDS)
    assert null is not None
    for name, value, (low, high) in (
        (WORDS, words.value, words.ends),
        (SHUFFLED, null.mean, (null.low, null.high)),
    ):
        rules.append({"series": name, "layer": None, "value": value, "low": low, "high": high})
    run.figure(
        "layers",
        score_by_layer(
            pd.concat([frame.astype({"layer": object}), pd.DataFrame(rules)]),
            score="AUC within kinds",
            nulls=(SHUFFLED,),
        ),
        "How well success is told from failure within a kind of instruction, tasks held out.",
    )


@dataclass(frozen=True)
class Again:
    """Prompts answered again while a direction is added.

    Attributes:
        config, run, model: of the study.
        answered: the prompts, with what was said before.
    """

    config: Config
    run: Run
    model: Model
    answered: Answered

    def ask(
        self, which: np.ndarray, directions: np.ndarray, site: str
    ) -> tuple[np.ndarray, list[list[Continuation]]]:
        """Each prompt answered under each direction.

        Args:
            which: numbers of the prompts, (n,).
            directions: (directions, d), added at the prompt's last token and at all that is generated.
            site: where.

        Returns:
            Whether each answer follows its instruction, (n, directions), and the answers.
        """

        def edits(numbers: np.ndarray) -> list[Edit]:
            v = torch.from_numpy(np.tile(directions, (len(numbers), 1)).astype(np.float32))[:, None]
            return [Add(Scope(site, "last", "prompt"), v), Add(Scope(site, phase="generated"), v)]

        with self.run.progress("answer again", total=len(which), unit="prompts") as bar:
            out = continuations(
                self.model,
                [self.answered.texts[i] for i in which],
                self.config.tokens,
                samples=len(directions),
                stop=self.config.stop,
                edits=edits,
                advance=bar.advance,
            )
        frame = self.answered.examples.frame.iloc[which]
        right = [_followed(frame, [o[k] for o in out]) for k in range(len(directions))]
        return np.stack(right, axis=1).astype(np.float64), out

    def losses(
        self, which: np.ndarray, out: Sequence[Continuation]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Nats and tokens of answers under the model as it is, (n,) each."""
        heads = self.model.tokenize([self.answered.texts[i] for i in which])
        whole = [_joined(h, m) for h, m in zip(heads, out, strict=True)]
        found = token_losses(self.model, whole, after=[len(h) for h in heads])
        return found.nats, found.tokens.astype(np.float64)

    def before(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of what was said without a direction."""
        return self.losses(which, [self.answered.made[i] for i in which])


def _steer(
    config: Config, run: Run, model: Model, answered: Answered, every: dict[str, np.ndarray]
) -> None:
    """The direction of half of the tasks, added while failures of the other half are answered again."""
    kinds, y = answered.kinds, answered.right
    (train, test), _ = group_folds(answered.groups, 2, rng=run.rng("halves"))
    # an instruction that is never followed cannot be what the direction is about, and no push will teach it
    able = np.isin(
        kinds, [k for k in np.unique(kinds) if y[train][kinds[train] == k].mean() >= config.able]
    )
    rng = run.rng("random directions")
    d = next(iter(every.values())).shape[1]
    noise = rng.normal(size=(config.draws, d))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    known, asked = (rng.permutation(part[~y[part] & able[part]]) for part in (train, test))
    known, asked = known[: config.steered // 2], asked[: config.steered]
    if not len(known) or not len(asked):
        run.warn("There are too few failures to steer.")
        return
    along = {
        site: _direction(every[f"{site}{AT}first"], answered, train) for site in config.steer_at
    }
    again = Again(config, run, model, answered)
    site, strength = _choose(again, known, along)
    step = strength * along[site]
    moves = np.concatenate([step[None], -step[None], np.linalg.norm(step) * noise])
    right, out = again.ask(asked, moves, site)
    m = Measured(
        "failures that become successes", groups=answered.groups[asked], unit="share of failures"
    )
    for name, found in ((ALONG, right[:, 0]), (AGAINST, right[:, 1])):
        m.put(name, found)
    m.put(RANDOM, right[:, 2:].T, role="null")
    caption = f"{len(asked)} failures answered again at strength {strength:g}, at {site}."
    _judge(run, m, caption)
    _perplexity(again, asked, out)
    run.facts(
        moved=" Moved along that direction, failures become successes {steering:more often than|no "
        "more often than} under 95 % of random directions ({steering:+.0%}), and perplexity changes "
        "by {perplexity:+.0%}.".format_map(run.claims)
    )


def _direction(x: np.ndarray, answered: Answered, train: np.ndarray) -> np.ndarray:
    """A probe's direction, as long as the means of success and failure lie apart along it."""
    rows, y = within(x, answered.kinds)[train], answered.right[train].astype(np.int64)
    d = LogisticProbe(CS, tol=1e-4).fit(rows, y, groups=answered.groups[train]).direction_
    apart = rows[y == 1].mean(axis=0) - rows[y == 0].mean(axis=0)
    return float(abs(apart @ d)) * d


def _choose(again: Again, known: np.ndarray, along: dict[str, np.ndarray]) -> tuple[str, float]:
    """Site and strength under which most failures of the direction's own tasks become successes, at bearable perplexity."""
    config, grid = again.config, []
    m = Measured("nats per token", kind="ratio")
    m.put("before", *again.before(known))
    for site, d in along.items():
        right, out = again.ask(known, np.array(config.strengths)[:, None] * d, site)
        for k, strength in enumerate(config.strengths):
            name = f"{site}, {strength:g}"
            m.put(name, *again.losses(known, [several[k] for several in out]))
            times = float(np.exp(m.gain(name, over="before").value))
            cell = {"site": site, "strength": strength, "success": right[:, k].mean()}
            grid.append({**cell, "perplexity, times": times})
    again.run.table(
        "strengths",
        pd.DataFrame(grid),
        "Tried on failures of the tasks that the direction was found on.",
    )
    bearable = [g for g in grid if g["perplexity, times"] < config.guard]
    best = max(bearable or grid, key=lambda g: g["success"])
    return str(best["site"]), float(best["strength"])


def _judge(run: Run, m: Measured, caption: str) -> None:
    """Failures that become successes along the direction, against random directions."""
    shown = [m.value(n, null=RANDOM, where={"moved": n}) for n in (ALONG, RANDOM, AGAINST)]
    run.show("steering", shown, f"{caption} Tick: mean of the random directions.", by="moved")
    random = m.conditions[RANDOM].draws
    run.figure(
        "random",
        null_distribution(
            pd.DataFrame({"value": [d.value for d in random]}),
            shown[0].value,
            null=RANDOM,
            value=m.name,
        ),
        "Each random direction, and the probe's.",
    )
    point = combine(lambda *d: np.quantile(d, 0.95, axis=0), *random)
    m.put_statistic(POINT, point, role="reference")
    run.claim("steering", m.gain(ALONG, over=POINT, null=RANDOM))


def _perplexity(again: Again, asked: np.ndarray, out: list[list[Continuation]]) -> None:
    """By how much the perplexity of the answers rises, along the direction and along one random direction."""
    groups = again.answered.groups[asked]
    m = Measured("nats per token", groups=groups, kind="ratio", direction="lower")
    m.put("before", *again.before(asked), role="reference")
    for k, name in ((0, ALONG), (2, RANDOM)):
        m.put(name, *again.losses(asked, [several[k] for several in out]))

    def rise(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        return np.exp(new - old) - 1

    name = "rise of the perplexity"
    chance = m.combined(name, rise, RANDOM, "before")
    beside = Beside("baseline", "a random direction", float(chance.value))
    again.run.claim(
        "perplexity", m.combined(name, rise, ALONG, "before", unit="share", beside=(beside,))
    )


def _joined(head: Tokens, made: Continuation) -> Tokens:
    ids = np.concatenate([head.ids, made.ids if len(made.ids) else head.ids[-1:]])
    return Tokens(
        ids, np.zeros((len(ids), 2), dtype=np.int64), np.zeros(len(ids), dtype=bool), head.text
    )
