"""One toy relation as a classification, and its objects swapped inside the network."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.rng import generator
from inscape.outcomes.concept_relations import (
    CHANCE,
    FINAL,
    LRC,
    MAJORITY,
    MEANS,
    PLAIN,
    SHUFFLED,
    SVM,
    concept_relation,
    over_relations,
    shared_objects,
)
from inscape.outcomes.concept_swaps import swaps, tried_lengths
from inscape.outcomes.relation_maps import answered
from inscape.worlds.relations import relations

RANKS = (3, 6)


def streams(*names: str) -> np.random.Generator:
    return generator(0, *names)


@pytest.fixture(scope="module")
def world():
    return relations(people=48, steps=150)


@pytest.fixture(scope="module")
def job(world):
    kept, _ = answered(world.model, world.examples, ["job"], 0, 20, rng=np.random.default_rng(0))
    return concept_relation(
        shared_objects(kept[0]),
        world.examples,
        sites=["embed"],
        objects=["resid_post.0"],
        count=6,
        share=0.6,
        rng=streams,
        advance=lambda: None,
    )


@pytest.fixture(scope="module")
def methods(job):
    return job.methods(RANKS, 4, rng=streams)


def test_every_object_is_on_both_sides_and_the_linearised_train(job):
    assert job.train[job.maps[0].examples].all()
    assert not (job.inner & ~job.train).any()
    for c in range(job.count):
        mine = job.classes == c
        assert 1 <= (mine & ~job.train).sum() < mine.sum()
    assert np.array_equal(job.read, job.states)  # nothing stands before the toy's questions


def test_objects_that_few_share_are_left_out(job):
    asked = job.asked
    few = np.concatenate(
        [np.flatnonzero(job.classes == 0)[:2], np.flatnonzero(job.classes == 1)[:3]]
    )
    assert set(shared_objects(asked.take(few)).objects) == {asked.objects[few[-1]]}


def test_methods_classify_what_the_network_knows_and_shuffled_objects_do_not(job, methods):
    assert [len(methods[m]) for m in (LRC, FINAL, SVM, MEANS, PLAIN, SHUFFLED)] == [1] * 5 + [4]
    right = {name: own.mean() for name, own in job.right(methods, job.read).items()}
    assert right[LRC] > 0.7
    assert right[SHUFFLED] < 0.45
    assert right[CHANCE] == pytest.approx(1 / job.count)
    assert right[MAJORITY] == pytest.approx(
        (job.classes[job.held] == np.bincount(job.classes[job.train]).argmax()).mean()
    )


def test_swaps_bring_the_new_object_and_random_ones_rarely(job, methods):
    found = swaps(job, job.held, rng=np.random.default_rng(0))
    assert len(found.rows) > 5
    assert (found.aims != job.classes[found.rows]).all()
    own = found.success(methods[LRC], 0.5)
    random = found.success(job.random(methods[LRC][0], 3, rng=streams), 0.5)
    assert own.likelier.shape == (1, len(found.rows))
    assert random.likelier.shape == (3, len(found.rows))
    assert own.likelier.mean() > random.likelier.mean() + 0.3
    assert (own.answer <= own.likelier).all()
    assert (
        found.success(methods[LRC], 1e-6).likelier.sum() == 0
    )  # without an edit the old one leads


def test_the_length_is_the_one_at_which_training_subjects_lead_most(job, methods):
    held = swaps(job, job.held, rng=np.random.default_rng(0))
    train = swaps(job, np.flatnonzero(job.train), rng=np.random.default_rng(0))
    some = {LRC: methods[LRC], "random": job.random(methods[LRC][0], 2, rng=streams)}
    found = tried_lengths(held, train, some, (1e-6, 0.5), own=LRC, random="random")
    table = found.tried.set_index(["series", "x"])
    assert table.loc[LRC, "chosen"].tolist() == [False, True]
    assert table.loc[(LRC, 1e-6), "value"] == 0
    assert table.loc[(LRC, 0.5), "value"] == found.hits[LRC].mean()
    assert found.hits["random"].shape == (2, len(held.rows))


def test_every_relation_weighs_the_same():
    subjects = [np.array(["a", "b"]), np.array(["c", "d", "e", "f"])]
    values = [{LRC: np.ones((1, 2))}, {LRC: np.array([[0.0, 0.0, 0.0, 1.0]])}]
    m = over_relations("accuracy", "share", subjects, values)
    assert m.value(LRC).value == pytest.approx((1 + 0.25) / 2)
