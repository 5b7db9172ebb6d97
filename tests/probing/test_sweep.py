"""The sweep: planted worlds, leakage, calibration, honest selection, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score

from inscape.core import ridge
from inscape.core.errors import DataError
from inscape.core.folds import group_folds
from inscape.core.nulls import p_value
from inscape.core.rng import generator
from inscape.probing.sweep import compare, sweep


def world(n=240, d=12, sites=4, signal=2, noise=1.0, seed=0):
    """Sites of noise, one of which carries the first target; forty groups."""
    rng = np.random.default_rng(seed)
    x = {f"resid_post.{i}": rng.normal(size=(n, d)).astype(np.float32) for i in range(sites)}
    y = np.stack(
        [
            x[f"resid_post.{min(signal, sites - 1)}"][:, 0] + noise * rng.normal(size=n),
            rng.normal(size=n),
        ],
        axis=1,
    )
    return x, y, np.arange(n) % 40


def leaky(n_groups=40, per=8, d=80, seed=0):
    """Labels belong to groups and rows show which group they are of; nothing carries over to a
    new group."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), per)
    x = (2 * rng.normal(size=(n_groups, d)))[groups] + 0.3 * rng.normal(size=(len(groups), d))
    return {"embed": x}, rng.normal(size=n_groups)[groups], groups


def test_a_planted_signal_is_found_at_its_site_and_nowhere_else():
    x, y, groups = world()
    result = sweep(x, y, groups=groups, shuffles=40, target_names=["latitude", "noise"])
    assert result.best["latitude"] == "resid_post.2"
    assert result.best_overall == "resid_post.2"
    assert (result.chosen[:, 0] == 2).all()
    by = {(e.where["site"], e.where["target"]): e for e in result.evidence}
    found, beside = by["resid_post.2", "latitude"], by["resid_post.1", "latitude"]
    assert found.name == "R² of latitude"
    assert 0.3 < found.interval[0] < found.value < found.interval[1] < 0.65
    assert found.p == pytest.approx(1 / 41)
    assert abs(beside.value) < 0.1
    assert beside.p > 0.2
    assert by["resid_post.2", "noise"].p > 0.1
    assert result.selected[0].value == pytest.approx(found.value)
    assert result.selected[1].p > 0.05
    assert result.maximum[0].p == pytest.approx(1 / 41)
    assert result.maximum[0].null.mean > found.null.mean
    assert len(result.table()) == 4 * 2 + 2 + 2


def test_scores_equal_a_loop_over_scikit_learn():
    x, y, groups = world(sites=2)
    result = sweep(x, y, groups=groups, shuffles=2, inner="loo", seed=3)
    folds = group_folds(groups, 5, rng=generator(3, "sweep", "folds"))
    for s, site in enumerate(result.sites):
        lost, base = np.zeros(2), np.zeros(2)
        for train, test in folds:
            rms = x[site][train].var(axis=0, dtype=np.float64).mean()
            probe = RidgeCV(np.array(ridge.ALPHAS) * rms, alpha_per_target=True).fit(
                x[site][train].astype(float), y[train]
            )
            lost += ((y[test] - probe.predict(x[site][test].astype(float))) ** 2).sum(axis=0)
            base += ((y[test] - y[train].mean(axis=0)) ** 2).sum(axis=0)
            f = result.folds[test[0]]
            assert np.allclose(result.penalties[s, f], probe.alpha_)
            assert np.allclose(
                result.predictions[s, test], probe.predict(x[site][test].astype(float)), atol=1e-8
            )
        assert np.allclose(result.scores[s], 1 - lost / base, atol=1e-8)


def test_random_folds_reward_recognising_the_group_and_group_folds_do_not():
    x, y, groups = leaky()
    inside = sweep(x, y, groups=groups, split="random", shuffles=0)
    outside = sweep(x, y, groups=groups, shuffles=0)
    assert inside.scores[0, 0] > 0.9
    assert outside.scores[0, 0] < 0.15
    assert "group leakage inflates the score" in inside.evidence[0].warnings[0]
    assert inside.evidence[0].p is None
    assert inside.evidence[0].null is None


