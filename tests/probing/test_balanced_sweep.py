"""Balanced accuracy in a sweep: every class counts alike, whatever the frequencies."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from inscape.probing.sweep import sweep
from inscape.probing.sweep_plan import class_weights


def uneven(kinds=2, n=300, signal=1.0, seed=0):
    """Rows of which a tenth belongs to each class but the first."""
    rng = np.random.default_rng(seed)
    y = rng.choice(kinds, size=n, p=[1 - 0.1 * (kinds - 1), *[0.1] * (kinds - 1)])
    x = rng.normal(size=(n, 6))
    x[np.arange(n), y] += signal
    return {"embed": x}, y, np.arange(n) % 60


@pytest.mark.parametrize("kinds", [2, 3])
def test_it_is_the_mean_of_the_classes_shares(kinds):
    x, y, groups = uneven(kinds, signal=2.0)
    options = {"groups": groups, "task": "classification", "shuffles": 19, "draws": 20}
    found = sweep(x, y, metric="balanced accuracy", **options)
    shown = found.predictions[0, :, 0]
    made = (shown > 0).astype(int) if kinds == 2 else shown.astype(int)
    assert found.scores[0, 0] == pytest.approx(balanced_accuracy_score(y, made))
    (e,) = found.evidence
    assert e.value == pytest.approx(found.scores[0, 0])
    assert e.interval[0] < e.value < e.interval[1]
    assert e.unit == "balanced accuracy"
    assert e.p == pytest.approx(0.05)


def test_a_probe_of_a_rare_class_is_not_scored_by_never_naming_it():
    x, y, groups = uneven(2)
    options = {"groups": groups, "task": "classification", "shuffles": 19, "draws": 20}
    plain = sweep(x, y, **options)
    balanced = sweep(x, y, metric="balanced accuracy", **options)
    named = (plain.predictions[0, :, 0] > 0)[y == 1].mean()
    assert named < 0.2  # before: the plain probe hardly ever names the rare class
    assert (balanced.predictions[0, :, 0] > 0)[y == 1].mean() > 0.5
    assert balanced.scores[0, 0] > balanced_accuracy_score(y, plain.predictions[0, :, 0] > 0) + 0.1


def test_chance_is_one_over_the_classes():
    x, y, groups = uneven(3, signal=0.0)
    found = sweep(
        x,
        y,
        groups=groups,
        task="classification",
        metric="balanced accuracy",
        shuffles=40,
        draws=20,
    )
    assert found.evidence[0].null.mean == pytest.approx(1 / 3, abs=0.05)
    assert found.evidence[0].p > 0.05


def test_weights_let_classes_count_alike():
    codes = np.array([[0, 1], [0, 0], [0, 0], [1, 0]])
    weights = class_weights(codes)
    assert weights.sum(axis=0) == pytest.approx([4, 4])
    assert weights[codes == 1] == pytest.approx([2, 2])


@pytest.mark.parametrize("kinds", [2, 3])
def test_a_representation_that_tells_nothing_is_at_chance_and_not_below(kinds):
    _, y, groups = uneven(kinds)
    found = sweep(
        {"embed": np.ones((len(y), 4))},
        y,
        groups=groups,
        task="classification",
        metric="balanced accuracy",
        shuffles=5,
        draws=20,
        repeats="keep",
    )
    assert found.scores[0, 0] == pytest.approx(1 / kinds)
