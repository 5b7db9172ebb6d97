"""Is sentiment one direction, and does the model use it? Found five ways, taken out, and swapped between opposites.

Reviews come in pairs of equal length that differ in the sign of their words. The model's verdict is how much rather it goes
on with good words than with bad ones. Directions are found in the residual stream at the adjective, on some of the word
groups; everything else is measured on groups held out. A direction is held at its mean in every layer (ablation), or set to
what the opposite text has at the same token (patching), beside random directions, directions drawn from the activations'
own covariance, and directions found with the labels of half of the words swapped. What punctuation holds of it is shared
out among the heads and MLPs that wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inscape.charts.bars import values_by_group
from inscape.charts.distributions import by_class
from inscape.charts.heatmap import matrix as heatmap
from inscape.charts.layers import score_by_layer
from inscape.control.position_sets import position_sets
from inscape.core.evidence import Beside, table
from inscape.core.measured import Measured
from inscape.core.rng import child_seed
from inscape.core.shares import Shares, bars
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.data.pairs import Pairs
from inscape.data.sets.templated_sentiment import BLAME, PRAISE
from inscape.model.model import Model
from inscape.outcomes.aligned_directions import closed_by, search
from inscape.outcomes.contrast import contrast
from inscape.outcomes.trials import Trials, accuracy_lost
from inscape.outcomes.verdicts import Training, Verdicts, judge_held_out, panels, training_texts
from inscape.probing.directions import (
    ISOTROPIC,
    MATCHED,
    SWAPPED,
    Directions,
    agreement,
    auc_by_layer,
    cosine_table,
    find,
)
from inscape.probing.frames import layer_of
from inscape.read.head_writes import writes_apart
from inscape.read.kmeans_direction import KMeansDirection
from inscape.read.logistic import LogisticProbe
from inscape.read.mass_mean import MassMeanProbe
from inscape.read.pca_direction import PCADirection
from inscape.store.harvest import harvest
from inscape.studies.control.sentiment_direction.held_out_heads import of_folds, writers
from inscape.studies.control.sentiment_direction.natural_sentences import judged_without, read_along
from inscape.study.card import Card, Claim
from inscape.study.opening import opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.sentiment import VERDICTS

CARD = Card(
    slug="sentiment-direction",
    title="Linear Representations of Sentiment in Large Language Models",
    authors="Tigges, Hollinsworth, Geiger and Nanda",
    year=2023,
    arxiv="2310.15154",
    room="control",
    claim="Sentiment lies along one direction of the residual stream that different methods agree on; a model's verdicts "
    "depend on it, and part of it is kept at punctuation, which has no sentiment of its own.",
    reproduced="Difference of means, logistic probe, PCA, k-means and one-dimensional distributed alignment search at the "
    "adjective of templated reviews, by layer (the last in closed form, and trained at the layer chosen); the direction of "
    "the layer chosen held at its mean in every layer at every token but the first, and patched between opposite reviews at "
    "sets of positions; beside it each layer with its own direction; what heads and MLPs write of it onto punctuation; the "
    "same directions read and ablated on human sentences.",
    controls=(
        "isotropic random directions",
        "random directions with the covariance of the activations within a class, orthogonal to the one in question",
        "directions found with labels swapped in half of the word groups",
        "as many random tokens as there are of punctuation, with and without the words of feeling",
        "heads chosen on training words, with labels swapped in half of the word groups, and along random directions",
        "an untrained copy of the model",
        "words that occur in the texts are not asked for, so copying scores nothing",
    ),
    claims={
        "agreement": Claim(
            text="Difference of means, logistic probe and PCA find one direction",
            at_least=0.5,
            null="as many random directions with the activations' covariance",
        ),
        "can": Claim(
            text="Without edits, the model's verdicts are right",
            at_least=0.75,
            why="Chance is one half; what cannot be done cannot be lost.",
        ),
        "ablation": Claim(
            text="Mean-ablating each layer's direction lowers accuracy",
            at_least=0.4,
            null="matched random",
            weaker="Each layer has its own direction, where the paper has one for all.",
        ),
        "one": Claim(
            text="Mean-ablating the chosen layer's direction in every layer lowers accuracy",
            at_least=0.4,
            null="matched random, one everywhere",
        ),
        "random": Claim(
            text="Mean-ablating a random direction costs little (the larger mean of isotropic and "
            "matched)",
            at_most=0.1,
            sanity=True,
        ),
        "punctuation": Claim(
            text="Patched at commas and full stops alone, the one direction keeps part of its effect",
            at_least=0.1,
            why="A share of its effect when it is patched at all tokens.",
        ),
        "above-random": Claim(
            text="Punctuation carries more of it than as many random tokens",
            at_least=0.0,
            over="random tokens",
            why="Tokens drawn from all but the first, the last and punctuation; sentiment words "
            "are often among them.",
        ),
        "above-neutral": Claim(
            text="Punctuation carries more of it than as many random tokens that are not sentiment "
            "words",
            at_least=0.0,
            over="random tokens but words of feeling",
            why="The paper's question: is punctuation more than any other token without a feeling of its own?",
        ),
        "heads": Claim(
            text="The heads that write most of it at punctuation, chosen on other words, do so on "
            "held-out words",
            at_least=0.25,
            null="labels swapped in half of the groups",
        ),
    },
    # what the toy keeps at punctuation, and which heads put it there, changes with the seed; the one direction's interval
    # touches the criterion on one seed; none of 96 verdicts lost is an interval up to 0.14
    tiny={
        "agreement": "supported",
        "can": "supported",
        "ablation": "supported",
        "one": "any",
        "random": "uncertain",
        "punctuation": "any",
        "above-random": "not supported",
        "above-neutral": "any",
        "heads": "any",
    },
    answer="Difference of means, a logistic probe and PCA {agreement:find nearly one direction|may find "
    "one direction|do not find one direction} of sentiment in the residual stream of {model} {where} "
    "(smallest |cos| {agreement:z.2f}), and the model's verdicts {one:depend on it|may depend on it|"
    "depend on it less than the criterion asks}. It judges {can:z.0%} of the reviews rightly, none of "
    "whose words the direction was found with. Held at its mean in every layer, the one of the layer "
    "chosen takes {one:z.0%} of the accuracy above chance with it, each layer's own {ablation:z.0%}; "
    "random directions take {random:z.0%}. Swapped with the opposite review's at commas and full stops "
    "alone, it has {punctuation:z.0%} of the effect that it has at all tokens: "
    "{above-neutral:more than|no more than} at as many other neutral tokens, "
    "{above-random:more|no more} than at as many tokens drawn from all.{wrote}",
    differs="The authors choose the layer by its effect; here by the probe's loss inside the training groups, and each "
    "layer's own direction is held and patched beside it. They score few completions that say yes or no; here the mean over "
    "words that occur in no text.",
    group_note="A group is a pair of opposite verbs with its two pairs of opposite adjectives: no word of feeling is on "
    "both sides. Templates are on both sides, each with as many texts of either sign; activations are centred and scores "
    "compared within a template. Human sentences are grouped by document.",
    negative="In SmolLM2-135M (seed 0, small) the one direction of the layer chosen, block 13, takes 0.24 [0.12, 0.49] of "
    "the accuracy above chance with it, below the criterion of 0.4; each layer's own takes 0.60. Punctuation does not hold "
    "more than as many random tokens, which often are words of feeling, but more than random tokens that are none. A few "
    "heads chosen on other words write less of it there than a quarter.",
    minutes={"tiny": 0.3, "small": 6, "full": 60},
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("templated-sentiment", "opposites: columns pair, group, label")
    at: str = setting("span:adjective", "position at which directions are found")
    words: tuple[str, ...] = setting(("adjective", "verb"), "spans that carry the sentiment")
    context: str = setting("template", "column within which rows are centred, or none")
    folds: int = setting(5, "folds of groups; a text is judged while its group is held out")
    pairs: int = setting(160, "pairs that directions are found on, evenly over groups")
    positive: tuple[str, ...] = setting(
        PRAISE,
        "words that say yes; those in the texts are left out",
    )
    negative: tuple[str, ...] = setting(
        BLAME,
        "words that say no",
    )
    ends: tuple[str, ...] = setting(
        ("", " a", " really", " simply"), "what may follow a text; training groups choose"
    )
    judged: int = setting(50, "pairs that are judged under edits")
    aligned: int = setting(24, "pairs a fold that alignment search and choice of heads see")
    steps: int = setting(12, "steps of alignment search at the layer chosen")
    heads: int = setting(5, "heads chosen on training words; 0 leaves heads out")
    draws: int = setting(59, "matched random directions; a fifth as many of the other kinds")
    places: int = setting(5, "random sets of positions")
    natural: str = setting("reviews", "human sentences with a column positive, or 'none'")
    natural_limit: int = setting(300, "how many sentences are read; half of them judged")
    natural_end: str = setting(" Overall, it was", "what is put after a human sentence")


PRESETS = {
    "tiny": Config(
        model="world:sentiment",
        data="world:sentiment",
        positive=VERDICTS[0],
        negative=VERDICTS[1],
        ends=("",),
        folds=3,
        pairs=96,
        judged=48,
        places=3,
        natural="none",
        heads=2,
    ),
    "small": Config(),
    "full": Config(
        model="EleutherAI/pythia-2.8b",
        pairs=720,
        judged=360,
        natural_limit=2000,
        aligned=128,
        steps=100,
        draws=199,
    ),
}

#: the residual stream as it enters the first block, and as it leaves each
STREAM = "embed, resid_post.*"
#: the direction of one layer in all of them, and random ones likewise
ONE, ONE_RANDOM = "difference of means, one layer's everywhere", "matched random, one everywhere"
#: how many of the latter
FEW = 5
MEANS, LOGISTIC, PCA, KMEANS, DAS = (
    "difference of means",
    "logistic probe",
    "PCA",
    "k-means",
    "alignment search",
)
FINDERS = {
    MEANS: MassMeanProbe(),
    LOGISTIC: LogisticProbe(tol=1e-5),
    PCA: PCADirection(),
    KMEANS: KMeansDirection(restarts=3),
}


def run(config: Config, run: Run) -> None:
    """Find, compare, ablate, patch, share out among heads, and read human sentences."""
    model, examples, _ = opened(config, run)
    run.asked(f"Is sentiment one direction in {model.name}, and do its verdicts depend on it?")
    context = "" if config.context == "none" else config.context
    every = Pairs.of(examples, context, config.folds, rng=run.rng("folds"))
    rows = every.sample(config.pairs, np.ones(len(examples), dtype=bool), rng=run.rng("pairs"))
    examples = examples.take(np.sort(rows))
    pairs = Pairs.of(examples, context, config.folds, rng=run.rng("folds"))
    run.facts(wrote="")
    x, found = _find(config, run, model, examples, pairs)
    test, known, training = _texts(config, run, model, examples, pairs)
    *found, whole = _align(config, run, test, training, found)
    _show(config, run, pairs, x, found, whole)
    before = _unedited(run, test)
    _ablate(run, test, known, found, before)
    _patch(config, run, test, found, before)
    _heads(config, run, test, training, found)
    if config.natural != "none":
        _natural(config, run, test, whole)
    layer = layer_of(whole.sites[whole.chosen])
    run.facts(where=f"after block {layer}" if layer >= 0 else "at the embedding")


def _find(
    config: Config, run: Run, model: Model, examples: Examples, pairs: Pairs
) -> tuple[list[np.ndarray], list[Directions]]:
    """Directions at the adjective in each fold's training groups, and last in all; rows centred for each."""
    store = harvest(model, examples, STREAM, at=config.at)
    sites, raw = [str(s) for s in store.sites], [matrix for _, matrix in store.matrices()]
    centred, found = [], []
    with run.progress("find directions", total=config.folds + 1, unit="folds") as bar:
        for train in [
            *(pairs.fold != f for f in range(config.folds)),
            np.ones(len(pairs.y), dtype=bool),
        ]:
            x = np.stack([pairs.centred(rows, train) for rows in raw]).astype(np.float32)
            found.append(
                find(
                    sites,
                    x[:, train],
                    pairs.y[train],
                    pairs.groups[train],
                    FINDERS,
                    config.draws,
                    rng=run.rng("nulls", str(len(found))),
                )
            )
            centred.append(x)
            bar.advance()
    return centred, found