def test_selection_and_its_null_are_honest_where_there_is_nothing():
    p_max, p_selected, naive = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = {f"s{i}": rng.normal(size=(60, 6)) for i in range(6)}
        result = sweep(x, rng.normal(size=60), split="random", shuffles=39, seed=seed, draws=1)
        p_max.append(result.maximum[0].p)
        p_selected.append(result.selected[0].p)
        null = result.null_scores[:, :, 0]
        naive.append(min((1 + (null[s] >= result.scores[s, 0]).sum()) / 40 for s in range(6)))
    assert stats.kstest(p_max, "uniform").pvalue > 0.01
    assert stats.kstest(p_selected, "uniform").pvalue > 0.01
    assert np.mean(np.array(naive) <= 0.05) > 0.12
    assert np.mean(np.array(p_max) <= 0.05) < 0.12


def test_shuffling_rows_is_too_easy_a_null_for_clustered_labels():
    rows, whole = [], []
    for seed in range(40):
        x, y, groups = leaky(n_groups=16, per=10, d=3, seed=seed)
        found = sweep(x, y, groups=groups, shuffle="rows", shuffles=39, seed=seed, draws=1)
        assert found.evidence[0].p is None
        assert any("shuffled by row" in w for w in found.evidence[0].warnings)
        rows.append(p_value(found.scores[0, 0], found.null_scores[0, :, 0]))
        whole.append(sweep(x, y, groups=groups, shuffles=39, seed=seed, draws=1).evidence[0].p)
    assert np.mean(np.array(whole) <= 0.1) < 0.25
    assert stats.kstest(whole, "uniform").pvalue > 0.01
    assert stats.kstest(rows, "uniform").pvalue < 0.01


def test_rows_repeated_in_another_group_count_as_one_group():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(120, 4))
    x, y = np.r_[half, half], np.tile(rng.integers(0, 2, 120), 2)
    groups = np.r_[np.arange(120) // 4, 30 + np.arange(120) // 4]
    found = sweep({"a": x}, y, groups=groups, task="classification", shuffles=39)
    assert len(set(found.groups)) == 30
    assert any("more than one group" in note for note in found.notes)
    assert found.selected[0].value < 0.62
    assert found.selected[0].p > 0.05
    # lengths and counts repeat by nature
    counts = rng.integers(0, 5, (240, 2)).astype(float)
    plain = sweep({"a": counts}, y, groups=groups, task="classification", shuffles=0)
    assert len(set(plain.groups)) == 60
    # an input with two answers, the name of two towns, gives neither away
    other = sweep({"a": x}, rng.normal(size=240), groups=groups, shuffles=0)
    assert len(set(other.groups)) == 60
    with pytest.raises(DataError, match="so those groups belong together"):
        sweep(iter([("a", x)]), y, groups=groups, task="classification", shuffles=0)


@pytest.mark.parametrize("copies", [2, 5, 20])
@pytest.mark.parametrize("how", ["random", "groups"])
def test_copies_of_an_input_in_training_and_held_out_folds_are_told(copies, how):
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(60, 32)), rng.integers(0, 2, 60)
    x, y = {"a": np.repeat(inputs, copies, axis=0)}, np.repeat(labels, copies)
    by = {"split": "random"} if how == "random" else {"groups": rng.integers(0, 20, 60 * copies)}
    ask = dict(task="classification", shuffles=0, **by)
    told = sweep(x, y, **ask).selected[0]
    silent = sweep(x, y, repeats="keep", **ask).selected[0]
    alone = sweep({"a": inputs}, labels, split="random", task="classification", shuffles=0)
    # labels are drawn at random, so what is read out is leakage alone
    assert silent.value > 0.65 > 0.55 > alone.selected[0].value
    assert any(
        "held-out rows are also training rows" in w and "leakage inflates the score" in w
        for w in told.warnings
    )
    # not asked to look; one row of each input; equal inputs with an answer each
    other = sweep(x, rng.normal(size=60 * copies), shuffles=0, **by).selected[0]
    for evidence in (silent, alone.selected[0], other):
        assert not any("training rows" in w for w in evidence.warnings)


