"""Synthetic subjects: layers of networks as a scanner would see them, regions whose depth is known.

    voxels = states · M + σ · noise       M: a random mixture of its own for each subject and region

Regions without signal are noise alone. Repetitions share the states and the mixture and not the
noise.

Cost: items · width · voxels a region.
Reference: the forward models of Diedrichsen et al. (2011), NeuroImage 55.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Float64


def scanned(
    states: Sequence[Float[np.ndarray, "n _"]],
    voxels: int = 100,
    *,
    noise: float = 1.0,
    empty: int = 4,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "regions n voxels"]:
    """Voxels of one subject.

    Args:
        states: of each layer, the items' states.
        voxels: of each region.
        noise: σ, in standard deviations of a voxel's signal.
        empty: regions of noise alone, after the others.
        rng: of mixtures and noise.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> scanned([rng.normal(size=(10, 3))] * 2, 5, empty=1, rng=rng).shape
        (3, 10, 5)
    """
    n, out = len(states[0]), []
    for x in states:
        centred = np.asarray(x, dtype=np.float64) - np.mean(x, axis=0)
        signal = centred @ rng.normal(size=(centred.shape[1], voxels))
        out.append(signal / signal.std() + noise * rng.normal(size=(n, voxels)))
    return np.stack([*out, *rng.normal(size=(empty, n, voxels))])


def scanned_subjects(
    subjects: Sequence[Sequence[Float[np.ndarray, "n _"]]],
    voxels: int = 100,
    *,
    noise: float = 1.0,
    empty: int = 4,
    rng: Callable[..., np.random.Generator],
) -> Float64[np.ndarray, "subjects regions n voxels"]:
    """Voxels of several subjects who see the same items; a subject's number decides its mixtures and
    noise, so that the same subject can be scanned with other states.

    Args:
        subjects: of each, the states of its layers, as `scanned` takes them.
        voxels: of each region.
        noise: as in `scanned`.
        empty: as in `scanned`.
        rng: gives a generator by names, as `inscape.study.run.Run.rng` does; that of subject k is
            ``rng("scan", str(k))``.

    Example:
        >>> states = [np.random.default_rng(0).normal(size=(10, 3))] * 2
        >>> streams = lambda *names: np.random.default_rng(int(names[-1]))
        >>> scanned_subjects([states] * 4, 5, empty=1, rng=streams).shape
        (4, 3, 10, 5)
    """
    return np.stack(
        [
            scanned(own, voxels, noise=noise, empty=empty, rng=rng("scan", str(k)))
            for k, own in enumerate(subjects)
        ]
    )
