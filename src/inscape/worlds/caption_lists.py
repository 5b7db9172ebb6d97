"""A small language model that has learnt lists of captions: "a large red circle, a small blue
ring".

A two-block Llama over words is trained on lists of size, colour and shape, all as likely. What must
then hold: after "a" it says a size, then a colour, then a shape, whatever was listed.

Cost: some seconds on one core.
"""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import pre_tokenizers
from torch import Tensor
from torch.nn import functional as F

from inscape.core.rng import child_seed, generator
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.captioned_scenes import COLOURS, SHAPES, SIZES
from inscape.worlds.small_llama import PAD, small_llama, train, word_tokenizer


def caption_lists(steps: int = 40, width: int = 32, seed: int = 0) -> Model:
    """Train the model.

    Args:
        steps: of training, each on 16 lists of eight captions.
        width: of the residual stream.
        seed: of the initial weights and the lists.
    """
    kinds = (tuple(SIZES), tuple(COLOURS), SHAPES)
    words = [PAD, "a", ",", *(word for kind in kinds for word in kind)]
    net = small_llama(len(words), width, child_seed(seed, "lists"), max_position_embeddings=128)
    rng, number = generator(seed, "lists"), {word: i for i, word in enumerate(words)}

    def loss(step: int) -> Tensor:
        drawn = [rng.integers(len(kind), size=(16, 8)) + number[kind[0]] for kind in kinds]
        fixed = [np.full((16, 8), number[word]) for word in ("a", ",")]
        ids = torch.from_numpy(np.stack([fixed[0], *drawn, fixed[1]], axis=2).reshape(16, -1))
        return F.cross_entropy(
            net(input_ids=ids).logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
        )

    train(net, loss, steps)
    tokenizer = word_tokenizer(words, pre_tokenizers.Whitespace())
    return open(net, tokenizer=tokenizer, name="a toy of captions")