def test_the_same_seed_gives_the_same_numbers_and_sites_can_be_streamed():
    x, y, groups = world(sites=2)
    seen = []
    one = sweep(x, y, groups=groups, shuffles=3, seed=1, progress=lambda *a: seen.append(a))
    two = sweep(lambda: iter(x.items()), y, groups=groups, shuffles=3, seed=1)
    other = sweep(iter(x.items()), y, groups=groups, shuffles=3, seed=2)
    assert one.table().equals(two.table())
    assert not one.table().equals(other.table())
    assert seen == [(1, 2, "resid_post.0"), (2, 2, "resid_post.1")]


def test_the_unit_of_representation_and_target_is_irrelevant():
    x, y, groups = world(sites=2)
    one = sweep(x, y, groups=groups, shuffles=0)
    two = sweep({k: 100 * v for k, v in x.items()}, 7 * y - 3, groups=groups, shuffles=0)
    assert np.allclose(one.scores, two.scores, atol=1e-5)


def test_the_probe_that_knows_nothing_scores_zero():
    rng = np.random.default_rng(0)
    y = rng.normal(size=60)
    result = sweep({"flat": np.ones((60, 3))}, y, split="random", shuffles=0)
    assert result.scores[0, 0] == pytest.approx(0.0, abs=1e-12)


def test_classification_equals_scikit_learn_with_one_penalty():
    x, y, groups = world(sites=1, signal=0)
    z = np.where(y[:, 0] > 0, "up", "down")
    result = sweep(x, z, groups=groups, task="classification", shuffles=0, alphas=[0.3])
    right = 0
    for f in range(5):
        test = result.folds == f
        rows = x["resid_post.0"].astype(float)
        c = 0.3 / rows[~test].var(axis=0).mean()
        probe = LogisticRegression(C=c, tol=1e-8).fit(rows[~test], z[~test])
        right += (probe.predict(rows[test]) == z[test]).sum()
        assert np.allclose(
            result.predictions[0, test, 0], probe.decision_function(rows[test]), atol=0.05
        )
    assert result.scores[0, 0] == pytest.approx(right / 240, abs=0.01)
    assert result.classes == ("down", "up")


def test_an_extreme_row_leaves_the_other_rows_as_they_are():
    """As scikit-learn fits each fold; in one basis of all rows logits are off by tens."""
    rng, n = np.random.default_rng(0), 200
    x = rng.normal(size=(n, 20))
    y, groups = (x[:, 0] + rng.normal(size=n) > 0).astype(int), np.arange(n) // 4
    x[0] *= 300
    found = sweep({"a": x}, y, groups=groups, task="classification", shuffles=0, alphas=[0.1])
    for f in range(5):
        test = found.folds == f
        c = 0.1 / x[~test].var(axis=0).mean()
        probe = LogisticRegression(C=c, tol=1e-10, max_iter=9999, solver="newton-cholesky")
        theirs = probe.fit(x[~test], y[~test]).decision_function(x[test])
        mine = found.predictions[0, test, 0]
        plain = np.abs(theirs) < 20
        assert np.abs(mine - theirs)[plain].max() < 0.03
        assert plain.sum() >= test.sum() - 1
    assert not any("converged" in note for note in found.notes)


def test_probes_that_did_not_converge_are_counted_in_a_warning(monkeypatch):
    x, y, groups = world(sites=1)
    options = {"groups": groups, "task": "classification", "shuffles": 0, "alphas": [0.1]}
    assert not any("converged" in n for n in sweep(x, y[:, 0] > 0, **options).notes)
    monkeypatch.setitem(sweep.__globals__, "_TOL", 0.0)
    found = sweep(x, y[:, 0] > 0, **options)
    assert any("5 of 5 logistic probes stopped before" in note for note in found.notes)


