"""The report: one page from the run folder alone, with everything in it and nothing that can
run."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from inscape.core.errors import RunError
from inscape.report import html
from inscape.report.build import build
from inscape.report.folder import read
from inscape.report.html import prose
from inscape.report.page import page as page_of
from tests.report.conftest import HOSTILE


class _Elements(HTMLParser):
    """The elements of a page in order, with attributes, and the text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self.text, self._inside = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def source(report):
    return report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source):
    return _Elements(source)


@pytest.fixture(scope="module")
def words(page):
    return " ".join(" ".join(page.text).split())


def test_the_page_says_everything_in_order(words):
    order = [
        *("A Paper about Space & Time", "Ada Byron and Grace Murray (2023)"),
        *("arxiv.org/abs/2310.02207", "Is space in there?", "Partly: 40 % of longitude."),
        # the first screen: verdicts, one figure, the claims
        *("1 supported", "1 not supported", "Figure 1.", "Longitude is readable", "0.400 R²"),
        # what folds
        *("Answer", "Latitude hardly.", "Longitude is readable", "✓ supported", "✗ not supported"),
        *("Evidence", "Figure 2.", "Figure 3.", "Table 1.", "Table 2.", "Space is linear."),
        *("Certificate", "toy-model", "residual identity", "Warnings", "The model is <small>."),
        *(
            "@article{ada2023paper",
            "@software{inscape",
            "inscape run toy-space --preset tiny --seed 7",
        ),
        *(
            "Lineage",
            "c0ffee",
            "ab" * 32,
            "ridge.alphas",
            "0.1, 1.0",
            "torch",
            "latitude 4×64",
        ),
    ]
    at = 0
    for text in order:
        found = words.find(text, at)
        assert found >= 0, f"{text!r} is not on the page after {words[max(0, at - 40) : at]!r}"
        at = found


def test_a_claim_shows_value_interval_null_bar_and_result_as_words(words):
    assert "0.400 R² [0.310, 0.480]" in words
    assert "−0.010 [−0.040" in words
    assert "at least 0.2 R²" in words
    assert "no interval" in words
    assert "Too small." in words
    assert "1 supported, 1 not supported" in words


def test_the_first_screen_names_the_figure_that_the_card_chooses(folder, tmp_path):
    assert page_of(read(folder)).hero == "score_by_layer"  # the first, where the card names none
    copy = shutil.copytree(folder, tmp_path / "run")
    record = json.loads((copy / "run.json").read_text())
    record["card"]["figure"] = "country_errors"
    (copy / "run.json").write_text(json.dumps(record))
    found = page_of(read(copy))
    assert found.hero == "country_errors"
    shown = _Elements(html.report(found))
    figures = [a["data-figure"] for a in shown.all("div") if "data-figure" in a]
    assert figures == ["country_errors", "score_by_layer", "world_map"]  # each once


@pytest.mark.parametrize(
    ("answer", "headline"),
    [
        (
            "Yes: an R² of 0.40 at resid_post.5. No more.",
            "Yes: an R² of 0.40 at resid_post.5. No more.",
        ),
        (
            "In part. " + "It reads well " * 9 + "here. Not there.",
            "In part. " + "It reads well " * 9 + "here.",
        ),
        (
            "A sentence that is long enough to be an answer on its own, of 0.5. And more.",
            "A sentence that is long enough to be an answer on its own, of 0.5.",
        ),
        ("", ""),
    ],
)
def test_the_answer_in_a_line_is_its_first_sentence(folder, answer, headline):
    run = read(folder)
    found = page_of(replace(run, record=run.record | {"answer": answer}))
    assert found.headline == headline
    assert found.rest == ([] if answer == headline else [answer])


@pytest.mark.parametrize(
    ("preset", "changed", "own"),
    [
        ("small", {}, True),
        ("small", {"seed": 3}, True),
        ("small", None, True),
        ("small", {"data": "mine.csv", "labels": ["score"]}, False),
        ("tiny", {}, False),
    ],
)
def test_the_card_speaks_of_this_run_only_where_it_was_run_as_the_card_says(
    folder, preset, changed, own
):
    run = read(folder)
    card = run.card | {"group_note": "A group is a country.", "negative": "Hardly any."}
    more = {} if changed is None else {"changed": changed}  # older runs do not say
    found = page_of(replace(run, record=run.record | {"preset": preset, "card": card} | more))
    said = {value: label for label, value in found.card}
    for value in ("A toy of it.", "A group is a country.", "Hardly any."):
        assert ("(not this run)" not in said[value]) is own
    assert "(not this run)" not in said["Space is linear."]
    shown = "data mine.csv, labels score" if changed and not own else None
    assert dict(found.facts).get("Changed") == shown


def test_a_table_of_a_figures_numbers_has_no_caption_of_its_own(folder):
    run = read(folder)
    figure, table = run.sections[0], next(s for s in run.sections if s["kind"] == "table")
    for caption in ("The same numbers.", figure["caption"][:10]):
        found = page_of(replace(run, sections=[figure, table | {"caption": caption}]))
        assert found.blocks[1].under == 1
        assert "The numbers of figure 1." in html.report(found)
    found = page_of(replace(run, sections=[figure, table]))
    assert found.blocks[1].under is None
    assert html.report(found).count("Every layer.") == 1


