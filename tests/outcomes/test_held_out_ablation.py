"""Loss added by ablating a neuron is the difference of two passes, and only where a fold is held
out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.outcomes.held_out_ablation import Pick, loss_added, with_and_without
from inscape.outcomes.mean_ablation import held_at_mean
from inscape.outcomes.token_losses import token_losses
from inscape.store.harvest import harvest
from tests.store.conftest import llama, sentences


@pytest.fixture(scope="module")
def harvested(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        model, examples = llama(), sentences(12)
        yield model, examples.texts(), harvest(model, examples, "mlp_act.*", at="mean")


def test_the_picked_neuron_is_ablated_on_its_own_texts_alone(harvested):
    model, texts, store = harvested
    site = str(next(iter(store.sites)))
    picks = [Pick(np.array([0, 3, 5]), site, 2)]
    rng = np.random.default_rng(0)
    found = loss_added(model, store, texts, picks, random=2, rng=rng)
    assert found.shape == (3, 12)
    assert np.flatnonzero(found.any(axis=0)).tolist() == [0, 3, 5]
    edits = held_at_mean(store, pd.DataFrame({"site": [site], "neuron": [2]}))
    before, after = token_losses(model, texts), token_losses(model, texts, edits=edits)
    expected = (after.nats - before.nats) / before.tokens
    assert found[0, [0, 3, 5]] == pytest.approx(expected[[0, 3, 5]], abs=1e-5)
    assert np.abs(expected).max() > 1e-6
    again = loss_added(
        model, store, texts, picks, random=2, rng=np.random.default_rng(0), before=before
    )
    assert again == pytest.approx(found, abs=1e-6)


def test_losses_are_told_apart_by_whether_a_text_has_the_feature():
    added = np.array([[1.0, 3.0, 0.0, 0.5], [0.1, 0.3, 0.2, 0.2], [0.3, 0.1, 0.0, 0.0]])
    y, groups = np.array([1, 1, 0, 0]), np.arange(4)
    having, without = with_and_without(added, y, groups, "red")
    assert (having.value, having.null.mean, having.null.draws) == (2.0, pytest.approx(0.2), 2)
    assert without.value == 0.25
    assert without.where == {"feature": "red", "texts": "without"}
