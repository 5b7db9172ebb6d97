"""The report as Markdown says what the page says."""

import shutil
from collections import Counter
from dataclasses import replace

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from inscape.report import html, markdown
from inscape.report.folder import read
from inscape.report.page import page


def test_the_same_content_as_markdown(folder):
    text = markdown.text(page(read(folder)))
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads[0] == "# A Paper about Space & Time"
    wanted = [
        "Question",
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
    assert "![Figure 1](figures/score_by_layer.png)" in text
    assert text.count("Scores by layer; bands are 95 % intervals.") == 1
    assert "20 of 450 rows; all in `tables/cities.parquet`" in text
    assert "<b>bold" not in text.replace("\\<", "")


def test_a_terminal_obeys_nothing_of_it(folder):
    found = replace(page(read(folder)), answer=["a\x9b31m\u202eb"], asked="\x9d0;title")
    text = markdown.text(found)
    assert "a\\x9b31m\\u202eb" in text
    assert not {"\x9b", "\x9d", "\u202e"} & set(text)


def test_tables_are_tables(folder):
    text = markdown.text(page(read(folder)))
    table = next(part for part in text.split("\n\n") if part.startswith("| series"))
    widths = {line.count(" | ") for line in table.splitlines()}
    assert len(widths) == 1
    assert "---:" in table.splitlines()[1]


def test_a_pipe_or_a_line_break_does_not_end_a_cell():
    assert markdown.cell("a|b\nc") == "a\\|b c"
    assert markdown.cell("R² [0.1, 0.2]") == "R² [0.1, 0.2]"


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
    assert html.report(page(read(folder))).count("No rows.") == 1


#: what Markdown gives a meaning to, and some letters
SIGNS = [*"[]()!#<>`~=-+*_\\|:&;./@'\"", " ", "  ", "\n", "\n\n", "\t", "    ", "a", "1", "x y"]
SIGNS += ["](", "![", "```", "---", "===", "# ", "> ", "- ", "1. ", "https://a.b", "www.a.b", "<b>"]
READER = MarkdownIt("commonmark", {"html": True}).enable("table")


def kinds(text):
    """The kinds of elements that a reader of CommonMark finds."""
    found = []
    for token in READER.parse(text):
        found += [token, *(token.children or [])]
    return Counter(t.type for t in found)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(SIGNS), max_size=24).map("".join))
def test_no_text_has_a_heading_a_link_a_picture_or_html(text):
    shown = kinds(markdown.prose(text))
    assert not {"heading_open", "link_open", "image", "html_block", "html_inline"} & set(shown)
    text = text if text.split() else "x"
    # beside our own markup, a value adds nothing but text
    for ours in ("{}", "- {}", "**A.** {}", "# {}", "{} <https://a.example>"):
        found = kinds(ours.format(markdown.plain(text)))
        expected = kinds(ours.format("x"))
        for counts in (found, expected):
            counts.pop("text"), counts.pop("text_special", None)
        assert found == expected
    inside = kinds(f"![{markdown.plain(text, inside=True)}](figures/a.png)")
    assert inside["image"] == 1
    assert not {"link_open", "html_inline"} & set(inside)
    table = markdown.table(["a", "b"], [[text, text]], ())
    assert kinds(table)["td_open"] == 2
    assert not {"link_open", "image", "html_inline", "em_open", "code_inline"} & set(kinds(table))
    fence = kinds(f"{markdown.fenced('sh', text)}\n\n# End")
    assert (fence["fence"], fence["heading_open"]) == (1, 1)
    assert set(kinds(markdown.code(text) + " x")) <= {*kinds("`x` x"), "text"}


def test_the_reader_itself_finds_what_is_not_escaped():
    found = kinds("# a\n\n[b](c) ![d](e) <i>f</i>\n\n<div>\n")
    assert {"heading_open", "link_open", "image", "html_inline", "html_block"} <= set(found)


def test_addresses_of_data_are_no_links_on_code_hosts():
    shown = markdown.plain("see https://a.b, www.a.b, a@b.c, mailto:x and C:\\x, 12:30")
    assert shown == "see https\\://a.b, www\\.a.b, a\\@b.c, mailto\\:x and C:\\\\x, 12:30"
    assert markdown.plain("R² [0.1, 0.2] of −3 - 2, 5 # 7") == "R² [0.1, 0.2] of −3 - 2, 5 # 7"


def test_a_text_of_a_study_keeps_its_emphasis_and_lists():
    text = "# Why\n\n- a *b* `c`\n- **d**\n\n1. e"
    assert markdown.prose(text) == "\\# Why\n\n- a *b* `c`\n- **d**\n\n1. e"
