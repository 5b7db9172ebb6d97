"""Intervals of representational similarity over items: a thousand bootstraps of a thousand items,
against rsatoolbox.

Both compare one model's dissimilarities with one data matrix, in turn, one thread each; rsatoolbox
runs a few of its own bootstraps (`eval_bootstrap_pattern`), multiplied up. On resamples given to
both the similarities are equal to 1e-9, or the row fails.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from threadpoolctl import threadpool_limits

from benchmarks.peers.environments import HERE, Unavailable, environment
from inscape.compare.dissimilarity import dissimilarity
from inscape.compare.resampled_rsa import resampled_rsa

ITEMS, DRAWS, THEIRS, ROUNDS = 1_000, 1_000, 5, 3
NAMES = {"corr": "pearson", "spearman": "spearman"}


def run() -> list[dict[str, object]]:
    """A row a comparison."""
    name = "1,000 bootstraps of RSA ({}) against rsatoolbox"
    try:
        python = environment("rsatoolbox")
    except Unavailable as why:
        return [{"name": name.format(how), "skipped": str(why)} for how in NAMES.values()]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ITEMS, 20))
    model, data = (dissimilarity(v, "sqeuclidean") for v in (x, x + rng.normal(size=(ITEMS, 20))))
    chosen = rng.integers(ITEMS, size=(DRAWS, ITEMS))
    counts = np.stack([np.bincount(c, minlength=ITEMS) for c in chosen]).astype(np.float64)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data.safetensors"
        save_file({"model": model, "data": data, "chosen": chosen[:2]}, file)
        for theirs, ours in NAMES.items():
            command = [str(python), str(HERE / "rsa_bootstrap_there.py"), str(file), theirs]
            rows.append(_row(name.format(ours), [*command, str(THEIRS)], model, data, counts, ours))
    return rows


def _row(
    name: str,
    command: list[str],
    model: np.ndarray,
    data: np.ndarray,
    counts: np.ndarray,
    how: str,
) -> dict[str, object]:
    """Both in turn, and whether they agree."""
    ours, theirs, worst, peer = [], [], 0.0, ""
    for _ in range(ROUNDS):
        with threadpool_limits(1):
            begun = time.perf_counter()
            values = resampled_rsa(model[None], data[None], counts, how=how).ravel()
            ours.append(time.perf_counter() - begun)
        one = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        ran = subprocess.run(command, capture_output=True, text=True, check=True, env=one)
        found = json.loads(ran.stdout)
        theirs.append(found["seconds"] * len(counts))
        worst = max(worst, float(np.abs(values[:2] - found["values"]).max()))
        peer = f"rsatoolbox {found['version']}"
    if worst > 1e-9:
        raise AssertionError(f"the two disagree by {worst:.1e}")
    mine, other = statistics.median(ours), statistics.median(theirs)
    note = (
        f"{peer}, one model, one data matrix of {ITEMS} items, {DRAWS} bootstraps of items; "
        f"medians of {ROUNDS} rounds in turn, one thread; theirs from {THEIRS} a round, multiplied "
        f"up; on given resamples they differ by at most {worst:.0e}"
    )
    row = {"name": name, "ours": mine, "theirs": other, "ratio": other / mine}
    return {**row, "target": 10.0, "unit": "s", "note": note}
