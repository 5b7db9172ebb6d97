"""Dose–response: means of differences beside their controls, and outcomes that are what they
say.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.model.model import Model
from inscape.outcomes.contrast import contrast
from inscape.outcomes.dose_response import (
    Response,
    asked_in_all,
    dose_response,
    drawn,
    leaning,
    read_as_class,
    read_back,
    shown,
)
from inscape.read.coordinates import mean_vectors
from inscape.read.logistic import LogisticProbe
from tests.model import nets

GROUPS = np.repeat(np.arange(12), 2)


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


def test_the_response_is_a_mean_of_differences_and_stands_beside_its_controls():
    truth = np.random.default_rng(0).normal(size=24) + 1

    def outcome(edits):
        return 5 + truth * sum(e.strength for e in edits)

    def dose(size):
        return lambda s: [Add(Scope("embed"), torch.zeros(1), size * s)]

    calls = []
    found = dose_response(
        outcome,
        dose(1.0),
        {"weak": [dose(0.1), dose(-0.1), dose(0.05)]},
        {-2.0: 2, 3.0: 3},
        lambda: calls.append(1),
    )
    assert len(calls) == asked_in_all({"weak": [dose(0.1)] * 3}, {-2.0: 2, 3.0: 3})
    rows = shown(found, GROUPS, "u")
    real = {e.where["strength"]: e for e in rows if e.where["series"] == "vector"}
    assert real[3.0].value == pytest.approx(3 * truth.mean())
    assert real[-2.0].value == pytest.approx(-2 * truth.mean())
    for e, count in ((real[3.0], 3), (real[-2.0], 2)):
        assert e.interval[0] < e.value < e.interval[1]
        assert e.null.low < 0 < e.null.high
        assert e.p == pytest.approx(1 / (count + 1))
    controls = {e.where["strength"]: e for e in rows if e.where["series"] == "weak"}
    assert controls[3.0].interval == pytest.approx((-0.3 * truth.mean(), 0.3 * truth.mean()))
    assert len(calls) == 1 + 3 + 4
    frame = drawn(rows)
    assert frame[frame["series"] == "vector"]["x"].tolist() == [-2, 0, 3]
    down = found[0].measured(GROUPS, "u", signed=True).value("vector", null="weak")
    assert down.value == pytest.approx(2 * truth.mean())
    assert down.p == pytest.approx(1 / 3)
    weak = {"weak": [dose(0.1), dose(0.2)]}
    (backwards,) = dose_response(outcome, dose(-1.0), weak, {1.0: 2})
    assert backwards.measured(GROUPS, "u").value("vector", null="weak").p == 1
    with pytest.raises(ValueError, match="strengths other than 0 and controls"):
        dose_response(outcome, dose(1.0), {"weak": []}, {0.0: 2})


def test_too_few_groups_give_no_interval_and_no_failure():
    two = np.repeat([0, 1], 12)
    responses = [Response(1.0, np.linspace(0, 1, 24), {"weak": np.zeros((2, 24))})]
    (own, weak) = shown(responses, two, "u")
    assert own.interval is None
    assert "it would rest on 2 groups" in own.warnings[0]
    frame = drawn([own, weak])
    assert frame.loc[frame["x"] == 1, "low"].notna().all()


def test_what_is_said_is_scored_and_words_lean(model, few):
    words = contrast(model, ["Paris"], ["London"])
    lean = leaning(model, few, words)
    assert np.array_equal(lean(()), words.scores(model, few))
    outcome = read_back(model, few, lambda states: states[:, 0], "resid_post.1", tokens=3, seed=4)
    plain = outcome(())
    assert np.array_equal(plain, outcome(()))
    pushed = outcome([Add(Scope("resid_post.0"), 20 * torch.ones(nets.D))])
    assert not np.array_equal(plain, pushed)
    other = read_back(
        model, replace(few), lambda states: states[:, 0], "resid_post.1", tokens=3, seed=5
    )
    assert not np.array_equal(plain, other(()))


def test_what_is_said_is_scored_by_a_probe_of_other_texts(model, few):
    y = np.arange(len(few)) % 2
    outcome = read_as_class(model, few, few, y, "resid_post.1", tokens=3, seed=4)
    (states,) = mean_vectors(model, few, ["resid_post.1"])
    probe = LogisticProbe().fit(states, y, groups=few.groups())
    own = read_back(model, few, probe.decision_function, "resid_post.1", tokens=3, seed=4)
    assert np.array_equal(outcome(()), own(()))
