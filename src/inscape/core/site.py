"""Site: the address of an activation.

Grammar (a string round trip, ``str(Site.parse(text)) == text``)::

    point                      embed, final_norm, logits
    point.layer                resid_post.12, mlp_act.3, pattern.0
    point.layer.head           z.5.7
    module:PATH:in|out         module:features.4.conv:out       any submodule, by its own name

Selections are comma-separated patterns over the sites a model has: ``resid_post.*``,
``resid_post.10:20`` (half-open, as in Python; ``-1`` counts from the end), ``resid_*.3``,
``module:features.*:out``. A pattern that matches nothing is refused with the choices; nothing is
guessed. Names of TransformerLens and Hugging Face are translated by `translate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from inscape.core.errors import SiteError, suggest

#: every canonical point, with what it is. A model has those its family's table names.
POINTS: dict[str, str] = {
    "embed": "output of the embeddings, before the first block",
    "resid_pre": "residual stream entering a block",
    "attn_in": "what the attention reads (after its norm, where the norm comes first)",
    "q": (
        "queries, before position encoding and after their own norm, where they have one; all "
        "heads concatenated"
    ),
    "k": (
        "keys, before position encoding and after their own norm, where they have one; all heads "
        "concatenated"
    ),
    "v": "values, all heads concatenated",
    "latent": "keys and values compressed, from which both are made (latent attention)",
    "pattern": "attention weights, (batch, heads, queries, keys)",
    "z": "per-head attention results before the output projection, all heads concatenated",
    "attn_out": (
        "what the attention adds to the residual stream (after its own norm, in sandwich families)"
    ),
    "resid_mid": "residual stream after attention, before what comes next in the block",
    "cross_in": (
        "what the attention to the encoder reads (after its norm, where the norm comes first)"
    ),
    "cross_q": "queries of the attention to the encoder, all heads concatenated",
    "cross_k": (
        "keys of the attention to the encoder, at the encoder's positions, all heads concatenated"
    ),
    "cross_v": (
        "values of the attention to the encoder, at the encoder's positions, all heads concatenated"
    ),
    "cross_pattern": (
        "weights of the attention to the encoder, (batch, heads, queries, the encoder's positions)"
    ),
    "cross_z": "per-head results of the attention to the encoder, all heads concatenated",
    "cross_out": "what the attention to the encoder adds to the residual stream",
    "resid_cross": "residual stream between the attention to the encoder and the MLP",
    "mlp_in": "what the MLP reads",
    "mlp_pre": "MLP pre-activation (of the gate, where gated)",
    "mlp_act": "MLP neurons: what the output projection reads",
    "mlp_out": (
        "what the MLP adds to the residual stream (after its own norm, in sandwich families)"
    ),
    "mixer_in": "what a state-space mixer reads (after its norm)",
    "conv_in": "what the mixer's convolution reads",
    "ssm_in": "what the state space reads: after the convolution and its activation",
    "ssm_out": "what the state space gives, before the gate",
    "gate": "what multiplies the state space's output, before its activation",
    "mixer_act": "what the mixer's output projection reads",
    "mixer_out": "what the mixer adds to the residual stream",
    "resid_post": "residual stream leaving a block",
    "final_norm": "output of the last norm",
    "logits": "output of the unembedding",
}

#: points that belong to no layer
GLOBAL_POINTS = frozenset({"embed", "final_norm", "logits"})
#: points whose last axis is heads × head width
HEAD_POINTS = frozenset(
    f"{prefix}{point}" for prefix in ("", "cross_") for point in ("z", "q", "k", "v", "pattern")
)


@dataclass(frozen=True)
class Site:
    """The address of one activation; see the module's grammar.

    Attributes:
        point: a canonical point, or ``"module"``.
        layer: block index, or None.
        head: head index within the layer, or None for all heads.
        path: module path, for ``module`` sites.
        side: ``"in"`` or ``"out"``, for ``module`` sites.

    Example:
        >>> Site.parse("z.5.7")
        Site(point='z', layer=5, head=7, path='', side='out')
        >>> str(Site.parse("module:features.4.conv:out"))
        'module:features.4.conv:out'
    """

    point: str
    layer: int | None = None
    head: int | None = None
    path: str = ""
    side: Literal["in", "out"] = "out"

    @classmethod
    def parse(cls, text: str | Site) -> Site:
        """Read a site's name; an unknown point is refused with the points that exist."""
        if isinstance(text, Site):
            return text
        if text.startswith("module:"):
            match = re.fullmatch(r"module:(.+):(in|out)", text)
            if not match:
                raise SiteError(
                    f"{text!r} is not a site: a module site is written module:PATH:in or "
                    "module:PATH:out."
                )
            return cls("module", path=match[1], side="in" if match[2] == "in" else "out")
        match = re.fullmatch(r"([a-z_]+)(?:\.(\d+))?(?:\.(\d+))?", text)
        if not match or match[1] not in POINTS:
            raise SiteError(
                f"{text!r} is not a site. "
                f"{suggest(text.split('.')[0], [*POINTS, 'module:PATH:out'], 20)}"
            )
        point, layer, head = match[1], match[2], match[3]
        if (layer is None) != (point in GLOBAL_POINTS):
            needs = (
                "takes no layer"
                if point in GLOBAL_POINTS
                else f"needs a layer, such as {point}.0 or {point}.*"
            )
            raise SiteError(f"{text!r} is not a site: {point} {needs}.")
        if head is not None and point not in HEAD_POINTS:
            raise SiteError(
                f"{text!r} is not a site: only {', '.join(sorted(HEAD_POINTS))} have heads."
            )
        return cls(
            point, None if layer is None else int(layer), None if head is None else int(head)
        )

    def __str__(self) -> str:
        if self.point == "module":
            return f"module:{self.path}:{self.side}"
        return ".".join(
            str(part) for part in (self.point, self.layer, self.head) if part is not None
        )

    @property
    def whole(self) -> Site:
        """The same site with all its heads."""
        return Site(self.point, self.layer, None, self.path, self.side)


