"""Can attention weigh every token against every other in linear time? Attention by a Taylor series.

    weight(i, j) ∝ T(s)    T(s) = 1 + s + s²/2    s = τ q̂_i · k̂_j
    q̂, k̂: queries and keys at length 1

T is positive for every s, so it is a softmax of second order. It has two forms with the same
values:

    direct       T of the n × n scores                                            O(n² d)
    efficient    (q · k)² = (q ⊗ q) · (k ⊗ k), so sums over j are made once        O(n d³)

The efficient form does less work for n above d² + d + 1, where ``form="auto"`` switches. With
``order=1`` the square is left out; 1 + s is positive for τ < 1 only.

Cost: as above.
Reference: Nauen, Palacio and Dengel (2024), TaylorShift, arXiv:2403.02920, sections 3.1 to 3.3.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

FORMS = ("auto", "direct", "efficient")


def switch_length(d: int) -> int:
    """Tokens from which on the efficient form does less work, d² + d + 1.

    Example:
        >>> switch_length(16)
        273
    """
    return d * d + d + 1


def taylor_attention(
    q: Float[Tensor, "*b n d"],
    k: Float[Tensor, "*b n d"],
    v: Float[Tensor, "*b n e"],
    form: str = "auto",
    order: int = 2,
) -> Float[Tensor, "*b n e"]:
    """Weighted means of values, weights by the Taylor series of scores.

    Args:
        q: queries, already normalised and at their temperature.
        k: keys, normalised.
        v: values.
        form: ``"direct"``, ``"efficient"``, or ``"auto"`` for what does less work.
        order: of the series, 1 or 2.

    Raises:
        ValueError: an unknown form or order.

    Example:
        >>> q = k = torch.eye(2)[None]
        >>> taylor_attention(q, k, torch.eye(2)[None])[0, 0].tolist()  # T(1) = 2.5, T(0) = 1
        [0.7142857313156128, 0.2857142984867096]
    """
    if form not in FORMS:
        raise ValueError(f"taylor_attention: form must be one of {', '.join(FORMS)}, got {form!r}")
    if order not in (1, 2):
        raise ValueError(f"taylor_attention: order must be 1 or 2, got {order}")
    if form == "auto":
        form = "efficient" if q.shape[-2] > switch_length(q.shape[-1]) else "direct"
    made = _efficient if form == "efficient" else _direct
    return made(q, k, v, order)


def _direct(q: Tensor, k: Tensor, v: Tensor, order: int) -> Tensor:
    s = q @ k.transpose(-2, -1)
    weight = 1 + s + (s.square() / 2 if order == 2 else 0)
    return weight @ v / weight.sum(-1, keepdim=True)


def _efficient(q: Tensor, k: Tensor, v: Tensor, order: int) -> Tensor:
    # a column of ones makes the normaliser beside the values; 1 / n keeps sums of order 1
    v = torch.cat([v, v.new_ones(*v.shape[:-1], 1)], dim=-1) / v.shape[-2]
    out = v.sum(-2, keepdim=True) + q @ (k.transpose(-2, -1) @ v)
    if order == 2:
        out = out + _square(q) @ (_square(k).transpose(-2, -1) @ v) / 2
    return out[..., :-1] / out[..., -1:]


def _square(x: Tensor) -> Tensor:
    """x ⊗ x of each row, (…, n, d²)."""
    return (x.unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2)


class TaylorShift(nn.Module):
    """Taylor attention of normalised queries and keys with one learned temperature a head.

    Args:
        heads: number of heads.
        order: of the series, 1 or 2.
        form: as in `taylor_attention`.
        scale: multiply what comes out by √(n / d): means of n tokens shrink as 1 / √n.
    """

    def __init__(self, heads: int, order: int = 2, form: str = "auto", scale: bool = True) -> None:
        super().__init__()
        self.order, self.form, self.scale = order, form, scale
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))

    def forward(
        self,
        q: Float[Tensor, "b heads n d"],
        k: Float[Tensor, "b heads n d"],
        v: Float[Tensor, "b heads n d"],
    ) -> Float[Tensor, "b heads n d"]:
        """Values mixed."""
        q, k = F.normalize(q, dim=-1) * self.temperature, F.normalize(k, dim=-1)
        out = taylor_attention(q, k, v, self.form, self.order)
        n, d = q.shape[-2:]
        return out * (n / d) ** 0.5 if self.scale else out
