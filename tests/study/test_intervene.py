"""The same questions under every condition: order, draws, roles, models of their own, effects on
other answers.
"""

from functools import partial

import numpy as np
import pytest
import torch

from inscape.core.measured import Measured
from inscape.study.intervene import Condition, added, intervene, tried
from inscape.worlds.needles import needles
from tests.study.recorder import Recorder


@pytest.fixture
def run():
    return Recorder()


START = np.arange(6.0)
PLAIN, OTHER = needles(texts=8), needles(texts=8, seed=1).model
MODEL, TEXTS = PLAIN.model, PLAIN.examples


def answer(model, examples, edits):
    """Two kinds of answer: what the edit says for each, on top of the model's number."""
    assert examples is TEXTS
    own = START + 10 * (model is OTHER)
    return own[None] + np.asarray([[0.0], [0.0]] if edits is None else edits)


def test_conditions_are_asked_in_order_and_draws_are_kept_apart(run):
    made = []

    def other():
        made.append(len(run.steps))
        return OTHER

    conditions = [
        Condition("start", "reference"),
        Condition("edited", edits=[[1.0], [2.0]]),
        Condition("random", "null", edits=[[0.5], [0.0]]),
        Condition("random", "null", edits=[[-0.5], [0.0]]),
        Condition("trained", model=other),
    ]
    done = intervene(run, MODEL, answer, TEXTS, conditions)
    assert list(done.answers) == ["start", "edited", "random", "trained"]
    assert [len(draws) for draws in done.answers.values()] == [1, 1, 2, 1]
    assert np.array_equal(done.answers["edited"][0], [START + 1, START + 2])
    assert np.array_equal(done.answers["trained"][0], [START + 10] * 2)
    assert made == [4]  # a model is made when its turn comes
    assert (run.totals, sum(run.steps)) == ([5], 5)


def test_a_measurement_takes_every_condition_with_its_role(run):
    conditions = [
        Condition("start", "reference"),
        Condition("edited", edits=[[1.0], [2.0]]),
        *(Condition("random", "null", edits=[[x], [0.0]], expensive=True) for x in range(5)),
    ]
    done = intervene(run, MODEL, answer, TEXTS, conditions)
    m = done.put(Measured("answers", unit="points"), lambda answers: answers[0])
    assert {n: c.role for n, c in m.conditions.items()} == {
        "start": "reference",
        "edited": "treatment",
        "random": "null",
    }
    assert m.gain("edited", over="start").value == pytest.approx(1)
    assert m.value("edited", null="random").over_null is not None  # expensive: no p, an interval
    half = done.put(
        Measured("half", kind="ratio"), lambda a: a[1][:3], np.full(3, 2.0), without=("random",)
    )
    assert list(half.conditions) == ["start", "edited"]
    assert half.value("edited").value == pytest.approx((1 + 2) / 2)


def test_effects_on_what_was_meant_and_elsewhere(run):
    conditions = [
        Condition("start", "reference"),
        *(Condition("on", edits=e) for e in ([[3.0], [-1.0]], [[0.5], [2.0]])),
        Condition("odd", edits=[[1.0], [1.0]]),
    ]
    done = intervene(run, MODEL, answer, TEXTS, conditions)
    found = done.effects("on", over="start")
    assert np.allclose(found.meant, [[3.0] * 6, [2.0] * 6])
    assert np.allclose(found.elsewhere, [[1.0] * 6, [0.5] * 6])
    with pytest.raises(ValueError, match="'odd' needs a draw for each of the 2 kinds of answer"):
        done.effects("odd", over="start")


def test_added_vectors_are_of_one_length():
    made = added("steered", "resid_post.1", [[3.0, 4.0], [0.0, 0.1]], 2.0)
    assert [c.name for c in made] == ["steered", "steered"]
    state = torch.zeros(1, 2)
    moved = torch.cat([c.edits[0].apply(state) for c in made])
    assert torch.allclose(moved, torch.tensor([[1.2, 1.6], [0.0, 2.0]]))
    assert made[0].edits[0].scope.positions == "last"


def test_draws_of_one_condition_have_one_role(run):
    with pytest.raises(ValueError, match="the draws of 'a' must have one role, got null and base"):
        intervene(run, MODEL, answer, TEXTS, [Condition("a", "null"), Condition("a", "baseline")])


def test_conditions_that_ask_by_themselves_are_asked_in_order_and_put_with_their_roles(run):
    asked = []

    def ask(name, value):
        asked.append(name)
        return np.full(3, value)

    draws = {"plain": [1.0], "moved": [3.0], "random": [1.0, 2.0]}
    done = tried(
        run,
        {name: [partial(ask, name, v) for v in each] for name, each in draws.items()},
        {"plain": "reference", "random": "null"},
    )
    assert asked == ["plain", "moved", "random", "random"]
    m = done.put(Measured("score"), lambda answer: 2 * answer)
    assert {name: c.role for name, c in m.conditions.items()} == {
        "plain": "reference",
        "moved": "treatment",
        "random": "null",
    }
    assert m.gain("moved", over="plain", null="random").value == 4
    assert m.value("random").value == 3
