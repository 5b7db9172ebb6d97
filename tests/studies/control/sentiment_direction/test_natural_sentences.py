"""Human sentences: what is read along directions found elsewhere, and what verdicts lose without one."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.shares import Shares
from inscape.data.examples import Examples
from inscape.outcomes.contrast import contrast
from inscape.outcomes.verdicts import Verdicts
from inscape.probing.directions import MATCHED, SWAPPED, Directions
from inscape.read.coordinates import mean_vectors
from inscape.studies.control.sentiment_direction.natural_sentences import (
    OWN,
    judged_without,
    read_along,
)
from inscape.worlds.sentiment import VERDICTS, sentiment

SITES = ("embed", "resid_post.0", "resid_post.1")


@pytest.fixture(scope="module")
def world():
    return sentiment(words=8, steps=80)


@pytest.fixture(scope="module")
def found(world):
    """The difference of texts' mean vectors, as good a direction as any here."""
    y = world.examples.frame["positive"].to_numpy() == 1
    x = mean_vectors(world.model, world.examples, SITES)
    d = x[:, y].mean(axis=1) - x[:, ~y].mean(axis=1)
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    random = rng.normal(size=(4, 1, 32)).repeat(3, axis=1)
    random /= np.linalg.norm(random, axis=-1, keepdims=True)
    return Directions(SITES, {"means": d}, {MATCHED: random, SWAPPED: random}, 1, 1.0)


def test_sentences_are_read_along_the_directions_and_by_a_probe_of_their_own(world, found):
    frame = read_along(world.model, world.examples, "positive", found, seed=0).set_index(
        ["series", "layer"]
    )["value"]
    assert frame["means", 0] > 0.8
    assert frame[OWN, 0] > 0.8
    assert abs(frame[SWAPPED, 0] - 0.5) < 0.3
    assert set(frame.index.get_level_values("layer")) == {-1, 0, 1}


def test_half_of_the_sentences_are_judged_with_and_without(world, found):
    marks = {"all": lambda tokens, spans: np.arange(len(tokens)) > 0}
    words = contrast(world.model, *VERDICTS)
    none, shares = np.zeros(0, dtype=np.int64), Shares(np.array([0]), np.random.default_rng(0))
    test = Verdicts(world.model, (), words, none, none, shares, marks)
    people = Examples(world.examples.frame, "text", ("positive",), "words")
    can, cost, random = judged_without(test, people, "positive", "", found, "means", seed=0)
    assert can.n == cost.n == len(people) // 2
    assert can.value > 0.9
    assert can.beside[0].value == 0.5
    assert cost.value > 0.3 > random.value
