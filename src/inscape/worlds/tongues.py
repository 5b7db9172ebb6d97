"""Tongues: a small network that has learnt nothing but small programs in a few languages.

The programs of `inscape.worlds.programs`, cut into words and signs, and a two-block Llama trained
to go on with them. Its gates are rectified, and every neuron has a language: in texts of the others
its activity costs more (an L1 penalty). So the answer is planted: neurons of a language carry its
texts and are silent in the others. An untrained network has none.

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
from inscape.worlds.trained_once import trained_once

LANGUAGES = ("Python", "C", "SQL", "English")
#: weight of the mean |activation| of a block's neurons in texts of another language than theirs
FOREIGN = 30.0
#: tokens of the line that names the language, which every second step leaves out
HEAD = 2


@dataclass(frozen=True)
class Tongues:
    """The world.

    Attributes:
        model: the trained network, opened and certified.
        programs: as `inscape.worlds.programs.programs` gives them.
        owners: language of each neuron of a block, as an index into `LANGUAGES`; the same in both
            blocks.
        loss: mean cross-entropy over all programs after training, in nats a token.
    """

    model: Model
    programs: Examples
    owners: np.ndarray
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
    rows = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(tokenizer(t)["input_ids"]) for t in said],
        batch_first=True,
        padding_value=-100,
    )
    language = torch.tensor([LANGUAGES.index(name) for name in texts.frame["language"]])
    owners = torch.arange(4 * width) % len(LANGUAGES)
    net = _trained(
        rows, language, owners, len(words) + 1, width, steps, child_seed(seed, "tongues")
    )
    with torch.no_grad():
        loss = float(np.mean([float(_loss(net, part)) for part in rows.split(40)]))
    model = open(net, tokenizer=tokenizer, name="tongues world")
    return Tongues(model, texts, owners.numpy(), loss)


def _loss(net: LlamaForCausalLM, batch: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the tokens of some texts, padded with −100."""
    logits = net(input_ids=batch.clamp(min=0), use_cache=False).logits[:, :-1]
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=-100)


@trained_once
def _trained(
    padded: torch.Tensor,
    language: torch.Tensor,
    owners: torch.Tensor,
    size: int,
    width: int,
    steps: int,
    seed: int,
) -> LlamaForCausalLM:
    net = small_llama(size, width, seed, max_position_embeddings=512, hidden_act="relu")
    rng = np.random.default_rng(seed)
    active: list[torch.Tensor] = []
    hooks = [
        b.mlp.down_proj.register_forward_pre_hook(lambda _m, args: active.append(args[0]))
        for b in net.model.layers
    ]

    def loss(step: int) -> torch.Tensor:
        active.clear()
        chosen = torch.from_numpy(rng.choice(len(padded), 24, replace=False))
        batch = padded[chosen][:, HEAD * (step % 2) :]
        batch = batch[:, : int((batch >= 0).sum(dim=1).max())]
        foreign = (owners != language[chosen, None])[:, None]  # (texts, 1, neurons)
        real = (batch >= 0)[..., None].float()
        each = real / real.sum(dim=1, keepdim=True)  # short texts weigh as much as long ones
        found = _loss(net, batch)
        lost = sum((foreign * each * a.abs()).sum(dim=1).mean() for a in active)
        return found + FOREIGN * lost

    train(net, loss, steps)
    for hook in hooks:
        hook.remove()
    return net
