"""A forward pass from one token on, its captured activations still in the autograd graph, behind a
constant prefix.

`Model.run` gives values; here the captured tensors stay connected to an edit's tensor, so that
`torch.autograd.grad` gives derivatives with respect to it. Attention is computed by plain matrix
products, whose backward pass can be batched over many cotangents at once; the fused kernels cannot.
Tokens before those of interest may be given as a key–value cache, which is constant: then neither
they nor their derivatives are computed again.

Cost: one forward pass over the tokens given, whose intermediate results are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from inscape.core.edit import Edit, as_edits
from inscape.core.errors import ModelError, SiteError
from inscape.core.site import Site
from inscape.model.axes import learn
from inscape.model.hooks import Pass, Stop, hooked
from inscape.model.invocation import Fed, feeding, invocation
from inscape.model.model import Model
from inscape.model.modes import evaluating, uncompiled
from inscape.model.reach import refuse_unread


def connected(
    model: Model,
    ids: Int[Tensor, "batch tokens"],
    capture: str | Site | Sequence[str | Site],
    *,
    edits: Edit | Sequence[Edit] | None = None,
    cache: Any = None,
) -> dict[Site, Tensor]:
    """One forward pass over token ids, its captured activations still in the autograd graph.

    An edit whose tensor requires a gradient (`inscape.core.edit.Add` of a leaf of zeros, say) is
    where derivatives are taken with respect to. Captures are taken after edits.

    Args:
        model: a text model with a family.
        ids: tokens, none of them padding; with a cache, those that follow it.
        capture: sites; the pass ends after the deepest.
        edits: as for `Model.run`; positions count from the first token of `ids`.
        cache: from `prefix_cache`; it is extended, so each serves one call.

    Returns:
        Site → (batch, tokens, width).

    Raises:
        ModelError: not a text model with a family.
        SiteError: a site that the model does not have or that is not computed in its body.
    """
    _check(model)
    sites = model.select(capture)
    planned = [(site, edit) for edit in as_edits(edits) for site in model.select(edit.scope.sites)]
    learn(model, [*sites, *(site for site, _ in planned)])
    refuse_unread(model, [site for site, _ in planned])
    state = Pass(len(ids), keep_graph=True)
    state.step(ids.shape[1])
    more: dict[str, Any] = {} if cache is None else {"past_key_values": cache}
    if model.family is not None and model.family.causal:
        more["use_cache"] = cache is not None
    else:
        more["attention_mask"] = torch.ones_like(ids, device=model.device)
    with ExitStack() as stack:
        stack.enter_context(evaluating(model.net))
        stack.enter_context(uncompiled())
        stack.enter_context(torch.enable_grad())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(feeding(model.net, Fed(ids.to(model.device), None, state)))
        stack.enter_context(hooked(model.atlas, state, sites, planned, stop=True))
        with suppress(Stop):
            model.atlas.body(input_ids=ids.to(model.device), **more)
    missing = [str(site) for site in sites if site not in state.caught]
    if missing:
        raise SiteError(
            f"{', '.join(missing)}: not computed in the body of this model; capture a site before "
            "its head"
        )
    return {site: model.atlas.place(site).read(state.caught[site], len(ids)) for site in sites}


def prefix_cache(
    model: Model, ids: Int[Tensor, "batch tokens"], edits: Edit | Sequence[Edit] | None = None
) -> Any:
    """Keys and values of the tokens before those of interest, as constants; None where there are
    none.

    Args:
        model: a causal text model.
        ids: those tokens.
        edits: acting on them.

    Raises:
        ModelError: the model is not causal, so that what comes before depends on what comes after.
    """
    _check(model)
    if not ids.shape[1]:
        return None
    if model.family is None or not model.family.cached:
        raise ModelError(
            f"{model.name} is not causal, or keeps no keys and values, so no part of a text can be "
            "computed ahead of the rest"
        )
    if invocation(model.net):
        raise ModelError(
            f"an adapter of {model.name} acts from its invocation tokens on, the last of a text, "
            "so no part of a text can be computed ahead of the rest"
        )
    planned = [(site, edit) for edit in as_edits(edits) for site in model.select(edit.scope.sites)]
    learn(model, [site for site, _ in planned])
    refuse_unread(model, [site for site, _ in planned])
    state = Pass(len(ids))
    state.step(ids.shape[1])
    with (
        evaluating(model.net),
        torch.no_grad(),
        hooked(model.atlas, state, [], planned, stop=False),
    ):
        return model.atlas.body(input_ids=ids.to(model.device), use_cache=True).past_key_values


def _check(model: Model) -> None:
    if model.kind != "text" or model.family is None or model.family.decoder:
        raise ModelError(
            f"{model.name}: derivatives are taken through text models of a known family; this is "
            "none"
        )
