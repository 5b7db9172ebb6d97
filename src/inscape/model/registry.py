"""Which family a network belongs to: the folder ``families`` is walked, no list is kept.

A network of several stacks (an encoder and a decoder, a tower for images and one for texts) is of
several families, one a stack; each is opened as a model of its own, over the same weights.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from functools import cache
from typing import Any

from torch import nn

from inscape.core.errors import ModelError, suggest
from inscape.model import families as folder
from inscape.model.family import Family


@cache
def families() -> dict[str, tuple[Family, ...]]:
    """Every family, by model type, a network's first tower first: the folder ``families`` is
    walked.
    """
    found: dict[str, tuple[Family, ...]] = {}
    for info in pkgutil.iter_modules(folder.__path__):
        family: Family = importlib.import_module(f"{folder.__name__}.{info.name}").FAMILY
        for kind in family.model_types:
            found[kind] = (*found.get(kind, ()), family)
    return found


def built_in(family: Family) -> bool:
    """Whether a family's table is one of the folder's, whose tests hold it to its architecture."""
    own = (other for known in families().values() for other in known)
    return any((o.name, o.model_types) == (family.name, family.model_types) for o in own)


def towers(net: nn.Module) -> tuple[Family, ...]:
    """The families of a network's stacks; none if its architecture is not known."""
    config = getattr(net, "config", None)
    known = families().get(getattr(config, "model_type", None) or "", ())
    return tuple(family for family in known if _holds(net, family))


def _holds(net: nn.Module, family: Family) -> bool:
    """Whether a network has a family's stack: some classes hold an encoder, a decoder or a tower
    alone.
    """
    if not family.tower:
        return True
    base = _base(net, family)
    if family.decoder:
        return has(base, family.body) and has(base, "encoder")
    return has(base, family.body) or has(base, _first(family))


def family_of(net: nn.Module, tower: str = "") -> Family | None:
    """The family of a network by its configuration's model type, adjusted to that configuration;
    None if unknown.

    Args:
        net: the network.
        tower: which of its stacks; by default the first.

    Raises:
        ModelError: there is no such tower.
    """
    known = towers(net)
    named = {family.tower: family for family in known if family.tower}
    if tower and tower not in named:
        what = type(net).__name__
        raise ModelError(
            f"{what} has no tower {tower!r}. {suggest(tower, named)}"
            if named
            else f"{what} has no towers, so tower={tower!r} means nothing; leave it out"
        )
    family = named[tower] if tower else next(iter(known), None)
    if family is None:
        return None
    own = config_of(net, family)
    if family.adjust is not None:
        family = replace(family, **family.adjust(own))
    return replace(family, causal=False) if sees_all(own) else family


def body_of(net: nn.Module, family: Family | None) -> nn.Module:
    """The module that a family's paths begin at."""
    if family is None:
        return net
    base = _base(net, family)
    return base.get_submodule(family.body) if family.body and has(base, family.body) else base


def runs_of(net: nn.Module, family: Family | None) -> nn.Module:
    """The module that is run where no logits are asked for: the body, or, of a decoder, what holds
    its encoder too.
    """
    if family is None or not family.decoder:
        return body_of(net, family)
    return _base(net, family)


def _base(net: nn.Module, family: Family) -> nn.Module:
    """The base model inside a network with a head; the network, where the family's blocks are its
    own.
    """
    if not family.body and has(net, _first(family)):
        return net
    found: nn.Module = getattr(net, "base_model", net)
    return found


def _first(family: Family) -> str:
    return family.blocks if isinstance(family.blocks, str) else family.blocks[0]


def config_of(net: nn.Module, family: Family | None) -> Any:
    """The configuration of a family's body, which a tower may have of its own."""
    return getattr(body_of(net, family), "config", None) or getattr(net, "config", None)


def has(net: nn.Module, path: str) -> bool:
    """Whether a network has a submodule of this path."""
    try:
        net.get_submodule(path)
    except AttributeError:
        return False
    return True


def sees_all(config: Any) -> bool:
    """Whether a configuration lets every token see those that follow it, in an architecture that is
    causal otherwise.
    """
    return getattr(config, "use_bidirectional_attention", None) in (True, "all") or (
        getattr(config, "is_causal", None) is False
    )
