"""Vectors in place of words: what a frozen language model says after them, and their gradient.

    before (text) → k vectors → after (text) → the continuation that is scored or generated

Texts before the vectors are computed once and held as keys and values; the gradient reaches the
vectors alone, since the weights are frozen here and stay so.

Cost: of each row, a pass over its vectors and its words; forward and back where a gradient is
asked for.
Reference: Lester, Al-Rfou and Constant (2021), arXiv:2104.08691; Merullo et al. (2023),
arXiv:2209.15162, for vectors made from pictures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache

from inscape.core.errors import ModelError
from inscape.model.model import Model


class SoftPrompt:
    """A frozen causal model between two texts.

    Args:
        model: a causal model of text; its weights require no gradient from here on.
        before: text ahead of the vectors.
        after: text between them and what is said.

    Attributes:
        words: the embedding of each token, (vocabulary, width).

    Raises:
        ModelError: a model that continues no text.
    """

    def __init__(self, model: Model, before: str, after: str) -> None:
        if not model.causal or not hasattr(model.net, "get_input_embeddings"):
            raise ModelError(f"SoftPrompt: {model.name} continues no text; give a causal model")
        self._net: Any = model.net.requires_grad_(False).eval()
        self.words: Tensor = self._net.get_input_embeddings().weight
        first, last = model.tokenize([before, after])
        self._after = torch.from_numpy(np.asarray(last.ids))
        with torch.no_grad():
            held = self._net(
                input_ids=torch.from_numpy(np.asarray(first.ids))[None], use_cache=True
            ).past_key_values
        self._held = [(layer.keys, layer.values) for layer in held.layers]

    def logits(
        self, vectors: Float[Tensor, "n k w"], ids: Int[Tensor, "n t"]
    ) -> Float[Tensor, "n t v"]:
        """Of each token of the continuation, given those before it.

        Args:
            vectors: the soft prompts.
            ids: the continuations.
        """
        n = len(vectors)
        spoken = torch.cat([self._after.expand(n, -1), ids[:, :-1]], dim=1)
        cache = DynamicCache()
        for i, (keys, values) in enumerate(self._held):
            cache.update(keys.expand(n, -1, -1, -1), values.expand(n, -1, -1, -1), i)
        return self._net(
            inputs_embeds=torch.cat([vectors, self.words[spoken]], dim=1),
            past_key_values=cache,
            logits_to_keep=ids.shape[1],
        ).logits

    def loss(self, vectors: Float[Tensor, "n k w"], ids: Int[Tensor, "n t"]) -> Float[Tensor, ""]:
        """Mean cross-entropy of the continuations, in nats a token."""
        return F.cross_entropy(self.logits(vectors, ids).flatten(0, 1), ids.flatten())

    @torch.no_grad()
    def greedy(self, vectors: Float[Tensor, "n k w"], tokens: int) -> Int[Tensor, "n t"]:
        """The likeliest tokens, one after another.

        Args:
            vectors: the soft prompts.
            tokens: how many.
        """
        ids = torch.zeros(len(vectors), 0, dtype=torch.int64)
        for _ in range(tokens):
            open_end = torch.cat([ids, torch.zeros(len(ids), 1, dtype=torch.int64)], dim=1)
            ids = torch.cat([ids, self.logits(vectors, open_end)[:, -1:].argmax(dim=-1)], dim=1)
        return ids

    def nearest(self, vectors: Float[Tensor, "n k w"]) -> Int[Tensor, "n k"]:
        """The token whose embedding has the largest cosine with each vector."""
        words = F.normalize(self.words, dim=1)
        return (F.normalize(vectors, dim=-1) @ words.T).argmax(dim=-1)
