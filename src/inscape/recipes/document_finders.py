"""Heads on frozen states of sentences that learn to find the document that half of a sentence is
from.

    scores = net(queries, documents)          loss = cross-entropy of each query's own document among the batch's

A document is some sentences at random, a query half of the words of one of them
(`inscape.outcomes.retrieval`); both are drawn anew in every batch.

Reference: Luan, Eisenstein, Toutanova and Collins (2021), arXiv:2005.00181, section 6.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inscape.nets.multi_vector import MultiVector
from inscape.outcomes.retrieval import Sentences
from inscape.study.arms import Arm

#: documents of a batch, where there are sentences for so many
BATCH = 32


def document_finder(
    known: Sentences, parts: int, numbers: int, vectors: int, *, shuffled: bool = False
) -> Arm:
    """A dual encoder whose documents have one vector or several.

    Args:
        known: sentences to learn from, at least `parts`.
        parts: sentences of a document.
        numbers: of a document, shared evenly by its vectors.
        vectors: of a document.
        shuffled: whether each query is taught a random document of the batch in place of its own;
            queries and documents are the same with it and without.
    """

    def batches(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor, Tensor]:
        asked, documents = known.documents(min(BATCH, len(known) // parts), parts, rng=rng)
        other = torch.from_numpy(rng.permutation(len(asked)))
        return asked, documents, other if shuffled else torch.arange(len(asked))

    def loss(net: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        asked, documents, taught = batch
        return F.cross_entropy(net(asked, documents), taught)

    width = known.states.shape[1]
    return Arm(lambda k: MultiVector(width, numbers // vectors, vectors), batches, loss)
