"""Debiased linear CKA of all pairs of sites in one pass: nothing of size n is held, and parts merge
exactly.

For every pair of sites the cross-moments of `inscape.core.joint` are kept, d e numbers, and for
each site its scatter; their HSIC₁ is that of the n × n kernels to rounding. State for S and T sites
of width d: S T d² numbers, or S (S + 1)/2 d² where a network is compared with itself.

Cost: n d² a pair.
Reference: Song et al. (2012), JMLR 13, eq. 5; see `inscape.core.joint` for the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import numpy as np
from jaxtyping import Float64

from inscape.core.centred import Centred
from inscape.core.item_rows import checked_rows
from inscape.core.joint import Joint, cka_debiased_from_moments


@dataclass(frozen=True, eq=False)
class StreamedCKA:
    """Moments of the sites of one or two networks over the same items; ``+`` merges parts of the
    data.

    Attributes:
        first: moments of the sites of the first, by name.
        second: those of the other; None where the first is compared with itself.
        pairs: cross-moments by pair of names; of one network each pair once.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 3))
        >>> parts = [StreamedCKA.of({"a": p, "b": p[:, :2]}) for p in (x[:20], x[20:])]
        >>> whole = parts[0] + parts[1]
        >>> whole.values().shape, whole.values()[0, 0].round(9).item()
        ((2, 2), 1.0)
    """

    first: dict[str, Centred]
    second: dict[str, Centred] | None
    pairs: dict[tuple[str, str], Joint] = field(default_factory=dict)

    @classmethod
    def of(cls, first: Mapping[str, Any], second: Mapping[str, Any] | None = None) -> StreamedCKA:
        """The moments of one part of the data.

        Args:
            first: vectors of the same items by site, (n, d) each.
            second: those of another network for the same items.

        Raises:
            ValueError: sites of different numbers of rows.
        """
        x, y = _checked(first, second)
        names = combinations(x, 2) if y is None else product(x, y)
        pairs = {(a, b): Joint.of(x[a], (x if y is None else y)[b]) for a, b in names}
        own = None if y is None else {k: Centred.of(v) for k, v in y.items()}
        return cls({k: Centred.of(v) for k, v in x.items()}, own, pairs)

    def add(self, first: Mapping[str, Any], second: Mapping[str, Any] | None = None) -> StreamedCKA:
        """Take in another part of the data, in place and pair by pair, so that the state is never
        held twice.

        Args:
            first: as in `of`, the same sites.
            second: as in `of`.

        Returns:
            Itself.

        Raises:
            ValueError: other sites, or sites of different numbers of rows; nothing is taken in
                then.
        """
        x, y = _checked(first, second)
        other = x if y is None else y
        held = self.first if self.second is None else self.second
        if (
            x.keys() != self.first.keys()
            or other.keys() != held.keys()
            or (y is None) != (self.second is None)
        ):
            raise ValueError(
                "StreamedCKA: parts of different sites cannot be one; stream the same sites"
            )
        for a, b in self.pairs:
            self.pairs[a, b] = self.pairs[a, b] + Joint.of(x[a], other[b])
        for moments, rows in ((self.first, x), (self.second or {}, y or {})):
            for name, values in rows.items():
                moments[name] = moments[name] + Centred.of(values)
        return self

    def __add__(self, other: StreamedCKA) -> StreamedCKA:
        if self.pairs.keys() != other.pairs.keys() or self.first.keys() != other.first.keys():
            raise ValueError(
                "StreamedCKA: parts of different sites cannot be one; stream the same sites"
            )
        second = None
        if self.second is not None and other.second is not None:
            second = {k: v + other.second[k] for k, v in self.second.items()}
        return StreamedCKA(
            {k: v + other.first[k] for k, v in self.first.items()},
            second,
            {k: v + other.pairs[k] for k, v in self.pairs.items()},
        )

    @property
    def n(self) -> int:
        """Items so far."""
        return next(iter(self.first.values())).n

    def values(self) -> Float64[np.ndarray, "s t"]:
        """Debiased linear CKA of every pair, rows by `first`, columns by `second`.

        Raises:
            ValueError: fewer than 4 items, or a site that tells none of them apart.
        """
        other = self.first if self.second is None else self.second
        out = (
            np.eye(len(self.first))
            if self.second is None
            else np.empty((len(self.first), len(other)))
        )
        rows, columns = list(self.first), list(other)
        for (a, b), joint in self.pairs.items():
            i, j = rows.index(a), columns.index(b)
            out[i, j] = cka_debiased_from_moments(self.first[a], other[b], joint)
            if self.second is None:
                out[j, i] = out[i, j]
        return out


def _checked(
    first: Mapping[str, Any], second: Mapping[str, Any] | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray] | None]:
    """Sites as float64 arrays with the same number of rows."""
    x = {k: checked_rows(v, f"StreamedCKA: {k}") for k, v in first.items()}
    y = None
    if second is not None:
        y = {k: checked_rows(v, f"StreamedCKA: {k}") for k, v in second.items()}
    rows = {len(v) for v in (*x.values(), *(y or {}).values())}
    if len(rows) != 1:
        raise ValueError(
            f"StreamedCKA: sites have {sorted(rows)} rows; give the same items at every site"
        )
    return x, y
