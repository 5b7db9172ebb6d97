"""Verdicts on other texts: what half of them lose with a direction held at its mean."""

from __future__ import annotations

import numpy as np

from inscape.core.shares import Shares
from inscape.data.examples import Examples
from inscape.outcomes.contrast import contrast
from inscape.outcomes.judged_elsewhere import judged_elsewhere
from inscape.outcomes.verdicts import Verdicts
from inscape.read.coordinates import mean_vectors
from inscape.worlds.sentiment import VERDICTS, sentiment

SITES = ("embed", "resid_post.0", "resid_post.1")


def test_half_of_the_sentences_are_judged_with_and_without():
    world = sentiment(words=8, steps=80)
    y = world.examples.frame["positive"].to_numpy() == 1
    x = mean_vectors(world.model, world.examples, SITES)
    d = x[:, y].mean(axis=1) - x[:, ~y].mean(axis=1)
    random = np.random.default_rng(0).normal(size=(3, 1, 32)).repeat(3, axis=1)
    lines = {"means": d[None], "random": random}
    lines = {k: v / np.linalg.norm(v, axis=-1, keepdims=True) for k, v in lines.items()}
    marks = {"all": lambda tokens, spans: np.arange(len(tokens)) > 0}
    words = contrast(world.model, *VERDICTS)
    none, shares = np.zeros(0, dtype=np.int64), Shares(np.array([0]), np.random.default_rng(0))
    test = Verdicts(world.model, (), words, none, none, shares, marks)
    people = Examples(world.examples.frame, "text", ("positive",), "words")
    can, cost, other = judged_elsewhere(test, people, "positive", "", SITES, lines, seed=0)
    assert can.n == cost.n == len(people) // 2
    assert can.value > 0.9
    assert can.beside[0].value == 0.5
    assert cost.value > 0.3 > other.value
    assert [e.where["ablated"] for e in (can, cost, other)] == ["nothing", "means", "random"]
