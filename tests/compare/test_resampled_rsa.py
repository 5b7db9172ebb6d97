"""Weights in place of copies give what the copies give."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from inscape.compare.dissimilarity import dissimilarity
from inscape.compare.resampled_rsa import resampled_rsa
from inscape.compare.rsa import compare_dissimilarities


def matrices(rng, k, n=12, ties=False):
    held = np.stack([dissimilarity(rng.normal(size=(n, 4)), "sqeuclidean") for _ in range(k)])
    return np.round(held) if ties else held


def by_copies(a, b, chosen, how):
    """The resample made, pairs of copies of one item left out."""
    first, second = np.triu_indices(len(chosen), 1)
    i, j = chosen[first], chosen[second]
    x, y = a[i[i != j], j[i != j]], b[i[i != j], j[i != j]]
    if how == "cosine":
        return x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    if how == "pearson":
        return np.corrcoef(x, y)[0, 1]
    if how == "spearman":
        return spearmanr(x, y).statistic
    m = len(x)
    x, y = rankdata(x), rankdata(y)
    return 12 * (x - x.mean()) @ (y - y.mean()) / (m**3 - m)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("how", ["cosine", "pearson", "spearman", "rho-a"])
def test_weights_are_copies(how, ties):
    rng = np.random.default_rng(0)
    first, second = matrices(rng, 2, ties=ties), 1000 + matrices(rng, 3, ties=ties)
    chosen = rng.integers(12, size=(5, 12))
    counts = np.stack([np.bincount(c, minlength=12) for c in chosen]).astype(float)
    found = resampled_rsa(first, second, counts, how=how)
    want = [[[by_copies(a, b, c, how) for b in second] for a in first] for c in chosen]
    np.testing.assert_allclose(found, want, atol=1e-9)


def test_the_diagonal_is_not_looked_at():
    rng = np.random.default_rng(1)
    a, b, ones = matrices(rng, 1), matrices(rng, 1), np.ones((1, 12))
    for how in ("cosine", "rho-a"):
        want = resampled_rsa(a, b, ones, how=how)
        assert resampled_rsa(a + 7 * np.eye(12), b, ones, how=how) == pytest.approx(want)


def test_bad_input_is_refused():
    a = matrices(np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match="how must be one of"):
        resampled_rsa(a, a, np.ones((1, 12)), how="tau-a")
    with pytest.raises(ValueError, match="holds 2 different items"):
        resampled_rsa(a, a, np.eye(12)[:1] * 11 + np.eye(12)[1:2])
    with pytest.raises(ValueError, match="are equal; leave that site out"):
        resampled_rsa(a, np.ones_like(a), np.ones((1, 12)))


def test_entries_that_differ_by_rounding_are_ties():
    rng = np.random.default_rng(2)
    a, b, ones = matrices(rng, 1, ties=True), matrices(rng, 1), np.ones((1, 12))
    noise = 1e-14 * rng.normal(size=a.shape)
    want = resampled_rsa(a, b, ones)
    assert resampled_rsa(a * (1 + noise + noise.transpose(0, 2, 1)), b, ones) == pytest.approx(want)
    assert want[0, 0, 0] == pytest.approx(compare_dissimilarities(a[0], b[0], how="rho-a"))


@pytest.mark.parametrize("how", ["cosine", "pearson", "spearman", "rho-a"])
def test_a_missing_entry_or_a_negative_count_has_no_similarity(how):
    x = np.random.default_rng(0).normal(size=(8, 3))
    far = np.linalg.norm(x[:, None] - x, axis=2)[None]
    missing = far.copy()
    missing[0, 0, 1] = missing[0, 1, 0] = np.nan
    with pytest.raises(ValueError, match="a matrix holds NaN or infinite numbers"):
        resampled_rsa(missing, far, np.ones((1, 8)), how=how)
    with pytest.raises(ValueError, match="counts say how often an item is drawn; give 0 or more"):
        resampled_rsa(far, far**2, np.array([[1.0] * 7 + [-1.0]]), how=how)
    with pytest.raises(ValueError, match="matrices of 8 and 8 items and counts of 7"):
        resampled_rsa(far, far, np.ones((1, 7)), how=how)
