"""Maps over sites: their values, jackknife, permutation null, correction for the search,
calibration.
"""

import numpy as np
import pytest

from inscape.compare.cknna import cknna_table
from inscape.compare.items_needed import items_needed
from inscape.compare.linear_cka import linear_cka, linear_table
from inscape.compare.mutual_knn import knn_table, mutual_knn
from inscape.compare.neuron_map import neuron_map
from inscape.compare.pair_table import PairTable, cosine
from inscape.compare.rbf_cka import rbf_table
from inscape.compare.shift_null import shift_null
from inscape.compare.shifts import Shifts, balanced_rows, shifts
from inscape.compare.similarity_map import calibrated, similarity_map
from inscape.core.errors import DataError
from tests.compare.references import pair

TABLES = {"linear": linear_table, "rbf": rbf_table, "knn": knn_table, "cknna": cknna_table}


def sides(n=60, seed=0):
    x, y = pair(n, seed=seed)
    z, w = pair(n, seed=seed + 1)
    return [x, z, x + 2 * z], [y, w]


def test_each_cell_is_the_measure_of_its_pair():
    first, second = sides()
    found = similarity_map([*map(linear_table, first)], [*map(linear_table, second)])
    shared = similarity_map([*map(knn_table, first)])
    for i, x in enumerate(first):
        for j, y in enumerate(second):
            assert found.values[i, j] == pytest.approx(linear_cka(x, y), abs=1e-12)
        for j, y in enumerate(first):
            assert shared.values[i, j] == pytest.approx(mutual_knn(x, y), abs=1e-12)


def test_the_mean_of_pairs_is_that_of_the_items_left():
    first, _ = sides()
    groups = np.arange(60) // 3
    found = similarity_map([*map(linear_table, first)], groups=groups)
    mean = found.mean([0, 1], [1, 2])
    assert mean.value == pytest.approx((found.values[0, 1] + found.values[1, 2]) / 2)
    assert mean.without == pytest.approx((found.without[0, 1] + found.without[1, 2]) / 2)
    assert mean.weights.tolist() == [[3.0] * 20]
    assert mean.rows == 60
    one_way = neuron_map([x[:, :d] for x, d in zip(first, (2, 3, 1), strict=True)], first)
    both = one_way.mean([0, 1], [1, 2], both=True).value
    ways = [one_way.mean(a, b).value for a, b in (([0, 1], [1, 2]), ([1, 2], [0, 1]))]
    assert both == pytest.approx(np.mean(ways))
    assert abs(ways[0] - ways[1]) > 0.01


def test_small_blocks_give_the_same(monkeypatch):
    first, second = sides()
    tables = [[*map(rbf_table, side)] for side in (first, second)]
    groups = np.arange(60) // 3
    whole = similarity_map(*tables, groups=groups)
    monkeypatch.setattr("inscape.compare.pair_table.BLOCK", 3000)
    small = similarity_map(*[[*map(rbf_table, side)] for side in (first, second)], groups=groups)
    assert len(tables[0][0].blocks(10)) > 3
    np.testing.assert_allclose(small.values, whole.values, rtol=1e-10)
    np.testing.assert_allclose(small.without, whole.without, rtol=1e-10)


@pytest.mark.parametrize("name", TABLES)
def test_a_tile_is_a_part_of_the_table_whose_diagonal_is_zero(name):
    table = TABLES[name](sides()[0][0])
    whole = table.values()
    assert (np.diag(whole) == 0).all()
    assert (np.abs(whole - whole.T).max() < 1e-12) == (table.per_item == 2)
    for part, columns in (
        (slice(5, 20), slice(11, 31)),
        (slice(30, 41), slice(0, 7)),
        (slice(8, 12), slice(0, 60)),
    ):
        np.testing.assert_allclose(table.tile(part, columns), whole[part, columns], atol=1e-14)


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(20), 3), np.arange(60) % 7])
def test_without_an_item_the_table_has_no_row_and_no_column_of_it(groups):
    x, y = pair()
    a, b = linear_table(x), linear_table(y)
    found = similarity_map([a], [b], groups=groups)
    codes = np.arange(60) if groups is None else groups
    for g in (0, 3, int(codes.max())):
        keep = np.flatnonzero(codes != g)
        cut = [
            PairTable.dense(t.values()[np.ix_(keep, keep)], t.measure, t.per_item) for t in (a, b)
        ]
        assert found.without[0, 0, g] == pytest.approx(cosine(*cut), abs=1e-12)


def test_the_interval_is_near_that_of_the_measure_without_each_item():
    x, y = pair(80)
    found = similarity_map([linear_table(x)], [linear_table(y)])
    exact = np.array([linear_cka(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(80)])
    ours = found.without[0, 0]
    assert np.std(ours) == pytest.approx(np.std(exact), rel=0.1)
    assert np.corrcoef(ours, exact)[0, 1] > 0.95


def test_intervals_cover():
    """The true value is that of very many items; 95 % intervals of 100 items miss it rarely."""
    truth = linear_cka(*pair(20_000, seed=5))
    rng, missed = np.random.default_rng(0), 0
    x, y = pair(20_000, seed=5)
    for _ in range(60):
        rows = rng.choice(20_000, 100, replace=False)
        low, high = similarity_map([linear_table(x[rows])], [linear_table(y[rows])]).interval(0, 0)
        missed += not low <= truth <= high
        assert high - low < 0.6
    assert missed <= 9


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("n", "draws"), [(24, 11), (25, 6), (21, 30)])
def test_the_null_is_the_table_under_each_permutation(name, n, draws):
    first, second = sides(n)
    moved = shifts(n, draws, rng=np.random.default_rng(0))
    tables = [[TABLES[name](x) for x in side] for side in (first, second)]
    ours = shift_null(*tables, moved)
    flat = moved.order.ravel()
    assert len(flat) > n - moved.order.shape[1]
    for k in range(len(moved)):
        other = moved.permutation(k)
        for i, j in ((0, 0), (2, 1)):
            a, b = tables[0][i].values(), tables[1][j].values()
            below = np.sum(a[np.ix_(flat, flat)] ** 2) * np.sum(b[np.ix_(flat, flat)] ** 2)
            if name == "knn":
                below = (len(flat) * 10) ** 2
            expected = np.sum(a[np.ix_(flat, flat)] * b[np.ix_(other, other)]) / np.sqrt(below)
            assert ours[k, i, j] == pytest.approx(expected, abs=1e-10)