def test_nothing_of_the_page_comes_from_elsewhere(source, page):
    assert not [a for a in page.all("script") if "src" in a]
    assert not [a for a in page.all("link") if not a["href"].startswith("data:")]
    assert not page.all("img")
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert source.count("window.vegaEmbed=") == 1
    assert len(source) < 2_000_000


def test_what_a_run_says_stays_text(source, page, words):
    assert HOSTILE in words
    assert "<b>bold</b>" not in source
    # of the hostile caption's and datum's elements none came to be; ours have no such thing
    assert not [a for a in page.all("img")]
    assert len(page.all("script")) == 2
    (held,) = re.findall(
        r'<script type="application/json" id="figures">(.*?)</script>', source, re.DOTALL
    )
    data = [d for d in json.loads(held)["data"] if "city" in d.get("columns", [])]
    cities = {row[d["columns"].index("city")] for d in data for row in d["rows"]}
    assert cities == {"</script><b>x</b>"}


def test_prose_keeps_its_markup_and_loses_code():
    shown = prose(
        "# Why\n\nSome *words* <script>x</script> [x](javascript:alert(1)) ![p](pixel.png)"
    )
    assert "<h3>Why</h3>" in shown
    assert "<em>words</em>" in shown
    assert "<script" not in shown
    assert "javascript:alert" in shown
    assert 'href="javascript' not in shown
    assert "<img" not in shown


def test_figures_have_words_for_those_who_do_not_see_them(page):
    figures = [a for a in page.all("div") if "data-figure" in a]
    assert len(figures) == 3
    assert figures[0]["role"] == "img"
    assert figures[0]["aria-labelledby"] == "figure-1-caption"
    assert [a["id"] for a in page.all("figcaption")] == [f"figure-{i}-caption" for i in (1, 2, 3)]


def test_headings_step_down_one_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.found if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_long_tables_fold_and_name_their_rows_and_file(page, words):
    assert "Show the first 200 of 450 rows" in words
    assert "Show all 18 rows" in words
    assert "tables/cities.parquet" in [a.get("href") for a in page.all("a")]
    assert "city 199" in words
    assert "city 200" not in words


def test_every_figure_is_also_a_file(report):
    for name in ("score_by_layer", "world_map", "country_errors"):
        for suffix, magic in (("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")):
            assert (report.parent / "figures" / f"{name}.{suffix}").read_bytes().startswith(magic)


def test_a_moved_folder_draws_the_same_report(folder, report, tmp_path):
    moved = tmp_path / "elsewhere" / folder.name
    shutil.copytree(
        folder, moved, ignore=shutil.ignore_patterns("report.*", "*.png", "*.svg", "*.pdf")
    )
    again = build(moved)
    assert again == moved / "report.html"
    assert again.read_text() == report.read_text()
    assert not list(moved.glob(".*.new*"))


def test_an_unfinished_or_undrawable_run_leaves_no_report(folder, tmp_path):
    copy = shutil.copytree(
        folder,
        tmp_path / "run",
        ignore=shutil.ignore_patterns("report.*", "*.png", "*.svg", "*.pdf"),
    )
    spec = copy / "figures" / "world_map.json"
    spec.write_text('{"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "mark": 3}')
    with pytest.raises(RunError, match=r"The figure .*world_map\.json cannot be drawn"):
        build(copy)
    (copy / "done").unlink()
    with pytest.raises(RunError, match="is unfinished"):
        build(copy)
    assert not (copy / "report.html").exists()


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_a_file_of_the_user_in_the_place_of_a_report_is_left(folder, report, tmp_path, name):
    copy = shutil.copytree(folder, tmp_path / "run")
    build(copy)  # its own earlier report is no hindrance
    (copy / name).write_text("# My notes")
    with pytest.raises(RunError, match=rf"{name} already exists and was not written by this"):
        build(copy)
    assert (copy / name).read_text() == "# My notes"


def test_a_folder_that_cannot_be_written_is_said(folder, report, tmp_path, monkeypatch):
    copy = shutil.copytree(folder, tmp_path / "run")
    (copy / "report.md").unlink()
    (copy / "report.md").mkdir()
    with pytest.raises(RunError, match=r"Cannot write .*report\.md: .*Copy the run folder"):
        build(copy)
    shutil.rmtree(copy / "figures" / "world_map.png", ignore_errors=True)
    (copy / "figures" / "world_map.png").unlink(missing_ok=True)
    (copy / "figures" / "world_map.png").mkdir()
    with pytest.raises(RunError, match=r"Cannot write .*world_map\.png: it is not a file"):
        build(copy)


def test_a_run_with_nothing_but_an_answer_has_a_report(folder, tmp_path):
    copy = shutil.copytree(
        folder, tmp_path / "run", ignore=shutil.ignore_patterns("report.*", "figures", "tables")
    )
    (copy / "run.json").write_text(json.dumps({"study": "bare", "answer": "Yes."}))
    for name in ("claims.json", "certificates.json"):
        (copy / name).write_text("[]")
    text = build(copy).read_text()
    assert "Yes." in text
    assert "vegaEmbed" not in text
    assert 'id="claims"' not in text
