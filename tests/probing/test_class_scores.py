"""Scores of predicted classes against scikit-learn, and their intervals and nulls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from inscape.probing.class_scores import ClassScores


def made(n=140, k=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return y, np.where(rng.random(n) < 0.6, y, rng.integers(k, size=n)), np.arange(n) // 7


def scores(metric="macro-F1", seed=0, **more):
    y, predicted, groups = made(seed=seed)
    return ClassScores(y, groups, metric, **more), predicted


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_same_numbers_as_scikit_learn(seed):
    y, predicted, groups = made(seed=seed)
    for metric, theirs in (
        ("macro-F1", f1_score(y, predicted, average="macro")),
        ("balanced accuracy", balanced_accuracy_score(y, predicted)),
        ("accuracy", accuracy_score(y, predicted)),
    ):
        assert ClassScores(y, groups, metric).value(predicted) == pytest.approx(theirs)


def test_the_jackknife_is_the_score_without_each_group():
    for metric in ("macro-F1", "balanced accuracy", "accuracy"):
        made_, predicted = scores(metric)
        slow = [
            ClassScores(made_.y[made_.codes != g], made_.groups[made_.codes != g], metric).value(
                predicted[made_.codes != g]
            )
            for g in range(20)
        ]
        assert np.allclose(made_.jackknife(predicted).without, slow)


def test_evidence_has_interval_null_and_p_and_differences_are_paired():
    made_, predicted = scores()
    rng = np.random.default_rng(0)
    null = [made_.against_labels(predicted, made_.y[rng.permutation(140)]) for _ in range(19)]
    e = made_.evidence("probe", predicted, null)
    assert e.interval is not None
    assert e.null is not None
    assert e.interval[0] < e.value < e.interval[1]
    assert e.null.high < e.interval[0]
    assert e.p == pytest.approx(0.05)
    same = made_.evidence("nothing", predicted, against=[predicted])
    assert same.value == 0.0
    assert same.interval[0] == -same.interval[1] < 0  # exact limits, not a width of zero
    worse = rng.integers(4, size=140)
    assert made_.evidence("gain", predicted, against=[worse]).value == pytest.approx(
        made_.value(predicted) - made_.value(worse)
    )


def test_few_groups_are_warned_of_and_an_unknown_metric_is_refused():
    y, predicted, _ = made()
    few = ClassScores(y, np.arange(140) % 5)
    assert "rests on only 5 groups." in few.evidence("x", predicted).warnings[0]
    with pytest.raises(ValueError, match="metric must be one of macro-F1"):
        scores("kappa")


def test_a_claim_of_less_is_tested_on_the_other_side():
    of, predicted = scores()
    null = np.linspace(0.9, 0.99, 99)
    p = {
        side: of.evidence("score", predicted, null, direction=side).p
        for side in ("higher", "lower")
    }
    assert p == {"higher": 1.0, "lower": 0.01}


def test_a_code_below_zero_is_no_class():
    scores = ClassScores(np.array([0, 1, 1, 0]), np.arange(4), "accuracy")
    assert scores.value(np.array([0, 1, 2, 0])) == 0.75
    with pytest.raises(ValueError, match="needs a class code from 0 on for each of the 4 rows"):
        scores.value(np.array([0, 1, -1, 0]))
