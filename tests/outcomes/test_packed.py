"""Texts laid in shared rows: what each gives is what it gives alone."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.model.model import Model
from inscape.outcomes.contrast import Contrast
from inscape.outcomes.packed import answers, lay, verdicts
from tests.model import nets

TEXTS = [
    "the river of Paris is good",
    "the river of London rises and runs",
    "the river of",
    "a sea is bad",
    "in Paris .",
]
GROUPS = [[0, 1, 2], [3, 4]]
WORDS = Contrast({"good": 7, "film": 12}, {"bad": 11})


@pytest.fixture(scope="module", params=["llama", "gpt2", "neox"])
def model(request):
    return Model(nets.net(request.param), nets.tokenizer())


def test_a_beginning_is_laid_once_and_an_end_may_lie_in_it(model):
    tokens = model.tokenize(TEXTS)
    first, second = lay(model, tokens, GROUPS)
    assert len(first) == 3 + 3 + 4
    assert first.owner.tolist() == [-1] * 3 + [0] * 3 + [1] * 4
    assert first.position.tolist() == [0, 1, 2, 3, 4, 5, 3, 4, 5, 6]
    assert first.text.tolist() == [0] * 6 + [1] * 4
    assert first.ends.tolist() == [5, 9, 2]
    assert np.array_equal(first.ids[[0, 1, 2, 6, 7, 8, 9]], tokens[1].ids)
    assert second.owner.tolist() == [0] * 4 + [1] * 3  # nothing in common


def test_what_differs_in_the_edit_is_not_shared(model):
    tokens = model.tokenize(TEXTS)
    apart = [np.zeros(len(t), dtype=bool) for t in tokens]
    apart[1][1] = True
    (row,) = lay(model, tokens, [[0, 1]], apart)
    assert (row.owner == -1).sum() == 1
    assert (lay(model, tokens, [[0, 1]])[0].owner == -1).sum() == 3


def test_every_text_gives_what_it_gives_alone(model):
    tokens = model.tokenize(TEXTS)
    found = answers(model, lay(model, tokens, GROUPS))
    rows = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    for (r, m), t in zip(rows, tokens, strict=True):
        alone = model.run([t], logits=True).logits[0, -1]
        assert np.allclose(found[r, m], alone, atol=1e-4)
    scores = verdicts(model, WORDS, tokens, GROUPS)
    assert np.allclose(scores, verdicts(model, WORDS, tokens, [[i] for i in range(5)]), atol=1e-4)
    assert np.ptp(scores) > 0.05


def test_a_model_that_cannot_run_them_gets_each_text_alone():
    model = Model(nets.net("llama"), nets.tokenizer())
    model.atlas.config.sliding_window = 2
    rows = lay(model, model.tokenize(TEXTS), GROUPS)
    assert [r.members.tolist() for r in rows] == [[0], [1], [2], [3], [4]]
