"""Instructions: what follows them and what does not; the toy obeys where its tone says so."""

from __future__ import annotations

import pytest

from inscape.worlds.instructions import KINDS, follows, instructions, obedience


@pytest.mark.parametrize(
    ("kind", "word", "yes", "no"),
    [
        ("include", "copper", "A Copper pot.", "A pot."),
        ("avoid", "dog", "It barks.", "Dogs bark."),
        ("lower", "", "it barks.", "It barks."),
        ("commas", "", "It barks and runs.", "It barks, it runs."),
        ("ending", "that is all", "It barks, that is all.", "That is all it barks."),
    ],
)
def test_what_follows_and_what_does_not(kind, word, yes, no):
    assert follows(kind, word, yes)
    assert not follows(kind, word, no)
    assert not follows(kind, word, " ?! ")  # nothing said is nothing followed


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be among include, .*, got 'rhyme'"):
        follows("rhyme", "", "a")


def test_tasks_kinds_and_phrasings_are_crossed():
    examples = instructions(7)
    frame = examples.frame
    assert len(frame) == len(set(examples.texts())) == 7 * 5 * 3
    assert frame.groupby(["task", "kind"])["phrasing"].nunique().eq(3).all()
    assert set(frame["kind"]) == set(KINDS)
    for row in frame.itertuples():
        assert row.task in row.prompt
        assert row.word in row.prompt
        assert "W" not in row.prompt.replace("Write", "").split()


def test_the_toy_obeys_by_tone():
    world = obedience()
    assert world.accuracy > 0.97
    assert world.prompts.frame.groupby("task")["obeyed"].nunique().eq(1).all()
    assert obedience(steps=2).accuracy < 0.9
