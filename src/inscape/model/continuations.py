"""Continuations: completions of a language model, token by token, with the probabilities it gave
them.

Each prompt is read once; its cache (keys and values, or the states of a state space) is then laid
out for all of its samples, and one loop continues a batch of them a token at a time. The token
drawn is the inverse of the cumulative distribution at a uniform number that belongs to (prompt,
sample, step) alone, so a sample does not depend on what it was batched with, beyond rounding:

    token = min {v : Σ_{u ≤ v} softmax(logits / T)_u > r},   r = uniform(seed)[prompt, sample, step]

Log-probabilities are of the network's own distribution, at temperature 1. Prompts are grouped by
exact length: nothing is padded. Rows that have ended leave the batch, unless edits act (an edit may
hold one value for each row).

Cost: tokens of the distinct prompts, then one pass for each step and batch.
Reference: Holtzman et al. (2019), arXiv:1904.09751, for sampling from the whole distribution and
what it costs in quality.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inscape.core.edit import Edit, Scope
from inscape.core.errors import ModelError
from inscape.core.rng import torch_generator
from inscape.model.axes import learn
from inscape.model.generate import end_tokens
from inscape.model.hooks import Pass, hooked
from inscape.model.invocation import Fed, feeding
from inscape.model.lengths import dynamic, fresh
from inscape.model.modes import evaluating, uncompiled
from inscape.model.network import Network
from inscape.model.reach import refuse_unread
from inscape.model.within_thread import own_hook

#: edits for the prompts of a batch, given their numbers; row r of the pass is sample r % samples of
# prompt r // samples
Edits = Sequence[Edit] | Callable[[np.ndarray], Sequence[Edit]]


@dataclass(frozen=True, eq=False)
class Continuation:
    """One continuation of one prompt.

    Attributes:
        text: decoded, without special tokens; with what ended it.
        ids: its tokens, without the model's own end token.
        logprobs: log-probability of each token, in nats, at temperature 1.
        most: probability of the top token at each step.
        ended: whether it came to a stop by itself.
    """

    text: str
    ids: np.ndarray
    logprobs: np.ndarray
    most: np.ndarray
    ended: bool


def continuations(
    model: Network,
    prompts: Sequence[str],
    max_new_tokens: int,
    *,
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    stop: str = "",
    edits: Edits = (),
    batch: int = 128,
    advance: Callable[[int], None] | None = None,
) -> list[list[Continuation]]:
    """Continue every prompt.

    Args:
        model: a causal language model with a head.
        prompts: texts.
        max_new_tokens: at most so many tokens each.
        samples: continuations of each prompt; greedy ones are all alike, so more than one needs a
            temperature or edits.
        temperature: 0 is greedy decoding.
        seed: of the uniform numbers.
        stop: characters; a token that holds one of them is the last. The model's own end token
            always ends.
        edits: edits in the order in which they act, or a function that makes them for the prompts
            of a batch.
        batch: rows (prompts × samples) continued at once.
        advance: told how many prompts are done, as they are.

    Returns:
        For each prompt its samples.

    Raises:
        ModelError: the model cannot generate, or a prompt leaves no room for what is asked.
        ValueError: several greedy samples, or numbers below 1.
    """
    _check(model, samples, temperature if not edits else 1.0, max_new_tokens)
    tokens = model.tokenize(list(prompts))
    longest, limit = max((len(t) for t in tokens), default=0), model.max_positions
    if limit is not None and longest + max_new_tokens > limit:
        raise ModelError(
            f"{longest} + {max_new_tokens} tokens, and {model.name} takes {limit}: ask for fewer"
        )
    uniform = torch.rand(
        len(tokens),
        samples,
        max_new_tokens,
        generator=torch_generator(seed, "continuations"),
        dtype=torch.float64,
    )
    ends = _ends(model, stop)
    out: list[list[Continuation]] = [[] for _ in tokens]
    each = max(1, batch // samples)
    for length in sorted({len(t) for t in tokens}):
        same = [i for i, t in enumerate(tokens) if len(t) == length]
        for first in range(0, len(same), each):
            rows = np.array(same[first : first + each])
            ids = torch.from_numpy(np.stack([tokens[i].ids for i in rows])).to(model.device)
            made = edits(rows) if callable(edits) else edits
            loop = _Loop(model, list(made), samples, temperature, uniform[rows].flatten(0, 1), ends)
            for k, found in enumerate(loop.run(ids)):
                out[rows[k // samples]].append(found)
            if advance is not None:
                advance(len(rows))
    return out


def _check(model: Network, samples: int, temperature: float, count: int) -> None:
    family = model.family
    continues = family is not None and family.kind == "text" and family.autoregressive
    if not continues or model.atlas.head is None or model.tokenizer is None:
        raise ModelError(
            f"{model.name} cannot continue a text: that needs a causal language model with its "
            "head and its tokenizer"
        )
    if samples < 1 or count < 1:
        raise ValueError(
            f"continuations: samples and max_new_tokens must be at least 1, got {samples} and "
            f"{count}"
        )
    if samples > 1 and temperature <= 0:
        raise ValueError(
            "continuations: samples are all alike at temperature 0; give a temperature above 0"
        )


def _ends(model: Network, stop: str) -> Tensor:
    """Which tokens end a continuation: 2 for the model's own end tokens, 1 for those that hold a
    stop character.
    """
    size = int(model.atlas.head.weight.shape[0])  # type: ignore[union-attr, operand, index]
    out = torch.zeros(size, dtype=torch.int8)
    if stop:
        texts = model.tokenizer.batch_decode([[i] for i in range(min(size, len(model.tokenizer)))])
        out[: len(texts)] = torch.tensor([any(c in text for c in stop) for text in texts]).to(
            torch.int8
        )
    for token in end_tokens(model):
        if 0 <= token < size:
            out[token] = 2
    return out.to(model.device)


def _cache_name(net: Any) -> str:
    """What a network calls its cache: state spaces have a name of their own for it."""
    taken = inspect.signature(net.forward).parameters
    return "cache_params" if "cache_params" in taken else "past_key_values"


def _taken(cache: Any, rows: Tensor, like: Tensor) -> None:
    """Rows of a cache, in the order given, each as often as it is named: what every kind of cache
    can do for beams.
    """
    cache.reorder_cache(rows.to(like.device))


def _late(scope: Scope) -> bool:
    """Whether an edit of this scope leaves everything before the prompt's last token alone."""
    return scope.phase == "generated" or scope.positions == "last"


