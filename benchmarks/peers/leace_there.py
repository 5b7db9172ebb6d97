"""LEACE by concept-erasure in a process of its own: asked for rounds on its standard input, as
`benchmarks.erasure` asks.

Given a safetensors file with ``x`` (n, d) and ``z`` (n, k) in float64 and the file to leave its
eraser in. ``fold`` streams the rows in batches and solves; ``solve`` solves from statistics that
are there. Only what its environment has is imported.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import torch
from concept_erasure import LeaceFitter
from safetensors.torch import load_file, save_file

BATCH = 1024


def fold(x: torch.Tensor, z: torch.Tensor) -> LeaceFitter:
    """Statistics from batches; without shrinkage, so that both erase by the same covariance."""
    fitter = LeaceFitter(x.shape[1], z.shape[1], dtype=x.dtype, shrinkage=False, svd_tol=1e-6)
    for start in range(0, len(x), BATCH):
        fitter.update(x[start : start + BATCH], z[start : start + BATCH])
    return fitter


def solved(fitter: LeaceFitter) -> torch.Tensor:
    """The map's matrix from statistics alone, in a fitter that has solved nothing yet."""
    fresh = LeaceFitter(
        fitter.x_dim, fitter.z_dim, dtype=fitter.mean_x.dtype, shrinkage=False, svd_tol=1e-6
    )
    for name in ("mean_x", "mean_z", "sigma_xz_", "sigma_xx_", "n"):
        setattr(fresh, name, getattr(fitter, name))
    return fresh.eraser.P


def main() -> None:
    """Answer rounds until the input ends."""
    source, out = sys.argv[1:]
    held = load_file(source)
    x, z = held["x"], held["z"]
    fitter = fold(x, z)
    print(
        json.dumps({"version": version("concept-erasure"), "threads": torch.get_num_threads()}),
        flush=True,
    )
    found = solved(fitter)
    for line in sys.stdin:
        start = time.perf_counter()
        found = solved(fold(x, z)) if line.strip() == "fold" else solved(fitter)
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
    save_file({"P": found.contiguous(), "mean": fitter.mean_x}, out)


main()
