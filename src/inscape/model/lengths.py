"""Which examples a model treats alike: those whose lengths lie on the same side of every switch of
its rotary scaling.

    dynamic NTK     beyond the trained length the frequencies depend on the batch's longest row, and on what was run before
    longrope        beyond it the long factors are taken for every row of the batch, else the short ones

A row is what it is alone only among rows for which the same is computed: of one length, in the
first case, and on the same side of the switch in the second. What a pass leaves behind in the
rotary module is put back.

Reference: "dynamic NTK" and "longrope" in transformers.modeling_rope_utils; Ding et al. (2024),
arXiv:2402.13753.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn


@dataclass(frozen=True)
class Switches:
    """The lengths at which a model begins to compute something else.

    Attributes:
        sides: rows up to such a length and rows beyond it are two kinds.
        each: beyond such a length every length is a kind of its own.
    """

    sides: tuple[int, ...] = ()
    each: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sides or self.each)

    @property
    def first(self) -> int | None:
        """The shortest of them; None if there are none."""
        return min((*self.sides, *self.each), default=None)

    def kinds(self, lengths: Sequence[int] | np.ndarray) -> np.ndarray:
        """The kind of each length: those of one kind may share a batch.

        Example:
            >>> Switches(sides=(4,)).kinds([3, 4, 5, 9]).tolist(), Switches(each=(4,)).kinds([3, 4, 5, 9]).tolist()
            ([0, 0, 1, 1], [0, 0, 5, 9])
        """
        n = np.asarray(lengths, dtype=np.int64)
        out = np.zeros(len(n), dtype=np.int64)
        for switch in self.sides:
            out += n > switch
        for switch in self.each:
            out = np.where(n > switch, n + len(self.sides), out)
        return out


def switches(net: nn.Module) -> Switches:
    """The switches of a network's rotary modules."""
    sides, each = set(), set()
    for module in net.modules():
        for layer, kind in _kinds(module):
            parameters = getattr(module.config, "rope_parameters", None) or {}
            own = parameters.get(layer, parameters) if layer else parameters
            trained = own.get("original_max_position_embeddings")
            if kind == "longrope" and trained:
                sides.add(int(trained))
            elif "dynamic" in kind:
                each.add(int(module.original_max_seq_len))
    return Switches(tuple(sorted(sides)), tuple(sorted(each)))


def grows(net: nn.Module) -> float:
    """By how much dynamic scaling lengthens what a configuration names as the most positions; 1
    where there is none.
    """
    factors = [1.0]
    for module in net.modules():
        for layer, kind in _kinds(module):
            parameters = getattr(module.config, "rope_parameters", None) or {}
            own = parameters.get(layer, parameters) if layer else parameters
            if "dynamic" in kind:
                factors.append(float(own.get("factor") or 1.0))
    return max(factors)


def dynamic(net: nn.Module) -> list[nn.Module]:
    """Rotary modules that keep something of the last pass."""
    return [m for m in net.modules() if any("dynamic" in kind for _, kind in _kinds(m))]


@contextmanager
def fresh(rotary: Sequence[nn.Module]) -> Iterator[None]:
    """Rotary modules as they are before their first pass, inside the block; as they were, after
    it.
    """
    kept = []
    for module in rotary:
        for layer, _ in _kinds(module):
            names = [f"{layer}_{n}" if layer else n for n in ("inv_freq", "max_seq_len_cached")]
            start = getattr(module, f"{layer}_original_inv_freq" if layer else "original_inv_freq")
            kept.append((module, names, [getattr(module, n, None) for n in names]))
            module.register_buffer(names[0], start.to(getattr(module, names[0])), persistent=False)
            setattr(module, names[1], module.original_max_seq_len)
    try:
        yield
    finally:
        for module, names, (frequencies, longest) in kept:
            module.register_buffer(names[0], frequencies, persistent=False)
            setattr(
                module, names[1], longest if longest is not None else module.original_max_seq_len
            )


def _kinds(module: Any) -> list[tuple[str, str]]:
    """(kind of layers, kind of scaling) of a rotary module; none of any other."""
    found = getattr(module, "rope_type", None)
    if isinstance(found, dict):
        return [(str(layer), str(kind)) for layer, kind in found.items()]
    return [("", found)] if isinstance(found, str) else []
