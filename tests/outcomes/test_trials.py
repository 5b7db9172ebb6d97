"""Interventions: each part under its own directions, and the opposite's coordinate at the same
token.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.control.directional import directional_patch, mean_ablation
from inscape.core.shares import Shares
from inscape.outcomes.contrast import contrast
from inscape.outcomes.trials import Trials, accuracy_lost, effects_of_patching, patched_at
from inscape.outcomes.verdicts import Verdicts
from inscape.worlds.sentiment import VERDICTS, sentiment

SITES = ("embed", "resid_post.0")


@pytest.fixture(scope="module")
def trials() -> Trials:
    world = sentiment(words=4, steps=30)
    rows = np.array([0, 1, 20, 21, 40, 41])
    parts = (world.examples.take(rows[:4]), world.examples.take(rows[4:]))
    words = contrast(world.model, *VERDICTS)
    marks = {
        "all": lambda tokens, spans: np.arange(len(tokens)) > 0,
        "none": lambda tokens, spans: np.zeros(len(tokens), dtype=bool),
        "even": lambda tokens, spans: np.arange(len(tokens)) % 2 == 0,
        "own": lambda tokens, spans: (
            np.arange(len(tokens)) % 3 == tokens.ids.sum() % 3
        ),  # opposites differ in it
    }
    y, context = np.array([1, 0] * 3), np.zeros(6, dtype=np.int64)
    test = Verdicts(
        world.model, parts, words, y, context, Shares(np.arange(6), np.random.default_rng(0)), marks
    )
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 32)))[0]
    directions = tuple(np.repeat(basis[p * 16 : p * 16 + 16, None], 2, axis=1) for p in (0, 1))
    return Trials(test, SITES, directions)


def one_by_one(trials, k, means=None, own=None, at="all"):
    """The slow clear way: every text in a row of its own, one direction at a time."""

    def edits(part):
        if own is None:
            return mean_ablation(
                trials.sites, trials.directions[part][k], means[part][:, k], f"mark:{at}"
            )
        return lambda rows: whole_edits(trials, part, k, rows, own, at)

    return trials.test.scores(edits, [at])


def test_nowhere_is_no_intervention(trials):
    plain = trials.test.scores()
    means = trials.means(trials.test.parts)
    assert [m.shape for m in means] == [(2, 16), (2, 16)]
    assert np.allclose(trials.held([3], means, "none"), plain, atol=1e-5)
    assert np.allclose(trials.swapped([3], trials.coordinates(), "none"), plain, atol=1e-5)
    assert not np.allclose(trials.held([3], means), plain, atol=1e-2)
    assert not np.allclose(trials.swapped([3], trials.coordinates()), plain, atol=1e-2)


@pytest.mark.parametrize("at", ["all", "even", "own"])
def test_many_trials_in_shared_rows_are_each_text_by_itself(trials, at):
    means, own = trials.means(trials.test.parts), trials.coordinates()
    held, swapped = trials.held([5, 0, 9], means, at), trials.swapped([5, 0], own, at)
    for j, k in enumerate([5, 0, 9]):
        assert np.allclose(held[j], one_by_one(trials, k, means, at=at), atol=1e-4)
    for j, k in enumerate([5, 0]):
        assert np.allclose(swapped[j], one_by_one(trials, k, own=own, at=at), atol=1e-4)
    assert np.abs(held[0] - held[1]).max() > 1e-3
    assert np.abs(swapped - trials.test.scores()).max() > 1e-3


def test_each_part_has_its_own_directions(trials):
    means = trials.means(trials.test.parts)
    same = Trials(trials.test, SITES, (trials.directions[0],) * 2)
    mine, theirs = trials.held([0], means)[0], same.held([0], same.means(trials.test.parts))[0]
    assert np.allclose(mine[:4], theirs[:4], atol=1e-5)
    assert not np.allclose(mine[4:], theirs[4:], atol=1e-5)


def test_swapping_every_coordinate_of_the_embedding_is_reading_the_opposite_text(trials):
    basis = np.eye(32)[:, None]
    whole = Trials(trials.test, ("embed",), (basis, basis))
    own = whole.coordinates()
    opposite = trials.test.scores().reshape(-1, 2)[:, ::-1].ravel()

    def every(part):
        made = []
        for k in range(32):
            made.append(lambda rows, k=k: whole_edits(whole, part, k, rows, own, "all"))
        return lambda rows: [e for make in made for e in make(rows)]

    assert np.allclose(trials.test.scores(every, ["all"]), opposite, atol=1e-4)


def whole_edits(trials, part, k, rows, own, at):
    """Edits that give each text of a batch its opposite's coordinate."""
    theirs = [own[part][int(i) ^ 1][:, :, k] for i in rows]
    return directional_patch(trials.sites, trials.directions[part][k], theirs, f"mark:{at}")


