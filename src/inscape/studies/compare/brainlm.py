"""Are the words of a larger language model more like responses of a brain to them?

Reference: Li et al. (2023), arXiv:2306.01930; `inscape.compare.translation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

from inscape.compare import TranslationMap, rsa
from inscape.core import Measured, child_seed, left_out, one_torch_thread
from inscape.learn import Budget, Gradient
from inscape.study import Arm, Bounded, Card, Claim, Run, arms, setting
from inscape.worlds import WordMeanings, responses, small_llama, word_meanings

CARD = Card(
    slug="brainlm",
    title="Structural Similarities Between Language Models and Neural Response Measurements",
    authors="Li, Karamolegkou, Kementchedjhieva, Abdou, Lehmann and Søgaard",
    year=2023,
    arxiv="2306.01930",
    room="compare",
    claim="The larger a language model, the more the geometry of its words is like that of "
    "responses of a brain.",
    reproduced="Language models of five widths learn texts in which words go together by meanings "
    "of 20 features; the brain is made: 300 nonlinear, noisy voxels of the same meanings. So this "
    "tests the method, and whether width matters where all models see the same texts; no brain is "
    "measured.",
    controls=(
        "permuted words",
        "each model at its initial weights",
        "a brain of other meanings",
    ),
    claims=dict(
        size=Claim(text="Width and precision@10 rise together, Spearman 0.8", at_least=0.8),
        words=Claim(
            text="From width 32 on, held-out words are found above permuted words",
            at_least=0,
            null="permuted words",
        ),
        untrained=Claim(
            text="From width 32 on, the mean over networks is above that at their initial weights",
            at_least=0,
            over="initial weights",
        ),
        other=Claim(
            text="Words are found in a brain of other meanings by chance, 10 of 200",
            at_least=0.025,
            at_most=0.075,
            sanity=True,
        ),
    ),
    answer="Width and precision@10 have a Spearman correlation of {size:.2f}. At the weakest width "
    "from 32 on, precision@10 is {words:.2f}, and the least gain over initial weights "
    "{untrained:+.2f}.",
    # a training so short decides nothing about networks
    tiny=dict(size="any", words="any", untrained="any", other="any"),
    differs="The authors take pretrained models of four families and fMRI of people who read a "
    "story, and choose layers; here the last layer, a ridge map beside Procrustes, halves of the "
    "words held out in turn and looked up among themselves.",
    group_note="Words are what varies, each averaged over the networks; for the correlation, "
    "networks.",
    negative="On seeds 0 to 2 width and precision have a rank correlation of 0.97, 0.95 and 0.95; "
    "on seed 1 its interval over four networks begins at 0.63, below the criterion.",
    seeds=3,
    minutes=dict(tiny=0.1, small=5),
    figure="by-width",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    widths: tuple[int, ...] = setting((8, 16, 32, 64, 128), "of the language models, rising")
    networks: int = setting(4, "of each width, of different random starts", least=3)
    steps: int = setting(400, "of training", least=1)
    words: int = setting(400, "of the vocabulary", least=50)
    features: int = setting(20, "of a meaning", least=1)
    texts: int = setting(4000, "over which the states of a word are averaged", least=10)
    voxels: int = setting(300, "of the made brain", least=2)
    noise: float = setting(1.0, "in standard deviations of a voxel's signal", least=0)
    draws: int = 99


PRESETS = {
    "tiny": Config((8, 32, 64), 3, 30, 100, 6, 300, 60, draws=19),
    "small": Config(),
    "full": Config(widths=(8, 16, 32, 64, 128, 256), networks=10, steps=5000, draws=499),
}
#: words of a text, texts of a batch, folds of words, and the least width of the claims
LENGTH, BATCH, FOLDS, WIDE = 16, 32, 2, 32
FIRST, PERMUTED, OTHER = "initial weights", "permuted words", "other meanings"


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train, map words into the brain, and look up words that the map has not seen."""
    run.asked("Are the words of a larger language model more like responses of a brain to them?")
    made = word_meanings(config.words, config.features, rng=run.rng("meanings"))
    seen = responses(made.meaning, config.voxels, noise=config.noise, rng=run.rng("brain"))
    blank = run.rng("other").normal(size=made.meaning.shape)
    other = responses(blank, config.voxels, noise=config.noise, rng=run.rng("other brain"))
    nets = _trained(config, run, made)
    texts = torch.as_tensor(made.texts(config.texts, LENGTH, rng=run.rng("texts")))
    rows = {d: [_words(net, texts, config.words) for net in own] for d, own in nets.items()}
    fresh = {
        d: [_words(_start(config, run, d, k), texts, config.words) for k in range(config.networks)]
        for d in config.widths
    }
    hits = {d: np.stack([_hits(x, seen) for x in own]) for d, own in rows.items()}
    wide = [d for d in config.widths if d >= WIDE]
    m = Measured("precision@10 of held-out words", unit="share")
    shown = []
    for d in config.widths:
        found = {
            "trained": hits[d],
            "trained, Procrustes": np.stack([_hits(x, seen, "orthogonal") for x in rows[d]]),
            FIRST: np.stack([_hits(x, seen) for x in fresh[d]]),
            OTHER: np.stack([_hits(x, other) for x in rows[d]]),
        }
        for name, values in found.items():
            role = "treatment" if name.startswith("trained") else "baseline"
            m.put(f"{name}, {d}", values.mean(axis=0), role=role)
            where = {"condition": name, "log2 of the width": float(np.log2(d))}
            shown.append(m.value(f"{name}, {d}", where=where))
    trained, start, apart = ([f"{a}, {d}" for d in wide] for a in ("trained", FIRST, OTHER))
    _weakest(config, run, m, seen, [rows[d] for d in wide], trained)
    least = partial(_least_gain, len(wide))
    run.claim("untrained", m.combined("least gain over initial weights", least, *trained, *start))
    run.claim("other", m.combined("other meanings", lambda *p: np.mean(p, axis=0), *apart))
    caption = f"Words that the map has not seen, looked up among {config.words // FOLDS}; chance "
    caption += f"is {10 * FOLDS / config.words:.3f}."
    run.curve("by-width", shown, caption, x="log2 of the width", nulls=(FIRST, OTHER))
    each = np.stack([hits[d].mean(axis=1) for d in config.widths], axis=1)
    by = Measured("Spearman correlation of width and precision@10", unit="ρ")
    rank = partial(_rank, config.widths, each)
    by.put_statistic("all networks", left_out(rank, np.arange(len(each)), "correlation"))
    run.claim("size", by.value("all networks"))
    m = Measured("RSA with the brain", unit="ρ-a")
    met = np.unique(texts)  # a word that no text holds has no state to compare
    for name, own in (("trained", rows), (FIRST, fresh)):
        for d in config.widths:
            role = "treatment" if name == "trained" else "reference"
            m.put(f"{name}, {d}", [rsa(x[met], seen[met]) for x in own[d]], role=role)
    run.show("rsa", m, "Rank correlation of dissimilarities of words with the brain's.")


