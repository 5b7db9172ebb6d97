"""Is sentiment one direction, and does the model use it? Found four ways, taken out, and swapped between opposites.

Reviews come in pairs of equal length that differ in the sign of their words. The model's verdict is how much rather it goes
on with good words than with bad ones. Directions are found in the residual stream at the adjective, on some of the word
groups; everything else is measured on groups held out. A direction is held at its mean in every layer (ablation), or set to
what the opposite text has at the same token (patching), beside random directions, directions drawn from the activations'
own covariance, and directions found with the labels of half of the words swapped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from inscape.charts.bars import values_by_group
from inscape.charts.distributions import by_class
from inscape.charts.heatmap import matrix as heatmap
from inscape.charts.layers import score_by_layer
from inscape.control.position_sets import position_sets
from inscape.core.errors import StudyError
from inscape.core.evidence import Null, table
from inscape.core.folds import group_codes
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.read.kmeans_direction import KMeansDirection
from inscape.read.logistic import LogisticProbe
from inscape.read.mass_mean import MassMeanProbe
from inscape.read.pca_direction import PCADirection
from inscape.store.contrast import contrast
from inscape.store.coordinates import mean_vectors
from inscape.store.harvest import harvest
from inscape.study.card import Card
from inscape.study.directions import ISOTROPIC, MATCHED, SWAPPED, Directions, agreement, auc_by_layer, find
from inscape.study.frames import by_layer, layer_of
from inscape.study.interventions import Trials
from inscape.study.pairs import Pairs
from inscape.study.run import Run
from inscape.study.shares import Shares, bars
from inscape.study.sweep import sweep
from inscape.study.verdicts import Verdicts, judge_held_out, panels
from inscape.worlds.sentiment import VERDICTS, sentiment

CARD = Card(
    slug="sentiment-direction",
    title="Linear Representations of Sentiment in Large Language Models",
    authors="Tigges, Hollinsworth, Geiger and Nanda",
    year=2023,
    arxiv="2310.15154",
    room="control",
    claim="Sentiment lies along one direction of the residual stream that different methods agree on; a model's verdicts "
    "depend on it, and part of it is kept at punctuation, which has no sentiment of its own.",
    reproduced="Difference of means, logistic probe, PCA and k-means at the adjective of templated reviews, by layer; the "
    "direction held at its mean in every layer at every token but the first, each layer with its own; directional "
    "patching between opposite reviews at sets of positions; the same directions read and ablated on human sentences. "
    "Distributed alignment search and attribution to heads are not done here.",
    controls=(
        "isotropic random directions",
        "random directions with the covariance of the activations within a class, orthogonal to the one in question",
        "directions found with labels swapped in half of the word groups",
        "as many random tokens as there are of punctuation, with and without the words of feeling",
        "an untrained copy of the model",
        "words that occur in the texts are not asked for, so copying scores nothing",
    ),
    bar="At the chosen layer difference of means, logistic probe and PCA agree pairwise with |cos| of at least 0.5; held at "
    "its mean, the direction costs at least 40 % of the accuracy above chance, and random ones, isotropic or matched, at "
    "most 10 %; patched at punctuation alone it has at least 10 % of its effect at all tokens, and more than at as many "
    "random tokens.",
    group_note="A group is a pair of opposite verbs with its two pairs of opposite adjectives: no word of feeling is on "
    "both sides. Templates are on both sides, each with as many texts of either sign; activations are centred and scores "
    "compared within a template. Human sentences are grouped by document.",
    negative="Punctuation does not hold more than as many random tokens (seed 0, small: 0.06 less, as a share of the full "
    "effect): random tokens often are words of feeling. It does hold more than random tokens that are none.",
    minutes={"tiny": 0.3, "small": 6, "full": 60},
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m", metadata={"help": "what to open; 'sentiment-world' is trained on the spot"}
    )
    data: str = field(
        default="templated-sentiment", metadata={"help": "pairs of opposites: columns pair, group, label"}
    )
    at: str = field(default="span:adjective", metadata={"help": "position at which directions are found"})
    words: tuple[str, ...] = field(default=("adjective", "verb"), metadata={"help": "spans that carry the sentiment"})
    context: str = field(default="template", metadata={"help": "column within which rows are centred, or none"})
    folds: int = field(
        default=5, metadata={"help": "folds of whole groups; a text is judged while its group is held out"}
    )
    pairs: int = field(default=160, metadata={"help": "pairs that directions are found on, evenly over groups"})
    positive: tuple[str, ...] = field(
        default=("good", "great", "best", "beautiful", "fun", "incredible", "magnificent", "gem", "masterpiece", "joy"),
        metadata={"help": "words that say yes; those in the texts are left out"},
    )
    negative: tuple[str, ...] = field(
        default=("bad", "awful", "worst", "disappointing", "weak", "sad", "waste", "mess", "failure", "garbage"),
        metadata={"help": "words that say no"},
    )
    ends: tuple[str, ...] = field(
        default=("", " a", " really", " simply"),
        metadata={"help": "what may be put after a text; training groups choose"},
    )
    judged: int = field(default=50, metadata={"help": "pairs that are judged under edits"})
    draws: int = field(default=20, metadata={"help": "random directions of each kind"})
    places: int = field(default=5, metadata={"help": "random sets of positions"})
    refits: int = field(
        default=50, metadata={"help": "bootstrap refits of the finders, for the interval of their cosine"}
    )
    natural: str = field(default="reviews", metadata={"help": "human sentences with a column positive, or 'none'"})
    natural_limit: int = field(default=300, metadata={"help": "how many sentences are read; half of them judged"})
    natural_end: str = field(default=" Overall, it was", metadata={"help": "what is put after a human sentence"})


PRESETS = {
    "tiny": Config(
        model="sentiment-world", data="sentiment-world", positive=VERDICTS[0], negative=VERDICTS[1], ends=("",),
        folds=3, pairs=96, judged=48, draws=10, places=3, refits=20, natural="none",
    ),
    "small": Config(),
    "full": Config(model="EleutherAI/pythia-2.8b", pairs=720, judged=360, natural_limit=2000),
}  # fmt: skip

#: the residual stream as it enters the first block, and as it leaves each
STREAM = "embed, resid_post.*"
MEANS, LOGISTIC, PCA, KMEANS = "difference of means", "logistic probe", "PCA", "k-means"
FINDERS = {
    MEANS: MassMeanProbe(),
    LOGISTIC: LogisticProbe(tol=1e-5),
    PCA: PCADirection(),
    KMEANS: KMeansDirection(restarts=3),
}


def run(config: Config, run: Run) -> None:
    """Find, compare, ablate, patch, and read human sentences."""
    model, examples = _open(config, run)
    run.certificate(model.certificate)
    run.asked(f"Is sentiment one direction in {model.name}, and do its verdicts depend on it?")
    context = "" if config.context == "none" else config.context
    every = Pairs.of(examples, context, config.folds, rng=run.rng("folds"))
    rows = every.sample(config.pairs, np.ones(len(examples), dtype=bool), rng=run.rng("pairs"))
    examples = examples.take(np.sort(rows))
    pairs = Pairs.of(examples, context, config.folds, rng=run.rng("folds"))
    found, whole = _find(config, run, model, examples, pairs)
    test, known = _texts(config, run, model, examples, pairs)
    before = _unedited(run, test)
    _ablate(run, test, known, found, before)
    _patch(config, run, test, found, before)
    if config.natural != "none":
        _natural(config, run, test, whole)
    run.answer(_answer(run, model, whole))


def _open(config: Config, run: Run) -> tuple[Model, Examples]:
    if "sentiment-world" in (config.model, config.data):
        if config.model != config.data:
            raise StudyError(_MIXED % (config.model, config.data))
        world = sentiment(seed=run.seed)
        run.log("the toy network ends %.0f %% of its reviews with the right verdict", 100 * world.accuracy)
        return world.model, world.examples
    return open(config.model), load(config.data)


_MIXED = (
    "the toy model reads only the toy sentences, and here the model is %r and the data %r; ask for sentiment-world as both, "
    "or as neither (--preset small is the study of a real model)."
)


def _find(
    config: Config, run: Run, model: Model, examples: Examples, pairs: Pairs
) -> tuple[list[Directions], Directions]:
    """Directions at the adjective: in each fold's training groups, scored on the groups held out; and in all groups."""
    store = harvest(model, examples, STREAM, at=config.at)
    sites, raw = [str(s) for s in store.sites], [matrix for _, matrix in store.matrices()]
    masks = [pairs.fold != f for f in range(config.folds)]
    found, held = [], []
    with run.progress("find directions", total=config.folds + 1, unit="folds") as bar:
        for train in [*masks, np.ones(len(pairs.y), dtype=bool)]:
            x = np.stack([pairs.centred(rows, train) for rows in raw]).astype(np.float32)
            found.append(find(sites, x[:, train], pairs.y[train], pairs.groups[train], FINDERS, config.draws,
                              rng=run.rng("nulls", str(len(found)))))  # fmt: skip
            held.append(x[:, ~train])
            bar.advance()
    whole, site = found[-1], found[-1].sites[found[-1].chosen]
    curves = auc_by_layer(found[:-1], held[:-1], [pairs.y[~m] for m in masks], [pairs.groups[~m] for m in masks],
                          run.rng("auc"))  # fmt: skip
    run.figure("layers", score_by_layer(curves, score="AUC", nulls=(SWAPPED,), chosen=layer_of(site)),
               f"Word groups held out, read along directions found on the others, at {config.at}. Layer −1 is the "
               "embedding. The layer marked has the least logistic loss on groups left out inside. Grey: directions found "
               "with half of the labels swapped.")  # fmt: skip
    run.table("layers", curves, "The same numbers.")
    compared = {name: FINDERS[name] for name in (MEANS, LOGISTIC, PCA)}
    least = agreement(whole, compared, x[whole.chosen].astype(np.float64), pairs.y, pairs.groups, config.refits,
                      rng=run.rng("agreement"))  # fmt: skip
    shown = {**whole.found, **{f"{name}, one draw": whole.nulls[name][0] for name in (MATCHED, SWAPPED)}}
    shown = {name: d[whole.chosen] for name, d in shown.items()}
    cells = [{"row": a, "column": b, "value": float(shown[a] @ shown[b])} for a in shown for b in shown]
    run.figure("cosines", heatmap(pd.DataFrame(cells)),
               f"Cosines at {site} between the directions that each method finds, and one draw of two nulls.")  # fmt: skip
    run.claim("agreement", "Difference of means, logistic probe and PCA find one direction", least, 0.5)
    return found[:-1], whole


