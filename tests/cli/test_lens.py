"""``inscape lens``: a grid in the terminal, a page, or JSON."""

import json

import pytest
from typer.testing import CliRunner

from inscape.cli import lens as command
from inscape.cli.main import app
from inscape.model.model import Model
from inscape.read.tuned_lens import TunedLens
from tests.model import nets


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    model = Model(nets.net("llama"), nets.tokenizer(), "tiny")
    monkeypatch.setattr(command, "open_model", lambda *_: model)
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    return CliRunner().invoke(app, ["lens", "m", "the river is", *arguments], prog_name="inscape")


def test_a_grid_is_printed_and_a_page_written(tmp_path):
    result = call("--to", "lens.html")
    assert result.exit_code == 0, result.output
    assert "resid_post.2" in result.stdout
    assert "After the prompt:" in result.stdout
    assert "Page: lens.html" in result.stdout
    assert "<h1>the river is</h1>" in (tmp_path / "lens.html").read_text()


def test_json_has_every_layer_and_position():
    found = json.loads(call("--json", "-k", "2", "--sites", "resid_post.0:2").stdout)
    assert found["layers"] == ["resid_post.0", "resid_post.1"]
    assert [len(row) for row in found["words"]] == [3, 3]
    assert len(found["probabilities"][0][0]) == 2


def test_a_saved_lens_reads_in_place_of_the_logit_lens(tmp_path):
    model = Model(nets.net("llama"), nets.tokenizer(), "tiny")
    TunedLens.fit(model, ["the river is good"], steps=1).save(tmp_path / "tuned")
    assert json.loads(call("--lens", "tuned", "--json").stdout)["lens"] == "tuned lens"
    assert json.loads(call("--json").stdout)["lens"] == "logit lens"
    result = call("--lens", "none.pt")
    assert result.exit_code == 1
    assert "none.pt is not a Jacobian lens" in result.stderr
