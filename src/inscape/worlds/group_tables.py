"""Groups as tables to learn: every pair of elements and their product, with the features that theory
expects.

    table[a, b] = a ∘ b          P_ρ = (d_ρ / |G|) Σ_g χ_ρ(g) L_g        L_g: f ↦ f(g⁻¹ ·)

P_ρ projects a function on the group onto what one irreducible representation makes of it. For the
integers modulo p these are the frequencies 0, 1, …, ⌊p/2⌋ of the discrete Fourier transform, cosine
and sine together.

Cost: |G|² numbers for the table, |G|² for each projection.
Reference: Morwani et al. (2024), arXiv:2311.07568, sections 5 and 7; Serre (1977), Linear
representations of finite groups, section 2.6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class GroupTable:
    """A group, or a table of its size without a structure.

    Attributes:
        table: product of each pair, (n, n).
        names: of the components, the constant one first.
        projections: onto each component, (k, n, n).
    """

    table: Int[np.ndarray, "n n"]
    names: tuple[str, ...]
    projections: Float[np.ndarray, "k n n"]

    def shuffled(self, *, rng: np.random.Generator) -> GroupTable:
        """The same entries at random pairs: what there is to learn has no structure."""
        flat = rng.permutation(self.table.ravel())
        return replace(self, table=flat.reshape(self.table.shape))


def cyclic_table(p: int) -> GroupTable:
    """Addition modulo p.

    Args:
        p: at least 2.

    Raises:
        ValueError: fewer than two elements.

    Example:
        >>> group = cyclic_table(5)
        >>> int(group.table[3, 4]), group.names
        (2, ('frequency 0', 'frequency 1', 'frequency 2'))
    """
    if p < 2:
        raise ValueError(f"cyclic_table: p must be at least 2, got {p}")
    a = np.arange(p)
    table = (a[:, None] + a) % p
    frequencies = np.arange(p // 2 + 1)
    # a frequency and its negative are one real component, half of it where they are the same
    weight = np.where((2 * frequencies) % p == 0, 1, 2)[:, None] / p
    characters = weight * np.cos(2 * np.pi * frequencies[:, None] * a / p)
    names = tuple(f"frequency {k}" for k in frequencies)
    return GroupTable(table, names, characters[:, (a[:, None] - a) % p])


#: characters of S₄ by cycle type: 1, (12), (12)(34), (123), (1234)
_S4 = {
    "trivial": (1, 1, 1, 1, 1),
    "sign": (1, -1, 1, 1, -1),
    "two-dimensional": (2, 0, 2, -1, 0),
    "standard": (3, 1, -1, 0, -1),
    "standard times sign": (3, -1, -1, 0, 1),
}
_CYCLES = {(1, 1, 1, 1): 0, (1, 1, 2): 1, (2, 2): 2, (1, 3): 3, (4,): 4}


def symmetric_table() -> GroupTable:
    """The 24 permutations of four things, composed: ``(a ∘ b)(i) = a(b(i))``; the first is the
    identity.

    Example:
        >>> group = symmetric_table()
        >>> [round(float(np.trace(p))) for p in group.projections]
        [1, 1, 4, 9, 9]
    """
    elements = np.array(list(permutations(range(4))))
    place = {tuple(e): i for i, e in enumerate(elements.tolist())}
    table = np.array([[place[tuple(a[b])] for b in elements] for a in elements])
    kinds = np.array([_CYCLES[_cycle_type(e)] for e in elements])
    inverse = table.argmin(axis=1)  # where the product is the identity
    # L_g carries h to x with g = x h⁻¹
    quotient = table[:, inverse]
    characters = np.array(list(_S4.values()))
    scaled = characters[:, kinds] * characters[:, :1] / len(elements)
    return GroupTable(table, tuple(_S4), scaled[:, quotient])


def _cycle_type(element: Int[np.ndarray, " n"]) -> tuple[int, ...]:
    left, lengths = set(range(len(element))), []
    while left:
        at, length = left.pop(), 1
        while (after := int(element[at])) in left:
            left.remove(after)
            at, length = after, length + 1
        lengths.append(length)
    return tuple(sorted(lengths))
