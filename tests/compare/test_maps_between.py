"""Ridge predictivity, translation maps with CSLS, and neurons matched one to one."""

import numpy as np
import pytest

from inscape.compare.neuron_matching import NeuronMatching, correlations, semi_matching
from inscape.compare.predictivity import predictivity
from inscape.compare.translation import (
    TranslationMap,
    TranslationTask,
    cosines,
    csls_scores,
    retrieved,
)
from tests.compare.references import pair, rotation


def rng():
    return np.random.default_rng(0)


def test_what_is_a_linear_map_is_predicted_and_what_is_more_is_not():
    x, _ = pair(200)
    less = x[:, :3]
    assert predictivity(x, less, rng=rng()).value > 0.99
    back = predictivity(less, x, rng=rng())
    assert back.value < 0.95
    assert back.by_neuron[:3].min() > 0.99
    assert back.by_neuron.shape == (7,)


def test_unrelated_sides_predict_nothing_and_repeated_groups_leak_without_groups():
    noise = rng().normal(size=(60, 30))
    other = rng().permuted(rng().normal(size=(60, 5)), axis=0)
    groups = np.repeat(np.arange(60), 4)
    x = noise[groups] + 0.1 * rng().normal(size=(240, 30))
    y = other[groups] + 0.1 * np.random.default_rng(1).normal(size=(240, 5))
    assert predictivity(x, y, rng=rng()).value > 0.3
    held = predictivity(x, y, groups=groups, rng=rng())
    assert held.value < 0.05
    assert len(held.overall.without) == 60
    with pytest.raises(ValueError, match="y does not vary"):
        predictivity(x, np.ones((240, 2)), rng=rng())


@pytest.mark.parametrize("kind", ["ridge", "least squares", "orthogonal"])
def test_counterparts_are_found_and_shuffled_pairs_are_not(kind):
    x, _ = pair(300)
    y = x @ rotation(7) + 0.05 * rng().normal(size=(300, 7))
    found = TranslationMap(kind).fit(x[:200], y[:200])
    assert found.precision(x[200:], y[200:]) > 0.9
    assert found.score(x[200:], y[200:]) > 0.95
    wrong = TranslationMap(kind).fit(x[:200], y[:200][::-1])
    assert wrong.precision(x[200:], y[200:]) < 0.1
    assert found.precision(x[200:], y[200:], k=100) == 1


def test_csls_is_its_formula_and_helps_against_hubs():
    near = cosines(rng().normal(size=(8, 5)), np.random.default_rng(1).normal(size=(8, 5)))
    k = 3
    for i, j in ((0, 0), (3, 5)):
        r_x = np.mean(sorted(near[i])[-k:])
        r_y = np.mean(sorted(near[:, j])[-k:])
        assert csls_scores(near, k)[i, j] == pytest.approx(2 * near[i, j] - r_x - r_y)
    x = rng().normal(size=(200, 20))
    y = x + 1.1 * np.random.default_rng(1).normal(size=x.shape)
    y[::10] += 0.8 * y.std() * np.sign(x.mean(0)) * 3
    same = TranslationMap("orthogonal")
    same.coef_, same.intercept_ = np.eye(20), np.sign(x.mean(0))
    assert same.precision(x, y, csls=10) > same.precision(x, y, csls=None)
    with pytest.raises(ValueError, match="kind must be 'ridge', 'least squares' or 'orthogonal'"):
        TranslationMap("magic").fit(x, y)


def test_a_permutation_of_neurons_is_found_and_a_rotation_destroys_it():
    x, _ = pair(200)
    order = rng().permutation(7)
    y = x[:, order] * np.array([1, -1, 1, 1, -1, 1, 1])
    found = NeuronMatching().fit(x[:100], y[:100])
    assert (order[found.index_] == np.arange(7)).all()
    assert found.score(x[100:], y[100:]) == pytest.approx(1)
    np.testing.assert_allclose(found.transform(y), x)
    signed = NeuronMatching(signed=True).fit(x[:100], y[:100])
    assert signed.score(x[100:], y[100:]) < 0.99
    turned = x @ rotation(7)
    assert NeuronMatching().fit(x[:100], turned[:100]).score(x[100:], turned[100:]) < 0.9


def test_unrelated_neurons_match_on_the_rows_fitted_and_not_on_others():
    x, y = rng().normal(size=(80, 30)), np.random.default_rng(1).normal(size=(80, 40))
    found = NeuronMatching().fit(x[:40], y[:40])
    assert found.score(x[:40], y[:40]) > 0.3
    assert abs(found.score(x[40:], y[40:])) < 0.1
    assert len(set(found.index_.tolist())) == 30
    assert semi_matching(x[:40], y[:40]).mean() >= np.abs(found.by_neuron(x[:40], y[:40])).mean()


