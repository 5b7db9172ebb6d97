"""A beginning that many examples share, computed once: its keys and values are kept, and only what
follows is run.

In a causal model a token sees only what comes before it, so the activations of a prefix are those
of its own pass, and a continuation needs of it nothing but each layer's keys and values.
Continuations are laid one after another in rows; each token attends to its row's prefix and to its
own continuation up to itself,

    token i of continuation c attends to j   iff   j is in the prefix, or j is in c and j ≤ i,

at the positions they have in the whole, which a mask and position ids say. The prefix's keys are
thus never copied for each example, nothing is padded but the end of a row, and one row may have
another prefix than the next. That this gives the numbers of whole passes is an item of the
certificate (`proved`).

Cost: of n continuations of s tokens behind a prefix of p, p + n s tokens instead of n (p + s); each
token of a row of t attends to p + t keys.
Reference: shared attention over common prefixes, Juravsky et al. 2024, arXiv:2402.05099.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

from inscape.core.batch import Batch, moved
from inscape.core.site import Site
from inscape.model.activations import Activations
from inscape.model.checks import TOLERANCE, Item, difference, tokens_of
from inscape.model.invocation import invocation
from inscape.model.network import Network

NAME = "prefix cache = whole"


@dataclass(frozen=True)
class Prefix:
    """A prefix that has been computed.

    Attributes:
        length: its tokens.
        layers: keys and values of each layer that was computed, (1, heads, length, width of a head)
            each.
        activations: what was captured of it, (1, kept, width) a site.
    """

    length: int
    layers: tuple[tuple[Tensor, Tensor], ...]
    activations: Activations


@dataclass(frozen=True)
class Row:
    """Continuations of one prefix, one after another.

    Attributes:
        prefix: what they continue.
        parts: token ids of each, (tokens,) int64.
    """

    prefix: Prefix
    parts: Sequence[np.ndarray]

    def __len__(self) -> int:
        """Tokens of the continuations."""
        return sum(map(len, self.parts))


def begin(model: Network, ids: np.ndarray, capture: Sequence[Site], at: np.ndarray) -> Prefix:
    """Compute a prefix, up to the deepest site asked for.

    Args:
        model: a causal text model.
        ids: its token ids, (tokens,) int64.
        capture: the sites that its continuations will be asked for.
        at: positions to keep of it, (kept,) int64; none need be.
    """
    cache = (
        DynamicCache()
    )  # made of a configuration, layers with a window would drop what is behind it
    where = at if len(at) else np.zeros(1, dtype=np.int64)  # a pass stops at what it has caught
    found = model.run(
        {"input_ids": torch.from_numpy(ids)[None]},
        list(capture),
        at=torch.from_numpy(where)[None],
        forward={"past_key_values": cache, "use_cache": True},
    )
    layers = tuple(
        (x.keys, x.values)
        for x in cache.layers
        if isinstance(x, CacheLayerMixin) and x.keys is not None and x.values is not None
    )
    return Prefix(len(ids), layers, found)


def resume(model: Network, rows: Sequence[Row], capture: Sequence[Site], at: Tensor) -> Activations:
    """Run rows of continuations behind their prefixes.

    Args:
        model: the model that the prefixes are of.
        rows: the batch.
        capture: sites; ``pattern`` has no meaning here, its keys being of many examples.
        at: which tokens of each row to keep, (rows, kept) int64, counted from the row's first.

    Returns:
        Activations at those tokens, (rows, kept, width) a site.

    Raises:
        ValueError: a `pattern` site.
    """
    if any(site.point == "pattern" for site in capture):
        raise ValueError(
            "resume: a pattern is of one example over all its keys; run whole examples for it"
        )
    width = max(map(len, rows))
    ids, depth, owner = (np.full((len(rows), width), fill, dtype=np.int64) for fill in (0, 0, -1))
    for r, row in enumerate(rows):
        sizes = [len(part) for part in row.parts]
        ids[r, : len(row)] = np.concatenate(row.parts)
        depth[r, : len(row)] = row.prefix.length + np.concatenate(
            [np.arange(size) for size in sizes]
        )
        owner[r, : len(row)] = np.repeat(np.arange(len(sizes)), sizes)
    lengths = np.array([row.prefix.length for row in rows], dtype=np.int64)
    device = model.device
    position, whose, before = (moved(torch.from_numpy(x), device) for x in (depth, owner, lengths))
    forward = {
        "position_ids": position,
        "attention_mask": _mask(position, whose, before, int(lengths.max()), model.dtype),
        "past_key_values": _Held([row.prefix for row in rows]),
    }
    # a row holds several examples side by side, so it may be wider than any one of them may be
    batch = Batch({"input_ids": torch.from_numpy(ids)})
    return model.run(batch, list(capture), at=at, forward=forward)


def _mask(depth: Tensor, owner: Tensor, before: Tensor, longest: int, dtype: torch.dtype) -> Tensor:
    """(rows, 1, tokens, longest prefix + tokens): 0 where a token attends, the dtype's least
    elsewhere.

    Added to the scores, which fused and plain attention both take; what pads a row attends to its
    prefix.
    """
    same = owner[:, :, None] == owner[:, None, :]
    own = same & (depth[:, :, None] >= depth[:, None, :])
    shared = torch.arange(longest, device=depth.device)[None, None] < before[:, None, None]
    sees = torch.cat([shared.expand(-1, depth.shape[1], -1), own], -1)
    return torch.zeros(sees.shape, dtype=dtype, device=sees.device).masked_fill(
        ~sees, torch.finfo(dtype).min
    )[:, None]


class _Layer(CacheLayerMixin):
    """One layer's keys and values of the prefixes of a batch; put before what comes, and never
    added to.

    A cache that grows would hold every layer's copy until the pass ends.
    """

    is_sliding = False

    def __init__(self, keys: Sequence[Tensor], values: Sequence[Tensor], length: int) -> None:
        super().__init__()
        self._keys, self._values, self._length = keys, values, length
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: it came initialised."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Keys and values of prefix and continuations."""
        before = self._stacked(self._keys), self._stacked(self._values)
        return torch.cat([before[0], key_states], -2), torch.cat([before[1], value_states], -2)

    def _stacked(self, parts: Sequence[Tensor]) -> Tensor:
        if all(part is parts[0] for part in parts):
            return parts[0].expand(len(parts), -1, -1, -1)
        return torch.cat(
            [functional.pad(part, (0, 0, 0, self._length - part.shape[-2])) for part in parts]
        )

    def get_seq_length(self) -> int:
        """Tokens of the longest prefix."""
        return self._length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys."""
        return self._length + query_length, 0

    def get_max_length(self) -> int:
        """No end."""
        return -1


class _Held(Cache):
    """The prefixes of a batch as a cache of keys and values."""

    def __init__(self, prefixes: Sequence[Prefix]) -> None:
        longest = max(prefix.length for prefix in prefixes)
        layers = range(len(prefixes[0].layers))
        super().__init__(
            layers=[
                _Layer(
                    [p.layers[i][0] for p in prefixes], [p.layers[i][1] for p in prefixes], longest
                )
                for i in layers
            ]
        )


def applies(model: Network, longest: int) -> str:
    """Why prefixes of examples of up to so many tokens cannot be shared; empty if they can."""
    if model.family is None or model.kind != "text" or not model.family.cached:
        return (
            "only a causal model of text, with keys and values, computes a prefix without what "
            "follows it"
        )
    if getattr(model.atlas.config, "is_causal", True) is False:
        return "this model attends in both directions"
    if not model.family.packed:
        return "what a token sees here is decided by its place in the row, not by a mask"
    if invocation(model.net):
        return "an adapter acts from invocation tokens on, of which the last in an example count"
    if model.edits:
        return "edits are in force, which act by position"
    if model.max_positions is not None and model.max_positions < 2:
        return "it takes one token, and no other follows"
    switch = model.switches.first
    if switch is not None and longest > switch:
        return (
            f"positions are scaled otherwise beyond {switch} tokens, and an example has {longest}"
        )
    window = _window(model)
    if window is not None and longest > window:
        return f"attention is over a window of {window} tokens, and an example has {longest}"
    return ""


def _window(model: Network) -> int | None:
    """The shortest stretch that some layer attends to, if its configuration names one."""
    names = ("sliding_window", "attention_chunk_size", "local_attention", "window_size")
    found = [getattr(model.atlas.config, name, None) for name in names]
    return min(
        (int(n) for n in found if isinstance(n, int) and not isinstance(n, bool)), default=None
    )


def proved(model: Network) -> Item:
    """Whether continuations behind a held prefix give the numbers of whole passes: of the
    certificate, else measured now.
    """
    items = () if model.certificate is None else model.certificate.items
    found = next((item for item in items if item.name == NAME), model.notes.get(NAME))
    if found is None:
        found = model.notes[NAME] = item(model)
    return found


def item(model: Network) -> Item:
    """Measure two rows behind prefixes of other lengths, several continuations each, against whole
    passes.
    """
    tolerance = TOLERANCE.get(model.dtype, 1e-4)
    sites = [s for s in model.sites if s.point in ("embed", "resid_post")]
    texts = [t.ids for t in tokens_of(model)]
    limits = (_window(model), model.switches.first, model.max_positions)
    most = min((n for n in limits if n is not None), default=None)
    if most is not None:
        # beyond it no prefix is shared, or nothing is taken: what is measured is what is done
        texts = [ids[: max(1, most // 2)] for ids in texts]
    starts = [texts[-1][: max(1, 2 * len(texts[-1]) // 3)], texts[1][: max(1, len(texts[1]) // 2)]]
    parts = [
        [texts[-1][len(starts[0]) :], texts[0], texts[1]],
        [texts[1][len(starts[1]) :], texts[0]],
    ]
    try:
        prefixes = [begin(model, ids, sites, np.arange(len(ids))) for ids in starts]
        rows = [Row(prefix, ends) for prefix, ends in zip(prefixes, parts, strict=True)]
        width = max(map(len, rows))
        together = resume(model, rows, sites, torch.arange(width).expand(len(rows), -1))
        worst = 0.0
        for r, (start, ends) in enumerate(zip(starts, parts, strict=True)):
            first = 0
            for end in ends:
                whole = model.run(
                    {"input_ids": torch.from_numpy(np.concatenate([start, end]))[None]}, sites
                )
                for site in sites:
                    joined = torch.cat(
                        [
                            prefixes[r].activations[site][0],
                            together[site][r, first : first + len(end)],
                        ]
                    )
                    worst = max(worst, difference(joined, whole[site][0]))
                first += len(end)
        reason = "continuing from a cached prefix changes the numbers: prefixes are not shared"
    except (TypeError, ValueError, RuntimeError, AttributeError, LookupError) as error:
        worst, reason = (
            float("inf"),
            f"this architecture does not take a prefix ({error}): prefixes are not shared",
        )
    passed = worst <= tolerance
    return Item(NAME, passed, worst, tolerance, (), "" if passed else reason)
