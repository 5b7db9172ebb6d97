"""rsatoolbox in an environment of its own: similarities of two representations by its comparisons,
as JSON.

Given a safetensors file with ``x`` (n, d), ``y`` (n, e) and ``repeats`` (r, n, d). Only what its
environment has is imported.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load_file

warnings.simplefilter("ignore")

import rsatoolbox  # noqa: E402
from rsatoolbox.data import Dataset  # noqa: E402


def main() -> None:
    """Print every comparison for every dissimilarity, and the crossnobis distances."""
    held = load_file(sys.argv[1])
    found: dict[str, object] = {"version": version("rsatoolbox")}
    for kind in ("euclidean", "correlation"):
        rdms = [
            rsatoolbox.rdm.calc_rdm(
                Dataset(held[name], obs_descriptors={"item": np.arange(len(held[name]))}),
                method=kind,
                descriptor="item",
            )
            for name in ("x", "y")
        ]
        found[f"{kind} x"] = rdms[0].get_matrices()[0].tolist()
        for how in ("cosine", "corr", "spearman", "rho-a", "tau-a", "cosine_cov"):
            value = rsatoolbox.rdm.compare(*rdms, method=how)
            found[f"{kind} {how}"] = float(np.ravel(value)[0])
    repeats = held["repeats"]
    r, n, d = repeats.shape
    both = Dataset(
        repeats.reshape(r * n, d),
        obs_descriptors={"item": np.tile(np.arange(n), r), "repeat": np.repeat(np.arange(r), n)},
    )
    made = rsatoolbox.rdm.calc_rdm(
        both, method="crossnobis", descriptor="item", cv_descriptor="repeat"
    )
    found["crossnobis"] = made.get_matrices()[0].tolist()
    print(json.dumps(found))


main()
