"""Audit of a steering vector: does it move what it is about, how far, and what else moves with it?

Texts of two classes are run with the vector at several strengths; the outcome is how much rather
the model goes on with one set of words than with another, or a probe's score of what it says.
Beside every number stand random vectors, as long on every block and as alike from block to block,
and vectors found from labels that say nothing. Then, at one strength named beforehand: divergence
and perplexity on neutral text, other concepts of the same texts, and the concept itself, read anew.

Without a vector the study makes one from half of the groups and audits it on the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inscape.charts import curves
from inscape.control import SteeringVector
from inscape.core import StudyError, balanced_rows, child_seed, group_folds
from inscape.data import Examples, load
from inscape.data.sets.templated_sentiment import BLAME, PRAISE
from inscape.model import Model
from inscape.outcomes import contrast
from inscape.outcomes.dose_response import (
    Outcome,
    Response,
    drawn,
    leaning,
    read_as_class,
    shown,
)
from inscape.study import Card, Claim, Needs, Run, Settings, opened, setting
from inscape.workbench import steering
from inscape.workbench.vector_audit import RANDOM, VectorAudit
from inscape.worlds.sentiment import VERDICTS

CARD = Card(
    slug="audit",
    title="Audit of a steering vector",
    authors="Inscape",
    year=2026,
    arxiv="",
    room="control",
    claim="Not from a paper: what a steering vector should show before use. It moves its outcome "
    "more than random vectors of the same norm, perplexity on neutral text barely rises, and "
    "other concepts do not change.",
    reproduced="Dose–response on texts of both classes; KL divergence, perplexity and next-token "
    "accuracy on neutral text; probes of other labels of the same texts, fitted without the "
    "vector; new linear and MLP probes of the concept itself.",
    controls=(
        "random vectors with the same norms and the same cosines between blocks",
        "vectors of the same norms found with the labels of half of the groups swapped",
        "probes of shuffled labels",
    ),
    claims={
        "above-random-vectors": Claim(
            text="At the preset strength the outcome moves more than under random vectors",
            at_least=0.0,
            null="random vectors",
        ),
        "above-labels-half-swapped": Claim(
            text="It moves more than under vectors from half-permuted labels",
            at_least=0.0,
            null="labels half swapped",
        ),
        "language": Claim(
            text="On neutral text perplexity is at most 1.5 times the baseline model's", at_most=1.5
        ),
        "elsewhere": Claim(
            text="Probes of other labels lose at most 0.1 of balanced accuracy, in the worst case",
            at_most=0.1,
        ),
    },
    # in so small a network a vector from labels half swapped can lie near the real one, and what it
    # moves differs by seed
    tiny={
        "above-random-vectors": "supported",
        "above-labels-half-swapped": "any",
        "language": "supported",
        "elsewhere": "any",
    },
    answer=(
        "At strength {strength} {name} moves {model} by {above-random-vectors:z.2f} {unit} "
        "towards {towards}, {above-random-vectors:more than|perhaps more than|no more than} "
        "{count} random vectors of the same norm do. Perplexity on neutral text is "
        "{language:z.2f} times the baseline model's ({language.verdict}: at most 1.5){others}."
    ),
    group_note="Whole groups are drawn for every interval and held out from every probe. A vector "
    "made by the study is found on half of the groups; a given one was found on the data that its "
    "card names.",
    minutes={"tiny": 0.3, "small": 4, "full": 20},
    figure="dose",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    vector: str = setting("", "a .gguf or .safetensors vector; made on half of the data if none")
    data: str = setting("templated-sentiment", "labelled texts, with a column group")
    input: str = ""
    group: str = ""
    label: str = setting("", "column of the two classes; the first of two classes if none")
    at: str = setting("last", "position at which a vector is found, here and for swapped labels")
    prompt: str = setting("{}", "a template with one {} that each text is set into")
    say: tuple[str, ...] = setting(
        PRAISE,
        "words of the class the vector points to; none for a probe's score of what is said",
    )
    shun: tuple[str, ...] = setting(
        BLAME,
        "words of the other class",
    )
    also: tuple[str, ...] = setting(("subject",), "other columns that must stay as they are")
    limit: int = setting(480, "labelled texts used at all, drawn evenly over classes; 0 for all")
    strengths: tuple[float, ...] = setting((-8.0, -4.0, 4.0, 8.0), "doses tried")
    judged: float = setting(4.0, "the dose that claims are judged at")
    texts: int = setting(48, "texts whose outcome is measured, evenly over classes")
    probed: int = setting(240, "texts that probes read")
    random: int = setting(39, "random vectors at the judged dose", least=2)
    relabelled: int = setting(39, "vectors from swapped labels at the judged dose", least=2)
    beside: int = setting(5, "of each kind at the other doses", least=2)
    neutral: str = setting("library-text", "texts about something else")
    passages: int = setting(24, "how many of them")
    tokens: int = setting(24, "tokens said, where what is said is scored")


PRESETS = {
    "tiny": Config(
        model="world:sentiment",
        data="world:sentiment",
        neutral="world:sentiment",
        say=VERDICTS[0],
        shun=VERDICTS[1],
        strengths=(-2.0, 1.0, 2.0),
        judged=2.0,
        beside=3,
        texts=48,
        passages=12,
    ),
    "small": Config(),
    "full": Config(texts=400, probed=1000, random=199, relabelled=199, passages=200),
}

TOY = "The toy network was taught verdicts alone, so it has no language to lose; a real model has."


def run(config: Config, run: Run) -> None:
    """Dose–response, side effects, other concepts, the concept itself."""
    model, examples, world = opened(config, run, Needs(grouped=True))
    neutral = load(config.neutral, limit=config.passages) if world is None else examples
    label, y, classes = steering.two_classes(examples, config.label or None)
    if config.judged not in config.strengths:
        raise StudyError(
            f"judged must be one of the strengths ({', '.join(map(str, config.strengths))}), got "
            f"{config.judged}."
        )
    examples = examples.grouped()
    if config.limit and config.limit < len(y):
        rows = balanced_rows(y, config.limit, rng=run.rng("limit"))
        examples, y = examples.take(rows), y[rows]
    vector, kept, name = _vector(config, run, model, examples, y)
    run.asked(
        f"Does {name} move {model.name} from {label} {classes[0]} to {classes[1]}, and what else "
        "does it move?"
    )
    examples, y = examples.take(kept), y[kept]
    audit = VectorAudit.of(
        model,
        vector,
        examples,
        y,
        at=config.at,
        judged=config.judged,
        random=config.random,
        relabelled=config.relabelled,
        seed=run.seed,
    )
    if audit.warning:
        run.warn(audit.warning)
    asked, unit, outcome = _outcome(config, run, model, examples, y)
    tried = config.strengths, config.beside
    with run.progress("dose–response", total=audit.asked(*tried), unit="passes") as bar:
        responses = audit.responses(outcome, *tried, bar.advance)
    _doses(config, run, responses, asked, unit, classes[1])
    _language(config, run, audit, neutral)
    few = examples.take(balanced_rows(y, config.probed, rng=run.rng("probed")))
    _probes(config, run, audit, few, label)
    run.facts(
        name=name,
        count=config.random,
        strength=f"{config.judged:g}",
        unit=unit,
        towards=f"{label} {classes[1]}",
    )


def _vector(
    config: Config, run: Run, model: Model, examples: Examples, y: np.ndarray
) -> tuple[SteeringVector, np.ndarray, str]:
    """The vector, the rows that it is audited on, and what to call it."""
    if config.vector:
        given = SteeringVector.load(config.vector)
        if given.card.get("data") == examples.card.name:
            run.warn(
                "The vector was found on texts of the same set, so its effect on them is not "
                "its effect on new ones."
            )
        name = Path(config.vector).name
        return steering.fitting(model, given, name), np.arange(len(y)), name
    (train, held), *_ = group_folds(examples.groups(), 2, rng=run.rng("halves"))
    made = steering.make_vector(
        model, examples.take(train), config.label or None, at=config.at, seed=run.seed
    )
    run.text(
        "vector",
        f"Made here, on half of the groups ({len(train)} texts): difference of means at the "
        f"{config.at} token, blocks {', '.join(map(str, made.vector.vectors))}; strength 1 adds, "
        f"over all blocks together, the distance between the two classes' means. {made.evidence}.",
    )
    made.vector.save(run.path / "vector.safetensors")
    return made.vector, held, "the vector"


def _outcome(
    config: Config, run: Run, model: Model, examples: Examples, y: np.ndarray
) -> tuple[Examples, str, Outcome]:
    """Texts, the outcome's unit, and the outcome."""
    rows = balanced_rows(y, config.texts, rng=run.rng("texts"))
    shown = examples.take(rows).with_prompt(config.prompt)
    if config.say:
        words = contrast(model, config.say, config.shun, unless_in=examples.texts())
        run.text(
            "words",
            f"The outcome is the mean logit, after each text, of {', '.join(words.positive)} less "
            f"that of {', '.join(words.negative)}. Left out: {', '.join(words.dropped) or 'none'}.",
        )
        return shown, "logits", leaning(model, shown, words)
    site = f"resid_post.{2 * len(model.atlas.blocks) // 3}"
    others, labels = examples.take(np.setdiff1d(np.arange(len(y)), rows)), np.delete(y, rows)
    run.text(
        "probe",
        f"The outcome is the log-odds that a logistic probe of {site}, fitted to {len(labels)} "
        f"other texts, gives to what the model says after each text: {config.tokens} tokens, "
        "sampled, read without the text and without the vector.",
    )
    how = {"tokens": config.tokens, "seed": child_seed(run.seed, "said")}
    return shown, "log-odds", read_as_class(model, shown, others, labels, site, **how)


