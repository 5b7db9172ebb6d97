"""States of a network inside their autograd graph: for derivatives of one site with respect to
others.

`Model.run` gives detached tensors. Here the tensors themselves are handed out, so that a caller can
differentiate; weights are taken as constants, and everything is as it was afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from inscape.core.batch import Batch
from inscape.core.site import Site
from inscape.model.hooks import Pass, hooked
from inscape.model.modes import evaluating, uncompiled


def graph(
    model: Any, inputs: Any, sites: str | Site | Sequence[str | Site], *, copies: int = 1
) -> dict[Site, Tensor]:
    """One pass whose tensors keep their history from the first site on.

    Args:
        model: an opened model.
        inputs: as `Model.run` takes them.
        sites: sites or patterns; the earliest is what others can be differentiated with respect to.
        copies: every example so many times side by side.

    Returns:
        Site → (examples × copies, positions, width), in the graph.

    Raises:
        SiteError: a site that the model does not have.

    Reference: reverse-mode differentiation with a batch of cotangents, Griewank and Walther (2008),
    §3.
    """
    wanted = model.select(sites)
    batch = model.batch(inputs).to(model.device)
    if copies > 1:
        repeated = {k: v.repeat_interleave(copies, dim=0) for k, v in batch.inputs.items()}
        lengths = None if batch.lengths is None else batch.lengths.repeat_interleave(copies)
        batch = Batch(repeated, lengths)
    state = Pass(len(batch), batch.lengths, batch.marks, None, keep_graph=True)
    with (
        constants(model.net),
        uncompiled(),
        torch.enable_grad(),
        hooked(model.atlas, state, wanted, [], stop=True),
    ):
        model._forward(batch, state, {}, whole=False)
    return {site: state.caught[site] for site in wanted}


@contextmanager
def constants(net: nn.Module) -> Iterator[None]:
    """Weights without gradients and the network in evaluation mode, for a block."""
    learnt = [p for p in net.parameters() if p.requires_grad]
    for p in learnt:
        p.requires_grad_(False)
    try:
        with evaluating(net):
            yield
    finally:
        for p in learnt:
            p.requires_grad_(True)
