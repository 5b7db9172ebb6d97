"""The child process that draws figures, so that an abort or a bomb in the renderer ends this
process and no other.

Run as a file, with nothing of Inscape imported. Standard input holds a line of JSON for each
figure, ``{"spec", "config", "kinds", "scale"}``; standard output gets a line of JSON for each file,
``{"figure", "kind", "size"}`` followed by so many bytes, or ``{"figure", "error"}``. Vega runs once
a figure, and PNG and PDF are made of its SVG. A limit on memory is set before anything is drawn,
where the system has one.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from typing import Any, BinaryIO
from xml.etree import ElementTree

MEMORY = 3 << 30
PIXELS = 20_000
_ELEMENTS = frozenset(
    "svg g path rect line circle ellipse polygon polyline text tspan title desc defs clipPath "
    "linearGradient radialGradient "
    "stop pattern".split()
)


def main() -> None:
    """Draw what standard input asks for."""
    # whatever the renderer prints must not end up among the files
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit()
    import vl_convert

    for number, line in enumerate(sys.stdin.buffer):
        try:
            asked = json.loads(line)
            svg = vl_convert.vegalite_to_svg(
                json.dumps(asked["spec"]), config=asked["config"], allowed_base_urls=[]
            )
            inspect(svg)
            for kind in asked["kinds"]:
                _send(out, number, kind, _convert(vl_convert, svg, kind, asked["scale"]))
        except BaseException as error:
            said = next((t for t in str(error).splitlines() if t.strip()), type(error).__name__)
            _head(out, {"figure": number, "error": said[:300]})


def inspect(svg: str) -> None:
    """Refuse a picture that is too large, or that a viewer would take for more than a picture.

    Raises:
        ValueError: with what is wrong.
    """
    root = ElementTree.fromstring(svg)
    for name in ("width", "height"):
        if not float(root.get(name, "0")) <= PIXELS:
            raise ValueError(f"its {name} would be more than {PIXELS:,} points")
    for element in root.iter():
        if element.tag.rpartition("}")[2] not in _ELEMENTS:
            raise ValueError(f"it would hold an element {element.tag.rpartition('}')[2]!r}")
        for name, value in element.items():
            name = name.rpartition("}")[2]
            if name.startswith("on") or (name == "href" and not value.startswith("#")):
                raise ValueError(f"it would hold a link or a script ({name})")
            if re.search(r"url\(\s*(?!['\"]?#)", value) and not name.startswith("aria"):
                raise ValueError(f"it would refer to another file ({name})")


def _convert(vl_convert: Any, svg: str, kind: str, scale: float) -> bytes:
    if kind == "png":
        return vl_convert.svg_to_png(svg, scale=scale)
    return vl_convert.svg_to_pdf(svg) if kind == "pdf" else svg.encode()


def _send(out: BinaryIO, number: int, kind: str, content: bytes) -> None:
    _head(out, {"figure": number, "kind": kind, "size": len(content)})
    out.write(content)
    out.flush()


def _head(out: BinaryIO, value: dict[str, Any]) -> None:
    out.write(json.dumps(value).encode() + b"\n")
    out.flush()


def _limit() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # of what is written to; V8 reserves far more addresses than it ever uses
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