def _show(
    config: Config,
    run: Run,
    pairs: Pairs,
    x: list[np.ndarray],
    found: list[Directions],
    whole: Directions,
) -> None:
    """What the directions read of held-out words, and how far they agree."""
    held, site = [pairs.fold == f for f in range(config.folds)], whole.sites[whole.chosen]
    curves = auc_by_layer(
        found,
        [rows[:, m] for rows, m in zip(x[:-1], held, strict=True)],
        *([of[m] for m in held] for of in (pairs.y, pairs.groups)),
        run.rng("auc"),
    )
    run.figure(
        "layers",
        score_by_layer(curves, score="AUC", nulls=(SWAPPED,), chosen=layer_of(site)),
        f"Word groups held out, read along directions found on the others, at {config.at}. Layer −1 is the "
        "embedding. The layer marked has the least logistic loss on groups left out inside. Grey: directions found "
        "with half of the labels swapped.",
        curves,
    )
    compared = {name: FINDERS[name] for name in (MEANS, LOGISTIC, PCA)}
    least = agreement(
        whole,
        compared,
        x[-1][whole.chosen].astype(np.float64),
        pairs.y,
        pairs.groups,
        rng=run.rng("agreement"),
    )
    run.figure(
        "cosines",
        heatmap(cosine_table(whole, (MATCHED, SWAPPED))),
        f"Cosines at {site} between the directions that each method finds, and one draw of two nulls.",
    )
    run.claim("agreement", least)


