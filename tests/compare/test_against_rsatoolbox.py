"""Every comparison that rsatoolbox has too, against rsatoolbox in an environment of its own.

Known difference: what rsatoolbox calls euclidean is the squared distance over the number of features, our ``sqeuclidean``.
"""

import json
import subprocess

import numpy as np
import pytest
from benchmarks.peers.environments import HERE, Unavailable, environment
from safetensors.numpy import save_file

from inscape.compare.dissimilarity import crossnobis
from inscape.compare.rsa import rsa
from tests.compare.references import pair

pytestmark = pytest.mark.reference

KINDS = {"euclidean": "sqeuclidean", "correlation": "correlation"}
COMPARISONS = {
    "cosine": "cosine",
    "corr": "pearson",
    "spearman": "spearman",
    "rho-a": "rho-a",
    "tau-a": "tau-a",
    "cosine_cov": "whitened",
}


@pytest.fixture(scope="module")
def data():
    x, y = pair(20)
    repeats = x[None] + np.random.default_rng(0).normal(size=(3, *x.shape))
    return {"x": x, "y": y, "repeats": repeats}


@pytest.fixture(scope="module")
def theirs(data, tmp_path_factory):
    try:
        python = environment("rsatoolbox")
    except Unavailable as why:
        pytest.skip(f"rsatoolbox is not available: {why}")
    file = tmp_path_factory.mktemp("rsatoolbox") / "data.safetensors"
    save_file(data, file)
    ran = subprocess.run(
        [str(python), str(HERE / "rsa_there.py"), str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", COMPARISONS)
def test_comparisons_agree(data, theirs, kind, how):
    ours = rsa(data["x"], data["y"], kind=KINDS[kind], how=COMPARISONS[how])
    assert ours == pytest.approx(theirs[f"{kind} {how}"], abs=1e-10)


def test_crossnobis_agrees(data, theirs):
    np.testing.assert_allclose(crossnobis(data["repeats"]), theirs["crossnobis"], atol=1e-10)
