"""Peak layers: planted regions peak in their own layers, against a loop over pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from inscape.compare.dissimilarity import dissimilarity
from inscape.compare.peak_layers import depth_order, peak_layers


def states(layers: int = 5, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(30, 6)) for _ in range(layers)]


def distances(made: list[np.ndarray]) -> np.ndarray:
    return np.stack([dissimilarity(x) for x in made])


def test_noisy_copies_of_layers_peak_in_them():
    rng, made = np.random.default_rng(1), states()
    chosen = [3, 0, 4]
    regions = np.stack(
        [distances([made[i] + 0.3 * rng.normal(size=(30, 6)) for i in chosen]) for _ in range(2)]
    )
    assert peak_layers(regions, distances(made)).tolist() == [[0.75, 0.0, 1.0]] * 2


def test_it_is_the_loop_over_pairs_for_unrelated_regions():
    made, other = states(), states(seed=2)
    found = peak_layers(distances(other)[None], distances(made))[0]
    for x, peak in zip(other, found, strict=True):
        r = [np.corrcoef(*(pdist(s, "correlation") for s in (x, layer)))[0, 1] for layer in made]
        assert peak == np.argmax(r) / 4
    assert len(set(found.tolist())) > 1


def test_order_is_the_rank_correlation_with_depth():
    peaks = np.array([[0.0, 0.2, 0.4, 0.4], [1.0, 0.6, 0.2, 0.0], [0.4, 0.4, 0.4, 0.4]])
    expected = [spearmanr([0, 1, 2, 3], peaks[0])[0], -1.0, 0.0]
    assert depth_order(peaks) == pytest.approx(expected)


def test_refusals():
    layers = distances(states())
    with pytest.raises(ValueError, match="two layers or more of the 30 items"):
        peak_layers(layers[None], layers[:1])
    with pytest.raises(ValueError, match="two layers or more of the 30 items"):
        peak_layers(layers[None], layers[:, 1:, 1:])
    with pytest.raises(ValueError, match="tells no items apart"):
        peak_layers(np.zeros((1, 1, 30, 30)), layers)


@pytest.mark.parametrize("peaks", [[[np.nan, 0.5, 1.0]], [[0.5]]])
def test_peaks_without_an_order_are_refused(peaks):
    with pytest.raises(ValueError, match="two regions or more, none of them NaN"):
        depth_order(np.array(peaks))
