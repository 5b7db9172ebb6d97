"""Peak layers: which layer of a model is a region of a brain, or of another network, most like, and
do the peaks follow the order of the regions?

    peak(region) = argmax over layers l of corr(RDM of the region, RDM of layer l)  /  (layers − 1)
    order        = Spearman's ρ of the regions' depth and their peaks

A model computes as a system of regions does where early regions peak in early layers and late ones
in late layers; that a region is like some layer says nothing of it.

Cost: (regions + layers)² n².
Reference: Güçlü and van Gerven (2015), J. Neurosci. 35 (a region's best layer); Cichy et al. (2016),
Scientific Reports 6 (by dissimilarities).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from scipy.stats import spearmanr


def peak_layers(
    regions: Float[np.ndarray, "subjects regions n n"], layers: Float[np.ndarray, "layers m m"]
) -> Float64[np.ndarray, "subjects regions"]:
    """The layer whose dissimilarities have the highest Pearson's r with those of each region.

    Args:
        regions: symmetric dissimilarities of the same items in every region of every subject.
        layers: those of the model, from the first layer to the last.

    Returns:
        The layer's place as a share of the depth, 0 for the first layer and 1 for the last; the
        earlier of two that are equal.

    Raises:
        ValueError: fewer than two layers, other items, or dissimilarities that tell no items apart.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(3, 10, 2))
        >>> layers = np.linalg.norm(x[:, :, None] - x[:, None], axis=3)
        >>> peak_layers(layers[None, [2, 0]], layers).tolist()
        [[1.0, 0.0]]
    """
    subjects, count, n, _ = regions.shape
    if len(layers) < 2 or layers.shape[1:] != (n, n):
        raise ValueError(
            f"peak_layers: needs two layers or more of the {n} items of the regions, got shape "
            f"{layers.shape}"
        )
    above = np.triu_indices(n, 1)
    flat = np.concatenate([regions.reshape(-1, n, n), layers])[(slice(None), *above)]
    if not (np.ptp(flat, axis=1) > 0).all():
        raise ValueError("peak_layers: a region or a layer tells no items apart; leave it out")
    r = np.corrcoef(flat)[: -len(layers), -len(layers) :]
    return r.argmax(axis=1).reshape(subjects, count) / (len(layers) - 1)


def depth_order(peaks: Float[np.ndarray, "subjects regions"]) -> Float64[np.ndarray, " subjects"]:
    """Spearman's ρ of the regions' order and their peaks, for each subject.

    Args:
        peaks: of `peak_layers`, regions from the first to the last.

    Returns:
        Between −1 and 1; 0 where all regions peak at one layer, which gives no order.

    Raises:
        ValueError: fewer than two regions, or a peak that is NaN.

    Example:
        >>> depth_order(np.array([[0.0, 0.5, 1.0], [0.5, 0.5, 0.5]])).tolist()
        [1.0, 0.0]
    """
    if peaks.shape[1] < 2 or np.isnan(peaks).any():
        raise ValueError(
            f"depth_order: needs the peaks of two regions or more, none of them NaN, got shape "
            f"{peaks.shape}"
        )
    depth = np.arange(peaks.shape[1])
    found = [spearmanr(depth, own).statistic if np.ptp(own) > 0 else 0.0 for own in peaks]
    return np.array(found, dtype=np.float64)
