"""Figures' data on a page: what is packed comes back as it was, and is held once."""

import json

from inscape.report.packing import pack


def _unpacked(packed):
    """What the page's script does, in Python."""
    out = {}
    for name, spec in packed["specs"].items():
        sets = {}
        for key, number in spec.get("datasets", {}).items():
            held = packed["data"][number]
            rows = (
                [dict(zip(held["columns"], row, strict=True)) for row in held.get("rows", [])]
                if "columns" in held
                else held["value"]
            )
            sets[key] = rows
        out[name] = {**spec, **({"datasets": sets} if sets else {})}
    return out


def test_specifications_come_back_as_they_were():
    rows = [{"a": 1, "b": None}, {"a": 2, "b": "x"}]
    specs = {
        "even": {"mark": "bar", "datasets": {"d": rows}},
        "same": {"mark": "line", "datasets": {"e": rows, "land": {"arcs": [[1]]}}},
        "uneven": {"datasets": {"d": [{"a": 1}, {"b": 2}], "none": []}},
        "none": {"mark": "bar", "data": {"values": rows}},
    }
    packed = pack(specs)
    assert _unpacked(packed) == specs
    assert len(packed["data"]) == 4  # the shared rows once
    assert packed["specs"]["even"]["datasets"]["d"] == packed["specs"]["same"]["datasets"]["e"]


def test_column_names_are_written_once():
    rows = [{"a_long_column_name": i, "another_long_name": i} for i in range(100)]
    specs = {"x": {"datasets": {"d": rows}}}
    assert len(json.dumps(pack(specs))) < len(json.dumps(specs)) / 3
