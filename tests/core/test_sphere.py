"""Great-circle distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.core.sphere import RADIUS_KM, distance_km

point = st.tuples(st.floats(-90, 90), st.floats(-180, 180)).map(lambda p: np.array([p]))


@given(point, point, point)
def test_it_is_a_metric(a, b, c):
    assert distance_km(a, a)[0] == pytest.approx(0, abs=1e-6)
    assert distance_km(a, b)[0] == pytest.approx(distance_km(b, a)[0])
    assert distance_km(a, c)[0] <= distance_km(a, b)[0] + distance_km(b, c)[0] + 1e-6
    assert 0 <= distance_km(a, b)[0] <= np.pi * RADIUS_KM + 1e-6


def test_known_distances():
    paris, tokyo = np.array([[48.8566, 2.3522]]), np.array([[35.6895, 139.6917]])
    assert distance_km(paris, tokyo)[0] == pytest.approx(9713, abs=10)
    assert distance_km(np.array([[0.0, 179.0]]), np.array([[0.0, -179.0]]))[0] == pytest.approx(
        222.4, abs=0.1
    )
    assert np.isfinite(distance_km(np.array([[140.0, 0.0]]), np.array([[10.0, 400.0]]))).all()
