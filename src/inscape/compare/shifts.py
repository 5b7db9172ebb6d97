"""Permutations that form a cyclic group: all draws of a null at about the cost of one evaluation.

Items are put in random order and cut into K blocks of m. Shift k gives block a the items of block
a + k (mod K):

    π_k: (a, u) → (a + k, u)            k = 0 … K − 1

The shifts are a group without a fixed item (but for k = 0), so the test is exact: where items of
the two sides are not paired, every shift is as likely as the identity, and p = #{k : s_k ≥ s_0} /
K. What makes them useful is that a sum over pairs of items is, over all k at once, a circular
cross-correlation (`inscape.compare.shift_null`).

With groups, blocks are whole groups, whose rows stay together in their order. Rows that do not fill
a block (fewer than m) are left out of the null and of the statistic it is compared with.

Reference: Hemerik and Goeman (2018), Exact testing with random permutations, TEST 27, for
subgroups; Winkler et al. (2014), NeuroImage 92, for restricted permutations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from inscape.core.errors import DataError
from inscape.core.folds import group_codes


@dataclass(frozen=True, eq=False)
class Shifts:
    """A cyclic group of permutations.

    Attributes:
        order: which item stands in each block's place, (K, m).
        kind: name of the null (``"items permuted"``).
    """

    order: Int[np.ndarray, "k m"]
    kind: str

    def __len__(self) -> int:
        return len(self.order)

    def permutation(self, k: int) -> Int[np.ndarray, " km"]:
        """For each item of ``order.ravel()``, the item that takes its place under shift k."""
        return np.roll(self.order, -k, axis=0).ravel()


def shifts(
    n: int,
    draws: int = 199,
    *,
    rng: np.random.Generator,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> Shifts:
    """A random cyclic group of permutations of n items, or of whole groups of them.

    Args:
        n: items.
        draws: how many at least, besides the identity; fewer where there are fewer items (groups).
        rng: of the order.
        groups: one group per item; all groups must have as many items.

    Returns:
        The shifts; with up to a half more draws than asked for, so that as few items as possible
        are left out.

    Raises:
        DataError: groups of unequal sizes.
        ValueError: fewer than two items or groups, or no draws.

    Example:
        >>> found = shifts(10, 4, rng=np.random.default_rng(0))
        >>> found.order.shape, sorted(found.permutation(3).tolist()) == list(range(10))
        ((5, 2), True)
    """
    if draws < 1:
        raise ValueError(f"shifts: draws must be at least 1, got {draws}")
    if groups is None:
        units, kind = np.arange(n)[:, None], "items permuted"
    else:
        codes = group_codes(groups, n)
        sizes = np.bincount(codes)
        if (sizes != sizes[0]).any():
            raise DataError(
                f"groups have between {sizes.min()} and {sizes.max()} items, and only groups of "
                "one size can change places: "
                "take as many items of each (inscape.compare.balanced_rows chooses them)."
            )
        units = np.argsort(codes, kind="stable").reshape(len(sizes), -1)
        kind = "groups permuted"
    count = len(units)
    if count < 2:
        raise ValueError(f"shifts: {count} item or group cannot change places; give at least two")
    least = min(draws + 1, count)
    choices = np.arange(least, min(least + least // 2, count) + 1)
    blocks = int(choices[np.argmin(count % choices)])
    kept = rng.permutation(count)[: count - count % blocks]
    return Shifts(units[kept].reshape(blocks, -1), kind)


def balanced_rows(
    groups: Sequence[Any] | np.ndarray, *, rng: np.random.Generator
) -> Int[np.ndarray, " kept"]:
    """As many rows of each group as the smallest one has, drawn at random and in their order.

    Example:
        >>> balanced_rows(["a", "a", "b"], rng=np.random.default_rng(0)).size
        2
    """
    codes = group_codes(groups)
    least = int(np.bincount(codes).min())
    kept = [
        rng.choice(np.flatnonzero(codes == g), least, replace=False)
        for g in range(int(codes.max()) + 1)
    ]
    return np.sort(np.concatenate(kept))
