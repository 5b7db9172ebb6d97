"""Completions with and without a vector: the baseline is the model's own, the control has the
vector's norm.
"""

import numpy as np
import pytest

from inscape.control.steering_vector import SteeringVector
from inscape.core.errors import DataError
from inscape.model.model import Model
from inscape.workbench.steer import steer
from tests.model import nets


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


def test_conditions_stand_side_by_side_and_the_baseline_is_the_models_own(model, tmp_path):
    # weak, so that most of what is sampled stays a word that the tokenizer knows
    vector = SteeringVector({1: 0.2 * np.ones(nets.D)}, "llama")
    told = []
    found = steer(
        model,
        vector,
        ["the river", "a film"],
        strengths=(4.0, -8.0),
        max_new_tokens=16,
        progress=lambda *at: told.append(at),
    )
    names = ["baseline", "strength 4", "strength -8", "random vector, -8"]
    assert list(found.completions) == names
    asked = (["the river", "a film"], 16)
    options = {"temperature": 0.8, "seed": 0}
    assert found.completions["baseline"] == model.generate(*asked, **options)
    steered = model.generate(*asked, edits=vector.edits(4.0), **options)
    assert found.completions["strength 4"] == steered
    assert len({tuple(texts) for texts in found.completions.values()}) > 2
    assert told[-1] == (4, 4)
    page = found.save(tmp_path / "steer.html").read_text()
    assert "<mark" in page
    assert str(found).startswith("the river\n  baseline ")
    assert found.to_dict()["prompts"][1]["prompt"] == "a film"
    vector.save(tmp_path / "v.gguf")
    alone = steer(model, tmp_path / "v.gguf", "the river", random=False, max_new_tokens=2)
    assert (alone.vector, len(alone.completions)) == ("v.gguf", 3)


def test_what_is_refused(model):
    vector = SteeringVector({1: np.ones(nets.D)}, "llama")
    with pytest.raises(DataError, match="there is no prompt to complete"):
        steer(model, vector, [])
    with pytest.raises(DataError, match="has 5 numbers a block"):
        steer(model, SteeringVector({1: np.ones(5)}), "the river")
