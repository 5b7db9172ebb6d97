"""plan hands on what was typed, prints what was found, and ends with 1 where it does not fit."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from inscape.cli.main import app
from inscape.store import forecast as forecasts
from inscape.store.forecast import Forecast, Instead, Measured

from .test_models import call, fake_model  # noqa: F401

FOUND = Forecast(
    model="fake",
    at="all",
    dtype="float32",
    sites={"resid_post.0": 8, "resid_post.1": 8},
    folder="mine.store",
    examples=2,
    rows=12,
    tokens=1400,
    padded_tokens=1500,
    batches=10,
    shards=3,
    bytes=2_340_000,
    memory=900_000_000,
    more_memory=99_000,
    seconds=6000.0,
    prepare_seconds=1.0,
    pass_seconds=150.0,
    write_seconds=0.5,
    free_disk=5_000_000_000_000,
    free_memory=None,
    measured=Measured(6, 700, 70.0, 1_000_000, 0.2),
    instead=(),
)


@pytest.fixture
def planned(fake_model, monkeypatch, tmp_path):  # noqa: F811
    """A forecast that is given, and what was asked for it."""
    asked = {"found": FOUND}

    def forecast(model, examples, sites, **options):
        asked.update(options, sites=sites, examples=examples, model=model.name)
        return asked["found"]

    monkeypatch.setattr(forecasts, "forecast", forecast)
    file = tmp_path / "mine.csv"
    file.write_text("line,stars\ngood film,5\nbad film,1\nfine,3\n")
    asked["line"] = [
        "plan",
        "m",
        str(file),
        "--input",
        "line",
        "--labels",
        "stars",
        "--limit",
        "2",
        "--at",
        "all",
    ]
    return asked


def test_plan_hands_on_what_was_typed_and_prints(planned):
    more = [
        "--to",
        "mine.store",
        "--store-dtype",
        "bfloat16",
        "--prompt",
        "It is {}",
        "--sites",
        "embed",
    ]
    result = call(*planned["line"], *more)
    assert result.exit_code == 0, result.output
    assert (planned["at"], planned["to"], planned["dtype"]) == (
        "all",
        "mine.store",
        "bfloat16",
    )
    assert (planned["prompt"], planned["sites"], planned["model"]) == ("It is {}", "embed", "fake")
    assert (len(planned["examples"]), planned["examples"].labels) == (2, ("stars",))
    said = " ".join(result.stdout.split())
    assert "fake: 2 sites, 12 rows of 2 examples at all, float32" in said
    assert "tokens 1,400 (1,500 computed, in 10 batches)" in said
    assert "disk 2.3 MB; free: 5.0 TB at mine.store" in said
    assert "memory 900 MB at its peak, 99.0 kB more than now; free: unknown" in said
    assert (
        "time 1.7 h: 1.0 s to prepare, 2 min of passes (10 tokens/s), beside them 0.5 s of writing"
        in said
    )
    assert (
        "Measured: 6 of 10 batches, 700 tokens in 70.0 s; 1.0 MB written and removed in 0.2 s."
        in said
    )
    assert "Ask for less" not in said


def test_what_does_not_fit_ends_with_1_and_says_what_would(planned):
    planned["found"] = replace(
        FOUND, free_disk=1_500_000, instead=(Instead("bfloat16 on disk", 1_170_000, True),)
    )
    result = call(*planned["line"])
    assert result.exit_code == 1
    assert "Not enough disk. Ask for less:" in result.stdout
    assert "bfloat16 on disk  1.2 MB  fits" in result.stdout
    planned["found"] = replace(
        FOUND, free_memory=10, instead=(Instead("shard_bytes=1", 99, False),)
    )
    result = call(*planned["line"], "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["instead"] == [
        {"ask": "shard_bytes=1", "bytes": 99, "fits": False}
    ]
    assert "Not enough memory." in call(*planned["line"]).stdout
    planned["found"] = replace(FOUND, problem="cannot write to mine.store: it is read-only.")
    result = call(*planned["line"])
    assert result.exit_code == 1
    assert "Cannot write to mine.store: it is read-only." in result.stdout


def test_json_is_the_forecast(planned):
    found = json.loads(call(*planned["line"], "--json").stdout)
    assert (found["rows"], found["fits"], found["measured"]["batches"]) == (12, True, 6)
    assert found["sites"] == {"resid_post.0": 8, "resid_post.1": 8}


@pytest.mark.parametrize("command", ["plan", "harvest"])
def test_a_dtype_that_no_store_has_is_a_sentence(planned, command):
    result = CliRunner().invoke(
        app, [command, *planned["line"][1:], "--store-dtype", "int8"], prog_name="inscape"
    )
    assert result.exit_code == 2
    assert "float32, bfloat16 or float16, not 'int8'" in result.stderr


def test_chat_sets_each_text_into_the_models_own_template(planned, fake_model):  # noqa: F811
    class Words:
        chat_template = "yes"

        def apply_chat_template(self, messages, **_):
            return f"<user>{messages[0]['content']}</user>"

    fake_model.tokenizer = Words()
    call(*planned["line"], "--chat")
    assert planned["prompt"] == "<user>{}</user>"
    call(*planned["line"], "--chat", "--prompt", "Is {} true?")
    assert planned["prompt"] == "<user>Is {} true?</user>"
    fake_model.tokenizer.chat_template = None
    result = call(*planned["line"], "--chat")
    assert result.exit_code == 1
    assert "has no chat template" in result.stderr
