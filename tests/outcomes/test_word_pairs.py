"""Concepts as word pairs: which pairs count, and log-odds under edits."""

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.outcomes.word_pairs import WordPairs

ROWS = [
    *(("one", f"w{i}", f"w{i + 10}") for i in range(4)),
    *(("two", f"w{i}", f"w{i + 20}") for i in range(4)),
    ("two", "w1", "w1"),  # no pair
    ("two", "w1 w2", "w3"),  # no single token
    *(("few", f"w{i}", f"w{i + 5}") for i in range(2)),
]


@pytest.fixture
def table():
    frame = pd.DataFrame(ROWS, columns=["concept", "first", "second"]).assign(
        text=lambda f: f["first"]
    )
    return Examples(frame, "text", ("concept",), "first")


def test_only_pairs_of_two_single_tokens_count(model, table):
    pairs = WordPairs.of(model, table, least=3)
    assert pairs.concepts == ("one", "two")
    assert np.array_equal(pairs.concept, np.repeat([0, 1], 4))
    assert np.array_equal(pairs.rows, np.arange(8))
    assert model.tokenizer.decode(pairs.tokens[5]).split() == ["w1", "w21"]
    part = pairs.take(np.array([0, 5]))
    assert np.array_equal(part.concept, [0, 1])
    with pytest.raises(DataError, match="both words of 5 pairs in 0 concepts; two are needed"):
        WordPairs.of(model, table, least=5)


def test_random_pairs_are_as_many_and_never_a_word_with_itself(model, table):
    pairs = WordPairs.of(model, table, least=3)
    drawn = [pairs.random(6, np.random.default_rng(i)) for i in range(50)]
    assert all(np.array_equal(d.concept, pairs.concept) for d in drawn)
    tokens = np.concatenate([d.tokens for d in drawn])
    assert (tokens[:, 0] != tokens[:, 1]).all()
    assert set(tokens.ravel()) == set(range(6))


def test_log_odds_are_mean_differences_of_logits(model, table, examples):
    pairs = WordPairs.of(model, table, least=3)
    found = pairs.log_odds(model, examples)
    assert found.shape == (2, len(examples))
    logits = model.run(examples.texts()[4], logits=True).logits[0, -1].double().numpy()
    gaps = [logits[b] - logits[a] for a, b in pairs.tokens]
    assert np.allclose(found[:, 4], [np.mean(gaps[:4]), np.mean(gaps[4:])], atol=1e-4)
    # after the last norm, what is added moves log-odds by its product with the pairs' difference
    head = model.net.lm_head.weight.detach()
    vector = torch.ones(head.shape[1])
    edit = Add(Scope("final_norm", "last"), vector)
    moved = pairs.log_odds(model, examples, [edit]) - found
    expected = pairs.by_concept(pairs.differences((head @ vector).double().numpy()))
    assert np.allclose(moved, expected[:, None], atol=1e-4)
    assert np.abs(expected).min() > 1e-3
