"""scikit-dimension, GraphRicciCurvature and ripser in an environment of their own: dimensions,
curvature and persistence, as JSON.

Given a safetensors file with ``surface`` (n, d), ``graph`` (n, n; lengths of edges) and ``ring``
(n, 2). Only what its environment has is imported.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version

import networkx as nx
import numpy as np
from safetensors.numpy import load_file

warnings.simplefilter("ignore")

import skdim  # noqa: E402
from GraphRicciCurvature.FormanRicci import FormanRicci  # noqa: E402
from GraphRicciCurvature.OllivierRicci import OllivierRicci  # noqa: E402
from ripser import ripser  # noqa: E402


def edges(graph: nx.Graph, name: str) -> list[float]:
    """An attribute of every edge, the lesser end first, in order."""
    found = {tuple(sorted(e[:2])): e[2][name] for e in graph.edges(data=True)}
    return [float(found[e]) for e in sorted(found)]


def main() -> None:
    """Print every number that both sides have."""
    held = load_file(sys.argv[1])
    names = ("scikit-dimension", "GraphRicciCurvature", "ripser")
    found: dict[str, object] = {"versions": {name: version(name) for name in names}}
    surface = held["surface"]
    found["TwoNN"] = float(skdim.id.TwoNN(discard_fraction=0.1).fit(surface).dimension_)
    for unbiased in (False, True):
        mle = skdim.id.MLE(K=20, unbiased=unbiased).fit(surface)
        local = np.asarray(mle.dimension_pw_)
        words = ", unbiased" if unbiased else ""
        found[f"MLE{words}"] = float(1 / np.mean(1 / local))
        found[f"MLE{words}, mean of local"] = float(np.mean(local))
    ratio = skdim.id.lPCA(ver="participation_ratio", verbose=False).fit(surface)
    found["participation ratio"] = float(ratio.dimension_)
    graph = nx.from_numpy_array(held["graph"])
    exact = OllivierRicci(graph, alpha=0.5, method="OTD", exp_power=0, proc=1)
    exact.compute_ricci_curvature()
    found["Ollivier"] = edges(exact.G, "ricciCurvature")
    near = OllivierRicci(graph, alpha=0.5, method="Sinkhorn", exp_power=0, proc=1)
    near.compute_ricci_curvature()
    weighted = OllivierRicci(graph, alpha=0.5, method="OTD", proc=1)  # its default
    weighted.compute_ricci_curvature()
    found["Ollivier, near neighbours weigh more"] = edges(weighted.G, "ricciCurvature")
    found["Ollivier, Sinkhorn"] = edges(near.G, "ricciCurvature")
    plain = nx.from_numpy_array((held["graph"] > 0).astype(float))
    for kind, name in (("1d", "Forman"), ("augmented", "Forman, triangles")):
        forman = FormanRicci(plain, method=kind)
        forman.compute_ricci_curvature()
        found[name] = edges(forman.G, "formanCurvature")
    diagrams = ripser(held["ring"], maxdim=1)["dgms"]
    found["persistence"] = [sorted(d[np.isfinite(d[:, 1])].tolist()) for d in diagrams]
    print(json.dumps(found))


main()
