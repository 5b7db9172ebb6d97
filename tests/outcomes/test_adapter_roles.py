"""Roles of adapters: one that does nothing loses nothing, one that does all loses all, and shares
are the scores'.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.control.low_rank_adapter import attached, low_rank_adapters, writers
from inscape.model.model import Model
from inscape.outcomes.adapter_roles import Place, roles
from inscape.outcomes.paired_answers import PairedAnswers
from tests.model import nets

PROMPTS = ["the capital is", "a river runs in the", "London is"]


def test_the_one_that_acts_is_found():
    model = Model(nets.net("llama"), nets.tokenizer())
    made = low_rank_adapters(
        model, writers(model, "mlp_out", [0, 1]), 1, generator=torch.Generator().manual_seed(0)
    )
    idle, busy = made.names
    with torch.no_grad():
        made.up[busy].normal_(generator=torch.Generator().manual_seed(1))
    asked = PairedAnswers.of(model, PROMPTS, ["good !"], ["bad film ."])
    untuned = asked.scores()
    with attached(model, made):
        assert np.abs(asked.scores() - untuned).max() > 1e-3
    questions = pd.DataFrame({"prompt": PROMPTS, "topic": np.arange(3)})
    place = Place.of(model, questions, ["good !"], ["bad film ."])
    assert place.prompts == PROMPTS
    assert np.array_equal(place.untuned, untuned)
    steps = []
    found = {
        e.where["adapter"]: e for e in roles(model, made, {"here": place}, lambda: steps.append(1))
    }
    assert len(steps) == 2
    assert found[idle].value == pytest.approx(0, abs=1e-4)
    assert found[idle].where["written"] == 0
    assert found[busy].value == pytest.approx(1, abs=1e-4)
    assert found[busy].beside[0].value == pytest.approx(0, abs=1e-4)
    batch = model.batch(PROMPTS)
    with attached(model, made):
        inside = model.run(batch, f"module:{busy}:in", at=batch.lengths[:, None] - 1)[
            f"module:{busy}:in"
        ][:, 0]
    wanted = (inside @ made.down[busy].detach().T).abs().mean() * made.up[busy].detach().norm()
    assert found[busy].where["written"] == pytest.approx(float(wanted), rel=1e-4)
