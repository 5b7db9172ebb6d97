"""Do states tell truth from error, or only what is recalled from what is not?

Completions of facts are sorted in three: right ones; wrong ones that depend on the subject (cut off from it, the prediction
is another); and wrong ones that do not. What counts as depending is fixed on subjects set aside: at least what most right
answers do. On the others a probe at the last token is asked to tell right answers from either kind of error, with as many
rows of every relation, subjects held out; and the effect of the subject is measured a second way and layer by layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from inscape.charts.distributions import by_class
from inscape.charts.layers import score_by_layer
from inscape.control.attention_knockout import attention_knockout
from inscape.core.edit import Edit, Replace, Scope
from inscape.core.evidence import Beside, table
from inscape.core.folds import group_codes
from inscape.core.jackknife import Jackknife, over_groups
from inscape.core.measured import Measured
from inscape.core.nulls import permutations
from inscape.data.answers import locate
from inscape.data.examples import Examples
from inscape.data.positions import span_mask
from inscape.model.batching import batches_by_length
from inscape.model.continuations import Continuation
from inscape.model.model import Model
from inscape.outcomes.generations import generations
from inscape.probing.detectors import detect
from inscape.probing.frames import by_layer, lines
from inscape.probing.sweep_result import SweepResult
from inscape.read.jensen_shannon import jensen_shannon
from inscape.store.harvest import harvest
from inscape.study.card import Card, Claim
from inscape.study.opening import Needs, opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.facts import facts

CARD = Card(
    slug="recall-not-truth",
    title="Large Language Models Do NOT Really Know What They Don't Know",
    authors="Cheang, Chan, Zhang and Deng",
    year=2025,
    arxiv="2510.09033",
    room="read",
    claim="Errors that recall knowledge of the subject have hidden states like those of right "
    "answers; only errors that are not grounded in the subject can be detected. Hidden states "
    "show recall, not truth.",
    reproduced="Capitals, countries of cities, chemical elements and names that do not exist, completed greedily. Errors "
    "are sorted by the Jensen–Shannon divergence when the last token may not attend to the subject, with a threshold from "
    "subjects set aside. Logistic probes at the last token by layer; the subject's embeddings replaced by the mean of the "
    "relation's; knockout in windows of layers. The projection on weight subspaces is not done here.",
    controls=(
        "labels shuffled by group",
        "as many rows of every relation, the same number in both comparisons",
        "the relation and the lengths of prompt and subject alone",
        "the probability of the answer alone",
    ),
    claims=dict(
        gap=Claim(
            text="Probes separate right answers from ungrounded errors better than from recalled "
            "ones, by 0.10 of AUC",
            at_least=0.1,
            null="both on shuffled labels",
        ),
        gap_above_zero=Claim(
            text="The difference of the two AUCs is above zero",
            at_least=0.0,
            over="recalled errors",
        ),
        subject=Claim(
            text="Replacing the subject's embeddings moves recalled errors at least twice as far as ungrounded ones",
            at_least=2.0,
            null="kinds of error shuffled",
            why="The kinds were sorted by another intervention, attention knockout at the last token.",
        ),
        shuffled=Claim(
            text="With labels shuffled by group the AUC is one half",
            at_least=0.45,
            at_most=0.55,
            sanity=True,
        ),
    ),
    # seed 0 lies close to the criterion of the gap
    tiny=dict(gap="any", gap_above_zero="supported", subject="any", shuffled="any"),
    answer="{share:.0%} of the errors of {model} depend on the subject as most of its right answers do. "
    "The AUC of right answers against ungrounded errors is {gap:+.2f} above that against recalled ones "
    "({gap.verdict}; above zero: {gap_above_zero.verdict}). Replacing the subject's embeddings moves "
    "recalled errors {subject:.1f} times as far as ungrounded ones ({subject.verdict}: at least twice).",
    differs="The authors also project states on weight subspaces and study larger models; kinds of error are sorted here by "
    "attention knockout with a threshold from subjects set aside.",
    group_note="A group is a subject. Those that fix the threshold are used for nothing else.",
    negative="Replacing the subject's embeddings did not set recalled errors apart (seed 0, small: 1.06 times the shift "
    "of ungrounded ones, then with the mean over all relations; it is the relation's own since). The log-probability tells "
    "ungrounded errors from right answers as well as the states do (AUC 0.92 each).",
    minutes={"tiny": 0.3, "small": 5, "full": 40},
    figure="layers",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting(
        "facts", "prompts: columns answers, relation, subject, spans of the subject"
    )
    cities: int = setting(450, "cities among the built-in facts")
    invented: int = setting(100, "invented names of each of three relations")
    tokens: int = setting(6, "tokens generated at most")
    stop: str = setting(".,\n", "characters that end an answer")
    aside: float = setting(0.2, "share of the subjects that fix the threshold")
    quantile: float = setting(0.2, "of the right answers' dependence: where recall begins")
    sites: str = setting("resid_post.*", "sites a probe may choose from")
    folds: int = 5
    shuffles: int = setting(39, "label shuffles of the null")
    profiled: int = setting(40, "prompts of each kind cut off in windows of layers")
    window: int = setting(5, "layers of a window")


PRESETS = {
    "tiny": Config(
        model="world:recall",
        data="world:recall",
        tokens=1,
        stop=".",
        aside=0.25,
        folds=3,
        shuffles=39,
        profiled=20,
        window=1,
    ),
    "small": Config(sites="resid_post.2::3"),
    "full": Config(
        model="meta-llama/Llama-3.1-8B", cities=1500, invented=500, shuffles=50, profiled=200
    ),
}

RIGHT, RECALLED, UNGROUNDED = "right", "recalled error", "ungrounded error"


def run(config: Config, run: Run) -> None:
    """Complete, sort, tell apart, cut off."""
    made = {"facts": lambda: facts(config.cities, config.invented, seed=run.seed)}
    needs = Needs(group="subject", spans={"subject": ("subject_start", "subject_end")})
    model, examples, _ = opened(config, run, needs, made)
    run.asked(
        f"Do the states of {model.name} tell truth from error, or only recall from its absence?"
    )
    with run.progress("complete", total=len(examples), unit="prompts") as bar:
        made = generations(
            model, examples.texts(), config.tokens, stop=config.stop, advance=bar.advance
        )
    right = _graded(examples, [m[0] for m in made])
    with run.progress("cut off from the subject", total=2 * len(examples), unit="prompts") as bar:
        cut = shifts(model, examples, "cut off", range(len(model.atlas.blocks)), bar.advance)
        blurred = shifts(model, examples, "blurred", (), bar.advance)
    kinds, used = _sorted(config, run, examples, right, cut)
    _tell_apart(config, run, model, examples.take(used), kinds[used], [made[i][0] for i in used])
    _depends(config, run, model, examples.take(used), kinds[used], cut[used], blurred[used])
    wrong = kinds[used][kinds[used] != RIGHT]
    run.facts(share=float((wrong == RECALLED).mean()))


def _graded(examples: Examples, made: list[Continuation]) -> np.ndarray:
    pairs = zip(examples.frame["answers"], made, strict=True)
    return np.array([locate(m.text, str(a).split("|")).right for a, m in pairs], dtype=bool)


def shifts(
    model: Model, examples: Examples, how: str, layers: Sequence[int], advance: object = None
) -> np.ndarray:
    """How far the prediction at the last token moves when it loses the subject, in nats, (n,).

    Args:
        model: predicts.
        examples: prompts with the span ``subject``.
        how: ``"cut off"``: the last token may not attend to the subject in those layers; ``"blurred"``: the subject's
            embeddings are replaced by their mean over all subjects of its relation.
        layers: for cutting off.
        advance: told how many prompts are done.
    """
    tokens = model.tokenize(examples.texts())
    subject = [span_mask(t, examples.span(i)["subject"]) for i, t in enumerate(tokens)]
    lengths, out = np.array([len(t) for t in tokens]), np.empty(len(tokens))
    means = _mean_subject(model, examples, subject) if how == "blurred" else None
    for rows in batches_by_length(lengths, 1024):
        batch = model.collate([tokens[i] for i in rows], {"subject": [subject[i] for i in rows]})
        last = torch.from_numpy(lengths[rows] - 1)[:, None]
        before = model.run(batch, logits=True, at=last).logits
        if how == "cut off":
            queries = torch.arange(int(lengths[rows].max()))[None] == last
            with attention_knockout(model, layers, queries, batch.marks["subject"] & ~queries):
                after = model.run(batch, logits=True, at=last).logits
        else:
            assert means is not None
            edit: Edit = Replace(Scope("embed", "mark:subject"), means[rows][:, None])
            after = model.run(batch, logits=True, at=last, edits=[edit]).logits
        assert before is not None
        assert after is not None
        out[rows] = jensen_shannon(
            before[:, 0].float().cpu().numpy(), after[:, 0].float().cpu().numpy()
        )
        if callable(advance):
            advance(len(rows))
    return out


def _mean_subject(model: Model, examples: Examples, subject: list[np.ndarray]) -> torch.Tensor:
    """Mean embedding of the subjects' tokens of each example's relation, (n, d)."""
    tokens, relation = (
        model.tokenize(examples.texts()),
        group_codes(examples.frame["relation"].to_numpy()),
    )
    sums: torch.Tensor | None = None
    for rows in batches_by_length([len(t) for t in tokens], 4096):
        batch = model.collate([tokens[i] for i in rows], {"subject": [subject[i] for i in rows]})
        x = model.run(batch, "embed")["embed"] * batch.marks["subject"][..., None]
        sums = torch.zeros(len(tokens), x.shape[-1]) if sums is None else sums
        sums[torch.from_numpy(rows)] = x.sum(dim=1).float().cpu()
    assert sums is not None
    count = torch.tensor([int(s.sum()) for s in subject])
    same = torch.from_numpy(relation[:, None] == relation[None]).float()
    return (same @ sums) / (same @ count.float())[:, None]


def _sorted(
    config: Config, run: Run, examples: Examples, right: np.ndarray, cut: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The kind of each completion, and the rows that did not fix the threshold."""
    codes = group_codes(examples.groups())
    aside = (run.rng("aside").random(int(codes.max()) + 1) < config.aside)[codes]
    line = float(np.quantile(cut[aside & right], config.quantile))
    kinds = np.where(right, RIGHT, np.where(cut >= line, RECALLED, UNGROUNDED))
    used = np.flatnonzero(~aside)
    counts = pd.crosstab(examples.frame["relation"].to_numpy()[used], kinds[used]).reset_index(
        names="relation"
    )
    run.table(
        "kinds",
        counts,
        f"Completions by kind. An error is recalled where the divergence is at least {line:.3f} "
        f"nats, the {config.quantile:.0%} point of the right answers of the subjects set aside.",
    )
    frame = pd.DataFrame(
        {"panel": examples.frame["relation"].to_numpy(), "class": kinds, "value": cut}
    ).iloc[used]
    run.figure(
        "dependence",
        by_class(
            frame, value="divergence when cut off from the subject (nats)", classes="completion"
        ),
        "How much each completion depends on its subject.",
    )
    return kinds, used


