"""Vectors from labelled texts: they separate what they were not found on, shuffled labels do not;
what is refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from inscape.control.steering_vector import SteeringVector
from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.workbench.steering import fitting, make_vector, middle_third, two_classes
from inscape.worlds.sentiment import sentiment
from tests.model import nets


@pytest.fixture(scope="module")
def world():
    return sentiment(words=12, steps=100, seed=3)


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path_factory.getbasetemp() / "home"))


@pytest.mark.parametrize("method", ["difference", "pca", "logistic", "lda"])
def test_held_out_words_are_told_apart_and_the_vector_says_how_it_was_made(world, method):
    made = make_vector(world.model, world.examples, method=method, layers="*")
    assert made.evidence.value > 0.9
    assert made.evidence.null.high < 0.8
    assert made.evidence.null.draws == (99 if method == "difference" else 19)
    assert made.evidence.interval[0] < 0.99  # twelve words do not show a perfect separation
    assert made.classes == ("0", "1")
    assert list(made.vector.vectors) == [0, 1]
    assert made.vector.card["data_fingerprint"] == world.examples.fingerprint
    assert made.vector.model_hint == "llama"


def test_its_strength_is_the_distance_between_the_classes_shared_over_blocks(world):
    from inscape.core.site import Site
    from inscape.workbench.steering import stacked

    made = make_vector(world.model, world.examples, layers="*").vector
    sites = [Site("resid_post", 0), Site("resid_post", 1)]
    x, y = (
        stacked(world.model, world.examples, sites, "last"),
        world.examples.target("positive")[:, 0],
    )
    gap = x[1][y == 1].mean(0) - x[1][y == 0].mean(0)
    assert np.linalg.norm(gap) > 0.5
    assert np.allclose(made.vectors[1], gap / 2, atol=1e-4)


def test_the_middle_third_never_is_block_0_alone(world):
    assert middle_third(world.model) == "resid_post.1:2"
    assert middle_third(Model(nets.net("llama"))) == "resid_post.1:2"


def test_refusals(world):
    few = world.examples
    with pytest.raises(DataError, match="has 3 classes"):
        make_vector(world.model, few, "subject")
    none = Examples(pd.DataFrame({"text": ["a", "b", "c"], "n": [1, 2, 3]}), "text", ("n",))
    with pytest.raises(DataError, match="no label of these examples has two classes"):
        two_classes(none, None)
    with pytest.raises(ValueError, match="method must be one of"):
        make_vector(world.model, few, method="guess")
    with pytest.raises(DataError, match="there is no column 'pair'"):
        make_vector(world.model, replace(few, frame=few.frame.drop(columns="pair")), method="pca")
    with pytest.raises(DataError, match="several rows of a text"):
        make_vector(world.model, few, at="all")
    with pytest.raises(DataError, match="only one class is left"):
        make_vector(
            world.model,
            replace(
                few,
                labels=("kind",),
                frame=few.frame.assign(
                    kind=few.frame["positive"], words=few.frame["positive"].astype(str)
                ),
            ),
            "kind",
        )
    with pytest.raises(
        DataError,
        match=r"v.gguf has 3 numbers a block, and the residual stream of sentiment world has 32",
    ):
        fitting(world.model, SteeringVector({1: np.ones(3)}), "v.gguf")
    with pytest.raises(DataError, match="a vector for block 7"):
        fitting(world.model, SteeringVector({7: np.ones(32)}), "v.gguf")


def test_a_vector_that_is_one_coordinate_says_so(world, monkeypatch):
    from inscape.workbench import steering

    plain = make_vector(world.model, world.examples, layers="1")
    assert not any("coordinate" in w for w in plain.evidence.warnings)
    real = steering.stacked

    def sunk(model, examples, sites, at):
        rows = real(model, examples, sites, at)
        rows[..., 3] += 1000 * (examples.target("positive")[:, 0] == 1)
        return rows

    monkeypatch.setattr(steering, "stacked", sunk)
    made = make_vector(world.model, world.examples, layers="1")
    assert any("vector of block 1 is coordinate 3 alone" in w for w in made.evidence.warnings)
    assert made.vector.card["warnings"] == list(made.vector.warnings)
