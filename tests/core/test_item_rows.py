"""Rows of items: what is taken, what is refused, and that rounding is no structure."""

import numpy as np
import pytest
import torch

from inscape.core.item_rows import centred_rows, checked_rows, row_mask, row_numbers, unit_rows


def test_arrays_and_tensors_become_float64():
    for given in ([[1, 2]], np.ones((1, 2), np.float16), torch.ones(1, 2).bfloat16()):
        assert checked_rows(given, "x").dtype == np.float64


def test_what_is_no_table_of_numbers_is_refused():
    with pytest.raises(ValueError, match="x must have two axes, items and features, got shape"):
        checked_rows(np.ones(3), "x")
    with pytest.raises(ValueError, match="x has 2 rows, and this needs at least 3"):
        checked_rows(np.ones((2, 2)), "x", least=3)
    with pytest.raises(ValueError, match="x holds NaN or infinite numbers"):
        checked_rows(np.full((2, 2), np.inf), "x")
    with pytest.raises(ValueError, match="x holds complex numbers; give real ones"):
        checked_rows(np.full((2, 2), 1j), "x")
    for words in (np.full((2, 2), "a"), np.full((2, 2), {})):
        with pytest.raises(ValueError, match="x must hold real numbers, got"):
            checked_rows(words, "x")


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_numbers_whose_fourth_powers_are_none_are_refused(size):
    rows = np.random.default_rng(0).normal(size=(5, 3))
    assert checked_rows(1e-60 * rows, "x").any()
    assert not checked_rows(0 * rows, "x").any()
    with pytest.raises(ValueError, match=r"x holds numbers of .* at most, .*; divide them by that"):
        checked_rows(size * rows, "x")


def test_a_feature_that_varies_by_rounding_alone_is_zero():
    x = np.random.default_rng(0).normal(size=(50, 2))
    x[:, 1] = 0.1
    x[::2, 1] = np.nextafter(0.1, 1)
    found = centred_rows(x)
    assert (found[:, 1] == 0).all()
    assert abs(found[:, 0].mean()) < 1e-15
    assert found[:, 0].std() > 0.5


def test_a_row_with_nan_is_never_a_row_of_zeros():
    found = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0]]))
    np.testing.assert_array_equal(found, [[0.6, 0.8], [0.0, 0.0], [np.nan, np.nan]])


def test_rows_are_told_by_positions_or_by_a_mask():
    mask = [True, False, True]
    for which in (mask, np.array(mask), np.array(mask, dtype=object), torch.tensor(mask), [0, 2]):
        assert row_numbers(which, 3, "f").tolist() == [0, 2]
    assert row_numbers([], 3, "f").tolist() == []
    for wrong in ([0.5], ["0"], [True, None, False], [[0, 1]]):
        with pytest.raises(ValueError, match="f: give whole-number positions or a mask"):
            row_numbers(wrong, 3, "f")
    with pytest.raises(ValueError, match=r"f: a mask must have shape \(3,\), got \(2,\)"):
        row_numbers([True, False], 3, "f")


def test_ones_and_zeros_are_a_mask_and_places_are_none():
    for which in ([True, False, True], [1, 0, 1], torch.tensor([1.0, 0.0, 1.0])):
        assert row_mask(which, 3, "f: train").tolist() == [True, False, True]
    for wrong in ([0, 2, 1], [True, False], [1.0, np.nan, 0.0], [[True, False, True]]):
        with pytest.raises(ValueError, match="f: train must say True or False of each of 3 rows"):
            row_mask(wrong, 3, "f: train")
