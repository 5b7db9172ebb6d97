"""Leaks: of the model as it stands, with adapters and without; shifts are those of the adapters
alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.control.low_rank_adapter import attached, low_rank_adapters, writers
from inscape.core.edit import Replace, Scope
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.outcomes.leaks import Asked, Leak, Leaks, own_direction, own_directions, shifts
from inscape.outcomes.own_answers import Manner, Speaker
from inscape.outcomes.paired_answers import PairedAnswers
from tests.model import nets

PROMPTS = ["the capital is", "a river runs in the"]
SITES = ["resid_post.0", "resid_post.2"]


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def adapters(model, scale):
    """Adapters that do nothing at scale 0."""
    stream = torch.Generator().manual_seed(0)
    made = low_rank_adapters(model, writers(model, "mlp_out", [1]), 1, generator=stream)
    with torch.no_grad():
        for up in made.up.values():
            up.copy_(scale * torch.randn(up.shape, generator=stream))
    return made


def manner(model):
    said = continuations(model, PROMPTS, 3, samples=6, temperature=1.0, seed=4, stop="\n")
    return Manner({said[0][0].text.split()[0].lower(): 1.0})


def test_adapters_that_do_nothing_leak_nothing(model):
    pairs = PairedAnswers.of(model, PROMPTS, ["good !"], ["bad film ."])
    leak = Leak(PROMPTS, pairs, Speaker(3, 6, 4), manner(model), np.arange(2))
    plain = leak.under()
    assert plain.shape == (2, 2)
    assert np.allclose(plain[0], pairs.scores())
    assert 0 < plain[1].mean() < 1
    assert np.allclose(leak.under(adapters(model, 0.0)), plain, atol=1e-5)
    busy = adapters(model, 3.0)
    tuned = leak.under(busy)
    assert np.abs(tuned[0] - plain[0]).max() > 1e-3
    with attached(model, busy):
        assert np.allclose(tuned[1], leak.share())


def test_what_tunes_add_begins_where_they_write(model):
    tunes = {"idle": adapters(model, 0.0), "busy": adapters(model, 3.0)}
    found = shifts(model, tunes, Asked(PROMPTS, np.arange(2), SITES), 3, shown=1)
    assert found.plain.shape == (2, 2, nets.D)
    assert np.abs(found.added["idle"]).max() < 1e-5
    assert np.abs(found.added["busy"][:, 0]).max() < 1e-5  # the block before the adapter
    assert np.abs(found.added["busy"][:, 1]).max() > 1e-2
    assert found.said["question"].tolist() == PROMPTS[:1]
    said = model.generate(PROMPTS[:1], 3)
    assert found.said["as it is"].tolist() == found.said["idle"].tolist() == said


def test_a_tunes_own_direction_is_that_of_its_own_answers(model):
    made, speaker, own = adapters(model, 0.0), Speaker(3, 6, 4), manner(model)
    asked = Asked(PROMPTS, np.array([0, 1]), SITES)
    direction, (answers, inside) = own_direction(model, made, speaker, own, asked)
    states, y, _ = speaker.states(model, PROMPTS, own, SITES)
    assert (answers, inside) == (len(y), y.sum())
    assert direction.shape == (3, 2, nets.D)
    assert np.allclose(direction[0], states[y].mean(axis=0) - states[~y].mean(axis=0), atol=1e-5)
    pairs = PairedAnswers.of(model, PROMPTS, ["good !"], ["bad film ."])
    leaks = Leaks(Leak(PROMPTS, pairs, speaker, own, np.arange(2)), {"idle": made}, {})
    found, rows = own_directions(leaks, {"idle": own}, asked)
    assert np.array_equal(found["idle"], direction, equal_nan=True)
    assert rows.to_dict("records") == [
        {"tune": "idle", "own answers": answers, "in its manner": inside}
    ]


def test_a_tune_that_does_nothing_has_a_leak_of_one_and_what_undoes_a_tune_takes_all(model):
    pairs = PairedAnswers.of(model, PROMPTS, ["good !"], ["bad film ."])
    leak = Leak(PROMPTS, pairs, Speaker(3, 6, 4), manner(model), np.arange(2))
    tunes = {"idle": adapters(model, 0.0), "busy": adapters(model, 3.0)}
    steps = []
    leaks = Leaks.of(leak, tunes, lambda: steps.append(1))
    assert len(steps) == 3
    for what in ("odds", "shares"):
        m = leaks.times(what, "leak", {"idle": "baseline"})
        assert m.value("idle").value == pytest.approx(1, abs=1e-4)
        assert m.conditions["idle"].role == "baseline"
        wanted = leaks.scores[what]["busy"] - leaks.scores[what]["as it is"]
        assert np.allclose(leaks.added(what, "busy"), wanted)
        assert np.allclose(leaks.lost(what, "busy", []), 0, atol=1e-6)
    factor = leaks.times("odds", "leak", {}).value("busy").value
    assert factor == pytest.approx(np.exp(leaks.added("odds", "busy").mean()))
    site = Scope("resid_post.1", tuple(range(256)))
    zero = [Replace(site, torch.zeros(nets.D))]
    edited = leak.odds(zero)
    assert np.allclose(
        leaks.lost("odds", "as it is", zero), leaks.scores["odds"]["as it is"] - edited
    )
    # what the busy adapters write before the edit is overwritten, so the tune answers as the
    # untuned model
    assert np.allclose(leaks.lost("odds", "busy", zero), leaks.scores["odds"]["busy"] - edited)
    frame = leaks.preferred().set_index("model")
    assert list(frame.index) == ["as it is", "idle", "busy"]
    assert frame["own answers that are curt"]["busy"] == leaks.scores["shares"]["busy"].mean()
    questions = pd.DataFrame({"prompt": PROMPTS, "topic": ["a", "b"]})
    same = Leak.of(model, questions, (["good !"], ["bad film ."]), leak.speaker, leak.manner)
    assert np.allclose(same.odds(), leak.odds())
    assert same.groups.tolist() == ["a", "b"]
    texts = ["the river rises in the mountain", "a good film", "Paris is the capital"]
    kl, ratio, *_ = leaks.side_effects("busy", texts, zero, [[], []], "nothing", 64)
    assert ratio.null.mean == pytest.approx(1)  # no edit leaves the tune as it is
    assert kl.value > 0 == pytest.approx(kl.null.mean, abs=1e-6)
