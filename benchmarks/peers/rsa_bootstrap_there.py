"""rsatoolbox in an environment of its own: bootstraps of items of one model and one data matrix, as
JSON.

Given a safetensors file with ``model`` and ``data`` (n, n) and ``chosen`` (k, n), items of k
resamples, and a comparison: seconds a bootstrap, of its own draws, and the similarity on the
resamples given. Only what its environment has is imported.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load_file

warnings.simplefilter("ignore")

from rsatoolbox.inference import eval_bootstrap_pattern  # noqa: E402
from rsatoolbox.model import ModelFixed  # noqa: E402
from rsatoolbox.rdm import RDMs, compare  # noqa: E402


def main() -> None:
    """Print them."""
    held, how, draws = load_file(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    at = np.triu_indices(len(held["model"]), 1)
    model, data = (RDMs(held[name][at][None]) for name in ("model", "data"))
    begun = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        eval_bootstrap_pattern(ModelFixed("model", model), data, method=how, N=draws)
    spent = (time.perf_counter() - begun) / draws
    values = []
    for chosen in held["chosen"]:
        pair = (r.subsample_pattern("index", np.sort(chosen)) for r in (model, data))
        values.append(float(np.ravel(compare(*pair, method=how))[0]))
    print(json.dumps({"seconds": spent, "values": values, "version": version("rsatoolbox")}))


main()