def _tell_apart(
    config: Config,
    run: Run,
    model: Model,
    examples: Examples,
    kinds: np.ndarray,
    made: list[Continuation],
) -> None:
    """Right answers against either kind of error, as many of each in every relation."""
    relation, rng = examples.frame["relation"].to_numpy(), run.rng("balance")
    rows: dict[str, list[int]] = {RIGHT: [], RECALLED: [], UNGROUNDED: []}
    for r in pd.unique(relation):
        members = {k: rng.permutation(np.flatnonzero((relation == r) & (kinds == k))) for k in rows}
        least = min(len(m) for m in members.values())
        for k, m in members.items():
            rows[k] += m[:least].tolist()
    store = harvest(model, examples, config.sites, at="last")
    x, groups = {str(s): m for s, m in store.matrices()}, examples.groups()
    tokens = model.tokenize(examples.texts())
    words = np.array(
        [[len(t), len(str(s))] for t, s in zip(tokens, examples.frame["subject"], strict=True)]
    )
    surface = np.hstack([words, pd.get_dummies(relation).to_numpy()]).astype(np.float64)
    logprob = np.array(
        [[m.logprobs.mean(), m.logprobs[0]] if len(m.ids) else [-20.0, -20.0] for m in made]
    )
    found, frames, shown = {}, [], []
    for k, name in ((UNGROUNDED, "right against ungrounded"), (RECALLED, "right against recalled")):
        part = np.array(rows[RIGHT] + rows[k])
        y, g = (kinds[part] == RIGHT).astype(int), groups[part]
        options = {"folds": config.folds, "seed": run.seed, "name": name}
        with run.progress(name, total=len(x), unit="sites") as bar:
            whole = detect(
                {s: m[part] for s, m in x.items()},
                y,
                g,
                shuffles=config.shuffles,
                progress=lambda *_: bar.advance(),
                **options,
            )
        found[k] = whole
        frames.append(by_layer({name: whole}).assign(target="last token"))
        shown.append(replace(whole.selected[0], where={"told apart": name, "read from": "states"}))
        for other, values in (("relation and lengths", surface), ("log-probability", logprob)):
            e = detect({other: values[part]}, y, g, **options).selected[0]
            shown.append(replace(e, where={"told apart": name, "read from": other}))
    frame = pd.concat(frames, ignore_index=True)
    null = frame["series"] == "shuffled labels"
    keep = pd.concat([frame[~null], frame[null].iloc[: len(x)]]).drop(columns="target")
    run.figure(
        "layers",
        score_by_layer(keep, score="AUC"),
        f"Right answers told from either kind of error at the last token, {len(rows[RIGHT])} rows of each kind, "
        "subjects held out.",
    )
    run.table(
        "scores",
        table(shown),
        "AUC of the layer chosen inside the training folds, and of what needs no look inside.",
    )
    parts = {k: np.array(rows[RIGHT] + rows[k]) for k in found}
    _gap(run, found, parts, groups)


