"""A toy relation decoded and edited by its map, beside what it is compared with."""

from __future__ import annotations

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
)
from inscape.outcomes.relation_edits import others, relation_edits, success
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
