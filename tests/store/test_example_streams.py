"""Streams are harvested as the list of what they give would be, and much text lies in a file."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from torch import nn

from inscape.core.errors import DataError
from inscape.data import gathered
from inscape.data.load import load
from inscape.model.model import Model
from inscape.store.example_streams import materialise
from inscape.store.harvest import harvest
from inscape.store.moments import moments
from tests.store.conftest import llama, sentences

SITE = "resid_post.1"


@pytest.fixture(scope="module")
def model():
    return llama()


@pytest.fixture(scope="module")
def texts():
    return sentences().frame["text"].tolist()


@pytest.fixture(scope="module")
def wanted(model, texts, tmp_path_factory):
    return harvest(model, texts, SITE, to=tmp_path_factory.mktemp("w") / "s").matrix(SITE)


def rows(texts):
    return [{"text": t, "length": len(t)} for t in texts]


STREAMS = {
    "an iterator": iter,
    "a generator": lambda texts: (t for t in texts),
    "rows": lambda texts: iter(rows(texts)),
    "a data set": lambda texts: datasets.Dataset.from_list(rows(texts)),
    "a streamed data set": lambda texts: datasets.Dataset.from_list(
        rows(texts)
    ).to_iterable_dataset(),
    "messages": lambda texts: ([{"role": "user", "content": t}] for t in texts),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_gives_what_its_list_gives(tmp_path, model, texts, wanted, kind, monkeypatch):
    monkeypatch.setattr(
        type(model.tokenizer),
        "apply_chat_template",
        lambda self, turns, **_: turns[0]["content"],
        raising=False,
    )
    if kind == "messages":
        model.tokenizer.chat_template = "{{ messages[0]['content'] }}"
    try:
        found = harvest(model, STREAMS[kind](texts), SITE, to=tmp_path / "s")
    finally:
        model.tokenizer.chat_template = None
    np.testing.assert_allclose(found.matrix(SITE), wanted, atol=1e-6)


@pytest.mark.parametrize("kind", ["arrays", "lists", "tokens", "rows"])
def test_ids_that_come_one_by_one(tmp_path, model, texts, wanted, kind):
    tokens = model.tokenize(texts)
    stream = {
        "arrays": (t.ids for t in tokens),
        "lists": (t.ids.tolist() for t in tokens),
        "tokens": iter(tokens),
        "rows": ({"input_ids": t.ids.tolist()} for t in tokens),
    }[kind]
    found = harvest(model, stream, SITE, to=tmp_path / "s").matrix(SITE)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_moments_of_a_stream_and_labels_of_a_loaded_one(model, texts, wanted):
    kept = moments(model, iter(texts), SITE).site(SITE)
    np.testing.assert_allclose(kept.mean, wanted.mean(0), atol=1e-6)
    stream = datasets.Dataset.from_list(rows(texts)).to_iterable_dataset()
    examples = load(stream, input="text", limit=9)
    assert len(examples) == 9
    assert examples.labels == ("length",)
    assert examples.target("length")[:, 0].tolist() == [len(t) for t in texts[:9]]
    assert moments(model, examples, SITE, labels=["length"]).targets is not None


def test_much_text_of_a_stream_lies_in_a_file(monkeypatch):
    monkeypatch.setattr(gathered, "HELD", 1000)
    made = []
    real = gathered.Scratch
    monkeypatch.setattr(gathered, "Scratch", lambda *a: made.append(1) or real(*a))
    examples = load({"text": f"text number {i}"} for i in range(10_000))
    assert made
    assert examples.frame["text"].iloc[[0, 9_999]].tolist() == ["text number 0", "text number 9999"]


def broken():
    yield "a text"
    raise OSError("the line is dead")


def test_refusals(model):
    with pytest.raises(DataError, match="there are no examples to harvest"):
        harvest(model, iter([]), SITE)
    with pytest.raises(DataError, match="there are no rows"):
        load(iter([]))
    with pytest.raises(DataError, match="stopped after 1 .the line is dead.; check where it comes"):
        harvest(model, broken(), SITE)
    with pytest.raises(DataError, match="row 1 of the stream is a int; give texts, or mappings"):
        harvest(model, iter(["a text", 3]), SITE)
    for wrong in (2**31, -1):
        with pytest.raises(
            DataError, match=f"example 1 of the stream has the token id {wrong}, which no tokenizer"
        ):
            harvest(model, iter([[1, 2], [3, wrong]]), SITE)
    with pytest.raises(
        DataError, match=r"example 1 of the stream is an array of float64 .*token ids"
    ):
        harvest(model, iter([[1, 2], [0.5]]), SITE)
    with pytest.raises(DataError, match="a int holds no examples; give texts"):
        materialise(model, 3)
    plain = Model(nn.Sequential(nn.Linear(3, 2)), None, "plain")
    with pytest.raises(DataError, match="plain takes arrays, and a stream of them has no length"):
        harvest(plain, iter([torch.zeros(3)]), "module:0:out")