def _texts(config: Config, run: Run, model: Model, examples: Examples, pairs: Pairs) -> tuple[Verdicts, list[Examples]]:
    """Texts to be judged while their groups are held out, and training texts of each fold to take means over."""
    words = contrast(model, config.positive, config.negative, unless_in=examples.texts())
    marks = position_sets(config.words, config.places, child_seed(run.seed, "positions"))
    test, known, ends = judge_held_out(
        model, examples, pairs, words, marks, ends=config.ends, count=config.judged, seed=child_seed(run.seed, "judged")
    )
    put = ", ".join(f"“{end}”" if end else "nothing" for end in ends)
    run.text("words", f"Words that say yes: {', '.join(words.positive)}. Words that say no: {', '.join(words.negative)}. "
             f"Left out, because texts contain them: {', '.join(words.dropped) or 'none'}. Put after the texts, as the "
             f"training groups of each fold choose: {put}.")  # fmt: skip
    return test, known


def _unedited(run: Run, test: Verdicts) -> np.ndarray:
    """Can the model do it at all?"""
    before, ones = test.scores(), np.ones(len(test.y))
    fresh = test.scores(model=test.model.untrained(child_seed(run.seed, "untrained")))
    null = Null.of("untrained copy of the model", [test.shares.value(test.right(fresh), ones)])
    can = test.shares.evidence("accuracy of the verdicts", test.right(before), ones, null, unit="accuracy")
    run.claim("can", "Left alone, the model's verdicts are right", can, 0.75,
              why="Chance is one half; what cannot be done cannot be lost.")  # fmt: skip
    return before


