"""Word meanings: texts follow the stated probabilities, and responses hold the meanings and their
noise.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.word_meanings import responses, word_meanings


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_spread_the_words_follow_zipf():
    made = word_meanings(30, 4, spread=0.0, rng=rng())
    found = np.bincount(made.texts(4000, 10, rng=rng(1)).ravel(), minlength=30) / 40_000
    truth = np.exp(made.often) / np.exp(made.often).sum()
    assert np.allclose(found, truth, atol=4 * np.sqrt(truth.max() / 40_000))


@pytest.mark.parametrize(("spread", "low", "high"), [(1.0, 0.5, 1.0), (0.0, -0.15, 0.15)])
def test_words_of_like_meaning_go_together_only_where_texts_are_about_something(spread, low, high):
    made = word_meanings(40, 4, spread=spread, rng=rng())
    ids = made.texts(6000, 12, rng=rng(1))
    counts = np.stack([np.bincount(text, minlength=40) for text in ids]).astype(float)
    together = counts.T @ counts
    each = counts.sum(axis=0)
    off = np.triu_indices(40, 1)
    pmi = np.log((together / np.outer(each, each))[off] + 1e-9)
    assert low < np.corrcoef(pmi, (made.meaning @ made.meaning.T)[off])[0, 1] < high


def test_noise_of_responses_has_the_stated_size():
    meaning = rng().normal(size=(2000, 5))
    clean, noisy = (responses(meaning, 4, noise=sd, rng=rng(1)) for sd in (0.0, 2.0))
    assert np.allclose(clean.mean(axis=0), 0)
    assert np.allclose(clean.std(axis=0), 1)
    assert (noisy - clean).std() == pytest.approx(2.0, rel=0.03)
    # all but a little of the clean signal is a linear function of the meaning: tanh bends the rest
    fitted = meaning @ np.linalg.lstsq(meaning, clean, rcond=None)[0]
    assert 0.85 < 1 - ((clean - fitted) ** 2).mean() < 0.999