def _gap(
    run: Run, found: Mapping[str, SweepResult], rows: Mapping[str, np.ndarray], groups: np.ndarray
) -> None:
    """The two areas compared on the same subjects."""
    codes, m = group_codes(groups), Measured("AUC", unit="AUC")
    for kind, result in found.items():
        part = codes[rows[kind]]
        area = Jackknife.auc(
            result.selected_predictions[:, 0],
            result.y[:, 0] == 1,
            group_codes(part),
            result.folds,
        )
        m.put_statistic(kind, over_groups(area, pd.unique(part), int(codes.max()) + 1))
    chance = [r.selected_scores[1:, 0] for r in found.values()]
    m.put_draws("both on shuffled labels", chance[0] - chance[1])
    gap = m.gain(UNGROUNDED, over=RECALLED, null="both on shuffled labels")
    each = " against ".join(f"{m.value(kind).value:.2f}" for kind in found)
    run.claim("gap", gap, why=f"AUC {each}.")
    run.claim("gap_above_zero", m.gain(UNGROUNDED, over=RECALLED))
    shuffled = Measured("mean AUC with labels shuffled", unit="AUC")
    shuffled.put("shuffled", np.mean(chance, axis=0))
    run.claim("shuffled", shuffled.value("shuffled"))


def _depends(
    config: Config,
    run: Run,
    model: Model,
    examples: Examples,
    kinds: np.ndarray,
    cut: np.ndarray,
    blurred: np.ndarray,
) -> None:
    """The subject taken away in a second manner, and in windows of layers."""
    groups, rows = group_codes(examples.groups()), []
    for name, values in (("attention knockout", cut), ("mean embedding", blurred)):
        for kind in (RIGHT, RECALLED, UNGROUNDED):
            inside = np.flatnonzero(kinds == kind)
            if len(inside):
                m = Measured("divergence", groups=groups[inside], unit="nats")
                m.put(kind, values[inside])
                every = Beside("reference", "all completions", float(values.mean()))
                where = {"subject": name, "completion": kind}
                rows.append(m.value(kind, where=where, beside=(every,)))
    run.table(
        "subjects",
        table(rows),
        "Divergence of the prediction under attention knockout of the subject, and with the subject's embeddings "
        "replaced by their mean.",
    )
    run.show(
        "subject",
        [e for e in rows if e.where["subject"] == "mean embedding"],
        "The subject's embeddings replaced by their mean; tick: the mean over all completions.",
        by="completion",
    )
    wrong = np.flatnonzero(kinds != RIGHT)
    grounded, moved = kinds[wrong] == RECALLED, blurred[wrong]
    orders = permutations(
        len(wrong), 199, rng=run.rng("blurred"), groups=groups[wrong], labels=grounded
    )
    shuffled = grounded[orders]
    m = Measured("divergence of recalled / ungrounded errors", groups=groups[wrong], kind="ratio")
    share = grounded.mean()
    m.put("errors", moved * grounded / share, moved * ~grounded / (1 - share))
    of = shuffled.mean(axis=1, keepdims=True)
    m.put(
        "kinds of error shuffled",
        moved * shuffled / of,
        moved * ~shuffled / (1 - of),
        role="null",
    )
    run.claim("subject", m.value("errors", null="kinds of error shuffled", unit="times"))
    _windows(config, run, model, examples, kinds, groups)


