"""Tongues: a small network that has learnt nothing but small programs in a few languages.

The programs of `inscape.worlds.programs`, cut into words and signs, and a two-block Llama trained to go on with them. Its
gates are rectified and open neurons cost a little (an L1 penalty), so that neurons specialise: many come to serve one
language, and an untrained network has none that do.

Cost: about ten seconds on one core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import pre_tokenizers
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.programs import programs
from inscape.worlds.small_llama import PAD, small_llama, train, word_tokenizer

LANGUAGES = ("Python", "C", "SQL", "English")
#: weight of the mean |activation| of a layer's neurons
SPARSE = 8.0


@dataclass(frozen=True)
class Tongues:
    """The world.

    Attributes:
        model: the trained network, opened and certified.
        programs: as `inscape.worlds.programs.programs` gives them.
        loss: mean loss of the last steps, in nats a token.
    """

    model: Model
    programs: Examples
    loss: float


def tongues(count: int = 80, width: int = 48, steps: int = 250, seed: int = 0) -> Tongues:
    """Train the network.

    Args:
        count: programs, each in every language.
        width: of the residual stream.
        steps: of training, each on 24 texts.
        seed: of the programs, the initial weights and the order of training.

    Returns:
        The network, its programs and how well it learnt.
    """
    texts = programs(count, LANGUAGES, seed=seed)
    cut = pre_tokenizers.BertPreTokenizer()
    said = [
        f"{name}:\n{text}"
        for name, text in zip(texts.frame["language"], texts.texts(), strict=True)
    ]
    words = sorted({word for text in said for word, _ in cut.pre_tokenize_str(text)})
    tokenizer = word_tokenizer([PAD, *words], cut)
    net, loss = _trained(
        [tokenizer(t)["input_ids"] for t in said],
        len(words) + 1,
        width,
        steps,
        child_seed(seed, "tongues"),
    )
    return Tongues(open(net, tokenizer=tokenizer, name="tongues world"), texts, loss)


def _trained(
    ids: list[list[int]], size: int, width: int, steps: int, seed: int
) -> tuple[LlamaForCausalLM, float]:
    net = small_llama(size, width, seed, max_position_embeddings=512, hidden_act="relu")
    rng, losses = np.random.default_rng(seed), []
    padded = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row) for row in ids], batch_first=True, padding_value=-100
    )
    active: list[torch.Tensor] = []
    hooks = [
        b.mlp.down_proj.register_forward_pre_hook(lambda _m, args: active.append(args[0]))
        for b in net.model.layers
    ]

    def loss(_: int) -> torch.Tensor:
        active.clear()
        batch = padded[torch.from_numpy(rng.choice(len(ids), 24, replace=False))]
        logits = net(input_ids=batch.clamp(min=0), use_cache=False).logits[:, :-1]
        found = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=-100)
        losses.append(float(found.detach()))
        return found + SPARSE * sum(a.abs().mean() for a in active)

    train(net, loss, steps)
    for hook in hooks:
        hook.remove()
    return net, float(np.mean(losses[-20:]))
