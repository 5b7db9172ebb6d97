"""What a stored figure may hold: a bounded Vega-Lite specification that carries its data and
reaches nothing else.

A run folder may come from anyone, and a specification is a program. `checked` is asked when a
figure is recorded, when it is read from a run folder and before it is drawn:

- characters that XML 1.0 lacks are replaced, in text and in data;
- depth, rows, values, texts and sizes are bounded;
- the rest must be Vega-Lite by its own JSON schema, so that nothing stands where a number is
  expected;
- signals, links, images, addresses, events and settings of the page are refused, and expressions
  are held to `inscape.charts.expressions`. Selections may name fields and a plain event such as
  ``pointerover``.

Cost: about 20 ms and one pass over the data.

Reference: Satyanarayan et al. (2017), *Vega-Lite: A Grammar of Interactive Graphics*.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from inscape.charts.expressions import problem
from inscape.core.characters import storable

DEPTH, ROWS, VALUES, TEXT, SIZE, FILE = 48, 100_000, 3_000_000, 20_000, 10_000, 64 << 20

_SCHEMA = re.compile(r"https://vega\.github\.io/schema/vega-lite/v\d(?:\.\d+){0,2}\.json")
_REFUSED = {
    "signal": "a signal",
    "signals": "signals",
    "selection": "a selection of an older Vega-Lite",
    "href": "a link",
    "url": "an address",
    "events": "events",
    "customFormatTypes": "formats of its own",
}
#: keys whose strings Vega evaluates
_EVALUATED = frozenset(("filter", "test", "calculate", "expr", "labelExpr", "and", "or", "not"))
_SIZES = frozenset(("width", "height", "continuousWidth", "continuousHeight"))
_COUNTS = frozenset(("steps", "maxsteps", "minsteps", "maxbins", "tickCount", "columns"))
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_EVENT = re.compile(r"[a-z]{1,20}")
_SHAPE = frozenset(("columns", "cell", "outside", "margin", "aspect", "most", "entry"))


class Refused(ValueError):
    """A specification holds something that no figure may hold; the message says what."""


def checked(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A specification as it may be kept and drawn.

    Args:
        spec: a Vega-Lite specification with its data inside.

    Returns:
        A copy, with characters that files cannot carry replaced.

    Raises:
        Refused: it is not Vega-Lite, too large, or reaches outside itself.
    """
    if not _SCHEMA.fullmatch(str(spec.get("$schema", ""))):
        raise Refused("it is not a Vega-Lite specification: $schema does not name one")
    copy = _Copy()
    out = copy.view(dict(spec), 0)
    out["usermeta"] = _shape(out.get("usermeta"))
    if not out["usermeta"]:
        del out["usermeta"]
    _valid(out)
    return out


