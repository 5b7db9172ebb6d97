"""Answers are right, wrong or abstain; rows of their own steer questions apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.abstention import (
    PEOPLE,
    RELATION,
    Judge,
    KnownAndUnknown,
    balanced,
    people_and_relation,
    shares_said,
    shifted,
    unknown_by_samples,
)
from inscape.worlds.known_facts import ABSTAIN, known_facts
from inscape.worlds.small_llama import small_llama, word_tokenizer

JUDGE = Judge(("unknown", "I don't know"), 1, ".")


def questions(answers):
    frame = pd.DataFrame({"prompt": ["a"] * len(answers), "answers": answers})
    return Examples(frame, "prompt", ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Lima.", [1, 0, 0]),
        ("Quito", [0, 1, 0]),
        ("It is Unknown to me", [0, 0, 1]),
        ("I don't know, maybe Lima", [0, 0, 1]),  # who abstains is not right
        ("unknowns", [0, 1, 0]),  # whole words only
        (" \n", [0, 0, 0]),
    ],
)
def test_each_answer_is_one_of_three_or_nothing(text, said):
    assert (
        JUDGE.said(questions(["Lima|Ciudad de los Reyes"]), [text])[:, 0].astype(int).tolist()
        == said
    )


def test_each_question_is_steered_by_its_own_row():
    words = ["[PAD]", "a", "unknown", "Lima", "Quito"]
    model = Model(small_llama(5, 16, 0), word_tokenizer(words), "toy")
    asked = questions(["Lima", "Lima", "Lima"])
    layer = len(model.atlas.blocks) - 1
    rows = 100 * model.net.lm_head.weight.detach()[[2, 3, 4]].double().numpy()
    plain = JUDGE.ask(model, asked)
    assert (plain == plain[:, :1]).all()  # alike, as the prompts are
    found = JUDGE.ask(model, asked, shifted(f"resid_post.{layer}", rows))
    assert found.astype(int).T.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert torch.equal(
        model.run(["a"], logits=True).logits, model.run(["a"], logits=True, edits=[]).logits
    )


def test_balanced_weighs_known_and_unknown_alike():
    said = np.array([[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)
    unknown = np.array([False, False, False, True])
    assert balanced(said, unknown) == 0.5
    assert balanced(said, ~unknown) == 0.0
    assert balanced(said[:, :3], unknown[:3]) == 1.0
    assert balanced(said[:, :0], unknown[:0]) == 0.0


def test_nobody_and_no_held_relation_is_on_both_sides():
    frame = pd.DataFrame(
        [
            {"prompt": f"{p} {r}", "subject": p, "relation": r}
            for p in "abcdefgh"
            for r in ("x", "y", "z")
        ]
    )
    questions, unknown = (
        Examples(frame, "prompt", (), "subject"),
        np.isin(frame["subject"], list("aceg")),
    )
    rng = np.random.default_rng(3)
    train, test = people_and_relation(questions, unknown, "", rng)
    assert set(frame["relation"].iloc[train]) == {"x", "y"}
    assert set(frame["relation"].iloc[test[RELATION]]) == {"z"}
    assert set(frame["relation"].iloc[test[PEOPLE]]) == {"x", "y"}
    for rows in test.values():
        assert not set(frame["subject"].iloc[rows]) & set(frame["subject"].iloc[train])
    with pytest.raises(
        DataError,
        match="there is no relation 'w' to hold out beside another one; there are: x, y, z",
    ):
        people_and_relation(questions, unknown, "w", rng)
    with pytest.raises(
        DataError, match="training: the 8 questions are all known or all unknown to the model"
    ):
        people_and_relation(questions, ~unknown & False, "", rng)


def test_what_is_hardly_ever_sampled_right_is_unknown():
    world = known_facts(people=12, relations=3, answers=5, width=32, steps=150)
    judge, done = Judge((ABSTAIN,), 1, "."), []
    unknown = unknown_by_samples(
        world.model,
        judge,
        world.questions,
        samples=5,
        temperature=1.0,
        seed=0,
        advance=done.append,
    )
    taught = world.questions.frame["known"].to_numpy() == 0
    assert np.mean(unknown == taught) > 0.9
    assert 0 < unknown.mean() < 1
    assert sum(done) == len(unknown)


def test_parts_of_a_test_are_numbered_among_all_that_are_asked():
    frame = pd.DataFrame({"prompt": [f"{k} is " if k % 2 else f"{k} is" for k in range(6)]})
    frame["answers"] = [f"{k}|other" for k in range(6)]
    unknown = np.array([True, False, True, True, False, False])
    test = {"first": np.array([4, 2]), "second": np.array([5])}
    asked = KnownAndUnknown(Examples(frame, "prompt", ()), unknown, np.array([0, 1, 3]), test)
    assert asked.rows.tolist() == [4, 2, 5]
    assert asked.tested.texts() == ["4 is", "2 is", "5 is "]
    assert asked.part("first", unknown=True).tolist() == [1]
    assert asked.part("first", unknown=False).tolist() == [0]
    assert asked.part("second", unknown=False).tolist() == [2]
    assert asked.part("second", unknown=True).tolist() == []
    assert asked.target_words("unknown") == [" unknown", "1", "unknown"]


def test_shares_of_what_is_said_are_means_over_draws_and_rows():
    once = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    none = np.zeros((3, 3), dtype=bool)
    parts = {"known": np.array([0]), "unknown": np.array([1, 2])}
    cells = shares_said({"plain": [once], "drawn": [once, none]}, parts)
    shares = cells.pivot(index="row", columns="column", values="value")
    assert shares.loc["plain"].to_dict() == {
        "known, right": 1.0,
        "known, wrong": 0.0,
        "known, abstains": 0.0,
        "unknown, wrong": 0.5,
        "unknown, abstains": 0.5,
    }
    assert (shares.loc["drawn"] == shares.loc["plain"] / 2).all()
