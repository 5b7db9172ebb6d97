"""The same figure of several runs as one, where only the data differ."""

import copy

import pytest

from inscape.charts import bars, layers, world
from inscape.report.overlay import overlay
from tests.charts import tables


def _spec(chart):
    return chart.to_dict()


def _rows(spec):
    return spec["datasets"][spec["data"]["name"]]


def _marks(spec, kind):
    inner = spec.get("spec", spec)
    return [v for v in inner["layer"] if v["mark"]["type"] == kind]


@pytest.fixture(scope="module")
def curves():
    return _spec(layers.score_by_layer(tables.scores()))


def test_curves_of_runs_lie_over_each_other(curves):
    other = copy.deepcopy(curves)
    for row in _rows(other):
        row["value"] = (row["value"] or 0) + 0.1
    found = overlay([("seed 0", curves), ("seed 1", other)])
    assert _rows(found) == [
        *({**row, "run": "seed 0"} for row in _rows(curves)),
        *({**row, "run": "seed 1"} for row in _rows(other)),
    ]
    for kind in ("line", "area"):
        for view in _marks(found, kind):
            assert view["encoding"]["detail"]["field"] == "run"
    (line,) = _marks(found, "line")
    assert line["encoding"]["strokeWidth"]["scale"]["domain"] == ["seed 0", "seed 1"]
    assert "run" not in _rows(curves)[0]  # the runs' own figures stay as they are


def test_bars_of_runs_stand_side_by_side():
    spec = _spec(bars.values_by_group(tables.groups(5), unit="km"))
    found = overlay([("a", spec), ("b", spec)])
    (bar,) = _marks(found, "bar")
    assert bar["encoding"]["yOffset"]["field"] == "run"
    assert bar["encoding"]["color"]["field"] == "run"
    # a group of two runs is higher than one bar, and lower than two; Vega-Lite's plain step would
    # be that of each bar in the group
    assert found["height"]["for"] == "position"
    assert 1 < found["height"]["step"] / spec["height"]["step"] < 2


def test_what_cannot_be_overlaid_is_not(curves):
    places = _spec(world.world_map(tables.cities()))
    assert overlay([("a", places), ("b", places)]) is None
    assert overlay([("a", curves)]) is None
    assert overlay([(str(i), curves) for i in range(5)]) is None
    other = _spec(layers.score_by_layer(tables.scores(), score="accuracy"))
    assert overlay([("a", curves), ("b", other)]) is None
