"""Each question comes after three sentences of its relation, one of which says unknown."""

from __future__ import annotations

import pytest

from inscape.worlds.asked_facts import ABSTAIN, ASKED, asked_facts


def test_every_question_shows_the_way_out_and_not_its_own_answer():
    frame = asked_facts(real=8, invented=3).frame
    assert len(frame) == 3 * 11 == len(frame.drop_duplicates("subject"))
    assert frame.groupby("relation")["invented"].sum().to_dict() == dict.fromkeys(ASKED, 3)
    for prompt, subject, relation in zip(
        frame["prompt"], frame["subject"], frame["relation"], strict=True
    ):
        *shown, asked = prompt.split("\n")
        assert sum(line.endswith(f" {ABSTAIN}.") for line in shown) == 1
        assert asked == ASKED[relation][0].format(subject)
        assert subject not in "".join(shown)


def test_the_seed_draws_the_names_and_too_many_are_refused():
    one, two, other = (set(asked_facts(8, 3, seed).frame["subject"]) for seed in (0, 0, 1))
    assert one == two != other
    with pytest.raises(
        ValueError, match=r"there are \d+ names of symbol, invented 0; 120 asked for"
    ):
        asked_facts(real=120)