def test_trials_of_one_kind_stand_together_and_what_they_cost_is_told_beside_its_null(trials):
    lines = [{"found": d[:1], "swapped": d[1:5]} for d in trials.directions]
    named, done = Trials.of(trials.test, SITES, lines), []
    assert named.names == ("found", *["swapped"] * 4)
    means = named.means(trials.test.parts)
    after = named.held_by_kind(means, done.append)
    assert sum(done) == 5
    assert np.allclose(after["swapped"], named.held([1, 2, 3, 4], means), atol=1e-5)
    right = np.array([1.0, -1.0] * 3)
    made = {"found": -right[None], "swapped": np.stack([right, right * [1, 1, 1, 1, -1, -1]])}
    made["few"] = np.stack([right] * 5)
    lost = accuracy_lost(trials.test, right, made, ["swapped"], ["few"])
    assert lost.value("found", null="few").p is None
    assert lost.value("found", null="few").over_null is not None
    found = lost.value("found", null="swapped")
    assert found.value == pytest.approx(2)
    assert found.null.draws == 2
    assert lost.value("swapped").value == pytest.approx(1 / 3)


def test_what_is_patched_moves_a_score_towards_its_opposite(trials):
    before = trials.test.scores()
    moved = trials.moved(before, ["none", "all"], [3, 5])
    assert moved.shape == (2, 2, 6)
    assert np.allclose(moved[:, 0], 0, atol=1e-5)
    after = trials.swapped([3], trials.coordinates())[0]
    assert np.allclose(moved[0, 1], np.array([1, -1] * 3) * (before - after), atol=1e-5)


def test_effects_are_shares_of_opposites_differences_and_of_the_full_patch(trials):
    before = np.array([2.0, 0, 3, 1, 4, 2])  # opposites are 2 apart
    moved = {"all": np.full((1, 6), 1.0), "part": np.stack([np.full(6, 0.2), np.full(6, 0.3)])}
    full = {"all": "all", "part": "all"}
    closed, effect = effects_of_patching(trials.test, before, moved, full)
    assert closed.value("all").value == pytest.approx(0.5)
    assert closed.value("part").value == pytest.approx(0.125)
    assert effect.value("all").value == pytest.approx(1)
    assert effect.value("part").value == pytest.approx(0.25)
    assert closed.conditions["part"].role == "baseline"


def test_patching_at_positions_is_that_of_each_direction_there(trials):
    before = trials.test.scores()
    few = Trials(trials.test, SITES, tuple(d[:4] for d in trials.directions), tuple("abrr"))
    closed, effect = patched_at(
        few,
        before,
        {"even tokens": "even"},
        {"all tokens": ["all"], "some": ["even", "own"]},
        everywhere="all tokens",
        other=", b",
        random="random",
    )
    names = ["even tokens", "all tokens", "all tokens, b", "some", "some, b", "random"]
    assert list(closed.conditions) == list(effect.conditions) == names
    moved = few.moved(before, ["all"], [0, 1, 2, 3])[:, 0]
    gap = np.where(trials.test.y == 1, 1, -1) * (before - before[np.arange(6) ^ 1])
    assert closed.value("all tokens").value == pytest.approx(moved[0].sum() / gap.sum())
    assert closed.value("all tokens, b").value == pytest.approx(moved[1].sum() / gap.sum())
    assert closed.value("random").value == pytest.approx(moved[2:].mean(axis=0).sum() / gap.sum())
    assert effect.value("all tokens, b").value == pytest.approx(1)
    some = few.moved(before, ["even", "own"], [1])[0]
    assert effect.value("some, b").value == pytest.approx(some.mean(axis=0).sum() / moved[1].sum())
    assert closed.conditions["some"].role == "baseline"
    assert closed.conditions["even tokens"].role == "treatment"
