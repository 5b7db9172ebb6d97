"""Do networks of pictures and of texts agree more, the better they are?

Reference: Huh, Cheung, Wang and Isola (2024), arXiv:2405.07987; `inscape.compare.mutual_knn`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from torch import nn

from inscape.compare import (
    knn_table,
    linear_table,
    mutual_knn,
    shared_neighbours,
    shifts,
    similarity_map,
)
from inscape.core import Measured, child_seed, one_torch_thread, permutations_within
from inscape.learn import Budget, Watch
from inscape.model import Model, classifier_rows, open
from inscape.nets import pooled_rows
from inscape.read import letters
from inscape.recipes import plain_namer
from inscape.store.mean_states import mean_states
from inscape.study import Card, Claim, Run, Settings, arms, opened, setting
from inscape.worlds import distinct_scenes, factor_accuracy, one_hot_factors, shared_factors

CARD = Card(
    slug="platonic-alignment",
    title="The Platonic Representation Hypothesis",
    authors="Huh, Cheung, Wang and Isola",
    year=2024,
    arxiv="2405.07987",
    room="compare",
    claim="As networks of pictures and of texts get better, they agree more on which things are "
    "alike.",
    reproduced="The classifier rows of EfficientNet-Lite0 against the names of the thousand "
    "classes in a text encoder, a language model, its untrained copy and character trigrams; small "
    "networks of pictures at ten points of their training against the text encoder on captioned "
    "scenes.",
    controls=(
        "permuted pairs, the largest over layers",
        "pairs permuted within clusters of like classes",
        "character trigrams",
        "an untrained copy of the language model",
    ),
    claims=dict(
        encoder=Claim(
            text="The text encoder's mutual 10-NN is five times the permuted level of 0.01",
            at_least=0.05,
            null="permuted pairs",
        ),
        trigrams=Claim(
            text="It is above that of character trigrams", at_least=0, over="character trigrams"
        ),
        trained=Claim(
            text="The language model is above its untrained copy", at_least=0, over="untrained"
        ),
        training=Claim(
            text="Alignment of a network of pictures rises with its accuracy, Spearman 0.8",
            at_least=0.8,
        ),
    ),
    answer="Mutual 10-NN of class rows and the text encoder is {encoder:.3f}, {trigrams:+.3f} over "
    "character trigrams; the language model is {trained:+.3f} over its untrained copy. Over "
    "training alignment follows accuracy with a Spearman correlation of {training:.2f}.",
    tiny=dict(encoder="supported", trigrams="supported", trained="supported", training="any"),
    differs="The authors compare up to 1,024 image–caption pairs in 78 vision and 11 language "
    "models; here rows of a classifier, class names, and one network of each kind. Clipping at the "
    "95 % quantile, k = 10 and the maximum over layers are theirs.",
    group_note="Classes, and in training networks, are what varies.",
    negative="The first criterion alone says little: character trigrams of the names (0.10) and "
    "the untrained language model (0.08) pass it as well (small, seeds 0 to 2). The language model "
    "is at 0.12, hardly above trigrams.",
    seeds=3,
    minutes=dict(tiny=0.2, small=6),
    figure="alignment",
)
ENCODER, TRIGRAMS, TRAINED, UNTRAINED = (
    "text encoder",
    "character trigrams",
    "language model",
    "untrained",
)
PERMUTED, WITHIN = "permuted pairs", "encoder, within clusters"
PLANTED = "planted"


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = "imagenet-classes"
    encoder: str = setting("minilm-l6", "the text encoder; a name, a Hub id or a folder")
    neighbours: int = setting(10, "k of mutual nearest neighbours", least=1)
    networks: int = setting(5, "networks of pictures, of different random starts", least=3)
    steps: int = setting(400, "of their training", least=10)
    width: int = setting(8, "channels of their first layer", least=2)
    scenes: int = setting(540, "captioned scenes that are compared", least=30)
    draws: int = 99


PRESETS = {
    "tiny": Config(PLANTED, PLANTED, PLANTED, networks=3, steps=20, width=4, scenes=60),
    "small": Config(),
    "full": Config(networks=10, steps=10_000, width=32, draws=999),
}


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Class rows against names, then pictures against captions while the network trains."""
    run.asked("Do networks of pictures and of texts agree more, the better they are?")
    if config.model == PLANTED:
        strength = {"rows": 2.0, UNTRAINED: 0.0, TRIGRAMS: 0.3, TRAINED: 0.7, ENCODER: 1.5}
        texts = shared_factors(strength, 400, rng=run.rng("planted"))
        rows, sides = texts.pop("rows"), {name: [x] for name, x in texts.items()}
        encoder = None
    else:
        model, names, _ = opened(config, run)
        encoder, rows = open(config.encoder), classifier_rows()[: len(names)]
        fresh = model.untrained(child_seed(run.seed, "untrained"))
        seed = child_seed(run.seed, "letters") % 2**32
        sides = {
            UNTRAINED: mean_states(fresh, names),
            TRIGRAMS: [letters(names.texts(), longest=3, seed=seed)],
        }
        sides |= {TRAINED: mean_states(model, names), ENCODER: mean_states(encoder, names)}
    _classes(config, run, rows, sides)
    _training(config, run, encoder)


