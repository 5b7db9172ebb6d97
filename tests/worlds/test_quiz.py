"""The quiz: its answers are true, its groups hold apart what they say, its numbers are drawn from
the seed.
"""

from __future__ import annotations

import pytest

from inscape.data.answers import locate
from inscape.data.load import load
from inscape.worlds.quiz import TASKS, quiz


def test_answers_are_true():
    frame = quiz(200).frame
    assert frame["task"].value_counts().to_dict() == dict.fromkeys(TASKS, 200)
    capitals = frame[frame["form"] == "capital"].set_index("subject")["answers"]
    assert capitals.get("France", "Paris") == "Paris"
    assert len(capitals) > 50
    for row in frame[frame["form"] == "sum"].itertuples():
        a, b = row.subject.split(" + ")
        assert int(row.answers) == int(a) + int(b)
        assert row.group == f"{a} +"
    people = load("cities").frame.set_index("name")["population"]
    for row in frame[frame["form"] == "comparison"].itertuples():
        assert people[row.answers] >= people[row.others]
        assert set(row.subject.split(" or ")) == {row.answers, row.others}
        assert locate(f" {row.answers}.", row.answers.split("|"), row.others.split("|")).right
        assert not locate(f" {row.others}.", row.answers.split("|"), row.others.split("|")).right


def test_no_city_straddles_groups_and_the_right_one_comes_first_half_of_the_time():
    frame = quiz(400, ("populations",)).frame
    home = {}
    for row in frame.itertuples():
        for city in (row.answers, row.others):
            assert home.setdefault(city, row.group) == row.group
    first = [r.subject.startswith(r.answers + " or") for r in frame.itertuples()]
    assert 0.4 < sum(first) / len(first) < 0.6


def test_same_seed_same_questions():
    one, two = quiz(60, seed=1), quiz(60, seed=1)
    assert one.fingerprint == two.fingerprint != quiz(60, seed=2).fingerprint
    assert quiz(30, ("addition",), seed=1).texts() == quiz(30, seed=1).take(range(30, 60)).texts()
    with pytest.raises(
        ValueError, match="tasks must be among places, addition, populations, got 'poems'"
    ):
        quiz(10, ("poems",))
