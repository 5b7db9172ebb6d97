"""States at every token are the model's own, each text once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.store.conftest import llama, sentences

from inscape.core.folds import group_codes
from inscape.data.examples import Examples
from inscape.read.shortcut_fits import examples_of, sampled, stream
from inscape.read.states import States, states


@pytest.fixture(scope="module")
def model():
    return llama()


def test_rows_are_the_tokens_of_the_texts(model):
    examples = sentences(20)
    tokens = model.tokenize(examples.texts())
    found = States.together(list(states(model, examples, "resid_post.*", budget=40)))
    assert len(found) == sum(max(len(t) - 2, 0) for t in tokens)  # neither the first nor the last
    for i in (0, 5, len(found) - 1):
        t = tokens[found.example[i]].ids
        assert (t[found.position[i]], t[found.position[i] + 1]) == (
            found.token[i],
            found.following[i],
        )
        alone = model.run([tokens[found.example[i]]], "resid_post.1")["resid_post.1"][
            0, found.position[i]
        ]
        assert np.allclose(found.at["resid_post.1"][i], alone, atol=1e-5)


def test_the_last_token_has_nothing_after_it(model):
    found = States.together(list(states(model, sentences(9), "embed", skip=0, last=True)))
    tokens = model.tokenize(sentences(9).texts())
    assert len(found) == sum(map(len, tokens))
    assert (found.following == -1).sum() == 9
    assert (found.position == 0).sum() == 9


def test_a_draw_of_positions_is_repeatable_and_within_bounds(model):
    examples = sentences(30)
    one, two = (
        States.together(
            list(states(model, examples, "embed", most=2, rng=np.random.default_rng(3)))
        )
        for _ in range(2)
    )
    assert (one.position == two.position).all()
    assert np.bincount(one.example).max() == 2
    with pytest.raises(ValueError, match="needs a generator"):
        list(states(model, examples, "embed", most=2))


def test_a_text_of_one_token_gives_no_row(model):
    examples = Examples(
        pd.DataFrame({"text": ["w1", "w1 w2 w3"], "g": ["a", "b"]}), "text", (), "g"
    )
    found = States.together(list(states(model, examples, "embed", budget=1)))
    assert set(found.example) == {1}


def test_held_out_rows_know_their_documents(model):
    examples = sentences(40)
    rows = sampled(model, examples, stream(model), 20, 4, np.random.default_rng(0))
    codes = examples_of(examples, rows)
    assert len(codes) == len(rows) <= 20
    assert (codes == group_codes(examples.groups())[rows.example]).all()
    assert rows.stack(stream(model)).shape == (4, len(rows), 24)


def test_a_long_document_does_not_fill_the_held_out_rows(model):
    texts = [f"w{i % 5} w{i % 7} w{i % 3} w1" for i in range(60)]
    groups = ["long"] * 50 + [f"short {i // 2}" for i in range(10)]
    examples = Examples(pd.DataFrame({"text": texts, "g": groups}), "text", (), "g")
    rows = sampled(model, examples, ["embed"], 24, 4, np.random.default_rng(0))
    found = {groups[i] for i in rows.example}
    assert found == set(groups)
    tokens = model.tokenize(examples.texts())
    ids = [tokens[e].ids[p] for e, p in zip(rows.example, rows.position, strict=True)]
    assert ids == rows.token.tolist()
