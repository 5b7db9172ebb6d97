"""The same figure of several runs as one: curves over each other, bars beside each other.

Two figures can be overlaid where their specifications differ in nothing but their data and what is
derived from it (the order and colours of series). Rows get a field ``run``; a line or band is drawn
for each run, thinner from run to run; bars of one group stand side by side. Maps, heat maps and
pictures of many points are not overlaid.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

_DERIVED = ("datasets", "sort", "domain", "range", "values", "usermeta", "params", "height")
_CURVES, _BARS = {"line", "area", "trail"}, {"bar", "tick", "rule"}
_ALLOWED = _CURVES | _BARS | {"rect", "point", "circle", "text"}
_WIDTHS = (2.6, 1.7, 1.1, 0.7)


def overlay(specs: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any] | None:
    """One specification that shows the figure of every run.

    Args:
        specs: name of the run, and its specification with its rows under ``datasets``.

    Returns:
        The specification, or None where the figures cannot be overlaid.
    """
    if len(specs) < 2 or len(specs) > len(_WIDTHS):
        return None
    first = _skeleton(specs[0][1])
    if any(_skeleton(spec) != first for _, spec in specs[1:]):
        return None
    rows = []
    for run, spec in specs:
        name = (spec.get("data") or {}).get("name")
        found = (spec.get("datasets") or {}).get(name)
        if not isinstance(found, list) or len(spec["datasets"]) != 1:
            return None
        rows += [{**row, "run": run} for row in found if isinstance(row, dict)]
    out = copy.deepcopy(specs[0][1])
    views = list(_views(out))
    if not views or not all(_can(view) for view in views):
        return None
    out["datasets"] = {out["data"]["name"]: rows}
    runs = [run for run, _ in specs]
    bars = any(_kind(view) == "bar" for view in views)
    for view in views:
        _spread(view, runs, bars)
    if isinstance(out.get("height"), dict) and "step" in out["height"]:
        # of a group, and not, as a plain step would be, of each run's bar in it
        step = out["height"]["step"] * (0.4 + 0.35 * len(runs))
        out["height"] = {"step": step, "for": "position"}
    return out


def _views(spec: Any) -> Iterator[dict[str, Any]]:
    if isinstance(spec, dict):
        if "mark" in spec:
            yield spec
        for value in spec.values():
            yield from _views(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from _views(value)


def _kind(view: dict[str, Any]) -> str:
    mark = view["mark"]
    return str(mark.get("type") if isinstance(mark, dict) else mark)


def _can(view: dict[str, Any]) -> bool:
    color = (view.get("encoding") or {}).get("color") or {}
    heat = isinstance(color, dict) and color.get("type") == "quantitative"
    return _kind(view) in _ALLOWED and not heat and "projection" not in view


def _spread(view: dict[str, Any], runs: list[str], bars: bool) -> None:
    kind, encoding = _kind(view), view.setdefault("encoding", {})
    field = {"field": "run", "type": "nominal"}
    order = {"scale": {"domain": runs}, "sort": runs}
    if isinstance(encoding.get("tooltip"), list):
        encoding["tooltip"].append(dict(field))
    if bars and kind in _BARS and isinstance(encoding.get("y"), dict) and "field" in encoding["y"]:
        encoding["yOffset"] = {**field, **order}
        if kind == "bar":
            view["mark"] = {k: v for k, v in view["mark"].items() if k not in ("color", "height")}
            encoding.setdefault("color", {**field, **order, "legend": {"title": None}})
    elif kind in _CURVES:
        encoding["detail"] = dict(field)
        if kind == "line":
            width = {"domain": runs, "range": list(_WIDTHS[: len(runs)])}
            shown = {"type": "ordinal", "scale": width, "sort": runs, "legend": {"title": "run"}}
            encoding["strokeWidth"] = {"field": "run", **shown}
        elif isinstance(view["mark"], dict):
            view["mark"]["opacity"] = view["mark"].get("opacity", 0.2) / len(runs)


def _skeleton(value: Any) -> Any:
    """A specification without its data and what is derived from it."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k not in _DERIVED}
        if set(kept) == {"name"}:
            return {}
        return {k: _skeleton(v) for k, v in kept.items()}
    return [_skeleton(v) for v in value] if isinstance(value, list) else value
