"""Own answers: judged by words, drawn alike each time, and their states are those of their own
tokens.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.errors import StudyError
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.outcomes.own_answers import Manner, Speaker
from tests.model import nets

PROMPTS = ["the capital is", "a river runs in the"]
SITES = ["resid_post.0", "resid_post.2"]


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def test_manner_is_told_by_words_and_unknown_words_count_nothing():
    manner = Manner.of(["Go away.", "Stop asking, go."], ["Please ask me.", "Ask away, please."])
    assert manner.has(["go, stop", "please ask", "xyzzy", ""]).tolist() == [
        True,
        False,
        False,
        False,
    ]
    known = {"go", "away", "stop", "asking", "please", "ask", "me"}
    assert manner.odds.keys() == known
    assert manner.odds["go"] == pytest.approx(np.log((2 + 1) / (5 + 7)) - np.log(1 / (6 + 7)))


def test_a_manner_is_checked_on_texts_that_it_was_not_learnt_from():
    known = (["go away now", "go on"], ["please ask", "ask me"])
    fresh = (["go", "ask"], ["please", "me go"])
    manner, right = Manner.checked(known, fresh)
    assert right == 0.5  # "go" and "please" are told; "ask" is not, nor "me go", as often as not
    assert manner == Manner.of([*known[0], *fresh[0]], [*known[1], *fresh[1]])


def test_shares_and_states_are_those_of_the_answers(model):
    speaker = Speaker(3, 6, seed=4)
    said = continuations(model, PROMPTS, 3, samples=6, temperature=1.0, seed=4, stop="\n")
    texts = [one.text for several in said for one in several]
    word = texts[0].split()[0]
    manner = Manner({word.lower(): 1.0})
    wanted = np.array([word.lower() in t.lower().split() for t in texts])
    assert 0 < wanted.mean() < 1
    share = speaker.share(model, PROMPTS, manner)
    assert share.tolist() == pytest.approx(wanted.reshape(2, 6).mean(1).tolist())
    states, found, question = speaker.states(model, PROMPTS, manner, SITES)
    assert states.shape == (len(found), 2, nets.D)
    first = next(one for one in said[0] if len(one.ids))
    start = len(model.tokenize(PROMPTS[:1])[0])
    ids = np.concatenate([model.tokenize(PROMPTS[:1])[0].ids, first.ids])
    seen = model.run({"input_ids": torch.from_numpy(ids)[None]}, SITES[1])[SITES[1]][0].double()
    assert question[0] == 0
    assert states[0, 1] == pytest.approx(seen[start:].mean(0).numpy(), abs=1e-5)


def test_no_direction_where_all_answers_are_alike(model):
    with pytest.raises(StudyError, match="none of .* own answers are in the manner.*more samples"):
        Speaker(2, 2, seed=0).states(model, PROMPTS, Manner({}), SITES)
