"""Dose–response, side effects and re-probing: each against a slow count, each with its negation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.control.dose import dosed
from inscape.core.edit import Add, ProjectOut, Scope
from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.store.contrast import contrast
from inscape.studies.control.audit.dose_response import (
    Response,
    dose_response,
    drawn,
    leaning,
    read_back,
    shown,
)
from inscape.studies.control.audit.reprobe import Reprobe
from inscape.study.side_effects import PLAIN, measured, side_effects
from tests.model import nets

GROUPS = np.repeat(np.arange(12), 2)


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
    assert "effective groups" in own.warnings[0]
    frame = drawn([own, weak])
    assert frame.loc[frame["x"] == 1, "low"].notna().all()


def test_side_effects_are_what_a_slow_loop_counts():
    model = Model(nets.net("llama"), nets.tokenizer())
    texts = ["the river rises in the mountain", "a good film", "Paris is the capital of a sea ."]
    edit = Add(Scope("resid_post.1"), 3 * torch.linspace(-1, 1, nets.D))
    found = side_effects(model, texts, {"push": [edit], "nothing": dosed([edit], 0.0)}, budget=12)
    for i, text in enumerate(texts):
        ids = model.tokenize([text])[0].ids
        p, q = (
            model.run([text], logits=True, edits=e).logits[0, :-1].double().log_softmax(-1)
            for e in (None, edit)
        )
        kl = float((p.exp() * (p - q)).sum())
        loss = -sum(float(q[t, ids[t + 1]]) for t in range(len(ids) - 1))
        assert kl > 0.01
        assert found["push"].kl[i] == pytest.approx(kl, rel=1e-3)
        assert found["push"].loss[i] == pytest.approx(loss, rel=1e-4)
        assert found[PLAIN].kl[i] == 0
        assert found["nothing"].kl[i] == pytest.approx(0, abs=1e-5)
        assert found["push"].tokens[i] == len(ids) - 1
    groups = np.arange(3)
    kl, ratio, *_ = measured(found, "push", ["nothing", "nothing"], groups, "no push")
    assert kl.value == pytest.approx(found["push"].kl.sum() / found["push"].tokens.sum())
    gap = (found["push"].loss - found[PLAIN].loss).sum() / found["push"].tokens.sum()
    assert ratio.value == pytest.approx(np.exp(gap))
    assert ratio.null.mean == pytest.approx(1, abs=1e-4)
    # three texts of unequal length are fewer than three effective groups
    assert ratio.interval is None
    assert "effective groups" in kl.warnings[0]
    assert side_effects(model, texts, {}, most=2)[PLAIN].tokens.tolist() == [1, 1, 1]
    with pytest.raises(DataError, match="has no token to predict"):
        side_effects(model, ["Paris"], {})


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


@pytest.fixture(scope="module")
def few():
    """Sentences that end with one of two words; who is spoken of is another concept."""
    rows = [
        {"text": f"{a} {b} {c} is {q}", "nice": int(q == "good"), "who": b, "by": f"{a} {b} {c}"}
        for a in ("the", "a", "in", "of")
        for b in ("river", "sea", "mountain")
        for c in ("Paris", "London")
        for q in ("good", "bad")
    ]
    return Examples(pd.DataFrame(rows), "text", ("nice",), "by")


def test_probes_that_are_told_find_what_was_moved_and_not_what_was_erased(model, few):
    from inscape.control.leace import LeaceEraser
    from inscape.store.passes import gather

    site = "resid_post.1"
    x, y = gather(model, few, site), few.target("nice")[:, 0].astype(int)
    push = Add(Scope(site), torch.from_numpy(5 * (x[y == 1].mean(0) - x[y == 0].mean(0))))
    erase = LeaceEraser().fit(x.astype(np.float64), y).edit(Scope(site))
    found = Reprobe.of(model, few, site, {"push": [push], "erase": [erase]}, PLAIN, shuffles=3)
    rows = {
        (e.where["condition"], e.where["probe"]): e
        for e in found.still_there("nice", ["push", "erase"])
    }
    for kind in ("linear", "MLP"):
        assert rows[PLAIN, kind].value > 0.9
        assert rows["push", kind].value > 0.9
    assert rows["erase", "linear"].value < 0.7
    assert all(e.null is not None and e.interval is not None for e in rows.values())


def test_probes_that_are_not_told_lose_what_was_moved_and_keep_what_was_not(model, few):
    site = "resid_post.0"
    at = Scope(site)
    rng = np.random.default_rng(0)
    tiny = Add(at, torch.from_numpy(1e-4 * rng.normal(size=nets.D)).float())
    huge = ProjectOut(at, torch.eye(nets.D)[:-1])
    found = Reprobe.of(model, few, site, {"tiny": [tiny], "huge": [huge]}, PLAIN, shuffles=2)
    assert found.left_alone("who", "tiny", ["tiny"], "a nudge").value == pytest.approx(0, abs=0.02)
    lost = found.left_alone("nice", "huge", ["tiny"], "a nudge")
    assert lost.value >= 0
    assert lost.null.mean == pytest.approx(0, abs=0.02)


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