def _ablate(run: Run, test: Verdicts, known: list[Examples], found: list[Directions], before: np.ndarray) -> None:
    """Each direction held at its mean in every layer: how much of the accuracy above chance is lost."""
    every = tuple(np.concatenate([np.stack(list(f.found.values())), *f.nulls.values()]) for f in found)
    names = [*found[0].found, *(kind for kind, draws in found[0].nulls.items() for _ in draws)]
    trials = Trials(test, found[0].sites, every)
    means, right, whole = trials.means(known), test.right(before), test.right(before) - 0.5
    lost: dict[str, np.ndarray] = {}
    after: dict[str, np.ndarray] = {}  # of the first of each kind, to be drawn
    with run.progress("ablate", total=len(names), unit="directions") as bar:
        for k, name in enumerate(names):
            scores = trials.held(k, means)
            after.setdefault(name, scores)
            lost[name] = np.vstack([*lost.get(name, []), right - test.right(scores)])
            bar.advance()
    for at in ("words", "punctuation", "last"):
        lost[f"{MEANS}, {at} only"] = (right - test.right(trials.held(0, means, at)))[None]
    swapped, rows = np.array([test.shares.value(part, whole) for part in lost[SWAPPED]]), []
    for name, parts in lost.items():
        if len(parts) == 1:
            null = {"draws": swapped, "kind": "directions found with half of the labels swapped"}
        else:
            null = {"null": Null.of(f"single draws of {name}", [test.shares.value(p, whole) for p in parts])}
        rows.append(test.shares.evidence("accuracy above chance lost", parts.mean(axis=0), whole, unit="share",
                                         where={"ablated": name}, **null))  # fmt: skip
    losses = {str(e.where["ablated"]): e for e in rows}
    run.table(
        "ablation", table(rows), "Share of the accuracy above chance that is lost with a direction held at its mean."
    )
    run.figure("ablation", values_by_group(bars(rows, "ablated"), value="share of accuracy above chance lost", ends=20),
               "Each direction held at its mean in every layer, at all tokens but the first unless said otherwise. "
               "Random kinds are means over draws. Tick: half-swapped labels.")  # fmt: skip
    drawn = {"left alone": before, f"{MEANS} held": after[MEANS], "a matched random direction held": after[MATCHED]}
    run.figure("scores", by_class(panels(drawn, test), value="score less the median of its template (logits)"),
               "Verdicts left alone, with the direction held at its mean, and with a matched random one held.")  # fmt: skip
    run.claim("ablation", "Holding the direction at its mean costs accuracy", losses[MEANS], 0.4)
    worse = max((losses[ISOTROPIC], losses[MATCHED]), key=lambda e: e.value)
    run.claim("random", "Holding a random direction at its mean costs little (the larger mean of isotropic and matched)",
              worse, 0.1, "at most", why=f"This is {worse.where['ablated']}.")  # fmt: skip


