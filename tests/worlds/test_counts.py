"""How many of something a world is asked for: out of range it is refused, not sliced or awaited."""

from __future__ import annotations

import numpy as np
import pytest

from inscape import worlds

CASES = [
    ("facts", {"cities": -5}),
    ("facts", {"invented": 10**7}),
    ("asked_facts", {"real": -3}),
    ("bonded_elements", {"elements": 1}),
    ("twin_corpora", {"bonds": 0}),
    ("instructions", {"count": -1}),
    ("programs", {"count": -1}),
    ("quiz", {"count": -1}),
    ("distinct_scenes", {"n": -2}),
    ("draw_lexicon", {"words": 10**9}),
    ("draw_voices", {"n": -1}),
    ("attribute_shapes", {"n": 0}),
    ("object_scenes", {"n": 2, "objects": 0}),
    ("pictures", {"n": 3, "known": True, "clutter": -1}),
    ("sounds", {"each": 1, "things": -1}),
    ("twin_languages", {"words": 0}),
    ("warped_manifolds", {"each": 0}),
    ("phase_mixtures", {"measures": 2, "most": 0}),
    ("text", {"n": -1}),
    ("word_meanings", {"words": 0}),
    ("long_documents", {"n": 1, "length": 20}),
    ("band_powers", {"features": 0, "planted": ()}),
    ("photo_crops", {"n": 0}),
    ("drawn_digits", {"n": -2, "known": True}),
]


@pytest.mark.parametrize(("name", "given"), CASES)
def test_counts_out_of_range_are_refused(name, given):
    made = getattr(worlds, name)
    streams = set(made.__annotations__) & {"rng", "which"}
    with pytest.raises(ValueError, match="must be a whole number from .*, got "):
        made(**given, **{s: np.random.default_rng(0) for s in streams})


def test_lists_and_chances_that_are_none_are_refused():
    rng = np.random.default_rng(0)
    for tasks in ("places", ()):
        with pytest.raises(ValueError, match="quiz: tasks is a list of some of"):
            worlds.quiz(tasks=tasks)
    with pytest.raises(ValueError, match="programs: give at least one language"):
        worlds.programs(languages=())
    for wrong in ({"sizes": ()}, {"sizes": (0, 5)}, {"inside": 1.5}, {"between": -0.1}):
        with pytest.raises(
            ValueError, match="blocks of at least one node and chances between 0 and 1"
        ):
            worlds.planted_blocks(**wrong, rng=rng)
    for held in (1.0, -0.5):
        with pytest.raises(ValueError, match="held must be from 0 up to below 1"):
            worlds.photo_crops(1, held=held, rng=rng)
