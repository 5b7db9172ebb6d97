"""The audit of a vector: a real one moves what it is about, controls are as long, and what it
leaves is read.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.outcomes.contrast import contrast
from inscape.outcomes.dose_response import leaning
from inscape.workbench.steering import make_vector, two_classes
from inscape.workbench.vector_audit import RANDOM, RELABELLED, VectorAudit
from inscape.worlds.sentiment import VERDICTS, sentiment


@pytest.fixture(scope="module")
def world():
    return sentiment()


@pytest.fixture(scope="module")
def audit(world):
    made = make_vector(world.model, world.examples)
    few = world.examples.take(np.arange(0, len(world.examples), 5))
    _, y, _ = two_classes(few, None)
    return VectorAudit.of(
        world.model, made.vector, few, y, judged=2.0, random=6, relabelled=4, seed=1
    )


def test_controls_are_as_long_on_every_block(audit):
    assert {kind: len(found) for kind, found in audit.controls.items()} == {
        RANDOM: 6,
        RELABELLED: 4,
    }
    assert audit.warning == ""
    for found in audit.controls.values():
        for layer, row in audit.vector.vectors.items():
            sizes = [np.linalg.norm(v.vectors[layer]) for v in found]
            assert sizes == pytest.approx([np.linalg.norm(row)] * len(found), rel=1e-3)


def test_the_vector_moves_verdicts_more_than_random_ones(audit, world):
    few = world.examples.take(np.arange(16))
    words = contrast(world.model, *VERDICTS, unless_in=few.texts())
    told = []
    tried = (-2.0, 2.0), 2
    responses = audit.responses(
        leaning(world.model, few, words), *tried, advance=lambda: told.append(1)
    )
    assert len(told) == audit.asked(*tried) == 1 + (1 + 2 + 2) + (1 + 6 + 4)
    assert {r.strength: len(r.controls[RANDOM]) for r in responses} == {-2.0: 2, 2.0: 6}
    down, up = (r.moved.mean() for r in responses)
    assert up > 1 > -1 > down
    assert up > responses[1].controls[RANDOM].mean(axis=1).max()


def test_side_effects_stand_beside_random_vectors_at_the_judged_strength(audit, world):
    found = audit.side_effects(world.examples.take(np.arange(8)), (1.0, 2.0), 3)
    assert {e.where["condition"] for e in found} == {"strength 1", audit.at}
    assert {e.null.kind for e in found} == {f"{RANDOM} at {audit.at}"}
    kl = [e.value for e in found if e.unit == "nats a token"]
    assert 0 < kl[0] < kl[1]


def test_an_added_vector_removes_nothing_and_what_is_not_there_is_named(audit, world):
    few = world.examples.take(np.arange(0, len(world.examples), 3))
    label, *_ = two_classes(few, None)
    site = f"resid_post.{len(world.model.atlas.blocks) - 1}"
    read = audit.reprobed(few, site, label, ("subject", "weather"), seed=0)
    assert read.missing == ("weather",)
    assert [e.where["label"] for e in read.lost] == ["subject"]
    linear = {e.where["condition"]: e.value for e in read.concept if e.where["probe"] == "linear"}
    assert min(linear.values()) > 0.9
    assert audit.at in linear


def test_one_group_has_no_swapped_labels_and_the_reason_is_kept(audit, world):
    _, y, _ = two_classes(world.examples, None)
    rows = np.flatnonzero(world.examples.groups() == world.examples.groups()[0])
    lone = VectorAudit.of(
        world.model,
        audit.vector,
        world.examples.take(rows),
        y[rows],
        judged=2.0,
        random=2,
        relabelled=2,
    )
    assert list(lone.controls) == [RANDOM]
    assert lone.warning.startswith("No vectors from swapped labels: half_swapped: needs at least")