@pytest.mark.parametrize("metric", ["accuracy", "auc"])
def test_classification_finds_the_planted_site_against_its_null(metric):
    x, y, groups = world(sites=3, noise=0.5)
    result = sweep(x, y[:, 0] > 0, groups=groups, task="classification", metric=metric, shuffles=19)
    assert result.best["y"] == "resid_post.2"
    selected = result.selected[0]
    assert selected.value > 0.75
    assert selected.p == pytest.approx(0.05)
    assert selected.interval[0] < selected.value < selected.interval[1]
    assert abs(result.scores[0, 0] - 0.5) < 0.15
    assert abs(result.null_scores.mean() - 0.5) < 0.06


def test_auc_is_scikit_learns_within_each_fold():
    x, y, groups = world(sites=1, signal=0)
    z = y[:, 0] > 0.5
    result = sweep(x, z, groups=groups, task="classification", metric="auc", shuffles=0)
    won = pairs = 0.0
    for f in range(5):
        test = result.folds == f
        count = z[test].sum() * (~z[test]).sum()
        won += roc_auc_score(z[test], result.predictions[0, test, 0]) * count
        pairs += count
    assert result.scores[0, 0] == pytest.approx(won / pairs)


def test_several_classes():
    x, y, groups = world(sites=2, signal=1, noise=0.3)
    z = np.digitize(y[:, 0], [-0.6, 0.6])
    result = sweep(x, z, groups=groups, task="classification", shuffles=3)
    assert result.scores[1, 0] > 0.6
    assert result.scores[0, 0] < 0.55
    assert set(np.unique(result.predictions)) <= {0.0, 1.0, 2.0}
    assert "Only 3 shuffles" in result.evidence[0].warnings[0]


def test_random_split_of_a_classification_needs_no_groups():
    x, y, _ = world(sites=1, signal=0, noise=0.5)
    assert (
        sweep(x, y[:, 0] > 0, split="random", task="classification", shuffles=0).scores[0, 0] > 0.75
    )


def test_compare_pairs_the_sweeps():
    x, y, groups = world(sites=3)
    other = {k: np.random.default_rng(9).normal(size=v.shape) for k, v in x.items()}
    a, b = (sweep(m, y, groups=groups, shuffles=99) for m in (x, other))
    better, same = compare(a, b, names=("trained", "untrained"))
    assert better.name == "R² of y0: trained − untrained"
    assert better.p == 0.01
    assert better.null.kind == "no difference, spread as measured"
    assert better.interval[0] > 0.25
    assert same.interval[0] < 0.01
    sites = compare(a, b, at="sites")
    assert [e.where["site"] for e in sites[::2]] == list(x)
    assert compare(a, a)[0].value == 0
    assert compare(a, a)[0].p == 1
    fewer = sweep(other, y, groups=groups, shuffles=0)
    assert compare(a, fewer)[0].p is None
    assert compare(a, fewer)[0].interval == better.interval
    one = sweep({"embed": other["resid_post.0"]}, y, groups=groups, shuffles=0)
    assert len(compare(a, one, at="sites")) == 6
    with pytest.raises(DataError, match="share no site"):
        compare(one, a, at="sites")
    with pytest.raises(DataError, match="must have the same rows"):
        compare(a, sweep(x, y, groups=groups, shuffles=0, seed=5))
    with pytest.raises(ValueError, match="'selected' or 'sites', got 'all'"):
        compare(a, b, at="all")


def test_two_equally_good_sites_are_rejected_no_more_than_promised():
    # where R² is 0.56 a difference scatters three times as much as it does on shuffled labels
    codes, hits = np.repeat(np.arange(60), 4), 0
    for k in range(60):
        rng = np.random.default_rng([1, k])
        own, group = rng.normal(size=(240, 13)), rng.normal(size=(60, 13))[codes]
        y, *noise = np.split(np.sqrt(0.4) * group + np.sqrt(0.6) * own, [1, 7], axis=1)
        pair = [sweep({"s": 0.5 * y + n}, y, groups=codes, shuffles=39, seed=k) for n in noise]
        (found,) = compare(*pair)
        hits += found.p <= 0.05
    assert hits <= 8  # 3 expected; 15 with the draws as they are


