"""Reading a point out of the tensor that holds it, and writing it back.

Fused projections hold q, k and v together: one after another (``first/second/third third``, or
``split q/k/v`` where keys and values have fewer heads), per head side by side (``head q/k/v``), or
per group of heads its queries, its key and its value (``group q/k/v``). A fused gate holds its two
parts one after another (``first/second half``). Some norms see heads on an axis of their own:
(batch, positions, heads, width) is ``apart``, (batch, heads, positions, width) ``heads first``.
Where only some entries of each head are the point's, they are a span of ``each head``. Heads are
contiguous slices of the last axis. Some modules see (batch · positions, d); it is seen here as
(batch, positions, d). `write` is the inverse of `read`: what was not read is left as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from inscape.model.family import Layout

_PART = {
    "first third": 0,
    "second third": 1,
    "third third": 2,
    "head q": 0,
    "head k": 1,
    "head v": 2,
    "split q": 0,
    "split k": 1,
    "split v": 2,
    "first half": 0,
    "second half": 1,
}


@dataclass(frozen=True)
class View:
    """How one site lies inside the tensor its tap gives.

    Attributes:
        layout: of the family's table.
        heads: number of heads in the tensor (for per-head layouts and head selection).
        head: the head taken, or None for all.
        pattern: the tensor is (batch, heads, queries, keys) rather than (…, heads · width).
        tokens: the tensor has positions, even where its module sees (batch · positions, d).
        shared: heads of queries, and of keys and values, for layouts that hold both.
        factor: what the tensor is multiplied by to be the point's; of a vector, one number an
            entry.
        span: from and to which entry of the last axis, or None for all.
    """

    layout: Layout = "whole"
    heads: int = 1
    head: int | None = None
    pattern: bool = False
    tokens: bool = False
    shared: tuple[int, int] = (1, 1)
    factor: float | Tensor = 1.0
    span: tuple[int, int] | None = None

    def read(self, x: Tensor, batch: int) -> Tensor:
        """The site's tensor: (batch, positions, width), or (batch[, heads], queries, keys) for
        patterns.
        """
        slot = self._slot(x, batch)
        slot = slot if self._plain else slot * self.factor
        if self.layout == "group q" and self.head is None:
            return slot.flatten(-3)
        return slot.flatten(-2) if self._apart else slot

    def write(self, x: Tensor, batch: int, change: Callable[[Tensor], Tensor]) -> Tensor:
        """A copy of `x` with `change` applied to what `read` gives; `x` itself is not touched."""
        new = change(self.read(x, batch))
        new = new if self._plain else new / self.factor
        if self.layout == "whole" and self.head is None and self.span is None:
            return new.reshape(x.shape)
        out = x.clone()
        slot = self._slot(out, batch)
        slot.copy_(new.reshape(slot.shape))
        return out

    @property
    def _plain(self) -> bool:
        return not isinstance(self.factor, Tensor) and self.factor == 1

    @property
    def _apart(self) -> bool:
        """Whether the slot keeps heads on an axis of their own, being strided in the fused
        tensor.
        """
        return self.head is None and self.layout.startswith(("head", "group", "apart", "each"))

    def _slot(self, x: Tensor, batch: int) -> Tensor:
        """A view into `x` of just this site."""
        if self.pattern:
            return x if self.head is None else x[:, self.head]
        if self.tokens and x.ndim == 2:
            x = x.view(batch, -1, x.shape[-1])
        if self.layout == "each head":
            x = (
                x[:, 0] if x.ndim == 4 else x
            )  # a compressed state is one head's, on an axis of its own
            x = x.unflatten(-1, (self.heads, -1))
            x = x if self.span is None else x[..., self.span[0] : self.span[1]]
            return x if self.head is None else x[..., self.head, :]
        if self.layout in ("apart", "heads first"):
            x = x if self.layout == "apart" else x.transpose(1, 2)
            return x if self.head is None else x[..., self.head, :]
        if self.layout.startswith("group"):
            return self._grouped(x)
        if self.layout.startswith("split"):
            many, few = self.shared
            width = x.shape[-1] // (many + 2 * few)
            sizes = [many * width, few * width, few * width]
            x = x.split(sizes, -1)[_PART[self.layout]]
        if self.layout.endswith("half"):
            x = x.chunk(2, -1)[_PART[self.layout]]
        if self.layout.startswith("head "):
            fused = x.unflatten(-1, (self.heads, 3, -1))[..., _PART[self.layout], :]
            return fused if self.head is None else fused[..., self.head, :]
        if self.layout.endswith("third"):
            width = x.shape[-1] // 3
            x = x[..., _PART[self.layout] * width : (_PART[self.layout] + 1) * width]
        if self.span is not None:
            x = x[..., self.span[0] : self.span[1]]
        if self.head is not None:
            width = x.shape[-1] // self.heads
            x = x[..., self.head * width : (self.head + 1) * width]
        return x

    def _grouped(self, x: Tensor) -> Tensor:
        """A view into (batch, positions, groups · (queries a group + 2) · width): queries, then one
        key, then one value.
        """
        many, few = self.shared
        fused = x.unflatten(-1, (few, many // few + 2, -1))
        if self.layout == "group q":
            queries = fused[..., :-2, :]
            if self.head is None:
                return queries
            group, within = divmod(self.head, many // few)
            return queries[..., group, within, :]
        part = fused[..., -2 if self.layout == "group k" else -1, :]
        return part if self.head is None else part[..., self.head, :]
