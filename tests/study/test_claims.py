"""A claim is passed on its side of the bar and nowhere else."""

import json
import math

import pytest

from inscape.core.evidence import Evidence, Null
from inscape.study.claims import judge, sentence


@pytest.mark.parametrize(
    ("value", "side", "passed"),
    [
        (0.5, "at least", True),
        (0.49, "at least", False),
        (0.5, "at most", True),
        (0.51, "at most", False),
        (math.nan, "at least", False),
        (math.nan, "at most", False),
        (-math.inf, "at most", False),
    ],
)
def test_the_side_of_the_bar(value, side, passed):
    assert judge("c", "text", Evidence("x", value), 0.5, side).passed is passed


def test_a_claim_keeps_its_evidence():
    evidence = Evidence(
        "x", 0.4, (0.3, 0.5), Null.of("shuffled labels", [0.0, 0.1]), p=0.02, n=30, unit="R²"
    )
    record = judge("c", "It is so", evidence, 0.1, why="Because.").to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["low"], record["high"], record["n"], record["p"]) == (0.3, 0.5, 30, 0.02)
    assert record["null"]["kind"] == "shuffled labels"
    assert sentence(record) == (
        "0.4 [0.3, 0.5] R², bar at least 0.1, null 0.05 (shuffled labels, 2 draws), p = 0.02, n = 30"
    )


def test_what_is_not_finite_is_null_in_json():
    record = judge("c", "text", Evidence("x", math.nan, null=Null.of("one", [0.0])), 0.1).to_dict()
    assert record["value"] is None
    assert record["null"]["sd"] is None
    assert sentence(record) == "n/a, bar at least 0.1, null 0 (one)"
    assert "no null" in sentence(judge("c", "text", Evidence("x", 1.0), 0.1).to_dict())


def test_a_bar_must_be_one():
    with pytest.raises(ValueError, match="side must be 'at least' or 'at most', got 'above'"):
        judge("c", "text", Evidence("x", 1.0), 0.1, "above")
    with pytest.raises(ValueError, match="bar must be a finite number"):
        judge("c", "text", Evidence("x", 1.0), math.nan)


def test_a_rounded_zero_has_no_sign():
    said = sentence(judge("c", "text", Evidence("x", -0.0, (-0.0, 0.5)), 0.1).to_dict())
    assert said.startswith("0 [0, 0.5], bar at least 0.1")