class _Copy:
    """Copies a specification and counts what is in it."""

    def __init__(self) -> None:
        self.values = 0

    def view(self, value: Any, depth: int, key: str = "") -> Any:
        """The copy of a part outside the data."""
        if isinstance(value, Mapping):
            self.count(depth)
            return {storable(str(k)): self.member(str(k), v, depth) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            self.count(depth, len(value))
            if key == "params":
                return [_selection(self.view(v, depth + 1)) for v in value]
            return [self.view(v, depth + 1, key if key in _EVALUATED else "") for v in value]
        if isinstance(value, str) and key in _EVALUATED and (why := problem(value)):
            raise Refused(f"the expression {value[:80]!r} uses {why}; use fields of datum only")
        return self.leaf(value)

    def member(self, key: str, value: Any, depth: int) -> Any:
        """The copy of one member of an object outside the data."""
        if key in _REFUSED:
            raise Refused(
                f"it holds {_REFUSED[key]} ({key}); a figure must carry all it needs and reach "
                "nothing else"
            )
        if (key == "mark" and value == "image") or (key == "type" and value == "image"):
            raise Refused("it holds images (the mark image); draw points or text instead")
        if key == "datasets" and depth == 0:
            if not isinstance(value, Mapping):
                raise Refused("its datasets are not named lists of rows")
            return {storable(str(k)): self.rows(v) for k, v in value.items()}
        if key == "data" and isinstance(value, Mapping):
            return {
                k: self.rows(v)
                if k == "values"
                else self.generator(k, self.member(k, v, depth + 1))
                for k, v in value.items()
            }
        size = value.get("step") if key in _SIZES and isinstance(value, Mapping) else value
        if key in _SIZES | _COUNTS and isinstance(size, (int, float)) and not abs(size) <= SIZE:
            raise Refused(f"its {key} is {size}; the largest allowed is {SIZE:,}")
        return self.view(value, depth + 1, key)

    def generator(self, key: str, value: Any) -> Any:
        """A made-up data set, which costs a few characters and may have any size."""
        if key == "sequence" and isinstance(value, Mapping):
            try:
                steps = abs((value["stop"] - value["start"]) / value.get("step", 1))
            except (KeyError, TypeError, ZeroDivisionError, OverflowError):
                steps = math.inf
            if not steps <= ROWS:
                raise Refused(f"its sequence has more than {ROWS:,} rows")
        if key == "graticule" and isinstance(value, Mapping):
            pairs = [value.get(k, [1, 1]) for k in ("step", "stepMinor", "stepMajor")]
            steps = [*pairs, [value.get("precision", 1)]]
            if not all(isinstance(s, list) and _at_least(s, 0.5) for s in steps):
                raise Refused("the steps of its graticule must be at least 0.5 degrees")
        return value

    def rows(self, value: Any) -> Any:
        """The copy of a data set."""
        if isinstance(value, str):
            raise Refused("its data is text; give the rows themselves")
        if isinstance(value, (list, tuple)) and len(value) > ROWS:
            raise Refused(f"it has {len(value):,} rows; a figure holds at most {ROWS:,}")
        return self.data(value, 0)

    def data(self, value: Any, depth: int) -> Any:
        """The copy of a part of the data."""
        if isinstance(value, Mapping):
            self.count(depth, len(value))
            return {storable(str(k)): self.data(v, depth + 1) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            self.count(depth, len(value))
            return [self.data(v, depth + 1) for v in value]
        return self.leaf(value)

    def leaf(self, value: Any) -> Any:
        """A text, a number, true, false or null."""
        if isinstance(value, str):
            if len(value) > TEXT:
                raise Refused(
                    f"a text in it has {len(value):,} characters; the longest allowed has {TEXT:,}"
                )
            return storable(value)
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, int) and abs(value) > 2**63:
            raise Refused("a whole number in it is larger than 2^63")
        return value

    def count(self, depth: int, values: int = 1) -> None:
        """Refuse what is nested too deeply or has too many values."""
        self.values += values
        if depth > DEPTH:
            raise Refused(f"it is nested more than {DEPTH} levels deep")
        if self.values > VALUES:
            raise Refused(f"it holds more than {VALUES:,} values")


def _selection(value: Any) -> Any:
    """A selection that names fields and plain events; anything else of a parameter is refused."""
    if not isinstance(value, dict) or set(value) - {"name", "select", "bind", "views"}:
        raise Refused(
            "a parameter in it is no plain selection; a selection has a name, select, bind and "
            "views"
        )
    select = value.get("select")
    select = {"type": select} if isinstance(select, str) else select
    if not _NAME.fullmatch(str(value.get("name"))) or not isinstance(select, dict):
        raise Refused("a parameter in it has no name of letters and digits, or no selection")
    plain = {
        "type": select.get("type") in ("point", "interval"),
        "fields": _texts(select.get("fields", [])),
        "encodings": _texts(select.get("encodings", [])),
        "on": bool(_EVENT.fullmatch(str(select.get("on", "click")))),
        "clear": isinstance(select.get("clear", True), bool)
        or bool(_EVENT.fullmatch(str(select["clear"]))),
        "toggle": isinstance(select.get("toggle", True), bool),
        "nearest": isinstance(select.get("nearest", True), bool),
        "resolve": select.get("resolve", "global") in ("global", "union", "intersect"),
        "empty": isinstance(select.get("empty", True), bool),
    }
    wrong = [k for k in select if not plain.get(k, False)]
    wrong += [] if value.get("bind") in (None, "legend", "scales") else ["bind"]
    wrong += [] if _texts(value.get("views", [])) else ["views"]
    if wrong:
        raise Refused(
            f"the selection {value['name']} in it has {wrong[0]} other than fields, plain events, "
            "and true or false"
        )
    return value


def _at_least(values: list[Any], least: float) -> bool:
    return all(isinstance(v, (int, float)) and v >= least for v in values)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _shape(meta: Any) -> dict[str, Any]:
    """What a page needs to fit the figure; nothing else of a specification's own notes is kept."""
    shape = meta.get("inscape") if isinstance(meta, dict) else None
    if not isinstance(shape, dict):
        return {}
    kept = {
        k: v
        for k, v in shape.items()
        if k in _SHAPE and (v is None or (type(v) in (int, float) and 0 <= v <= SIZE))
    }
    for name, least in (("columns", 1), ("cell", 0), ("outside", 0), ("margin", 0)):
        kept[name] = max(least, kept.get(name) or 0)
    return {"inscape": kept}


def _valid(spec: dict[str, Any]) -> None:
    bare = _bare(spec)
    if _validator().is_valid(bare):
        return
    # of all the ways in which a part is none of its choices, the one found deepest inside says most
    error = max(_leaves(_validator().iter_errors(bare)), key=lambda e: len(e.absolute_path))
    where = ".".join(map(str, error.absolute_path))
    raise Refused(f"it is not valid Vega-Lite at {where or 'its top'}: {error.message[-160:]}")


def _leaves(errors: Iterable[Any]) -> Iterator[Any]:
    for error in errors:
        yield from _leaves(error.context) if error.context else (error,)


def _bare(value: Any, top: bool = True) -> Any:
    """The specification with its rows left out, which the schema says nothing of."""
    if isinstance(value, dict):
        out = {}
        for key, inner in value.items():
            if key == "datasets" and top:
                out[key] = {name: [] for name in inner}
            elif key == "data" and isinstance(inner, dict) and "values" in inner:
                out[key] = {**inner, "values": []}
            else:
                out[key] = _bare(inner, False)
        return out
    return [_bare(v, False) for v in value] if isinstance(value, list) else value


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft7Validator

    return Draft7Validator(json.loads(next(_schemas()).read_text(encoding="utf-8")))


def _schemas() -> Iterator[Path]:
    """Vega-Lite's schema as Altair carries it, the newest first; Altair itself is not imported for
    it.
    """
    found = importlib.util.find_spec("altair")
    places = list(found.submodule_search_locations or ()) if found else []
    for place in places:
        yield from sorted(
            Path(place).glob("vegalite/v*/schema/vega-lite-schema.json"), reverse=True
        )
