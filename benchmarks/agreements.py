"""``python -m benchmarks.agreements``: measures that other libraries have too, on the same data,
written to docs/agreements.md.

rsatoolbox, scikit-dimension, GraphRicciCurvature and ripser run in environments of their own
(`benchmarks.peers`); SciPy and scikit-learn are here. A row either agrees to its tolerance or is a
known disagreement with its reason; anything else ends with an error, and the page stays as it was.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy
import sklearn
from safetensors.numpy import save_file
from scipy.spatial import procrustes
from sklearn.cross_decomposition import CCA

from benchmarks.peers.environments import HERE, environment
from inscape.compare.canonical import CanonicalCorrelation
from inscape.compare.dissimilarity import crossnobis, dissimilarity
from inscape.compare.forman import forman
from inscape.compare.ollivier_ricci import curvature, neighbour_graph
from inscape.compare.procrustes import shape_distance
from inscape.compare.rsa import rsa
from inscape.shape.mle_dimension import mle_dimension
from inscape.shape.participation_ratio import participation_ratio
from inscape.shape.persistence import persistence
from inscape.shape.two_nn import two_nn

PAGE = Path(__file__).parents[1] / "docs" / "agreements.md"
HEAD = """# Agreements with other libraries

Every measure of `inscape.compare` and `inscape.shape` that these libraries have as well, on the same data: the largest
difference of any number. Written by `python -m benchmarks.agreements` (`make agreements`), which fails where a
row does not agree to its tolerance or a known disagreement is gone.
"""
KINDS = {"euclidean": "sqeuclidean", "correlation": "correlation"}
COMPARISONS = {
    "cosine": "cosine",
    "corr": "pearson",
    "spearman": "spearman",
    "rho-a": "rho-a",
    "tau-a": "tau-a",
    "cosine_cov": "whitened",
}


class Row(NamedTuple):
    """One comparison.

    Attributes:
        measure: ours.
        peer: whose, with its version.
        difference: the largest of any number.
        tolerance: what it may be; of a known disagreement, what it exceeds.
        why: the reason of a known disagreement; empty where both should agree.
    """

    measure: str
    peer: str
    difference: float
    tolerance: float
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether both agree, or disagree where they are known to."""
        return (self.difference > self.tolerance) if self.why else self.difference <= self.tolerance


def data(seed: int = 0) -> dict[str, np.ndarray]:
    """What every library is given."""
    rng = np.random.default_rng(seed)
    common, angle = rng.normal(size=(80, 3)), rng.uniform(0, 2 * np.pi, size=60)
    x = common @ rng.normal(size=(3, 7)) + rng.normal(size=(80, 7)) + 3
    y = common @ rng.normal(size=(3, 5)) + rng.normal(size=(80, 5)) - 1
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return {
        "x": x,
        "y": y,
        "repeats": x[None] + rng.normal(size=(3, *x.shape)),
        "surface": rng.normal(size=(500, 4)) @ rng.normal(size=(4, 12)),
        "graph": neighbour_graph(rng.normal(size=(40, 3)), 5),
        "ring": circle + 0.1 * rng.normal(size=(60, 2)),
    }


