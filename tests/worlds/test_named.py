"""Worlds by name: what is found, what is made, and what is refused."""

import pytest

from inscape.core.errors import StudyError
from inscape.data.examples import Examples
from inscape.worlds.named import called, examples_of, is_world, world, worlds
from inscape.worlds.needles import Needles, needles


def test_worlds_are_found_and_what_is_no_world_is_not():
    found = worlds()
    assert found["places"] == "places"
    assert found["recall"] == "facts"  # a world beside other things of its module
    assert {"lexicon", "known_facts", "planted_neurons"} <= set(found)
    # data without a network, a network without a record, and what must be given a network
    assert not {"quiz", "scrambler", "curt_answers", "planted_concept", "facts"} & set(found)


def test_a_world_is_made_with_its_settings_and_the_seed():
    made = world("world:needles(texts=8)", seed=3)
    same = needles(texts=8, seed=3)
    assert isinstance(made, Needles)
    assert made.examples.texts() == same.examples.texts()
    assert made.examples.texts() != needles(texts=8, seed=4).examples.texts()
    own = world("world:needles(texts=8, seed=4)", seed=3)
    assert own.examples.texts() == needles(texts=8, seed=4).examples.texts()
    assert examples_of(made) is made.examples


def test_a_record_without_examples_has_none():
    class Bare:
        def __init__(self):
            self.model, self.texts = None, ["a"]

    assert examples_of(Bare()) is None
    assert isinstance(examples_of(world("world:needles(texts=8)")), Examples)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("world:places", "places", {}),
        ("world:places()", "places", {}),
        ("world:a(b=1, c=(2, 3))", "a", {"b": 1, "c": (2, 3)}),
    ],
)
def test_what_is_read(text, name, arguments):
    assert is_world(text)
    assert called(text) == (name, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "world:",
        "world:a b",
        "world:a(3)",
        "world:a(b=c)",
        "world:a.b",
        "world:a(**{})",
        "world:'a'",
    ],
)
def test_what_cannot_be_read(text):
    with pytest.raises(StudyError, match="cannot be read; write world:NAME"):
        called(text)


def test_unknown_names_get_close_ones():
    assert not is_world("places")
    with pytest.raises(StudyError, match="There is no world 'place'.*'?places"):
        world("world:place")
    with pytest.raises(StudyError, match="'needles' has no setting 'text'.*texts"):
        world("world:needles(text=3)")