def _patch(config: Config, run: Run, test: Verdicts, found: list[Directions], before: np.ndarray) -> None:
    """Each text given its opposite's coordinate, token by token, in every layer: how far its verdict goes over."""
    onto = tuple(np.concatenate([f.found[MEANS][None], f.nulls[MATCHED][: config.places]]) for f in found)
    trials = Trials(test, found[0].sites, onto)
    own, towards = trials.coordinates(), np.where(test.y == 1, 1.0, -1.0)

    def moved(k: int, at: str) -> np.ndarray:
        return towards * (before - trials.swapped(k, own, at))

    whole = towards * (before - before[np.arange(len(before)) ^ 1])
    parts = {at: moved(0, at)[None] for at in ("all", "words", "punctuation", "last")}
    for kind in ("random", "neutral"):
        parts[kind] = np.stack([moved(0, f"{kind}.{k}") for k in range(config.places)])
    parts[MATCHED] = np.stack([moved(k, "all") for k in range(1, len(onto[0]))])
    value, full = test.shares.value, parts["all"][0]
    chance = Null.of("matched random directions at all tokens", [value(p, whole) for p in parts[MATCHED]])
    rows = [
        test.shares.evidence("share of the verdict's difference closed", p.mean(axis=0), whole, chance, unit="share",
                             where={"positions": PLACES[at]})
        for at, p in parts.items()
    ]  # fmt: skip
    run.table("patching", table(rows), "How far directional patching moves a verdict to that of the opposite text.")
    run.figure("patching", values_by_group(bars(rows, "positions"), value="share of the difference closed"),
               "1 is the opposite text's own verdict. As many random tokens as there are of punctuation; means over draws. "
               "Tick: matched random directions at all tokens.")  # fmt: skip
    stops, places = parts["punctuation"][0], np.array([value(p, full) for p in parts["random"]])
    share = test.shares.evidence("effect at punctuation as a share of the full effect", stops, full, draws=places,
                                 kind="as many random tokens", unit="share")  # fmt: skip
    run.claim(
        "punctuation", "Patched at commas and full stops alone, the direction keeps part of its effect", share, 0.1
    )
    for kind, said in (("random", "random tokens"), ("neutral", "random tokens that are no words of feeling")):
        mean = parts[kind].mean(axis=0)
        spread = Null.of(f"sets of {said} less their mean", [round(value(p - mean, full), 9) for p in parts[kind]])
        more = test.shares.evidence(f"share of the full effect: punctuation − {said}", stops - mean, full, spread,
                                    unit="share")  # fmt: skip
        run.claim(f"above-{kind}", f"Punctuation holds more than as many {said}", more, 0.0, why=WHY[kind])


