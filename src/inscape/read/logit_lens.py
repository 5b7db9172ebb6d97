"""Logit lens: an intermediate state read as if it were the last, by the network's own last norm and
unembedding.

    p_ℓ(v) ∝ exp(W_U norm(h_ℓ))_v

What is asked of p_ℓ (its most likely tokens, its entropy, the rank and probability of a token, how
far it is from the final distribution) is gathered range by range of the vocabulary, so no more than
`budget` scores exist at a time whatever the numbers of layers, states and tokens. Sums over the
vocabulary are kept relative to the largest score so far, which moves.

    KL(p_L ‖ p_ℓ) = Σ_v p_L(v) (log p_L(v) − log p_ℓ(v))

Cost: one product with the unembedding for each state and layer, and one for each final state.
Reference: nostalgebraist (2020), interpreting GPT: the logit lens; Belrose et al. (2023),
arXiv:2303.08112, for the KL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inscape.core.arrays import to_numpy
from inscape.model.unembed import Readout


class Reading(NamedTuple):
    """What a lens says of states; every array has the shape of the states less their width.

    Attributes:
        tokens: the most likely entries, most likely first, (…, k) int64.
        log_probs: their log probabilities in nats, (…, k).
        entropy: of the distribution, in nats.
        kl: from the final distribution, in nats; NaN where no final states were given.
        rank: of the target, 0 for the most likely; −1 where no targets were given.
        surprisal: of the target, −log p in nats; NaN where no targets were given.
    """

    tokens: np.ndarray
    log_probs: np.ndarray
    entropy: np.ndarray
    kl: np.ndarray
    rank: np.ndarray
    surprisal: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """How far the most likely entry is ahead of the next, in nats: what early exit goes by; k
        must be 2 or more.

        A difference of probabilities would say 1 of all states that are surer than float32 can
        tell.
        """
        return self.log_probs[..., 0] - self.log_probs[..., 1]


def logit_lens(
    readout: Readout,
    x: Any,
    final: Any = None,
    targets: Any = None,
    *,
    k: int = 10,
    budget: int = 1 << 23,
) -> Reading:
    """Read states with a readout.

    Args:
        readout: the network's last norm and unembedding.
        x: states, (n, d), or of several layers (layers, n, d): they share the products of the final
            states.
        final: states of the last layer for the same rows, (n, d), to compare distributions with.
        targets: one entry for each row, (n,), whose rank and surprisal are asked.
        k: how many of the most likely entries to keep.
        budget: scores held at a time.

    Returns:
        The reading, of shape (n,) or (layers, n).

    Raises:
        ValueError: shapes that do not go together, or k beyond the vocabulary.

    Example:
        >>> reading = logit_lens(Readout(torch.eye(3)), np.array([[0.0, 2.0, 1.0]]), targets=[2], k=2)
        >>> reading.tokens.tolist(), reading.rank.tolist()
        ([[1, 2]], [1])
    """
    states = torch.as_tensor(to_numpy(x)) if not isinstance(x, Tensor) else x.detach()
    stacked = states if states.ndim == 3 else states[None]
    if stacked.ndim != 3:
        raise ValueError(
            f"logit_lens: x must be (n, d) or (layers, n, d), got shape {tuple(states.shape)}"
        )
    n = stacked.shape[1]
    last = None if final is None else torch.as_tensor(final)
    wanted = (
        None
        if targets is None
        else torch.as_tensor(np.asarray(to_numpy(targets)), dtype=torch.long)
    )
    if last is not None and tuple(last.shape) != tuple(stacked.shape[1:]):
        raise ValueError(
            f"logit_lens: final must be {tuple(stacked.shape[1:])} like x, got {tuple(last.shape)}"
        )
    if wanted is not None and wanted.shape != (n,):
        raise ValueError(
            f"logit_lens: targets must be one entry for each of {n} rows, got shape "
            f"{tuple(wanted.shape)}"
        )
    if not 1 <= k <= readout.entries:
        raise ValueError(
            f"logit_lens: k must be between 1 and the {readout.entries} entries, got {k}"
        )
    wide = min(readout.entries, max(k, 4096))
    rows = max(1, budget // (wide * (len(stacked) + 1)))
    parts = []
    with torch.no_grad():
        for i in range(0, n, rows):
            few = slice(i, i + rows)
            parts.append(
                _read(
                    readout,
                    readout.normed(stacked[:, few]),
                    None if last is None else readout.normed(last[few]),
                    None if wanted is None else wanted[few].to(readout.weight.device),
                    k,
                    wide,
                )
            )
    whole = [torch.cat(column, dim=1).cpu().numpy() for column in zip(*parts, strict=True)]
    return Reading(*(a if states.ndim == 3 else a[0] for a in whole))


class LogitLens:
    """The logit lens as a `Lens`: nothing is learnt, and every layer is read alike.

    Example:
        >>> LogitLens().read(Readout(torch.eye(3)), "resid_post.0", np.array([[0.0, 2.0, 1.0]]), k=1).tokens.tolist()
        [[1]]
    """

    @classmethod
    def fit(cls, model: Any = None, texts: Sequence[str] = ()) -> LogitLens:
        """The lens; there is nothing to learn."""
        return cls()

    def read(
        self, readout: Readout, site: str, h: Any, final: Any = None, *, k: int = 10
    ) -> Reading:
        """What states would say if the network stopped there, wherever that is; see
        `logit_lens`.
        """
        return logit_lens(readout, h, final, k=k)


class _Sum:
    """Σ exp(score) and Σ exp(score) · value over the entries, relative to the largest score so
    far.
    """

    def __init__(self, scores: Tensor, values: Tensor) -> None:
        self.top = torch.full_like(scores, -torch.inf)
        self.mass, self.total = torch.zeros_like(scores), torch.zeros_like(values)

    def add(self, scores: Tensor, values: Tensor) -> None:
        """Take in entries: scores (…, v) and values whose leading axes may be more."""
        top = torch.maximum(self.top, scores.amax(-1))
        shrink = torch.exp(self.top - top)
        # what is e⁸⁰ times less likely counts for nothing, and denormal numbers would be a hundred
        # times slower
        weight = torch.exp((scores - top[..., None]).clamp_min_(-80))
        self.mass = self.mass * shrink + weight.sum(-1)
        self.total = self.total * shrink + torch.linalg.vecdot(weight, values)
        self.top = top

    @property
    def log(self) -> Tensor:
        """log Σ exp(score)."""
        return self.top + self.mass.log()

    @property
    def mean(self) -> Tensor:
        """Mean of the values under the distribution."""
        return self.total / self.mass


def _read(
    readout: Readout, h: Tensor, last: Tensor | None, targets: Tensor | None, k: int, wide: int
) -> tuple[Tensor, ...]:
    # h: layers × rows × width
    like = h[..., 0]
    ours, own, cross = _Sum(like, like), _Sum(like[0], like[0]), _Sum(like[0], like)
    best = torch.full((*like.shape, 0), -torch.inf, dtype=h.dtype, device=h.device)
    which = torch.zeros((*like.shape, 0), dtype=torch.long, device=h.device)
    rank = torch.full(like.shape, -1, dtype=torch.long, device=h.device)
    asked = torch.full_like(like, torch.nan)
    if targets is not None:
        asked, rank = readout.scores_at(h, targets.expand(like.shape)), rank + 1
    for start, stop in readout.ranges(wide):
        scores = readout.scores(h, start, stop)  # layers × rows × entries
        ours.add(scores, scores)
        if last is not None:
            goal = readout.scores(last, start, stop)  # rows × entries
            own.add(goal, goal)
            cross.add(goal, scores)
        if targets is not None:
            above = scores > asked[..., None]
            # its own score was computed by another product and may differ in the last digit
            here = (targets >= start) & (targets < stop)
            rows = here.nonzero()[:, 0]
            above[:, rows, targets[rows] - start] = False
            rank += above.sum(-1)
        value, place = scores.topk(min(k, stop - start), dim=-1)
        value, where = torch.cat([best, value], -1).topk(
            min(k, best.shape[-1] + value.shape[-1]), dim=-1
        )
        which = torch.cat([which, place + start], -1).gather(-1, where)
        best = value
    kl = torch.full_like(like, torch.nan)
    if last is not None:
        # rounding may leave −1e-7 where the two are equal
        kl = (own.mean - own.log - cross.mean + ours.log).clamp_min(0)
    return which, best - ours.log[..., None], ours.log - ours.mean, kl, rank, ours.log - asked
