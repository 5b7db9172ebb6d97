"""Directions over layers: they find what was put there, agree on it, and the nulls do not."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.data.pairs import Pairs
from inscape.probing.directions import (
    ISOTROPIC,
    MATCHED,
    SWAPPED,
    agreement,
    auc_by_layer,
    auc_held_out,
    cosine_table,
    cosines,
    find,
    find_by_fold,
)
from inscape.read.logistic import LogisticProbe
from inscape.read.mass_mean import MassMeanProbe
from inscape.read.pca_direction import PCADirection

FINDERS = {"means": MassMeanProbe(), "logistic": LogisticProbe(tol=1e-4), "PCA": PCADirection()}
SITES = ["embed", "resid_post.0", "resid_post.1"]


def layers(n=200, d=12, seed=0):
    """Nothing, the label along axis 0, the label along axis 1 less clearly; ten groups, both labels
    in each.
    """
    rng = np.random.default_rng(seed)
    y, groups = np.tile([0, 1], n // 2), np.repeat(np.arange(10), n // 10)
    x = rng.normal(size=(3, n, d))
    x[1, :, 0] += 8 * y
    x[2, :, 1] += 3 * y
    return x - x.mean(axis=1, keepdims=True), y, groups


@pytest.fixture(scope="module")
def directions():
    return find(SITES, *layers(), FINDERS, 20, rng=np.random.default_rng(1))


def test_every_finder_finds_what_is_there_and_the_clearest_site_is_chosen(directions):
    assert directions.chosen == 1
    for found in directions.found.values():
        assert abs(found[1][0]) > 0.9
        assert np.allclose(np.linalg.norm(found, axis=1), 1)


def test_matched_random_directions_are_orthogonal_to_the_first_and_swapped_ones_lack_the_label(
    directions,
):
    first = directions.found["means"]
    assert np.abs(np.einsum("ksd,sd->ks", directions.nulls[MATCHED], first)).max() < 1e-3
    assert np.abs(directions.nulls[SWAPPED][:, 1, 0]).mean() < 0.5 < first[1][0]
    assert directions.nulls[MATCHED].shape == (20, 3, 12)
    assert directions.nulls[ISOTROPIC].shape == directions.nulls[SWAPPED].shape == (4, 3, 12)


def test_agreement_is_the_smallest_cosine_beside_its_interval_and_null(directions):
    x, y, groups = layers()
    found = agreement(directions, FINDERS, x[1], y, groups, rng=np.random.default_rng(2))
    assert found.value == pytest.approx(
        min(cosines({k: v[1] for k, v in directions.found.items()}).values()), abs=0.01
    )
    assert found.interval[0] < found.value < found.interval[1]
    assert found.value > 0.8 > found.null.high
    assert found.interval[0] > found.null.high
    assert found.p < 0.01
    nothing = find(SITES[:1], x[:1], y, groups, FINDERS, 2, rng=np.random.default_rng(1))
    assert agreement(nothing, FINDERS, x[0], y, groups, rng=np.random.default_rng(2)).value < 0.5


def test_the_table_of_cosines_is_at_the_chosen_site(directions):
    cells = cosine_table(directions, (MATCHED, SWAPPED)).set_index(["row", "column"])["value"]
    assert len(cells) == 25
    assert cells["means", "means"] == pytest.approx(1)
    assert cells["means", "logistic"] == pytest.approx(
        float(directions.found["means"][1] @ directions.found["logistic"][1])
    )
    assert abs(cells["means", f"{MATCHED}, one draw"]) < 1e-3


def test_areas_by_layer_on_fresh_rows(directions):
    x, y, groups = layers(seed=5)
    parts = [(x[:, :100], y[:100], groups[:100]), (x[:, 100:], y[100:], groups[100:])]
    x, y, groups = zip(*parts, strict=True)
    frame = auc_by_layer([directions] * 2, x, y, groups, np.random.default_rng(3)).set_index(
        ["series", "layer"]
    )
    assert frame.loc[("means", 0), "value"] > 0.99
    assert 0.3 < frame.loc[("means", -1), "value"] < 0.7
    assert (
        frame.loc[("means", 1), "low"]
        < frame.loc[("means", 1), "value"]
        < frame.loc[("means", 1), "high"]
    )
    assert frame.loc[(SWAPPED, 0), "low"] < 0.5 < frame.loc[(SWAPPED, 0), "high"]


def test_a_logistic_probe_is_needed():
    with pytest.raises(ValueError, match="one of the finders must be a LogisticProbe"):
        find(SITES, *layers(), {"means": MassMeanProbe()}, 2, rng=np.random.default_rng(0))


def test_every_fold_has_directions_of_its_own_rows_centred_by_its_training_rows(directions):
    x, y, groups = layers()
    fold = groups % 2
    context = (np.arange(200) // 2) % 2
    rows = np.arange(200).reshape(-1, 2)[:, ::-1]
    pairs = Pairs(y, rows, context, groups, fold)
    states = dict(zip(SITES, x + 7 * context[:, None], strict=True))
    done = []
    centred, found = find_by_fold(
        states, pairs, FINDERS, 10, seed=1, advance=lambda: done.append(1)
    )
    assert len(centred) == len(found) == len(done) == 3
    train = (fold != 0) & (context == 1)
    assert np.allclose(centred[0][:, train].mean(axis=1), 0, atol=1e-5)
    assert abs(found[0].found["means"][1][0]) > 0.9
    assert not np.allclose(found[0].found["means"], found[1].found["means"], atol=1e-3)
    area = auc_held_out(found, centred, pairs, np.random.default_rng(0))
    area = area.set_index(["series", "layer"])["value"]
    assert area["means", 0] > 0.99 > 0.7 > area["means", -1]


def test_the_chosen_sites_directions_stand_at_every_site(directions):
    one = directions.everywhere(directions.nulls[MATCHED][:5])
    assert one.shape == (5, 3, 12)
    assert np.array_equal(one[2, 0], directions.nulls[MATCHED][2, 1])
    assert np.array_equal(one[:, 0], one[:, 2])
