"""Confidences in an answer that a new one has to beat: simple fits to the output, to states, and to
nothing.

    of the output     σ(logit(p) / t), and σ(a logit(p) + b) by Platt scaling
    of states         σ(log-odds of a logistic probe) of the last layer
                      σ(mean over layers of such log-odds)
    of nothing        the share of training answers that are right

All are fitted on a fold's training rows and read on its held-out ones. A confidence that is fitted
to outcomes has a lower calibration error than one that is not, so that a new one is compared with
these before it is compared with the output as it is.

Cost: a logistic probe for each layer.
Reference: Guo, Pleiss, Sun and Weinberger (2017), arXiv:1706.04599 (scaling of the output); Orgad et
al. (2024), arXiv:2410.02707 (probes of states).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.special import expit

from inscape.core.folds import Fold
from inscape.core.threads import side_by_side
from inscape.probing.detectors import held_out_odds
from inscape.read.calibration import Platt, Temperature

COOLED, PLATT = "max softmax, cooled", "max softmax, Platt-scaled"
LAST, BASE = "last layer, logistic", "base rate"


def fitted_confidences(
    output: Float[np.ndarray, " n"],
    last: Float[np.ndarray, "n d"] | Float32[np.ndarray, "n d"],
    right: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    fold: Fold,
) -> dict[str, Float[np.ndarray, " test"]]:
    """Probability that a held-out answer is right, by four fits to training rows.

    Args:
        output: the output's own confidence in each answer, such as the product of the highest
            probabilities of its tokens, 0 to 1.
        last: states of the last layer.
        right: 1 where the answer is right.
        groups: of the answers; the probe's penalty is chosen among folds of whole groups.
        fold: training rows and held-out rows.

    Returns:
        By the names `COOLED` (a temperature), `PLATT`, `LAST` (the probe) and `BASE`.
    """
    train, test = fold
    y = right[train].astype(float)
    odds = held_out_odds(last, right, groups, fold, tol=1e-4)
    return {
        COOLED: Temperature.fit(output[train], y)(output[test]),
        PLATT: Platt.fit(output[train], y)(output[test]),
        LAST: expit(odds),
        BASE: np.full(len(test), right[train].mean()),
    }


def mean_of_layers(
    layers: Sequence[Any],
    right: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    fold: Fold,
) -> Float[np.ndarray, " test"]:
    """Probability that a held-out answer is right, by the mean log-odds of a probe of each layer.

    Args:
        layers: states of each, (n, d).
        right: 1 where the answer is right.
        groups: as in `fitted_confidences`.
        fold: training rows and held-out rows.
    """
    odds = partial(held_out_odds, right=right, groups=groups, fold=fold)
    return expit(np.mean(side_by_side(odds, layers), axis=0))
