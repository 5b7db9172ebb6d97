"""Letters of the input, neurons against the null of the largest, and the MLP comparison."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.nulls import permutations
from inscape.read.mlp import fit_mlp, mlp_probe
from inscape.read.neurons import (
    count_beyond,
    count_evidence,
    neuron_search,
    passing,
    passing_without,
    random_alike,
    searched,
    strongest,
    weight_cosines,
)
from inscape.read.surface import letters


def test_letters_know_endings_and_nothing_of_meaning():
    rng = np.random.default_rng(0)
    stems = ["".join(rng.choice(list("abcdefgh"), 6)) for _ in range(200)]
    label = rng.integers(0, 2, 200)
    x = letters(
        [s + ("grad" if z else "ville") for s, z in zip(stems, label, strict=True)], width=50
    )
    gap = x[label == 1].mean(axis=0) - x[label == 0].mean(axis=0)
    assert np.corrcoef(x @ gap, label)[0, 1] > 0.95
    plain = letters(stems, width=50)
    gap = plain[:100][label[:100] == 1].mean(axis=0) - plain[:100][label[:100] == 0].mean(axis=0)
    assert abs(np.corrcoef(plain[100:] @ gap, label[100:])[0, 1]) < 0.3
    assert letters(["ab", "cd", "ef"], width=512).shape[0] == 3
    with pytest.raises(ValueError, match="at least three texts"):
        letters(["ab"])


def layers(rng, y, planted):
    x = [rng.normal(size=(len(y), 40)) for _ in range(3)]
    for layer, neuron in planted:
        x[layer][:, neuron] = 0.8 * y[:, 0] + 0.6 * rng.normal(size=len(y))
    return x


def test_planted_neurons_are_found_and_others_are_not():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(300, 2))
    x = layers(rng, y, [(0, 3), (2, 17)])
    orders = permutations(300, 300, rng=rng)
    found = neuron_search(
        [(f"mlp_act.{i}", a) for i, a in enumerate(x)], y, orders, ("a", "b")
    ).beyond(0.999)
    assert set(zip(found["site"], found["neuron"], found["target"], strict=True)) == {
        ("mlp_act.0", 3, "a"),
        ("mlp_act.2", 17, "a"),
    }
    for row in found.itertuples():
        layer = int(row.site[-1])
        assert row.r == pytest.approx(np.corrcoef(x[layer][:, row.neuron], y[:, 0])[0, 1])


def test_without_a_plant_the_family_wise_rate_holds():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(60):
        y = rng.normal(size=(60, 1))
        search = neuron_search(
            [("a", rng.normal(size=(60, 30)))], y, permutations(60, 99, rng=rng), ("y",)
        )
        hits += len(search.beyond(0.9)) > 0
    assert hits <= 14  # 6 expected, 14 is beyond the 99.9 % point of a binomial


def test_dead_neurons_and_empty_searches():
    y = np.arange(10.0)[:, None]
    search = neuron_search(
        [("a", np.zeros((10, 3)))], y, permutations(10, 5, rng=np.random.default_rng(0)), ("y",)
    )
    assert (search.table["r"] == 0).all()
    with pytest.raises(ValueError, match="at least one permutation"):
        neuron_search([("a", np.zeros((10, 3)))], y, np.empty((0, 10), dtype=np.int64), ("y",))
    with pytest.raises(ValueError, match="no layers"):
        neuron_search([], y, permutations(10, 5, rng=np.random.default_rng(0)), ("y",))


def test_counts_without_each_group_agree_with_a_slow_loop():
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 12, 200)
    y = rng.normal(size=(200, 2))
    x = rng.normal(size=(200, 15)) + 0.4 * y[:, :1] * (np.arange(15) < 5)
    line = np.array([0.25, 0.3])

    def slow(rows):
        r = np.corrcoef(x[rows].T, y[rows].T)[:15, 15:]
        return int((abs(r) > line).any(axis=1).sum())

    expected = [slow(codes != g) for g in range(12)]
    assert passing_without(x, y, line, codes).tolist() == expected
    orders = permutations(200, 30, rng=rng)
    counts = passing([("a", x[:, :7]), ("b", x[:, 7:])], y, orders, line)
    assert counts[0] == slow(np.arange(200)) >= 4
    assert counts[1:].max() < counts[0]
    search = neuron_search([("a", x)], y, permutations(200, 999, rng=rng), ("one", "two"))
    e = count_evidence(lambda: [("a", x)], search, y, codes, orders, kind="shuffled")
    assert e.p == pytest.approx(1 / 31)
    assert e.interval[0] <= e.value <= e.interval[1]
    assert e.d == 15


def test_the_mlp_finds_what_a_line_cannot():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(900, 3))
    y = np.stack([np.abs(x[:, 0]), x[:, 1]], axis=1)
    probe = fit_mlp(x[:700], y[:700], decays=(1e-3, 1e4))
    left = ((probe.predict(x[700:]) - y[700:]) ** 2).sum(axis=0) / (
        (y[700:] - y[:700].mean(axis=0)) ** 2
    ).sum(axis=0)
    assert (left < 0.15).all()
    assert np.corrcoef(x[:, 0], y[:, 0])[0, 1] ** 2 < 0.05
    again = mlp_probe(decay=1e-3, seed=0).fit(x[:700], y[:700])  # the heavy penalty was not chosen
    assert np.array_equal(probe.predict(x), again.predict(x))


def test_one_column_of_targets_is_one_target(recwarn):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 3))
    y = x[:, :1] * 2
    probe = fit_mlp(x, y, decays=(1e-3,))
    assert np.array_equal(probe.predict(x), fit_mlp(x, y[:, 0], decays=(1e-3,)).predict(x))
    assert not recwarn.list


def test_the_strongest_neurons_are_those_that_were_planted_and_random_ones_are_alike():
    rng = np.random.default_rng(4)
    y = rng.normal(size=(80, 2))
    x = {"a": rng.normal(size=(80, 6)), "b": rng.normal(size=(80, 9))}
    x["a"][:, 3] += 3 * y[:, 0] - 3 * y[:, 1]  # one neuron for both targets counts once
    x["b"][:, 7] -= 5 * y[:, 1]
    found = strongest(x.items(), y, 2)
    assert set(zip(found["site"], found["neuron"], strict=True)) == {("a", 3), ("b", 7)}
    assert len(strongest(x.items(), y, 99)) == 15
    width = lambda site: x[site].shape[1]  # noqa: E731
    random = random_alike(strongest(x.items(), y, 99), width, rng=np.random.default_rng(0))
    assert random["site"].value_counts().to_dict() == {"a": 6, "b": 9}
    assert all(0 <= k < width(s) for s, k in zip(random["site"], random["neuron"], strict=True))
    assert random["neuron"].nunique() > 3
    orders = permutations(80, 99, rng=rng)
    assert neuron_search(x.items(), y, orders, ("one", "two")).count() == 2


def test_what_goes_with_a_group_passes_shuffled_rows_and_not_shuffled_groups():
    rng = np.random.default_rng(5)
    codes = np.repeat(np.arange(12), 20)
    y = rng.normal(size=12)[codes][:, None]
    own = rng.normal(size=(12, 40))[codes] + 0.1 * rng.normal(size=(240, 40))  # groups, not y
    x = {"a": np.concatenate([own, rng.normal(size=(240, 5))], axis=1)}

    def layers():
        return iter(x.items())

    streams = {"rows": np.random.default_rng(0), "groups": np.random.default_rng(1)}
    found = searched(layers, y, codes, ("y",), streams=streams.__getitem__, draws=199)
    assert list(found) == ["rows", "groups"]
    assert found["rows"].count(0.95) > 5
    assert found["groups"].count(0.95) < 3
    rng = np.random.default_rng(2)
    counted = count_beyond(layers, found, "groups", y, codes, rng=rng, draws=39)
    assert counted.value == found["groups"].count()
    assert counted.null.kind == "the same count with groups shuffled"
    assert counted.p > 0.02


def test_nan_is_no_neuron_that_never_varies():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 1))
    gone, orders = np.where(x > 1.5, np.nan, x), rng.permutation(20)[None]
    assert np.isnan(gone).any()
    with pytest.raises(ValueError, match="activations of embed hold NaN or infinite numbers"):
        neuron_search([("embed", gone)], y, orders, ("a",))
    with pytest.raises(ValueError, match="neurons: targets hold NaN or infinite numbers"):
        neuron_search([("embed", x)], np.full((20, 1), np.nan), orders, ("a",))
    assert np.isnan(weight_cosines(np.array([[np.nan, 1.0]]), np.eye(2))).all()


def test_a_search_has_a_name_for_each_target_and_rows_for_each_item():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))
    orders = rng.permutation(20)[None]
    with pytest.raises(ValueError, match="targets has 1 names; give a column for each name"):
        neuron_search([("embed", x)], y, orders, ("a",))
    with pytest.raises(ValueError, match="embed has 19 rows and the targets 20"):
        neuron_search([("embed", x[:19])], y, orders, ("a", "b"))


def test_letters_need_a_character_and_a_dimension():
    for texts, width in ((["", " ", ""], 4), (["a", "b", "c"], 0)):
        with pytest.raises(ValueError, match="a width of at least 1 and a text that is not empty"):
            letters(texts, width)