def _natural(config: Config, run: Run, test: Verdicts, found: Directions) -> None:
    """Human sentences: read along the directions, which never saw one, and judged with the direction held at its mean."""
    people = load(config.natural, limit=config.natural_limit)
    y, groups = people.classes("positive")[0], group_codes(people.groups())
    x = mean_vectors(test.model, people, found.sites)
    own = sweep(dict(zip(found.sites, x, strict=True)), y, groups=groups, task="classification", metric="auc", shuffles=0,
                target_names=("positive",), seed=run.seed)  # fmt: skip
    curves = [auc_by_layer([found], [x], [y], [groups], run.rng("natural", "auc")), by_layer({OWN: own})]
    frame = pd.concat(curves, ignore_index=True).drop(columns="target")
    run.figure("natural", score_by_layer(frame, score="AUC", nulls=(SWAPPED,)),
               f"{len(y)} human sentences, mean over all tokens but the first, read along directions found on templates "
               "alone, and by a probe trained on other documents. Grey: directions from half-swapped labels.")  # fmt: skip
    run.table("natural", frame, "The same numbers.")
    rows = np.sort(run.rng("natural", "texts").permutation(len(y))[: len(y) // 2])
    texts = people.take(rows).with_prompt("{}" + config.natural_end)
    human = Verdicts(test.model, (texts,), test.words, y[rows], np.zeros(len(rows), dtype=np.int64),
                     Shares(groups[rows], run.rng("natural", "bootstrap")), test.marks)  # fmt: skip
    trials = Trials(human, found.sites, (np.concatenate([found.found[MEANS][None], found.nulls[MATCHED][:3]]),))
    means, before = trials.means([texts]), human.right(human.scores())
    lost = [before - human.right(trials.held(k, means)) for k in range(4)]
    chance = Null.of("matched random directions", [human.shares.value(c, before - 0.5) for c in lost[1:]])
    half = Null.of("chance", [0.5])
    can = human.shares.evidence("accuracy of the verdicts", before, np.ones(len(rows)), half, unit="accuracy")
    cost = human.shares.evidence("accuracy above chance lost", lost[0], before - 0.5, chance, unit="share")
    run.table(
        "natural-ablation", table([can, cost]), f"{len(rows)} sentences, each followed by “{config.natural_end}”."
    )


def _answer(run: Run, model: Model, found: Directions) -> str:
    by, layer = run.claims, layer_of(found.sites[found.chosen])
    cost, random, kept = by["ablation"].value, by["random"].value, by["punctuation"].value
    where = f"after block {layer}" if layer >= 0 else "at the embedding"
    one = "find nearly one direction" if by["agreement"].passed else "do not find one direction"
    used = "depend on it" if by["ablation"].passed and by["random"].passed else "do not clearly depend on it"
    more = "more than" if by["above-neutral"].passed else "no more than"
    less = "more" if by["above-random"].passed else "no more"
    return (
        f"Difference of means, a logistic probe and PCA {one} of sentiment in the residual stream of {model.name} {where} "
        f"(smallest |cos| {by['agreement'].value:z.2f}), and the model's verdicts {used}. It judges "
        f"{by['can'].value:z.0%} of the reviews rightly, none of whose words the direction was found with. Held at its mean "
        f"in every layer, the direction takes {cost:z.0%} of the accuracy above chance with it; random directions take "
        f"{random:z.0%}. Swapped with the opposite review's at commas and full stops alone, it has {kept:z.0%} of the "
        f"effect that it has at all tokens: {more} at as many other neutral tokens, {less} than at as many tokens drawn "
        "from all."
    )


PLACES = {
    "all": "all tokens", "words": "adjective and verb", "punctuation": "punctuation", "last": "last token",
    "random": "random tokens", "neutral": "random tokens but words of feeling", MATCHED: "all tokens, random direction",
}  # fmt: skip

WHY = {
    "random": "Tokens drawn from all but the first, the last and punctuation; the words of feeling are often among them.",
    "neutral": "The paper's question: is punctuation more than any other token without a feeling of its own?",
}
OWN = "probe on the sentences"
