"""Whether a network reads what one of its modules gives, so that an edit there can change anything.

A module may give a tensor that nothing reads: the router of a mixture of experts gives its logits
beside the scores and choices that the experts are given. An edit of such a tensor passes without
an error and changes nothing. So, before the first edit at a module, its tensor is replaced by noise
of its own size, and

    what every other module gives    and    what the network gives

are compared with those of a pass without noise. Where all are equal to the bit, the tensor is not
read, and the edit is refused. Canonical sites need none of this: the identities of a certificate go
through them.

Cost: two passes over two short examples, once a model and module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inscape.core.batch import Batch
from inscape.core.errors import SiteError
from inscape.core.site import Site
from inscape.model.hooks import Pass, exchanged, pick, put, tensors_in
from inscape.model.modes import evaluating, uncompiled
from inscape.model.pass_state import trial
from inscape.model.within_thread import within_thread

#: tokens of the examples that are tried
_LENGTH = 12


def refuse_unread(model: Any, sites: Sequence[Site], batch: Batch | None = None) -> None:
    """Refuse sites of modules whose tensor the network does not read.

    Args:
        model: the model.
        sites: any, of edits; those that are no modules are passed over.
        batch: for networks that are fed no text or are of no family, an input that they take.

    Raises:
        SiteError: an edit there would change nothing.
    """
    known: dict[Site, bool | None] = model.notes.setdefault("read", {})
    for site in dict.fromkeys(sites):
        if site.point != "module":
            continue
        if site not in known:
            known[site] = None  # where nothing can be tried, nothing is refused
            with suppress(Exception):  # whatever a network makes of inputs that are not its own
                known[site] = _read(model, site, batch)
        if known[site] is False:
            raise SiteError(
                f"an edit at {site} changes nothing: the network does not read that tensor; edit "
                "what it does read, such as the input of that module or the output of the one "
                "around it"
            )


def refuse_uncalled(model: Any, sites: Sequence[Site], edited: set[Site]) -> None:
    """Refuse edits at modules that a whole pass has not called, nor any before it, nor the one in
    which they were tried.

    Args:
        model: the model.
        sites: of edits.
        edited: those at which one acted.

    Raises:
        SiteError: an edit acted nowhere.
    """
    known: dict[Site, bool | None] = model.notes.get("read", {})
    for site in edited & known.keys():
        known[site] = True  # an expert that is passed over later is none that is never called
    for site in sites:
        if site not in edited and known.get(site, True) is None:
            raise SiteError(
                f"{site} is not computed in a forward pass of this model, so an edit there changes "
                "nothing; edit another site"
            )


def _read(model: Any, site: Site, batch: Batch | None) -> bool | None:
    """Whether a site's tensor is read; None where its module is not called, or nothing can be
    tried.
    """
    given = _tried(model, batch)
    if given is None:
        return None
    plain, called = _pass(model, given, site, noise=False)
    if not called:
        return None
    changed, _ = _pass(model, given, site, noise=True)
    return plain != changed


def _tried(model: Any, batch: Batch | None) -> Batch | None:
    """Two short examples; of a network of no family, or one that is fed no text, the first two of
    the batch.
    """
    text = model.kind == "text" or (batch is not None and "input_ids" in batch.inputs)
    if batch is not None and (model.family is None or not text):
        return Batch({name: x[:2] for name, x in batch.inputs.items()}).to(model.device)
    size = int(getattr(model.atlas.config, "vocab_size", 0))
    if size < 2:
        return None
    rng = np.random.default_rng(0)
    length = min(_LENGTH, model.max_positions or _LENGTH)
    ids = torch.from_numpy(rng.integers(min(5, size - 1), size, size=(2, length)))
    inputs = {"input_ids": ids}
    if model.family is not None and model.family.decoder:
        inputs["decoder_input_ids"] = ids
    return Batch(inputs).to(model.device)


def _pass(model: Any, batch: Batch, site: Site, noise: bool) -> tuple[list[str], bool]:
    """Hashes of all tensors that the modules of a pass give, and whether the site's was called.

    Of a module around the site's the first counts alone, which is what its own site is: what it
    hands on beside that counts where somebody reads it.
    """
    place = model.atlas.place(site)
    found: list[str] = []
    around = {m for m in model.net.modules() if any(c is place.module for c in m.modules())}
    draw = torch.Generator().manual_seed(0)
    called, mine = False, within_thread()

    def disturbed(value: Any) -> Any:
        nonlocal called
        if not mine():
            return value
        called = True
        x = pick(value, 0, site)
        return put(value, 0, _noisy(x, draw)) if noise else value

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return exchanged(module, args, kwargs, disturbed)

    def note(module: nn.Module, _args: Any, out: Any) -> None:
        if not mine() or (module is place.module and site.side == "out"):
            return
        given = map(_hash, tensors_in(out))
        found.extend(islice(given, 1) if module in around - {place.module} else given)

    handles = [m.register_forward_hook(note) for m in model.net.modules()]
    if site.side == "out":
        hook = place.module.register_forward_hook(lambda _m, _args, out: disturbed(out))
    else:
        hook = place.module.register_forward_pre_hook(before, with_kwargs=True)
    try:
        with trial(model), evaluating(model.net), uncompiled(), torch.no_grad():
            whole = len(model.towers) < 2 or model.family.decoder
            out = model._forward(batch, Pass(len(batch)), {}, whole=whole)
    finally:
        for handle in (*handles, hook):
            handle.remove()
    return [*found, *map(_hash, tensors_in(out))], called


def _noisy(x: Tensor, draw: torch.Generator) -> Tensor:
    """Another tensor of the same shape and size."""
    if not x.is_floating_point():
        raise SiteError("whole numbers have no noise")  # nothing is concluded from them
    noise = torch.randn(x.shape, generator=draw).to(x)
    return noise * (x.float().std(unbiased=False).to(x) + 1) - x


def _hash(x: Tensor) -> str:
    raw = x.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return hashlib.sha256(raw).hexdigest()
