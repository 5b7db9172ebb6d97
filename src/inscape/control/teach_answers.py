"""Teaching a language model one answer to each of a few prompts, by gradient steps on what its MLPs
write with.

Only the output weights of the MLPs are changed, which hold most of what a model knows of a subject;
the model itself stays as it was.

Cost: two passes of the prompts a step, and a copy of the model.
Reference: Meng et al. (2022), Locating and editing factual associations, arXiv:2202.05262, for
where facts are; Peng et al. (2025), arXiv:2502.04520, §5, for teaching a few answers and asking for
what they imply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from inscape.model.model import Model


class Taught(NamedTuple):
    """A model that was taught.

    Attributes:
        model: the copy.
        loss: of the last step, before it, in nats.
    """

    model: Model
    loss: float


def _quiet() -> None:
    return None


def teach_answers(
    model: Model,
    prompts: Sequence[str],
    answers: Int[Tensor, " n"],
    *,
    steps: int,
    rate: float = 1e-3,
    advance: Callable[[], object] = _quiet,
) -> Taught:
    """A copy of the model after a few steps on one answer for each prompt.

    Args:
        model: a causal language model.
        prompts: all of them are one batch.
        answers: the first token of each answer.
        steps: of Adam.
        rate: its learning rate.
        advance: called after each step.
    """
    pupil = model.copied("taught")
    net: Any = pupil.net
    weights: list[Any] = [pupil.atlas.place(s).module for s in pupil.sites if s.point == "mlp_act"]
    net.requires_grad_(False)
    optimiser = torch.optim.Adam([w.weight.requires_grad_(True) for w in weights], lr=rate)
    tokens = model.tokenize(prompts)
    ids, rows = (
        model.collate(tokens).inputs["input_ids"].to(model.device),
        torch.arange(len(tokens)),
    )
    last, loss = torch.tensor([len(t) - 1 for t in tokens]), torch.zeros(())
    with torch.enable_grad():
        for _ in range(steps):
            states = pupil.atlas.body(input_ids=ids, use_cache=False)[0]
            logits = net.lm_head(states[rows, last])
            loss = F.cross_entropy(logits, answers.to(logits.device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            advance()
    return Taught(pupil, float(loss.detach()))