def _texts(
    config: Config, run: Run, model: Model, examples: Examples, pairs: Pairs
) -> tuple[Verdicts, list[Examples], list[Training]]:
    """Texts judged while their groups are held out; training texts of each fold to take means over; and to search in."""
    words = contrast(model, config.positive, config.negative, unless_in=examples.texts())
    marks = position_sets(config.words, config.places, child_seed(run.seed, "positions"))
    test, known, ends = judge_held_out(
        model,
        examples,
        pairs,
        words,
        marks,
        ends=config.ends,
        count=config.judged,
        seed=child_seed(run.seed, "judged"),
    )
    put = ", ".join(f"“{end}”" if end else "nothing" for end in ends)
    run.text(
        "words",
        f"Words that say yes: {', '.join(words.positive)}. Words that say no: {', '.join(words.negative)}. "
        f"Left out, because texts contain them: {', '.join(words.dropped) or 'none'}. Put after the texts, as the "
        f"training groups of each fold choose: {put}.",
    )
    return test, known, training_texts(examples, pairs, ends, config.aligned, run.seed)


def _align(
    config: Config, run: Run, test: Verdicts, training: list[Training], found: list[Directions]
) -> list[Directions]:
    """Alignment search as a fifth finder, and what swapping along it at the one token does to held-out verdicts."""
    with run.progress("align", total=len(found), unit="folds") as bar:
        lines = search(
            test.model,
            training,
            found[0].sites,
            [d.chosen for d in found],
            test.words,
            config.at,
            steps=config.steps,
            seed=run.seed,
            advance=bar.advance,
        )
    sites, tried = [site for site, _ in lines], []
    for (site, line), d in zip(lines[: len(test.parts)], found, strict=False):
        tried.append(
            np.stack(
                [
                    line.directions[site],
                    line.closed,
                    d.found[MEANS][site],
                    *d.nulls[MATCHED][:2, site],
                ]
            )
        )
    made = closed_by(
        test, sites[: len(tried)], config.at, tried, [DAS, f"{DAS}, closed form", MEANS]
    )
    run.table(
        "alignment",
        table([made.value(name, where={"swapped along": name}) for name in made.conditions]),
        f"One coordinate swapped with the opposite's at {config.at} and the layer chosen "
        "alone, in held-out words; random: two matched directions. Alignment search was trained on other words "
        "to make this large.",
    )
    return [
        replace(d, found={**d.found, DAS: line.directions})
        for d, (_, line) in zip(found, lines, strict=True)
    ]


