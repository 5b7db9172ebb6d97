"""The relations world: the network knows it, an untrained one does not, and ties are those of the
world.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.relations import OBJECTS, relations


@pytest.fixture(scope="module")
def world():
    return relations()


def test_the_network_knows_its_people(world):
    assert world.accuracy > 0.98
    fresh = world.model.untrained(0)
    texts = world.examples.texts()[:100]
    ids = world.model.tokenizer(texts)["input_ids"]
    logits = fresh.run(texts, logits=True).logits[:, -1]
    answers = world.model.tokenizer(world.examples.frame["object"].tolist()[:100])["input_ids"]
    assert (logits.argmax(-1).numpy() == np.array(answers)[:, 0]).mean() < 0.2
    assert {len(row) for row in ids} == {5}


def test_countries_follow_cities_and_jobs_follow_nothing(world):
    wide = world.examples.frame.pivot(index="subject", columns="relation", values="object")
    for city, country in wide[["city", "country"]].itertuples(index=False):
        assert country == f"country{world.ties['country'][int(city.removeprefix('city'))]}"
    assert (wide.groupby("city")["job"].nunique() > 1).any()
    assert {r: wide[r].nunique() for r in wide} == OBJECTS


def test_the_span_is_the_subject(world):
    start, end = world.examples.span(3)["subject"]
    assert world.examples.texts()[3][start:end] == world.examples.frame["subject"].iloc[3]
    again = relations(steps=2)
    assert again.examples.fingerprint == world.examples.fingerprint
    assert again.accuracy < 0.5


def test_as_linked_questions_an_answer_implies_that_of_the_relation_which_follows(world):
    frame = world.linked().frame
    assert len(frame) == sum(OBJECTS.values())
    row = frame.set_index("answer").loc["city3"]
    assert row["links"] == f"country=country{world.ties['country'][3]}"
    assert (frame.loc[frame["question"] == "job", "links"] == "").all()
