"""The page of what moved: a value that moved without a reason is marked, one that did not move is
not.
"""

from __future__ import annotations

from benchmarks.drift import moved, rows_of

from inscape.report.folder import RunFolder
from inscape.report.markdown import table


def test_a_value_moves_beyond_a_tenth_of_its_interval():
    old = {"value": 0.5, "low": 0.4, "high": 0.6, "text": "t"}
    assert not moved(old, 0.51)
    assert moved(old, 0.53)
    assert moved(old, None)
    assert moved({"value": 100.0, "low": None, "high": None, "text": "t"}, 103.0)


def test_a_table_has_its_rule():
    found = table(["a", "b"], [["-", "# x"]], right=(1,)).splitlines()
    assert found[1] == "| --- | ---: |"
    assert found[2] == "| \\- | \\# x |"


def test_what_moved_without_a_reason_is_marked(tmp_path):
    old = {
        "a-b": {"value": 0.5, "low": 0.4, "high": 0.6, "text": "first"},
        "gone": {"value": 1.0, "low": None, "high": None, "text": "second"},
    }
    claims = [{"id": "a_b", "text": "new words", "value": 0.9, "verdict": "supported"}]
    run = RunFolder(tmp_path, {"study": "s"}, claims, [], [])
    assert rows_of(run, old, {}) == [
        ["a-b", "0.5", "0.9", "supported", "**no reason given**"],
        ["gone", "1", "not measured any more", "", "**no reason given**"],
    ]
    assert rows_of(run, old, {"a_b": "mended null", "gone": "merged"})[0][4] == "mended null"