def test_compare_gives_no_p_where_the_groups_give_no_interval_and_a_low_one_without_variance():
    x, y, _ = world(n=80, sites=2)
    three = np.repeat(np.arange(3), (60, 10, 10))
    a, b = (sweep({k: x[k]}, y[:, 0], groups=three, folds=3, shuffles=5) for k in x)
    (found,) = compare(a, b)
    assert found.interval is None
    assert found.p is None
    z = y[:, 0] > 0
    right = {"s": np.c_[3.0 * z, np.ones(80)]}
    wrong = {"s": np.c_[np.zeros(80), np.ones(80)]}
    every = np.arange(80) // 2
    one, two = (
        sweep(m, z, groups=every, task="classification", shuffles=39) for m in (right, wrong)
    )
    assert compare(one, two)[0].p == 1 / 40
    assert compare(two, one)[0].p > 0.9


def _bad(**change):
    x, y, groups = world(n=80, sites=1)
    given = {"matrices": x, "y": y[:, 0], "groups": groups, "shuffles": 0, **change}
    return sweep(given.pop("matrices"), given.pop("y"), **given)


CLASSES = np.arange(80) % 2


def test_a_matrix_of_objects_is_read_as_the_numbers_that_it_holds():
    x, y, groups = world(n=80, sites=1)
    ((site, rows),) = x.items()
    plain, objects = (
        sweep({site: m}, y[:, 0], groups=groups, shuffles=0) for m in (rows, rows.astype(object))
    )
    assert objects.selected[0].value == plain.selected[0].value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.where(np.arange(80) < 3, np.nan, 1.0)}, "3 of 80 labels are NaN or infinite"),
        ({"y": np.ones(80)}, "target 0 has the same value in every row"),
        (
            {"y": np.ones(80), "target_names": ["age"]},
            "target 'age' has the same value .*; choose another label",
        ),
        ({"y": np.array(["a", "b"] * 40)}, "must hold numbers for a regression"),
        ({"y": np.ones((80, 2, 2))}, r"y must be \(n,\) or \(n, targets\), got shape"),
        ({"y": np.ones(80), "task": "classification"}, "holds one class only"),
        (
            {"y": np.array([None, "b"] * 40), "task": "classification"},
            "40 of 80 labels are missing",
        ),
        (
            {"y": np.arange(80) % 3, "task": "classification", "metric": "auc"},
            "AUC is for two classes and y holds 3",
        ),
        ({"groups": np.zeros(80)}, "all rows are in one group"),
        ({"groups": np.arange(80) % 3}, "3 groups cannot fill 5 folds"),
        ({"groups": None}, "no groups given"),
        ({"groups": np.arange(79)}, "groups has 79 entries for 80 rows"),
        (
            {"matrices": {"embed": np.ones((79, 2))}},
            r"site embed: expected one row for each of the 80 labels",
        ),
        (
            {"matrices": {"embed": np.full((80, 2), np.nan)}},
            "site embed: the representation holds NaN",
        ),
        (
            {"matrices": {"embed": np.full((80, 2), "a")}},
            "site embed: the representation must hold real numbers, got <U1",
        ),
        (
            {"matrices": {"embed": np.full((80, 2), None)}},
            "site embed: the representation holds NaN",
        ),
        (
            {"matrices": {"embed": np.ones((80, 2)) * 1j}},
            "site embed: the representation must hold real numbers, got complex128",
        ),
        ({"y": []}, "y holds no labels; give one for each row"),
        ({"matrices": {}}, "no sites were given"),
        (
            {"y": CLASSES, "groups": CLASSES, "folds": 2, "task": "classification"},
            "fold 0 would train on one class only",
        ),
        (
            {
                "y": (np.arange(80) // 20) % 2,
                "groups": np.arange(80) // 20,
                "folds": 4,
                "task": "classification",
            }
            | {"metric": "auc"},
            "no fold holds out both classes",
        ),
    ],
)
def test_bad_data_is_refused_in_one_sentence(change, message):
    with pytest.raises(DataError, match=message):
        _bad(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "ranking"}, "task must be 'regression' or 'classification'"),
        ({"metric": "auc"}, "metric must be 'r2' for regression, got 'auc'"),
        ({"split": "country"}, "split must be 'group' or 'random'"),
        ({"shuffle": "all"}, "shuffle must be 'rows' or 'groups'"),
        ({"inner": "cv"}, "inner must be 'group' or 'loo'"),
        ({"shuffles": -1}, "shuffles must be 0 or at least 2"),
        ({"shuffles": 1}, "one shuffle is no null"),
        ({"draws": 0}, "draws must be at least 1"),
        ({"target_names": ["a", "b"]}, "target_names has 2 names for 1 targets"),
        ({"alphas": [0.0]}, "alphas must be positive"),
    ],
)
def test_unknown_options_are_refused_with_the_choices(change, message):
    with pytest.raises(ValueError, match=message):
        _bad(**change)


