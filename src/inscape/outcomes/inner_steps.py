"""What each block's update does to the loss on the next token, as the last norm and the unembedding
read it.

    L(h) = −log softmax(W norm(h))[next]         cosine_l = cos(h_{l+1} − h_l, −∂L/∂h_l)

for the true next token and for another one; beside them the update of another block, a random step
of the same length, and what the loss is after it.

Cost: one gradient of the readout a block, and in the upper half one pass of it for each draw.
Reference: Wu and Varshney (2023), arXiv:2310.05884; `inscape.read.inner_gradient`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.folds import group_codes
from inscape.core.rng import child_seed, generator
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.inner_gradient import alignment, inner_gradient, inner_loss
from inscape.read.matched_tokens import matched_tokens, token_counts
from inscape.read.shortcut_fits import stream
from inscape.read.states import States, states, states_of_sources

#: whose cosine with which direction: the update with the true and with the wrong token's, another
#: block's update and a random step with the true one's
TRUE, WRONG, OTHER, RANDOM = (
    "true next token",
    "token of the same frequency",
    "update of another layer",
    "random step",
)


@dataclass(frozen=True, eq=False)
class InnerSteps:
    """Every row at every block; losses and norms have one layer more, before the first block.

    Attributes:
        loss: on the true next token, before the first block and after each, in nats.
        cosine: series → cosine of the step with the descent direction.
        after_random: loss after a random step of the same length.
        falls: in each draw of random steps, by how much the loss falls over the blocks of the upper
            half.
        norm: of the state before each block and, last, after all of them.
        step: length of the update.
    """

    loss: Float[np.ndarray, "states n"]
    cosine: dict[str, Float[np.ndarray, "blocks n"]]
    after_random: Float[np.ndarray, "blocks n"]
    falls: Float[np.ndarray, "draws upper n"]
    norm: Float[np.ndarray, "states n"]
    step: Float[np.ndarray, "blocks n"]

    @property
    def upper(self) -> slice:
        """The upper half of the blocks."""
        return slice(len(self.step) // 2, None)

    @property
    def negative(self) -> float:
        """Share of the upper half of the blocks whose mean cosine with the true descent direction
        is negative."""
        return float((self.cosine[TRUE][self.upper].mean(axis=1) < 0).mean())


def inner_steps(
    model: Model,
    rows: States,
    wrong: Int[np.ndarray, " n"],
    *,
    seed: int,
    name: str,
    draws: int = 0,
    advance: Callable[[], Any] | None = None,
) -> InnerSteps:
    """Losses, cosines and norms at every block, and the loss after random steps in the upper half.

    Args:
        model: a causal language model.
        rows: states of tokens at every site of the residual stream, with the tokens that follow.
        wrong: for each row a token that does not follow.
        seed: of random steps and of which other block's update is taken.
        name: of the random streams.
        draws: further random steps of each state.
        advance: told of every block.
    """
    readout, sites = Readout.of(model), stream(model)
    asked = torch.from_numpy(np.stack([rows.following, wrong]))
    layers, n = len(sites) - 1, len(rows)
    shift = generator(seed, "layers", name).integers(0, max(1, layers - 1), layers)
    order = (np.arange(layers) + 1 + shift) % max(layers, 2)
    draw = torch.Generator().manual_seed(child_seed(seed, "random steps", name) % 2**63)
    cosine = {series: np.empty((layers, n)) for series in (TRUE, WRONG, OTHER, RANDOM)}
    loss, after, norm, length = (np.empty((layers + k, n)) for k in (1, 0, 1, 0))
    falls = np.empty((draws, layers - layers // 2, n))

    def change(i: int) -> Tensor:
        return rows.at[sites[i + 1]] - rows.at[sites[i]]

    for i, site in enumerate(sites[:-1]):
        h, update = rows.at[site], change(i)
        found, random = inner_gradient(readout, h, asked), _as_long(update, draw)
        for series, step in ((TRUE, update), (OTHER, change(int(order[i]))), (RANDOM, random)):
            cosine[series][i] = alignment(step, found.descent[0]).numpy()
        cosine[WRONG][i] = alignment(update, found.descent[1]).numpy()
        loss[i] = found.loss[0].numpy()
        after[i] = inner_loss(readout, h + random, asked[0]).numpy()
        for k in range(draws if i >= layers // 2 else 0):
            moved = inner_loss(readout, h + _as_long(update, draw), asked[0]).numpy()
            falls[k, i - layers // 2] = loss[i] - moved
        norm[i], length[i] = h.norm(dim=-1).numpy(), update.norm(dim=-1).numpy()
        if advance is not None:
            advance()
    last = rows.at[sites[-1]]
    loss[-1] = inner_gradient(readout, last, asked[:1]).loss[0].numpy()
    norm[-1] = last.norm(dim=-1).numpy()
    return InnerSteps(loss, cosine, after, falls, norm, length)


class SourceSteps(NamedTuple):
    """Steps at tokens of several sources of text.

    Attributes:
        steps: of all tokens.
        groups: the group of each token.
    """

    steps: InnerSteps
    groups: np.ndarray


def steps_of_sources(
    model: Model,
    sources: Sequence[Examples],
    count: int,
    *,
    most: int,
    near: int,
    seed: int,
    name: str,
    streams: Callable[..., np.random.Generator],
    wrong: np.random.Generator,
    draws: int = 0,
    advance: Callable[[], Any] | None = None,
) -> SourceSteps:
    """`inner_steps` at tokens of all sources, each compared with a token of the same frequency that
    does not come next.

    Args:
        model: a causal language model.
        sources: texts.
        count: tokens, as `inscape.read.states.states_of_sources` takes it.
        most: tokens of one text at most.
        near: the wrong token is one of so many of about the same frequency.
        seed: of random steps.
        name: of the random streams.
        streams: a name in parts → its generator; draws the tokens.
        wrong: draws the wrong tokens.
        draws: further random steps of each state.
        advance: told of every block.
    """
    rows, groups = states_of_sources(
        model, sources, stream(model), count, most=most, rng=partial(streams, "rows")
    )
    other = matched_tokens(rows.following, token_counts(model, sources), near, rng=wrong)
    found = inner_steps(model, rows, other, seed=seed, name=name, draws=draws, advance=advance)
    return SourceSteps(found, groups)


def first_token_norms(
    model: Model, examples: Examples
) -> tuple[Float[np.ndarray, "states n"], np.ndarray]:
    """Norms of the states of each text's first token, before the first block and after each; and
    its group.

    Args:
        model: a causal language model.
        examples: texts with a group.
    """
    every = States.together(list(states(model, examples, stream(model), skip=0)))
    first = every.position == 0
    norms = every.stack(stream(model))[:, torch.from_numpy(first)].norm(dim=-1).numpy()
    return norms, group_codes(examples.groups())[every.example[first]]


def steps_while_learning(
    models: Mapping[str, Model],
    texts: Examples,
    counted: Examples,
    *,
    seed: int,
    streams: Callable[[], np.random.Generator],
    near: int = 6,
) -> pd.DataFrame:
    """Loss, cosines and norms of one network at several moments of its training, in the upper half
    of its blocks.

    Args:
        models: moment → the network then.
        texts: that are read.
        counted: texts whose tokens' frequencies are taken.
        seed: of random steps.
        streams: gives the generator of the wrong tokens, the same for every moment.
        near: as in `steps_of_sources`.

    Returns:
        A row for each moment: ``training step``, ``loss``, ``cosine, true``,
        ``cosine, true − wrong``, ``norm at the end``, ``step``.
    """
    rows = []
    for moment, model in models.items():
        data = States.together(list(states(model, texts, stream(model))))
        counts = token_counts(model, [counted])
        wrong = matched_tokens(data.following, counts, near, rng=streams())
        found = inner_steps(model, data, wrong, seed=seed, name=f"at {moment}")
        true, gap = found.cosine[TRUE], found.cosine[TRUE] - found.cosine[WRONG]
        rows.append(
            {
                "training step": moment,
                "loss": found.loss[-1].mean(),
                "cosine, true": true[found.upper].mean(),
                "cosine, true − wrong": gap[found.upper].mean(),
                "norm at the end": found.norm[-1].mean(),
                "step": found.step[found.upper].mean(),
            }
        )
    return pd.DataFrame(rows)


def _as_long(update: Tensor, draw: torch.Generator) -> Tensor:
    """A random step of every row, as long as its update."""
    random = torch.randn(update.shape, generator=draw)
    return random * (update.norm(dim=-1) / random.norm(dim=-1))[:, None]