def there(name: str, script: str, held: dict[str, np.ndarray]) -> dict[str, Any]:
    """What a script prints in the environment of a peer.

    Raises:
        Unavailable: the environment cannot be made.
    """
    python = environment(name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data.safetensors"
        save_file({k: np.ascontiguousarray(v) for k, v in held.items()}, file)
        command = [str(python), str(HERE / script), str(file)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def rows() -> list[Row]:
    """All comparisons.

    Raises:
        Unavailable: an environment cannot be made.
    """
    held = data()
    return [
        *_dissimilarities(held, there("rsatoolbox", "rsa_there.py", held)),
        *_form(held, there("geometry", "shape_there.py", held)),
        *_here(held),
    ]


def _gap(ours: Any, theirs: Any) -> float:
    return float(np.abs(np.asarray(ours) - np.asarray(theirs)).max())


def _dissimilarities(held: dict[str, np.ndarray], found: dict[str, Any]) -> list[Row]:
    peer = f"rsatoolbox {found['version']}"
    out = [
        Row(
            f"`rsa`, {ours}, {COMPARISONS[how]}",
            peer,
            _gap(
                rsa(held["x"], held["y"], kind=ours, how=COMPARISONS[how]), found[f"{kind} {how}"]
            ),
            1e-10,
        )
        for kind, ours in KINDS.items()
        for how in COMPARISONS
    ]
    unbiased = _gap(crossnobis(held["repeats"]), found["crossnobis"])
    named = np.array(found["euclidean x"])
    why = "what rsatoolbox calls euclidean is the squared distance over the number of features"
    return [
        *out,
        Row("`crossnobis`", peer, unbiased, 1e-10),
        Row(
            ("`dissimilarity`, euclidean"),
            peer,
            _gap(dissimilarity(held["x"], "euclidean"), named),
            0.1,
            why,
        ),
        Row(
            "`dissimilarity`, sqeuclidean, over the features",
            peer,
            _gap(dissimilarity(held["x"], "sqeuclidean") / held["x"].shape[1], named),
            1e-10,
        ),
    ]


def _form(held: dict[str, np.ndarray], found: dict[str, Any]) -> list[Row]:
    dim, ricci, rips = (
        f"{name} {found['versions'][name]}"
        for name in ("scikit-dimension", "GraphRicciCurvature", "ripser")
    )
    surface, graph = held["surface"], held["graph"]
    joined = (graph > 0).astype(np.float64)
    kappa, shape = curvature(graph, idle=0.5).kappa, persistence(held["ring"])
    mean = (
        "Levina and Bickel's mean of local estimates, biased up at few neighbours; ours "
        "averages their inverses"
    )
    near = (
        "its default weighs a neighbour by exp(−d²), which depends on the unit of length; ours "
        "weighs all alike"
    )
    sinkhorn = (
        "Sinkhorn at a fixed regularisation of 0.1, which is not the transport's cost; ours "
        "is exact"
    )
    out = [
        Row("`two_nn`", dim, _gap(two_nn(surface), found["TwoNN"]), 1e-10),
        Row(
            "`participation_ratio`",
            dim,
            _gap(participation_ratio(surface), found["participation ratio"]),
            1e-10,
        ),
    ]
    for unbiased, words in ((False, ""), (True, ", unbiased")):
        ours = mle_dimension(surface, k=20, unbiased=unbiased)
        out.append(
            Row(
                f"`mle_dimension`{words}",
                (f"{dim}, its local values averaged by inverses"),
                _gap(ours, found[f"MLE{words}"]),
                1e-10,
            )
        )
        out.append(
            Row(
                f"`mle_dimension`{words}",
                dim,
                _gap(ours, found[(f"MLE{words}, mean of local")]),
                1e-2,
                mean,
            )
        )
    out += [
        Row(
            "`curvature` (Ollivier)",
            (f"{ricci}, OTD, neighbours alike"),
            _gap(kappa, found["Ollivier"]),
            1e-8,
        ),
        Row(
            "`curvature` (Ollivier)",
            f"{ricci}, OTD",
            _gap(kappa, found[("Ollivier, near neighbours weigh more")]),
            1e-2,
            near,
        ),
        Row(
            "`curvature` (Ollivier)",
            f"{ricci}, Sinkhorn",
            _gap(kappa, found["Ollivier, Sinkhorn"]),
            1e-3,
            sinkhorn,
        ),
        Row(
            "`forman`, plain",
            ricci,
            _gap(forman(joined, kind="plain").kappa, found["Forman"]),
            1e-10,
        ),
        Row(
            "`forman`, triangles",
            ricci,
            _gap(forman(joined).kappa, found["Forman, triangles"]),
            1e-10,
        ),
    ]
    for k, words in enumerate(("pieces", "loops")):
        ours, theirs = np.sort(shape.diagrams[k], axis=0), np.sort(found["persistence"][k], axis=0)
        # ripser computes in single precision
        out.append(Row(f"`persistence`, {words}", rips, _gap(ours, theirs), 1e-6))
    return out


def _here(held: dict[str, np.ndarray]) -> list[Row]:
    x, y = held["x"], held["y"]
    wide = np.hstack([y, np.zeros((len(y), x.shape[1] - y.shape[1]))])
    # what is left after the best rotation and scale is 1 − cos² of the angle between the shapes
    angle = np.cos(shape_distance(x, y)) ** 2
    cca = CCA(n_components=3, scale=False, max_iter=5000, tol=1e-12).fit(x, y)
    theirs = [
        np.corrcoef(a, b)[0, 1] for a, b in zip(*(v.T for v in cca.transform(x, y)), strict=True)
    ]
    ours = CanonicalCorrelation().fit(x, y).correlations_[:3]
    return [
        Row(
            ("`shape_distance` (Procrustes)"),
            f"SciPy {scipy.__version__}",
            _gap(1 - angle, procrustes(x, wide)[2]),
            1e-10,
        ),
        Row(
            "`CanonicalCorrelation`",
            f"scikit-learn {sklearn.__version__}",
            _gap(ours, theirs),
            1e-6,
        ),
    ]


def page(found: list[Row], made: str) -> str:
    """The page as Markdown."""
    agree = [
        (f"| {r.measure} | {r.peer} | {r.difference:.0e} | {r.tolerance:.0e} |")
        for r in found
        if not r.why
    ]
    known = [f"| {r.measure} | {r.peer} | {r.difference:.2g} | {r.why} |" for r in found if r.why]
    parts = [
        HEAD.strip(),
        made,
        "\n".join(
            [
                "| measure | against | largest difference | tolerance |",
                ("| --- | --- | --- | --- |"),
                *agree,
            ]
        ),
        "## Known disagreements",
        "\n".join(
            [
                "| measure | against | largest difference | why |",
                ("| --- | --- | --- | --- |"),
                *known,
            ]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Compare, and write the page; 1 where something does not hold."""
    from benchmarks.__main__ import machine

    found = rows()
    broken = [r for r in found if not r.holds]
    for row in broken:
        print(f"{row.measure} against {row.peer}: {row.difference:.3g}", file=sys.stderr)
    if broken:
        return 1
    facts = machine()
    made = f"{facts['date']}, {facts['processor']}, {facts['system']}, commit {facts['commit']}."
    PAGE.write_text(page(found, made), encoding="utf-8")
    print(f"{len(found)} comparisons: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
