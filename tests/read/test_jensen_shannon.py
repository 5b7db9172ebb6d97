"""Jensen–Shannon divergence: its bounds, its symmetry, and scipy's own distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from inscape.read.jensen_shannon import jensen_shannon


@given(st.integers(0, 2**32 - 1))
def test_symmetric_bounded_and_as_scipy_has_it(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.normal(0, 3, (4, 6)), rng.normal(0, 3, (4, 6))
    found = jensen_shannon(p, q)
    assert found == pytest.approx(
        jensenshannon(softmax(p, axis=1), softmax(q, axis=1), axis=1) ** 2
    )
    assert jensen_shannon(q, p) == pytest.approx(found)
    assert ((found > 0) & (found <= np.log(2))).all()
    assert jensen_shannon(p + 7.0, q - 3.0) == pytest.approx(
        found
    )  # logits are defined up to a constant


def test_nothing_for_equals_and_all_for_strangers():
    p = np.log(np.array([[0.5, 0.5, 1e-300]]))
    assert jensen_shannon(p, p)[0] == pytest.approx(0.0, abs=1e-15)
    with np.errstate(divide="ignore"):
        a, b = np.log(np.array([[1.0, 0.0]])), np.log(np.array([[0.0, 1.0]]))
    assert jensen_shannon(a, b)[0] == pytest.approx(np.log(2))
    with pytest.raises(ValueError, match="shapes must be alike"):
        jensen_shannon(np.zeros((1, 2)), np.zeros((1, 3)))


@pytest.mark.parametrize("row", [[np.nan, 0.0], [np.inf, 0.0], [-np.inf, -np.inf]])
def test_what_is_no_distribution_is_not_the_same_as_another(row):
    for sides in (([row], [[0.0, 1.0]]), ([[0.0, 1.0]], [row])):
        with pytest.raises(ValueError, match="so it is no distribution"):
            jensen_shannon(*(np.array(side) for side in sides))
    assert jensen_shannon(np.array([[0.0, -np.inf]]), np.array([[0.0, -np.inf]])).tolist() == [0.0]