def _start(config: Config, run: Run, width: int, k: int) -> nn.Module:
    """A language model at its initial weights; the filler is token 0."""
    seed = child_seed(run.seed, "start", str(width), str(k))
    return small_llama(config.words + 1, width, seed)


def _trained(config: Config, run: Run, made: WordMeanings) -> dict[int, list[nn.Module]]:
    """Language models of every width; what their predictions cost in nats is kept as a figure."""
    test = torch.as_tensor(made.texts(200, LENGTH, rng=run.rng("test")))

    def batches(rng: np.random.Generator, k: int) -> Tensor:
        return torch.as_tensor(made.texts(BATCH, LENGTH, rng=rng))

    found = arms(
        run,
        {
            f"width {d}": Arm(
                net=partial(_start, config, run, d),
                batches=batches,
                objective=lambda net, texts: _losses(net, texts).mean(),
                update=Gradient(lr=3e-3, schedule="cosine"),
            )
            for d in config.widths
        },
        metrics={"loss": lambda net, k: _losses(net, test).mean(1).numpy()},
        budget=Budget(config.steps, equal=()),
        seeds=config.networks,
    )
    run.show("loss", found.measured("loss", unit="nats a word"))
    return {d: found.nets[f"width {d}"] for d in config.widths}


def _losses(net: Any, texts: Tensor) -> Tensor:
    """Of each text and word but the first, in nats."""
    logits = net(input_ids=texts + 1).logits[:, :-1]
    return F.cross_entropy(logits.transpose(1, 2), texts[:, 1:] + 1, reduction="none")


def _words(net: Any, texts: Tensor, words: int) -> np.ndarray:
    """The last state of each word, averaged over all places where it stands; zero where it does
    not.
    """
    total, count = 0.0, np.bincount(texts.flatten(), minlength=words)
    for part in texts.split(500):
        with torch.no_grad():
            states = net.model(input_ids=part + 1).last_hidden_state.flatten(0, 1).double()
        sums = torch.zeros(words, states.shape[1], dtype=torch.float64)
        total = total + sums.index_add_(0, part.flatten(), states)
    return np.asarray(total) / np.maximum(count, 1)[:, None]


def _hits(x: np.ndarray, brain: np.ndarray, kind: str = "ridge") -> np.ndarray:
    """Whether each word is among the ten of its fold nearest to where a map of the other fold puts
    it.

    Among all words it would be at less than chance: a fitted word's vector is a part of the map.
    """
    number, out = np.arange(len(x)), np.zeros(len(x))
    for fold in range(FOLDS):
        test = number % FOLDS == fold
        mapped = TranslationMap(kind).fit(x[~test], brain[~test])
        out[test] = mapped.hits(x[test], brain[test], np.arange(test.sum()), k=10, csls=None)
    return out


def _weakest(
    config: Config,
    run: Run,
    m: Measured,
    brain: np.ndarray,
    rows: list[list[np.ndarray]],
    names: list[str],
) -> None:
    """The width that finds fewest words, against the best width of a network whose words are
    permuted.
    """
    rng, drawn = run.rng("permuted"), []
    with run.progress("permute words", total=config.draws, unit="draws") as bar:
        for draw in range(config.draws):
            moved = brain[rng.permutation(len(brain))]
            drawn.append(max(_hits(own[draw % len(own)], moved).mean() for own in rows))
            bar.advance()
    scores = [m.conditions[name].mean for name in names]
    at = int(np.argmin([s.value for s in scores]))
    weakest = Measured("precision@10 at the weakest width", unit="share")
    weakest.put_statistic(names[at], scores[at])
    weakest.put_draws(PERMUTED, drawn)
    run.claim("words", weakest.value(names[at], null=PERMUTED))


def _rank(widths: tuple[int, ...], scores: np.ndarray, networks: np.ndarray) -> float:
    """Of width and score over the networks of these random starts, (networks, widths)."""
    own = scores[networks]
    return float(spearmanr(np.tile(widths, len(own)), own.ravel()).statistic)


def _least_gain(widths: int, *scores: np.ndarray) -> np.ndarray:
    return np.min(np.stack(scores[:widths]) - np.stack(scores[widths:]), axis=0)
