"""A run folder is read as it is, or refused with a sentence that says what to do."""

import json
import shutil

import pytest

from inscape.core.errors import RunError
from inscape.report.folder import read


@pytest.fixture
def copy(folder, tmp_path):
    """A run folder that a test may damage."""
    return shutil.copytree(folder, tmp_path / "run")


def _change(path, **fields):
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | fields))


def test_a_finished_run_is_read_whole(folder):
    run = read(folder)
    assert run.title == "A Paper about Space & Time"
    assert run.names("figure") == ["score_by_layer", "world_map", "country_errors"]
    assert [c["id"] for c in run.claims] == ["longitude", "latitude"]
    assert run.certificates[0]["model"] == "toy-model"
    assert len(run.table("cities")) == 450
    assert "vega-lite" in run.figure("world_map")["$schema"]


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="There is no run folder .*inscape run STUDY"):
        read(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"is not a run folder: it has no run\.json"):
        read(tmp_path)
    table = tmp_path / "mine.csv"
    table.write_text("a,b\n")
    with pytest.raises(RunError, match=r"mine\.csv is a file\. Give a run folder"):
        read(table)


def test_an_unfinished_run_says_why_and_how_to_run_it_again(copy):
    (copy / "done").unlink()
    with pytest.raises(
        RunError, match="is unfinished. Run it again: inscape run toy-space --preset tiny --seed 7"
    ):
        read(copy)
    _change(copy, failed="Interrupted from the keyboard (Ctrl-C).")
    with pytest.raises(
        RunError, match=r"is unfinished: Interrupted from the keyboard \(Ctrl-C\)\. Run it again"
    ):
        read(copy)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", "{", r"run\.json cannot be read"),
        ("run.json", "[]", r"run\.json is damaged: input should be .*dictionary.*, got \[\]"),
        ("run.json", "{}", r"run\.json is damaged at study: field required, got \{\}"),
        ("claims.json", "{}", r"claims\.json is damaged: input should be a valid list, got"),
        ("claims.json", "[1]", r"claims\.json is damaged at 0: input should be .*, got 1\."),
        ("certificates.json", "\x00", r"certificates\.json cannot be read"),
    ],
)
def test_a_damaged_file_is_named(copy, file, content, message):
    (copy / file).write_text(content)
    with pytest.raises(RunError, match=message):
        read(copy)


def test_a_missing_or_damaged_part_is_named(copy):
    run = read(copy)
    (copy / "tables" / "scores.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(RunError, match=r"scores\.parquet cannot be read"):
        run.table("scores")
    (copy / "figures" / "world_map.json").write_text('{"mark": "point"}')
    with pytest.raises(
        RunError, match=r"The figure .*world_map\.json .* is not a Vega-Lite specification"
    ):
        run.figure("world_map")
    (copy / "tables" / "scores.parquet").unlink()
    with pytest.raises(RunError, match=r"scores\.parquet is missing from the run"):
        read(copy)


@pytest.mark.parametrize("name", ["../run", "/etc/passwd", "A B", "", None])
def test_a_name_never_leads_out_of_the_folder(copy, name):
    _change(copy, sections=[{"kind": "table", "name": name, "caption": ""}])
    with pytest.raises(
        RunError, match=r"run\.json is damaged at sections\.0\.name: .*, got .*Run the study again"
    ):
        read(copy)


@pytest.mark.parametrize("section", ["table", {"kind": "film", "name": "x"}, 3])
def test_a_section_of_another_kind_is_refused(copy, section):
    _change(copy, sections=[section])
    with pytest.raises(
        RunError,
        match=r"run\.json is damaged at sections\.0.*: input should be .*Run the study again",
    ):
        read(copy)


def test_a_run_without_claims_or_sections_is_still_a_run(copy):
    (copy / "claims.json").unlink()
    _change(copy, sections=[], card=None)
    run = read(copy)
    assert (run.claims, run.sections, run.title) == ([], [], "toy-space")
