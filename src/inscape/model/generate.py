"""Generation under edits, right under a key–value cache.

The first pass sees the prompt, later ones a token each; an edit's scope is decided by the absolute
position of every token in the sequence, so ``phase="prompt"`` acts in the first pass only and
``phase="generated"`` on what follows it. Prompts are grouped by exact length: nothing is ever
padded.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from inscape.core.edit import Edit
from inscape.core.errors import ModelError
from inscape.model import decoder
from inscape.model.axes import learn
from inscape.model.chat import several
from inscape.model.hooks import Pass, hooked
from inscape.model.invocation import Fed, feeding
from inscape.model.lengths import dynamic, fresh
from inscape.model.modes import evaluating, uncompiled
from inscape.model.network import Network
from inscape.model.reach import refuse_unread
from inscape.model.within_thread import own_hook


def generate(
    model: Network,
    prompts: str | Sequence[Any],
    max_new_tokens: int,
    edits: Sequence[Edit],
    temperature: float,
    seed: int,
) -> list[str]:
    """Continuations of prompts.

    Args:
        model: a causal language model with a head; or a decoder with its encoder, which reads the
            prompts.
        prompts: one or several texts, or conversations.
        max_new_tokens: at most so many tokens each; generation also ends at the model's own end
            token.
        edits: edits in the order in which they act.
        temperature: 0 is greedy; above 0 samples, from a stream of its own.
        seed: of that stream.

    Returns:
        One continuation per prompt, without the prompt, without special tokens. What decides them
        is these arguments and nothing else: penalties, beams, cut-offs and forced tokens of the
        checkpoint's own settings do not act.

    Raises:
        ModelError: the model cannot generate, or a prompt leaves no room for what is asked.
        ValueError: no tokens are asked for, or the temperature is negative or no number.
    """
    if (
        model.family is None
        or not model.family.causal
        or model.kind != "text"
        or not hasattr(model.net, "generate")
        or model.atlas.head is None
    ):
        raise ModelError(
            f"{model.name} cannot generate: that needs a causal language model with its head"
        )
    whole = int(max_new_tokens) == max_new_tokens
    if not whole or max_new_tokens < 1 or not 0 <= temperature < float("inf"):
        raise ValueError(
            "generate: max_new_tokens must be a whole number from 1 on and temperature a number "
            f"from 0 on, got {max_new_tokens} and {temperature}"
        )
    texts = several(prompts)
    tokens = model.tokens_of(texts)
    # a decoder beside an encoder counts its own tokens
    own = 1 if model.family.decoder else max((len(t) for t in tokens), default=0)
    if model.max_positions is not None and own + max_new_tokens > model.max_positions:
        raise ModelError(
            f"{own} + {max_new_tokens} tokens, and {model.name} takes {model.max_positions}: ask "
            "for fewer"
        )
    planned = [(site, edit) for edit in edits for site in model.select(edit.scope.sites)]
    learn(model, [site for site, _ in planned])
    refuse_unread(model, [site for site, _ in planned])
    out = [""] * len(texts)
    for length in sorted({len(t) for t in tokens}):
        rows = [i for i, t in enumerate(tokens) if len(t) == length]
        ids = model.collate([tokens[i] for i in rows]).inputs["input_ids"].to(model.device)
        made = _continue(model, ids, max_new_tokens, planned, temperature, seed)
        for i, row in zip(rows, made, strict=True):
            out[i] = model.tokenizer.decode(row, skip_special_tokens=True)
    return out


def end_tokens(model: Network) -> list[int]:
    """The tokens with which a model ends a text, by its generation settings, else its
    configuration; none if neither says.

    They are the one thing that is taken from the settings that a checkpoint brings.
    """
    held = getattr(model.net, "generation_config", None) or model.atlas.config
    found = getattr(held, "eos_token_id", None)
    if isinstance(found, torch.Tensor):
        found = found.flatten().tolist()
    values = found if isinstance(found, (list, tuple)) else [found]
    return [int(token) for token in values if token is not None]


def _continue(
    model: Network, ids: torch.Tensor, count: int, planned: list[Any], temperature: float, seed: int
) -> torch.Tensor:
    from transformers import GenerationConfig

    end = end_tokens(model)
    pad = getattr(model.tokenizer, "pad_token_id", None)
    decodes = model.family is not None and model.family.decoder
    settings = GenerationConfig(
        max_new_tokens=count,
        do_sample=temperature > 0,
        **({"temperature": temperature, "top_k": 0} if temperature > 0 else {}),
        eos_token_id=end or None,
        pad_token_id=pad if pad is not None else (end[0] if end else None),
        use_cache=True,
        **({"decoder_start_token_id": _start(model)} if decodes else {}),
    )
    state = Pass(len(ids))

    def begin(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        stream = args[0] if args else kwargs["hidden_states"]
        state.step(stream.shape[1])

    # the first block sees every step, which not every architecture's body does
    handle = model.atlas.blocks[0].register_forward_pre_hook(own_hook(begin), with_kwargs=True)
    # transformers fills whatever an explicit configuration leaves open from the network's own
    bare = copy.copy(model.net)  # the same modules; other threads may generate with the network
    bare.generation_config = GenerationConfig()  # type: ignore[assignment]
    try:
        with (
            evaluating(model.net),
            uncompiled(),
            fresh(dynamic(model.net)),
            torch.random.fork_rng(devices=[]),
            torch.no_grad(),
            feeding(model.net, Fed(ids, None, state)),
            hooked(model.atlas, state, [], planned, stop=False),
        ):
            torch.manual_seed(seed)
            full = bare.generate(  # type: ignore[operator]
                ids, attention_mask=torch.ones_like(ids), generation_config=settings
            )
    finally:
        handle.remove()
    return full[:, 1 if decodes else ids.shape[1] :].cpu()


def _start(model: Network) -> int:
    """The token with which a decoder beside an encoder begins."""
    inputs: dict[str, torch.Tensor] = {"input_ids": torch.zeros(1, 1, dtype=torch.long)}
    decoder.start(model, inputs, 1)
    return int(inputs["decoder_input_ids"][0, 0])
