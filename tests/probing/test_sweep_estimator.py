"""Any scikit-learn estimator in a sweep: equal to the shared solver where there is one, honest
where there is none.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import LinearSVC

from inscape.probing import sweep_estimator
from inscape.probing.sweep import sweep
from inscape.read.lda import LDAProbe
from inscape.read.ridge import RidgeProbe
from tests.probing.test_sweep import world


class Grouped(LDAProbe):
    """A probe that keeps which groups it was given."""

    seen: list = []  # noqa: RUF012

    def fit(self, X, y, groups=None):
        self.seen.append(groups)
        return super().fit(X, y)


def test_a_probe_with_a_shared_solver_goes_through_it_and_gives_what_fits_one_by_one_give(
    monkeypatch,
):
    x, y, groups = world(n=120, d=6, sites=2, signal=1)
    asked = dict(groups=groups, shuffles=2, folds=3, target_names=["a", "b"])
    shared = sweep(x, y, estimator=RidgeProbe((0.1, 10.0)), **asked)
    plain = sweep(x, y, alphas=(0.1, 10.0), **asked)
    assert (shared.loss == plain.loss).all()
    # the same probe fitted one by one: inner folds are drawn anew, so penalties may differ, one
    # penalty may not
    one = sweep(x, y, estimator=RidgeProbe((1.0,)), **asked)
    monkeypatch.setattr(sweep_estimator, "shared_grid", lambda _: None)
    monkeypatch.setitem(sweep.__globals__, "shared_grid", lambda _: None)
    slow = sweep(x, y, estimator=RidgeProbe((1.0,)), **asked)
    assert np.isnan(slow.penalties).all()
    for name in ("loss", "base", "row_loss", "predictions"):
        assert getattr(slow, name) == pytest.approx(getattr(one, name), rel=1e-6), name
    # inside, the penalty's unit is that of the inner training rows here and of the outer ones there
    assert slow.inner == pytest.approx(one.inner, abs=2e-3)
    assert slow.inner.max() > 0.2
    assert (slow.chosen == one.chosen).all()


def test_a_circle_is_seen_by_neighbours_and_not_by_a_line():
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(200, 2)), "b": rng.normal(size=(200, 2))}
    y = (np.linalg.norm(x["b"], axis=1) > 1.2).astype(int)
    asked = dict(task="classification", split="random", shuffles=19, folds=4)
    line = sweep(x, y, metric="balanced accuracy", **asked)
    found = sweep(x, y, estimator=KNeighborsClassifier(7), metric="balanced accuracy", **asked)
    assert line.selected[0].value < 0.65
    assert found.selected[0].value > 0.85
    assert found.best["y"] == "b"
    assert found.selected[0].p == pytest.approx(1 / 20)
    assert found.selected[0].null.mean == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("metric", ["accuracy", "auc"])
@pytest.mark.parametrize(
    "estimator", [LinearSVC(), GaussianNB(), LogisticRegression(), LDAProbe()], ids=repr
)
def test_classifiers_are_scored_as_scikit_learn_scores_them(estimator, metric):
    x, y, _ = world(n=90, d=4, sites=1, signal=0, noise=0.5)
    labels = np.where(y[:, 0] > 0, "up", "down")
    found = sweep(
        x,
        labels,
        task="classification",
        split="random",
        metric=metric,
        estimator=estimator,
        folds=3,
        shuffles=0,
    )
    only = next(iter(x.values()))
    right = np.empty(90)
    for f in range(3):
        train, test = found.folds != f, found.folds == f
        right[test] = estimator.fit(only[train], labels[train]).predict(only[test]) == labels[test]
    if metric == "accuracy":
        assert found.evidence[0].value == pytest.approx(right.mean())
    else:
        assert 0.85 < found.evidence[0].value <= 1
    # the sign of a prediction is the class that was named
    assert ((found.predictions[0, :, 0] > 0) == (labels == "up")).mean() == right.mean()


def test_several_classes_and_a_classifier_that_knows_nothing():
    x, y, groups = world(n=120, sites=1, signal=0, noise=0.1)
    labels = np.digitize(y[:, 0], [-0.5, 0.5])
    asked = dict(groups=groups, task="classification", folds=3, shuffles=3)
    seen = sweep(x, labels, estimator=LDAProbe(), **asked)
    blind = sweep(x, labels, estimator=DummyClassifier(), metric="balanced accuracy", **asked)
    assert seen.evidence[0].value > 0.7
    assert blind.evidence[0].value == pytest.approx(1 / 3, abs=0.02)


def test_an_estimator_that_takes_groups_is_given_those_of_its_rows():
    x, y, groups = world(n=80, sites=1)
    Grouped.seen.clear()
    sweep(
        x,
        y[:, 0] > 0,
        groups=groups,
        task="classification",
        estimator=Grouped(),
        folds=4,
        shuffles=0,
    )
    assert len(Grouped.seen) == 4  # one site: nothing is chosen, so there are no inner fits
    assert all(g is not None and len(set(g)) < 40 for g in Grouped.seen)


def test_targets_are_fitted_together_or_one_by_one():
    x, y, groups = world(n=80, sites=2)
    asked = dict(groups=groups, folds=3, shuffles=0)
    together = sweep(x, y, estimator=Ridge(1.0), **asked)
    apart = [sweep(x, y[:, i], estimator=Ridge(1.0), **asked) for i in (0, 1)]
    assert together.predictions[..., 0] == pytest.approx(apart[0].predictions[..., 0], abs=1e-4)
    assert together.predictions[..., 1] == pytest.approx(apart[1].predictions[..., 0], abs=1e-4)
    # without groups one row is left out inside, which an estimator of its own does not do
    assert sweep(x, y, split="random", estimator=KNeighborsRegressor(), folds=3, shuffles=0).best


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"estimator": LDAProbe()}, "LDAProbe is for classification; pass task='classification'"),
        ({"estimator": Ridge(), "task": "classification"}, "Ridge is for regression"),
        (
            {"estimator": Ridge},
            "must be a scikit-learn classifier or regressor, such as RidgeProbe",
        ),
        ({"estimator": "ridge"}, "must be a scikit-learn classifier or regressor"),
        ({"estimator": Ridge(), "alphas": (1.0,)}, "set those of Ridge in its constructor"),
    ],
)
def test_what_cannot_be_a_probe_is_refused(given, sentence):
    x, y, groups = world(n=40, sites=1)
    with pytest.raises(ValueError, match=sentence):
        sweep(x, y[:, 0], groups=groups, **given)
