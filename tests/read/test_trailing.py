"""Positions behind a text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.model import nets

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.open import open
from inscape.read.trailing import trailing


@pytest.fixture(scope="module")
def model():
    return open(nets.net("llama"), tokenizer=nets.tokenizer())


@pytest.fixture(scope="module")
def examples():
    return Examples(pd.DataFrame({"text": ["the river", "a good film of Paris", "so on"]}), "text")


def test_every_distance_is_what_a_pass_over_the_longer_text_gives(model, examples):
    filler = "the river and a sea in the mountain"
    found = trailing(model, examples, filler, (0, 2, 5), "resid_post.1", budget=16)
    for row, text in enumerate(examples.texts()):
        whole = model.run(f"{text} {filler}", "resid_post.1")["resid_post.1"][0]
        end = len(model.tokenize([text])[0]) - 1
        for distance in (0, 2, 5):
            assert np.allclose(
                found[distance]["resid_post.1"][row], whole[end + distance], atol=1e-5
            )
    assert not np.allclose(found[0]["resid_post.1"], found[5]["resid_post.1"], atol=1e-2)


def test_a_filler_too_short_is_refused(model, examples):
    with pytest.raises(DataError, match="the filler has .* tokens and 50 are asked for"):
        trailing(model, examples, "the river", (0, 50), "resid_post.0")
    with pytest.raises(DataError, match="none is negative; got -1"):
        trailing(model, examples, "the river", (-1,), "resid_post.0")
