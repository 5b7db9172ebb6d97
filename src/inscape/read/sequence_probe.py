"""One probe of a stored sequence for all positions: how well can each token be read off the state?

    logits = W (h − mean) / sd        or a perceptron of 256 units; (positions, tokens), all at once

Trained on sequences of the longest length and scored on held-out ones.

Cost: 500 steps of Adam on 256 states each.
Reference: Csordás, Potts, Manning and Geiger (2024), arXiv:2408.10920, for probes of the final
state.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from inscape.worlds.sequence_repeat import Repeater, sequences


def tokens_named(
    net: Repeater, n: int, generator: torch.Generator, *, perceptron: bool = False
) -> Float[np.ndarray, " longest"]:
    """The share of held-out tokens that a probe of the state names, by position.

    Args:
        net: stores the sequences; it is not trained.
        n: held-out sequences.
        generator: of the sequences, the initial weights and the batches.
        perceptron: a perceptron in place of a linear probe.
    """
    lengths, tokens = (net.longest, net.longest), net.symbols * net.longest
    with torch.no_grad():
        x, length = sequences(8000, net.symbols, lengths, generator)
        y, held = sequences(n, net.symbols, lengths, generator, held_out=True)
        h, k = net.encode(x, length), net.encode(y, held)
        mean, sd = h.mean(0), h.std(0) + 1e-6
        h, k = (h - mean) / sd, (k - mean) / sd
    probe: nn.Module = nn.Linear(net.width, tokens)
    if perceptron:
        probe = nn.Sequential(nn.Linear(net.width, 256), nn.ReLU(), nn.Linear(256, tokens))
    with torch.no_grad():
        for p in probe.parameters():
            scale = p.shape[-1] ** -0.5 if p.ndim == 2 else 0.0
            p.copy_(torch.randn(p.shape, generator=generator) * scale)
    optimiser = torch.optim.Adam(probe.parameters(), lr=3e-3)
    for _ in range(500):
        rows = torch.randint(len(x), (256,), generator=generator)
        with torch.enable_grad():
            logits = probe(h[rows]).unflatten(1, (net.longest, net.symbols))
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), x[rows].flatten())
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
    with torch.no_grad():
        said = probe(k).unflatten(1, (net.longest, net.symbols)).argmax(2)
    return (said == y).float().mean(0).numpy()
