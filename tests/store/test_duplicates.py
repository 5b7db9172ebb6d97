"""Identical inputs are computed once and kept once, wherever they come, and read as if each had
been computed.
"""

from __future__ import annotations

import copy
import doctest

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.errors import StoreError
from inscape.data.examples import Examples
from inscape.data.positions import resolve
from inscape.store import duplicates, sharding
from inscape.store import manifest as manifests
from inscape.store import writer as writers
from inscape.store.array_inputs import ArrayInputs
from inscape.store.capture import capture, widths
from inscape.store.duplicates import deduplicate
from inscape.store.engines.part import Part, cut
from inscape.store.forecast import forecast
from inscape.store.harvest import harvest
from inscape.store.moments import moments
from inscape.store.prepare_inputs import prepare_inputs
from inscape.store.store import Store
from inscape.store.subset_inputs import SubsetInputs

from .conftest import close_to_rounding, llama, sentences

#: each example's distinct input: repetitions near, far, and of the first at the very end
WHICH = np.array([0, 1, 2, 1, 3, 4, 0, 5, 6, 7, 7, 7, 8, 2, 9, 10, 11, 3, 12, 13, 0])
DISTINCT = sentences(20).take([i for i in range(20) if i != 7][:14])
OPTIONS = {"sites": "embed, resid_post.*", "at": "all", "shard_bytes": 6_000, "budget": 64}


@pytest.fixture(scope="module")
def twice() -> Examples:
    frame = DISTINCT.frame.iloc[WHICH].reset_index(drop=True)
    frame["x"], frame["kind"] = np.arange(len(WHICH)) * 1.5, ["a", "b", "c"] * 7
    return Examples(frame, "text", ("x", "kind"), group="group", spans={"head": ("from", "to")})


@pytest.fixture(scope="module")
def whole(model, twice, tmp_path_factory) -> Store:
    return harvest(model, twice, to=tmp_path_factory.mktemp("twice") / "s", **OPTIONS)


@pytest.fixture(scope="module")
def once(model, tmp_path_factory) -> Store:
    return harvest(model, DISTINCT, to=tmp_path_factory.mktemp("once") / "s", **OPTIONS)


def expected(once: Store, site: object) -> np.ndarray:
    """Rows of the distinct inputs, put in the examples' order the slow clear way."""
    example, x = once.frame()["example"].to_numpy(), once.matrix(site)
    return np.concatenate([x[example == i] for i in WHICH])


def test_each_is_computed_once_over_all_shards(model, twice, tmp_path, monkeypatch):
    seen: list[bytes] = []
    run = model.run

    def counting(batch, **k):
        for ids, mask in zip(
            batch.inputs["input_ids"], batch.inputs["attention_mask"], strict=True
        ):
            seen.append(ids[mask.bool()].numpy().tobytes())
        return run(batch, **k)

    monkeypatch.setattr(model, "run", counting)
    store = harvest(model, twice, to=tmp_path / "s", **OPTIONS)
    assert len(store.manifest["shards"]) > 4
    assert len(twice) == 21
    assert len(seen) == len(set(seen)) == 14


def test_the_rows_are_those_of_the_distinct_inputs_to_the_bit(whole, once):
    for site in whole.sites:
        assert whole.matrix(site).tobytes() == expected(once, site).tobytes()
    assert whole.manifest["rows"] == len(once) < len(whole) == len(whole.matrix("embed"))
    assert once.manifest["rows_with_repeats"] is None
    held = [sum(f.stat().st_size for f in (s.path / "data").iterdir()) for s in (whole, once)]
    assert held[0] == held[1]


