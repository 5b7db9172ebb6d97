import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.data.examples import Examples


def table(**columns):
    base = {
        "text": ["Tokyo is big", "Lima is dry", "Oslo is cold"],
        "y": [1.5, 2.0, -3.0],
        "kind": ["a", "b", "a"],
        "where": ["Asia", "America", "Europe"],
        "s": [0, 0, 0],
        "e": [5, 4, 4],
    }
    return pd.DataFrame(base | columns)


def examples(frame=None, **given):
    given = {
        "input": "text",
        "labels": ("y",),
        "group": "where",
        "spans": {"city": ("s", "e")},
    } | given
    return Examples(table() if frame is None else frame, **given)


def test_parts():
    e = examples()
    assert len(e) == 3
    assert e.texts()[1] == "Lima is dry"
    assert e.target().tolist() == [[1.5], [2.0], [-3.0]]
    assert e.target("s", "e").shape == (3, 2)
    assert e.target().dtype == np.float64
    codes, names = e.classes("kind")
    assert (codes.tolist(), names) == ([0, 1, 0], ("a", "b"))
    assert e.groups().tolist() == ["Asia", "America", "Europe"]
    assert e.span(1) == {"city": (0, 4)}
    assert e.ids() == ["0", "1", "2"]
    assert "n=3" in repr(e)


def test_numeric_classes_sort_as_numbers():
    codes, names = examples(table(k=[10, 9, 10])).classes("k")
    assert names == ("9", "10")
    assert codes.tolist() == [1, 0, 1]


def test_is_not_changed_from_outside():
    frame = table()
    e = examples(frame)
    frame.loc[0, "text"] = "changed"
    assert e.texts()[0] == "Tokyo is big"


def test_take():
    e = examples()
    assert e.take([2, 0]).texts() == ["Oslo is cold", "Tokyo is big"]
    assert e.take(np.array([False, True, False])).texts() == ["Lima is dry"]
    assert e.take([-1]).ids() == ["2"]
    assert e.take([2, 0]).span(0) == {"city": (0, 4)}


@pytest.mark.parametrize(
    ("which", "match"),
    [
        ([True, False], "mask must have shape"),
        ([3], "positions must lie in"),
        ([0, 0], "named twice"),
        ([0, -3], "named twice"),
    ],
)
def test_take_refuses(which, match):
    with pytest.raises(ValueError, match=match):
        examples().take(which)


def test_take_of_nothing_is_refused():
    with pytest.raises(DataError, match="no rows"):
        examples().take(np.zeros(3, dtype=bool))


def test_prompt_moves_spans():
    e = examples().with_prompt("In {a}: {} – truly.")
    for row, text in enumerate(e.texts()):
        a, b = e.span(row)["city"]
        assert text[a:b] == ["Tokyo", "Lima", "Oslo"][row]
        a, b = e.span(row)["input"]
        assert text[a:b] == table()["text"][row]
    assert e.texts()[0] == "In {a}: Tokyo is big – truly."
    twice = e.with_prompt("> {}")
    a, b = twice.span(2)["input"]
    assert twice.texts()[2][a:b] == "Oslo is cold"


def test_prompt_refuses():
    with pytest.raises(DataError, match=r"needs one \{\}.*has 2"):
        examples().with_prompt("{} {}")
    with pytest.raises(DataError, match="in the way of the span"):
        examples(table(input_start=[0, 0, 0])).with_prompt("> {}")


def test_fingerprint_is_of_the_content():
    e = examples()
    assert len(e.fingerprint) == 64
    assert e.fingerprint == examples(table()[["e", "s", "y", "where", "kind", "text"]]).fingerprint
    assert e.fingerprint == examples(table(s=[0.0, 0.0, 0.0])).fingerprint
    assert e.fingerprint == examples(table().set_index(pd.Index([5, 6, 7]))).fingerprint
    assert e.fingerprint != examples(table(y=[1.5, 2.0, -3.0000000001])).fingerprint
    assert e.fingerprint != e.take([1, 0, 2]).fingerprint
    assert e.fingerprint != examples(table().rename(columns={"kind": "sort"})).fingerprint
    # the boundary between cells counts
    assert (
        examples(table(kind=["ab", "c", "d"])).fingerprint
        != examples(table(kind=["a", "bc", "d"])).fingerprint
    )


