"""Tables of places with their errors, and what the group alone gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.charts.world import world_map
from inscape.data.examples import Examples
from inscape.probing.places import by_country, place_table
from inscape.probing.sweep import sweep


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    centres = rng.uniform([-50, -150], [60, 150], (12, 2))
    country = np.repeat(np.arange(12), 15)
    y = centres[country] + rng.normal(size=(180, 2))
    frame = pd.DataFrame(
        {"name": [f"town {i}" for i in range(180)], "latitude": y[:, 0], "longitude": y[:, 1]}
    )
    frame["country"], frame["continent"] = (
        [f"c{c}" for c in country],
        [f"k{c % 3}" for c in country],
    )
    examples = Examples(frame, "name", ("latitude", "longitude"), "country").with_prompt(
        "In {} now"
    )
    x = {
        f"resid_post.{i}": y @ rng.normal(size=(2, 8)) * i + rng.normal(size=(180, 8)) * 20
        for i in range(3)
    }
    options = dict(
        groups=examples.groups(), shuffles=19, shuffle="rows", target_names=examples.labels
    )
    return examples, {
        s: sweep({"embed": x["resid_post.0"], **x}, y, split=s, **options)
        for s in ("random", "group")
    }


def test_places_find_their_names_and_errors(world):
    examples, sweeps = world
    place = place_table(sweeps["random"], examples, np.random.default_rng(0))
    assert place["city"].iloc[7] == "town 7"
    assert place["error_km"].median() < place["mean_km"].median()
    assert place["traced"].sum() == 60
    assert 1 <= (place["label"] != "").sum() <= 3
    world_map(place).to_dict()
    errors = by_country(place, np.random.default_rng(0))
    assert len(errors) == 12
    assert (errors["low"] <= errors["value"]).all()
    assert (errors["value"] <= errors["high"]).all()
    assert (errors["n"] == 15).all()
    assert by_country(place.head(5), np.random.default_rng(0)).empty