def _unedited(run: Run, test: Verdicts) -> np.ndarray:
    """Can the model do it at all?"""
    before = test.scores()
    fresh = test.scores(model=test.model.untrained(child_seed(run.seed, "untrained")))
    m = Measured("accuracy of the verdicts", groups=test.shares.groups, unit="accuracy")
    m.put("the model", test.right(before))
    m.put("untrained copy", test.right(fresh), role="reference")
    beside = Beside("reference", "untrained copy of the model", m.value("untrained copy").value)
    run.claim("can", m.value("the model", beside=(beside,)))
    return before


def everywhere(d: Directions, finder: str) -> np.ndarray:
    """A finder's direction of the layer chosen, and some random ones of that layer, at every site alike.

    Args:
        d: directions of every site.
        finder: whose.

    Returns:
        (1 + `FEW`, sites, d), the finder's first.
    """
    one = np.concatenate([d.found[finder][None, d.chosen], d.nulls[MATCHED][:FEW, d.chosen]])
    return np.repeat(one[:, None], len(d.sites), axis=1)


def _ablate(
    run: Run, test: Verdicts, known: list[Examples], found: list[Directions], before: np.ndarray
) -> None:
    """Each direction held at its mean in every layer: how much of the accuracy above chance is lost."""
    lines = tuple(
        np.concatenate([np.stack(list(f.found.values())), everywhere(f, MEANS), *f.nulls.values()])
        for f in found
    )
    kinds = [ONE, *[ONE_RANDOM] * len(everywhere(found[0], MEANS)[1:])]
    kinds += [kind for kind, draws in found[0].nulls.items() for _ in draws]
    names = [*found[0].found, *kinds]
    trials = Trials(test, found[0].sites, lines)
    means = trials.means(known)
    with run.progress("ablate", total=len(names), unit="directions") as bar:
        after = trials.held_by_kind(names, means, bar.advance)
    for at in ("words", "punctuation", "last"):
        after[f"{MEANS}, {at} only"] = trials.held([0], means, at)
    m = accuracy_lost(test, before, after, found[0].nulls, (ONE_RANDOM,))
    rows = [m.value(name, null=MATCHED, where={"ablated": name}) for name in m.conditions]
    run.table(
        "ablation",
        table(rows),
        "Share of the accuracy above chance lost with a direction held at its mean.",
    )
    run.figure(
        "ablation",
        values_by_group(
            bars(rows, "ablated"), value="share of accuracy above chance lost", ends=20
        ),
        "Each direction held at its mean in every layer, at all tokens but the first unless said otherwise. "
        "Random kinds are means over draws. Tick: matched random directions.",
    )
    drawn = {
        "left alone": before,
        f"{MEANS} held": after[MEANS][0],
        "a matched random direction held": after[MATCHED][0],
    }
    run.figure(
        "scores",
        by_class(panels(drawn, test), value="score less the median of its template (logits)"),
        "Verdicts left alone, with the direction held at its mean, and with a matched random one held.",
    )
    run.claim("ablation", m.value(MEANS, null=MATCHED))
    run.claim("one", m.value(ONE, null=ONE_RANDOM))
    worse = max((ISOTROPIC, MATCHED), key=lambda kind: m.value(kind).value)
    run.claim("random", m.value(worse), why=f"This is {worse}.")


