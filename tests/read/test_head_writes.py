"""What heads write: the parts sum to what the stream holds, each is what taking its head away takes
away.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tests.model import nets

from inscape.core.edit import Replace, Scope
from inscape.core.errors import DataError, ModelError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.read.head_writes import head_writes, writes_apart

TEXTS = ["the river , of Paris is good .", "a sea of London , is bad", "Paris . good"]
DIRECTIONS = np.linalg.qr(np.random.default_rng(0).normal(size=(nets.D, 3)))[0].T


def stops(tokens, _spans):
    return np.isin(tokens.ids, [nets.tokenizer().convert_tokens_to_ids(c) for c in ",."])


@pytest.fixture(scope="module", params=["llama", "gpt2", "neox"])
def model(request):
    return Model(nets.net(request.param), nets.tokenizer())


@pytest.fixture(scope="module")
def examples():
    return Examples(pd.DataFrame({"text": TEXTS}), "text")


def test_parts_sum_to_the_stream_but_for_what_all_texts_share(model, examples):
    found = head_writes(model, examples, 1, DIRECTIONS, stops, budget=12)
    assert found.heads.shape == (3, nets.LAYERS, nets.HEADS, 3)
    assert not found.heads[:, 2].any()
    assert not found.mlps[:, 2].any()
    embedded = head_writes(model, examples, -1, DIRECTIONS, stops).stream
    written = found.heads.sum(axis=(1, 2)) + found.mlps.sum(axis=1)
    rest = (
        found.stream - embedded - written
    )  # biases of the output projections: one number a direction
    assert np.allclose(rest, rest[:1], atol=1e-4)
    assert np.ptp(found.stream, axis=0).min() > 0.05


def test_a_head_is_what_is_missing_without_it(model, examples):
    found = head_writes(model, examples, 0, DIRECTIONS, stops)
    tokens = model.tokenize(TEXTS[1:2])
    gone = Replace(Scope("z.0.2"), torch.zeros(1))
    runs = [model.run(tokens, "attn_out.0", edits=e)["attn_out.0"] for e in (None, gone)]
    missing = ((runs[0] - runs[1])[0, 4].double().numpy()) @ DIRECTIONS.T
    assert stops(tokens[0], {})[4]
    assert np.allclose(found.heads[1, 0, 2], missing, atol=1e-5)
    assert np.abs(missing).max() > 1e-3


def test_refusals(examples):
    llama = Model(nets.net("llama"), nets.tokenizer())
    assert writes_apart(llama)
    gemma = Model(nets.net("gemma3"), nets.tokenizer())
    assert not writes_apart(gemma)
    assert not writes_apart(Model(torch.nn.Linear(2, 2)))
    with pytest.raises(ModelError, match="a norm stands between heads and stream"):
        head_writes(gemma, examples, 0, DIRECTIONS, stops)
    bare = Examples(pd.DataFrame({"text": ["the sea"]}), "text")
    with pytest.raises(
        DataError, match="1 texts have no token of the kind that is looked at, such as 'the sea'"
    ):
        head_writes(llama, bare, 0, DIRECTIONS, stops)
