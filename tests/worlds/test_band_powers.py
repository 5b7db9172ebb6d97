"""Band powers: the planted bands carry the sentence and the others nothing; subjects differ; noise
alone is noise.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.band_powers import BANDS, band_powers


def explained(y: np.ndarray, x: np.ndarray) -> float:
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return 1 - (left**2).sum() / (y**2).sum()


def by_band(power: np.ndarray, said: np.ndarray) -> np.ndarray:
    return np.array([explained(power[:, :, b], said) for b in range(len(BANDS))])


def test_only_planted_bands_hold_the_sentence_and_none_does_in_noise():
    rng = np.random.default_rng(0)
    reader, said = band_powers(6, (1, 5), rng=rng), rng.normal(size=(6000, 6))
    power, who = reader.read(said, 1.0, rng=rng)
    found = by_band(power, said)
    assert found[[1, 5]].min() > 0.15
    assert np.delete(found, [1, 5]).max() < 0.01
    noise, _ = reader.read(said, 0.0, rng=rng)
    assert by_band(noise, said).max() < 0.01
    offsets = np.stack([power[who == s].mean(axis=(0, 2)) for s in range(12)])
    assert np.corrcoef(offsets.ravel(), reader.offsets.ravel())[0, 1] > 0.95
    assert np.allclose(power.mean(axis=(0, 1))[0] - power.mean(axis=(0, 1))[7], np.log(8), atol=0.1)


def test_noise_has_a_standard_deviation_of_one_and_neighbours_share_half():
    rng = np.random.default_rng(1)
    reader = band_powers(2, (), subjects=1, rng=rng)
    noise = reader.read(np.zeros((8000, 2)), 1.0, rng=rng)[0][:, :, 3]
    assert noise.std(axis=0) == pytest.approx(np.ones(16), abs=0.03)
    c = np.corrcoef(noise.T)
    assert np.diag(c, 1) == pytest.approx(np.full(15, 0.5), abs=0.05)
    assert np.diag(c, 2) == pytest.approx(np.zeros(14), abs=0.05)


def test_a_band_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="planted bands are 0 to 7"):
        band_powers(2, (8,), rng=np.random.default_rng(0))
