"""The first number is where a row stands between the classes; the others are scikit-learn's
components of the rest.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from inscape.core import class_and_components


def test_numbers_are_those_of_projections_made_by_scikit_learn():
    rng = np.random.default_rng(0)
    positive = rng.random(300) < 0.4
    x = rng.normal(size=(300, 8)) * np.arange(1, 9) + np.outer(positive, np.full(8, 2.0))
    x -= x.mean(axis=0)
    found = class_and_components(x, positive, 4)
    gap = x[positive].mean(axis=0) - x[~positive].mean(axis=0)
    assert np.corrcoef(found[:, 0], x @ gap)[0, 1] == pytest.approx(1)
    rest = x - np.outer(x @ gap, gap) / (gap @ gap)
    parts = PCA(3).fit(rest).components_ @ x.T
    for mine, theirs in zip(found[:, 1:].T, parts, strict=True):
        assert abs(np.corrcoef(mine, theirs)[0, 1]) == pytest.approx(1)
    assert found.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-12)
    assert found.std(axis=0) == pytest.approx(np.ones(4))


def test_one_class_or_too_many_numbers_are_refused():
    x = np.random.default_rng(1).normal(size=(6, 2))
    with pytest.raises(ValueError, match="both classes"):
        class_and_components(x, np.ones(6, dtype=bool), 1)
    with pytest.raises(ValueError, match="1 to 2"):
        class_and_components(x, x[:, 0] > 0, 3)


def test_classes_are_told_by_a_mask_or_by_ones_and_zeros():
    x = np.random.default_rng(0).normal(size=(10, 3))
    up = x[:, 0] > 0
    assert (class_and_components(x, up.astype(int), 2) == class_and_components(x, up, 2)).all()
    with pytest.raises(ValueError, match="positive must say True or False of each of 10 rows"):
        class_and_components(x, np.arange(10), 2)