def select(patterns: str | Site | Iterable[str | Site], available: Sequence[Site]) -> list[Site]:
    """The sites that patterns name, in the order of `available`, each once.

    Args:
        patterns: one pattern, several separated by commas, or a sequence of patterns and sites.
        available: the sites that exist, in their order of computation.

    Returns:
        The selected sites; a head of an available site is itself available.

    Raises:
        SiteError: a pattern matches nothing; the message lists the choices.

    Example:
        >>> have = [Site("resid_post", i) for i in range(4)]
        >>> [str(s) for s in select("resid_post.1:-1", have)]
        ['resid_post.1', 'resid_post.2']
    """
    if isinstance(patterns, (str, Site)):
        patterns = [patterns]
    wanted = [
        part.strip() if isinstance(part, str) else str(part)
        for p in patterns
        for part in (p.split(",") if isinstance(p, str) else [p])
    ]
    order = {site: i for i, site in enumerate(available)}
    chosen: dict[Site, int] = {}
    for pattern in filter(None, wanted):
        found = _matches(translate(pattern), available)
        if not found:
            raise SiteError(f"no site matches {pattern!r}. {_overview(pattern, available)}")
        for site in found:
            chosen.setdefault(site, order.get(site.whole, -1))
    if not chosen:
        raise SiteError("no site was named; name some, such as resid_post.*")
    return sorted(chosen, key=lambda s: (chosen[s], -1 if s.head is None else s.head))


