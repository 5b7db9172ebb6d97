"""Tensors become arrays and answers become what was asked with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.arrays import check_order, like, to_numpy


def test_round_trip_and_half_precision():
    x = torch.arange(3, dtype=torch.bfloat16, requires_grad=True)
    assert to_numpy(x).dtype == np.float32
    assert to_numpy([1, 2]) == [1, 2]
    assert torch.equal(like(np.arange(3), x), torch.arange(3))
    out = np.arange(3)
    assert like(out, np.zeros(1)) is out


def test_columns_are_of_the_same_rows_in_the_same_order():
    x = pd.Series([1.0, 2.0, 3.0], index=["a", "b", "c"])
    check_order("f", x, x.copy(), x.to_numpy(), [1, 2, 3], x.reset_index(drop=True))
    check_order("f", x, x[:2], x.set_axis(["a", "b", "d"]))  # other rows: positions are meant
    for turned in (x[::-1], x[::-1].to_frame()):
        with pytest.raises(ValueError, match="f: two sides have the same rows in another order"):
            check_order("f", x, turned)