def _patch(
    config: Config, run: Run, test: Verdicts, found: list[Directions], before: np.ndarray
) -> None:
    """Each text given its opposite's coordinate, token by token, in every layer: how far its verdict goes over."""
    onto = tuple(
        np.concatenate(
            [f.found[MEANS][None], everywhere(f, MEANS)[:1], f.nulls[MATCHED][: config.places]]
        )
        for f in found
    )
    trials = Trials(test, found[0].sites, onto)
    own, towards = trials.coordinates(), np.where(test.y == 1, 1.0, -1.0)

    def moved(at: str, ks: Sequence[int] = (0,)) -> np.ndarray:
        return towards * (before - trials.swapped(ks, own, at))

    whole = towards * (before - before[np.arange(len(before)) ^ 1])
    each = [f"word.{name}" for name in config.words if len(config.words) > 1]
    places = PLACES | {at: f"{at.removeprefix('word.')} only" for at in each}
    parts = {at: moved(at) for at in ("words", *each, "last")}
    drawn = {kind: [f"{kind}.{k}" for k in range(config.places)] for kind in ("random", "neutral")}
    for at, marks in ({"all": ["all"], "punctuation": ["punctuation"]} | drawn).items():
        both = np.stack([moved(mark, (0, 1)) for mark in marks])
        parts[at], parts[f"{at}, one"] = both[:, 0], both[:, 1]
    parts[MATCHED] = moved("all", range(2, len(onto[0])))
    closed, effect = (
        Measured(name, groups=test.shares.groups, unit="share", kind="ratio")
        for name in ("share of the verdict's difference closed", "share of the full effect")
    )
    for at, p in parts.items():
        full = parts["all, one" if at.endswith(", one") else "all"][0]
        closed.put(places[at], p, whole, role="baseline" if len(p) > 1 else "treatment")
        effect.put(places[at], p, full, role="baseline" if len(p) > 1 else "treatment")
    random = Beside("baseline", places[MATCHED], closed.value(places[MATCHED]).value)
    run.show(
        "patching",
        [
            closed.value(name, where={"positions": name}, beside=(random,))
            for name in closed.conditions
        ],
        "How far directional patching moves a verdict to that of the opposite text; 1 is the opposite's own verdict. As "
        "many random tokens as there are of punctuation; means over draws. Tick: matched random directions at all tokens.",
        by="positions",
    )
    stops = places["punctuation, one"]
    beside = Beside("baseline", places["random, one"], effect.value(places["random, one"]).value)
    family = {at: effect.value(places[at]).value for at in ("punctuation", "random", "neutral")}
    run.claim(
        "punctuation",
        effect.value(stops, beside=(beside,)),
        why=f"With each layer's own direction {family['punctuation']:.2f} of its effect at all tokens.",
    )
    for kind in ("random", "neutral"):
        run.claim(
            f"above-{kind}",
            effect.fall(places[f"{kind}, one"], below=stops),
            why=f"With each layer's own direction {family['punctuation'] - family[kind]:+.2f}.",
        )


