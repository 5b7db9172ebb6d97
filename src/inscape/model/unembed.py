"""Readout: the last norm and the unembedding of a network, as one map that can be applied anywhere,
a few tokens at a time.

    logits(h) = cap · tanh(W norm(h) / cap + b)        the cap only where the architecture has one

A vocabulary has fifty thousand or more entries, so all logits of many states at once seldom fit:
`scores` gives those of a range of entries, and what needs all of them goes over the ranges. A
classifier's class matrix is a small vocabulary.

Cost: states × entries × width multiplications.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.errors import ModelError

Norm = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Readout:
    """What turns a state of the residual stream into scores over a vocabulary or over classes.

    Attributes:
        weight: one row for each entry, (entries, width).
        norm: what is applied to states first; None for nothing.
        bias: (entries,), or None.
        cap: scores are squashed into ±cap by a tanh, or None.

    Example:
        >>> readout = Readout(torch.eye(3))
        >>> readout(torch.tensor([[0.0, 2.0, 1.0]])).argmax().item()
        1
    """

    weight: Tensor
    norm: Norm | None = None
    bias: Tensor | None = None
    cap: float | None = None

    def __post_init__(self) -> None:
        if self.weight.ndim != 2:
            raise ValueError(
                f"Readout: weight must be (entries, width), got shape {tuple(self.weight.shape)}"
            )

    @classmethod
    def of(cls, model: Any) -> Readout:
        """The readout of an opened model; its weights are used as they are, not copied.

        Raises:
            ModelError: the model has no unembedding, or one that does not read the residual stream.
        """
        head, norm = model.atlas.head, model.atlas.final_norm
        weight = getattr(head, "weight", None)
        if weight is None or weight.ndim != 2:
            raise ModelError(
                f"{model.name} has no unembedding or classifier to read states with; open a model "
                "with a head."
            )
        width = getattr(model.atlas.config, "hidden_size", weight.shape[1])
        if weight.shape[1] != width:
            raise ModelError(
                f"the unembedding of {model.name} reads {weight.shape[1]} numbers and the residual "
                f"stream has {width}: something stands between them, so states cannot be read with "
                "it; open another model."
            )
        bias, cap = (
            getattr(head, "bias", None),
            getattr(model.atlas.config, "final_logit_softcapping", None),
        )
        if bias is None and (own := getattr(model.net, "final_logits_bias", None)) is not None:
            bias = own[0]
        factor = logit_factor(model.atlas.config)
        read = norm if factor == 1 else _multiplied(norm, factor)
        return cls(weight.detach(), read, None if bias is None else bias.detach(), cap or None)

    @property
    def entries(self) -> int:
        """How many scores a state gets: the size of the vocabulary, or the number of classes."""
        return len(self.weight)

    def normed(self, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """States as the unembedding reads them, float32 at least."""
        h = h.to(self.weight.device)
        if self.norm is not None:
            h = self.norm(h.to(self.weight.dtype))
        return h if h.dtype == torch.float64 else h.float()

    def scores(
        self, normed: Float[Tensor, "*n d"], start: int = 0, stop: int | None = None
    ) -> Float[Tensor, "*n v"]:
        """Scores of entries `start` to `stop` for states that `normed` gave."""
        out = normed @ self.weight[start:stop].to(normed.dtype).T
        if self.bias is not None:
            out = out + self.bias[start:stop].to(normed.dtype)
        return out if self.cap is None else self.cap * torch.tanh(out / self.cap)

    def scores_at(
        self, normed: Float[Tensor, "*n d"], entry: Int[Tensor, "*n"]
    ) -> Float[Tensor, "*n"]:
        """The score of one entry for each state."""
        out = (normed * self.weight[entry].to(normed.dtype)).sum(-1)
        if self.bias is not None:
            out = out + self.bias[entry].to(normed.dtype)
        return out if self.cap is None else self.cap * torch.tanh(out / self.cap)

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """Ranges of at most `size` entries that cover all of them."""
        for start in range(0, self.entries, size):
            yield start, min(start + size, self.entries)

    def __call__(self, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n v"]:
        """All scores of a few states."""
        return self.scores(self.normed(h))


def logit_factor(config: Any) -> float:
    """What an architecture multiplies its logits by.

    Cohere's ``logit_scale``, one over Granite's ``logits_scaling``, one over the root of T5's width
    where it says so.
    """
    divided = getattr(config, "scale_decoder_outputs", None)
    if divided is None and getattr(config, "model_type", "") == "umt5":
        divided = config.tie_word_embeddings
    if divided:
        return float(config.d_model) ** -0.5
    times, over = (getattr(config, name, None) for name in ("logit_scale", "logits_scaling"))
    return float(times) if times else 1 / float(over) if over else 1.0


def _multiplied(norm: Norm | None, factor: float) -> Norm:
    """A norm whose output is multiplied, so that what is linear in it is multiplied as well."""
    return lambda h: factor * (h if norm is None else norm(h))
