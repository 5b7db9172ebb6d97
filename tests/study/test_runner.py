"""A study run end to end from Python: same seed, same numbers; flags and settings reach it."""

import json

import pandas as pd
import pytest

from inscape.core.errors import RunError, StudyError
from inscape.study.runner import run_study


def _draws(path):
    return pd.read_parquet(path / "tables" / "draws.parquet")["draw"]


def _record(path):
    return json.loads((path / "run.json").read_text())


def test_same_seed_same_numbers_and_another_seed_others(outside, tmp_path):
    a, b = (run_study("toy-mean", "tiny", tmp_path / name) for name in "ab")
    c = run_study("toy-mean", "tiny", tmp_path / "c", seed=1)
    assert _draws(a).equals(_draws(b))
    assert not _draws(a).equals(_draws(c))
    assert (a / "claims.json").read_bytes() == (b / "claims.json").read_bytes()
    assert (_record(a)["seed"], _record(c)["seed"]) == (0, 1)


def test_settings_and_flags_are_recorded(outside, tmp_path):
    path = run_study("toy-mean", "tiny", tmp_path / "a", settings={"n": "30"}, model="mine")
    record = _record(path)
    assert (record["config"]["n"], record["config"]["model"]) == (30, "mine")
    assert record["changed"] == {"n": 30, "model": "mine"}
    plain = run_study("toy-mean", "tiny", tmp_path / "plain")
    assert _record(plain)["changed"] == {}
    assert len(_draws(path)) == 30
    assert (record["study"], record["preset"], record["card"]["room"]) == (
        "toy-mean",
        "tiny",
        "toys",
    )
    assert len(record["config_hash"]) == len(record["code"]) == 64
    assert {"python", "platform", "cpu", "cores", "memory_gib", "packages", "git"} <= set(
        record["environment"]
    )
    assert record["environment"]["packages"]["torch"].startswith("2")
    assert (path / "done").exists()


def test_the_seed_comes_from_the_configuration_unless_given(outside, tmp_path):
    assert "seed is 7" in _record(run_study("toy-alone", "tiny", tmp_path / "a"))["answer"]
    assert "seed is 2" in _record(run_study("toy-alone", "tiny", tmp_path / "b", seed=2))["answer"]
    assert (
        "seed is 4"
        in _record(run_study("toy-alone", "tiny", tmp_path / "c", settings={"seed": 4}))["answer"]
    )
    with pytest.raises(StudyError, match="seed is given twice"):
        run_study("toy-alone", "tiny", tmp_path / "d", seed=2, settings={"seed": 4})


def test_a_wrong_request_leaves_no_folder(outside, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StudyError, match="no preset"):
        run_study("toy-mean", "huge")
    with pytest.raises(StudyError, match="no setting 'm'"):
        run_study("toy-mean", settings={"m": 1})
    with pytest.raises(StudyError, match="does not take --data"):
        run_study("toy-mean", data="cities")
    assert sorted(tmp_path.iterdir()) == before


def test_ctrl_c_in_the_middle_leaves_a_readable_unfinished_folder(outside, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_study("toy-mean", "tiny", tmp_path / "a", settings={"fail": "interrupt"})
    assert "Ctrl-C" in _record(tmp_path / "a")["failed"]
    assert len(_draws(tmp_path / "a")) == 20
    assert not (tmp_path / "a" / "done").exists()
    run_study("toy-mean", "tiny", tmp_path / "a")  # not blocked, and nothing is lost
    assert (tmp_path / "a" / "done").exists()
    assert len(_draws(tmp_path / "a-failed")) == 20
    with pytest.raises(RunError, match="never overwrites"):
        run_study("toy-mean", "tiny", tmp_path / "a")
