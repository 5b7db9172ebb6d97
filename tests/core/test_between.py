"""Counts within bounds."""

import numpy as np
import pytest

from inscape.core.between import check_between


@pytest.mark.parametrize("value", [2, np.int64(5), 3])
def test_whole_numbers_within_bounds_pass(value):
    check_between("f: n", value, 2, 5)


@pytest.mark.parametrize("value", [1, 6, 2.0, True, "3", None])
def test_others_are_refused(value):
    with pytest.raises(ValueError, match="f: n must be a whole number from 2 to 5, got"):
        check_between("f: n", value, 2, 5)