def _doses(
    config: Config,
    run: Run,
    responses: Sequence[Response],
    asked: Examples,
    unit: str,
    towards: str,
) -> None:
    """The response by strength, and at the judged one against every kind of control."""
    groups = asked.groups()
    rows = shown(responses, groups, unit)
    run.figure(
        "dose",
        curves(
            drawn(rows),
            x="strength",
            y=f"change of the outcome ({unit})",
            nulls=(RANDOM,),
            points=True,
            interval="95 % over groups; of controls, all draws",
        ),
        f"Mean change over {len(asked)} texts of both classes. Controls have the vector's norm "
        f"on every block. Positive: towards {towards}.",
    )
    run.table(
        "dose",
        [e for e in rows if e.where["series"] == "vector"],
        "The response at each strength beside each kind of control; p is of that strength alone.",
    )
    judged = next(r for r in responses if r.strength == config.judged)
    m = judged.measured(groups, unit, signed=True)
    for kind in judged.controls:
        values = [d.value for d in m.conditions[kind].draws]
        run.claim(
            f"above-{kind.replace(' ', '-')}",
            m.value("vector", null=kind),
            why=f"At strength {config.judged:g}; the draws lie between {min(values):.2f} and "
            f"{max(values):.2f}.",
        )


def _language(config: Config, run: Run, audit: VectorAudit, neutral: Examples) -> None:
    """What becomes of text about something else."""
    texts = neutral.some(config.passages, rng=run.rng("passages"))
    found = audit.side_effects(texts, config.strengths, max(5, config.beside))
    caption = f"On {len(texts)} passages of {config.neutral}, at most 128 tokens each."
    run.table("side-effects", found, caption)
    ratio = next(e for e in found if e.unit == "times" and e.where["condition"] == audit.at)
    run.claim("language", ratio, why=TOY if config.neutral == "world:sentiment" else "")


