"""The small language model that toy worlds train: a Llama of two blocks over words, in seconds on
one core.

A world draws its language and says what is to be predicted; tokenizer, network and training loop
are the same for all. The weights come from a seed of their own, so that a world's words can change
and its network's beginning does not.

Cost: steps passes over what the loss reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from inscape.core.threads import one_torch_thread

#: the filler, token 0 of every vocabulary; a word that is not in it is read as this too
PAD = "[PAD]"


def word_tokenizer(vocabulary: Sequence[str], cut: Any = None) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are words.

    Args:
        vocabulary: the words in the order of their ids, `PAD` first.
        cut: what cuts a text into words, one of `tokenizers.pre_tokenizers`; at spaces by default.

    Raises:
        ValueError: the first word is not `PAD`.
    """
    if not vocabulary or vocabulary[0] != PAD:
        raise ValueError(
            f"word_tokenizer: the vocabulary begins with {PAD}, got {list(vocabulary[:1])}"
        )
    inner = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=PAD)
    )
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit() if cut is None else cut
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=PAD, unk_token=PAD, clean_up_tokenization_spaces=False
    )


def small_llama(vocabulary: int, width: int, seed: int, **settings: Any) -> LlamaForCausalLM:
    """A network with fresh weights; the global stream is left as it was.

    Args:
        vocabulary: how many words.
        width: of the residual stream, for four heads.
        seed: of the weights.
        settings: of `transformers.LlamaConfig`, in place of two blocks, an MLP of four widths and
            32 positions.
    """
    config = LlamaConfig(
        **{
            "vocab_size": vocabulary,
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 32,
            "pad_token_id": 0,
            "bos_token_id": None,
            "eos_token_id": None,
            **settings,
        }
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def train(
    net: LlamaForCausalLM,
    loss: Callable[[int], torch.Tensor],
    steps: int,
    *,
    peak: float = 8e-3,
    decay: float = 0.01,
) -> None:
    """Descend a loss with AdamW, its rate rising to a peak and falling again; the network is left
    in evaluation mode.

    Args:
        net: trained in place, on one thread.
        loss: of a step, from 0; called before the step is made.
        steps: how many.
        peak: the highest learning rate.
        decay: weight decay.
    """
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak, total_steps=steps)
    net.train()
    with one_torch_thread():
        for step in range(steps):
            found = loss(step)
            optimiser.zero_grad()
            found.backward()
            optimiser.step()
            schedule.step()
    net.eval()
