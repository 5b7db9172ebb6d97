"""A figure as PNG, SVG and PDF, without a browser and without the network."""

import re
import struct

import pandas as pd
import pytest

from inscape.charts import export, layers, theme
from inscape.charts.curves import curves
from tests.charts import tables

MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<svg", "pdf": b"%PDF-"}
SPEC = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "data": {"values": [{"x": 1, "y": 2}, {"x": 2, "y": 3}]},
    "mark": "line",
    "width": 200,
    "height": 100,
    "encoding": {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "y", "type": "quantitative"},
    },
}


@pytest.mark.parametrize("kind", export.FORMATS)
def test_every_format_begins_as_it_must(kind, tmp_path):
    path = export.save(layers.score_by_layer(tables.scores()).to_dict(), tmp_path / f"f.{kind}")
    assert path.read_bytes().startswith(MAGIC[kind])
    assert path.stat().st_size > 2000


def _width(path):
    return struct.unpack(">I", path.read_bytes()[16:20])[0]


def test_a_png_has_two_pixels_to_the_point(tmp_path):
    one = export.save(SPEC, tmp_path / "one.png", scale=1)
    two = export.save(SPEC, tmp_path / "two.png")
    assert _width(two) == pytest.approx(2 * _width(one), abs=2)


def test_a_figure_that_leaves_its_width_to_the_page_gets_one_and_is_not_changed(tmp_path):
    spec = SPEC | {"width": "container"}
    wide = export.save(spec, tmp_path / "wide.png", scale=1, width=600)
    assert 580 < _width(wide) < 680
    assert spec["width"] == "container"


def test_the_background_is_the_variants(tmp_path):
    for scheme in ("light", "dark"):
        text = export.save(SPEC, tmp_path / f"{scheme}.svg", scheme=scheme).read_text()
        assert theme.page(scheme) in text


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"suffix must be \.png, \.svg or \.pdf, got 'f\.gif'"):
        export.save(SPEC, tmp_path / "f.gif")
    with pytest.raises(ValueError, match=r"save: f\.svg cannot be drawn"):
        export.save({"$schema": SPEC["$schema"], "mark": 3}, tmp_path / "f.svg")
    assert not (tmp_path / "f.svg").exists()


def test_a_figure_cannot_reach_the_network(tmp_path):
    spec = SPEC | {"data": {"url": "https://127.0.0.1:9/data.json"}}
    with pytest.raises(ValueError, match="cannot be drawn"):
        export.save(spec, tmp_path / "f.png")


def test_a_long_legend_breaks_into_rows(tmp_path):
    """Twenty long names side by side would push everything else into a corner."""
    names = [f"a series with a long name, number {i}" for i in range(20)]
    frame = pd.DataFrame([{"series": n, "x": x, "value": x / 2} for n in names for x in (0, 1)])
    spec = curves(frame, x="x", y="y").to_dict()
    drawn = export.save(spec, tmp_path / "many.svg").read_text()
    width = float(re.search(r'width="([\d.]+)"', drawn)[1])
    assert width < 800
    del spec["usermeta"]
    assert (
        float(
            re.search(r'width="([\d.]+)"', export.save(spec, tmp_path / "row.svg").read_text())[1]
        )
        > 3000
    )
