"""How many dimensions does a dual encoder need, and what do several vectors or a sparse score add
on long documents?

Random projections of made-up documents of rising length are held against a bound; heads on frozen
states of sentences are trained to find the document that a sentence is from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from inscape.charts.curves import curves
from inscape.core.jackknife import left_out
from inscape.core.measured import Measured, fact
from inscape.core.threads import one_torch_thread
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.learn.fit import Budget
from inscape.nets.multi_vector import MultiVector
from inscape.read.bm25 import Bm25
from inscape.read.surface import letters
from inscape.shape.projection_margin import margin, misranked, misranked_bound
from inscape.store.harvest import harvest
from inscape.study.arms import UNTRAINED, Arm, arms
from inscape.study.card import Card, Claim
from inscape.study.opening import opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.long_documents import long_documents

CARD = Card(
    slug="dual-encoder-capacity",
    title="Sparse, Dense, and Attentional Representations for Text Retrieval",
    authors="Luan, Eisenstein, Toutanova and Collins",
    year=2021,
    arxiv="2005.00181",
    room="shape",
    claim="The dimension that dual encoders need grows as margins shrink with document length; a "
    "few vectors a document, and hybrids with sparse scores, are better than one vector.",
    reproduced="Random projections of TF-IDF vectors of documents of 50 to 3,000 words, to 16 to "
    "2,048 dimensions. Then heads on the states of sentences in MiniLM, 128 numbers a document as "
    "one vector or as three or eight, BM25 and their hybrid: which document of 16 sentences is "
    "half of a sentence's words from?",
    controls=(
        "the bound of the paper",
        "relevance shuffled in training",
        "queries whose document is not there",
        "documents of four sentences",
    ),
    claims=dict(
        bound=Claim(
            text="Pairs are misranked no more often than the bound says",
            at_most=0,
            exact="a theorem, checked on the projections that were drawn",
        ),
        dimension=Claim(
            text="The dimension for 95 % of pairs is 4 times as large for the longest documents",
            at_least=4,
        ),
        several=Claim(
            text="Eight vectors find 5 points more documents than one of the same size",
            at_least=0.05,
            over="one vector",
        ),
        hybrid=Claim(
            text="The hybrid is as good as the better of its parts",
            at_least=0,
            over="the better part",
        ),
        shuffled=Claim(
            text="Training on shuffled relevance adds at most 3 points to untrained heads",
            at_most=0.03,
            sanity=True,
        ),
    ),
    answer="The longest documents need {dimension:.0f} times the dimensions of the shortest. Eight "
    "vectors find {several:+.1%} documents over one of the same size; the hybrid finds "
    "{hybrid:+.1%} over its better part.",
    tiny=dict(bound="supported", dimension="any", several="any", hybrid="any", shuffled="any"),
    differs="The authors fine-tune BERT on MS MARCO with mined negatives; here states are frozen, "
    "the heads pool sentences by learnt attention in place of the first tokens, and negatives are "
    "the batch's.",
    group_note="A group is a document, or a query of the projections: the halves of its sentences "
    "are asked together.",
    negative="On seeds 0 to 2 one vector finds 14, 15 and 20 % of documents of 16 sentences, "
    "three vectors 9, 8 and 13 %, and eight 5, 5 and 8 %, where BM25 finds 81, 81 and 86 %: heads "
    "on frozen states learn little from 2,000 sentences, and eight vectors have 16 numbers each. "
    "The weight of BM25 that is best on training documents makes the hybrid no better than BM25 "
    "on others (81, 79 and 85 %). Documents of 800 and 3,000 words need more than the 2,048 "
    "dimensions that are tried, so the ratio of dimensions is a lower bound.",
    seeds=3,
    minutes=dict(tiny=0.1, small=3),
    figure="misranked",
)


@dataclass(frozen=True)
class Config(Settings):
    model: str = "minilm-l6"
    data: str = "library-text"
    lengths: tuple[int, ...] = setting((50, 200, 800, 3000), "words of a document, rising")
    sizes: tuple[int, ...] = setting((16, 32, 64, 128, 256, 512, 1024, 2048), "dimensions, rising")
    queries: int = setting(60, "of the projections, at each length", least=5)
    draws: int = setting(40, "random projections", least=2)
    sentences: int = setting(6000, "of the data; a third is held out", least=200)
    long: int = setting(16, "sentences of a document", least=4)
    steps: int = setting(1500, "of training", least=1)


LETTERS = "letters"
PRESETS = {
    "tiny": Config(
        LETTERS,
        lengths=(50, 400),
        sizes=(16, 128),
        queries=12,
        draws=10,
        sentences=600,
        long=8,
        steps=20,
    ),
    "small": Config(),
    "full": Config(queries=200, draws=400, sentences=40_000, long=32, steps=20_000),
}
NUMBERS, BATCH, SHORT = 128, 32, 4
ONE, THREE, EIGHT = "one vector", "three vectors", "eight vectors"
SPARSE, HYBRID, SHUFFLED = "BM25", "hybrid", "shuffled relevance"


class Sentences(NamedTuple):
    """Sentences, halves of their words in order, and the states of both."""

    texts: list[str]
    halves: list[str]
    states: Tensor
    asked: Tensor


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Project, then train and retrieve."""
    run.asked("How many dimensions does a dual encoder need, and what do several vectors add?")
    _projections(config, run)
    train, test = _sentences(config, run)
    width = train.states.shape[1]
    kinds = {ONE: 1, THREE: 3, EIGHT: 8, SHUFFLED: 8}

    def batches(rng: np.random.Generator, k: int) -> Any:
        n = min(BATCH, len(train.texts) // config.long)
        rows = rng.permutation(len(train.texts))[: n * config.long].reshape(n, -1)
        chosen = rows[np.arange(n), rng.integers(config.long, size=n)]
        return train.asked[chosen], train.states[rows], torch.from_numpy(rng.permutation(n))

    def arm(name: str, m: int) -> Arm:
        def loss(net: Any, batch: Any) -> Tensor:
            right = batch[2] if name == SHUFFLED else torch.arange(len(batch[2]))
            return F.cross_entropy(net(batch[0], batch[1]), right)

        role = "treatment" if name == EIGHT else "baseline"
        return Arm(lambda k: MultiVector(width, NUMBERS // m, m), batches, loss, role=role)

    found = arms(
        run,
        {name: arm(name, m) for name, m in kinds.items()},
        metrics={},
        budget=Budget(config.steps, equal=()),
    )
    for parts in (config.long, SHORT):
        _retrieved(run, {name: nets[0] for name, nets in found.nets.items()}, train, test, parts)


def _projections(config: Config, run: Run) -> None:
    """Misranking of pairs by dimension and length, beside the bound."""
    m = Measured("dimensions for 95 % of pairs", unit="dimensions")
    rows, excess = [], []
    for length in config.lengths:
        rng = run.rng("documents", str(length))
        made = long_documents(config.queries, length, rng=rng)
        mu = margin(made.queries, made.own, made.other)
        ahead = mu > 0
        sides = (made.queries[ahead], made.own[ahead], made.other[ahead])
        wrong = np.zeros((len(config.sizes), len(mu)))
        wrong[:, ahead] = misranked(*sides, config.sizes, draws=config.draws, rng=rng)
        bound = np.stack([misranked_bound(mu[ahead], k).mean() for k in config.sizes])
        observed = wrong[:, ahead].mean(axis=1)
        excess.append((observed - bound).max())
        rows += [
            {"words": length, "dimensions": k, "misranked": o, "bound": b}
            | {"median margin": np.median(mu[ahead]), "pairs": int(ahead.sum())}
            for k, o, b in zip(config.sizes, observed, bound, strict=True)
        ]
        enough = left_out(
            lambda kept, wrong=wrong, ahead=ahead: _enough(config, wrong[:, kept[ahead[kept]]]),
            np.arange(len(mu)),
        )
        m.put_statistic(f"{length:,} words", enough)
    run.claim("bound", fact("largest excess over the bound", max(excess), "share of pairs"))
    last, first = (f"{config.lengths[i]:,} words" for i in (-1, 0))
    run.claim(
        "dimension", m.combined("longest over shortest", np.divide, last, first, unit="ratio")
    )
    frame = pd.DataFrame(rows)
    run.table("misranked", frame, "Share of pairs misranked, the bound and the margins.")
    shown = frame.melt(["words", "dimensions"], ["misranked", "bound"])
    shown["panel"] = [f"{w:,} words" for w in shown["words"]]
    shown["x"] = np.log2(shown["dimensions"])
    chart = curves(
        shown.rename(columns={"variable": "series"}), x="log₂ dimensions", y="share misranked"
    )
    run.figure("misranked", chart, "Pairs misranked by random projections, and the bound.")
    run.show(
        "dimensions",
        m,
        "Dimensions from which 95 % of pairs keep their order, at most the largest.",
    )


def _enough(config: Config, wrong: np.ndarray) -> float:
    """The dimension at which 5 % are misranked, between sizes on a logarithmic scale; the largest
    where none suffices.
    """
    share = np.minimum.accumulate(wrong.mean(axis=1))
    return float(2 ** np.interp(-0.05, -share, np.log2(config.sizes)))


def _sentences(config: Config, run: Run) -> tuple[Sentences, Sentences]:
    """Sentences of some modules to train on, and of others to test."""
    if config.model == LETTERS:
        model, data = None, load(config.data)
    else:
        model, data, _ = opened(config, run)
    frame = data.frame.assign(
        sentence=[
            [
                s
                for s in re.split(r"(?<=[.!?])\s+", " ".join(t.split()))
                if 6 <= len(s.split()) <= 30
            ]
            for t in data.texts()
        ]
    )
    frame = frame.explode("sentence").dropna(subset="sentence").drop_duplicates("sentence")
    frame = frame.iloc[: config.sentences]
    texts, rng = frame["sentence"].tolist(), run.rng("halves")
    halves = [
        " ".join(w for w, keep in zip(words, rng.permutation(len(words)) % 2, strict=True) if keep)
        for words in map(str.split, texts)
    ]
    if model is None:
        states = letters([*texts, *halves], width=64, longest=3)
    else:
        both = Examples(pd.DataFrame({"text": [*texts, *halves]}), "text")
        ((_, states),) = harvest(model, both, "resid_post.-1", at="mean").matrices()
    names = frame[data.group].to_numpy()
    held = np.isin(names, run.rng("held").permutation(np.unique(names))[::3])
    whole, parts = np.split(np.asarray(states, dtype=np.float64), 2)
    known = whole[~held]
    scaled = [(x - known.mean(axis=0)) / known.std(axis=0).clip(1e-9) for x in (whole, parts)]
    train, test = (
        Sentences(_taken(texts, side), _taken(halves, side), *(_tensor(x[side]) for x in scaled))
        for side in (~held, held)
    )
    return train, test


def _tensor(x: np.ndarray) -> Tensor:
    return torch.from_numpy(x).float()


def _taken(texts: Sequence[str], kept: np.ndarray) -> list[str]:
    return [t for t, keep in zip(texts, kept, strict=True) if keep]


@torch.no_grad()
def _retrieved(
    run: Run, nets: dict[str, Any], train: Sentences, test: Sentences, parts: int
) -> None:
    """Which document is found first for the half of each of its sentences."""
    scores, truth = {}, {}
    for side, own in (("train", train), ("test", test)):
        n = len(own.texts) // parts
        order = run.rng("documents", side, str(parts)).permutation(len(own.texts))[: n * parts]
        documents = [" ".join(own.texts[i] for i in row) for row in order.reshape(n, parts)]
        asked, states = own.asked[order], own.states[order].reshape(n, parts, -1)
        truth[side] = np.repeat(np.arange(n), parts)
        scores[side] = {name: net(asked, states).double().numpy() for name, net in nets.items()}
        scores[side][SPARSE] = Bm25(documents).scores([own.halves[i] for i in order])
    weights = np.linspace(0, 1, 21)

    def mixed(side: str, weight: float) -> np.ndarray:
        own = (s / s.std() for s in (scores[side][EIGHT], scores[side][SPARSE]))
        dense, sparse = own
        return (1 - weight) * dense + weight * sparse

    def hit(table: np.ndarray, side: str) -> np.ndarray:
        return (table.argmax(axis=1) == truth[side]).astype(float)

    best = max(weights, key=lambda w: hit(mixed("train", w), "train").mean())
    scores["test"][HYBRID] = mixed("test", best)
    m = Measured(f"recall at 1, {parts} sentences", groups=truth["test"], unit="share")
    for name, table in scores["test"].items():
        m.put(name, hit(table, "test"), role="treatment" if name in (EIGHT, HYBRID) else "baseline")
    absent = scores["test"][EIGHT].copy()
    absent[np.arange(len(absent)), truth["test"]] = -np.inf
    m.put("its document not there", hit(absent, "test"), role="baseline")
    run.log("%d documents, weight of BM25 %.2f", truth["test"].max() + 1, best)
    if parts != SHORT:
        run.claim("several", m.gain(EIGHT, over=ONE))
        above = lambda h, a, b: h - np.maximum(a, b)  # noqa: E731
        run.claim("hybrid", m.combined("hybrid over its better part", above, HYBRID, EIGHT, SPARSE))
        run.claim("shuffled", m.gain(SHUFFLED, over=UNTRAINED))
    run.show(f"recall-{parts}", m, f"Recall at 1 of documents of {parts} sentences.")