def test_the_null_in_tiles_is_the_same():
    first, second = sides(30)
    moved = shifts(30, 14, rng=np.random.default_rng(0))
    tables = [[linear_table(x) for x in side] for side in (first, second)]
    whole = shift_null(*tables, moved)
    np.testing.assert_allclose(shift_null(*tables, moved, held=1), whole, atol=1e-12)


def test_p_values_of_unrelated_sides_are_uniform_and_those_of_related_ones_small():
    small = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(30, 6)), rng.normal(size=(30, 6))
        found = similarity_map([linear_table(x)], [linear_table(y)], shifts=shifts(30, 29, rng=rng))
        small.append(found.p[0, 0])
    assert 0.02 < np.mean(np.array(small) <= 0.1) < 0.19
    x, y = pair(30)
    found = similarity_map(
        [linear_table(x)],
        [linear_table(y)],
        shifts=shifts(30, 29, rng=np.random.default_rng(0)),
    )
    assert found.p[0, 0] == pytest.approx(1 / 30)


def test_the_best_of_many_pairs_is_judged_by_the_null_of_the_best():
    rng = np.random.default_rng(3)
    first, second = ([rng.normal(size=(40, 5)) for _ in range(6)] for _ in range(2))
    found = similarity_map(
        [*map(linear_table, first)], [*map(linear_table, second)], shifts=shifts(40, 39, rng=rng)
    )
    at, best = found.best(where={"a": at_name(0)})
    assert best.value == found.values.max() == found.values[at]
    assert found.p[at] <= 0.1  # searching finds something
    assert best.p == found.p_corrected[at] > 0.1  # and the correction takes it back
    assert "largest of all pairs" in best.null.kind
    assert any("largest of 36 pairs is optimistic" in w for w in best.warnings)
    one = found.evidence(*at)
    assert one.p == found.p[at]
    assert one.interval is not None
    assert one.n == 40


def at_name(i):
    return f"site {i}"


def test_groups_change_places_whole():
    groups = np.repeat(np.arange(12), 3)
    moved = shifts(36, 5, rng=np.random.default_rng(0), groups=groups)
    assert moved.kind == "groups permuted"
    assert moved.order.shape == (6, 6)
    for k in range(6):
        donor = moved.permutation(k).reshape(-1, 3)
        assert all(len(set(groups[rows])) == 1 for rows in donor)
    fixed = moved.permutation(2) == moved.order.ravel()
    assert not fixed.any()
    with pytest.raises(DataError, match="between 2 and 3 items, and only groups of one size"):
        shifts(35, 5, rng=np.random.default_rng(0), groups=groups[1:])
    kept = balanced_rows(groups[1:], rng=np.random.default_rng(0))
    assert (np.bincount(groups[1:][kept]) == 2).all()
    assert isinstance(shifts(24, 5, rng=np.random.default_rng(0), groups=groups[1:][kept]), Shifts)


def test_calibrated_scores_are_zero_at_the_threshold_and_one_at_identity():
    null = np.arange(19) / 100.0
    assert calibrated(1.0, null) == 1
    assert calibrated(0.1, null) == 0
    # 19 draws and the value: the threshold of α = 0.05 is the 19th smallest of 20
    assert calibrated(0.5, null) == pytest.approx((0.5 - 0.18) / (1 - 0.18))
    assert calibrated(np.ones(2), np.ones((2, 19))).tolist() == [0, 0]
    with pytest.raises(ValueError, match="18 draws cannot give a threshold at alpha = 0.05"):
        calibrated(0.5, null[1:])
    first, _ = sides(40)
    tables = [*map(linear_table, first)]
    found = similarity_map(tables, shifts=shifts(40, 19, rng=np.random.default_rng(0)))
    assert np.diag(found.calibrated()).tolist() == pytest.approx([1, 1, 1])


def test_what_is_not_defined_is_refused():
    x, y = pair(20)
    with pytest.raises(ValueError, match="there are no tables"):
        similarity_map([])
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        shifts(9, 0, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="cannot change places; give at least two"):
        shifts(1, 3, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="more than the 20 items"):
        similarity_map([linear_table(x)], shifts=shifts(30, 4, rng=np.random.default_rng(0)))
    with pytest.raises(ValueError, match="tells none of the 20 items apart"):
        similarity_map([linear_table(np.ones((20, 2)))], [linear_table(y)])


def test_cells_that_do_not_vary_need_no_number_of_items():
    x = np.random.default_rng(0).normal(size=(40, 3))
    pilot = similarity_map([linear_table(x), linear_table(x @ np.diag([1, 2, 3]))])
    assert items_needed(pilot, (0, 1), difference=0.001) > 0
    for cells in (((0, 0),), ((0, 1), (0, 1))):
        with pytest.raises(ValueError, match="do not vary over the pilot's items"):
            items_needed(pilot, *cells)
