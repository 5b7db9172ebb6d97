"""Nulls and intervals of any measure, minibatches, streams, and how many items a question takes."""

import numpy as np
import pytest

from inscape.compare.items_needed import items_needed
from inscape.compare.jaccard import jaccard
from inscape.compare.linear_cka import linear_cka, linear_table
from inscape.compare.minibatch_cka import minibatch_cka
from inscape.compare.rbf_cka import rbf_cka, rbf_table
from inscape.compare.resampling import bootstrap, measured, permuted
from inscape.compare.shift_null import shift_null
from inscape.compare.shifts import shifts
from inscape.compare.similarity_map import similarity_map
from inscape.compare.streamed_cka import StreamedCKA
from tests.compare.references import pair


def rng(seed=0):
    return np.random.default_rng(seed)


def test_running_the_measure_again_gives_what_the_transform_gives():
    x, y = pair(30)
    moved = shifts(30, 9, rng=rng())
    again = permuted(linear_cka, x, y, moved)
    once = shift_null([linear_table(x)], [linear_table(y)], moved)[:, 0, 0]
    np.testing.assert_allclose(again, once, atol=1e-10)


def test_the_bootstrap_agrees_with_the_jackknife_and_copies_do_not_count():
    x, y = pair(80)
    low, high = bootstrap(linear_cka, x, y, draws=200, rng=rng())
    jack = similarity_map([linear_table(x)], [linear_table(y)]).interval(0, 0)
    assert high - low == pytest.approx(jack[1] - jack[0], rel=0.25)
    noise = rng().normal(size=(80, 6)), rng(1).normal(size=(80, 6))
    low, high = bootstrap(jaccard, *noise, draws=40, rng=rng())
    assert low < jaccard(*noise) < high
    assert high < 0.2
    wide = bootstrap(linear_cka, x, y, draws=60, rng=rng(), groups=np.arange(80) // 8)
    assert wide[0] < wide[1]


def test_any_measure_comes_with_its_interval_and_its_null():
    x, y = pair(60)
    found = measured(
        jaccard, x, y, shifts=shifts(60, 39, rng=rng()), rng=rng(), name="Jaccard", draws=30
    )
    assert found.p == pytest.approx(1 / 40, abs=0.05)
    assert found.interval[0] < found.value < found.interval[1]
    assert found.null.kind == "items permuted"
    assert found.null.draws >= 39
    with pytest.raises(ValueError, match="at least 20 draws and 10 groups"):
        bootstrap(jaccard, x, y, draws=5, rng=rng())


def test_minibatches_give_the_whole_and_a_mean_of_biased_ratios_does_not():
    x, y = pair(2000, shared=0.6)
    whole = linear_cka(x, y)
    assert minibatch_cka(x, y, batch=50, rng=rng()) == pytest.approx(whole, abs=0.03)
    assert minibatch_cka(x, y, batch=2000, rng=rng()) == pytest.approx(whole, abs=1e-9)
    from inscape.compare.cka_biased import cka_biased

    biased = np.mean([cka_biased(x[i : i + 8], y[i : i + 8]) for i in range(0, 2000, 8)])
    assert biased > whole + 0.1
    rbf = minibatch_cka(x[:600], y[:600], batch=150, table=rbf_table, rng=rng())
    assert rbf == pytest.approx(rbf_cka(x[:600], y[:600]), abs=0.04)
    # a last batch of 2 is left out
    assert np.isfinite(minibatch_cka(x[:42], y[:42], batch=8, rng=rng()))
    with pytest.raises(ValueError, match="batch must be at least 4"):
        minibatch_cka(x, y, batch=3, rng=rng())
    with pytest.raises(ValueError, match="tells no items apart"):
        minibatch_cka(x[:40], np.ones((40, 2)), rng=rng())


def _cut(side, i, j):
    return {k: v[i:j] for k, v in side.items()}


@pytest.mark.parametrize("both", [False, True])
def test_a_stream_in_parts_is_the_whole(both):
    x, y = pair(90)
    first, second = {"a": x + 50, "b": x[:, :3]}, {"c": y, "d": y[:, :2], "e": x - 9}
    cuts = [(0, 7), (7, 8), (8, 60), (60, 90)]
    parts = [
        StreamedCKA.of(
            {k: v[i:j] for k, v in first.items()},
            {k: v[i:j] for k, v in second.items()} if both else None,
        )
        for i, j in cuts
    ]
    whole = sum(parts[1:], parts[0])
    assert whole.n == 90
    values = whole.values()
    for i, a in enumerate(first.values()):
        for j, b in enumerate((second if both else first).values()):
            assert values[i, j] == pytest.approx(linear_cka(a, b), abs=1e-9)
    back = sum(parts[:3][::-1], parts[3]).values()
    np.testing.assert_allclose(back, values, atol=1e-9)
    inside = StreamedCKA.of(*(_cut(side, 0, 7) for side in ((first, second) if both else (first,))))
    for i, j in cuts[1:]:
        inside.add(*(_cut(side, i, j) for side in ((first, second) if both else (first,))))
    np.testing.assert_allclose(inside.values(), values, atol=1e-9)
    with pytest.raises(ValueError, match="parts of different sites"):
        parts[0] + StreamedCKA.of({"z": x})
    with pytest.raises(ValueError, match="parts of different sites"):
        inside.add({"z": x})
    assert inside.n == 90
    with pytest.raises(ValueError, match=r"sites have \[5, 90\] rows"):
        StreamedCKA.of({"a": x, "b": y[:5]})


def test_the_items_that_are_said_to_suffice_do():
    """At the number given, a difference of that size is found about as often as asked for."""
    x, y = pair(400, seed=3)
    worse = x + 1.5 * rng(9).normal(size=x.shape)
    pilot = similarity_map(
        [linear_table(x[:150]), linear_table(worse[:150])], [linear_table(y[:150])]
    )
    gap = abs(linear_cka(x, y) - linear_cka(worse, y))
    need = items_needed(pilot, (0, 0), (1, 0), difference=gap)
    assert need == items_needed(pilot, (1, 0), (0, 0), difference=gap)
    assert items_needed(pilot, (0, 0), (1, 0), difference=gap / 2) == pytest.approx(
        4 * need, rel=0.05
    )
    assert items_needed(pilot, (0, 0), difference=gap) > 4
    found = 0
    for seed in range(40):
        rows = rng(seed).choice(400, min(need, 200), replace=False)
        part = similarity_map(
            [linear_table(x[rows]), linear_table(worse[rows])], [linear_table(y[rows])]
        )
        shift = (part.without[0, 0] - part.values[0, 0]) - (part.without[1, 0] - part.values[1, 0])
        found += part.values[0, 0] - part.values[1, 0] > 1.96 * np.sqrt(
            np.sum((shift - shift.mean()) ** 2)
        )
    assert found / 40 > 0.55
    with pytest.raises(ValueError, match="difference must be positive"):
        items_needed(pilot, (0, 0), difference=0.0)


def test_shifts_are_of_the_items_that_they_move():
    x = np.random.default_rng(0).normal(size=(8, 3))
    with pytest.raises(ValueError, match="shifts were made for more than the 8 items"):
        permuted(linear_cka, x, x, shifts(20, 4, rng=np.random.default_rng(0)))
