"""Taught links: rows of a map that is right are found right, what is taught rises, and what carries
over is told from what does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inscape.core.threads import one_torch_thread
from inscape.data.load import load
from inscape.model.model import Model
from inscape.outcomes.linked_questions import SHUFFLED, poll, questions
from inscape.outcomes.taught_links import TaughtLinks, linked_rows, teach_links
from tests.model import nets
from tests.outcomes.test_linked_questions import TABLE

NAMES = ["the mountain", "it", "a good film", "the river", "London", "the sea", "Paris", "a"]


@pytest.fixture(scope="module")
def polled():
    model = Model(nets.net("llama"), nets.tokenizer())
    table = load(TABLE, input="text", labels=["answer"], group="question")
    return poll(model, questions(model, table), NAMES)


def rows_of(polled, y, shuffles=19):
    rng = np.random.default_rng(0)
    made = replace(polled, logits={"city": y[0], "country": y[1]})
    train = np.ones(len(y[0]), dtype=bool)
    return linked_rows(made, "city", "country", train, hits=1, shuffles=shuffles, rng=rng)


def test_a_map_that_is_right_is_found_right_and_a_shuffled_one_is_not(polled):
    x = np.random.default_rng(1).normal(size=(400, 2))
    rows = rows_of(polled, (x, x))
    assert rows.right.all()
    assert rows.precise.value == 1.0
    assert (rows.precise.null.kind, rows.precise.null.draws) == (SHUFFLED, 19)
    assert rows.precise.null.mean < 0.9
    assert rows.mixed.value == pytest.approx(rows.precise.null.mean)
    assert rows.mixed.direction == "lower"
    assert [(b.role, b.value) for b in rows.mixed.beside] == [("reference", 0.5)]
    assert rows.peaks["city"].tolist() == ["Paris", "London"]
    assert rows.peaks["right"].all()
    first = rows.peaks["row peaks at"].str.split(", ").str[0]
    assert first.tolist() == rows.peaks["implies"].tolist()
    assert not rows_of(polled, (x, x[:, ::-1])).right.any()


def test_what_is_taught_rises_and_the_table_says_whom(polled):
    x = np.random.default_rng(1).normal(size=(400, 2))
    rows = rows_of(polled, (x, x))
    told = []
    with one_torch_thread():
        taught = teach_links(
            polled,
            "city",
            "country",
            rows,
            ["the film", "a river"],
            most=5,
            steps=8,
            rate=1e-2,
            rng=np.random.default_rng(0),
            advance=lambda: told.append(1),
        )
    assert len(told) == 8
    assert len(taught.links) == 2
    assert taught.learnt.mean() > 0
    frame = taught.table()
    assert frame["city"].tolist() == [("Paris", "London")[i] for i in taught.links[:, 0]]
    assert np.array_equal(frame["follows"], taught.rise)
    rises = taught.rises()
    assert rises["value"].tolist() == taught.rise.tolist()
    assert set(rises["class"]) == {"map right"}
    wrong = replace(taught, right=np.array([True, False])).rises()["class"]
    assert wrong.tolist() == ["map right", "map wrong"]
    own, other, gain = taught.followed()
    assert gain.value == pytest.approx(own.value - other.value)


def test_what_carries_over_is_the_rise_beyond_twice_that_elsewhere(polled):
    right, n = np.arange(40) < 20, np.zeros(40)
    rng = np.random.default_rng(2)
    rise = np.where(right, 3.0, 1.0) + 0.1 * rng.normal(size=40)
    ends = (polled.questions["city"], polled.questions["country"], np.zeros((40, 2), dtype=int))
    made = TaughtLinks(*ends, right, n, rise, n, n, 0.0)
    found = made.carried(rng=rng, draws=199)
    assert found.value == pytest.approx(rise[right].mean() - 2 * rise[~right].mean())
    assert found.p < 0.02
    assert found.interval[0] > 0.5
    alike = replace(made, rise=np.ones(40)).carried(rng=rng, draws=199)
    assert alike.value == pytest.approx(-1)
    assert alike.p > 0.5
