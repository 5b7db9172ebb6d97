"""Do networks that foresee the next word cluster their states by its class, which nobody told them?

A recurrent network and a transformer learn the text of a grammar with known word classes, nine
words at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.manifold import TSNE
from torch import nn
from torch.nn import functional as F

from inscape.charts import points
from inscape.core import Measured, least_fall, means_apart, one_torch_thread
from inscape.learn import Budget
from inscape.nets import NextWord
from inscape.read import LogisticProbe
from inscape.shape import discrimination_value
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, Arm, arms
from inscape.worlds.word_classes import CLASSES, WORDS, Windows, bigram_accuracy, text

CARD = Card(
    slug="word-class-emergence",
    title="Word class representations spontaneously emerge in a deep neural network trained on "
    "next word prediction",
    authors="Surendra, Schilling, Stoewer, Maier and Krauss",
    year=2023,
    arxiv="2302.07588",
    room="shape",
    claim="Without any labels of syntax, hidden states of nine words cluster by the class of the "
    "word that comes next, more so in deeper layers.",
    reproduced="An LSTM and a transformer of two layers, five random starts each, on a grammar of "
    "nine word classes whose nouns and verbs share a third of their words. The generalised "
    "discrimination value (GDV) and a linear probe of the next class at every layer.",
    controls=(
        "the untrained networks",
        "shuffled labels",
        "the class of the last word in place of the next",
        "the commonest class after the last word (bigrams), counted on all of the training text",
        "a probe of the last word's embedding",
    ),
    claims=dict(
        lstm=Claim(
            text="The GDV of the LSTM's last layer is 0.08 below the untrained one's", at_least=0.08
        ),
        transformer=Claim(
            text="The GDV of the transformer's last layer is 0.08 below the untrained one's",
            at_least=0.08,
        ),
        deeper=Claim(
            text="Deeper layers have a lower GDV, at the step of least fall",
            at_least=0,
            over="the layer before",
        ),
        bigram=Claim(
            text="The probe of the last layer is 5 points above bigrams",
            at_least=0.05,
            over="bigrams",
        ),
        embedding=Claim(
            text="It is above a probe of the last word's embedding",
            at_least=0,
            over="the last word's embedding",
        ),
        shuffled=Claim(
            text="Shuffled labels give a GDV within 0.01 of zero",
            at_least=-0.01,
            at_most=0.01,
            sanity=True,
        ),
    ),
    answer="The last layer's GDV falls by {lstm:.2f} in the LSTM and by {transformer:.2f} in the "
    "transformer, by {deeper:.2f} at least from layer to layer. A probe names the next class "
    "{bigram:.1 points} better than bigrams.",
    # networks that have learnt for a moment decide nothing about trained ones
    tiny=dict(
        lstm="any",
        transformer="any",
        deeper="any",
        bigram="any",
        embedding="any",
        shuffled="any",
    ),
    differs="The authors train on a German novel, with classes by a tagger, and count words of the "
    "input that follow one another; here the classes are those of the grammar. Real text is left "
    "out, since classes would be guesses. Bigrams are counted with the classes of all of the text that "
    "the networks are trained on; the probe sees the classes of 1,500 windows.",
    group_note="A network is what varies: intervals are over random starts.",
    seeds=3,
    minutes=dict(tiny=0.1, small=5),
    figure="gdv",
)


@dataclass(frozen=True)
class Config(Bounded):
    networks: int = setting(5, "random starts of each kind", least=3)
    steps: int = setting(1500, "of training", least=1)
    width: int = setting(64, "of embeddings and states", least=4)
    words: int = setting(200_000, "of the training text", least=1000)
    windows: int = setting(1500, "held-out windows, and as many to fit probes on", least=100)


PRESETS = {
    "tiny": Config(networks=3, steps=30, width=16, words=5000, windows=200),
    "small": Config(),
    "full": Config(networks=10, steps=20_000, width=256, words=2_000_000, windows=4000),
}
LENGTH, BATCH, KINDS = 9, 64, ("LSTM", "transformer")
LAYERS = ("embedding", "layer 1", "layer 2")


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train both kinds, then look at the state at the last word."""
    run.asked("Do networks that foresee the next word cluster their states by its class?")
    known, new = (
        text(config.words, rng=run.rng(side)).windows(
            config.windows, LENGTH, rng=run.rng(side, "windows")
        )
        for side in ("probe", "test")
    )
    written = text(config.words, rng=run.rng("text"))

    def batches(rng: np.random.Generator, k: int) -> Any:
        made = written.windows(BATCH, LENGTH, rng=rng)
        return torch.from_numpy(made.words), torch.from_numpy(made.following)

    look = partial(_looked, known=known, new=new, run=run)
    parts, nets = [], {}
    for kind in KINDS:
        found = arms(
            run,
            {
                kind: Arm(
                    net=lambda k, kind=kind: NextWord(WORDS, LENGTH, kind, width=config.width),
                    batches=batches,
                    objective=lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]),
                )
            },
            metrics={},
            budget=Budget(config.steps),
            seeds=config.networks,
            name=kind.lower(),
        )
        nets[kind] = found.nets[kind][0]
        for state, own in ((kind, found.nets[kind]), (UNTRAINED, found.nets[UNTRAINED])):
            parts += [
                pd.DataFrame(look(net)).assign(kind=kind, trained=state == kind, network=k)
                for k, net in enumerate(own)
            ]
    frame = pd.concat(parts, ignore_index=True)
    mean = frame.groupby(["kind", "trained", "layer"], as_index=False, sort=False).mean(
        numeric_only=True
    )
    run.table("layers", mean.drop(columns="network"), "Every layer, mean over random starts.")
    _claims(config, run, frame, bigram_accuracy(written.pairs(), new))
    for kind, net in nets.items():
        _map(run, kind, net, new)


