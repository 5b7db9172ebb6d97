"""Activations as points: the plane of largest variance, coloured by a column, and what is
refused.
"""

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError, InscapeError
from inscape.model.model import Model
from inscape.workbench.scatter import scatter
from tests.model import nets

TEXTS = [
    f"the {a} of {b} is {c}"
    for a in ("river", "sea")
    for b in ("Paris", "London")
    for c in ("good", "bad")
]


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


def table():
    return pd.DataFrame({"text": TEXTS, "kind": ["up", "down"] * 4, "size": np.arange(8.0)})


def test_the_axes_are_those_of_largest_variance(model, tmp_path):
    found = scatter(model, table(), "resid_post.1", by="kind", input="text")
    x = np.stack(
        [
            model.run(model.tokenize([t]), "resid_post.1")["resid_post.1"][0, -1].numpy()
            for t in TEXTS
        ]
    ).astype(float)
    values = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    assert found.xy.var(axis=0, ddof=1) == pytest.approx(values[:2], rel=1e-3)
    assert found.shares == pytest.approx(values[:2] / values.sum(), rel=1e-3)
    assert abs(np.corrcoef(found.xy.T)[0, 1]) < 1e-6
    assert found.groups == ("up", "down") * 4
    assert f"PC 1 ({found.shares[0]:.0%} of the variance)" in found._repr_html_()
    assert str(found).startswith("8 points of resid_post.1")
    assert found.save(tmp_path / "plane.html").read_text().count('tabindex="0"') == 8
    assert found.to_dict()["by"] == "kind"


def test_numbers_of_many_values_are_binned(model):
    frame = pd.concat([table()] * 2, ignore_index=True).assign(size=np.arange(16.0))
    frame["text"] = [f"{t} {'!' * i}".strip() for i, t in enumerate(frame["text"])]
    found = scatter(model, frame, "resid_post.1", by="size", input="text")
    assert len(set(found.groups)) == 5


def test_what_is_refused(model):
    asked = {"input": "text"}
    with pytest.raises(ValueError, match="method must be 'pca' or 'umap', got 'tsne'"):
        scatter(model, table(), "embed", method="tsne", **asked)
    with pytest.raises(ValueError, match="limit must be between 1 and 2000"):
        scatter(model, table(), "embed", limit=0, **asked)
    with pytest.raises(DataError, match="no column 'kinds' to colour by"):
        scatter(model, table(), "embed", by="kinds", **asked)
    with pytest.raises(DataError, match=r"names 3 sites; name one, such as resid_post.0"):
        scatter(model, table(), "resid_post.*", **asked)
    with pytest.raises(DataError, match="three texts or more, and there are 2"):
        scatter(model, table(), "embed", limit=2, **asked)


def test_umap_is_asked_for_where_it_is_missing(model, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(InscapeError, match="UMAP is not installed: pip install umap-learn"):
        scatter(model, table(), "embed", method="umap", input="text")