def test_what_a_reader_must_know_travels_with_the_numbers():
    x, y, groups = world(n=80, sites=1)
    few = sweep(x, y[:, 0], groups=groups % 6, shuffles=0).evidence[0].warnings
    assert len(few) == 1
    assert few[0].startswith("The interval rests on only 5.")
    assert few[0].endswith("effective groups (6 groups of unequal weight).")
    null = sweep(x, y[:, 0], groups=groups % 6, shuffles=20).notes
    assert null == ("The null rests on only 6 groups.",)


def test_rows_without_groups_are_not_warned_of_groups_in_both_parts():
    x, y, groups = world(n=80, sites=1)
    own = sweep(x, y[:, 0], groups=np.arange(80), split="random", shuffles=0)
    assert not any(note.startswith("Random folds") for note in own.notes)
    shared = sweep(x, y[:, 0], groups=groups, split="random", shuffles=0)
    assert any(note.startswith("Random folds") for note in shared.notes)


def test_predictions_that_rest_on_one_coordinate_are_said():
    """A class that is told by whether an attention sink was averaged in."""
    rng = np.random.default_rng(0)
    groups = np.arange(300) % 30
    sink, plain = rng.normal(size=(2, 300, 32))
    y = sink[:, 5] + rng.normal(size=300)
    sink[:, 5] *= 300
    plain += y[:, None] * rng.normal(size=32) / 4
    found = sweep({"sink": sink, "plain": plain}, y, groups=groups, shuffles=5)
    one, other = found.evidence
    assert any("Coordinate 5 of sink alone explains" in w for w in one.warnings)
    assert not any("Coordinate" in w for w in other.warnings)
    assert found.scores[0, 0] > 0.2
    chosen = {found.sites[i] for i in found.chosen[:, 0]}
    assert any("Coordinate 5" in w for w in found.selected[0].warnings) == ("sink" in chosen)
    classes = sweep({"sink": sink}, y > 0, groups=groups, shuffles=5, task="classification")
    assert any("Coordinate 5 of sink" in w for w in classes.selected[0].warnings)


def test_labels_and_groups_in_another_order_are_refused():
    rng = np.random.default_rng(0)
    y = pd.Series(rng.normal(size=30))
    by = pd.Series(np.arange(30) % 10)
    x = {"a": rng.normal(size=(30, 3))}
    assert sweep(x, y, groups=by, shuffles=0).scores.shape == (1, 1)
    with pytest.raises(ValueError, match="sweep: two sides have the same rows in another order"):
        sweep(x, y, groups=by.sample(frac=1, random_state=0), shuffles=0)
