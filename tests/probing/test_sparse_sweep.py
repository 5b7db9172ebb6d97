"""Sparse probes at every site, honestly chosen."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from inscape.probing.sparse_sweep import balanced, sparse_sweep


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    y = rng.integers(2, size=30)[groups]
    y[::7] = 1 - y[::7]
    sites = {f"mlp_act.{i}": rng.normal(size=(120, 50)) for i in range(3)}
    sites["mlp_act.1"][:, 13] += 3 * y
    sites["mlp_act.2"][:, 20:28] += 0.7 * y[:, None]
    return sites, y, groups


@pytest.fixture(scope="module")
def found(world):
    sites, y, groups = world
    return sparse_sweep(sites.items(), y, groups, sizes=(1, 8, 100), shuffles=6)


def test_the_planted_neuron_is_found_and_random_ones_and_shuffled_labels_are_at_chance(found):
    assert found.best() == ("mlp_act.1", 13)
    assert (found.neurons[1] == 13).all()
    assert balanced(found.selected() == 1, found.y) > 0.85
    assert np.median(found.random) < 0.58
    chance = [balanced(found.selected(t) == 1, found.labels[t]) for t in range(1, 7)]
    assert abs(np.mean(chance) - 0.5) < 0.08


def test_what_is_spread_over_eight_neurons_gains_from_more_of_them(found):
    by_size = balanced(found.sized[2], np.repeat(found.y[None], 3, axis=0))
    assert by_size[1] > by_size[0] + 0.1
    assert found.sizes == (1, 8, 50)
    assert (found.selected_size(1) == found.selected()).mean() > 0.95


def test_the_single_neuron_is_scikit_learns_fit_to_it_on_the_training_rows(world, found):
    sites, y, _ = world
    train, test = found.fold_of_row != 0, found.fold_of_row == 0
    z = sites["mlp_act.1"][:, [13]]
    z = (z - z[train].mean()) / z[train].std()
    theirs = (
        LogisticRegression(C=1.0, class_weight="balanced").fit(z[train], y[train]).predict(z[test])
    )
    assert (theirs == found.single[1, 0, test]).all()
    assert balanced(found.single[1, 0, test], y[test]) == pytest.approx(
        balanced_accuracy_score(y[test], theirs)
    )


def test_no_group_is_on_both_sides_and_the_seed_decides(world, found):
    sites, y, groups = world
    assert all(len(set(found.fold_of_row[groups == g])) == 1 for g in range(30))
    again = sparse_sweep(sites.items(), y, groups, sizes=(1, 8, 100), shuffles=6)
    assert (again.single == found.single).all()
