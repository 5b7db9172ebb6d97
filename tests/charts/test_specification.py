"""What a stored figure may hold, and that every own figure is such a one."""

import json

import pytest

from inscape.charts import specification
from inscape.charts.expressions import problem
from inscape.charts.specification import Refused, checked
from tests.charts.test_export import SPEC


def _with(**changes):
    return {**SPEC, **changes}


def _deep(levels):
    value = {"a": 1}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"$schema": "https://vega.github.io/schema/vega/v6.json"}, "not a Vega-Lite"),
        ({"$schema": "vega-lite"}, "not a Vega-Lite"),
        ({"data": {"url": "https://a.example/x.json"}}, r"an address \(url\)"),
        ({"data": {"values": "a,b\n1,2", "format": {"type": "csv"}}}, "its data is text"),
        ({"data": {"values": [{}] * 100_001}}, "100,001 rows; a figure holds at most 100,000"),
        ({"data": {"values": [_deep(60)]}}, "more than 48 levels"),
        ({"data": {"values": [{"x": "a" * 20_001}]}}, "20,001 characters"),
        ({"data": {"values": [{"x": 10**30}]}}, "larger than 2\\^63"),
        ({"data": {"sequence": {"start": 0, "stop": 1e9}}}, "sequence has more than"),
        ({"data": {"sequence": {"start": 0, "stop": 9, "step": 0}}}, "sequence has more than"),
        ({"data": {"graticule": {"step": [0.001, 1]}}}, "at least 0.5 degrees"),
        ({"width": 1e9}, "its width is 1000000000.0; the largest allowed is 10,000"),
        ({"width": {"step": 1e7}}, "its width is 10000000.0"),
        ({"mark": "image"}, "it holds images"),
        ({"mark": {"type": "image"}}, "it holds images"),
        ({"mark": {"type": "bar", "href": "https://a.example"}}, r"a link \(href\)"),
        ({"encoding": {"href": {"field": "x"}}}, r"a link \(href\)"),
        ({"encoding": {"url": {"field": "x"}}}, r"an address \(url\)"),
        ({"title": {"text": {"signal": "event.view"}}}, "a signal"),
        ({"title": {"text": {"expr": "event.view"}}}, "uses the name 'event'"),
        ({"transform": [{"filter": "event.item"}]}, "uses the name 'event'"),
        ({"transform": [{"filter": {"and": ["a()", "b"]}}]}, r"'a\(\)' uses the name 'a'"),
        ({"transform": [{"filter": {"not": "data('x')"}}]}, "uses the name 'data'"),
        (
            {"transform": [{"filter": {"field": "a", "equal": {"year": "warn(1)"}}}]},
            "not valid Vega-Lite at transform.0.filter",
        ),
        ({"config": {"customFormatTypes": True}}, "formats of its own"),
        ({"config": {"events": {"bind": "any"}}}, "it holds events"),
        ({"params": [{"name": "p", "expr": "1"}]}, "no plain selection"),
        ({"params": [{"name": "p", "value": 1, "bind": {"input": "text"}}]}, "no plain selection"),
        ({"params": [{"name": "p()", "select": "point"}]}, "no name of letters"),
        (
            {"params": [{"name": "p", "select": {"type": "point", "on": "click[a]"}}]},
            "has on other",
        ),
        (
            {"params": [{"name": "p", "select": {"type": "point", "on": {"type": "click"}}}]},
            "has on other",
        ),
        ({"params": [{"name": "p", "select": {"type": "point", "toggle": "a"}}]}, "has toggle"),
        ({"params": [{"name": "p", "select": {"type": "interval", "zoom": "a"}}]}, "has zoom"),
        ({"params": [{"name": "p", "select": "point", "bind": {"x": 1}}]}, "has bind other"),
        ({"mark": 3}, "not valid Vega-Lite"),
    ],
)
def test_what_reaches_out_or_has_no_bound_is_refused(changes, message):
    with pytest.raises(Refused, match=message):
        checked(_with(**changes))


def test_a_plain_figure_is_kept_as_it_is():
    assert checked(SPEC) == SPEC
    selected = _with(
        params=[
            {
                "name": "here",
                "select": {"type": "point", "fields": ["x"], "on": "pointerover", "clear": False},
                "bind": "legend",
            }
        ],
        transform=[{"filter": "abs(datum.x) > 0.5 && datum['y z'] != 'it\\'s'"}],
    )
    assert checked(selected) == selected
    # a row may have any field: only outside the data do names mean something
    named = _with(data={"values": [{"url": "a", "signal": "event", "type": "image", "x": 1}]})
    assert checked(named) == named


def test_characters_are_replaced_and_notes_of_the_page_dropped():
    spec = _with(
        title="a\x0bb",
        data={"values": [{"x\x00": "\ud800", "y": float("nan")}]},
        usermeta={
            "embedOptions": {"ast": False, "loader": {"http": {}}},
            "inscape": {"columns": 2, "cell": "x", "aspect": None, "onload": 1},
        },
    )
    out = checked(spec)
    assert out["title"] == "a\ufffdb"
    assert out["data"]["values"] == [{"x\ufffd": "\ufffd", "y": None}]
    shape = {"columns": 2, "aspect": None, "cell": 0, "outside": 0, "margin": 0}
    assert out["usermeta"] == {"inscape": shape}
    json.dumps(out).encode()


@pytest.mark.parametrize(
    "expression",
    [
        "datum.role == 'curve'",
        "!(abs(datum.value) > 0.85)",
        "clamp(datum.x, -179.9, 179.9)",
        "datum['a b'][0] * 2e-3 ** 2 >= 1 ? null : toString(datum.y)",
        "format(datum.x, '.2f')",
    ],
)
def test_expressions_of_a_row_are_allowed(expression):
    assert problem(expression) is None


@pytest.mark.parametrize(
    "expression",
    [
        "event",
        "window.location",
        "datum.constructor",
        "datum['constructor']",
        "datum['con\\x73tructor']",
        "datum.f(1)",
        "datum['f'](1)",
        "(abs)(1)",
        "abs",
        "datum(1)",
        "{a: 1}",
        "[1][0](2)",
        "/x/.test('x')",
        "`x`",
        "a = 1",
        "datum.x; datum.y",
        "vlSelectionTuples({}, {})",
        "datum.x" + " " * 3000 + "+ 1",
        "warn('x')",
        "geoArea('p', datum)",
        "'unended",
    ],
)
def test_all_else_is_not(expression):
    assert problem(expression) is not None


def test_the_schema_is_there():
    assert specification._validator().is_valid(SPEC)
    assert not specification._validator().is_valid({**SPEC, "mark": 3})
