"""Debiased linear CKA is the estimator of the kernels, has no bias, and keeps its invariances."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.compare.cka_biased import cka_biased
from inscape.compare.linear_cka import linear_cka, linear_table, mean_ckas
from inscape.compare.pair_table import PairTable, cosine
from tests.compare.references import cka_1, pair, rotation


@pytest.mark.parametrize(("n", "d"), [(4, 3), (9, 30), (60, 7), (400, 2)])
def test_it_is_the_estimator_of_the_kernels_whichever_way_is_cheaper(n, d):
    x, y = pair(n, d)
    expected = cka_1(x @ x.T, y @ y.T)
    assert linear_cka(x, y) == pytest.approx(expected, abs=1e-10)
    assert cosine(linear_table(x), linear_table(y)) == pytest.approx(expected, abs=1e-10)


def test_both_ways_are_taken():
    """Otherwise the test above would compare one of them twice."""
    wide, narrow = pair(9, 30)[0], pair(400, 2)[0]
    for x in (wide, narrow):
        assert linear_cka(x, x) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "d", "biased"), [(100, 10, 0.092), (100, 100, 0.501), (100, 1000, 0.909)]
)
def test_unrelated_representations_give_zero_where_the_biased_form_gives_d_over_n_plus_d(
    n, d, biased
):
    rng = np.random.default_rng(0)
    draws = [(rng.normal(size=(n, d)), rng.normal(size=(n, d))) for _ in range(12)]
    assert np.mean([cka_biased(*draw) for draw in draws]) == pytest.approx(biased, abs=0.01)
    assert biased == pytest.approx(d / (n + d), abs=0.01)
    ours = [linear_cka(*draw) for draw in draws]
    assert abs(np.mean(ours)) < 0.01
    assert min(ours) < 0 < max(ours)


@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_rotation_scale_and_shift_change_nothing(seed, scale, shift):
    x, y = pair(seed=seed)
    value = linear_cka(x, y)
    assert linear_cka(scale * x @ rotation(7, seed) + shift, y) == pytest.approx(value, abs=1e-9)
    assert linear_cka(y, x) == pytest.approx(value, abs=1e-12)
    order = np.random.default_rng(seed).permutation(len(x))
    assert linear_cka(x[order], y[order]) == pytest.approx(value, abs=1e-12)


def test_other_linear_maps_change_it():
    x, y = pair()
    stretched = x * np.array([1, 1, 1, 30.0, 1, 1, 1])
    assert abs(linear_cka(stretched, y) - linear_cka(x, y)) > 0.05


def test_the_biased_form_is_its_formula_on_either_way():
    for n, d in ((60, 7), (9, 30)):
        x, y = pair(n, d)
        a, b = x - x.mean(0), y - y.mean(0)
        expected = np.sum((b.T @ a) ** 2) / np.linalg.norm(a.T @ a) / np.linalg.norm(b.T @ b)
        assert cka_biased(x, y) == pytest.approx(expected, abs=1e-12)
        assert cka_biased(x, y) > linear_cka(x, y)


def test_tensors_and_half_precision_are_taken():
    x, y = pair()
    assert linear_cka(torch.tensor(x), torch.tensor(y)) == linear_cka(x, y)
    half = linear_cka(torch.tensor(x).bfloat16(), torch.tensor(y).bfloat16())
    assert half == pytest.approx(linear_cka(x, y), abs=0.02)


def test_a_large_offset_costs_no_digits():
    x, y = pair()
    assert linear_cka(x + 1e6, y - 1e6) == pytest.approx(linear_cka(x, y), abs=1e-7)


def test_what_is_not_defined_is_refused():
    x, y = pair(20)
    for measure in (linear_cka, cka_biased):
        with pytest.raises(ValueError, match="x has 20 rows and y has 19"):
            measure(x, y[1:])
        with pytest.raises(ValueError, match="must have two axes"):
            measure(x[0], y)
        with pytest.raises(ValueError, match="holds NaN or infinite"):
            measure(np.full_like(x, np.nan), y)
    with pytest.raises(ValueError, match="has 3 rows, and this needs at least 4"):
        linear_cka(x[:3], y[:3])
    for flat in (np.full((20, 3), 0.1), np.full((20, 300), 0.1)):
        with pytest.raises(ValueError, match="not positive|tells none of the 20 items apart"):
            linear_cka(flat, y)
        with pytest.raises(ValueError, match="all items of one side are equal"):
            cka_biased(flat, y)
    with pytest.raises(ValueError, match="tables of 20 and of 19 items"):
        cosine(linear_table(x), linear_table(y[1:]))
    with pytest.raises(ValueError, match="cannot be compared with one of other"):
        cosine(linear_table(x), PairTable.dense(np.eye(20), "other"))


def test_tables_whose_rows_are_in_another_order_are_refused():
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)))
    turned = x[::-1]
    with pytest.raises(
        ValueError, match="linear_cka: two sides have the same rows in another order"
    ):
        linear_cka(x, turned)
    assert linear_cka(x, x) == pytest.approx(1.0)
    assert linear_cka(x, turned.to_numpy()) < 0.9  # arrays are taken as they stand
    assert linear_cka(x, turned.reset_index(drop=True)) == linear_cka(x, turned.to_numpy())


def test_the_mean_over_layers_is_of_each_layer_with_its_own():
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(20, d)) for d in (3, 6)]
    others = [[h + scale * rng.normal(size=h.shape) for h in x] for scale in (0.2, 1.0, 3.0)]
    found = mean_ckas(x, others)
    for value, side in zip(found, others, strict=True):
        each = [linear_cka(a, b) for a, b in zip(x, side, strict=True)]
        assert value == pytest.approx(np.mean(each))
    assert found == sorted(found, reverse=True)
    assert mean_ckas(x, []) == []
    with pytest.raises(ValueError, match="2 layers on one side and 1 on another; give the same"):
        mean_ckas(x, [x, x[:1]])
