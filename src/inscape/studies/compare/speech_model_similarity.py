"""Do a contrastive and a predictive network of speech share their neurons, or only their space?

Reference: El Kheir, Ali and Chowdhury (2024), arXiv:2406.16099; `inscape.compare.neuron_map`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch

from inscape.charts import cells, matrix
from inscape.compare import (
    Span,
    attention_similarity,
    fitted_similarities,
    linear_table,
    neuron_map,
    predictivity,
    similarity_map,
)
from inscape.core import Measured, fact, one_torch_thread
from inscape.learn import Budget, span_mask
from inscape.recipes.speech_encoders import (
    CONTRASTIVE,
    PREDICTIVE,
    Heard,
    encoders,
    heard,
    hidden_frames_found,
    tuned_to_phones,
)
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, arms

CARD = Card(
    slug="speech-model-similarity",
    title="Speech Representation Analysis based on Inter- and Intra-Model Similarities",
    authors="El Kheir, Ali and Chowdhury",
    year=2024,
    arxiv="2406.16099",
    room="compare",
    claim="Contrastive and predictive networks of speech converge to similar subspaces, but not to "
    "similar neurons.",
    reproduced="Four small encoders of speech made by rule: two find hidden frames among others, "
    "as wav2vec 2.0 does, two name their cluster, as HuBERT does. Layers are compared on voices "
    "that none has heard: neuron by neuron, by regression, as subspaces, and by what heads attend "
    "to; retention is the value between objectives over that of adjacent layers of one network. "
    "One encoder is then tuned to name phones.",
    controls=(
        "a copy rotated at random",
        "frames of an utterance shuffled in time",
        "untrained networks",
        "networks of one objective and other random starts",
    ),
    claims=dict(
        retention=Claim(
            text="Between objectives linear CKA keeps 0.1 more of its value than the correlation "
            "with the best neuron does",
            at_least=0.1,
        ),
        rotated=Claim(
            text="A rotation of one network moves linear CKA by at most 0.01",
            at_most=0.01,
            exact="an identity up to rounding, of fixed networks",
        ),
        neurons=Claim(
            text="A rotated copy's best neurons correlate 0.3 less than the network's own do",
            at_least=0.3,
        ),
        shuffled=Claim(
            text="With frames shuffled in time linear CKA between objectives is at most 0.1",
            at_most=0.1,
        ),
    ),
    answer="Between objectives linear CKA keeps {retention:+.2f} more of its value within a "
    "network than the best neuron's correlation does. A rotation leaves CKA as it is "
    "({rotated:.4f}) and takes {neurons:.2f} of the correlation away; frames shuffled in time "
    "leave a CKA of {shuffled:.2f}.",
    # a training so short decides nothing about networks
    tiny=dict(retention="any", rotated="supported", neurons="any", shuffled="any"),
    differs="The authors compare wav2vec 2.0 and HuBERT on recordings, each measure on the rows it "
    "was fitted to; here networks a hundredth of the size on log-mel frames, without quantised "
    "targets, CKA debiased and regression scored on other voices. Their Pearson similarity of "
    "attention takes the first head alone of the other network; here every head.",
    group_note="A voice is what varies; the two pairs of networks count as draws. Networks of a "
    "pair have other random starts, since equal ones would share neurons from the beginning.",
    negative="On seeds 0 to 2 CKA's retention is above the best neuron's by 0.12, 0.06 and 0.11: "
    "on the wrong side of the criterion on seed 1, and with intervals that hold it on the others. "
    "These networks do not converge: CKA between objectives is 0.75, 0.72 and 0.73, within one "
    "objective 0.89, 0.88 and 0.89, and between untrained networks, which all pass log-mel frames "
    "on, 0.95, 0.96 and 0.94. The first claim needs no training: as shares of the same adjacent "
    "layers, CKA of untrained networks is above their best neuron by 0.26, 0.24 and 0.25, and that "
    "within one objective by 0.23, 0.18 and 0.21. A rotation takes 0.29, 0.27 and 0.29 of the best "
    "neuron's correlation, where 0.3 was the criterion: a rotated copy's best neurons still "
    "correlate 0.71.",
    seeds=3,
    minutes=dict(tiny=0.2, small=4),
    figure="grains",
)


@dataclass(frozen=True)
class Config(Bounded):
    steps: int = setting(300, "of each training", least=2)
    width: int = setting(128, "of a token, a multiple of 16", least=16)
    utterances: int = setting(240, "of training, 1.3 seconds each", least=16)
    voices: int = setting(12, "that none of the networks has heard", least=4)
    frames: int = setting(20, "of each of their utterances that are compared", least=4)


PRESETS = {
    "tiny": Config(steps=10, width=32, utterances=24, voices=6, frames=8),
    "small": Config(),
    "full": Config(steps=20_000, width=256, utterances=5000, voices=40, frames=20),
}
TUNED = "tuned to phones"
BETWEEN, SAME, WITHIN = "between objectives", "same objective", "adjacent layers"
#: utterances of each voice, blocks of a network
EACH, BLOCKS = 4, 4
KINDS = (BETWEEN, SAME, WITHIN, UNTRAINED)
CKA, NEURON = "linear CKA", "best neuron"
OTHERS = ("SVCCA", "PWCCA", "regression", "attention: Pearson", "Frobenius", "Jensen–Shannon")
#: networks by kind and random start, whose layers stand one after the other
SITES = [*product((CONTRASTIVE, PREDICTIVE, UNTRAINED), (0, 1)), (TUNED, 0)]


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train, compare at four grains, and check what each measure sees."""
    run.asked("Do a contrastive and a predictive network of speech share neurons, or a space?")
    train, test = heard(config.utterances, config.voices, EACH, rng=run.rng)
    nets = _trained(config, run, train, test)
    every = np.tile(np.arange(test.frames.shape[1]), (len(test.frames), 1))
    kept = np.sort(run.rng("frames").permuted(every, axis=1)[:, : config.frames])[..., None]
    some = test.frames[: 2 * config.voices]
    with torch.no_grad():
        layers = [
            np.take_along_axis(h.double().numpy(), kept, 1).reshape(-1, config.width)
            for site in SITES
            for h in nets[site].layers(test.frames)
        ]
        heads = [a for site in SITES for a in nets[site].attention(some).double().numpy()]
    groups = np.repeat(test.speech.voices, config.frames)
    _grains(run, layers, heads, groups)
    _controls(run, layers, groups, config.frames)


