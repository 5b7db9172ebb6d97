"""The model of captions says size, colour and shape in turn, all values about as likely; before
training it does not.
"""

from __future__ import annotations

import torch

from inscape.worlds.caption_lists import caption_lists
from inscape.worlds.captioned_scenes import COLOURS, SHAPES, SIZES

TEXT = "a small red ring , a large white cross , a large green square , a small"


def likely(model, words) -> torch.Tensor:
    """Of the words after each prefix of the text that ends where such a word follows."""
    ids = torch.tensor(model.tokenizer(TEXT)["input_ids"])[None]
    shares = model.run(ids, logits=True).logits[0].softmax(-1)
    number = model.tokenizer.convert_tokens_to_ids(list(words))
    return shares[:, number]


def test_words_of_a_caption_come_in_their_order():
    model = caption_lists(seed=1)
    for place, words in ((15, SIZES), (16, COLOURS), (12, SHAPES)):
        found = likely(model, words)[place]
        assert found.sum() > 0.9
        assert found.min() > 0.2 / len(words)
    assert likely(model, SHAPES)[15].sum() < 0.05
    assert likely(caption_lists(steps=1, seed=1), COLOURS)[16].sum() < 0.6
