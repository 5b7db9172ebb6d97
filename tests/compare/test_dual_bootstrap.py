"""Two sampled factors: the spread it says is the spread that new subjects and items give."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from inscape.compare.dissimilarity import dissimilarity
from inscape.compare.dual_bootstrap import dual_bootstrap
from inscape.compare.rsa import compare_dissimilarities


def drawn(rng, subjects=8, items=14, d=6):
    """Matrices of subjects who see items through a noisy map of their own, and two models of
    them.
    """
    x = rng.normal(size=(items, d))
    own = [x + rng.normal(size=x.shape) @ np.diag(rng.random(d)) for _ in range(subjects)]
    seen = np.stack([dissimilarity(o, "sqeuclidean") for o in own])
    half = dissimilarity(x[:, : d // 2], "sqeuclidean")
    return seen, {"whole": dissimilarity(x, "sqeuclidean"), "half": half}


@pytest.mark.parametrize("how", ["cosine", "pearson", "spearman", "rho-a"])
def test_the_value_is_the_mean_over_subjects(how):
    seen, models = drawn(np.random.default_rng(0))
    found = dual_bootstrap(seen, models, how=how, draws=50, rng=np.random.default_rng(1))
    for name in models:
        each = [compare_dissimilarities(models[name], s, how=how) for s in seen]
        assert found.evidence(name).value == pytest.approx(np.mean(each))
    at = np.triu_indices(14, 1)
    if how == "spearman":
        each = [spearmanr(models["half"][at], s[at]).statistic for s in seen]
        assert found.value[1] == pytest.approx(np.mean(each))
    assert kendalltau(*(m[at] for m in models.values())).statistic > 0


def test_the_spread_is_that_of_new_subjects_and_new_items():
    values, said, naive = [], [], []
    for k in range(150):
        seen, models = drawn(np.random.default_rng(k))
        found = dual_bootstrap(seen, models, how="pearson", draws=60, rng=np.random.default_rng(k))
        values.append([found.value[1], found.gain("whole", over="half").value])
        said.append([found.variance(np.array([0.0, 1.0])), found.variance(np.array([1.0, -1.0]))])
        naive.append([found.both[1, 1], found.subjects[1, 1]])
    true, told = np.std(values, axis=0), np.sqrt(np.mean(said, axis=0))
    both, alone = np.sqrt(np.mean(naive, axis=0))
    assert told == pytest.approx(true, rel=0.25)
    assert both > told[0] > alone  # both at once counts noise too often, subjects alone too little
    assert alone < 0.7 * true[0]


def test_a_gain_is_paired():
    seen, models = drawn(np.random.default_rng(3))
    models["again"] = models["whole"]
    found = dual_bootstrap(seen, models, draws=50, rng=np.random.default_rng(4))
    same = found.gain("again", over="whole")
    assert same.value == pytest.approx(0, abs=1e-12)
    assert same.interval == pytest.approx((0, 0), abs=1e-9)
    assert [b.name for b in same.beside] == ["whole"]


def test_bad_input_is_refused():
    seen, models = drawn(np.random.default_rng(0))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="at least 3 subjects"):
        dual_bootstrap(seen[:2], models, rng=rng)
    with pytest.raises(ValueError, match="at least 50 draws"):
        dual_bootstrap(seen, models, draws=10, rng=rng)
    with pytest.raises(ValueError, match="how must be one of"):
        dual_bootstrap(seen, models, how="tau-a", rng=rng)


def test_a_model_that_was_not_compared_is_named():
    x = np.random.default_rng(0).normal(size=(3, 8, 2))
    far = np.linalg.norm(x[:, :, None] - x[:, None], axis=3)
    found = dual_bootstrap(far, {"deep": far[0]}, draws=50, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="no model 'depe'. Did you mean 'deep'"):
        found.evidence("depe")
