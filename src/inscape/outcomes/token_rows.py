"""Rows of token ids through a language model: what it has at the last one, and what it makes of a
state put in.

Rows are token ids and no text, so that a word can be fed in pieces that the tokenizer would not
make.

    last_states        the state of every row's last token, also with its view of the tokens just before it cut
    prompt_asker       logits after a prompt in which one input embedding is replaced by a state (a Patchscope)
    repeating_prompt   the prompt that repeats most words when their own embeddings are put in
    losses_after       the mean loss on what follows a word, whose place holds its tokens or one made embedding

Cost: one pass over the rows for each call.
Reference: Kaplan et al. (2024), From tokens to words, arXiv:2410.05864, §4 and §5; Ghandeharioun et
al. (2024), Patchscopes, arXiv:2401.06102.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.control.attention_knockout import attention_knockout
from inscape.core.batch import Tokens, plain_ids
from inscape.core.edit import Replace, Scope
from inscape.model.batching import batches_by_length
from inscape.model.model import Model
from inscape.outcomes.token_losses import token_losses
from inscape.read.patchscopes import Patched, patchscope

Ids = tuple[int, ...]


def last_states(
    model: Model,
    rows: Sequence[Sequence[int]],
    sites: Sequence[str],
    *,
    layers: Sequence[int] = (),
    pieces: Sequence[int] = (),
    budget: int = 2048,
) -> dict[str, Float[Tensor, "rows d"]]:
    """States at the last token of every row.

    Args:
        model: a language model.
        rows: token ids.
        sites: where.
        layers: blocks in which the last token may not look at the tokens of its own word before it.
        pieces: with layers, how many tokens the word has that each row ends with, (rows,).
        budget: padded tokens a batch.
    """
    out: dict[str, Tensor] = {}
    for few in batches_by_length([len(r) for r in rows], budget):
        batch = model.collate([Tokens.of(rows[i]) for i in few])
        assert batch.lengths is not None
        last = batch.lengths[:, None] - 1
        cut = nullcontext()
        if len(layers):
            t = torch.arange(batch.inputs["input_ids"].shape[1])[None]
            first = last - torch.as_tensor(np.asarray(pieces)[few])[:, None]
            cut = attention_knockout(model, layers, t == last, (t < last) & (t > first))
        with cut:
            found = model.run(batch, list(sites), at=last)
        for site in sites:
            value = found[site][:, 0].float().cpu()
            whole = out.setdefault(site, torch.empty(len(rows), value.shape[-1]))
            whole[torch.from_numpy(few)] = value
    return out


def prompt_asker(model: Model, prompt: Sequence[int], place: int) -> Patched:
    """A callable that puts states in place of one input embedding of a prompt and gives the logits
    after it.

    Args:
        model: a language model.
        prompt: token ids.
        place: the position that is replaced.
    """
    row, last = torch.tensor([list(prompt)]), len(prompt) - 1

    def ask(x: Tensor) -> Tensor:
        edit, at = Replace(Scope("embed", (place,)), x[:, None]), torch.full((len(x), 1), last)
        logits = model.run(row.expand(len(x), -1), edits=edit, logits=True, at=at).logits
        assert logits is not None
        return logits[:, 0]

    return ask


def patched_names(
    ask: Patched, states: Sequence[Float[Tensor, "n d"]], advance: Callable[[], object]
) -> Int[np.ndarray, "layers n"]:
    """The token that a Patchscope names for every state of every layer.

    Args:
        ask: as `prompt_asker` makes it.
        states: of each layer.
        advance: called after each layer.
    """
    found = []
    for x in states:
        found.append(patchscope(ask, x, k=1).tokens[:, 0])
        advance()
    return np.array(found)


def mean_embeddings(model: Model, before: Ids, words: Sequence[Ids]) -> Float[Tensor, "n d"]:
    """The mean of the input embeddings of each word's tokens.

    Args:
        model: a language model.
        before: token ids before each, of which an embedding with positions depends.
        words: token ids of each word.
    """
    single = sorted({t for word in words for t in word})
    own = last_states(model, [(*before, t) for t in single], ["embed"])["embed"]
    return torch.stack([own[[single.index(t) for t in word]].mean(0) for word in words])


class Repeating(NamedTuple):
    """A prompt that repeats a word, chosen by whether it does.

    Attributes:
        ask: gives the logits after it for states in the word's place.
        rates: prompt → share of words that the model repeats from their own embeddings.
        best: the highest of them.
    """

    ask: Patched
    rates: dict[str, float]
    best: float


def repeating_prompt(model: Model, prompts: Sequence[str], own: Sequence[int]) -> Repeating:
    """The prompt after which the model repeats most words whose own embedding is put in: what a
    Patchscope needs at least.

    Args:
        model: a language model with a tokenizer.
        prompts: with {} in the word's place.
        own: tokens of words.
    """
    x = last_states(model, [(w,) for w in own], ["embed"])["embed"]
    asks, rates = {}, {}
    for text in prompts:
        start, end = text.split("{}")
        # the space before a word is part of its token
        head, tail = (plain_ids(model.tokenizer, part) for part in (start.rstrip(), end))
        asks[text] = prompt_asker(model, [*head, own[0], *tail], len(head))
        rates[text] = float((patchscope(asks[text], x, k=1).tokens[:, 0] == np.array(own)).mean())
    best = max(rates, key=lambda text: rates[text])
    return Repeating(asks[best], rates, rates[best])


def losses_after(
    model: Model,
    texts: Sequence[tuple[Ids, Ids]],
    words: Sequence[Ids] | Float[Tensor, "n d"],
) -> Float[np.ndarray, " n"]:
    """Mean loss on the tokens after a word in each text, in nats.

    Args:
        model: a language model.
        texts: token ids before and after the word; the latter are predicted.
        words: token ids of each word, or one embedding for each in their place.
    """
    out = np.empty(len(texts))
    for i, ((before, after), word) in enumerate(zip(texts, words, strict=True)):
        made = isinstance(word, Tensor)
        middle = after[:1] if made else tuple(word)  # any token: its embedding is replaced
        edits = [Replace(Scope("embed", (len(before),)), word)] if made else []
        row, start = Tokens.of((*before, *middle, *after)), len(before) + len(middle)
        out[i] = token_losses(model, [row], edits=edits, after=[start]).nats[0] / len(after)
    return out
