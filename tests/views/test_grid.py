"""Grids: the same cells as text and as HTML, coloured by their value, and no text of theirs is ever
markup.
"""

import re

import numpy as np
import pytest

from inscape.core.errors import RunError
from inscape.views.grid import Grid
from inscape.views.page import escaped, page, save

HOSTILE = "<script>alert('1')</script>\x1b[2J"


def grid(**options):
    values = np.array([[0.5, -1.0], [0.0, np.nan]])
    return Grid("Effect", ("0", "1"), ("a", "b"), values, **options)


def test_cells_are_coloured_by_their_share_of_the_largest():
    found = grid()
    assert found.strength(0, 0) == 0.5
    assert found.strength(0, 1) == -1
    assert found.strength(1, 1) == 0
    shades = re.findall(r"rgba\((\d+),\d+,\d+,([\d.]+)\)", found.html())
    assert shades == [("31", "0.275"), ("225", "0.550"), ("31", "0.000"), ("31", "0.000")]
    assert Grid("none", (), (), np.zeros((0, 0))).html()


def test_a_wide_grid_is_printed_in_parts_that_fit():
    values = np.zeros((1, 30))
    found = Grid("t", ("row",), [f"c{i}" for i in range(30)], values, corner="x")
    lines = found.lines(40)
    assert all(len(line) <= 40 for line in lines)
    printed = " ".join(lines).split()
    assert [p for p in printed if p.startswith("c")] == [f"c{i}" for i in range(30)]
    assert str(found).count("\n") == 2


def test_a_page_takes_no_place_but_that_of_a_page(tmp_path):
    mine, link, made = (tmp_path / name for name in ("mine.html", "link.html", "made.html"))
    mine.write_text("<p>a thesis</p>")
    link.symlink_to(mine)
    for path, match in [(mine, "was not written by this command"), (link, "is a symbolic link")]:
        with pytest.raises(RunError, match=match):
            save(path, page("t", []))
    assert mine.read_text() == "<p>a thesis</p>"
    save(made, page("one", []))
    assert "two" in save(made, page("two", [])).read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.html", "made.html", "mine.html"]


def test_hostile_text_stays_text():
    found = Grid(
        HOSTILE,
        (HOSTILE,),
        (HOSTILE,),
        np.ones((1, 1)),
        text=[[HOSTILE]],
        hover=[[f'" onmouseover="{HOSTILE}']],
        corner=HOSTILE,
        key=HOSTILE,
    )
    made = page(HOSTILE, [found.html()], HOSTILE)
    assert "<script" not in made
    assert "\x1b" not in made
    assert '" onmouseover' not in made
    assert "\x1b" not in str(found)
    assert escaped('<"') == "&lt;&quot;"
    # the page allows itself neither script nor network
    assert "default-src 'none'" in made
    assert "http" not in made.replace("http-equiv", "")


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"values must be \(1, 2\), rows × columns, got \(2, 1\)"):
        Grid("t", ("a",), ("b", "c"), np.zeros((2, 1)))


def test_a_page_is_written_or_refused_in_one_sentence(tmp_path):
    assert save(tmp_path / "new" / "a.html", "x").read_text() == "x"
    with pytest.raises(RunError, match="is a folder; give the name of a file"):
        save(tmp_path, "x")
    with pytest.raises(RunError, match="Cannot write"):
        save(tmp_path / "new" / "a.html" / "b.html", "x")
