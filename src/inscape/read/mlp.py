"""The non-linear comparison: a small multi-layer perceptron beside the linear probe.

What a linear probe misses and this finds is encoded, but not linearly; what both find is. Features
and targets are standardised, one hidden layer is trained with Adam and stopped early on a tenth of
the training rows. It is scikit-learn's own regressor, composed: a comparison should be one that
everybody knows. The penalty is chosen on those same rows.

Reference: the MLP probes of Gurnee and Tegmark (2023), arXiv:2310.02207, §3.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from sklearn.compose import TransformedTargetRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DECAYS = (1.0, 10.0, 100.0)


def mlp_probe(hidden: int = 128, decay: float = 10.0, seed: int = 0) -> TransformedTargetRegressor:
    """An unfitted MLP probe, multi-target.

    Args:
        hidden: hidden units.
        decay: L2 penalty.
        seed: of initial weights, batches and the rows kept for stopping.

    Returns:
        A scikit-learn regressor for x (n, d) and y (n,) or (n, t).
    """
    net = MLPRegressor(
        hidden_layer_sizes=(hidden,),
        alpha=decay,
        early_stopping=True,
        max_iter=1000,
        random_state=seed,
    )
    return TransformedTargetRegressor(
        make_pipeline(StandardScaler(), net), transformer=StandardScaler()
    )


def fit_mlp(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, n * t],
    seed: int = 0,
    decays: Sequence[float] = DECAYS,
) -> TransformedTargetRegressor:
    """The MLP probe of the penalty that does best on the rows kept for stopping.

    Args:
        x: training rows.
        y: targets.
        seed: of initial weights, batches and the rows kept; the same rows for every penalty.
        decays: L2 penalties to choose from.

    Returns:
        The fitted probe.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(300, 4))
        >>> probe = fit_mlp(x, np.abs(x[:, 0]))
        >>> bool(np.corrcoef(probe.predict(x), np.abs(x[:, 0]))[0, 1] > 0.8)
        True
    """
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y  # scikit-learn warns of a single column
    fitted = [mlp_probe(decay=decay, seed=seed).fit(x, y) for decay in decays]
    return max(fitted, key=lambda probe: probe.regressor_[-1].best_validation_score_)
