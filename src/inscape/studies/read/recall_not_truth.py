"""Do states tell truth from error, or only what is recalled from what is not?

Completions of facts are sorted in three: right ones; wrong ones that depend on the subject (cut off
from it, the prediction is another); and wrong ones that do not. What counts as depending is fixed
on subjects set aside: at least what most right answers do. On the others a probe at the last token
is asked to tell right answers from either kind of error, with as many rows of every relation,
subjects held out; and the effect of the subject is measured a second way and layer by layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from inscape.charts import by_class, score_by_layer
from inscape.core import matched_rows, some_of_each
from inscape.data import Examples, graded
from inscape.model import Continuation, Model
from inscape.outcomes import generations
from inscape.outcomes.subject_dependence import (
    KINDS,
    RECALLED,
    RIGHT,
    UNGROUNDED,
    answer_odds,
    blurred,
    cut_off,
    dependence_by_kind,
    error_kinds,
    prompt_surface,
    recalled_ratio,
    windows_by_kind,
)
from inscape.probing import by_layer, chosen_scores, detect_each, score_gap
from inscape.store.harvest import harvest
from inscape.study import Card, Claim, Needs, Run, Settings, opened, setting
from inscape.worlds import facts

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
    reproduced=(
        "Capitals, countries of cities, chemical elements and names that do not exist, completed "
        "greedily. Errors are sorted by the Jensen–Shannon divergence when the last token may "
        "not attend to the subject, with a threshold from subjects set aside. Logistic probes at "
        "the last token by layer; the subject's embeddings replaced by the mean of the "
        "relation's; knockout in windows of layers. The projection on weight subspaces is not "
        "done here."
    ),
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
            text=(
                "Replacing the subject's embeddings moves recalled errors at least twice as far "
                "as ungrounded ones"
            ),
            at_least=2.0,
            null="kinds of error shuffled",
            why=(
                "The kinds were sorted by another intervention, attention knockout at the last "
                "token."
            ),
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
    answer=(
        "{share:.0%} of the errors of {model} depend on the subject as most of its right answers "
        "do. The AUC of right answers against ungrounded errors is {gap:+.2f} above that "
        "against recalled ones ({gap.verdict}; above zero: {gap_above_zero.verdict}). Replacing "
        "the subject's embeddings moves recalled errors {subject:.1f} times as far as ungrounded "
        "ones ({subject.verdict}: at least twice)."
    ),
    differs=(
        "The authors also project states on weight subspaces and study larger models; kinds of "
        "error are sorted here by attention knockout with a threshold from subjects set aside."
    ),
    group_note="A group is a subject. Those that fix the threshold are used for nothing else.",
    negative=(
        "Replacing the subject's embeddings moves recalled errors 1.24 [1.03, 1.49] times as far "
        "as ungrounded ones (seed 0, small), not twice. Most of the difference of the AUCs needs "
        "no look inside: the answer's log-probability alone tells right answers from ungrounded "
        "errors with an AUC of 0.91 (the states 0.92) and from recalled ones with 0.76 (the states "
        "0.72), a difference of 0.15 where that of the states is 0.20."
    ),
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

KNOCKOUT, BLURRED = "attention knockout", "mean embedding"
STATES = "states"


def run(config: Config, run: Run) -> None:
    """Complete, sort, tell apart, cut off."""
    made = {"facts": lambda: facts(config.cities, config.invented, seed=run.seed)}
    needs = Needs(group="subject", spans={"subject": ("subject_start", "subject_end")})
    model, examples, _ = opened(config, run, needs, made)
    run.asked(
        f"Do the states of {model.name} tell truth from error, or only recall from its absence?"
    )
    with run.progress("complete", total=len(examples), unit="prompts") as bar:
        every = generations(
            model, examples.texts(), config.tokens, stop=config.stop, advance=bar.advance
        )
    said = [m[0] for m in every]
    right = graded([m.text for m in said], examples.frame["answers"])
    relation = examples.frame["relation"].to_numpy()
    with run.progress("cut off from the subject", total=2 * len(examples), unit="prompts") as bar:
        cut = cut_off(model, examples, advance=bar.advance)
        blur = blurred(model, examples, relation, advance=bar.advance)
    how = {"aside": config.aside, "quantile": config.quantile, "rng": run.rng("aside")}
    line, used, kinds = error_kinds(cut, right, examples.groups(), **how)
    frame = pd.DataFrame({"panel": relation[used], "class": kinds, "value": cut[used]})
    run.table(
        "kinds",
        pd.crosstab(frame["panel"], frame["class"]).reset_index(names="relation"),
        f"Completions by kind. An error is recalled where the divergence is at least {line:.3f} "
        f"nats, the {config.quantile:.0%} point of the right answers of the subjects set aside.",
    )
    run.figure(
        "dependence",
        by_class(
            frame,
            value="divergence when cut off from the subject (nats)",
            classes="completion",
        ),
        "How much each completion depends on its subject.",
    )
    rest = examples.take(used)
    _tell_apart(config, run, model, rest, kinds, [said[i] for i in used])
    _depends(run, rest, kinds, {KNOCKOUT: cut[used], BLURRED: blur[used]})
    _windows(config, run, model, rest, kinds)
    run.facts(share=float((kinds[kinds != RIGHT] == RECALLED).mean()))


def _tell_apart(
    config: Config,
    run: Run,
    model: Model,
    examples: Examples,
    kinds: np.ndarray,
    said: list[Continuation],
) -> None:
    """Right answers against either kind of error, as many of each in every relation."""
    relation, groups = examples.frame["relation"].to_numpy(), examples.groups()
    rows = matched_rows(kinds, relation, KINDS, rng=run.rng("balance"))
    store = harvest(model, examples, config.sites, at="last")
    plain = {
        "relation and lengths": {"surface": prompt_surface(model, examples)},
        "log-probability": {"log-probability": answer_odds(said)},
    }
    parts = {
        f"right against {kind.removesuffix(' error')}": np.concatenate([rows[RIGHT], rows[kind]])
        for kind in (UNGROUNDED, RECALLED)
    }
    of = {"right": kinds == RIGHT, "groups": groups, "parts": parts, "folds": config.folds}
    read = partial(detect_each, **of, seed=run.seed)
    x = {str(site): m for site, m in store.matrices()}
    with run.progress("tell apart", total=2 * len(x), unit="sites") as bar:
        whole = read(x, shuffles=config.shuffles, advance=bar.advance)
    found = {STATES: whole} | {source: read(rows) for source, rows in plain.items()}
    run.figure(
        "layers",
        score_by_layer(by_layer(whole).drop(columns="target"), score="AUC"),
        "Right answers told from either kind of error at the last token, "
        f"{len(rows[RIGHT])} rows of each kind, subjects held out.",
    )
    run.table(
        "scores",
        chosen_scores(found, by=("told apart", "read from")),
        "AUC of the layer chosen inside the training folds, and of what needs no look inside.",
    )
    scores = score_gap(whole, {name: groups[part] for name, part in parts.items()})
    each = " against ".join(f"{score:.2f}" for score in scores.each.values())
    run.claim("gap", scores.gap, why=f"AUC {each}.")
    run.claim("gap_above_zero", scores.above)
    run.claim("shuffled", scores.shuffled)


def _depends(run: Run, examples: Examples, kinds: np.ndarray, moved: dict[str, np.ndarray]) -> None:
    """The subject taken away in two manners, and whether the kinds of one differ by the other."""
    groups = examples.groups()
    rows = {
        manner: dependence_by_kind(x, kinds, groups, subject=manner) for manner, x in moved.items()
    }
    run.table(
        "subjects",
        [*rows[KNOCKOUT], *rows[BLURRED]],
        "Divergence of the prediction under attention knockout of the subject, and with the "
        "subject's embeddings replaced by their mean.",
    )
    run.show(
        "subject",
        rows[BLURRED],
        "The subject's embeddings replaced by their mean; tick: the mean over all completions.",
        by="completion",
    )
    ratio = recalled_ratio(moved[BLURRED], kinds, groups, draws=199, rng=run.rng("blurred"))
    run.claim("subject", ratio)


def _windows(config: Config, run: Run, model: Model, examples: Examples, kinds: np.ndarray) -> None:
    """Attention knockout in windows of layers, for some prompts of each kind."""
    few = some_of_each(kinds, config.profiled, rng=run.rng("windows"), order=KINDS)
    part, steps = examples.take(few), len(range(0, len(model.atlas.blocks), config.window))
    with run.progress("cut off by layers", total=steps, unit="windows") as bar:
        found = windows_by_kind(model, part, kinds[few], config.window, advance=bar.advance)
    caption = f"Attention knockout of the subject in {config.window} layers around each."
    run.layers("windows", found, caption, series="completion")
