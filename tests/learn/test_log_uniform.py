"""Random settings: within their ends, even on a logarithmic scale, independent of each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, uniform

from inscape.learn import log_uniform

ENDS = [(1e-4, 3e-2), (0.1, 1.5), (0.5, 0.999)]


def test_logarithms_are_uniform_and_settings_independent():
    found = log_uniform(ENDS, 4000, rng=np.random.default_rng(0))
    for x, (low, high) in zip(found.T, ENDS, strict=True):
        assert low <= x.min() < x.max() <= high
        start, reach = np.log(low), np.log(high) - np.log(low)
        assert kstest(np.log(x), uniform(start, reach).cdf).pvalue > 0.01
    # over two decades and a half values themselves are not uniform
    assert kstest(found[:, 0], uniform(1e-4, 3e-2 - 1e-4).cdf).pvalue < 1e-9
    between = np.corrcoef(np.log(found).T)[np.triu_indices(3, 1)]
    assert np.abs(between).max() < 0.06


def test_a_longer_search_begins_with_the_shorter():
    few, many = (log_uniform(ENDS, n, rng=np.random.default_rng(1)) for n in (3, 8))
    np.testing.assert_array_equal(few, many[:3])


@pytest.mark.parametrize("ends", [[(0.0, 1.0)], [(2.0, 1.0)]])
def test_refusals(ends):
    with pytest.raises(ValueError, match="log_uniform: ends must be above 0 and not fall"):
        log_uniform(ends, 2, rng=np.random.default_rng(0))


@pytest.mark.parametrize("ends", [[], [(1.0, np.inf)], [(np.nan, 1.0)]])
def test_settings_lie_between_finite_ends(ends):
    with pytest.raises(ValueError, match="ends must be above 0 and not fall, and be finite"):
        log_uniform(ends, 3, rng=np.random.default_rng(0))
