"""Edits of the reasoning: each condition is the edit that it says, and random ones are draws."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from inscape.core.rng import generator
from inscape.outcomes.bystanders import bystander
from inscape.outcomes.reasoning_edits import (
    ISOTROPIC,
    KEPT,
    MATCHED,
    ORTHOGONAL,
    OUT,
    PLACES,
    RANDOM_OUT,
    WORDS,
    Found,
    added_at_places,
    find,
    lost_aside,
    prompt_share,
    taken_out,
    weights_alike,
)
from inscape.outcomes.scratchpads import EVERYWHERE, PROMPT, SCRATCHPAD, Reasoner, halves, verdicts
from inscape.outcomes.turned_decisions import Case, added, crossed, removed
from inscape.worlds.scratchpad import scratchpad

CHOSEN = [("resid_post.0", 1.0), ("resid_post.0", 1.5)]


@pytest.fixture(scope="module")
def world():
    return scratchpad(cues=2, blocks=2, steps=200)


@pytest.fixture(scope="module")
def case(world):
    reasoner = Reasoner(world.model, " =>", 10, 2)
    judge = partial(verdicts, declines=("decline",), answered=("answer",))
    prompts = world.requests.grouped()
    rng = np.random.default_rng(0)
    return Case.of(reasoner, prompts, judge, ["resid_post.0", "resid_post.1"], 150, rng=rng)


@pytest.fixture(scope="module")
def found(case, world):
    aside = bystander(case.reasoner, world.counting)
    half = halves(aside.groups(), rng=np.random.default_rng(1))
    return Found(case, aside, half, CHOSEN, pd.DataFrame())


def streams(*names):
    return generator(0, *names)


def test_conditions_are_the_edits_they_say(case, found):
    made = added_at_places(found, draws=3, places=2, streams=streams)
    counts = {name: len(draws) for name, draws in made.draws.items()}
    assert (counts[ISOTROPIC], counts[MATCHED], counts[PLACES], counts[KEPT]) == (3, 2, 2, 1)
    push = added(*case.pushes(CHOSEN, case.half, case.against))
    assert np.array_equal(made.draws[SCRATCHPAD][0](), case.decisions(push))
    assert np.array_equal(made.draws[PROMPT][0](), case.decisions(push, PROMPT))
    assert np.array_equal(made.draws[WORDS][0](), case.judge(case.reasoner.answer(made.written)))
    turned = {n: case.turned(made.draws[n][0]()).mean() for n in (SCRATCHPAD, ISOTROPIC)}
    assert turned[SCRATCHPAD] > turned[ISOTROPIC]
    first, second = (made.draws[MATCHED][k] for k in (0, 1))
    assert first is not second


def test_what_is_taken_out_is_the_other_halfs_direction(case, found):
    directions = [case.difference(site, h) for h, (site, _) in enumerate(CHOSEN)]
    assert np.array_equal(found.directions, directions)
    assert found.where == "block 0"
    made = taken_out(found, draws=2, rng=np.random.default_rng(0))
    assert len(made[RANDOM_OUT]) == 2
    everywhere = made[OUT % EVERYWHERE][0]()
    by_hand = crossed(lambda h: case.decisions(removed(directions[h]), EVERYWHERE), case.half)
    assert np.array_equal(everywhere, by_hand)
    orthogonal = made[ORTHOGONAL][0]()
    assert (orthogonal == everywhere).mean() > 0.95
    turned = np.where(np.arange(len(everywhere)) % 4 == 0, 1 - everywhere, everywhere)
    apart, alike = weights_alike(found, {ORTHOGONAL: [turned], OUT % EVERYWHERE: [everywhere]})
    assert alike == np.mean(turned == everywhere) < 0.8
    assert 0 < apart < 1e-4


def test_hits_on_something_else_are_lost_by_edits_and_by_none_without(found):
    still = replace(found, chosen=[(site, 0.0) for site, _ in CHOSEN])
    # copies that were orthogonalised to nothing
    vars(still)["copies"] = [found.case.reasoner.model] * 2
    conditions, (hits, whole) = lost_aside(still, draws=2, streams=streams)
    assert hits.sum() > 0.5 * whole.sum()
    for draws in conditions.values():
        for ask in draws:
            assert not ask().any()
    strong = replace(found, chosen=[(site, 50.0) for site, _ in CHOSEN])
    conditions, _ = lost_aside(strong, draws=2, streams=streams)
    assert conditions["added at the scratchpad"][0]().sum() > 0


def test_each_half_chooses_what_turns_most_of_its_own(case, found):
    told = []
    made = find(case, found.aside, (0.0, 1.5), 1.0, streams=streams, advance=lambda: told.append(1))
    assert len(told) == 2 * len(case.states)
    assert len(made.tried) == 2 * len(told)
    assert set(made.halves) == {0, 1}
    for h, (site, strength) in enumerate(made.chosen):
        mine = made.tried[made.tried["half"] == h]
        gain = mine["turned"] - mine["by a random direction"]
        best = mine[(mine["site"] == site) & (mine["strength"] == strength)].index[0]
        assert gain[best] == gain.max()


def test_what_the_prompt_turns_is_a_share_of_what_the_scratchpad_turns(case):
    kept, turned = case.decided, 1 - case.decided
    half = np.where(np.arange(len(kept)) % 2 == 0, turned, kept)
    answers = {PROMPT: [half], SCRATCHPAD: [turned], ISOTROPIC: [kept, half]}
    e = prompt_share(case, answers)
    moved = case.turned(half).sum()
    assert e.value == pytest.approx(moved / case.turned(turned).sum())
    assert e.beside[0].value == pytest.approx(e.value / 2)
    assert e.direction == "lower"
    assert prompt_share(case, {**answers, PROMPT: [kept]}).value == 0
