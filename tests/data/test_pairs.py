"""Pairs of opposites: what is checked, how groups are held out, and what centring must not leak."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.core.rng import generator
from inscape.data.examples import Examples
from inscape.data.pairs import Pairs, above_median


def opposites(groups=6, each=4, **columns) -> Examples:
    rows = [
        {
            "text": f"{g} {i} {s}",
            "positive": s,
            "pair": g * each + i,
            "words": f"g{g}",
            "template": i % 2,
        }
        for g in range(groups)
        for i in range(each)
        for s in (0, 1)
    ]
    return Examples(pd.DataFrame(rows).assign(**columns), "text", ("positive",), "words")


def of(examples=None, **options) -> Pairs:
    options = {"context": "template", "folds": 3, **options}
    return Pairs.of(examples or opposites(), rng=generator(0, "split"), **options)


def test_pairs_hold_one_of_each_label_and_groups_are_folded_whole():
    pairs = of()
    assert (pairs.y[pairs.rows] == [1, 0]).all()
    assert all(len(set(pairs.fold[pairs.groups == g])) == 1 for g in range(6))
    assert np.bincount(pairs.fold).tolist() == [16, 16, 16]


def test_samples_are_whole_pairs_spread_over_groups_and_only_where_both_may_be_taken():
    pairs, among = of(), np.ones(48, dtype=bool)
    rows = pairs.sample(6, among, rng=generator(1, "rows"))
    assert (pairs.y[rows] == [1, 0] * 6).all()
    assert len(set(pairs.groups[rows])) == 6
    among[(pairs.groups != 0) & (pairs.y == 1)] = False  # one of a pair is not enough
    assert set(pairs.groups[pairs.sample(20, among, rng=generator(1, "rows"))]) == {0}
    with pytest.raises(DataError, match="no pair has two texts of the same number of tokens"):
        pairs.sample(3, np.zeros(48, dtype=bool), rng=generator(1, "rows"))


def test_centring_uses_training_rows_of_the_context_alone():
    pairs = of()
    train = pairs.fold != 0
    x = np.random.default_rng(0).normal(size=(48, 3)) + 10 * pairs.context[:, None]
    found = pairs.centred(x, train)
    for c in (0, 1):
        assert np.allclose(found[train & (pairs.context == c)].mean(axis=0), 0)
    changed = x.copy()
    changed[~train] += 100
    assert np.allclose(pairs.centred(changed, train)[train], found[train])
    only = train & (pairs.context == 0)  # a context without training rows falls back on all of them
    assert np.allclose(
        pairs.centred(x, only)[pairs.context == 1], (x - x[only].mean(axis=0))[pairs.context == 1]
    )


def test_the_median_of_each_context_is_the_threshold():
    context = np.array([0, 0, 1, 1])
    assert above_median(np.array([1.0, 3.0, 101.0, 103.0]), context).tolist() == [-1, 1, -1, 1]


def test_refusals():
    with pytest.raises(DataError, match="there is no column 'pair'"):
        frame = opposites().frame.drop(columns="pair")
        of(Examples(frame, "text", ("positive",), "words"))
    with pytest.raises(DataError, match="exactly one text of either label"):
        of(opposites(pair=range(48)))
    with pytest.raises(DataError, match="has 3 classes, and opposites need two"):
        of(opposites(positive=[0, 1, 2] * 16))
    with pytest.raises(DataError, match="the two texts of a pair must be of one group"):
        of(opposites(words=["a", "b"] * 24))
    with pytest.raises(DataError, match="6 groups cannot fill 7 folds"):
        of(folds=7)
    with pytest.raises(DataError, match="there is no column 'genre'"):
        of(context="genre")


def test_a_sample_holds_a_pair():
    pairs = Pairs(
        np.array([1, 0]),
        np.array([[0, 1]]),
        np.zeros(2, dtype=int),
        np.zeros(2, dtype=int),
        np.zeros(2, dtype=int),
    )
    for k in (0, -1):
        with pytest.raises(ValueError, match="k must be at least 1 pair"):
            pairs.sample(k, np.ones(2, dtype=bool), rng=np.random.default_rng(0))


def test_training_rows_are_told_by_a_mask_or_by_ones_and_zeros():
    none = np.zeros(4, dtype=int)
    pairs = Pairs(np.array([1, 0, 1, 0]), np.array([[0, 1], [2, 3]]), none, none, none)
    x, train = np.arange(4.0)[:, None], np.array([False, False, True, True])
    assert pairs.centred(x, train).ravel().tolist() == [-2.5, -1.5, -0.5, 0.5]
    assert (pairs.centred(x, train.astype(int)) == pairs.centred(x, train)).all()
    for take in (
        pairs.centred,
        lambda x, rows: pairs.sample(1, rows, rng=np.random.default_rng(0)),
    ):
        with pytest.raises(ValueError, match="must say True or False of each of 4 rows"):
            take(x, np.arange(4))
