"""Questions behind a held prefix: the numbers of whole prompts, and answers that follow the
subject's state.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.core.errors import DataError
from inscape.data.load import load
from inscape.model.model import Model
from inscape.outcomes.relation_prompts import ask, decode, first_token, last_site, relation_names
from tests.model import nets

FRAME = pd.DataFrame(
    {
        "relation": "near",
        "subject": ["Paris", "London", "river sea", "mountain", "river", "sea"],
        "object": ["river", "sea", "Paris", "river", "London", "good"],
        "template": "the capital of {} is",
    }
)


def examples(frame=FRAME):
    frame = frame.assign(
        text=[t.format(s) for t, s in zip(frame["template"], frame["subject"], strict=True)]
    )
    frame = frame.assign(subject_start=15, subject_end=[15 + len(s) for s in frame["subject"]])
    return load(
        frame,
        input="text",
        labels=["object"],
        group="subject",
        spans={"subject": ("subject_start", "subject_end")},
    )


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def asked(request):
    return ask(
        Model(nets.net(request.param), nets.tokenizer()),
        examples(),
        2,
        rng=np.random.default_rng(0),
    )


def test_answers_and_states_are_those_of_whole_prompts(asked):
    model = asked.model
    assert asked.shared > 10
    for i, tokens in enumerate(asked.tokens):
        whole = model.run([tokens], ["resid_post.1"], logits=True)
        assert asked.said[i] == int(whole.logits[0, -1].argmax())
        assert np.allclose(
            asked.states(["resid_post.1"])[0, i],
            whole["resid_post.1"][0, asked.position[i]],
            atol=1e-4,
        )
        assert np.allclose(
            asked.states(["resid_post.1"], last=True)[0, i], whole["resid_post.1"][0, -1], atol=1e-4
        )
        word = model.tokenizer.decode([tokens.ids[asked.position[i]]])
        assert asked.subjects[i].endswith(word.strip())


def test_shots_stand_before_and_are_asked_no_more(asked):
    assert len(asked) == 4
    shown = set(FRAME["subject"]) - set(asked.subjects)
    text = asked.tokens[0].text
    assert text.count("\n") == 2
    assert all(f"of {s} is" in text for s in shown)
    assert len(asked.take(asked.known)) == asked.known.sum()


def test_another_subjects_state_brings_its_answer(asked):
    site, last = "resid_post.0", last_site(asked.model)
    own = asked.states([site])[0]
    same = asked.outputs(last, own, site)
    assert np.allclose(same, asked.outputs(last), atol=1e-4)
    other = asked.outputs(last, own[::-1], site)
    assert np.abs(other - same).max() > 0.01
    assert (decode(asked.model, same) == asked.said).all()


def test_under_edits_the_prefix_is_edited_too(asked):
    edit = Add(Scope("resid_post.0"), torch.full((nets.D,), 0.5))
    held = asked.under([edit])
    last = last_site(asked.model)
    found = held.outputs(last)
    assert np.abs(found - asked.outputs(last)).max() > 0.01
    for i, tokens in enumerate(asked.tokens):
        whole = asked.model.run([tokens], last, edits=edit, logits=True)
        assert np.allclose(found[i], whole[last][0, -1], atol=1e-4)
        logs = whole.logits[0, -1].double().log_softmax(-1)[int(asked.answer[i])]
        assert held.log_probability(found)[i] == pytest.approx(float(logs), abs=1e-3)


def test_refusals():
    model = Model(nets.net("llama"), nets.tokenizer())
    with pytest.raises(DataError, match="at least 7 rows is needed, got 1 in 6 rows"):
        ask(model, examples(), 5, rng=np.random.default_rng(0))
    with pytest.raises(DataError, match="template"):
        ask(
            model,
            load(FRAME.drop(columns="template"), input="subject"),
            1,
            rng=np.random.default_rng(0),
        )
    with pytest.raises(DataError, match="gives no token for ''"):
        first_token(model, "")
    assert relation_names(examples()) == ["near"]
