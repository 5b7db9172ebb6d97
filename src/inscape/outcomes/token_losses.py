"""Token losses: how surprised a language model is by texts, whole or under edits, with nothing
stored.

    loss_i = −Σ_{t ≥ 2} log p(token_t | tokens before it)        in nats, beside the number of tokens counted

Perplexity is exp(Σ loss / Σ tokens). Cost: one pass with the unembedding at every token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from inscape.core.batch import Tokens
from inscape.core.edit import Edit
from inscape.core.errors import DataError
from inscape.model.batching import batches_alike
from inscape.model.model import Model


class Losses(NamedTuple):
    """What texts cost.

    Attributes:
        nats: summed loss of each text.
        tokens: how many of its tokens were predicted.
    """

    nats: Float[np.ndarray, " n"]
    tokens: Int[np.ndarray, " n"]

    @property
    def perplexity(self) -> float:
        """Of all tokens together."""
        return float(np.exp(self.nats.sum() / self.tokens.sum()))


def token_losses(
    model: Model,
    texts: Sequence[str] | Sequence[Tokens],
    *,
    edits: Callable[[np.ndarray], Sequence[Edit]] | Sequence[Edit] = (),
    after: Sequence[int] | None = None,
    budget: int = 1024,
) -> Losses:
    """Losses of texts.

    Args:
        model: a language model with a head.
        texts: texts, or their tokens.
        edits: edits, or a function that makes them for the texts of a batch.
        after: only tokens from this position on are counted, one number a text (a prompt's length).
        budget: padded tokens a batch.

    Raises:
        DataError: a text with no token to predict.
        ValueError: texts and tokens mixed, one text in place of a list, or `after` that is not one
            number a text.
    """
    tokens = [t for t in texts if isinstance(t, Tokens)]
    if isinstance(texts, str) or 0 < len(tokens) < len(texts):
        raise ValueError("token_losses: give a list of texts, or one of tokens, not both")
    if after is not None and len(after) != len(texts):
        raise ValueError(
            f"token_losses: after must give a position for each of {len(texts)} texts, got "
            f"{len(after)}"
        )
    if len(tokens) < len(texts):
        tokens = model.tokenize([str(t) for t in texts])
    start = np.maximum(
        1, np.zeros(len(tokens), dtype=np.int64) if after is None else np.asarray(after)
    )
    lengths = np.array([len(t) for t in tokens], dtype=np.int64)
    if (lengths <= start).any():
        i = int(np.flatnonzero(lengths <= start)[0])
        raise DataError(
            f"text {i} has no token to predict; give texts of two tokens or more, longer than what "
            "goes before."
        )
    nats = np.zeros(len(tokens))
    kinds = model.switches.kinds(lengths)
    for rows in batches_alike(np.asarray(lengths), kinds, budget):
        batch = model.collate([tokens[i] for i in rows])
        logits = model.run(
            batch, logits=True, edits=list(edits(rows) if callable(edits) else edits)
        ).logits
        assert logits is not None
        logs = logits[:, :-1].float().log_softmax(dim=-1)
        ids = batch.inputs["input_ids"][:, 1:].to(logs.device)
        taken = -logs.gather(2, ids[..., None])[..., 0].double().cpu()
        position = torch.arange(1, int(lengths[rows].max()))[None]
        counted = (position >= torch.from_numpy(start[rows])[:, None]) & (
            position < torch.from_numpy(lengths[rows])[:, None]
        )
        nats[rows] = torch.where(counted, taken, torch.zeros(())).sum(dim=1).numpy()
    return Losses(nats, lengths - start)
