"""What a study records lands in the run folder as it comes, whole file by whole file."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from inscape.core.errors import RunError, StudyError
from inscape.core.evidence import Evidence, Null
from inscape.study.discover import load_study
from inscape.study.folder import Folder, create
from inscape.study.recording import recording

SPEC = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "data": {"values": [{"x": 1}]},
    "mark": "point",
}


@pytest.fixture
def folder(outside, tmp_path):
    return create(tmp_path / "run", "toy-mean", "tiny", datetime.now(UTC))


@pytest.fixture
def record(folder):
    """Open a recorder on a new folder; the test closes it by leaving the context."""
    study = load_study("toy-mean")
    return recording(folder, study, study.presets["tiny"], preset="tiny", seed=3)


def _json(folder, name="run.json"):
    return json.loads((folder.path / name).read_text())


def test_a_table_an_array_and_a_figure_come_back_as_they_were(record, folder):
    frame = pd.DataFrame({"site": ["a", "b"], "r2": [0.1, math.nan]})
    arrays = {"x": np.arange(6.0).reshape(2, 3), "t": torch.ones(2, dtype=torch.bfloat16)}
    with record as run:
        run.table("scores", frame, "Scores.")
        run.arrays("weights", arrays, "Weights.")
        run.figure("dots", SPEC, "Dots.")
        run.text("note", "A **note**.")
        assert not (folder.path / "done").exists()
    pd.testing.assert_frame_equal(pd.read_parquet(folder.path / "tables/scores.parquet"), frame)
    kept = load_file(folder.path / "arrays/weights.safetensors")
    np.testing.assert_array_equal(kept["x"], arrays["x"])
    np.testing.assert_array_equal(kept["t"], np.ones(2, dtype=np.float32))
    assert _json(folder, "figures/dots.json") == SPEC
    assert [(s["kind"], s["name"]) for s in _json(folder)["sections"]] == [
        ("table", "scores"),
        ("figure", "dots"),
        ("text", "note"),
    ]
    assert _json(folder)["sections"][2]["markdown"] == "A **note**."
    assert _json(folder)["arrays"] == [
        {"name": "weights", "caption": "Weights.", "shapes": {"x": [2, 3], "t": [2]}}
    ]
    assert (folder.path / "done").read_bytes() == b""


def test_a_table_may_be_given_as_evidence(record, folder):
    found = [Evidence("AUC", 0.9, where={"read at": "answer"}), Evidence("AUC", 0.6)]
    with record as run:
        run.table("scores", found, "Scores.")
    kept = pd.read_parquet(folder.path / "tables/scores.parquet")
    assert kept["value"].tolist() == [0.9, 0.6]
    assert kept["read at"][0] == "answer"
    assert pd.isna(kept["read at"][1])


def test_evidence_over_a_quantity_is_drawn_as_lines_and_tabled(record, folder):
    found = [
        Evidence("errors", v, (v - 0.1, v + 0.1), unit="share", where={"noise": x, "condition": c})
        for x, v, c in ((0.0, 0.2, "a"), (0.5, 0.4, "a"), (0.0, 0.3, "chance"))
    ]
    with record as run:
        run.curve("noisy", found, "Errors by noise.", x="noise", nulls=("chance",))
    kept = pd.read_parquet(folder.path / "tables/noisy.parquet")
    assert kept["noise"].tolist() == [0.0, 0.5, 0.0]
    spec = _json(folder, "figures/noisy.json")
    drawn = next(v for v in spec["datasets"].values() if v and "series" in v[0])
    assert [(d["series"], d["x"], d["value"]) for d in drawn] == [
        ("a", 0.0, 0.2),
        ("a", 0.5, 0.4),
        ("chance", 0.0, 0.3),
    ]
    assert drawn[1]["low"] == pytest.approx(0.3)
    assert "95 % intervals" in _json(folder)["sections"][0]["caption"]


def test_evidence_by_layer_is_drawn_as_lines_and_tabled(record, folder):
    where = [{"site": "embed", "lens": "a"}, {"site": "resid_post.0", "lens": "a"}]
    where += [{"layer": 0, "lens": "chance"}]
    found = [Evidence("hits", 0.5, (0.4, 0.6), unit="share", where=w) for w in where]
    with record as run:
        run.layers("hits", found, "Hits by layer.", series="lens", nulls=("chance",))
    kept = pd.read_parquet(folder.path / "tables/hits.parquet")
    assert kept["lens"].tolist() == ["a", "a", "chance"]
    spec = _json(folder, "figures/hits.json")
    drawn = next(v for v in spec["datasets"].values() if v and "series" in v[0])
    assert [(d["series"], d["layer"], d["low"]) for d in drawn] == [
        ("a", -1, 0.4),
        ("a", 0, 0.4),
        ("chance", 0, 0.4),
    ]
    assert "hits (share)" in str(spec)


def test_ticks_of_bars_are_named_where_the_caption_does_not(record, folder):
    null = Null("labels shuffled", 0.1, 0.01, 0.0, 0.2, 19)
    found = [
        Evidence("hits", 0.5, (0.4, 0.6), null, p=0.05, unit="share", where={"condition": "a"}),
        Evidence("hits", 0.3, (0.2, 0.4), unit="share", where={"condition": "b"}),
    ]
    with record as run:
        run.show("named", found, "Hits.")
        run.show("said", found, "Hits. The tick is chance.")
        run.show("none", found[1:], "Hits.")
    captions = {s["name"]: s["caption"] for s in _json(folder)["sections"] if s["kind"] == "figure"}
    lines = "Lines are 95 % intervals over groups."
    assert captions == {
        "named": f"Hits. {lines} Tick: the mean of the null (labels shuffled).",
        "said": f"Hits. The tick is chance. {lines}",
        "none": f"Hits. {lines}",
    }


def test_a_named_index_is_kept_and_an_unnamed_one_dropped(record, folder):
    frame = pd.DataFrame({"r2": [2.0, 1.0]}, index=pd.Index(["b", "a"], name="site"))
    with record as run:
        run.table("named", frame, "")
        run.table("unnamed", pd.DataFrame({"r2": [2.0, 1.0]}, index=[5, 3]), "")
    assert list(pd.read_parquet(folder.path / "tables/named.parquet").columns) == ["site", "r2"]
    assert list(pd.read_parquet(folder.path / "tables/unnamed.parquet").columns) == ["r2"]


def test_an_altair_chart_keeps_all_its_rows(record, folder):
    altair = pytest.importorskip("altair")
    frame = pd.DataFrame({"x": np.arange(6000.0), "y": [math.nan, *np.arange(5999.0)]})
    with record as run:
        run.figure(
            "many", altair.Chart(frame).mark_point().encode(x="x", y="y"), "More than 5,000 rows."
        )
    spec = _json(folder, "figures/many.json")
    assert len(next(iter(spec["datasets"].values()))) == 6000


def test_claims_and_certificates_are_kept_in_order(record, folder):
    with record as run:
        null = Null.of("mean 0", np.zeros(99))
        assert run.claim(
            "near", Evidence("mean", 2.0, (1.5, 2.5), null, p=0.01, warnings=("Few samples.",))
        )
        assert not run.claim("far", Evidence("mean", 2.0), why="It is not.")
        run.certificate({"model": "m", "passed": True})
        run.certificate({"model": "m", "passed": True})
        with pytest.raises(ValueError, match="already a claim 'near'"):
            run.claim("near", Evidence("mean", 2.0))
        with pytest.raises(StudyError, match="The card has no claim 'nearly'"):
            run.claim("nearly", Evidence("mean", 2.0))
    assert [(c["id"], c["verdict"], c["why"]) for c in _json(folder, "claims.json")] == [
        ("near", "supported", ""),
        ("far", "not supported", "It is not."),
    ]
    assert _json(folder, "certificates.json") == [{"model": "m", "passed": True}]
    assert "Few samples." in _json(folder)["warnings"]


def test_streams_are_named_and_the_seed_decides(record, folder):
    with record as run:
        first = run.rng("a").normal(size=4)
        run.rng("new step").normal(size=100)
        np.testing.assert_array_equal(run.rng("a").normal(size=4), first)
        assert not np.array_equal(run.rng("b").normal(size=4), first)
        assert run.seed == 3


def test_runs_that_can_share_have_one_identity(outside, tmp_path):
    study = load_study("toy-mean")
    found = []
    for place, seed in enumerate((3, 3, 4)):
        folder = create(tmp_path / str(place), "toy-mean", "tiny", datetime.now(UTC))
        with recording(folder, study, study.presets["tiny"], preset="tiny", seed=seed) as run:
            found.append(run.identity)
    assert found[0] == found[1] != found[2]


def test_the_cache_is_shared_between_runs_and_made_when_asked_for(record, tmp_path):
    assert not (tmp_path / "home" / "stores").exists()
    with record as run:
        assert run.cache == tmp_path / "home" / "stores"
        assert run.cache.is_dir()


def test_log_and_warnings_reach_the_folder_once(record, folder, caplog):
    caplog.set_level("INFO", logger="inscape.study")
    with record as run:
        run.log("layer %d of %d", 2, 3)
        run.log("100 % of it")
        run.warn("Mind this.")
        run.warn("Mind this.")
        run.answer("Yes.")
    log = (folder.path / "log.txt").read_text()
    assert log.count("Mind this.") == 1
    assert "layer 2 of 3\n" in log
    assert "100 % of it\n" in log
    assert "layer 2 of 3" in caplog.text
    assert _json(folder)["warnings"] == ["Mind this."]


def test_a_run_without_an_answer_says_so(record, folder):
    with record:
        pass
    assert _json(folder)["warnings"] == ["This run ended without an answer."]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (KeyboardInterrupt(), "Interrupted from the keyboard (Ctrl-C)."),
        (RunError("It cannot be."), "It cannot be."),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
    ],
)
def test_a_run_that_fails_keeps_what_it_had(record, folder, error, why):
    with pytest.raises(type(error)) as caught, record as run:
        run.asked("Is it so?")
        run.table("half", pd.DataFrame({"x": [1]}), "")
        raise error
    found = _json(folder)
    assert (found["failed"], found["finished"], found["asked"]) == (why, None, "Is it so?")
    assert not (folder.path / "done").exists()
    assert (folder.path / "tables/half.parquet").exists()
    assert "Traceback" in (folder.path / "log.txt").read_text()
    assert caught.value.__notes__ == [
        f"What was measured so far is kept in {folder.path} (unfinished)."
    ]


def test_a_run_that_fails_at_once_says_that_nothing_was_measured(record, folder):
    with pytest.raises(RunError) as caught, record:
        raise RunError("The disk is full.")
    assert caught.value.__notes__ == [
        f"Nothing was measured yet; {folder.path} has the settings and the log (unfinished)."
    ]


def test_a_finished_run_has_nothing_failed_and_its_time(record, folder):
    with record as run:
        run.answer("Yes.")
    found = _json(folder)
    assert "failed" not in found
    assert found["finished"] >= found["started"]
    assert found["seconds"] >= 0
    assert not list(folder.path.rglob(".*.new*"))


@pytest.mark.parametrize("name", ["../out", "Upper", "", "a/b", ".hidden"])
def test_names_are_plain(record, name):
    with record as run, pytest.raises(ValueError, match="names in a run are lower-case"):
        run.text(name, "x")


def test_what_cannot_be_kept_is_refused(record):
    with record as run:
        run.text("note", "x")
        with pytest.raises(ValueError, match="already texts/note in this run"):
            run.text("note", "y")
        with pytest.raises(ValueError, match=r"Run.asked: needs a sentence, got ' '"):
            run.asked(" ")
        with pytest.raises(
            ValueError, match=r"Run.table\('mixed'\): a column cannot be kept as Parquet"
        ):
            run.table("mixed", pd.DataFrame({"x": [1, "a", object()]}), "")
        with pytest.raises(
            ValueError,
            match=r"Run.figure\('f1'\): needs an Altair chart or a specification, got int",
        ):
            run.figure("f1", 3, "")
        with pytest.raises(
            ValueError, match=r"Run.figure\('f2'\): .*not a Vega-Lite specification"
        ):
            run.figure("f2", {"mark": "point"}, "")
        with pytest.raises(ValueError, match=r"cannot be kept: it holds an address \(url\)"):
            run.figure("f3", {**SPEC, "layer": [{"data": {"url": "x.csv"}}]}, "")
        with pytest.raises(ValueError, match="'a' must be a numeric array or tensor"):
            run.arrays("a1", {"a": np.array(["text"])})
        with pytest.raises(ValueError, match="needs at least one array"):
            run.arrays("a2", {})


def test_a_refused_record_leaves_its_name_free(record, folder):
    with record as run:
        with pytest.raises(ValueError, match="must be a numeric array"):
            run.arrays("a", {"a": np.array(["text"])})
        run.arrays("a", {"a": np.ones(2)})
    assert len(_json(folder)["arrays"]) == 1


def test_a_file_is_whole_or_absent(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.write("a.json", b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match=r"Cannot write .*a.json: the disk is full; free some space"):
        folder.write("a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_disk_that_fills_fails_the_run_with_one_sentence(record, folder, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="the disk is full"), record as run:
        monkeypatch.setattr("os.replace", full)
        run.answer("Yes.")
    monkeypatch.undo()
    assert _json(folder)["answer"] == ""  # the last whole file
    assert not (folder.path / "done").exists()


def test_a_value_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        Folder(tmp_path).write_json("a.json", {"x": math.nan})
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        Folder(tmp_path).write_json("a.json", {"x": object()})
    Folder(tmp_path).write_json("a.json", {"x": np.float32(1), "y": np.arange(2), "z": tmp_path})
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "x": 1.0,
        "y": [0, 1],
        "z": str(tmp_path),
    }


def test_the_default_folder_never_meets_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    now = datetime(2030, 1, 2, 3, 4, 5)
    names = [create(None, "toy", "tiny", now).path.name for _ in range(3)]
    assert names == [
        "toy-tiny-20300102-030405",
        "toy-tiny-20300102-030405-2",
        "toy-tiny-20300102-030405-3",
    ]


def test_a_folder_that_is_taken_is_left_alone(tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    assert create(taken, "toy", "tiny", datetime.now(UTC)).path == taken  # empty: fine
    (taken / "done").write_bytes(b"")
    with pytest.raises(
        RunError,
        match="already holds something, and a run never overwrites: give --to another name",
    ):
        create(taken, "toy", "tiny", datetime.now(UTC))
    with pytest.raises(RunError, match="a part of this path is a file, not a folder"):
        create(taken / "done" / "run", "toy", "tiny", datetime.now(UTC))


def _failed(folder, failed="No such column."):
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"failed": failed}))
    (folder / "log.txt").write_text("a line")


def test_a_run_that_failed_does_not_block_the_corrected_one(tmp_path, caplog):
    out, now = tmp_path / "out", datetime.now(UTC)
    _failed(out)
    assert list(create(out, "toy", "tiny", now).path.iterdir()) == []
    for name in ("out-failed", "out-failed-2"):
        _failed(out)
        (out / "tables").mkdir()
        (out / "tables" / "a.parquet").write_bytes(b"measured")
        with caplog.at_level("INFO", logger="inscape.study"):
            assert list(create(out, "toy", "tiny", now).path.iterdir()) == []
        assert (tmp_path / name / "tables" / "a.parquet").read_bytes() == b"measured"
        assert f"kept in {tmp_path / name}." in caplog.text


def test_a_run_that_is_still_running_or_done_or_not_ours_is_left_alone(tmp_path):
    out, now = tmp_path / "out", datetime.now(UTC)
    deep = "[" * 50_000 + "]" * 50_000
    for text, done in (
        ("{}", False),
        ("no JSON", False),
        (f'{{"failed": {deep}}}', False),
        ('["failed"]', False),
        ('{"failed": "x"}', True),
    ):
        out.mkdir(exist_ok=True)
        (out / "run.json").write_text(text)
        if done:
            (out / "done").touch()
        with pytest.raises(RunError, match="already holds something"):
            create(out, "toy", "tiny", now)


def test_the_cards_answer_is_filled_with_claims_and_facts(record, folder):
    with record as run:
        run._record["card"]["answer"] = "{model} has {near:.1f} ({near.verdict})."
        run.facts(model="toy")
        run.claim("near", Evidence("mean", 0.2, (0.1, 0.3)))
    assert _json(folder)["answer"].startswith("toy has 0.2 (")


def test_a_number_below_zero_has_a_minus_sign_and_a_hyphen_stays(record, folder):
    with record as run:
        run._record["card"]["answer"] = "{model}: {by:+.1%}, ({by:.2f}), 3-5 of {least:.0e}."
        run.facts(model="minilm-l6", by=-0.071, least=1e-6)
    assert _json(folder)["answer"] == "minilm-l6: −7.1%, (−0.07), 3-5 of 1e−6."


def test_an_answer_that_names_what_is_not_there_is_refused(record):
    with pytest.raises(StudyError, match="names 'model', which is neither a claim"), record as run:
        run._record["card"]["answer"] = "{model} is best."


def test_the_numbers_of_a_figure_are_kept_beside_it(record, folder):
    frame = pd.DataFrame({"x": [1.0]})
    with record as run:
        run.figure("dots", SPEC, "Dots.", frame)
    pd.testing.assert_frame_equal(pd.read_parquet(folder.path / "tables/dots.parquet"), frame)
    assert [s["caption"] for s in _json(folder)["sections"]] == ["Dots.", "The same numbers."]


def test_items_go_by_under_a_bar_and_an_error_among_them_goes_through(record):
    with record as run:
        assert [x * x for x in run.each("square", {1: "a", 2: "b"}, "numbers")] == [1, 4]
        with pytest.raises(ZeroDivisionError):
            for x in run.each("divide", [1, 0]):
                1 / x
