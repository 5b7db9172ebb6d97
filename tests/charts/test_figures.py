"""Figures show their table's own numbers, name their interval and unit, and leave the page's
look to the theme."""

import html
import re

import numpy as np
import pandas as pd
import pytest
import vl_convert

from inscape.charts import bars, heatmap, histogram, layers, scatter, theme, world
from inscape.charts.specification import checked
from tests.charts import tables
from tests.charts.drawing import rows, settings, texts

PEOPLE = pd.DataFrame(
    {"true": [1700, 1800, 1900], "predicted": [1750, 1790, 1850], "name": ["a", "b", "c"]}
)
COSINES = pd.DataFrame(
    {"row": ["x", "x", "y", "y"], "column": ["x", "y", "x", "y"], "value": [1.0, -0.3, -0.3, 1.0]}
)
DRAWS = pd.DataFrame({"value": np.random.default_rng(1).normal(0, 0.02, 60)})

FIGURES = {
    "score_by_layer": (layers.score_by_layer, tables.scores(), {}),
    "world_map": (world.world_map, tables.cities(), {}),
    "values_by_group": (bars.values_by_group, tables.groups(30), {}),
    "predicted_vs_true": (scatter.predicted_vs_true, PEOPLE, {}),
    "matrix": (heatmap.matrix, COSINES, {"row": "direction", "column": "other direction"}),
    "null_distribution": (histogram.null_distribution, DRAWS, {"observed": 0.3}),
}


@pytest.fixture(params=FIGURES)
def figure(request):
    """A function that draws a figure, a table for it and what else it needs."""
    return (request.param, *FIGURES[request.param])


def test_a_figure_leaves_background_fonts_and_greys_of_text_to_the_theme(figure):
    _, draw, frame, more = figure
    found = settings(draw(frame, **more))
    assert len(found) > 20
    assert not [
        pair
        for pair in found
        if pair[0] in ("background", "font", "labelColor", "titleColor", "gridColor")
    ]
    assert all("url" not in str(key) for key, _ in found)


def test_a_figure_is_drawn_in_both_variants_and_says_how_it_fits_a_page(figure):
    _, draw, frame, more = figure
    chart = draw(frame, **more)
    assert texts(chart, "light") == texts(chart, "dark") != []
    assert chart.to_dict()["usermeta"]["inscape"]["columns"] in (1, 2)


def test_a_missing_column_is_named(figure):
    name, draw, frame, more = figure
    with pytest.raises(ValueError, match=rf"{name}: the frame has no column .*; it has other"):
        draw(pd.DataFrame({"other": [1]}), **more)
    with pytest.raises(ValueError, match=f"{name}: the frame has no rows"):
        draw(frame.head(0), **more)


def test_scores_by_layer_name_series_interval_and_unit_and_change_no_number():
    frame = tables.scores()
    chart = layers.score_by_layer(
        frame, score="R²", interval="95 % interval over countries", chosen={"latitude": 2}
    )
    shown = texts(chart)
    for text in (
        "trained model",
        "shuffled labels",
        "input embedding",
        "latitude",
        "longitude",
        "R²",
        "Layer",
    ):
        assert text in shown, text
    assert "Line: R². Band: 95 % interval over countries" in shown
    assert [t for t in shown if t.startswith("chosen")] == ["chosen layer: 2"]
    drawn = pd.DataFrame(rows(chart))
    drawn = drawn[drawn.role != "chosen"].reset_index(drop=True)
    for column in ("value", "low", "high", "layer"):
        np.testing.assert_allclose(drawn[column].astype(float), frame[column], rtol=1e-4)


@pytest.mark.parametrize(("last", "ticks"), [(1, [-1, 0, 1]), (29, None)])
def test_ticks_stand_at_whole_layers_however_few(last, ticks):
    given = [
        {"series": "trained model", "layer": i, "value": 0.1, "low": 0.0, "high": 0.2}
        for i in range(-1, last + 1)
    ]
    spec = layers.score_by_layer(pd.DataFrame(given), nulls=()).to_dict()
    axes = [
        part["encoding"]["x"]["axis"]
        for part in spec["layer"]
        if "axis" in part["encoding"].get("x", {})
    ]
    assert axes
    assert all(axis.get("values") == ticks for axis in axes)


def test_marks_without_rows_are_not_drawn():
    """A browser warns of their infinite extent."""
    curve = tables.scores().dropna(subset="layer")

    def kinds(chart):
        return [part["mark"]["type"] for part in chart.to_dict()["layer"]]

    frame = tables.scores().query("target == 'latitude'").drop(columns="target")
    only = curve.query("target == 'latitude'").drop(columns="target")
    assert len(only) < len(frame)
    assert kinds(layers.score_by_layer(frame, nulls=())).count("rect") == 1
    assert "rect" not in kinds(layers.score_by_layer(only, nulls=()))
    groups = tables.groups(4)
    assert "tick" in kinds(bars.values_by_group(groups.assign(null=9.0)))
    assert "tick" not in kinds(bars.values_by_group(groups.assign(null=np.nan)))