def test_the_frame_is_of_the_examples(model, twice, whole):
    frame = whole.frame()
    tokens = model.tokenize(twice.texts())
    kept = [resolve("all", t) for t in tokens]
    assert frame["example"].tolist() == [i for i, at in enumerate(kept) for _ in at]
    assert frame["position"].tolist() == [p for at in kept for p in at]
    assert frame["token"].tolist() == [
        int(t.ids[p]) for t, at in zip(tokens, kept, strict=True) for p in at
    ]
    assert list(frame.columns) == ["example", "position", "token", "id", "group", "x", "kind"]
    for name in ("x", "kind", "group"):
        assert frame[name].tolist() == twice.frame[name].iloc[frame["example"]].tolist()


def test_rows_and_batches_are_those_of_the_matrix(whole, monkeypatch):
    x = whole.matrix("resid_post.1")
    rows = np.random.default_rng(0).integers(0, len(x), 50)
    assert np.array_equal(whole.take("resid_post.1", rows), x[rows])
    monkeypatch.setattr("inscape.store.store._BLOCK_BYTES", 900)
    for shuffle in (None, np.random.default_rng(1)):
        seen = []
        for block in whole.batches(["embed", "resid_post.1"], 7, shuffle):
            assert np.array_equal(block.vectors["resid_post.1"], x[block.rows])
            seen += block.rows.tolist()
        assert sorted(seen) == list(range(len(x)))
        assert (seen == sorted(seen)) == (shuffle is None)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("count", [1, 2, 4])
def test_stopped_and_gone_on_with_it_is_the_same_store(
    model, twice, whole, tmp_path, monkeypatch, count
):
    commit, done = writers.Writer._commit, []

    def dies(self, entry):
        if len(done) == count:
            raise Killed
        done.append(entry)
        commit(self, entry)

    with monkeypatch.context() as patch:
        patch.setattr(writers.Writer, "_commit", dies)
        with pytest.raises(Killed):
            harvest(model, twice, to=tmp_path / "s", **OPTIONS)
    assert len(manifests.read(tmp_path / "s")["shards"]) == count
    again = harvest(model, twice, to=tmp_path / "s", **OPTIONS)
    assert manifests.files(again.manifest) == manifests.files(whole.manifest)
    assert again.verify() == []
    assert again.frame().equals(whole.frame())


def test_sites_are_added_to_what_is_kept_once(model, twice, tmp_path):
    store = harvest(model, twice, to=tmp_path / "s", **{**OPTIONS, "sites": "embed"})
    store = store.add(model, twice, "resid_post.2")
    both = harvest(
        model, twice, to=tmp_path / "both", **{**OPTIONS, "sites": "embed, resid_post.2"}
    )
    close_to_rounding(store.matrix("resid_post.2"), both.matrix("resid_post.2"))
    assert store.verify() == []
    file = next(iter(store.manifest["shards"][1]["files"]))
    (store.path / file).unlink()
    (said,) = store.verify()
    assert said.startswith("shard 1 (distinct inputs ")


def test_moments_count_every_row(model, twice, whole, monkeypatch):
    found = moments(
        model,
        twice,
        "resid_post.1",
        at="all",
        labels=["x"],
        classes="kind",
        shard_bytes=6_000,
        budget=64,
    )
    x, frame = whole.matrix("resid_post.1").astype(np.float64), whole.frame()
    assert len(found) == len(x)
    # the vectors of both come out of batches of other shapes: float32 sums of some 200 terms
    rounding = 1.2e-5 * np.abs(x).max()
    np.testing.assert_allclose(found.site("resid_post.1").mean, x.mean(0), atol=rounding)
    np.testing.assert_allclose(
        found.site("resid_post.1").scatter, (x - x.mean(0)).T @ (x - x.mean(0)), atol=1e-4
    )
    for name, part in found.by_class("resid_post.1").items():
        own = x[(frame["kind"] == name).to_numpy()]
        assert part.n == len(own)
        np.testing.assert_allclose(part.mean, own.mean(0), atol=rounding)
    y = frame["x"].to_numpy()
    cross = (x - x.mean(0)).T @ (y - y.mean())[:, None]
    np.testing.assert_allclose(found.labels["resid_post.1"].cross, cross, atol=1e-4)
    assert found.parts[0]["examples"] == 21


