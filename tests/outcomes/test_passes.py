"""Passes: what a plain loop over single examples gives, in any order of lengths, under edits and
marks.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.data.examples import Examples
from inscape.model.open import open
from inscape.outcomes.mean_ablation import held_at_mean
from inscape.outcomes.passes import gather, passes
from inscape.store.harvest import harvest
from tests.model.nets import D, net, tokenizer

TEXTS = [
    "the river rises in the mountain",
    "a good film",
    "Paris , the capital",
    "it runs",
    "the sea",
]


@pytest.fixture(scope="module")
def model():
    return open(net("llama"), tokenizer=tokenizer())


@pytest.fixture
def examples():
    return Examples(pd.DataFrame({"text": TEXTS}), "text")


def test_rows_come_back_in_order(model, examples):
    found = gather(model, examples, "resid_post.1", budget=8)
    for i, text in enumerate(TEXTS):
        torch.testing.assert_close(
            torch.from_numpy(found[i]), model.run(text, "resid_post.1")["resid_post.1"][0, -1]
        )


def test_edits_by_example_and_marks(model, examples):
    push = torch.eye(D)[: len(TEXTS)]
    commas = {
        "comma": lambda tokens, _: np.array([tokens.text[a:b] == "," for a, b in tokens.offsets])
    }
    own = lambda rows: [Add(Scope("resid_post.1"), push[rows][:, None])]  # noqa: E731
    base, pushed = (gather(model, examples, "resid_post.1", edits=e, budget=8) for e in ((), own))
    np.testing.assert_allclose(pushed - base, push.numpy(), atol=1e-5)
    marked = [Add(Scope("resid_post.0", "mark:comma"), 5 * push[0])]
    moved = gather(model, examples, "resid_post.1", edits=marked, marks=commas)
    assert (np.abs(moved - base).max(axis=1) > 1e-4).tolist() == [False, False, True, False, False]


def test_logits_come_from_the_position_asked_for(model, examples):
    for step in passes(model, examples, logits=True, budget=8):
        for row, logits in zip(step.rows, step.activations.logits, strict=True):
            whole = model.run(TEXTS[row], logits=True).logits[0, -1]
            torch.testing.assert_close(logits[0], whole, atol=1e-5, rtol=1e-4)


def test_several_positions_are_refused(model, examples):
    with pytest.raises(ValueError, match="one position of each example, got 'all'"):
        next(passes(model, examples, "resid_post.0", at="all"))


def test_neurons_are_held_at_the_mean_of_the_store(model, examples):
    store = harvest(model, examples, "mlp_act.1")
    neurons = pd.DataFrame({"site": "mlp_act.1", "neuron": [5, 3, 5]})
    (edit,) = held_at_mean(store, neurons)
    x = gather(model, examples, "mlp_act.1", edits=[edit])
    base = store.matrix("mlp_act.1")
    np.testing.assert_allclose(
        x[:, [3, 5]], np.tile(base[:, [3, 5]].mean(axis=0), (len(TEXTS), 1)), atol=1e-6
    )
    np.testing.assert_allclose(
        np.delete(x, [3, 5], axis=1), np.delete(base, [3, 5], axis=1), atol=1e-5
    )
    assert base[:, [3, 5]].std(axis=0).min() > 1e-3