def test_scores_without_targets_are_one_panel_and_only_nulls_are_grey():
    frame = tables.scores().query("target == 'latitude'").drop(columns="target")
    chart = layers.score_by_layer(frame, nulls=("shuffled labels",), chosen=1)
    assert "latitude" not in texts(chart)
    assert "chosen layer: 1" in texts(chart)
    ranges = [
        v["range"]
        for k, v in settings(chart)
        if k == "scale" and "shuffled labels" in v.get("domain", [])
    ]
    colours = next(r for r in ranges if isinstance(r[0], str))
    assert colours[1] == theme.GREY
    assert theme.GREY not in (colours[0], colours[2])


def test_the_map_has_both_maps_and_keeps_predictions_as_they_are():
    frame = tables.cities()
    chart = world.world_map(frame, predicted_title="Where layer 3 puts them")
    shown = texts(chart)
    assert {"True positions", "Where layer 3 puts them", "Europe", "Oceania"} <= set(shown)
    # the label once in each map, twice for its halo
    assert shown.count("Paris") == 4
    assert "Tokyo" not in shown
    np.testing.assert_allclose(
        pd.DataFrame(rows(chart))["latitude_predicted"], frame["latitude_predicted"]
    )


def test_the_map_draws_lines_only_for_rows_that_are_traced():
    frame = tables.cities()
    assert ("type", "rule") in settings(world.world_map(frame))
    assert ("type", "rule") not in settings(world.world_map(frame.drop(columns="traced")))


def test_a_selection_on_the_map_listens_to_the_points_of_both_maps():
    spec = world.world_map(tables.cities()).to_dict()
    named = {
        layer["name"] for panel in spec["concat"] for layer in panel["layer"] if "name" in layer
    }
    assert len(named) == 2
    assert all(set(p["views"]) == named for p in spec["params"])


def test_many_groups_are_shown_at_both_ends_and_few_all_in_order():
    frame = tables.groups(30)
    many = texts(bars.values_by_group(frame, unit="km", interval="95 % interval", ends=3))
    assert [t for t in many if t.startswith("group")] == [
        f"group {v} ({n})" for v, n in _sorted(frame)[:3] + _sorted(frame)[-3:]
    ]
    assert {"lowest", "highest"} <= set(many)
    assert many.count("median error (km); line: 95 % interval") == 2
    few = texts(bars.values_by_group(frame.head(6).assign(null=900.0), ends=3))
    assert [t for t in few if t.startswith("group")] == [
        f"group {v} ({n})" for v, n in _sorted(frame.head(6))
    ]
    assert "lowest" not in few


LONG = (
    "untrained self-distilled transformer",
    "random tokens but words of feeling, one layer's direction",
)


def _labels(names):
    """Of the label of each bar, its lines and where the middle of them is, px."""
    frame = tables.groups(len(names)).drop(columns="n").assign(group=names, value=range(len(names)))
    chart = bars.values_by_group(frame)
    svg = vl_convert.vegalite_to_svg(chart.to_dict(), config=theme.config(), allowed_base_urls=[])
    found = {}
    for y, label in re.findall(r'<text text-anchor="end"[^>]*,([\d.]+)\)"[^>]*>(.*?)</text>', svg):
        lines = [html.unescape(t) for t in re.findall(r"(?:^|>)([^<>]+)", label)]
        down = sum(map(float, re.findall(r'dy="([\d.]+)"', label)))
        found[" ".join(lines)] = lines, float(y) + down / 2
    return chart, found


def test_a_long_name_is_written_whole_on_two_lines_beside_its_bar():
    names = ["trained", "untrained", *LONG]
    chart, found = _labels(names)
    assert [found[name][0] for name in names] == [
        ["trained"],
        ["untrained"],
        ["untrained self-distilled", "transformer"],
        ["random tokens but words of", "feeling, one layer's direction"],
    ]
    places = np.array([found[name][1] for name in names])
    assert np.diff(places) == pytest.approx([32, 32, 32], abs=3)
    assert checked(chart.to_dict())  # a page draws it


def test_short_names_and_one_that_has_no_space_stay_on_their_line():
    chart, found = _labels(["trained", "untrained"])
    assert [found[name][0] for name in ("trained", "untrained")] == [["trained"], ["untrained"]]
    assert not [key for key, _ in settings(chart) if key in ("labelExpr", "labelBaseline")]
    assert ("step", 19) in settings(chart)
    chart, found = _labels([LONG[0], "x" * 60])
    assert LONG[0] in found
    assert [name[-1] for name in found if name.startswith("x")] == ["…"]  # too long for its room