def test_correlations_are_pearsons_and_a_still_neuron_has_none():
    x, y = pair(50)
    both = np.corrcoef(x.T, y.T)[:7, 7:]
    np.testing.assert_allclose(correlations(x, y), both, atol=1e-12)
    x[:, 2] = 0.3
    assert (correlations(x, y)[2] == 0).all()


def test_counterparts_among_candidates_that_are_more_than_the_rows():
    x, _ = pair(200)
    found = TranslationMap().fit(x[:150], x[:150] @ np.diag(np.arange(1, 8)))
    candidates = np.concatenate([rng().normal(size=(30, 7)) * 3, x[150:] * np.arange(1, 8)])
    own = np.arange(30, 80)
    assert found.hits(x[150:], candidates, own).mean() == 1
    assert found.hits(x[150:], candidates, own[::-1]).mean() < 0.1
    near = np.array([[0.2, 0.9, 0.9, 0.1]])
    for k, hit in ((1, 0.0), (2, 1.0)):  # a tie goes to the earlier candidate
        assert retrieved(near, np.array([2]), k).tolist() == [hit]


def test_a_task_tests_words_that_no_map_has_seen():
    x, _ = pair(200)
    order = rng().permutation(200)
    y = (x @ rotation(7) + 0.05 * rng().normal(size=x.shape))[order]
    dictionary = np.argsort(order)
    task = TranslationTask.split(x, y, dictionary, 60, rng=rng())
    assert sorted([*task.test, *task.rest]) == list(range(200))
    assert len(task.test) == 60
    fitted = task.rest[:80]
    slow = TranslationMap("orthogonal").fit(x[fitted], y[dictionary[fitted]])
    near = cosines(slow.transform(x[task.test]), y)
    for k, csls, scores in ((1, None, near), (3, 10, csls_scores(near, 10))):
        first = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        expected = (first == dictionary[task.test][:, None]).any(axis=1)
        assert np.array_equal(task.hits(80, "orthogonal", k=k, csls=csls), expected)
    assert task.hits(80).mean() > 0.9
    assert task.hits(80, shuffled=rng()).mean() < 0.2
    # what is tested is not what was fitted: words that cannot be translated from the others
    unlike = y.copy()
    unlike[dictionary[task.test]] = rng().normal(size=(60, 7))
    assert TranslationTask(x, unlike, dictionary, task.test, task.rest).hits(80).mean() < 0.2


def test_a_nearness_that_is_nan_is_not_found():
    near = np.array([[np.nan, 0.1, 0.5], [0.9, np.nan, 0.5]])
    assert retrieved(near, np.array([0, 0])).tolist() == [0.0, 0.0]
    assert retrieved(near, np.array([0, 0]), k=2).tolist() == [0.0, 1.0]
    for own, k in (([0, 3], 1), ([-1, 0], 1), ([0, 0], 0)):
        with pytest.raises(
            ValueError, match="2 rows need one of 3 candidates each, and k at least 1"
        ):
            retrieved(near, np.array(own), k)


@pytest.mark.parametrize("k", [0, -1, 9])
def test_local_scaling_needs_neighbours_that_exist(k):
    near = np.random.default_rng(0).normal(size=(8, 5))
    assert csls_scores(near, 5).shape == near.shape
    with pytest.raises(ValueError, match="k must be between 1 and 5, the vectors of a side"):
        csls_scores(near, k)


def test_a_dictionary_holds_out_and_fits_words_that_exist():
    rng = np.random.default_rng(0)
    x, own = rng.normal(size=(9, 3)), np.arange(9)
    for test in (-3, 0, 8):
        with pytest.raises(ValueError, match="test must be between 1 and 7"):
            TranslationTask.split(x, x, own, test, rng=rng)
    with pytest.raises(ValueError, match="must give each of 9 words a row of the 8 of y"):
        TranslationTask.split(x, x[:8], own, 3, rng=rng)
    task = TranslationTask.split(x, x, own, 3, rng=rng)
    with pytest.raises(ValueError, match="pairs must be between 2 and 6, the words of rest, got 7"):
        task.hits(7)


def test_rows_that_are_all_the_same_have_no_share_explained():
    x = np.random.default_rng(0).normal(size=(9, 3))
    with pytest.raises(ValueError, match="rows of y are all the same, so R² is undefined"):
        TranslationMap().fit(x, x).score(x, np.ones((9, 3)))
