"""Directional edits: one direction at each site, held at its mean, or set to what another example
has there.

    mean ablation              h ← h + (μ − h·d) d          μ the mean of h·d over a reference set
    directional patching       h ← h + (h′·d − h·d) d       h′ the partner's activation, same site and position

Everything orthogonal to d is left as it is. With an edit at every site, later layers cannot write d
back. At a first position that is an attention sink, norms are far from those of other tokens: leave
it out of scope and of μ.

Reference: Tigges et al. (2023), arXiv:2310.15154, §2.2 and §3.4; attention sinks: Xiao et al.
(2023), arXiv:2309.17453.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch.nn.utils.rnn import pad_sequence

from inscape.core.edit import Scope, SetComponent
from inscape.core.site import Site


def mean_ablation(
    sites: Sequence[Site | str],
    directions: Float[np.ndarray, "sites d"],
    means: Float[np.ndarray, " _"],
    at: str = "all",
) -> list[SetComponent]:
    """Edits that hold each site's coordinate along its direction at a mean.

    Args:
        sites: where, one edit each.
        directions: a direction for each site; any length but zero.
        means: what the coordinate along the *unit* direction is set to.
        at: positions, as `Scope` takes them.

    Returns:
        One edit a site.

    Raises:
        ValueError: a direction is zero, or there is not one and a mean for each site.

    Example:
        >>> edit, = mean_ablation(["embed"], np.array([[2.0, 0.0]]), np.array([1.0]))
        >>> edit.apply(torch.tensor([[5.0, 7.0]])).tolist()
        [[1.0, 7.0]]
    """
    rows = unit("mean_ablation", sites, directions)
    if np.shape(means) != (len(sites),):
        raise ValueError(
            f"mean_ablation: means must be one for each of the {len(sites)} sites, got shape "
            f"{np.shape(means)}"
        )
    return [
        _set(site, d, torch.tensor([float(m)]), at)
        for site, d, m in zip(sites, rows, means, strict=True)
    ]


def directional_patch(
    sites: Sequence[Site | str],
    directions: Float[np.ndarray, "sites d"],
    partners: Sequence[Float[np.ndarray, "_ _"]],
    at: str = "all",
) -> list[SetComponent]:
    """Edits that give each example of a batch its partner's coordinates, position by position.

    Args:
        sites: where, one edit each.
        directions: a direction for each site; any length but zero.
        partners: for each example of the batch, in its order, the partner's coordinates along the
            unit directions, (tokens, sites); a partner must have as many tokens as the example.
        at: positions, as `Scope` takes them.

    Returns:
        One edit a site, for this batch alone.

    Raises:
        ValueError: a direction is zero, there is not one for each site, or a partner has not a
            coordinate for each.
    """
    rows = unit("directional_patch", sites, directions)
    if wrong := [np.shape(p) for p in partners if np.ndim(p) != 2 or np.shape(p)[1] != len(sites)]:
        raise ValueError(
            f"directional_patch: partners must be (tokens, sites) with {len(sites)} sites, got shape "
            f"{wrong[0]}"
        )
    padded = pad_sequence(
        [torch.from_numpy(np.asarray(p, dtype=np.float32)) for p in partners], batch_first=True
    )
    return [
        _set(site, d, padded[:, :, s, None], at)
        for s, (site, d) in enumerate(zip(sites, rows, strict=True))
    ]


def unit(
    caller: str, sites: Sequence[Site | str], directions: np.ndarray
) -> Float[np.ndarray, "sites d"]:
    """Directions of unit length, one for each site; `caller` is named in the message."""
    rows = np.asarray(directions, dtype=np.float64)
    size = np.linalg.norm(rows, axis=-1, keepdims=True)
    if rows.ndim != 2 or len(rows) != len(sites) or not (size > 0).all():
        raise ValueError(
            f"{caller}: directions must be one non-zero row for each of the {len(sites)} sites, "
            f"got shape {rows.shape}"
        )
    return rows / size


def _set(site: Site | str, d: np.ndarray, value: torch.Tensor, at: str) -> SetComponent:
    return SetComponent(Scope(str(site), at), torch.from_numpy(d[None].copy()), value)
