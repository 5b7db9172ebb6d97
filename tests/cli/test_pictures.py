"""patch, ablate, attribute and attention: a grid in the terminal, a page, JSON, and mistakes in one
sentence.
"""

import json
import sys

import pytest
from typer.testing import CliRunner

from inscape.cli.main import app
from inscape.model.model import Model
from tests.model import nets

COMMANDS = {
    "patch": (
        "m",
        "the river of Paris is",
        "the river of London is",
        "--answer",
        "good",
        "--wrong",
        "bad",
    ),
    "ablate": ("m", "the river is", "the sea is"),
    "attribute": ("m", "the river is"),
    "attention": ("m", "the river is", "--layer", "1"),
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    model = Model(nets.net("llama"), nets.tokenizer(), "tiny")
    for name in COMMANDS:
        monkeypatch.setattr(sys.modules[f"inscape.cli.{name}"], "open_model", lambda *_: model)
    monkeypatch.chdir(tmp_path)


def call(name, *more):
    return CliRunner().invoke(app, [name, *COMMANDS[name], *more], prog_name="inscape")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_grid_is_printed_and_a_page_written(name, tmp_path):
    result = call(name, "--to", "out.html")
    assert result.exit_code == 0, result.output
    assert "Page: out.html" in result.stdout
    page = (tmp_path / "out.html").read_text()
    assert "the river" in page
    assert "<script" not in page
    found = json.loads(call(name, "--json").stdout)
    assert found["said"]
    assert len(found["grids"][0]["values"]) == len(found["grids"][0]["rows"])


def test_mistakes_end_in_one_sentence():
    assert call("ablate", "--what", "all").exit_code == 2
    assert "layers, heads or neurons, not 'all'" in call("ablate", "--what", "all").stderr
    result = call("attention", "--head", "9")
    assert result.exit_code == 1
    assert result.stderr.strip() == "inscape: there is no head 9; tiny has heads 0 to 3."


def test_a_page_of_another_name_is_refused_before_anything_is_computed(tmp_path):
    result = call("ablate", "--to", "heads.txt")
    assert result.exit_code == 2
    assert "the name of a page ends in .html, got 'heads.txt'" in result.stderr
    assert not (tmp_path / "heads.txt").exists()


def test_neurons_are_ablated_too():
    found = json.loads(call("ablate", "--what", "neurons", "--count", "3", "--json").stdout)
    grid = found["grids"][0]
    assert [row.startswith("mlp_act.") for row in grid["rows"]] == [True] * 3
    assert grid["columns"] == ["measured", "estimated"]


def test_a_table_of_pairs_is_patched_in_place_of_two_prompts(tmp_path):
    (tmp_path / "pairs.csv").write_text(
        "clean,corrupted,answer,wrong\n"
        "the river of Paris is,the river of London is,good,bad\n"
        "the sea of Paris is,the sea of London is,good,bad\n"
    )
    result = CliRunner().invoke(app, ["patch", "m", "--pairs", "pairs.csv"])
    assert result.exit_code == 0, result.output
    assert "means over 2 pairs" in " ".join(result.stdout.split())
    assert CliRunner().invoke(app, ["patch", "m"]).exit_code == 2
    assert call("patch", "--pairs", "pairs.csv").exit_code == 2


def test_attention_is_weighted_on_demand(tmp_path):
    plain, weighted = (
        json.loads(call("attention", *more, "--json").stdout)["grids"][0]["values"]
        for more in ((), ("--weighted",))
    )
    assert plain != weighted
    call("attention", "--weighted", "--to", "heads.html")
    assert (tmp_path / "heads.html").read_text().count("<img") == 4