def _classes(
    config: Config, run: Run, rows: np.ndarray, sides: dict[str, list[np.ndarray]]
) -> None:
    """Each network of texts at its best layer, beside permuted pairs and the other measures."""
    k, n = config.neighbours, len(rows)
    table, shared = (partial(way, k=k, clip=0.95) for way in (knn_table, shared_neighbours))
    moved, seen = shifts(n, config.draws, rng=run.rng("shifts")), [table(rows)]
    maps = {
        a: similarity_map([table(x) for x in own], seen, shifts=moved) for a, own in sides.items()
    }
    best = {a: sides[a][int(found.values.argmax())] for a, found in maps.items()}
    m = Measured("mutual 10-NN with the class rows", unit="share")
    for name, x in best.items():
        role = "treatment" if name in (ENCODER, TRAINED) else "baseline"
        m.put(name, shared(x, rows), role=role)
    # pairs change places among classes that look alike, so that only the kind of class is shared
    clusters = KMeans(20, n_init=3, random_state=0).fit_predict(rows)
    orders = permutations_within(clusters, 20, rng=run.rng("within"))
    m.put(WITHIN, [shared(best[ENCODER][order], rows) for order in orders], role="baseline")
    m.put_draws(PERMUTED, maps[ENCODER].draws.max(axis=(1, 2)))
    run.claim("encoder", m.value(ENCODER, null=PERMUTED))
    run.claim("trigrams", m.gain(ENCODER, over=TRIGRAMS))
    run.claim("trained", m.gain(TRAINED, over=UNTRAINED))
    run.show(
        "alignment",
        m,
        f"Mutual {k}-NN at the best layer; chance is {k / (n - 1):.3f}.",
        null=PERMUTED,
    )
    cka = {a: similarity_map([linear_table(x)], [linear_table(rows)]) for a, x in best.items()}
    found = [c.evidence(0, 0, where={"condition": a}) for a, c in cka.items()]
    run.show("cka", found, "Debiased linear CKA at the layer that mutual 10-NN chose.")


def _training(config: Config, run: Run, encoder: Model | None) -> None:
    """Alignment with captions at ten points of a training that asks for the factors of a scene."""
    test = distinct_scenes(config.scenes, which=run.rng("kept"), rng=run.rng("scenes"))
    texts = one_hot_factors(test.factors)
    if encoder is not None:
        texts = mean_states(encoder, test.captions)[-1]

    def accuracy(net: nn.Module) -> float:
        return float(factor_accuracy(net(test.images), test.factors).mean())

    def aligned(net: nn.Module) -> float:
        pictures = pooled_rows(net, test.images)[-1]
        return mutual_knn(pictures + 1e-9, texts, k=config.neighbours, clip=0.95)

    gap = config.steps // 10
    found = arms(
        run,
        {"network of pictures": plain_namer(config.width)},
        metrics={"accuracy": lambda net, k: [accuracy(net)]},
        budget=Budget(config.steps),
        seeds=config.networks,
        watch=[Watch("accuracy", accuracy, gap), Watch("mutual 10-NN", aligned, gap)],
        name="training",
    )
    wide = found.watched.pivot(index=["pair", "step"], columns="name", values="value")
    rank = [spearmanr(own["accuracy"], own["mutual 10-NN"])[0] for _, own in wide.groupby("pair")]
    m = Measured("Spearman correlation of alignment and accuracy", unit="ρ", kind="correlation")
    m.put("network of pictures", rank)
    run.claim("training", m.value("network of pictures"))
