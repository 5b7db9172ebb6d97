"""Which frame was hidden here? The contrastive objective of networks that hear part of a sound.

    L = − mean over hidden frames t of log ( exp(s(c_t, z_t) / τ) / Σ_{u hidden in the same sound} exp(s(c_t, z_u) / τ) )

c_t: what the network makes of frame t with its surroundings, z: what it makes of each frame alone,
s: cosine. All other hidden frames of the same sound are the wrong answers, so who speaks does not
help. Spans are hidden whole: a single frame could be guessed from its neighbours.

Cost: O(n t² d).
Reference: Baevski et al. (2020), wav2vec 2.0, arXiv:2006.11477, eq. 3, there with quantised z and
100 wrong answers drawn; van den Oord, Li and Vinyals (2018), arXiv:1807.03748.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F


def span_mask(
    n: int, frames: int, *, share: float = 0.4, span: int = 6, rng: np.random.Generator
) -> Bool[Tensor, "n frames"]:
    """Which frames are hidden: spans of one length from places drawn at random, which may overlap.

    Args:
        n: sounds.
        frames: of each.
        share: hidden frames wanted, about; every sound has at least two spans' starts.
        span: frames of a span.
        rng: of the places.

    Raises:
        ValueError: a share outside (0, 1), or a span longer than the sound.

    Example:
        >>> hidden = span_mask(50, 60, rng=np.random.default_rng(0))
        >>> bool(0.3 < hidden.double().mean() < 0.5)
        True
    """
    if not 0 < share < 1 or not 1 <= span <= frames:
        raise ValueError(
            f"span_mask: share must be between 0 and 1 and a span within the {frames} frames, got "
            f"{share} and {span}"
        )
    # a frame stays where none of the spans that reach it begins
    count = max(2, round(np.log(1 - share) / np.log(1 - span / frames))) if span < frames else 2
    starts = rng.integers(frames - span + 1, size=(n, count, 1))
    hidden = np.zeros((n, frames), dtype=bool)
    hidden[np.arange(n)[:, None, None], starts + np.arange(span)] = True
    return torch.from_numpy(hidden)


def masked_contrast(
    found: Float[Tensor, "n t d"],
    true: Float[Tensor, "n t d"],
    hidden: Bool[Tensor, "n t"],
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Contrastive loss of hidden frames, in nats.

    Args:
        found: what the network makes of each frame with its surroundings.
        true: of each frame alone, with nothing hidden.
        hidden: which frames were hidden.
        temperature: τ.

    Raises:
        ValueError: nothing is hidden, or a temperature that is not positive.

    Example:
        >>> two = torch.eye(2)[None]
        >>> round(float(masked_contrast(two, two, torch.ones(1, 2, dtype=torch.bool), 1.0)), 4)
        0.3133
    """
    if not temperature > 0:
        raise ValueError(f"masked_contrast: temperature must be positive, got {temperature}")
    scores = frame_scores(found, true, hidden) / temperature
    own = torch.arange(hidden.shape[1]).expand_as(hidden)
    return F.cross_entropy(scores[hidden], own[hidden])


def frame_scores(
    found: Float[Tensor, "n t d"], true: Float[Tensor, "n t d"], hidden: Bool[Tensor, "n t"]
) -> Float[Tensor, "n t t"]:
    """Cosines of every frame found with every hidden frame of the same sound, −∞ for frames that
    were not hidden; arguments as in `masked_contrast`.
    """
    if not hidden.any():
        raise ValueError("masked_contrast: no frame is hidden, so there is nothing to find")
    cosines = F.normalize(found, dim=2) @ F.normalize(true, dim=2).mT
    return cosines.masked_fill(~hidden[:, None], -torch.inf)
