"""The report as Markdown says what the page says."""

import shutil

import pandas as pd

from inscape.report import html, markdown
from inscape.report.folder import read
from inscape.report.page import page


def test_the_same_content_as_markdown(folder):
    text = markdown.text(page(read(folder)))
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads[0] == "# A Paper about Space & Time"
    wanted = [
        "asked",
        "Answer",
        "Claims",
        "Evidence",
        "study",
        "Certificates",
        "Warnings",
        "cite",
        "rerun",
        "Lineage",
    ]
    second = [h for h in heads if h.startswith("## ")]
    assert [w for w, h in zip(wanted, second, strict=True) if h.endswith(w)] == wanted
    assert "| Longitude is readable | ✓ supported | " in text
    assert "| Latitude is readable | ✗ not supported: the value is not at least 0.2 | " in text
    assert (
        "![Scores by layer; bands are 95 % intervals.](figures/score\\_by\\_layer.png)" not in text
    )
    assert "](figures/score_by_layer.png)" in text
    assert "20 of 450 rows; all in `tables/cities.parquet`" in text
    assert "<b>bold" not in text.replace("\\<", "")


def test_tables_are_tables(folder):
    text = markdown.text(page(read(folder)))
    table = next(part for part in text.split("\n\n") if part.startswith("| series"))
    widths = {line.count(" | ") for line in table.splitlines()}
    assert len(widths) == 1
    assert "---:" in table.splitlines()[1]


def test_a_pipe_or_a_line_break_does_not_end_a_cell():
    assert markdown._cell("a|b\nc") == "a\\|b c"
    assert markdown._cell("R² [0.1, 0.2]") == "R² [0.1, 0.2]"


def test_it_is_written_into_the_folder(folder):
    path = markdown.build(folder)
    assert path == folder / "report.md"
    assert path.read_text().startswith("# A Paper")


def test_a_table_without_rows_says_so(folder, tmp_path):
    folder = shutil.copytree(folder, tmp_path / "run")  # the fixture is shared
    path = next((folder / "tables").glob("*.parquet"))
    assert "No rows." not in markdown.text(page(read(folder)))
    pd.read_parquet(path).head(0).to_parquet(path)
    assert markdown.text(page(read(folder))).count("No rows.") == 1
    assert (
        html.render(
            "report.html", page=page(read(folder)), script=html.script(), themes=html.themes()
        ).count("No rows.")
        == 1
    )
