"""Word forms: a network whose words are stems with features, and whose unembedding hides that
behind a skewed basis.

Some words are stems with or without each of a few features (a plural, a past); most are stems that
have no other forms, as in a vocabulary, where two words drawn at random seldom differ in a given
feature. A word's unembedding vector is

    γ = A (stem + Σ features · c)        c orthonormal;   A = Q diag(scales) Rᵀ, far from orthogonal

so that features are separable by construction, the same for all stems, and anything but orthogonal
as the vectors stand. What must then hold: pairs of forms share a direction, and under the inner
product Cov(γ)⁻¹ features are orthogonal. The rest of the network is random: no sentence tells a
feature.

Cost: nothing is trained.
Reference: Park, Choe and Veitch (2023), arXiv:2311.03658, §3.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import torch

from inscape.core.rng import child_seed, generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import PAD, small_llama, word_tokenizer

#: how far apart the scales of the unembedding's directions are
SKEW = 30.0


@dataclass(frozen=True, eq=False)
class WordForms:
    """Words with features, and a network that can say them.

    Attributes:
        model: the network, opened and certified.
        examples: pairs of words that differ in one feature; columns as in the built-in set
            ``word-pairs``.
    """

    model: Model
    examples: Examples


def word_forms(
    stems: int = 40, features: int = 12, bare: int = 2000, width: int = 32, seed: int = 0
) -> WordForms:
    """Make words and network.

    Args:
        stems: how many that have forms.
        features: how many, at most half of the width.
        bare: stems that have none.
        width: of the residual stream.
        seed: of stems, basis and the network's other weights.

    Raises:
        ValueError: more features than half of the width.
    """
    if not 1 < features <= width // 2:
        raise ValueError(
            f"word_forms: features must be 2 to {width // 2}, half the width, got {features}"
        )
    rng = generator(seed, "word forms")
    sides = [np.linalg.qr(rng.normal(size=(width, width)))[0] for _ in range(2)]
    basis = sides[0] * np.geomspace(1, 1 / SKEW, width) @ sides[1].T
    axes = np.linalg.qr(rng.normal(size=(width, width)))[0][:features]
    roots = rng.normal(size=(stems + bare, width)) / np.sqrt(width)
    roots -= roots @ axes.T @ axes  # a stem says nothing of features
    single = [tuple(int(i == f) for i in range(features)) for f in range(features)]
    double = [
        tuple(int(i in pair) for i in range(features)) for pair in combinations(range(features), 2)
    ]
    none, words, vectors, rows = (0,) * features, [PAD], [np.zeros(width)], []
    for number, root in enumerate(roots):
        forms = [none]
        if number < stems:  # hardly ever two at once, so that features are all but uncorrelated
            forms += [*single, double[rng.integers(len(double))]]
        for bits in forms:
            words.append(_word(number, bits))
            vectors.append(basis @ (root + np.asarray(bits) @ axes))
        if number < stems:
            rows += [
                (f"feature {f}", _word(number, none), _word(number, single[f]))
                for f in range(features)
            ]
    net = small_llama(
        len(words), width, child_seed(seed, "word forms", "weights"), tie_word_embeddings=False
    )
    with torch.no_grad():
        net.lm_head.weight.copy_(torch.from_numpy(np.stack(vectors)).float())
    frame = pd.DataFrame(rows, columns=["concept", "first", "second"])
    frame["text"] = frame["first"]
    card = DatasetCard("word forms", f"{len(frame)} pairs of made-up words, drawn with seed {seed}")
    examples = Examples(frame, "text", ("concept",), "first", {}, card)
    return WordForms(open(net, tokenizer=word_tokenizer(words), name="word forms world"), examples)


def _word(stem: int, bits: tuple[int, ...]) -> str:
    return f"w{stem}" + "".join(f"-{i}" for i, bit in enumerate(bits) if bit)