@dataclass
class _Loop:
    """One batch being continued; its rows are the samples of one prompt after those of another."""

    model: Network
    edits: list[Edit]
    samples: int
    temperature: float
    uniform: Tensor
    ends: Tensor

    def run(self, ids: Tensor) -> list[Continuation]:
        model, count = self.model, self.uniform.shape[1]
        planned = [(site, e) for e in self.edits for site in model.select(e.scope.sites)]
        learn(model, [site for site, _ in planned])
        refuse_unread(model, [site for site, _ in planned])
        rows = torch.arange(len(ids) * self.samples)  # those still going on
        found: list[list[tuple[int, float, float]]] = [[] for _ in rows]
        ended = [False] * len(rows)
        late = bool(planned) and all(_late(e.scope) for e in self.edits) and ids.shape[1] > 1
        if planned and not late:
            ids = ids.repeat_interleave(
                self.samples, dim=0
            )  # an edit may hold one value for each row
        state = Pass(len(ids), width=ids.shape[1])

        def begin(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            state.step((args[0] if args else kwargs["hidden_states"]).shape[1])

        handle = model.atlas.blocks[0].register_forward_pre_hook(own_hook(begin), with_kwargs=True)
        try:
            with (
                evaluating(model.net),
                uncompiled(),
                fresh(dynamic(model.net)),
                torch.no_grad(),
                feeding(model.net, Fed(ids, None, state)) as told,
                hooked(model.atlas, state, [], planned, stop=False),
            ):
                cache, logits = self._step(ids[:, :-1] if late else ids, None)
                if len(ids) < len(rows):
                    each = torch.arange(len(ids)).repeat_interleave(self.samples)
                    _taken(cache, each, logits)
                    told.taken(each)
                    logits = logits.repeat_interleave(self.samples, dim=0)
                state.size = len(rows)
                # no edit acts before the prompt's last token, so what comes before it was read once
                if late:
                    cache, logits = self._step(
                        ids[:, -1:].repeat_interleave(self.samples, dim=0), cache
                    )
                for step in range(count):
                    token, logprob, most = self._draw(logits, rows, step)
                    kinds = self.ends[token]
                    for r, t, lp, p, kind in zip(
                        rows.tolist(),
                        token.tolist(),
                        logprob.tolist(),
                        most.tolist(),
                        kinds.tolist(),
                        strict=True,
                    ):
                        if ended[r]:
                            continue
                        if kind < 2:
                            found[r].append((t, lp, p))
                        ended[r] = kind > 0
                    left = torch.tensor([not ended[r] for r in rows.tolist()])
                    if step + 1 == count or not bool(left.any()):
                        break
                    # copying a cache costs about a step, so rows leave in crowds
                    if not planned and float(left.double().mean()) < 0.75:
                        keep = left.nonzero()[:, 0]
                        _taken(cache, keep, logits)
                        told.taken(keep)
                        rows, token = rows[keep], token[keep.to(model.device)]
                        state.size = len(rows)
                    cache, logits = self._step(token[:, None], cache)
        finally:
            handle.remove()
        return [self._made(tokens, end) for tokens, end in zip(found, ended, strict=True)]

    def _step(self, ids: Tensor, cache: Any) -> tuple[Any, Tensor]:
        name = _cache_name(self.model.net)
        out = self.model.net(input_ids=ids, use_cache=True, logits_to_keep=1, **{name: cache})
        return out[name], out.logits[:, -1].float()

    def _draw(self, logits: Tensor, rows: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
        logs = logits.log_softmax(dim=-1)
        top, token = logs.max(dim=-1)
        if self.temperature > 0:
            total = (logits / self.temperature).softmax(dim=-1).double().cumsum(dim=-1)
            r = self.uniform[rows, step].to(total.device)[:, None] * total[:, -1:]
            token = torch.searchsorted(total, r, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
        return token, logs.gather(1, token[:, None])[:, 0], top.exp()

    def _made(self, tokens: list[tuple[int, float, float]], ended: bool) -> Continuation:
        ids = np.array([t for t, _, _ in tokens], dtype=np.int64)
        text = (
            str(self.model.tokenizer.decode(ids.tolist(), skip_special_tokens=True))
            if len(ids)
            else ""
        )
        logprobs, most = (np.array([row[k] for row in tokens], dtype=np.float64) for k in (1, 2))
        return Continuation(text, ids, logprobs, most, ended)