def _looked(net: nn.Module, known: Windows, new: Windows, run: Run) -> list[dict[str, Any]]:
    """GDV of the next word's class, its controls, and what a probe names, at every layer."""
    order = run.rng("shuffled").permutation(len(new.classes))
    with torch.no_grad():
        sides = [[h.numpy() for h in net.layers(torch.from_numpy(x.words))] for x in (known, new)]
    return [
        {
            "layer": layer,
            "GDV": discrimination_value(h, new.classes),
            "GDV of shuffled labels": discrimination_value(h, new.classes[order]),
            "GDV of the last word": discrimination_value(h, new.last),
            "probe": (
                LogisticProbe(Cs=(1.0,)).fit(g, known.classes).predict(h) == new.classes
            ).mean(),
        }
        for layer, g, h in zip(LAYERS, *sides, strict=True)
    ]


def _claims(config: Config, run: Run, frame: pd.DataFrame, bigrams: float) -> None:
    wide = frame.pivot(index=["kind", "trained", "layer"], columns="network")
    gdv = Measured("GDV of the next word's class", unit="GDV", direction="lower")
    probe = Measured("accuracy of the probe of the next class", unit="accuracy")
    cells = {
        f"{start}{kind}, {layer}": (kind, not start, layer)
        for kind, layer, start in product(KINDS, LAYERS, ("", "untrained "))
    }
    learnt = [name for name, (_, trained, _) in cells.items() if trained]
    found = {name: wide["GDV"].loc[cell] for name, cell in cells.items()}
    gdv.put_each(found, roles=dict.fromkeys(learnt, "treatment"), role="reference")
    probe.put_each({name: wide["probe"].loc[cells[name]] for name in learnt})
    last = LAYERS[-1]
    for id, kind in zip(("lstm", "transformer"), KINDS, strict=True):
        run.claim(id, gdv.fall(f"{kind}, {last}", below=f"untrained {kind}, {last}"))
    n = len(LAYERS)
    least = lambda *s: np.minimum(least_fall(*s[:n]), least_fall(*s[n:]))  # noqa: E731
    falls = gdv.combined("least fall from layer to layer", least, *learnt, direction="higher")
    run.claim("deeper", falls)
    shuffled = Measured("GDV of shuffled labels", unit="GDV")
    drawn = frame[frame["trained"]].groupby("network")["GDV of shuffled labels"].mean()
    shuffled.put("trained", drawn.to_numpy())
    run.claim("shuffled", shuffled.value("trained"))
    probe.put("bigrams", np.full(config.networks, bigrams), role="baseline")
    first, last_two = ([f"{kind}, {layer}" for kind in KINDS] for layer in (LAYERS[0], last))
    over = ["bigrams"] * len(KINDS)
    run.claim("bigram", probe.combined("gain over bigrams", means_apart, *last_two, *over))
    run.claim(
        "embedding", probe.combined("gain over the embedding", means_apart, *last_two, *first)
    )
    run.show("gdv", gdv)
    run.show("probe", probe)


def _map(run: Run, kind: str, net: nn.Module, new: Windows) -> None:
    """One network's last states in the plane, by the class of the next word."""
    with torch.no_grad():
        states = net.layers(torch.from_numpy(new.words[:400]))[-1].numpy()
    flat = TSNE(random_state=0, init="pca", perplexity=20).fit_transform(states)
    frame = pd.DataFrame(flat, columns=["x", "value"]).assign(
        series=[CLASSES[c] for c in new.classes[:400]]
    )
    chart = points(frame.sort_values("series"), x="first axis", y="second axis")
    run.figure(
        f"map-{kind.lower()}",
        chart,
        f"t-SNE of the {kind}'s last states, by the class of the next word.",
    )
