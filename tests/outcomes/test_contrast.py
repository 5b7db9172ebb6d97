"""The contrast of two sets of words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.edit import ProjectOut, Scope
from inscape.core.errors import DataError
from inscape.outcomes.contrast import contrast


def test_scores_are_differences_of_mean_logits_at_the_last_token(model, examples):
    words = contrast(model, ["w1", "w2"], ["w5"])
    assert words.positive == {"w1": 3, "w2": 4}
    scores = words.scores(model, examples)
    for i in (0, 11):
        logits = model.run(examples.texts()[i], logits=True).logits[0, -1]
        assert np.isclose(scores[i], float(logits[[3, 4]].mean() - logits[7]), atol=1e-4)


def test_edits_and_marks_reach_the_pass(model, examples):
    words = contrast(model, ["w1"], ["w5"])
    edit = ProjectOut(Scope("resid_post.0", "mark:none"), torch.ones(1, 24))
    none = {"none": lambda tokens, spans: np.zeros(len(tokens), dtype=bool)}
    every = {"none": lambda tokens, spans: np.ones(len(tokens), dtype=bool)}
    plain = words.scores(model, examples)
    assert np.allclose(words.scores(model, examples, edits=[edit], marks=none), plain, atol=1e-5)
    assert not np.allclose(
        words.scores(model, examples, edits=[edit], marks=every), plain, atol=1e-3
    )


def test_words_of_the_texts_unknown_words_and_words_on_both_sides_are_left_out(model):
    words = contrast(model, ["w1", "w2", "zebra", "w9"], ["w5", "w9"], unless_in=["W2 , w30"])
    assert words.positive == {"w1": 3}
    assert words.negative == {"w5": 7}
    assert words.dropped == ("w2", "zebra", "w9", "w9")


def test_nothing_left_is_refused(model):
    with pytest.raises(DataError, match="every word of one side occurs in the texts"):
        contrast(model, ["w1"], ["w5"], unless_in=["w1"])