def _probes(config: Config, run: Run, audit: VectorAudit, few: Examples, label: str) -> None:
    """Other concepts by probes that were not told, the concept by probes that were."""
    site = f"resid_post.{len(audit.model.atlas.blocks) - 1}"
    read = audit.reprobed(few, site, label, config.also, run.seed)
    run.table(
        "re-probing",
        read.concept,
        f"Balanced accuracy on {label} at {site}, last token, groups held out, by probes fitted to "
        "what the vector leaves. An added vector moves all rows alike, so it should remove "
        "nothing.",
    )
    for name in read.missing:
        run.warn(f"There is no column {name} in the texts, so it was not looked at.")
    run.facts(others="")
    if not read.lost:
        return
    run.show(
        "other-concepts",
        read.lost,
        f"Balanced accuracy at {site} that probes of the plain activations lose on other labels "
        f"under the vector at {audit.at}. Tick: random vectors of the same length.",
        by="label",
    )
    worst = max(read.lost, key=lambda e: e.value)
    run.claim("elsewhere", worst, why=f"The worst is {worst.where['label']}.")
    fell = run.claims["elsewhere"]
    run.facts(
        others=f"; probes of other labels lose {fell:z.2f} of balanced accuracy at most "
        f"({fell.verdict}: at most 0.1)"
    )