def _windows(
    config: Config,
    run: Run,
    model: Model,
    examples: Examples,
    kinds: np.ndarray,
    groups: np.ndarray,
) -> None:
    layers, rng = len(model.atlas.blocks), run.rng("windows")
    chosen = {
        k: rng.permutation(np.flatnonzero(kinds == k))[: config.profiled]
        for k in (RIGHT, RECALLED, UNGROUNDED)
    }
    every = np.concatenate(list(chosen.values()))
    few, found = examples.take(np.sort(every)), []
    place = {int(row): i for i, row in enumerate(np.sort(every))}
    with run.progress(
        "cut off by layers", total=-(-layers // config.window), unit="windows"
    ) as bar:
        for first in range(0, layers, config.window):
            inside = range(first, min(first + config.window, layers))
            moved = shifts(model, few, "cut off", inside)
            for kind, rows in chosen.items():
                if len(rows):
                    m = Measured("divergence", groups=groups[rows], unit="nats")
                    m.put(kind, moved[[place[int(r)] for r in rows]])
                    where = {"completion": kind, "layer": inside[len(inside) // 2]}
                    found.append(m.value(kind, where=where))
            bar.advance()
    run.figure(
        "windows",
        score_by_layer(lines(found, "completion"), score="divergence (nats)", nulls=()),
        f"Attention knockout of the subject in {config.window} layers around each.",
    )
