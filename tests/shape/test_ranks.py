"""Three effective ranks with three names: their formulas, caps, and how far apart they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.shape.entropy_rank import entropy_rank, entropy_rank_over_sets
from inscape.shape.participation_ratio import participation_ratio
from inscape.shape.power_law import power_law
from inscape.shape.rankme import rankme
from inscape.shape.spectrum import entropy, shares_by_rank, singular_values, variances


def power_data(n=2000, d=300, alpha=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * np.arange(1, d + 1) ** (-alpha / 2)


def test_they_are_their_formulas():
    x = power_data(200, 20) + 2
    lam = np.linalg.eigvalsh(np.cov(x.T))
    np.testing.assert_allclose(variances(x), lam[::-1], atol=1e-12)
    assert participation_ratio(x) == pytest.approx(lam.sum() ** 2 / (lam**2).sum())
    p = lam / lam.sum()
    assert entropy_rank(x) == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    sigma = np.linalg.svd(x, compute_uv=False)
    np.testing.assert_allclose(singular_values(x), sigma)
    q = sigma / sigma.sum() + 1e-7
    assert rankme(x) == pytest.approx(np.exp(-(q * np.log(q)).sum()))


def test_three_names_are_three_numbers():
    x = power_data(alpha=1.5)
    low, middle, high = participation_ratio(x), entropy_rank(x), rankme(x)
    assert low < 0.5 * middle < 0.25 * high


def test_an_offset_lowers_rankme_and_nothing_that_is_centred():
    x = np.random.default_rng(0).normal(size=(600, 64))
    assert rankme(x) > 55
    assert rankme(x + 50) < 12
    assert participation_ratio(x + 50) == pytest.approx(participation_ratio(x))
    assert entropy_rank(x + 50) == pytest.approx(entropy_rank(x))


def test_a_larger_epsilon_adds_rank_where_there_is_none():
    flat = np.random.default_rng(0).normal(size=(3000, 10)) @ np.eye(10, 1000)
    assert rankme(flat) == pytest.approx(10, abs=0.2)
    assert rankme(flat, epsilon=1e-5) > rankme(flat) + 0.5


def test_they_are_capped_by_the_rows_and_grow_with_them():
    x = np.random.default_rng(0).normal(size=(1000, 128))
    few, many = rankme(x[:64]), rankme(x)
    assert few < 64 < many < 128
    # isotropic data of d dimensions at n rows
    assert participation_ratio(x) == pytest.approx(1000 * 128 / 1128, rel=0.02)


@given(st.integers(0, 10**6), st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_rotation_and_scale_change_nothing(seed, scale):
    x = power_data(60, 8, seed=seed)
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(8, 8)))[0]
    for measure in (participation_ratio, entropy_rank, rankme):
        value = measure(x)
        assert measure(scale * x @ q) == pytest.approx(value, rel=1e-9)
        assert 1 <= value <= 8.01


@pytest.mark.parametrize("alpha", [0.7, 1.0, 1.5])
def test_a_planted_power_is_found(alpha):
    found = power_law(power_data(6000, 200, alpha))
    assert found.exponent == pytest.approx(alpha, abs=0.08)
    assert found.r2 > 0.98
    assert found.ranks == (10, 100)


def test_what_is_no_power_law_says_so():
    x = np.random.default_rng(0).normal(size=(4000, 60)) * np.exp(-np.arange(60) / 6)
    assert power_law(x, first=1).r2 < 0.9
    flat = np.random.default_rng(0).normal(size=(20000, 60))
    assert abs(power_law(flat).exponent) < 0.12


def test_what_has_no_spectrum_is_refused():
    for measure in (participation_ratio, entropy_rank):
        with pytest.raises(ValueError, match="all rows are the same"):
            measure(np.full((9, 3), 0.1))
    with pytest.raises(ValueError, match="all rows are zero"):
        rankme(np.zeros((9, 3)))
    with pytest.raises(ValueError, match="epsilon must not be negative"):
        rankme(np.eye(3), epsilon=-1.0)
    with pytest.raises(ValueError, match="hold 0 variances above rounding, and a line needs three"):
        power_law(power_data(50, 5))


def test_the_entropy_rank_is_jackknifed_over_sets_of_rows():
    x = power_data(60, 8)
    found = entropy_rank_over_sets(x, sets=6)
    assert found.value == pytest.approx(entropy_rank(x))
    slow = [entropy_rank(x[np.arange(60) % 6 != k]) for k in range(6)]
    assert sorted(found.without) == pytest.approx(sorted(slow))


def test_shares_by_rank_sum_to_one_above_the_floor():
    x = power_data(60, 8)
    shown = shares_by_rank({"a": x, "flat": np.concatenate([np.eye(3), -np.eye(3)])})
    own = shown[shown["series"] == "a"]
    assert (10 ** own["value"]).sum() == pytest.approx(1)
    assert own["x"].tolist() == list(range(1, 9))
    flat = shown[shown["series"] == "flat"]["value"]
    assert flat.tolist() == pytest.approx([np.log10(1 / 3)] * 3)
    assert shares_by_rank({"a": x}, floor=0.5)["value"].min() == pytest.approx(np.log10(0.5))


def test_entropy_is_of_shares_alone():
    assert entropy(np.array([0.5, 0.5, 0.0])) == pytest.approx(np.log(2))
    for wrong in ([2.0, 2.0], [0.5, np.nan, 0.5], [1.5, -0.5]):
        with pytest.raises(ValueError, match="shares must be 0 or more and sum to 1"):
            entropy(np.array(wrong))


def test_a_range_of_ranks_ends_after_it_begins():
    x = np.random.default_rng(0).normal(size=(40, 12))
    assert power_law(x, first=1).ranks == (1, 6)
    with pytest.raises(ValueError, match="ranks 1 to -2 hold 0 variances"):
        power_law(x, first=1, last=-2)


def test_spectra_of_no_series_are_refused():
    with pytest.raises(ValueError, match="there is no series"):
        shares_by_rank({})