def _matches(pattern: str, available: Sequence[Site]) -> list[Site]:
    if pattern.startswith("module:"):
        site_list = [s for s in available if s.point == "module"]
        exact = [s for s in site_list if str(s) == pattern]
        return exact or [s for s in site_list if fnmatchcase(str(s), pattern)]
    point, *rest = pattern.split(".")
    found = [s for s in available if s.point != "module" and fnmatchcase(s.point, point)]
    if len(rest) > 2 or (rest and not re.fullmatch(r"[-\d:*?\[\]]+", rest[0])):
        return []
    if not rest:
        return [s for s in found if s.layer is None]
    layers = sorted({s.layer for s in found if s.layer is not None})
    keep = _indices(rest[0], layers)
    found = [s for s in found if s.layer in keep]
    if len(rest) == 2:
        if not re.fullmatch(r"\d+", rest[1]):
            raise SiteError(
                f"{pattern!r}: a head is a number, such as z.5.7; without it all heads are taken."
            )
        found = [Site(s.point, s.layer, int(rest[1])) for s in found if s.point in HEAD_POINTS]
    return found


def _indices(text: str, layers: Sequence[int]) -> set[int]:
    count = (max(layers) + 1) if layers else 0
    if re.fullmatch(r"-?\d+", text):
        number = int(text)
        return {number + count if number < 0 else number}
    if match := re.fullmatch(r"(-?\d*):(-?\d*)(?::(-?\d+))?", text):
        start, stop, step = (int(g) if g else None for g in match.groups())
        if step == 0:
            raise SiteError(f"{text!r}: a range of layers cannot step by 0.")
        return set(range(count)[start:stop:step])
    return {layer for layer in layers if fnmatchcase(str(layer), text)}


def _overview(pattern: str, available: Sequence[Site]) -> str:
    points: dict[str, list[int]] = {}
    modules = [str(s) for s in available if s.point == "module"]
    for site in available:
        if site.point != "module":
            points.setdefault(site.point, []).extend([] if site.layer is None else [site.layer])
    names = [f"{p}.0…{max(layers)}" if layers else p for p, layers in points.items()]
    if pattern.startswith("module:"):
        return suggest(pattern, modules)
    point = pattern.split(".")[0]
    if points.get(point):
        heads = "" if point in HEAD_POINTS else ", without heads"
        return (
            f"This model has {point} in layers 0 to "
            f"{max(points[point])}{heads if pattern.count('.') > 1 else ''}."
        )
    if point in points:
        return f"This model has one {point}, without a layer."
    close = suggest(point, points, 20).split("Choices:")[0]
    extra = f"; and {len(modules)} modules as module:PATH:in|out" if modules else ""
    return f"{close}This model has {', '.join(names) or 'no canonical points'}{extra}."


_TRANSFORMER_LENS = {
    r"blocks\.(\d+)\.hook_resid_(pre|mid|post)": r"resid_\2.\1",
    r"blocks\.(\d+)\.hook_(attn|mlp)_out": r"\2_out.\1",
    r"blocks\.(\d+)\.hook_mlp_in": r"mlp_in.\1",
    r"blocks\.(\d+)\.attn\.hook_([qkvz]|pattern)": r"\2.\1",
    r"blocks\.(\d+)\.mlp\.hook_(pre|post)": lambda m: (
        f"mlp_{'pre' if m[2] == 'pre' else 'act'}.{m[1]}"
    ),
    r"hook_embed": "embed",
    r"hidden_states\.0": "embed",
    r"hidden_states\.(\d+)": lambda m: f"resid_post.{int(m[1]) - 1}",
}


def translate(name: str) -> str:
    """A TransformerLens hook name or ``hidden_states.L`` as our own; anything else unchanged.

    ``hidden_states.L`` for L ≥ 1 is the output of block L − 1; transformers' *last* entry is taken
    after the final norm, and here it is the block's own output.

    Example:
        >>> translate("blocks.3.hook_resid_post"), translate("hidden_states.4")
        ('resid_post.3', 'resid_post.3')
    """
    for theirs, ours in _TRANSFORMER_LENS.items():
        if match := re.fullmatch(theirs, name):
            return ours(match) if callable(ours) else match.expand(ours)
    return name
