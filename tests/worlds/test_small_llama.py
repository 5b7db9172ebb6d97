"""The small network of the toy worlds: words in, the same weights for a seed, a loss that falls,
nothing else touched.
"""

from __future__ import annotations

import pytest
import torch
from tokenizers import pre_tokenizers
from torch.nn import functional as F

from inscape.worlds.small_llama import PAD, small_llama, train, word_tokenizer


def test_words_are_tokens_and_others_are_the_filler():
    tokenizer = word_tokenizer([PAD, "a", "b", "."])
    assert tokenizer("a . b c")["input_ids"] == [1, 3, 2, 0]
    assert tokenizer("a.")["input_ids"] == [0]
    assert word_tokenizer([PAD, "a", "."], pre_tokenizers.BertPreTokenizer())("a.")[
        "input_ids"
    ] == [1, 2]
    assert tokenizer.decode([1, 3]) == "a ."
    with pytest.raises(
        ValueError, match=r"word_tokenizer: the vocabulary begins with \[PAD\], got \['a'\]"
    ):
        word_tokenizer(["a", PAD])


def test_one_seed_one_network_and_the_global_stream_is_left_alone():
    before = torch.get_rng_state()
    first, again, other = (small_llama(9, 8, seed).lm_head.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert (
        small_llama(9, 8, 0, num_hidden_layers=1, intermediate_size=5).config.intermediate_size == 5
    )


def test_training_lowers_the_loss_and_tells_each_step():
    net, ids, told = small_llama(9, 16, 0), torch.arange(1, 9)[:, None], []

    def loss(step: int) -> torch.Tensor:
        told.append(step)
        return F.cross_entropy(net(input_ids=ids, use_cache=False).logits[:, -1], 9 - ids[:, 0])

    threads, start = torch.get_num_threads(), float(loss(-1).detach())
    train(net, loss, 40)
    assert told[1:] == list(range(40))
    assert float(loss(-1).detach()) < 0.2 * start
    assert not net.training
    assert torch.get_num_threads() == threads
