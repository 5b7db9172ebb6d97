"""Which single neurons an answer hangs on: those that a gradient names first, each then ablated for
real.

A network has tens of thousands of neurons, so all are estimated at once and the few that come out
strongest are measured. With a the neurons' activations, b what they are put to (their mean over the
tokens, or zero), and p the answer's probability at the last token,

    estimate = Σ over positions (b − a) · ∂ log p / ∂ a        measured = log p (with a := b) − log p

in nats, means over the prompts; below zero, the neuron helped. As many random neurons are ablated
beside them: what a neuron does that nothing chose.

Cost: one pass forward and back, and one pass from its layer on for each neuron measured.
Reference: Nanda (2023), attribution patching; Syed et al. (2023), arXiv:2310.10348 (gradients name,
ablations decide).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.batch import Tokens
from inscape.core.edit import Replace, Scope
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.skip import begun_at


@dataclass(frozen=True, eq=False)
class NeuronEffects:
    """Neurons with what ablating each did, the largest change first.

    Attributes:
        layers, neurons: which, (m,).
        measured: change of the answer's log-probability with the neuron ablated, nats.
        estimated: the first-order estimate of it.
        random: measured changes of random neurons, (r,).
    """

    layers: Int[np.ndarray, " m"]
    neurons: Int[np.ndarray, " m"]
    measured: Float[np.ndarray, " m"]
    estimated: Float[np.ndarray, " m"]
    random: Float[np.ndarray, " r"]


def neuron_effects(
    model: Model,
    tokens: Sequence[Tokens],
    answers: Int[Tensor, " n"],
    *,
    to: str = "mean",
    count: int = 20,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> NeuronEffects:
    """Estimate every neuron, measure the strongest and as many random ones.

    Args:
        model: a causal language model.
        tokens: the prompts.
        answers: the token after each.
        to: ``"mean"`` over the prompts' tokens, or ``"zero"``.
        count: how many of each are measured.
        rng: draws the random ones.
        progress: called after each with (done, total).
    """
    sites = model.select("mlp_act.*")
    batch, last = model.collate(tokens), torch.tensor([len(t) - 1 for t in tokens])
    streams = [f"resid_pre.{i}" for i in range(len(model.atlas.blocks))]
    plain = model.run(batch, streams, logits=True)
    rows = torch.arange(len(last), device=plain.logits.device)

    def log_p(logits: Tensor) -> Tensor:
        ends = torch.log_softmax(logits[rows, last.to(logits.device)].float(), -1)
        return ends.gather(1, answers.to(logits.device)[:, None])[:, 0]

    sloped = model.run(batch, sites, grad_of=lambda logits: log_p(logits).mean())
    real = torch.arange(int(last.max()) + 1) <= last[:, None]
    before = log_p(plain.logits)
    means, estimates = [], []
    for site in sites:
        a, slope = sloped[site], sloped.grads[site]
        kept = real.to(a.device)
        mean = a[kept].mean(dim=0) if to == "mean" else torch.zeros_like(a[0, 0])
        means.append(mean)
        change = ((mean - a).double() * slope.double() * kept[..., None]).sum(dim=(0, 1))
        estimates.append(change.cpu().numpy())
    table = np.stack(estimates)  # layer × neuron
    strong = np.argsort(-np.abs(table), axis=None, kind="stable")[:count]
    other = np.setdiff1d(np.arange(table.size), strong)
    chance = rng.choice(other, min(count, len(other)), replace=False)
    measured = np.empty(len(strong) + len(chance))
    for done, flat in enumerate([*strong, *chance]):
        place, neuron = (int(i) for i in np.unravel_index(flat, table.shape))
        layer = int(sites[place].layer or 0)
        edit = Replace(Scope(str(sites[place])), means[place][neuron], (neuron,))
        with begun_at(model, layer, plain[Site("resid_pre", layer)]):
            out = model.run(batch, edits=edit, logits=True)
        measured[done] = float((log_p(out.logits) - before).mean())
        if progress is not None:
            progress(done + 1, len(measured))
    few = measured[: len(strong)]
    order = np.argsort(-np.abs(few), kind="stable")
    places, neurons = np.unravel_index(strong[order], table.shape)
    layers = np.array([int(sites[i].layer or 0) for i in places])
    return NeuronEffects(
        layers, neurons, few[order], table[places, neurons], measured[len(strong) :]
    )
