"""vector, steer and audit: from labelled texts to a file, to words side by side, to a report; and
what they refuse.
"""

from __future__ import annotations

import json
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from inscape.cli.main import app
from inscape.control.steering_vector import SteeringVector
from inscape.model.model import Model
from inscape.study import runner
from tests.model import nets

#: the module, where the package offers its function
opens = import_module("inscape.model.open")


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), prog_name="inscape")


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A random network instead of whatever is asked for; caches go to a temporary folder."""
    model = Model(nets.net("llama"), nets.tokenizer(), "tiny")
    monkeypatch.setattr(opens, "open", lambda what, **_: model)
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    rows = [
        f"the {a} of {b} is {q} {e},{int(q == 'good')},{a}"
        for a in ("river", "sea", "film", "mountain")
        for b in ("Paris", "London")
        for q in ("good", "bad")
        for e in (".", "!")
    ]
    (tmp_path / "mine.csv").write_text("text,nice,who\n" + "\n".join(rows) + "\n")
    return model


MAKE = ("vector", "m", "mine.csv", "--group", "who")


def test_a_vector_is_made_and_read_back(tiny, tmp_path):
    result = call(*MAKE, "--to", "v.gguf")
    assert result.exit_code == 0, result.output
    assert "v.gguf: a steering vector for tiny, from nice = 0 to nice = 1" in result.stdout
    assert "AUC along the vector" in result.stdout
    assert "Try it: inscape steer m v.gguf" in result.stdout
    made = SteeringVector.load(tmp_path / "v.gguf")
    assert list(made.vectors) == [1]
    assert made.card["label"] == "nice"
    found = json.loads(
        call(*MAKE, "--to", "v.safetensors", "--layers", "*", "--method", "lda", "--json").stdout
    )
    assert found["blocks"] == [0, 1, 2]
    assert 0 <= found["value"] <= 1


def test_completions_stand_side_by_side(tiny, tmp_path):
    SteeringVector({1: 3 * np.ones(nets.D), 2: np.ones(nets.D)}, "llama").save(tmp_path / "v.gguf")
    line = (
        "steer",
        "m",
        "v.gguf",
        "--prompt",
        "the river",
        "--prompt",
        "a [good] film",
        "--max-new-tokens",
        "5",
    )
    result = call(*line, "--strength", "4,8")
    assert result.exit_code == 0, result.output
    for name in (
        "the river",
        "a [good] film",
        "baseline",
        "strength 4",
        "strength 8",
        "random vector, 8",
    ):
        assert name in result.stdout
    again = json.loads(call(*line, "--json").stdout)
    assert [entry["prompt"] for entry in again] == ["the river", "a [good] film"]
    call(*line, "--to", "steer.html")
    assert "strength 4" in (tmp_path / "steer.html").read_text()
    said = again[0]["completions"]
    assert list(said) == ["baseline", "strength 4", "strength 8", "random vector, 8"]
    assert len(set(said.values())) > 1
    assert json.loads(call(*line, "--json").stdout) == again
    assert said["baseline"] == tiny.generate("the river", 5, temperature=0.8)[0]
    other = json.loads(call(*line, "--no-random", "--seed", "1", "--strength=-4", "--json").stdout)[
        0
    ]["completions"]
    assert list(other) == ["baseline", "strength -4"]
    assert other["baseline"] != said["baseline"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("steer", "m", "v.gguf", "--prompt", "a", "--strength", "0,4"), "numbers other than 0"),
        (("steer", "m", "v.gguf", "--prompt", "a", "--strength", "x"), "numbers other than 0"),
        (("steer", "m", "v.gguf", "--prompt", "a", "--phase", "later"), "all, prompt or generated"),
        ((*MAKE, "--to", "v.npz"), "a file that ends in .gguf or .safetensors"),
        ((*MAKE, "--to", "v.gguf", "--method", "guess"), "difference, pca, logistic or lda"),
        (("audit", "m", "v.gguf", "--data", "mine.csv", "--score", "looks"), "words or said"),
        (("audit", "m", "v.gguf", "--data", "mine.csv", "--at", "3"), "one of the strengths"),
    ],
)
def test_a_wrong_option_is_a_sentence(tiny, line, said):
    result = call(*line)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_vector_that_is_not_there_or_does_not_fit_is_a_sentence_with_its_cure(tiny, tmp_path):
    result = call("steer", "m", "none.gguf", "--prompt", "a")
    assert result.exit_code == 1
    assert "there is no file none.gguf" in result.stderr
    SteeringVector({1: np.ones(5)}).save(tmp_path / "small.gguf")
    result = call("steer", "m", "small.gguf", "--prompt", "a")
    assert result.exit_code == 1
    assert "has 5 numbers a block" in result.stderr
    assert "make one with 'inscape vector'" in result.stderr
    assert "column 'mood'" in call(*MAKE, "--label", "mood", "--to", "v.gguf").stderr


def test_audit_hands_on_what_was_typed_and_ends_with_the_report(monkeypatch, tmp_path):
    asked = {}

    def run_study(slug, preset, out, seed, changes, model, data):
        asked.update(changes, slug=slug, model=model, data=data, seed=seed)
        return tmp_path / "run"

    monkeypatch.setattr(runner, "run_study", run_study)
    monkeypatch.setattr("inscape.cli.audit.drawn_report", lambda path: path / "report.html")
    found = {"answer": "It moves.", "claims": [], "warnings": [], "path": "run"}
    monkeypatch.setattr("inscape.cli.audit.outcome", lambda path: dict(found))
    line = (
        "audit",
        "m",
        "v.gguf",
        "--data",
        "mine.csv",
        "--label",
        "nice",
        "--score",
        "said",
        "--strength",
        "2,4",
    )
    result = call(*line, "--also", "who", "--set", "texts=10", "--seed", "3")
    assert result.exit_code == 0, result.output
    assert "It moves." in result.stdout
    assert "report.html" in result.stdout
    assert SimpleNamespace(**asked).strengths == (2.0, 4.0)
    expected = {
        "slug": "audit",
        "vector": "v.gguf",
        "say": (),
        "label": "nice",
        "also": "who",
        "texts": "10",
        "seed": 3,
        "judged": 4.0,
        "data": "mine.csv",
    }
    assert {name: asked[name] for name in expected} == expected
