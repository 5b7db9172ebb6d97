"""Dissimilarities, their comparisons, crossnobis, and noise ceilings."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import pearsonr, spearmanr

from inscape.compare.dissimilarity import crossnobis, dissimilarities, dissimilarity
from inscape.compare.linear_cka import linear_cka
from inscape.compare.noise_ceiling import noise_ceiling
from inscape.compare.rsa import compare_dissimilarities, dissimilarity_table, rsa
from inscape.compare.shifts import shifts
from inscape.compare.similarity_map import similarity_map
from tests.compare.references import pair


@pytest.mark.parametrize("kind", ["euclidean", "sqeuclidean", "correlation", "cosine"])
def test_dissimilarities_are_scipys(kind):
    x, _ = pair(20)
    np.testing.assert_allclose(dissimilarity(x, kind), cdist(x, x, kind), atol=1e-12)


def test_several_representations_are_each_their_own():
    x, y = pair(12)
    found = dissimilarities((r for r in (x, y[:, :3])), "cosine")
    assert found.shape == (2, 12, 12)
    np.testing.assert_array_equal(found[0], dissimilarity(x, "cosine"))
    np.testing.assert_array_equal(found[1], dissimilarity(y[:, :3], "cosine"))
    with pytest.raises(ValueError, match="representations of the same items, got 12, 10"):
        dissimilarities([x, y[:10]])
    with pytest.raises(ValueError, match="representations of the same items, got none"):
        dissimilarities([])


def test_mahalanobis_is_euclidean_after_whitening():
    x, _ = pair(20)
    noise = np.cov(x.T)
    expected = cdist(x, x, "mahalanobis", VI=np.linalg.inv(noise)) ** 2
    np.testing.assert_allclose(dissimilarity(x, "mahalanobis", noise=noise), expected, atol=1e-9)


def entries(x, kind="correlation"):
    return dissimilarity(x, kind)[np.triu_indices(len(x), 1)]


def test_comparisons_are_their_definitions():
    x, y = pair(12)
    a, b = entries(x), entries(y)
    assert rsa(x, y, how="cosine") == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)))
    assert rsa(x, y, how="pearson") == pytest.approx(pearsonr(a, b).statistic)
    assert rsa(x, y, how="spearman") == pytest.approx(spearmanr(a, b).statistic)
    # without ties ρ-a is Spearman's
    assert rsa(x, y, how="rho-a") == pytest.approx(spearmanr(a, b).statistic)
    signs = [
        np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i, j in itertools.combinations(range(66), 2)
    ]
    assert rsa(x, y, how="tau-a") == pytest.approx(np.mean(signs))


def test_ties_do_not_pay():
    """A model of categories: the mean over all orders of its ties is what ρ-a is, and τ-a stays
    below τ-b.
    """
    model = (np.arange(8)[:, None] // 4 != np.arange(8) // 4).astype(float)
    data = dissimilarity(np.random.default_rng(0).normal(size=(8, 5)), "euclidean") + 0.3 * model
    at = np.triu_indices(8, 1)
    rng = np.random.default_rng(1)
    broken = [spearmanr(model[at] + 1e-6 * rng.random(28), data[at]).statistic for _ in range(800)]
    found = compare_dissimilarities(model, data, how="rho-a")
    assert found == pytest.approx(np.mean(broken), abs=0.015)
    assert found < compare_dissimilarities(model, data, how="spearman")
    assert compare_dissimilarities(model, model, how="tau-a") < 1


def test_whitening_is_the_metric_of_the_entries_covariance():
    x, y = pair(7)
    a, b = entries(x, "sqeuclidean"), entries(y, "sqeuclidean")
    pairs = list(itertools.combinations(range(7), 2))
    contrast = np.zeros((21, 7))
    for row, (i, j) in enumerate(pairs):
        contrast[row, i], contrast[row, j] = 1, -1
    inverse = np.linalg.inv((contrast @ contrast.T) ** 2)
    expected = a @ inverse @ b / np.sqrt(a @ inverse @ a * (b @ inverse @ b))
    assert rsa(x, y, kind="sqeuclidean", how="whitened") == pytest.approx(expected, abs=1e-10)


def test_whitened_squared_distances_are_near_linear_cka():
    x, y = pair(200)
    white = rsa(x, y, kind="sqeuclidean", how="whitened")
    assert white == pytest.approx(linear_cka(x, y), abs=0.03)
    assert rsa(x, y, kind="sqeuclidean", how="cosine") > white + 0.05


def test_permuting_items_holds_its_level_where_a_plain_p_does_not():
    plain, ours = [], []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(30, 5)), rng.normal(size=(30, 5))
        plain.append(spearmanr(entries(x, "euclidean"), entries(y, "euclidean")).pvalue)
        tables = [dissimilarity_table(dissimilarity(s, "euclidean"), how="rho-a") for s in (x, y)]
        found = similarity_map([tables[0]], [tables[1]], shifts=shifts(30, 29, rng=rng))
        ours.append(found.p[0, 0])
    assert np.mean(np.array(plain) <= 0.05) > 0.15
    assert np.mean(np.array(ours) <= 0.1) < 0.19


def test_crossnobis_has_no_bias_and_squared_distances_have():
    rng = np.random.default_rng(0)
    truth = np.zeros((12, 40))
    truth[6:] += 0.5
    noisy = truth + rng.normal(size=(60, 2, 12, 40))
    ours = np.mean([crossnobis(two) for two in noisy], axis=0)
    biased = np.mean([dissimilarity(two[0], "sqeuclidean") / 40 for two in noisy], axis=0)
    assert ours[0, 1] == pytest.approx(0, abs=0.06)
    assert ours[0, 11] == pytest.approx(0.25, abs=0.08)
    assert biased[0, 1] == pytest.approx(2, abs=0.1)
    slow = np.mean(
        [((x[3] - x[5]) * (y[3] - y[5])).mean() for x, y in itertools.permutations(noisy[0], 2)]
    )
    assert crossnobis(noisy[0])[3, 5] == pytest.approx(slow)
    scaled = crossnobis(noisy[0], noise=4 * np.eye(40))
    np.testing.assert_allclose(scaled, crossnobis(noisy[0]) / 4, atol=1e-12)


def test_a_ceiling_of_noise_has_a_lower_bound_of_nothing_and_an_upper_one_of_one_over_root_s():
    rng = np.random.default_rng(0)
    noise = np.stack([dissimilarity(rng.normal(size=(40, 40))) for _ in range(6)])
    found = noise_ceiling(noise)
    assert found.interval[0] < 0.03
    assert abs(found.lower) < 0.06
    assert found.upper == pytest.approx(1 / np.sqrt(6), abs=0.05)
    x, _ = pair(40)
    same = np.stack([dissimilarity(x + 0.2 * rng.normal(size=x.shape)) for _ in range(6)])
    assert noise_ceiling(same).interval[0] > 0.5
    assert noise_ceiling(same, how="rho-a").lower > 0.5


def test_what_is_not_defined_is_refused():
    x, y = pair(12)
    with pytest.raises(ValueError, match="kind must be 'euclidean'"):
        dissimilarity(x, "taxi")
    with pytest.raises(ValueError, match="needs noise"):
        dissimilarity(x, "mahalanobis")
    with pytest.raises(ValueError, match="correlation is not defined for a constant row"):
        dissimilarity(np.ones((5, 3)), "correlation")
    with pytest.raises(ValueError, match="cosine is not defined for a zero row"):
        dissimilarity(np.eye(5)[:, :3], "cosine")
    with pytest.raises(ValueError, match="at least two repeats"):
        crossnobis(x[None])
    with pytest.raises(ValueError, match="how must be cosine, pearson"):
        rsa(x, y, how="guess")
    with pytest.raises(ValueError, match="symmetric, of at least 4 items"):
        dissimilarity_table(np.arange(25.0).reshape(5, 5))
    with pytest.raises(ValueError, match="all entries of one dissimilarity matrix are equal"):
        compare_dissimilarities(np.ones((5, 5)), dissimilarity(x[:5]), how="tau-a")
    with pytest.raises(ValueError, match="tells none of the 5 items apart"):
        compare_dissimilarities(np.ones((5, 5)), dissimilarity(x[:5]), how="rho-a")
    with pytest.raises(ValueError, match="no mean is best for tau-a"):
        noise_ceiling(np.ones((3, 5, 5)), how="tau-a")
    with pytest.raises(ValueError, match="at least two matrices"):
        noise_ceiling(np.ones((1, 5, 5)))


def test_tau_a_looks_at_its_matrices_as_the_others_do():
    x = np.random.default_rng(0).normal(size=(6, 3))
    far = np.linalg.norm(x[:, None] - x, axis=2)
    assert compare_dissimilarities(far, far**2, how="tau-a") == pytest.approx(1.0)
    missing = far.copy()
    missing[0, 1] = missing[1, 0] = np.nan
    with pytest.raises(ValueError, match="holds NaN or infinite numbers"):
        compare_dissimilarities(missing, far, how="tau-a")


def test_noise_must_be_a_covariance_of_the_features():
    x = np.random.default_rng(0).normal(size=(2, 6, 3))
    for wrong in (-np.eye(3), np.eye(2)):
        with pytest.raises(ValueError, match="noise must be a positive definite covariance of 3"):
            dissimilarity(x[0], "mahalanobis", noise=wrong)
        with pytest.raises(ValueError, match="noise must be a positive definite covariance of 3"):
            crossnobis(x, noise=wrong)
    with pytest.raises(ValueError, match="repeats hold NaN or infinite numbers"):
        crossnobis(np.where(x > 1, np.nan, x))