def _heads(
    config: Config, run: Run, test: Verdicts, training: list[Training], found: list[Directions]
) -> None:
    """What heads and MLPs write of the direction onto punctuation, where the stream's opposites differ most along it."""
    if not config.heads or not writes_apart(test.model):
        run.log(
            "heads are left out: none were asked for, or a norm stands between heads and stream"
        )
        return
    held, layers = of_folds(test, training, found, MEANS, MATCHED, test.marks["punctuation"])
    shares = Shares(held.groups, run.rng("heads", "bootstrap"))
    best, *rows = writers(held, shares, config.heads, 12, run.rng("heads", "swapped"))
    where = ", ".join(str(layer) for layer in sorted(set(layers)))
    run.table(
        "heads",
        table(rows),
        f"Held-out words: what is written onto commas and full stops, as a share of what the "
        f"stream holds along the direction there, after block {where}. Heads and MLPs sum to 1.",
    )
    run.figure(
        "heads",
        values_by_group(bars(rows, "writer"), value="share of what punctuation holds", ends=20),
        "The heads that write most in training words, and sums. Tick: matched random directions.",
    )
    random = rows[0].null
    assert random is not None
    why = f"{config.heads} heads. Random directions, heads chosen alike: {random.mean:z.2f}."
    run.claim("heads", best, why=why)
    wrote = f" A few heads, chosen on other words, wrote {run.claims['heads']:z.0%} of it there."
    run.facts(wrote=wrote)


def _natural(config: Config, run: Run, test: Verdicts, found: Directions) -> None:
    """Human sentences: read along the directions, which never saw one, and judged with the direction held at its mean."""
    people = load(config.natural, limit=config.natural_limit)
    frame = read_along(test.model, people, "positive", found, seed=run.seed)
    run.figure(
        "natural",
        score_by_layer(frame, score="AUC", nulls=(SWAPPED,)),
        f"{len(people)} human sentences, mean over all tokens but the first, read along directions found on "
        "templates alone, and by a probe trained on other documents. Grey: half-swapped labels.",
        frame,
    )
    made = judged_without(test, people, "positive", config.natural_end, found, MEANS, seed=run.seed)
    run.table(
        "natural-ablation",
        table(made),
        f"{made[0].n} sentences, each followed by “{config.natural_end}”; {MEANS} and three matched random directions.",
    )


PLACES = {
    "all": "all tokens",
    "words": "adjective and verb",
    "punctuation": "punctuation",
    "last": "last token",
    "random": "random tokens",
    "neutral": "random tokens but words of feeling",
    "all, one": "all tokens, one layer's direction",
    "punctuation, one": "punctuation, one layer's direction",
    "random, one": "random tokens, one layer's direction",
    "neutral, one": "random tokens but words of feeling, one layer's direction",
    MATCHED: "all tokens, random direction",
}
