"""Hostile payloads in run folders, and a check that none acts in the report that is built from
them.

A payload is planted in texts, captions, names, cells and figures. The page is then parsed as a
browser does: a script, handler, frame, form, link or address that the page of a sound run does not
have is an escape.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MARK = "PWNED"
#: texts that act where they are not escaped
TEXTS = (
    f"<script>document.title='{MARK}'</script>",
    f"</script><script>document.title='{MARK}'</script>",
    f"<img src=x onerror=\"document.title='{MARK}'\">",
    f"<svg onload=\"document.title='{MARK}'\"></svg>",
    f'<iframe src="https://{MARK}.example/"></iframe>',
    f"[click](javascript:document.title='{MARK}')",
    f"![x](https://{MARK}.example/x.png)",
    f"[x](https://{MARK}.example/)",
    f"<a href=\"data:text/html,<script>'{MARK}'</script>\">x</a>",
    f"<style>@import 'https://{MARK}.example/a.css';</style>",
    f'<meta http-equiv=refresh content="0;url=https://{MARK}.example/">',
    f'<base href="https://{MARK}.example/">',
    f"--><script>'{MARK}'</script><!--",
    f"\x1b]0;{MARK}\x07\x1b[2J",
    f"two\x0blines \x00 \ufffe {MARK}",
    f"{{{{ config.__class__ }}}} {MARK}",
    f"# {MARK}\n\n<details open ontoggle=\"document.title='{MARK}'\">",
)
#: names that lead out of the folder
NAMES = (
    "../../out",
    "/tmp/out",
    "a/../../out",
    ".",
    "..",
    "",
    "x" * 300,
    "a\0b",
    "con\nb",
    f"<b>{MARK}</b>",
)
#: expressions that Vega would run
EXPRESSIONS = (
    f"vlSelectionTuples({{map: event.dataflow._handler.on, x: \"document.title='{MARK}'\"}}, {{}})",
    f"event.view.console.log('{MARK}')",
    f"warn('{MARK}')",
    f"open('https://{MARK}.example/')",
)


def plant(run: Path, rng: np.random.Generator) -> None:
    """Put payloads into a run folder, in place."""
    for _ in range(int(rng.integers(1, 4))):
        choice = int(rng.integers(4))
        if choice == 0:
            _in_record(run, rng)
        elif choice == 1:
            _in_figure(run, rng)
        elif choice == 2:
            _in_table(run, rng)
        else:
            _in_json(run / ("claims.json", "certificates.json")[int(rng.integers(2))], rng)


def _one(values: tuple[str, ...], rng: np.random.Generator) -> str:
    return values[int(rng.integers(len(values)))]


def _texts(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    left = [value]
    while left:
        one = left.pop()
        pairs = (
            one.items()
            if isinstance(one, dict)
            else enumerate(one)
            if isinstance(one, list)
            else ()
        )
        for key, inner in pairs:
            if isinstance(inner, str):
                found.append((one, key))
            else:
                left.append(inner)
    return found


def _in_json(path: Path, rng: np.random.Generator) -> None:
    if not path.is_file():
        return
    value = json.loads(path.read_text(encoding="utf-8"))
    places = _texts(value)
    if not places:
        return
    holder, key = places[int(rng.integers(len(places)))]
    holder[key] = _one(NAMES if key == "name" and rng.random() < 0.7 else TEXTS, rng)
    path.write_text(json.dumps(value), encoding="utf-8")


def _in_record(run: Path, rng: np.random.Generator) -> None:
    path = run / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    if rng.random() < 0.5:
        for section in record.get("sections", []):
            if rng.random() < 0.5:
                key = ("caption", "markdown", "name")[int(rng.integers(3))]
                if key in section:
                    section[key] = _one(NAMES if key == "name" else TEXTS, rng)
    else:
        record["warnings"] = [_one(TEXTS, rng)]
        record["answer"] = _one(TEXTS, rng)
    path.write_text(json.dumps(record), encoding="utf-8")
    _in_json(path, rng)


def _in_figure(run: Path, rng: np.random.Generator) -> None:
    figures = sorted((run / "figures").glob("*.json"))
    if not figures:
        return
    path = figures[int(rng.integers(len(figures)))]
    spec = json.loads(path.read_text(encoding="utf-8"))
    expression = _one(EXPRESSIONS, rng)
    choice = int(rng.integers(8))
    if choice == 0:
        on = {"type": "mousemove", "filter": [expression]}
        spec["params"] = [{"name": "p", "select": {"type": "point", "on": on}}]
    elif choice == 1:
        spec["transform"] = [{"calculate": expression, "as": "z"}]
    elif choice == 2:
        spec["data"] = {"url": f"https://{MARK}.example/data.json"}
    elif choice == 3:
        spec["mark"] = {"type": "image", "url": f"https://{MARK}.example/x.png"}
    elif choice == 4:
        spec["mark"] = {"type": "bar", "href": f"javascript:document.title='{MARK}'"}
    elif choice == 5:
        spec["usermeta"] = {"embedOptions": {"loader": {"baseURL": f"https://{MARK}.example/"}}}
    elif choice == 6:
        spec["width"] = 10**7
    else:
        spec["title"] = {"text": {"expr": expression}}
    path.write_text(json.dumps(spec), encoding="utf-8")


def _in_table(run: Path, rng: np.random.Generator) -> None:
    tables = sorted((run / "tables").glob("*.parquet"))
    if not tables:
        return
    path = tables[int(rng.integers(len(tables)))]
    frame = pd.read_parquet(path)
    frame[_one(TEXTS, rng)] = _one(TEXTS, rng)
    frame.to_parquet(path, index=False)


class _Acts(HTMLParser):
    """Whatever acts on its own in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        if tag in ("iframe", "object", "embed", "base", "form", "applet"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            text = value or ""
            if name.startswith("on"):
                self.found.append(f"<{tag} {name}>")
            leads = name in ("src", "href", "srcset", "action", "data", "xlink:href")
            if leads and (
                MARK.lower() in text.lower() or re.match(r"\s*(javascript|data:text)", text, re.I)
            ):
                self.found.append(f"<{tag} {name}={text[:60]}>")
            if tag == "meta" and MARK.lower() in text.lower() and "http-equiv" in dict(attrs):
                self.found.append("<meta http-equiv>")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style" and MARK in data:
            self.found.append("<style>")
        # data of figures stand in scripts of another type; code never holds a payload that is not
        # quoted
        if self._inside == "script" and re.search(
            rf"^\s*document\.title='{MARK}'|^\s*'{MARK}'", data
        ):
            self.found.append("<script>")


def escaped(found: Any) -> str | None:
    """What acts in a page, if a report was built and anything does."""
    if not isinstance(found, Path) or found.suffix != ".html":
        return None
    parser = _Acts()
    parser.feed(found.read_text(encoding="utf-8"))
    outside = [
        p
        for p in (found.parent.parent.parent, Path("/tmp"))
        for p in p.glob("out*")
        if p.name.startswith("out.")
    ]
    if outside:
        return f"a file outside the folder: {outside[0]}"
    return ", ".join(parser.found) or None
