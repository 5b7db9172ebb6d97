"""Mantel's test: exact where nothing is paired, and the definition of its correlation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr

from inscape.compare.mantel import mantel


def test_r_is_the_correlation_of_the_entries():
    x, y = np.random.default_rng(0).normal(size=(2, 12, 3))
    y = x + 0.3 * y
    far = [squareform(pdist(side)) for side in (x, y)]
    rng = np.random.default_rng(1)
    assert mantel(*far, draws=9, rng=rng).r == pytest.approx(spearmanr(pdist(x), pdist(y))[0])
    plain = mantel(*far, ranks=False, draws=9, rng=rng)
    assert plain.r == pytest.approx(pearsonr(pdist(x), pdist(y))[0])
    related = mantel(*far, draws=199, rng=rng)
    assert related.p == 1 / 200
    assert abs(related.null.mean()) < 0.1


def test_p_is_uniform_where_items_are_not_paired():
    rng = np.random.default_rng(2)
    ps = []
    for _ in range(150):
        x, y = rng.normal(size=(2, 10, 2))
        far = [squareform(pdist(side)) for side in (x, y)]
        ps.append(mantel(*far, draws=39, rng=rng).p)
    assert 0.01 <= np.mean(np.array(ps) <= 0.1) <= 0.2
    assert 0.4 < np.mean(ps) < 0.62


def test_what_cannot_be_tested_is_refused():
    rng, far = np.random.default_rng(0), squareform(pdist(np.arange(5.0)[:, None]))
    with pytest.raises(ValueError, match="give square ones of the same items"):
        mantel(far, far[:4, :4], rng=rng)
    with pytest.raises(ValueError, match="the entries of a side are all equal"):
        mantel(far, np.ones((5, 5)), rng=rng)


def test_a_missing_entry_is_refused_and_not_significant():
    x = np.random.default_rng(0).normal(size=(8, 1))
    far = abs(x - x.T)
    missing = far.copy()
    missing[0, 1] = missing[1, 0] = np.nan
    for sides in ((missing, far), (far, missing)):
        with pytest.raises(ValueError, match="mantel: a matrix holds NaN or infinite numbers"):
            mantel(*sides, draws=9, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="mantel: a matrix is not symmetric"):
        mantel(np.triu(far), far, draws=9, rng=np.random.default_rng(0))