def _sorted(frame):
    return [
        (int(v), n) for v, n in frame.sort_values("value")[["value", "n"]].itertuples(index=False)
    ]


def test_predictions_are_drawn_against_the_identity_line():
    chart = scatter.predicted_vs_true(
        PEOPLE.assign(group=["u", "v", "u"]), quantity="birth year", number="d"
    )
    shown = texts(chart)
    assert {"true birth year", "predicted birth year", "u", "v"} <= set(shown)
    spec = chart.to_dict()
    line = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
    ends = line["data"].get("values") or spec["datasets"][line["data"]["name"]]
    assert ends == [{"true": 1700.0, "predicted": 1700.0}, {"true": 1900.0, "predicted": 1900.0}]


def test_intervals_of_predictions_are_drawn_where_they_are_given():
    assert ("type", "rule") not in settings(scatter.predicted_vs_true(PEOPLE, unit="years"))
    frame = PEOPLE.assign(low=PEOPLE.predicted - 50, high=PEOPLE.predicted + 50)
    assert ("type", "rule") in settings(scatter.predicted_vs_true(frame, unit="years"))


def test_every_pair_of_a_matrix_shows_its_number():
    shown = texts(
        heatmap.matrix(COSINES, value="cosine", row="direction", column="other direction")
    )
    assert sorted(t for t in shown if t in ("1.00", "−0.30")).count("−0.30") == 2
    assert {"cosine", "direction", "other direction"} <= set(shown)
    unsigned = heatmap.matrix(COSINES.assign(value=0.5), domain=(0.0, 1.0), row="a", column="b")
    assert not [v for k, v in settings(unsigned) if k == "range" and v == "diverging"]


def test_the_observed_value_and_the_band_of_the_null_are_named():
    chart = histogram.null_distribution(
        DRAWS, 0.3, value="R²", null="shuffled labels", interval=(-0.04, 0.04)
    )
    shown = texts(chart)
    assert "observed 0.3" in shown
    assert "R²; grey band: 95 % of the null" in shown
    assert "draws of the null (shuffled labels)" in shown
    assert "grey band" not in " ".join(texts(histogram.null_distribution(DRAWS, 0.3)))


def test_numbers_of_a_matrix_that_is_drawn_small_are_left_out():
    many = pd.DataFrame([(f"layer {i}", "a", i / 40) for i in range(40)])
    many.columns = ["row", "column", "value"]
    chart = heatmap.matrix(many, domain=(0, 1), row="layer", column="b")
    seen = [vl_convert.vegalite_to_svg(c.to_dict()) for c in (chart, chart.properties(height=260))]
    # all forty numbers, and every other name
    assert [svg.count('opacity="0"') for svg in seen] == [0, 40 + 20]


def test_a_value_beyond_the_scale_has_the_colour_of_its_end():
    drawn = []
    for value in (1.0, 2.25):
        chart = heatmap.matrix(COSINES.assign(value=value), domain=(0, 1), row="a", column="b")
        svg = vl_convert.vegalite_to_svg(chart.to_dict(), config=theme.config("light"))
        drawn.append(re.findall(r'aria-roledescription="rect mark"[^>]*fill="([^"]*)"', svg))
    assert len(drawn[0]) == 4
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_can_be_read_on_their_squares(scheme):
    """The text's contrast with its square is 3 : 1 everywhere on the ramp, in both variants."""
    values = [i / 10 for i in range(11)]
    frame = pd.DataFrame({"row": "a", "column": [f"{v}" for v in values], "value": values})
    chart = heatmap.matrix(frame, domain=(0, 1), number=".1f", row="a", column="b").to_dict()
    svg = vl_convert.vegalite_to_svg(chart, config=theme.config(scheme))
    squares = re.findall(r'aria-roledescription="rect mark"[^>]*fill="rgb\(([^)]*)\)"', svg)
    found = re.findall(
        r'<text[^>]*font-size="12px"[^>]*fill="(#[0-9a-f]{6})"[^>]*>(\d\.\d)</text>', svg
    )
    texts_ = {
        said: _luminance([int(ink[i : i + 2], 16) for i in (1, 3, 5)]) for ink, said in found[:11]
    }
    assert len(squares) == len(texts_) == 11
    for value, square in zip(values, squares, strict=True):
        pair = (_luminance([int(c) for c in square.split(",")]), texts_[f"{value:.1f}"])
        assert (max(pair) + 0.05) / (min(pair) + 0.05) >= 3, (value, square)


def _luminance(rgb):
    c = np.array(rgb) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]
