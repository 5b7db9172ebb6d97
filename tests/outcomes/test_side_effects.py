"""Side effects on neutral text are what a slow loop counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.dose import dosed
from inscape.core.edit import Add, Scope
from inscape.core.errors import DataError
from inscape.model.model import Model
from inscape.outcomes.side_effects import (
    PLAIN,
    beside_random,
    each_measured,
    measured,
    side_effects,
)
from tests.model import nets


def test_side_effects_are_what_a_slow_loop_counts():
    model = Model(nets.net("llama"), nets.tokenizer())
    texts = ["the river rises in the mountain", "a good film", "Paris is the capital of a sea ."]
    edit = Add(Scope("resid_post.1"), 3 * torch.linspace(-1, 1, nets.D))
    found = side_effects(model, texts, {"push": [edit], "nothing": dosed([edit], 0.0)}, budget=12)
    for i, text in enumerate(texts):
        ids = model.tokenize([text])[0].ids
        p, q = (
            model.run([text], logits=True, edits=e).logits[0, :-1].double().log_softmax(-1)
            for e in (None, edit)
        )
        kl = float((p.exp() * (p - q)).sum())
        loss = -sum(float(q[t, ids[t + 1]]) for t in range(len(ids) - 1))
        assert kl > 0.01
        assert found["push"].kl[i] == pytest.approx(kl, rel=1e-3)
        assert found["push"].loss[i] == pytest.approx(loss, rel=1e-4)
        assert found[PLAIN].kl[i] == 0
        assert found["nothing"].kl[i] == pytest.approx(0, abs=1e-5)
        assert found["push"].tokens[i] == len(ids) - 1
    groups = np.arange(3)
    kl, ratio, *_ = measured(found, "push", ["nothing", "nothing"], groups, "no push")
    assert kl.value == pytest.approx(found["push"].kl.sum() / found["push"].tokens.sum())
    gap = (found["push"].loss - found[PLAIN].loss).sum() / found["push"].tokens.sum()
    assert ratio.value == pytest.approx(np.exp(gap))
    assert ratio.null.mean == pytest.approx(1, abs=1e-4)
    # three texts of unequal length are fewer than three effective groups
    assert ratio.interval is None
    assert "effective groups" in kl.warnings[0]
    assert side_effects(model, texts, {}, most=2)[PLAIN].tokens.tolist() == [1, 1, 1]
    with pytest.raises(DataError, match="has no token to predict"):
        side_effects(model, ["Paris"], {})


def test_the_first_edits_stand_beside_the_random_ones():
    model = Model(nets.net("llama"), nets.tokenizer())
    texts = ["the river rises in the mountain", "a good film", "Paris is the capital of a sea ."]
    push = Add(Scope("resid_post.1"), 3 * torch.linspace(-1, 1, nets.D))
    edits = [[push], dosed([push], 0.0), dosed([push], 0.1)]
    kl, ratio, *_ = beside_random(model, texts, edits, "weak pushes")
    found = side_effects(model, texts, {"push": [push], "none": edits[1], "weak": edits[2]})
    wanted = measured(found, "push", ["none", "weak"], np.arange(3), "weak pushes")
    assert kl.value == pytest.approx(wanted[0].value)
    assert ratio.null == wanted[1].null
    assert ratio.null.kind == "weak pushes"
    assert ratio.null.draws == 2
    weak = {"none": edits[1], "weak": edits[2]}
    how = (np.arange(3), "weak pushes")
    several = each_measured(model, texts, {"a": [push], "b": edits[2]}, weak, *how)
    assert [e.where["condition"] for e in several] == ["a"] * 3 + ["b"] * 3
    assert several[1].value == pytest.approx(ratio.value)
    assert several[3].value < several[0].value


def test_texts_are_a_list_of_which_two_tokens_are_read():
    model = Model(nets.net("llama"), nets.tokenizer())
    for texts, most in (("a good film", 9), (["a good film"], 1)):
        with pytest.raises(ValueError, match="give a list of texts, and most of at least 2"):
            side_effects(model, texts, {}, most=most)
