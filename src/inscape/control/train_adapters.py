"""Training of low-rank adapters on given answers: the network stays as it is, only A and B move.

    loss = mean over the marked tokens of −log p(token | what comes before it)

AdamW at a rate that rises for a tenth of the steps and falls to zero over the rest; gradients are
clipped to a norm. The unembedding is computed at marked tokens alone, and the way back ends at the
first adapted block.

Cost: steps × one pass and as much again from the first adapted block on.
Reference: Hu et al. (2021), arXiv:2106.09685, §4; Loshchilov & Hutter (2019), arXiv:1711.05101.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.nn import functional

from inscape.control.learning_rate import rise_and_fall
from inscape.control.low_rank_adapter import LowRankAdapters, attached, low_rank_adapters
from inscape.core.batch import Tokens
from inscape.core.errors import ModelError
from inscape.core.rng import generator, torch_generator
from inscape.model.graph import constants
from inscape.model.model import Model
from inscape.model.within_thread import own_hook


@dataclass(frozen=True)
class Lesson:
    """One step's batch.

    Attributes:
        ids: token ids, padded on the right, (batch, tokens).
        marked: which tokens are learned; never the first of a row, before which nothing comes.
    """

    ids: Int[Tensor, "batch tokens"]
    marked: Bool[Tensor, "batch tokens"]

    def __post_init__(self) -> None:
        if (
            self.ids.shape != self.marked.shape
            or not bool(self.marked.any())
            or bool(self.marked[:, 0].any())
        ):
            raise ValueError(
                "Lesson: ids and marked are alike (batch, tokens), at least one token is marked "
                "and no row's first is"
            )


def lessons(
    model: Model,
    prompts: Sequence[str],
    answers: Sequence[str],
    steps: int,
    size: int,
    *,
    rng: np.random.Generator,
) -> list[Lesson]:
    """Batches in which the answers' tokens are learned, epoch after epoch in new orders.

    Args:
        model: tokenises ``prompt + answer`` as one text; an answer begins with its own space.
        prompts: what is asked.
        answers: what is to be said, one a prompt; its tokens are those that end after the prompt
            does.
        steps: batches.
        size: examples a batch.
        rng: of the orders.

    Raises:
        ValueError: no pair, or prompts and answers of other numbers.
    """
    if not prompts or len(prompts) != len(answers):
        raise ValueError(
            f"lessons: one answer a prompt, at least one pair; got {len(prompts)} and "
            f"{len(answers)}"
        )
    tokens = model.tokenize([p + a for p, a in zip(prompts, answers, strict=True)])
    order: list[int] = []
    while len(order) < steps * size:
        order += rng.permutation(len(tokens)).tolist()
    made = []
    for step in range(steps):
        chosen = order[step * size : (step + 1) * size]
        made.append(_lesson(model, [tokens[i] for i in chosen], [len(prompts[i]) for i in chosen]))
    return made


def train_adapters(
    model: Model,
    adapters: LowRankAdapters,
    batches: Sequence[Lesson],
    *,
    rate: float = 1e-3,
    decay: float = 0.0,
    clip: float = 1.0,
    progress: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train adapters in place, a step a batch; the model is as it was afterwards, whatever was
    raised.

    Args:
        model: with a head; adapters attached by an enclosing block act and are not trained.
        adapters: from `inscape.control.low_rank_adapter.low_rank_adapters`.
        batches: lessons in order; nothing else is drawn, so that the same lessons give the same
            adapters.
        rate: the highest learning rate.
        decay: weight decay.
        clip: the largest norm of a step's gradient.
        progress: called after each step with its number, from 1, and its loss.

    Returns:
        The loss of each step, before it was made.

    Raises:
        ModelError: a model without a head; a loss that is no longer a number.
    """
    head = model.atlas.head
    if head is None:
        raise ModelError(f"{model.name} has no head, so it says no tokens to be trained on")
    optimiser = torch.optim.AdamW(adapters.parameters, lr=rate, weight_decay=decay)
    schedule = rise_and_fall(optimiser, len(batches))
    losses = []
    with constants(model.net), attached(model, adapters), torch.enable_grad():
        for step, lesson in enumerate(batches):
            loss = _loss(model.net, head, lesson, model.device)
            losses.append(float(loss.detach()))
            if not np.isfinite(losses[-1]):
                raise ModelError(
                    f"train_adapters: the loss of step {step} is {losses[-1]}; lower rate={rate}"
                )
            optimiser.zero_grad()
            loss.backward(inputs=adapters.parameters)
            nn.utils.clip_grad_norm_(adapters.parameters, clip)
            optimiser.step()
            schedule.step()
            if progress is not None:
                progress(step + 1, losses[-1])
    optimiser.zero_grad()
    return losses


