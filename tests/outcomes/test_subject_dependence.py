"""A prediction that needs the subject moves when it is taken away, and by no cut does not move at
all.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.model.continuations import Continuation
from inscape.outcomes.subject_dependence import (
    RECALLED,
    RIGHT,
    UNGROUNDED,
    answer_odds,
    blurred,
    cut_off,
    cut_off_by_windows,
    dependence_by_kind,
    error_kinds,
    prompt_surface,
    recalled_ratio,
    windows_by_kind,
)
from inscape.worlds.facts import recall


@pytest.fixture(scope="module")
def world():
    made = recall(subjects=12, steps=30)
    assert made.accuracy > 0.3
    return made


def test_a_prompt_cut_off_in_no_layer_does_not_move(world):
    assert np.abs(cut_off(world.model, world.facts, ())).max() < 1e-6
    assert cut_off(world.model, world.facts, (0, 1)).max() > 1e-3


def test_every_layer_is_cut_by_default_and_progress_is_told(world):
    told = []
    every = cut_off(world.model, world.facts, advance=told.append)
    blocks = range(len(world.model.atlas.blocks))
    assert np.array_equal(every, cut_off(world.model, world.facts, blocks))
    assert sum(told) == len(world.facts)


def test_the_mean_of_one_subject_is_that_subject(world):
    own = blurred(world.model, world.facts, np.arange(len(world.facts)))
    relation = blurred(world.model, world.facts, world.facts.frame["relation"].to_numpy())
    tokens = [
        len(world.model.tokenizer(str(s), add_special_tokens=False)["input_ids"])
        for s in world.facts.frame["subject"]
    ]
    assert np.abs(own[np.array(tokens) == 1]).max() < 1e-6
    assert relation.max() > 1e-3


def test_windows_are_cuts_of_their_layers(world):
    blocks, told = len(world.model.atlas.blocks), []
    one = cut_off_by_windows(world.model, world.facts, 1, advance=lambda: told.append(1))
    assert list(one) == list(range(blocks))
    assert len(told) == blocks
    assert np.array_equal(one[1], cut_off(world.model, world.facts, (1,)))
    whole = cut_off_by_windows(world.model, world.facts, 99)
    assert list(whole) == [blocks // 2]
    assert np.array_equal(whole[blocks // 2], cut_off(world.model, world.facts))


def test_errors_are_told_by_a_line_fixed_on_subjects_set_aside():
    rng = np.random.default_rng(0)
    subjects, right = np.repeat(np.arange(40), 3), np.tile([True, False, False], 40)
    cut = np.where(right, 2.0 + 0.1 * rng.random(120), np.tile([0.0, 3.0, 0.1], 40))
    how = {"aside": 0.5, "quantile": 0.1, "rng": rng}
    line, rows, kinds = error_kinds(cut, right, subjects, **how)
    left = np.setdiff1d(np.arange(120), rows)
    assert 0 < len(rows) < 120
    assert not set(subjects[rows]) & set(subjects[left])
    assert line == np.quantile(cut[left][right[left]], 0.1)
    wanted = np.tile([RIGHT, RECALLED, UNGROUNDED], 40)
    assert (kinds == wanted[rows]).all()


def test_odds_of_an_answer_are_its_mean_and_its_first_tokens():
    logs = np.array([-1.0, -3.0])
    said = [
        Continuation("a b", np.arange(2), logs, np.exp(logs), True),
        Continuation("", np.arange(0), np.empty(0), np.empty(0), True),
    ]
    assert answer_odds(said).tolist() == [[-2.0, -1.0], [-20.0, -20.0]]


def test_kinds_are_averaged_beside_all_of_them():
    kinds = np.repeat([RECALLED, RIGHT], [2, 6])
    values = np.repeat([4.0, 1.0], [2, 6])
    right, recalled = dependence_by_kind(values, kinds, np.arange(8), subject="knockout")
    assert (right.value, recalled.value) == (1.0, 4.0)
    assert recalled.where == {"completion": RECALLED, "subject": "knockout"}
    assert [b.value for b in recalled.beside] == [1.75]
    assert recalled.n == 2


def test_the_ratio_is_of_errors_alone():
    rng = np.random.default_rng(0)
    kinds = np.tile([RIGHT, RECALLED, UNGROUNDED], 40)
    values = np.tile([99.0, 3.0, 1.0], 40) + 0.1 * rng.random(120)
    found = recalled_ratio(values, kinds, np.arange(120), draws=99, rng=rng)
    wanted = values[kinds == RECALLED].mean() / values[kinds == UNGROUNDED].mean()
    assert found.value == pytest.approx(wanted)
    assert (found.p, found.n) == (0.01, 80)
    alike = np.where(kinds == RIGHT, 99.0, 1.0) + 0.1 * rng.random(120)
    assert recalled_ratio(alike, kinds, np.arange(120), draws=99, rng=rng).p > 0.02


def test_windows_are_averaged_by_kind(world):
    kinds = np.resize([RIGHT, UNGROUNDED], len(world.facts))
    found = windows_by_kind(world.model, world.facts, kinds, 1)
    moved = cut_off_by_windows(world.model, world.facts, 1)
    assert [tuple(e.where.values()) for e in found] == [
        (kind, layer) for layer in moved for kind in (RIGHT, UNGROUNDED)
    ]
    assert found[1].value == pytest.approx(moved[0][kinds == UNGROUNDED].mean())


def test_the_surface_of_a_prompt_is_its_lengths_and_its_relation(world):
    found, frame = prompt_surface(world.model, world.facts), world.facts.frame
    names = sorted(frame["relation"].unique())
    assert found.shape == (len(frame), 2 + len(names))
    assert found[0, 0] == len(world.model.tokenize([world.facts.texts()[0]])[0])
    assert found[:, 1].tolist() == [len(s) for s in frame["subject"]]
    assert [names[k] for k in found[:, 2:].argmax(axis=1)] == frame["relation"].tolist()
    assert (found[:, 2:].sum(axis=1) == 1).all()


def test_a_line_needs_a_right_completion_set_aside():
    cut, subjects = np.arange(6.0), np.arange(6)
    how = {"aside": 0.5, "quantile": 0.1}
    with pytest.raises(ValueError, match="no completion of the 50% of subjects set aside is right"):
        error_kinds(cut, np.zeros(6, bool), subjects, rng=np.random.default_rng(0), **how)
    cut[2] = np.nan
    with pytest.raises(ValueError, match="a divergence is NaN; leave that completion out"):
        error_kinds(cut, np.ones(6, bool), subjects, rng=np.random.default_rng(0), **how)