def _trained(config: Config, run: Run, train: Heard, test: Heard) -> dict[tuple[str, int], Any]:
    """Two networks of each objective, two untrained ones, and one tuned further."""
    hidden = span_mask(*test.clusters.shape, rng=run.rng("hidden"))
    found = arms(
        run,
        encoders(train, config.width),
        metrics={"found": lambda net, k: hidden_frames_found(net, test, hidden).numpy()},
        budget=Budget(config.steps, tolerance=0.2),
        seeds=2,
    )
    run.show(
        "found",
        found.measured("found", unit="share"),
        "Hidden frames of new voices that are found among the others (contrastive) or whose "
        f"cluster is named (predictive). A guess finds one of {hidden.sum(1).double().mean():.0f}; "
        "the commonest cluster has "
        f"{test.clusters.flatten().bincount().max() / hidden.numel():.0%} of the frames.",
    )
    truth = test.speech.phones
    tuned = arms(
        run,
        {TUNED: tuned_to_phones(found.nets[CONTRASTIVE][0], train)},
        metrics={"phones": lambda net, k: (net(test.frames).argmax(2).numpy() == truth).mean(1)},
        budget=Budget(config.steps // 2),
        name="tuning",
    )
    run.show("phones", tuned.measured("phones", unit="share"), "Frames whose phone is named.")
    nets = {(kind, k): net for kind, own in found.nets.items() for k, net in enumerate(own)}
    return nets | {(TUNED, 0): tuned.nets[TUNED][0]}


def _pairs(kind: str) -> list[list[tuple[int, int]]]:
    """Of each pair of networks, or each network, the layers that are compared, as places among all
    layers.
    """
    first = {site: BLOCKS * i for i, site in enumerate(SITES)}
    trained = list(product((CONTRASTIVE, PREDICTIVE), (0, 1)))
    if kind == WITHIN:
        return [[(first[n] + i, first[n] + i + 1) for i in range(BLOCKS - 1)] for n in trained]
    if kind == BETWEEN:
        sides = [((CONTRASTIVE, k), (PREDICTIVE, 1 - k)) for k in (0, 1)]
    else:
        names = (UNTRAINED,) if kind == UNTRAINED else (CONTRASTIVE, PREDICTIVE)
        sides = [((name, 0), (name, 1)) for name in names]
    return [[(first[a] + i, first[b] + i) for i in range(BLOCKS)] for a, b in sides]


def _grains(
    run: Run,
    layers: list[np.ndarray],
    heads: list[np.ndarray],
    groups: np.ndarray,
) -> None:
    """Every measure between networks and within them, and what is retained."""
    maps = {
        CKA: similarity_map([linear_table(x) for x in layers], groups=groups),
        NEURON: neuron_map(layers, layers, groups=groups),
    }
    m = Measured("similarity", unit="similarity", kind="bounded")
    for (name, found), kind in product(maps.items(), KINDS):
        role = {BETWEEN: "treatment", UNTRAINED: "reference"}.get(kind, "baseline")
        draws = [found.mean(*np.transpose(pairs), both=True) for pairs in _pairs(kind)]
        m.put_statistic(f"{name}, {kind}", *draws, role=role)
    ends = {name: (f"{name}, {BETWEEN}", f"{name}, {WITHIN}") for name in maps}
    run.claim(
        "retention",
        m.combined(
            "retention of linear CKA − of the best neuron",
            lambda a, b, c, d: a / b - c / d,
            *ends[CKA],
            *ends[NEURON],
            unit="retention",
        ),
    )
    run.show("similarity", m, "Linear CKA and correlation with the best neuron.")
    kept = [
        m.ratio(own, over=other, name="retention", unit="retention", where={"condition": name})
        for name, (own, other) in ends.items()
    ]
    run.show("retention", kept, "Between objectives, as a share of that of adjacent layers.")
    rows = {kind: _other_measures(run, layers, heads, groups, kind) for kind in KINDS}
    frame = pd.DataFrame(rows).T
    for name in maps:
        frame[name] = [m.value(f"{name}, {kind}").value for kind in KINDS]
    titles = {"row": "layers compared", "column": "measure"}
    shown = cells(frame.to_numpy(), list(frame.index), list(frame))
    chart = matrix(shown, value="similarity", domain=(0, 1), **titles)
    # a share of what may be negative, as the Frobenius similarity is, says nothing
    share = frame.loc[BETWEEN] / frame.loc[WITHIN]
    frame.loc["retention"] = share.where((frame.loc[[BETWEEN, WITHIN]] > 0).all())
    caption = (
        "Similarity of layers by eight measures, mean over layers, both ways and pairs of networks."
    )
    run.figure("grains", chart, caption)
    run.table("grains", frame.rename_axis("compared").reset_index(), caption)
    names = [f"{a} {i + 1}" for a in (CONTRASTIVE, PREDICTIVE) for i in range(BLOCKS)]
    here = [*range(BLOCKS), *range(3 * BLOCKS, 4 * BLOCKS)]
    for name, found in maps.items():
        shown = cells(found.values[np.ix_(here, here)], names)
        titles = {"row": "layer of one network", "column": "layer of another network"}
        chart = matrix(shown, value=name, domain=(0, 1), cell=52, **titles)
        run.figure(name.replace(" ", "-").lower(), chart, f"{name}, of the layers of two networks.")
    about = {"name": "similarity to the layer before tuning", "unit": "similarity"}
    last = BLOCKS * SITES.index((TUNED, 0))
    tuned = [
        found.evidence(i, last + i, where={"layer": i + 1, "condition": name}, **about)
        for name, found in maps.items()
        for i in range(BLOCKS)
    ]
    run.curve("tuned", tuned, "A contrastive network before and after tuning.", x="layer")


def _other_measures(
    run: Run, layers: list[np.ndarray], heads: list[np.ndarray], groups: np.ndarray, kind: str
) -> dict[str, float]:
    """Regression, subspaces and attention, mean over pairs of layers and both ways."""
    found = []
    for i, j in [p for pairs in _pairs(kind) for a, b in pairs for p in ((a, b), (b, a))]:
        x, y = layers[i], layers[j]
        near = predictivity(y, x, groups=groups, rng=run.rng("regression")).by_neuron
        spans = [[Span.of(side, variance=v) for side in (x, y)] for v in (0.99, 1.0)]
        svcca, pwcca = (fitted_similarities(*pair) for pair in spans)
        attended = attention_similarity(heads[i], heads[j]).best()
        found.append((svcca.cca, pwcca.pwcca, np.sqrt(np.maximum(near, 0)).mean(), *attended))
    return dict(zip(OTHERS, np.mean(found, axis=0).tolist(), strict=True))


def _controls(run: Run, layers: list[np.ndarray], groups: np.ndarray, frames: int) -> None:
    """A rotation of one side, and frames shuffled in time or among all utterances."""
    one, two = (list(side) for side in np.concatenate(_pairs(BETWEEN)).T)
    x, y = ([layers[i] for i in side] for side in (one, two))
    own = np.arange(len(x))
    rng = run.rng("rotation")
    turned = [h @ np.linalg.qr(rng.normal(size=2 * h.shape[1:]))[0] for h in x]
    order = np.arange(len(groups)).reshape(-1, frames)
    shuffled = run.rng("shuffled").permuted(order, axis=1).ravel()
    moved = {
        "as it is": (x, y),
        "rotated": (turned, y),
        "shuffled in time": (x, [h[shuffled] for h in y]),
        "shuffled among all": (x, [h[run.rng("all").permutation(len(h))] for h in y]),
    }
    m, values = Measured("linear CKA between objectives", unit="CKA"), {}
    for name, sides in moved.items():
        found = similarity_map(*([linear_table(h) for h in side] for side in sides), groups=groups)
        role = "treatment" if name == "as it is" else "baseline"
        m.put_statistic(name, found.mean(own, own), role=role)
        values[name] = np.diagonal(found.values)
    away = np.abs(values["rotated"] - values["as it is"]).max()
    run.claim("rotated", fact("largest change of linear CKA", away, "CKA"))
    run.claim("shuffled", m.value("shuffled in time"))
    run.show("controls", m)
    m = Measured("correlation with the best neuron of the same layer", unit="correlation")
    m.put_statistic("itself", neuron_map(x, x, groups=groups).mean(own, own), role="ceiling")
    m.put_statistic("rotated", neuron_map(x, turned, groups=groups).mean(own, own))
    run.claim("neurons", m.fall("rotated", below="itself"))
    run.show("rotated-neurons", m)
