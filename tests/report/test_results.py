"""The pages a repository keeps: every claim with its numbers, with their verdicts, and one figure a study."""

from __future__ import annotations

import json
import shutil

import pytest

from inscape.core.errors import RunError
from inscape.report.results import gallery, results


def test_results_hold_every_claim_and_where_it_was_made(folder, tmp_path):
    page = results([folder, folder], tmp_path / "docs" / "results.md").read_text()
    claims = json.loads((folder / "claims.json").read_text())
    assert page.count("| claim | verdict |") == page.count("\n### ") == 2
    verdicts = [c["verdict"] for c in claims]
    # the two runs, and the table over their seeds
    assert page.count("✗ not supported") == 3 * verdicts.count("not supported") > 0
    assert page.count("✓ supported") == 3 * verdicts.count("supported") > 0
    assert "| [toy-space](#toy-space) | 1 supported, 1 not supported | 2 of 1 |" in page
    record = json.loads((folder / "run.json").read_text())
    assert f"seed {record['seed']}" in page
    assert record["finished"][:10] in page
    assert record["warnings"]
    assert page.count("\nWarnings:\n") == 2
    assert page.count("\n- ") == 2 * len(record["warnings"])


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
    with pytest.raises(RunError, match=r"README\.md is there already and was not written by this"):
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
    with pytest.raises(RunError, match=r"png is there already and was not written by this"):
        gallery([folder], tmp_path / "page.md")
    assert picture.read_text() == "mine"
