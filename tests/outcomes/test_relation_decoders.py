"""A toy relation decoded and edited by its map, beside what it is compared with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inscape.core.rng import generator
from inscape.outcomes.relation_decoders import (
    LENS,
    LRE,
    MORE,
    RANDOM,
    SHIFT,
    SQUARES,
    WHOLE,
    best,
    candidates,
    faithful,
    faithful_by_layer,
    faithful_margin,
    margin_over_rivals,
    relation_scores,
)
from inscape.outcomes.relation_edits import edit_rates, others, relation_edits, success
from inscape.outcomes.relation_maps import answered, linearise, not_copied
from inscape.worlds.relations import relations

BETAS = (0.5, 1.0, 2.0)


def streams(*names: str) -> np.random.Generator:
    return generator(0, *names)


@pytest.fixture(scope="module")
def mapped():
    world = relations(people=48, steps=150)
    kept, _ = answered(world.model, world.examples, ["city"], 0, 20, rng=np.random.default_rng(0))
    sites = ["embed", "resid_post.0"]
    return linearise(kept[0], sites, "resid_post.1", 6, rng=np.random.default_rng(1))


def test_answers_that_begin_as_their_subject_are_left_out(mapped):
    asked = mapped.asked
    assert len(not_copied(asked)) == len(asked)
    asked.answer[0], kept = asked.tokens[0].ids[asked.position[0]], asked.answer.copy()
    try:
        assert len(not_copied(asked)) == len(asked) - 1
    finally:
        asked.answer[:] = kept


def test_every_method_has_its_candidates(mapped):
    rng = np.random.default_rng(0)
    counts = {
        m: len(candidates(mapped, m, 0, BETAS, rng=rng))
        for m in (LRE, LENS, SHIFT, SQUARES, MORE, RANDOM)
    }
    assert counts == {LRE: 3, LENS: 1, SHIFT: 1, SQUARES: 3, MORE: 3, RANDOM: 3}
    (lens,) = candidates(mapped, LENS, 1, BETAS, rng=rng)
    assert np.allclose(lens(mapped.states[1]), mapped.states[1])


def test_the_best_map_is_that_of_the_rows_which_choose(mapped):
    site, relation = best(mapped, LRE, BETAS, rng=np.random.default_rng(0))
    own = mapped.agrees(relation, site, mapped.chooses).mean()
    for k in range(2):
        for r in candidates(mapped, LRE, k, BETAS, rng=np.random.default_rng(0)):
            assert mapped.agrees(r, k, mapped.chooses).mean() <= own + 1e-9
    assert best(mapped, LRE, BETAS, rng=np.random.default_rng(0), sites=[1])[0] == 1


def test_the_mean_jacobian_decodes_and_random_maps_do_not(mapped):
    found = faithful(mapped, BETAS, 4, rng=streams)
    assert found[LRE].mean() > 0.7
    assert found[RANDOM].shape == (4, len(mapped.held))
    assert found[RANDOM].mean() < 0.4


def test_edits_bring_the_others_object_and_random_steps_of_that_length_rarely(mapped):
    found = relation_edits(mapped, (4, 16, 48), 4, rng=streams)
    assert found[WHOLE].mean() > 0.8
    assert found[LRE].mean() > found[RANDOM].mean() + 0.3
    rows = mapped.held
    to = others(mapped, rows, np.random.default_rng(0))
    assert (mapped.asked.answer[to] != mapped.asked.answer[rows]).all()
    still = np.zeros((len(rows), mapped.states.shape[2]))
    assert success(mapped, rows, to, 0, still).sum() == 0  # without a step the old object stays


def named(mapped, relation):
    return replace(mapped, asked=replace(mapped.asked, relation=relation))


def shares(mapped, lre, lens=0.0, shift=0.0, squares=0.0):
    """The first subjects are right, as many as the share says."""
    n = len(mapped.held)
    means = {LRE: lre, LENS: lens, SHIFT: shift, SQUARES: squares}
    return {name: (np.arange(n) < round(x * n)).astype(float) for name, x in means.items()}


def test_the_margin_is_above_one_half_and_a_tenth_above_the_best_of_others():
    assert margin_over_rivals(0.9, 0.2, 0.3) == pytest.approx(0.4)
    assert margin_over_rivals(0.9, 0.2, 0.85) == pytest.approx(-0.05)
    own, other = np.array([0.4, 0.8]), np.array([0.0, 0.6])
    assert margin_over_rivals(own, other, 0 * other) == pytest.approx([-0.1, 0.1])


def test_the_margin_is_that_of_the_relation_where_it_is_kth(mapped):
    found = [named(mapped, r) for r in ("a", "b", "c")]
    scores = {
        "a": shares(mapped, 1.0, squares=0.5),
        "b": shares(mapped, 1.0, lens=1.0),
        "c": shares(mapped, 0.6),
    }
    each = sorted(margin_over_rivals(*(x.mean() for x in by.values())) for by in scores.values())
    assert each[0] < 0 <= each[1] < each[2]
    for k in (1, 2, 3):
        above = faithful_margin(found, scores, k)
        assert above.evidence.value == pytest.approx(each[-k])
        assert above.evidence.name.endswith(f"relation {k} of 3")
        assert above.holds == ["a", "c"]
    only = faithful_margin(found[:1], {"a": scores["a"]})
    assert only.evidence.value == pytest.approx(each[-1])


def test_scores_of_a_relation_have_random_maps_as_null(mapped):
    n = len(mapped.held)
    by = shares(mapped, 0.75, lens=0.25) | {RANDOM: np.eye(3, n)}
    rows = {e.where["condition"]: e for e in relation_scores("faithfulness", {"a": by})}
    assert set(rows) == {LRE, LENS, SHIFT, SQUARES}
    assert rows[LRE].where["relation"] == "a"
    assert rows[LRE].value == pytest.approx(by[LRE].mean())
    assert (rows[LRE].null.kind, rows[LRE].null.draws) == (RANDOM, 3)
    assert rows[LRE].null.mean == pytest.approx(1 / n)
    assert rows[LENS].null is None  # a baseline


def test_by_layer_the_gain_is_chosen_at_each_site(mapped):
    found = faithful_by_layer([mapped, mapped], (LRE, LENS), BETAS, rng=streams)
    rows = {(e.where["method"], e.where["layer"]): e for e in found}
    assert list(rows) == [(LRE, -1), (LRE, 0), (LENS, -1), (LENS, 0)]
    for k, layer in enumerate((-1, 0)):
        stream = streams("layers", LRE, mapped.relation)
        _, relation = best(mapped, LRE, BETAS, rng=stream, sites=[k])
        share = mapped.agrees(relation, k, mapped.held).mean()
        assert rows[LRE, layer].value == pytest.approx(share)
        assert rows[LRE, layer].n == 2


def test_rates_of_edits_are_over_all_relations(mapped):
    n = len(mapped.held)

    def made(own, random, whole):
        draws = np.broadcast_to(np.arange(n) < round(random * n), (2, n)).astype(float)
        return {
            LRE: (np.arange(n) < round(own * n)) * 1.0,
            RANDOM: draws,
            WHOLE: (np.arange(n) < round(whole * n)) * 1.0,
        }

    edits = {"a": made(1.0, 0.5, 1.0), "b": made(0.5, 0.0, 1.0)}
    found = edit_rates([named(mapped, r) for r in edits], edits)
    own, random, whole = (
        np.mean([by[name].mean() for by in edits.values()]) for name in (LRE, RANDOM, WHOLE)
    )
    assert (found.own, found.random, found.whole) == pytest.approx((own, random, whole))
    assert found.above_twice.value == pytest.approx(own - 2 * random)
    assert found.of_whole.value == pytest.approx(own / whole)
    assert found.above_twice.interval[0] < own - 2 * random
    none = edit_rates([mapped], {"a": made(0.0, 0.0, 1.0)})
    assert none.above_twice.value == pytest.approx(-2 / (2 * n))  # one success at least is counted
