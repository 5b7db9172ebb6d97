"""Maximally activating examples: the texts that a direct look finds, coordinates, norms and
directions alike.
"""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from inscape.cli import top as command
from inscape.cli.main import app
from inscape.core.errors import DataError, SiteError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.workbench.top import top
from tests.model import nets

TEXTS = [
    f"the {a} of {b} is {q} {e}"
    for a in ("river", "sea")
    for b in ("Paris", "London", "film")
    for q in ("good", "bad")
    for e in (".", "! and", ", it runs")
]


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


def one_by_one(model, site, of):
    return {t: of(model.run([t], capture=[site])[site][0].numpy()) for t in TEXTS}


def test_the_top_texts_are_those_of_a_look_at_each(model):
    seen = one_by_one(model, "mlp_act.1", lambda x: x[:, 5])
    order = sorted(TEXTS, key=lambda t: -seen[t].max())
    found = top(model, TEXTS, "mlp_act.1:5", k=4, budget=40)
    assert [e.value for e in found.examples] == pytest.approx(
        [seen[t].max() for t in order[:4]], rel=1e-4
    )
    first = found.examples[0]
    assert first.values == pytest.approx(seen[first.text], rel=1e-3, abs=1e-5)
    assert first.peak == int(seen[first.text].argmax())
    assert found.tokens == sum(map(len, seen.values()))
    every = np.concatenate(list(seen.values()))
    assert found.quantiles[0] == pytest.approx(float(np.median(every)), rel=1e-3, abs=1e-5)


def test_a_head_is_looked_at_by_its_norm_and_a_direction_by_projection(model):
    norms = one_by_one(model, "z.1.2", lambda x: np.linalg.norm(x, axis=1))
    assert top(model, TEXTS, "z.1.2", k=1).examples[0].value == pytest.approx(
        max(v.max() for v in norms.values()), rel=1e-4
    )
    along = np.zeros(32)
    along[3] = -2.0
    found = top(model, TEXTS, "resid_post.1", direction=along, k=1).examples[0]
    seen = one_by_one(model, "resid_post.1", lambda x: -x[:, 3])
    assert found.value == pytest.approx(max(v.max() for v in seen.values()), rel=1e-4)


def test_repeated_texts_count_once_and_the_peak_stands_in_brackets(model):
    found = top(model, [TEXTS[0]] * 5 + TEXTS[1:3], "mlp_act.0:1", k=10)
    assert len(found.examples) == 3
    assert str(found).count("[") == 3
    e = found.examples[0]
    assert f"[{e.tokens[e.peak]}]" in e.around(0)


def test_what_is_not_there_is_refused(model):
    with pytest.raises(SiteError, match=r"mlp_act\.0:999: the site has coordinates 0 to 63"):
        top(model, TEXTS, "mlp_act.0:999")
    with pytest.raises(SiteError, match="one site is needed"):
        top(model, TEXTS, "mlp_act.*:3")
    with pytest.raises(SiteError, match="a direction of 32 numbers is needed"):
        top(model, TEXTS, "resid_post.0", direction=np.ones(3))
    with pytest.raises(DataError, match="there is no text to look through"):
        top(model, [], "mlp_act.0:1")


def test_the_command_prints_them_and_writes_a_page(model, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "open_model", lambda *_: model)
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"text": [*TEXTS, "the <b> sea"]}).to_csv("mine.csv", index=False)

    def call(*more):
        return CliRunner().invoke(app, ["top", "m", "mine.csv", "mlp_act.1:5", *more])

    result = call("-k", "30", "--to", "top.html")
    assert result.exit_code == 0, result.output
    assert "mlp_act.1:5 of tiny, most active first" in result.stdout
    assert "Over all" in result.stdout
    page = (tmp_path / "top.html").read_text()
    assert page.count("<tr><td") == 30
    assert "<script" not in page
    found = json.loads(call("--json", "-k", "2").stdout)
    assert len(found["examples"]) == 2
    assert len(found["examples"][0]["values"]) == len(found["examples"][0]["tokens"])


def test_examples_may_be_given_as_they_are(model):
    examples = Examples(pd.DataFrame({"text": TEXTS}), "text")
    assert top(model, examples, "mlp_act.1:5", k=2).data == "unnamed"
