"""Foreign failures become our sentences; records are read by type."""

from __future__ import annotations

import json

import msgspec
import pytest

from inscape.core import records
from inscape.core.errors import DataError, ModelError
from inscape.core.foreign import LONGEST, foreign, reason


class Panic(BaseException):
    """As Rust code raises it."""


@pytest.mark.parametrize("error", [KeyError("a"), TypeError(), Panic("at line 3"), MemoryError()])
def test_whatever_is_raised_becomes_one_sentence(error):
    with (
        pytest.raises(ModelError, match=r"^a.bin is no model \(.+\); write it again\.$") as found,
        foreign(ModelError, "a.bin is no model", "write it again"),
    ):
        raise error
    assert found.value.__cause__ is error


@pytest.mark.parametrize("error", [DataError("ours"), KeyboardInterrupt(), SystemExit(3)])
def test_ours_and_interrupts_pass(error):
    with pytest.raises(type(error)) as found, foreign(ModelError, "what", "cure"):
        raise error
    assert found.value is error


def test_advice_to_run_code_is_not_passed_on():
    for advice in (
        "Weights only load failed. Set weights_only=False in torch.load",
        "first line\nplease pass trust_remote_code=True",
        "run pip install kernels",
    ):
        told = reason(ValueError(advice))
        assert "which" in told
        assert not any(w in told for w in ("weights_only", "trust_remote_code", "pip"))
    assert reason(ValueError("rank is 3")) == "rank is 3"


def test_reasons_are_short_and_plain():
    assert len(reason(ValueError("x" * 1000))) == LONGEST
    assert reason(ValueError("a\x1b[2Jb\nsecond")) == "a [2Jb"
    assert reason(RecursionError()) == "it is nested too deeply"
    assert reason(OSError()) == "its reader stopped with OSError"


class Point(msgspec.Struct):
    x: float
    name: str = ""


def test_a_record_is_read_by_its_type(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"x": Infinity, "more": 1}')
    assert records.read(path, Point) == Point(float("inf"))
    path.write_text('{"x": "1"}')
    with pytest.raises(ModelError, match=r"a.json is damaged: Expected `float`, got"):
        records.read(path, Point, error=ModelError)
    path.write_text("{}")
    with pytest.raises(DataError, match="missing required field `x`.*; mend it"):
        records.read(path, Point, cure="mend it")


def test_what_is_no_record_is_told(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(DataError, match="is not a regular file"):
        records.read(path, Point)
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"is not UTF-8 \(byte 0\)"):
        records.read(path, Point)
    for text in ("{", "[" * 100_000, "1" * 5000):
        path.write_text(text)
        with pytest.raises(DataError, match="is not JSON"):
            records.read(path, Point)
    path.write_text(json.dumps({"x": 1, "name": "long" * 10}))
    with pytest.raises(DataError, match="at most 10 are read"):
        records.read(path, Point, largest=10)


def test_a_file_that_may_not_be_read_says_so():
    said = "a.bin cannot be read: there is no permission to read it. Get the right to read it"
    with (
        pytest.raises(DataError, match=said) as caught,
        foreign(DataError, "a.bin cannot be read", "write it again"),
    ):
        raise PermissionError(13, "Permission denied", "a.bin")
    assert "write it again" not in str(caught.value)
