"""A data frame as a table that can be read."""

import numpy as np
import pandas as pd

from inscape.core.evidence import Evidence, Null, table
from inscape.report.tables import view


def _labels(found):
    return [c.label for c in found.columns]


def test_evidence_is_shown_without_what_says_nothing_or_the_same():
    null = Null("shuffled labels", 0.0, 0.01, -0.02, 0.02, 20)
    rows = [
        Evidence(
            "R² of latitude",
            v,
            (v - 0.1, v + 0.1),
            null,
            p=0.0004 * i,
            n=1500,
            unit="R²",
            where={"layer": i},
        )
        for i, v in enumerate((0.1, 0.25, 0.4), 1)
    ]
    found = view(table(rows))
    assert _labels(found) == ["layer", "value", "interval", "p"]
    assert found.columns[1].cells == ["0.100", "0.250", "0.400"]
    assert found.columns[2].cells[0] == "[0.000,\u00a00.200]"
    assert found.columns[3].cells == ["< 0.001", "< 0.001", "0.001"]
    same = dict(found.same)
    assert same["null from"] == "shuffled labels"
    assert same["null interval"] == "[−0.020,\u00a00.020]"
    assert same["n"] == "1500"
    assert "d" not in same
    assert "warnings" not in same
    assert [row[0][1] for row in found.rows] == ["1", "2", "3"]
    # the side on which p was taken serves computing, and is in the file
    assert "direction" in table(rows).columns
    assert "direction" not in {*_labels(found), *same}
    assert found.constant.startswith("In every row: name = R² of latitude; null from = ")
    assert found.constant.endswith("n = 1500; unit = R².")


def test_another_tables_direction_is_shown_and_no_null_has_no_draws():
    assert _labels(view(pd.DataFrame({"direction": ["up", "down"]}))) == ["direction"]
    null = Null("shuffled labels", 0.0, 0.01, -0.02, 0.02, 20)
    rows = [Evidence("R²", 0.4, (0.3, 0.5), null, p=0.05), Evidence("R²", 0.2, (0.1, 0.3))]
    found = view(table(rows))
    (draws,) = (c.cells for c in found.columns if c.label == "draws of the null")
    assert draws == ["20", "–"]


def test_a_warning_of_every_row_is_a_sentence_of_its_own():
    frame = pd.DataFrame({"x": [1, 2, 3], "n": [5] * 3, "warnings": ["Only 9 groups."] * 3})
    assert view(frame).constant == "In every row: n = 5. For every row: Only 9 groups."
    assert view(frame[["x", "warnings"]]).constant == "For every row: Only 9 groups."
    assert view(frame[["x"]]).constant == ""


def test_warnings_of_single_rows_are_numbered_and_stand_below():
    few, same = "Only 9 groups.", "Only 9 groups. Every group has the same value."
    frame = pd.DataFrame({"x": [1, 2, 3, 4], "warnings": [few, "", same, few]})
    found = view(frame)
    assert found.columns[1].cells == ["1", "", "2", "1"]
    assert found.notes == (few, same)
    # where every row has a warning of its own, numbers would only be in the way
    many = view(
        pd.DataFrame({"x": range(20), "warnings": [f"Site {i} is odd." for i in range(20)]})
    )
    assert many.columns[1].cells[19] == "Site 19 is odd."
    assert many.notes == ()


def test_a_table_of_costs_has_units():
    frame = pd.DataFrame({"arm": ["a", "b"], "trained": [9, 8], "flops": [7, 6], "memory": [5, 4]})
    assert _labels(view(frame)) == ["arm", "trained parameters", "FLOPs", "memory (bytes)"]
    assert _labels(view(frame[["arm", "trained"]])) == ["arm", "trained"]


def test_numbers_are_marked_for_the_right_and_words_for_the_left():
    frame = pd.DataFrame(
        {"name": ["a", "b"], "x": [1.5, np.nan], "ok": [True, False], "sites": [[1, 2], [3]]}
    )
    found = view(frame)
    assert [(c.numeric, c.cells) for c in found.columns] == [
        (False, ["a", "b"]),
        (True, ["1.500", "–"]),
        (False, ["yes", "no"]),
        (False, ["1, 2", "3"]),
    ]


def test_text_wraps_where_it_is_long_and_numbers_never_do():
    frame = pd.DataFrame(
        {"x": [1.0], "word": ["resid_post.3"], "note": ["a few words " * 4], "all": ["words " * 40]}
    )
    assert [c.kind for c in view(frame).columns] == ["num", "", "text", "text long"]


def test_a_long_table_is_cut_and_says_so():
    found = view(pd.DataFrame({"i": range(500)}), limit=50)
    assert (found.total, found.shown, len(found.columns[0].cells)) == (500, 50, 50)


def test_a_column_that_varies_only_past_the_cut_is_not_said_to_be_the_same():
    found = view(pd.DataFrame({"i": range(60), "s": ["x"] * 59 + ["y"]}), limit=50)
    assert _labels(found) == ["i", "s"]
    assert found.same == []


def test_an_empty_table_and_half_missing_integers_are_shown():
    assert view(pd.DataFrame({"a": pd.Series([], dtype=float)})).shown == 0
    found = view(pd.DataFrame({"layer": pd.array([1, None], dtype="Int64"), "v": [1, 2]}))
    assert found.columns[0].cells == ["1", "–"]


def test_a_null_given_as_a_number_is_a_null_and_what_is_the_same_ends_without_a_full_stop():
    frame = pd.DataFrame(
        {"group": list("abc"), "null": [1.0, 2.0, 3.0], "warnings": ["Only 9 groups."] * 3}
    )
    found = view(frame)
    assert _labels(found) == ["group", "null"]
    assert found.same == [("warnings", "Only 9 groups")]
    assert _labels(view(frame.assign(null=list("xyz")))) == ["group", "null from"]
