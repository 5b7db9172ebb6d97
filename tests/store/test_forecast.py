"""A forecast says what the harvest then takes: tokens exactly, bytes within a fifth; past the disk,
what to ask for.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from inscape.core.errors import DataError, StoreError
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.data.positions import resolve
from inscape.model.model import Model
from inscape.model.open import open as open_model
from inscape.store import forecast as forecasts
from inscape.store import forecast_timing
from inscape.store.forecast import forecast
from inscape.store.harvest import harvest

from .conftest import sentences, tokenizer

SITES = "embed, resid_post.*"


@pytest.fixture(scope="module")
def wide():
    """A Llama of width 256, so that vectors outweigh what travels beside them."""
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=256,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = LlamaForCausalLM(config).eval()
    return Model(net, tokenizer(), "wide")


def size(folder) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


@pytest.mark.parametrize(
    "options",
    [
        {"at": "all"},
        {},
        {"at": "all", "dtype": "bfloat16", "shard_bytes": 100_000},
        {"at": "mean", "budget": 30},
    ],
)
def test_what_it_says_is_what_happens(wide, tmp_path, options):
    examples = sentences(60)
    said = forecast(wide, examples, SITES, to=tmp_path / "s", **options)
    assert list(tmp_path.iterdir()) == []  # nothing is left of the sample
    told = []
    store = harvest(
        wide, examples, SITES, to=tmp_path / "s", progress=lambda *now: told.append(now), **options
    )
    assert said.padded_tokens == told[-1][3] == told[-1][2]
    assert said.tokens == sum(len(t) for t in wide.tokenize(examples.texts()))
    assert (said.rows, said.examples, said.shards) == (
        len(store),
        60,
        len(store.manifest["shards"]),
    )
    assert said.sites == {str(s): store.width(s) for s in store.sites}
    assert said.bytes == pytest.approx(size(tmp_path / "s"), rel=0.2)
    assert said.fits
    assert said.instead == ()
    assert 0 < said.measured.batches <= 6
    assert 0 < said.measured.tokens <= said.padded_tokens
    assert said.seconds > said.pass_seconds > 0
    assert json.loads(json.dumps(said.to_dict()))["rows"] == len(store)


def test_the_table_of_the_examples_is_counted_once(wide, tmp_path, monkeypatch):
    frame = pd.DataFrame({"text": [f"w{i % 50} w{i // 50}" for i in range(300)]})
    frame["about"] = [f"{i} a long label " * 40 for i in range(300)]
    examples = Examples(frame, "text", ("about",))
    monkeypatch.setattr(
        forecast_timing, "_WRITTEN", 2000
    )  # of 300 kB of vectors beside 200 kB of labels
    said = forecast(wide, examples, "embed", to=tmp_path / "s")
    harvest(wide, examples, "embed", to=tmp_path / "s", progress=False)
    table = next((tmp_path / "s").glob("examples-*.arrow")).stat().st_size
    assert size(tmp_path / "s") > 2 * table > 300_000
    assert said.bytes == pytest.approx(size(tmp_path / "s"), rel=0.2)


def test_an_object_store_cannot_be_measured(wide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="memory://plans/s is an object store, whose room and"):
        forecast(wide, sentences(8), "embed", to="memory://plans/s")
    assert list(tmp_path.iterdir()) == []


def test_prefixes_are_counted_once_and_timed_apart(wide, tmp_path):
    heads = ["w1 w2 w3 " * 12, "w4 w5 " * 15]
    texts = [f"{heads[i % 2]} w{i % 50} w{i // 2}" for i in range(80)]
    whole, said = (
        forecast(wide, texts, SITES, to=tmp_path / "s", prefix=share) for share in (False, True)
    )
    assert said.padded_tokens < whole.padded_tokens / 5
    told = []
    harvest(wide, texts, SITES, to=tmp_path / "s", progress=lambda *now: told.append(now))
    assert (
        said.padded_tokens == told[-1][3] + 37 + 31
    )  # the two prefixes, which no shard counts as its own
    assert said.pass_seconds < whole.pass_seconds


def test_seconds_are_those_of_every_stratum(wide, monkeypatch):
    """With a clock that a pass moves by 2 s and a token by 10 ms, the sample finds that of all
    batches.
    """
    now = [0.0]
    original = forecast_timing.capture

    def capture(model, inputs, sites, span, **settings):
        now[0] += 2 + 0.01 * int(inputs.lengths.max()) * len(inputs)
        return original(model, inputs, sites, span, **settings)

    monkeypatch.setattr(forecast_timing, "capture", capture)
    monkeypatch.setattr(forecast_timing.time, "perf_counter", lambda: now[0])
    examples = sentences(200)
    said = forecast(wide, examples, "embed", budget=60, limit=1e9)
    truth = 2 * said.batches + 0.01 * said.padded_tokens
    assert said.batches > 20
    assert said.pass_seconds == pytest.approx(truth, rel=0.1)
    assert said.measured.batches == 6
    hurried = forecast(wide, examples, "embed", budget=60, limit=0.0)
    assert hurried.measured.batches == 1
    assert hurried.pass_seconds == pytest.approx(truth, rel=0.5)
    assert forecast(wide, examples, "embed", budget=60, strata=1).measured.batches == 1


def test_past_the_free_disk_it_says_what_to_ask_for(wide, monkeypatch, tmp_path):
    plenty = forecast(wide, sentences(60), SITES, at="all", to=tmp_path / "s")
    monkeypatch.setattr(forecasts, "free_disk", lambda path: plenty.bytes * 2 // 5)
    said = forecast(wide, sentences(60), SITES, at="all", to=tmp_path / "s")
    assert not said.disk_suffices
    assert not said.fits
    found = {option.ask: option for option in said.instead}
    assert list(found) == [
        "bfloat16 on disk",
        "at last instead of all",
        "1 of the 3 sites",
        "moments instead of vectors",
    ]
    assert [option.fits for option in said.instead] == [
        False,
        True,
        True,
        said.instead[3].bytes < plenty.bytes * 2 // 5,
    ]
    assert found["bfloat16 on disk"].bytes == pytest.approx(
        size_of(wide, "bfloat16", "all", tmp_path / "a"), rel=0.25
    )
    assert found["at last instead of all"].bytes == pytest.approx(
        size_of(wide, "float32", "last", tmp_path / "b"), rel=0.25
    )


def size_of(model, dtype, at, folder):
    harvest(model, sentences(60), SITES, at=at, dtype=dtype, to=folder)
    return size(folder)


def test_past_the_free_memory_it_says_so(wide, monkeypatch):
    monkeypatch.setattr(forecasts, "free_memory", lambda: 1000)
    said = forecast(wide, sentences(60), SITES, at="all")
    assert said.disk_suffices
    assert not said.memory_suffices
    assert not said.fits
    assert [option.ask for option in said.instead] == ["shard_bytes=125"]
    twice = len(
        resolve("all", wide.tokenize(sentences(60).texts()[7:8])[0])
    )  # is example 3 again, and kept once
    assert said.more_memory == (said.rows - twice) * 3 * 256 * 4
    monkeypatch.setattr(forecasts, "free_memory", lambda: None)
    assert forecast(wide, sentences(60), SITES, at="all").fits


def test_a_folder_that_cannot_be_written_is_a_problem(wide, tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(forecast_timing, "workplace", refused)
    said = forecast(wide, sentences(), "embed", to=tmp_path / "s")
    assert "cannot write to" in said.problem
    assert "Permission denied" in said.problem
    assert not said.fits
    assert said.bytes == pytest.approx(40 * 256 * 4, rel=0.1)


def test_no_examples_and_arrays(wide):
    with pytest.raises(DataError, match="no examples to harvest"):
        forecast(wide, [], "embed")
    net = Model(torch.nn.Sequential(torch.nn.Linear(3, 4)).eval(), name="linear")
    said = forecast(net, np.ones((10, 3), dtype=np.float32), "module:0:out")
    assert (said.rows, said.tokens, said.padded_tokens) == (
        10,
        10,
        1,
    )  # ten identical rows are computed once
    assert said.sites == {"module:0:out": 4}


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "count", "at"), [("minilm-l6", 1000, "all"), ("smollm2-135m", 200, "last")]
)
def test_seconds_of_a_real_model(tmp_path, name, count, at):
    """Within a fifth, at the best of three: the load of other programs is not foreseen, a wrong
    formula fails them all.
    """
    model, examples = open_model(name), load("cities", limit=count)
    ratios = []
    for folder in (tmp_path / "0", tmp_path / "1", tmp_path / "2"):
        said = forecast(model, examples, "resid_post.*", at=at, to=folder)
        start = time.perf_counter()
        harvest(model, examples, "resid_post.*", at=at, to=folder)
        ratios.append(said.seconds / (time.perf_counter() - start))
        assert said.bytes == pytest.approx(size(folder), rel=0.2)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
        assert said.memory == pytest.approx(peak, rel=0.2)
    assert min(abs(ratio - 1) for ratio in ratios) < 0.2, ratios
