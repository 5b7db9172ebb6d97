"""Verdicts: right and wrong about the median of a context."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from inscape.core.shares import Shares
from inscape.data.examples import Examples
from inscape.data.pairs import Pairs
from inscape.model.model import Model
from inscape.outcomes.contrast import Contrast, contrast
from inscape.outcomes.verdicts import (
    Verdicts,
    beside_untrained,
    judge_held_out,
    panels,
    training_texts,
)
from inscape.worlds.sentiment import VERDICTS, sentiment


def verdicts() -> Verdicts:
    y = np.array([1, 0] * 4)
    examples = Examples(pd.DataFrame({"text": list("abcdefgh")}), "text")
    shares = Shares(np.arange(8), np.random.default_rng(0))
    return Verdicts(
        Model(torch.nn.Linear(1, 1)),
        (examples,),
        Contrast({}, {}),
        y,
        np.repeat([0, 1], 4),
        shares,
        {},
    )


def test_a_shift_of_a_context_loses_nothing():
    test = verdicts()
    scores = np.array([3.0, 1, 4, 2, 3, 1, 4, 2])
    assert test.right(scores).tolist() == [1, 1, 1, 1, 1, 1, 1, 1]
    assert test.right(scores + 100 * test.context).all()
    assert not test.right(-scores).any()


def test_the_gap_is_in_units_of_what_is_left_within_the_labels():
    test = verdicts()
    scores = np.array([3.0, 1, 4, 2, 3, 1, 4, 2])
    assert test.gap(scores) == 4.0
    assert test.gap(10 * scores) == 4.0
    assert test.gap(np.zeros(8)) == 0.0


def test_panels_name_the_labels_in_words():
    test = verdicts()
    frame = panels({"before": np.arange(8.0), "after": np.zeros(8)}, test)
    assert len(frame) == 16
    assert frame["panel"].unique().tolist() == ["before", "after"]
    assert frame["class"].tolist()[:2] == ["positive", "negative"]


def test_training_texts_are_of_other_groups_and_the_best_end_is_chosen_on_them():
    world = sentiment(words=6, steps=60)
    pairs = Pairs.of(world.examples, "template", 3, rng=np.random.default_rng(0))
    words = contrast(world.model, *VERDICTS)
    ends = ["", " and it"]
    test, known, chosen = judge_held_out(
        world.model, world.examples, pairs, words, {}, ends=ends, count=9, seed=0
    )
    for f, end in enumerate(chosen):
        gaps = {}
        for e in ends:
            texts = Examples(
                known[f].frame.assign(text=[t.removesuffix(end) + e for t in known[f].texts()]),
                "text",
            )
            y = known[f].frame["positive"].to_numpy()
            context = known[f].frame["template"].to_numpy()
            gaps[e] = Verdicts(world.model, (texts,), words, y, context, test.shares, {})
            gaps[e] = gaps[e].gap(gaps[e].scores())
        assert gaps[end] == max(gaps.values())
        assert all(t.endswith(end) for t in test.parts[f].texts())
    training = training_texts(world.examples, pairs, chosen, 4, seed=0)
    assert [len(t.texts) for t in training] == [8] * 4
    for f, t in enumerate(training[:-1]):
        assert not set(t.groups) & set(pairs.groups[pairs.fold == f])
        assert t.y.tolist() == [1, 0] * 4


def test_the_model_stands_beside_an_untrained_copy():
    world = sentiment(words=4, steps=60)
    y = world.examples.frame["positive"].to_numpy()
    shares = Shares(np.arange(len(y)), np.random.default_rng(0))
    words, context = contrast(world.model, *VERDICTS), np.zeros(len(y), dtype=np.int64)
    test = Verdicts(world.model, (world.examples,), words, y, context, shares, {})
    found = beside_untrained(test, test.scores(), 0)
    fresh = test.right(test.scores(model=world.model.untrained(0)))
    assert found.value == test.right(test.scores()).mean()
    assert found.beside[0].value == fresh.mean() < found.value
