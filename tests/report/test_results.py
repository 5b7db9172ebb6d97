"""The pages a repository keeps: every claim with its numbers, with their verdicts, and one
figure a study."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from inscape.core.errors import RunError
from inscape.report.gallery import LEAD, gallery
from inscape.report.results import results


def test_the_table_has_a_row_a_study_and_a_page_for_its_details(folder, tmp_path):
    page = results([folder, folder], tmp_path / "docs" / "results.md")
    table = page.read_text()
    number = "Longitude is readable: 0.400 R² [0.310, 0.480]; 0.400 R² [0.310, 0.480]"
    assert f"| toy-space | 1 supported, 1 not supported | {number} | " in table
    assert "[details](results/toy-space.md) |" in table
    details = (page.parent / "results" / "toy-space.md").read_text()
    assert "[all studies](../results.md)" in details
    claims = json.loads((folder / "claims.json").read_text())
    assert details.count("| claim | verdict |") == details.count("\n## ") == 2
    verdicts = [c["verdict"] for c in claims]
    # the two runs, and the table over their seeds
    assert details.count("✗ not supported") == 3 * verdicts.count("not supported") > 0
    assert details.count("✓ supported") == 3 * verdicts.count("supported") > 0
    record = json.loads((folder / "run.json").read_text())
    assert f"seed {record['seed']}" in details
    assert record["finished"][:10] in details
    assert record["warnings"]
    assert details.count("\nWarnings:\n") == 2
    # a unit is said once for all seeds; p and n stand behind the interval
    assert "| 0.400, 0.400 R² | at least 0.2 R² |" in details
    assert "| 0.400 R² [0.310, 0.480], p < 0.001, n = 1500 | at least 0.2 R² |" in details.replace(
        "\u00a0", " "
    ).replace("\\<", "<")
    assert details.count("\n- ") == 2 * len(record["warnings"])


def test_the_table_says_of_what_days_and_how_many_commits_the_runs_are(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    record = json.loads((folder / "run.json").read_text())
    for run, day, commit in ((folder, "2026-01-02", "a" * 40), (other, "2026-03-04", "b" * 40)):
        git = {"commit": commit, "dirty": False}
        changed = {"finished": f"{day}T10:00:00+00:00"}
        changed["environment"] = record["environment"] | {"git": git}
        (run / "run.json").write_text(json.dumps(record | changed))
    both = results([folder, other], tmp_path / "both.md").read_text()
    assert "2 runs, finished 2026-01-02 to 2026-03-04, of 2 commits of the code;" in both
    assert (
        "1 run, finished 2026-03-04, of 1 commit"
        in results([other], tmp_path / "one.md").read_text()
    )


def test_the_number_of_a_study_is_that_of_the_claim_its_card_names(folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    record = json.loads((run / "run.json").read_text())
    record["card"]["headline"] = "latitude"
    (run / "run.json").write_text(json.dumps(record))
    table = results([run], tmp_path / "results.md").read_text()
    assert "Latitude is readable: 0.120 R² no interval" in table
    assert "Longitude is readable" not in table


@pytest.mark.parametrize(
    ("changed", "where"),
    [({}, "here"), ({"data": "mine.csv"}, "with the small preset (not these runs)")],
)
def test_what_does_not_reproduce_is_said_of_the_runs_that_the_card_describes(
    folder, tmp_path, changed, where
):
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    record = json.loads((run / "run.json").read_text()) | {"preset": "small", "changed": changed}
    record["card"]["negative"] = "Hardly any."
    (run / "run.json").write_text(json.dumps(record))
    results([run], tmp_path / "results.md")
    details = (tmp_path / "results" / "toy-space.md").read_text()
    assert f"**Does not reproduce {where}.** Hardly any." in details


def test_the_gallery_keeps_what_it_shows_and_begins_with_those_that_lead(folder, tmp_path):
    page = tmp_path / "gallery.md"
    for study in ("a-study", "b-study", "toy-space"):
        run = tmp_path / study
        shutil.copytree(folder, run, ignore=shutil.ignore_patterns("report.*"))
        record = json.loads((run / "run.json").read_text()) | {"study": study}
        (run / "run.json").write_text(json.dumps(record | {"answer": f"Of {study}."}))
        gallery([run], page, lead=["toy-space"])
    text = page.read_text()
    assert re.findall(r"`inscape run ([a-z-]+)`", text) == ["toy-space", "a-study", "b-study"]
    assert re.findall(r"\nOf ([a-z-]+)\.\n", text) == ["toy-space", "a-study", "b-study"]
    assert gallery([tmp_path / "b-study"], page, lead=["b-study"]).read_text().index(
        "Of b-"
    ) < text.index("Of a-")


def test_the_gallery_shows_the_named_figure(folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    record = json.loads((run / "run.json").read_text())
    record["card"]["figure"] = "world_map"
    (run / "run.json").write_text(json.dumps(record))
    page = gallery([run], tmp_path / "gallery.md").read_text()
    study = record["study"]
    picture = tmp_path / "gallery" / f"{study}.png"
    assert picture.read_bytes() == (run / "figures" / "world_map.png").read_bytes()
    assert f"gallery/{study}.png" in page
    record["card"].pop("figure")
    (run / "run.json").write_text(json.dumps(record))
    gallery([run], tmp_path / "gallery.md")
    assert picture.read_bytes() == (run / "figures" / "score_by_layer.png").read_bytes()


def test_pages_need_runs_and_figures(folder, tmp_path):
    with pytest.raises(RunError, match="There is no run"):
        results([], tmp_path / "r.md")
    with pytest.raises(
        RunError, match="There is no run in .*records: give one or more run folders"
    ):
        results([], tmp_path / "r.md", tmp_path / "records")
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    record = json.loads((run / "run.json").read_text())
    record["sections"] = [s for s in record["sections"] if s["kind"] != "figure"]
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="has no figure to show"):
        gallery([run], tmp_path / "g.md")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Give another place with --to"):
        results([folder], tmp_path / "file" / "r.md")


@pytest.mark.parametrize("write", [results, gallery])
def test_a_page_of_somebody_else_is_not_written_over(folder, tmp_path, write):
    page = tmp_path / "README.md"
    page.write_text("# Mine")
    with pytest.raises(RunError, match=r"README\.md already exists and was not written by this"):
        write([folder], page)
    assert [p.name for p in tmp_path.iterdir()] == ["README.md"]
    assert page.read_text() == "# Mine"
    page.unlink()
    assert write([folder], page).read_text() == write([folder], page).read_text()


def test_a_picture_of_somebody_else_is_not_written_over(folder, tmp_path):
    study = json.loads((folder / "run.json").read_text())["study"]
    (tmp_path / "gallery").mkdir()
    picture = tmp_path / "gallery" / f"{study}.png"
    picture.write_text("mine")
    with pytest.raises(RunError, match=r"png already exists and was not written by this"):
        gallery([folder], tmp_path / "page.md")
    assert picture.read_text() == "mine"


def test_studies_that_lead_the_gallery_exist():
    from inscape.study.discover import cards

    assert set(LEAD) <= set(cards())
    assert len(LEAD) == 5
