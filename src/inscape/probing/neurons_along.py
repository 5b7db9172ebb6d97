"""Neurons whose input weights point along a probe's direction, beside directions of probes on
shuffled labels.

    cos(w_in, w),  cos(w_gate, w)          w: direction of the ridge probe at one site of the stream

A neuron that reads what the probe reads has weights along the probe's direction, and activations
that correlate with the target: both are shown, since either alone may be chance.

Cost: one ridge fit of all label sets, and two products a layer.
Reference: Gurnee and Tegmark (2023), arXiv:2310.02207, §5.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.model.model import Model
from inscape.read.gated_weights import gated_weights
from inscape.read.neurons import neuron_search, weight_cosines
from inscape.read.ridge import RidgeProbe
from inscape.store.store import Store

#: neurons of each layer, kind of weight and target that are shown
_SHOWN = 3


def neurons_along(
    store: Store,
    model: Model,
    site: str,
    y: Float[np.ndarray, "n t"],
    orders: Int[np.ndarray, "k n"],
    targets: Sequence[str],
) -> pd.DataFrame:
    """The three neurons of each layer whose weights lie nearest to the direction of each target.

    Args:
        store: holds `site` and every ``mlp_act`` at the same rows.
        model: whose weights are read; its MLPs are gated.
        site: of the residual stream, where the probe is fitted.
        y: targets.
        orders: permutations of the rows, for the directions of chance.
        targets: names of the targets.

    Returns:
        ``layer``, ``neuron``, ``weights`` (input or gate), ``target``, ``cosine``, ``r``
        (correlation of the activation with the target) and ``largest |cosine|, shuffled labels``
        (of the layer), the largest |cosine| first.

    Raises:
        ModelError: MLPs that are not gated.
    """
    labels, t = np.concatenate([y, *(y[order] for order in orders)], axis=1), y.shape[1]
    directions = np.atleast_2d(RidgeProbe().fit(store.matrix(site), labels).direction_)
    same, rows = np.arange(len(y))[None], []
    for layer, w in gated_weights(model):
        x = store.matrix(f"mlp_act.{layer}")
        r = neuron_search([(layer, x)], y, same, tuple(targets)).table
        for name, weights in (("input", w.read), ("gate", w.gate)):
            cosines = weight_cosines(weights, directions)
            null = np.abs(cosines[:, t:]).max(axis=0).reshape(-1, t)
            for j, target in enumerate(targets):
                own = r[r["target"] == target].set_index("neuron")["r"]
                rows += [
                    {
                        "layer": layer,
                        "neuron": int(k),
                        "weights": name,
                        "target": target,
                        "cosine": float(cosines[k, j]),
                        "r": float(own[k]),
                        "largest |cosine|, shuffled labels": float(null[:, j].max()),
                    }
                    for k in np.argsort(-np.abs(cosines[:, j]))[:_SHOWN]
                ]
    frame = pd.DataFrame(rows)
    order = np.argsort(-frame["cosine"].abs().to_numpy(), kind="stable")
    return frame.iloc[order].reset_index(drop=True)
