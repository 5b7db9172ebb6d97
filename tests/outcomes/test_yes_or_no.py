"""Log-odds of yes against no are those of the model's own logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inscape.core.errors import ModelError
from inscape.outcomes.yes_or_no import verdict_odds, yes_odds
from inscape.worlds.lexicon import lexicon


def test_odds_are_those_of_the_logits_and_change_sign_with_the_words():
    world = lexicon(steps=30)
    few = world.documents.take(np.arange(6))
    words = [w for text in few.texts() for w in text.split()]
    yes, no = words[0], next(w for w in words if w != words[0])
    found = yes_odds(world.model, few, (yes,), (no,))
    a, b = (world.model.tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in (yes, no))
    assert a != b
    for text, odds in zip(world.model.tokenize(few.texts()), found, strict=True):
        logits = world.model.run(world.model.collate([text]), logits=True).logits
        assert logits is not None
        last = logits[0, len(text) - 1]
        assert np.isclose(odds, float(last[a] - last[b]), atol=1e-4)
    assert np.allclose(yes_odds(world.model, few, (no,), (yes,)), -found)
    third = next(w for w in words if w not in (yes, no))
    both, one = (yes_odds(world.model, few, w, (no,)) for w in ((yes, third), (third,)))
    assert np.allclose(both, np.logaddexp(found, one), atol=1e-6)
    with pytest.raises(ModelError, match=f"'{yes}' and '{yes}' begin with the same token of "):
        yes_odds(world.model, few, (no, yes), (yes,))
    with pytest.raises(ModelError, match="has no token for 'Yes'; give other words"):
        yes_odds(world.model, few, ("Yes",), (no,))


def test_a_verdict_is_asked_behind_the_answer_without_its_spaces():
    world = lexicon(steps=30)
    few = world.documents.take(np.arange(3))
    words = list(dict.fromkeys(few.texts()[0].split()))
    name = few.input
    spaced = replace(few, frame=few.frame.assign(**{name: few.frame[name] + "  "}))
    ask = f"{{}} {words[0]}"
    plain = replace(few, spans={}).with_prompt(ask)
    found = verdict_odds(world.model, spaced, ask, words[1:2], words[2:3])
    assert np.abs(found).min() > 0
    assert np.allclose(found, yes_odds(world.model, plain, words[1:2], words[2:3]))