BAD = {
    "no such input": (dict(input="txt"), {}, r"no column 'txt'. Did you mean 'text'"),
    "no such label": (dict(labels=("yy",)), {}, r"no column 'yy'"),
    "no such group": (dict(group="wher"), {}, r"no column 'wher'. Did you mean 'where'"),
    "no such span": (dict(spans={"x": ("s", "end")}), {}, r"no column 'end'"),
    "label twice": (dict(labels=("y", "y")), {}, r"names a column twice"),
    "input as label": (dict(labels=("text",)), {}, r"cannot also be a label"),
    "empty input": (
        {},
        dict(text=["a", " ", "b"], s=[0, 0, 0], e=[1, 1, 1]),
        r"input column 'text' is empty at row 2 of the data",
    ),
    "missing input": (
        {},
        dict(text=["a", "b", None], s=[0, 0, 0], e=[1, 1, 1]),
        r"is empty at row 3 of the data",
    ),
    "input not text": (
        {},
        dict(text=["a", 3, "b"]),
        r"must be text, and row 2 of the data is int \(3\)",
    ),
    "half a character": (
        {},
        dict(text=pd.Series(["a", "b\ud800", "c"], dtype=object)),
        r"lone surrogate\) at row 2 of the data",
    ),
    "NaN label": (
        {},
        dict(y=[1.0, np.nan, np.nan]),
        r"label 'y' is missing at row 2 of the data \(2 in all\)",
    ),
    "infinite label": (
        {},
        dict(y=[1.0, 2.0, np.inf]),
        r"label 'y' is infinite at row 3 of the data",
    ),
    "mixed label": (
        {},
        dict(y=[1.0, 2.0, "three"]),
        r"mixes numbers and text: row 3 of the data is 'three'",
    ),
    "mixed label, mostly text": (
        {},
        dict(y=[1.0, "b", "c"]),
        r"mixes numbers and text: row 1 of the data is 1.0",
    ),
    "numerals and text": (
        {},
        dict(y=["1", "2", "n.a."]),
        r"mixes numbers and text: row 3 of the data is 'n.a.'",
    ),
    "dates": (
        {},
        dict(y=pd.to_datetime(["2001-01-01"] * 3)),
        r"must be numbers or text, and row 1 of the data",
    ),
    "huge label": ({}, dict(y=pd.Series([1, 2, 10**400], dtype=object)), r"too large for a float"),
    "missing group": (
        {},
        dict(where=["a", None, "c"]),
        r"group 'where' is missing at row 2 of the data",
    ),
    "list group": (
        {},
        dict(where=["a", [1], "c"]),
        r"group 'where' must be numbers or text, and row 2 of the data",
    ),
    "span too long": (
        {},
        dict(e=[5, 99, 4]),
        r"span 'city' is out of range at row 2 of the data: 0 to 99 in a text of 11",
    ),
    "empty span": ({}, dict(e=[5, 4, 0]), r"out of range at row 3 of the data: 0 to 0"),
    "negative span": ({}, dict(s=[0, 0, -1]), r"out of range at row 3 of the data"),
    "fractional span": (
        {},
        dict(s=[0, 0.5, 0]),
        r"whole numbers in 's', and row 2 of the data is 0.5",
    ),
    "missing span": (
        {},
        dict(s=[0, np.nan, 0]),
        r"whole numbers in 's', and row 2 of the data is nan",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_refused(case):
    given, columns, match = BAD[case]
    examples()  # sound without the fault
    with pytest.raises(DataError, match=match):
        examples(table(**columns), **given)


def test_bad_shapes_are_refused():
    with pytest.raises(DataError, match="no rows"):
        examples(table().iloc[:0])
    with pytest.raises(
        DataError, match=r"index is not unique: row 2 of the data repeats 0; use frame.reset_index"
    ):
        examples(table().set_index(pd.Index([0, 0, 1])))
    with pytest.raises(DataError, match="column 'y' appears twice"):
        examples(pd.concat([table(), table()[["y"]]], axis=1))
    with pytest.raises(DataError, match="names must be text"):
        Examples(pd.DataFrame([["a", 1]]), input="0")


def test_questions_that_cannot_be_answered():
    with pytest.raises(DataError, match="no group, so train and test"):
        examples(group=None).groups()
    with pytest.raises(DataError, match="have no labels; give the table a column of numbers"):
        examples(labels=()).target()
    with pytest.raises(DataError, match="is text, and a number is needed"):
        examples().target("kind")
    with pytest.raises(DataError, match=r"no column 'knd'. Did you mean 'kind'"):
        examples().classes("knd")
    with pytest.raises(DataError, match=r"which label.*have 2: y, kind"):
        examples(labels=("y", "kind")).classes()
    with pytest.raises(DataError, match="missing at row 1 of the data"):
        examples(table(z=[None, 1, 2])).target("z")


def test_rows_without_a_group_are_given_one_each():
    plain = Examples(pd.DataFrame({"text": ["a", "b", "c"], "who": ["x", "x", "y"]}), "text")
    assert plain.grouped().groups().tolist() == ["row 0", "row 1", "row 2"]
    assert plain.group is None
    named = Examples(plain.frame, "text", group="who")
    assert named.grouped() is named


def test_some_rows_are_drawn_in_their_order_and_all_where_there_are_no_more():
    e = examples()
    drawn = e.some(2, rng=np.random.default_rng(0)).texts()
    assert len(drawn) == 2
    assert drawn == [t for t in e.texts() if t in drawn]
    assert {tuple(e.some(2, rng=np.random.default_rng(k)).texts()) for k in range(20)} != {
        tuple(drawn)
    }
    for most in (0, 3, 9):
        assert e.some(most, rng=np.random.default_rng(0)) is e


def test_other_texts_have_no_spans():
    e = examples().with_texts(["one", "two", "three"])
    assert e.texts() == ["one", "two", "three"]
    assert not e.spans
    assert e.groups().tolist() == examples().groups().tolist()


def test_some_rows_by_masks_of_any_kind():
    frame = pd.DataFrame({"text": list("abcd")}, index=[3, 1, 2, 0])
    examples, mask = Examples(frame, "text"), [False, True, True, False]
    for which in (mask, np.array(mask, dtype=object), pd.array(mask), pd.Series(mask, frame.index)):
        assert examples.take(which).texts() == ["b", "c"]
    with pytest.raises(ValueError, match="the mask's index is not that of the examples"):
        examples.take(pd.Series(mask))
    for wrong in ([0.5, 1.5], ["0", "1"], [True, None, True, True]):
        with pytest.raises(ValueError, match="whole-number positions or a mask of True and False"):
            examples.take(wrong)
    with pytest.raises(ValueError, match="most must be 0"):
        examples.some(-3, rng=np.random.default_rng(0))
    for texts in ("wxyz", ["w"]):
        with pytest.raises(ValueError, match="give a list of 4 texts, one for each row"):
            examples.with_texts(texts)
