"""What a matrix of pairs must be before it is compared."""

import numpy as np
import pytest
import torch

from inscape.core.pair_matrices import checked_pairs, pair_distances


def test_matrices_of_any_kind_become_float64_and_diagonals_are_not_looked_at():
    x = np.array([[np.nan, 1.0], [1.0, 5.0]])
    np.testing.assert_array_equal(checked_pairs(x, "m"), x)
    assert checked_pairs(torch.tensor([[0, 2], [2, 0]]).bfloat16(), "m").tolist() == [
        [0, 2],
        [2, 0],
    ]
    assert checked_pairs(np.zeros((3, 4, 2, 2), dtype=bool), "m").shape == (3, 4, 2, 2)


def test_rounding_of_single_precision_is_no_asymmetry():
    x = np.array([[0.0, 1.0], [1.0 + 1e-7, 0.0]])
    assert checked_pairs(x, "m")[1, 0] == 1.0 + 1e-7


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3)), "a number for each pair of at least 2 items, got shape"),
        (np.zeros(3), "a number for each pair of at least 2 items, got shape"),
        (np.zeros((1, 1)), "a number for each pair of at least 2 items, got shape"),
        ([["a", "b"], ["c", "d"]], "must hold a real number for each pair"),
        ([[0.0, np.inf], [np.inf, 0.0]], "m holds NaN or infinite numbers; leave those items out"),
        ([[0.0, 1.0], [2.0, 0.0]], "m is not symmetric; give the mean of it and its transpose"),
    ],
)
def test_what_is_no_matrix_of_pairs_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        checked_pairs(x, "m")


def test_every_pair_is_looked_at_once():
    x, seen = np.random.default_rng(0).normal(size=(7, 3)), []

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        seen.append((a.tobytes(), b.tobytes()))
        return float(np.linalg.norm(a - b))

    found = pair_distances(x, distance)
    assert found == pytest.approx(np.linalg.norm(x[:, None] - x, axis=2))
    assert len({frozenset(pair) for pair in seen}) == len(seen) == 21
    assert pair_distances(x[:1], distance).tolist() == [[0.0]]