class Course(NamedTuple):
    """How adapters are made and taught.

    Attributes:
        rank: of each.
        steps: of training.
        batch: answers a step.
        rate: the highest learning rate.
        alpha: scale of an update, α over the rank times B A; None for the rank.
    """

    rank: int
    steps: int
    batch: int
    rate: float
    alpha: float | None = None


def taught(
    model: Model,
    layers: str | Sequence[str],
    prompts: Sequence[str],
    answers: Sequence[str],
    course: Course,
    *,
    generator: torch.Generator,
    rng: np.random.Generator,
    progress: Callable[[int, float], None] | None = None,
) -> tuple[LowRankAdapters, list[float]]:
    """Fresh adapters, trained to give answers.

    Args:
        model: with a head.
        layers: as `inscape.control.low_rank_adapter.low_rank_adapters` takes them.
        prompts: what is asked.
        answers: what is to be said, each with its own space before it.
        course: rank, steps and rates.
        generator: of the initial weights.
        rng: of the order of the answers.
        progress: as of `train_adapters`.

    Returns:
        The adapters, and the loss of every step in nats a token.
    """
    made = low_rank_adapters(model, layers, course.rank, course.alpha, generator=generator)
    batches = lessons(model, prompts, answers, course.steps, course.batch, rng=rng)
    return made, train_adapters(model, made, batches, rate=course.rate, progress=progress)


class Tune(NamedTuple):
    """What one of several tunes learns, and where.

    Attributes:
        prompts: what is asked.
        answers: what is to be said, each with its own space before it.
        layers: as `inscape.control.low_rank_adapter.low_rank_adapters` takes them.
        rank: of each adapter.
        start: tunes of one start begin with the same weights and take their questions in the same
            order.
    """

    prompts: Sequence[str]
    answers: Sequence[str]
    layers: str | Sequence[str]
    rank: int
    start: str


def taught_each(
    model: Model,
    tunes: Mapping[str, Tune],
    course: Course,
    seed: int,
    advance: Callable[[], object] = lambda: None,
) -> tuple[dict[str, LowRankAdapters], pd.DataFrame]:
    """`taught` of several tunes of one model, each from the model as it is.

    Args:
        model: with a head.
        tunes: by name.
        course: of all tunes; the rank is each tune's own.
        seed: of initial weights and orders.
        advance: called after each step.

    Returns:
        Name → adapters; and a row for each tune: ``tune``, ``adapters`` (how many), ``rank``,
        ``first loss`` and ``last loss`` (mean of the last five steps; nats a token), the first
        question and its answer.
    """
    made, rows = {}, []
    for name, tune in tunes.items():
        made[name], losses = taught(
            model,
            tune.layers,
            tune.prompts,
            tune.answers,
            course._replace(rank=tune.rank),
            generator=torch_generator(seed, "adapters", tune.start),
            rng=generator(seed, "order", tune.start),
            progress=lambda *_: advance(),
        )
        rows.append(
            {"tune": name, "adapters": len(made[name].names), "rank": tune.rank}
            | {"first loss": losses[0], "last loss": float(np.mean(losses[-5:]))}
            | {"asked, for example": tune.prompts[0], "answered": tune.answers[0]}
        )
    return made, pd.DataFrame(rows)


def _lesson(model: Model, tokens: list[Tokens], starts: list[int]) -> Lesson:
    ids = model.collate(tokens).inputs["input_ids"]
    marked = torch.zeros(ids.shape, dtype=torch.bool)
    for row, (one, start) in enumerate(zip(tokens, starts, strict=True)):
        marked[row, : len(one)] = torch.from_numpy((one.offsets[:, 1] > start) & ~one.special)
    return Lesson(ids, marked)


def _loss(net: Any, head: nn.Module, lesson: Lesson, device: torch.device) -> Tensor:
    ids, marked = lesson.ids.to(device), lesson.marked.to(device)
    before = marked.roll(
        -1, 1
    )  # the token before a marked one predicts it; no row's first is marked, so none wraps
    only = head.register_forward_pre_hook(
        own_hook(lambda _m, args: (args[0][before][None], *args[1:]))
    )
    try:
        # padding is on the right and no marked token sees what follows it, so no mask is needed
        logits = net(input_ids=ids, use_cache=False).logits[0]
    finally:
        only.remove()
    return functional.cross_entropy(logits.float(), ids[marked])