def test_a_plan_counts_what_is_computed_and_what_is_read(model, twice, whole, once):
    said = forecast(model, twice, OPTIONS["sites"], at="all", shard_bytes=6_000, budget=64)
    alone = forecast(model, DISTINCT, OPTIONS["sites"], at="all", shard_bytes=6_000, budget=64)
    assert (said.examples, said.rows, said.shards) == (21, len(whole), len(once.manifest["shards"]))
    assert said.padded_tokens == alone.padded_tokens
    assert said.tokens > alone.tokens


def test_errors_name_the_example_that_was_given(twice):
    broken = llama(3)
    word = int(broken.tokenize([twice.texts()[8]])[0].ids[-1])
    assert not any(word in t.ids for t in broken.tokenize([twice.texts()[i] for i in range(8)]))
    broken.net.get_input_embeddings().weight.data[word] = float("nan")
    with pytest.raises(StoreError, match="NaN or infinite in the batch with example 8;"):
        harvest(broken, twice, "embed", at="last", budget=1, shard_bytes=1)


def test_a_part_of_some_is_the_same_shard(model, twice):
    sites = model.select("embed, resid_post.1")
    inputs, which = deduplicate(prepare_inputs(model, twice, "all", None, sites))
    assert isinstance(inputs, SubsetInputs)
    assert which is not None
    assert np.array_equal(which, WHICH)
    settings = {
        "wide": widths(model, inputs, sites),
        "dtype": "float32",
        "budget": 64,
        "overhead": 8,
    }
    settings |= {"nonfinite": "refuse", "report": lambda *_: None}
    here = capture(model, inputs, sites, (5, 9), **settings)
    part = Part(copy.deepcopy(cut(inputs, (5, 9))))
    there = capture(model, part, sites, (5, 9), **settings)
    assert part.number(6) == inputs.number(6) == 8
    assert np.array_equal(here.example, there.example)
    assert all(torch.equal(x, there.vectors[site]) for site, x in here.vectors.items())


def test_inputs_that_are_all_distinct_are_left_as_they_are(model):
    inputs = prepare_inputs(model, DISTINCT, "last", None, [])
    assert deduplicate(inputs) == (inputs, None)


def test_positions_kept_tell_inputs_apart(model):
    frame = pd.DataFrame({"text": ["w1 w2 w3"] * 3, "from": [0, 3, 0], "to": [2, 5, 2]})
    examples = Examples(frame, "text", spans={"word": ("from", "to")})
    inputs, which = deduplicate(prepare_inputs(model, examples, "span:word", None, []))
    assert which is not None
    assert which.tolist() == [0, 1, 0]
    assert len(inputs) == 2


def test_arrays_of_bfloat16_are_cut_too():
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    part = ArrayInputs(x, "last").cut(np.array([4, 1]))
    assert torch.equal(part.arrays[""], x[[4, 1]])
    assert part.key(1) == ArrayInputs(x, "last").key(1)
    assert len(part) == 2


def test_a_shard_of_large_arrays_has_few_of_them():
    assert sharding.shard_rows(100, 32 << 20) == (32 << 20) // 100
    assert sharding.shard_rows(100, 32 << 20, 600_000) == (128 << 20) // 600_000
    large = np.broadcast_to(np.float32(0), (3, 3, 224, 224))
    few, many = (ArrayInputs(large, at, 197).shard_rows(100, 1 << 40) for at in ("last", "all"))
    assert few == 222
    assert many == pytest.approx(222 * 197, rel=0.01)
    assert sharding.shard_rows(100, 10) == sharding.shard_rows(100, 1000, 1 << 40) == 1


def test_examples_in_docstrings():
    assert doctest.testmod(duplicates).attempted > 0
    assert doctest.testmod(duplicates).failed == 0
