"""Transfer: a common axis gives a flat matrix, axes of their own a diagonal, an opposite axis areas
below one half.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from inscape.core.folds import group_folds
from inscape.core.intervals import interval
from inscape.read.mass_mean import MassMeanProbe
from inscape.read.transfer import DataSet, transfer


def data(rng, axis, sign=1.0, n=200, d=8):
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, d))
    x[:, axis] += sign * 2.0 * (2 * y - 1)
    groups = rng.integers(0, 20, n)
    return DataSet(x, y, groups, group_folds(groups, 4, rng=rng))


def test_a_common_axis_transfers_and_axes_of_their_own_do_not():
    rng = np.random.default_rng(0)
    same = transfer({"a": data(rng, 0), "b": data(rng, 0)}, MassMeanProbe())
    apart = transfer({"a": data(rng, 0), "b": data(rng, 1)}, MassMeanProbe())
    against = transfer({"a": data(rng, 0), "b": data(rng, 0, -1.0)}, MassMeanProbe())
    assert same.auc.min() > 0.95
    gap = {
        name: own - other for name, (own, other) in (("same", same.means), ("apart", apart.means))
    }
    assert abs(gap["same"].value) < 0.05
    assert np.diag(apart.auc).min() > 0.95
    assert gap["apart"].value > 0.3
    assert interval(gap["apart"]).low > 0.2 > interval(gap["same"]).high
    assert gap["apart"].without.shape == (40,)  # twenty groups of each set
    assert against.auc[0, 1] < 0.05


def test_against_scikit_learn_and_invariances():
    rng = np.random.default_rng(1)
    sets = {"a": data(rng, 0), "b": data(rng, 1)}
    found = transfer(sets, MassMeanProbe())
    probe = MassMeanProbe().fit(sets["a"].x, sets["a"].y)
    assert found.auc[0, 1] == pytest.approx(
        roc_auc_score(sets["b"].y, probe.decision_function(sets["b"].x))
    )
    turned = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    again = {n: DataSet(s.x @ turned, s.y, s.groups, s.folds) for n, s in sets.items()}
    assert transfer(again, MassMeanProbe()).auc == pytest.approx(found.auc)


def test_the_table_has_every_cell_with_its_interval():
    rng = np.random.default_rng(2)
    found = transfer({"a": data(rng, 0), "b": data(rng, 1)}, MassMeanProbe())
    cells = found.table()
    assert list(zip(cells["row"], cells["column"], strict=True)) == [
        ("a", "a"),
        ("a", "b"),
        ("b", "a"),
        ("b", "b"),
    ]
    assert np.array_equal(cells["value"], found.auc.ravel())
    assert (cells["low"] < cells["value"]).all()
    assert cells["high"][1] == interval(found.areas[0][1]).high


def test_what_is_refused():
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="at least two data sets, got 1"):
        transfer({"a": data(rng, 0)}, MassMeanProbe())
    with pytest.raises(ValueError, match=r"same width, got \[4, 8\]"):
        transfer({"a": data(rng, 0), "b": data(rng, 0, d=4)}, MassMeanProbe())


def test_the_means_are_two_conditions_of_one_measurement():
    rng = np.random.default_rng(4)
    found = transfer({"a": data(rng, 0), "b": data(rng, 1)}, MassMeanProbe())
    gain = found.measured().gain("own task", over="another task")
    assert gain.value == pytest.approx(
        np.diag(found.auc).mean() - found.auc[~np.eye(2, dtype=bool)].mean()
    )
    assert gain.beside[0].role == "reference"
    assert gain.interval == pytest.approx(interval(found.means[0] - found.means[1]).ends)


def _sets(y, folds):
    x = np.random.default_rng(0).normal(size=(12, 3))
    one = DataSet(x, y, np.arange(12), folds)
    return {"a": one, "b": one}


def test_labels_and_folds_that_would_score_garbage_are_refused():
    y, rows = np.arange(12) % 2, np.arange(12)
    halves = [(rows[6:], rows[:6]), (rows[:6], rows[6:])]
    assert transfer(_sets(y, halves), MassMeanProbe()).auc.shape == (2, 2)
    with pytest.raises(ValueError, match="a needs a label of 0 or 1 for each of its rows"):
        transfer(_sets(y + 1, halves), MassMeanProbe())
    for folds in ([], halves[:1], [*halves, halves[0]]):
        with pytest.raises(ValueError, match="must hold out each of its 12 rows once"):
            transfer(_sets(y, folds), MassMeanProbe())
