"""A tiny model, and sentences that end with one of two words."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.data.examples import Examples
from inscape.model.model import Model
from tests.model import nets


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


@pytest.fixture(scope="module")
def few():
    """Sentences that end with one of two words; who is spoken of is another concept."""
    rows = [
        {"text": f"{a} {b} {c} is {q}", "nice": int(q == "good"), "who": b, "by": f"{a} {b} {c}"}
        for a in ("the", "a", "in", "of")
        for b in ("river", "sea", "mountain")
        for c in ("Paris", "London")
        for q in ("good", "bad")
    ]
    return Examples(pd.DataFrame(rows), "text", ("nice",), "by")
