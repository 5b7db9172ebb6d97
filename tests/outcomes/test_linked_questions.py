"""Linked questions: links as indices, themes kept apart, logits those of the model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.data.card import read_card
from inscape.data.load import SETS, load
from inscape.model.model import Model
from inscape.outcomes.linked_questions import (
    NO_FIRST,
    OTHER,
    SHUFFLED,
    answer_logits,
    change,
    compared,
    pairs,
    people,
    poll,
    questions,
    row_peaks,
)
from inscape.read.logit_map import LogitMap
from tests.model import nets

TABLE = pd.DataFrame(
    {
        "question": ["city", "city", "country", "country", "taste", "taste"],
        "template": ["{} is in"] * 2 + ["{} is of"] * 2 + ["{} is a"] * 2,
        "answer": ["Paris", "London", "sea", "river", "good", "bad"],
        "links": ["country=sea", "country=river;weather=rain", "", "", "", ""],
        "text": list("abcdef"),
    }
)


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def table(frame=TABLE):
    return load(frame, input="text", labels=["answer"], group="question")


def test_links_are_pairs_of_answers_and_unknown_ones_are_left_out(model):
    found = questions(model, table())
    assert found["city"].links["country"].tolist() == [[0, 0], [1, 1]]
    assert set(found["city"].links) == {"country"}
    assert [model.tokenizer.decode([t]) for t in found["city"].tokens] == ["Paris", "London"]
    linked, apart = pairs(found)
    assert linked == [("city", "country")]
    assert apart == [("city", "taste")]


def test_answers_of_one_first_token_count_once(model):
    rows = [
        *TABLE.to_dict("records"),
        {**TABLE.iloc[0].to_dict(), "answer": "Paris river", "text": "g"},
    ]
    assert questions(model, table(pd.DataFrame(rows)))["city"].answers == ("Paris", "London")
    with pytest.raises(DataError, match="has 1 answers that differ"):
        questions(model, table(TABLE.iloc[:5]))


def test_logits_are_the_models_own(model):
    found = questions(model, table())
    out = answer_logits(model, found["city"], ["the mountain", "it"])
    whole = model.run("the mountain is in", logits=True).logits[0, -1].double().numpy()
    assert np.allclose(out[0], whole[found["city"].tokens], atol=1e-4)
    other = answer_logits(model, found["city"], ["it"], np.array([3]))
    assert other.shape == (1, 1)


def test_the_built_in_table_links_cities_to_countries():
    e = load("linked-questions")
    assert e.card == read_card(SETS / "linked_questions.py")
    assert not e.frame.duplicated(["question", "answer"]).any()
    answers = set(zip(e.frame["question"], e.frame["answer"], strict=True))
    for text in e.frame["links"]:
        for link in filter(None, text.split(";")):
            assert tuple(link.split("=")) in answers, link
    row = e.frame.set_index(["question", "answer"]).loc[("city", "Kyoto")]
    assert row["links"] == "country=Japan;language=Japanese;continent=Asia"
    assert (e.frame["question"] == "country").sum() >= 50


def test_names_are_made_up_and_differ():
    names = people(200, rng=np.random.default_rng(0))
    assert len(set(names)) == 200
    assert all(len(name.split()) == 2 for name in names)
    with pytest.raises(DataError, match="made-up names, and 99999 were asked for"):
        people(99999, rng=np.random.default_rng(0))


def test_ties_have_every_condition_and_a_question_is_tied_to_itself(model):
    names = [
        f"{a} {b}" for a in ("it", "the", "a", "sea") for b in ("mountain", "river", "sea", "it")
    ]
    polled = poll(model, questions(model, table()), names)
    kinds = {("city", "city"): "itself", ("city", "taste"): "apart"}
    train = np.arange(16) % 4 != 3
    found = polled.ties(kinds, train, 3, rng=np.random.default_rng(0))
    assert found.groupby("condition").size().to_dict() == {
        "itself": 1,
        "apart": 1,
        NO_FIRST: 2,
        OTHER: 2,
        SHUFFLED: 6,
    }
    r = found.set_index("condition")["r"]
    assert r["itself"] > 0.99
    assert r[SHUFFLED].mean() < 0.5
    assert found["draw"].max() == 2


def test_kinds_of_pairs_are_compared_over_pairs():
    rows = [("a → b", "linked", 0.8), ("c → d", "linked", 0.6), ("a → d", "apart", 0.1)]
    scores = pd.DataFrame(rows, columns=["pair", "kind", "r"])
    own = scores.assign(condition=scores["kind"], draw=0)
    mixed = [scores.assign(condition=SHUFFLED, draw=k, r=[0.0, 0.2, k / 10]) for k in range(4)]
    ties = compared(pd.concat([own, *mixed]), "linked", "apart")
    assert ties.own.value == pytest.approx(0.7)
    assert ties.own.null.mean == pytest.approx(0.1)
    assert ties.gap.value == pytest.approx(0.6)
    assert ties.gap.null.mean == pytest.approx(0.1 - 0.15)
    assert ties.gap.p == pytest.approx(0.2)
    assert ties.farthest == pytest.approx(0.3)
    bars = ties.bars
    assert bars["group"].tolist() == ["a → b (linked)", "c → d (linked)", "a → d (apart)"]
    for end in ("value", "low", "high"):
        assert bars[end].tolist() == [0.8, 0.6, 0.1]
    assert bars["null"].tolist() == pytest.approx([0.0, 0.2, 0.15])


def test_a_model_does_not_change_from_itself(model):
    found = questions(model, table())["city"]
    same = change(model, model, found, ["it", "the"])
    assert same.shape == (2, 2)
    assert np.abs(same).max() < 1e-6
    other = change(model, model.untrained(1), found, ["it", "the"])
    assert np.abs(other).max() > 1e-3


def test_rows_peak_at_the_answers_with_the_largest_columns(model):
    found = questions(model, table())
    fitted = LogitMap(np.array([[0.0, 1.0], [0.0, 3.0]]), np.zeros(2))
    frame = row_peaks(fitted, found["city"], found["country"], np.array([True, False]), count=1)
    assert frame["city"].tolist() == ["Paris", "London"]
    assert frame["implies"].tolist() == ["sea", "river"]
    # the second column is less its mean over rows: the first row then peaks at the first
    assert frame["row peaks at"].tolist() == ["sea", "river"]


@pytest.mark.parametrize("count", [0, -1])
def test_at_least_one_name_is_asked_for(count):
    with pytest.raises(DataError, match="ask for 1 to"):
        people(count, rng=np.random.default_rng(0))
