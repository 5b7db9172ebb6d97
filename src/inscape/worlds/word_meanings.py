"""Words with known meanings: texts that are written by them, and responses of a made brain to them.

    p(word w | text) ∝ f_w exp(β u_w · c)        f: Zipf,  c ∈ ℝᵏ: what the text is about,  u_w ∈ ℝᵏ: the meaning
    voxel v of word w = tanh(g_v · u_w / √k) + noise        each voxel of mean 0 and variance 1 before its noise

A network that learns the texts has seen of the meanings no more than which words go together; a
made brain sees them through voxels that are nonlinear and noisy. Both come from one table, so what
they share is known.

Cost: texts × words for the probabilities.
Reference: Arora et al. (2016), A latent variable model approach to PMI-based word embeddings,
arXiv:1502.03520.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from inscape.core.between import check_between


@dataclass(frozen=True, eq=False)
class WordMeanings:
    """A vocabulary.

    Attributes:
        meaning: u of each word, (words, features).
        often: log f of each word, up to a constant, (words,).
        spread: β, how much what a text is about decides its words.
    """

    meaning: Float64[np.ndarray, "words features"]
    often: Float64[np.ndarray, " words"]
    spread: float | int = 1.0

    def texts(
        self, n: int, length: int, *, rng: np.random.Generator
    ) -> Int[np.ndarray, "n length"]:
        """Texts, as numbers of words.

        Args:
            n: how many.
            length: words of each.
            rng: of what they are about, and of the words.
        """
        about = rng.normal(size=(n, self.meaning.shape[1]))
        score = self.often + self.spread * about @ self.meaning.T
        chance = np.exp(score - score.max(axis=1, keepdims=True))
        upto = np.cumsum(chance, axis=1)
        drawn = rng.random((n, length)) * upto[:, -1:]
        return np.stack([np.searchsorted(u, d, "right") for u, d in zip(upto, drawn, strict=True)])


def word_meanings(
    words: int = 400, features: int = 20, *, spread: float = 1.0, rng: np.random.Generator
) -> WordMeanings:
    """Draw a vocabulary, the most frequent word first.

    Args:
        words: how many.
        features: k, of a meaning.
        spread: β.
        rng: of the meanings.

    Raises:
        ValueError: no word, or no feature.

    Example:
        >>> made = word_meanings(50, 4, rng=np.random.default_rng(0))
        >>> made.texts(3, 8, rng=np.random.default_rng(1)).shape
        (3, 8)
    """
    check_between("word_meanings: words", words, 1)
    check_between("word_meanings: features", features, 1)
    often = -np.log(np.arange(words) + 10.0)
    return WordMeanings(rng.normal(size=(words, features)), often, spread)


def responses(
    meaning: Float64[np.ndarray, "words features"],
    voxels: int = 300,
    *,
    noise: float = 1.0,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "words voxels"]:
    """What a made brain answers to each word.

    Args:
        meaning: of the words.
        voxels: how many.
        noise: in standard deviations of a voxel's signal.
        rng: of the voxels and of the noise.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> responses(rng.normal(size=(50, 4)), 6, rng=rng).shape
        (50, 6)
    """
    k = meaning.shape[1]
    signal = np.tanh(meaning @ rng.normal(size=(k, voxels)) / np.sqrt(k))
    signal = (signal - signal.mean(axis=0)) / signal.std(axis=0)
    return signal + noise * rng.normal(size=signal.shape)
