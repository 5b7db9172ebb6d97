"""Activations as points of a plane, with the text of each on hover and on focus.

Groups have a colour and a shape of their own, so that they are told apart without colour. A point
can be reached with the Tab key; the text of the one under the pointer or in focus stands below the
picture. No script: the texts are in the page and one of them is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from inscape.views.page import escaped

#: Okabe and Ito's colours, without the yellow that is pale on white
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6bb1", "#7f7f7f")
_SHAPES = ("circle", "square", "triangle", "diamond")
WIDTH, HEIGHT, EDGE = 640, 420, 24
HINT = "Point at a mark, or go to it with Tab, to read its text."


def points(
    xy: Float[np.ndarray, "*shape"],
    texts: Sequence[str],
    groups: Sequence[str] | None = None,
    *,
    title: str = "",
    axes: tuple[str, str] = ("", ""),
) -> str:
    """A scatter of points as a piece of HTML.

    Args:
        xy: where the points are, (n, 2).
        texts: one for each.
        groups: what each belongs to; the ninth group and those after it share the last colour.
        title: what is shown.
        axes: names of the axes, units included.

    Raises:
        ValueError: places that are not (n, 2) and finite, or another number of texts or groups.
    """
    kinds = [""] * len(texts) if groups is None else [str(g) for g in groups]
    if xy.ndim != 2 or xy.shape[1:] != (2,) or not len(xy) == len(texts) == len(kinds):
        raise ValueError(
            f"points: xy must be (n, 2) with a text and a group for each, got {xy.shape}, "
            f"{len(texts)} and {len(kinds)}"
        )
    if not np.isfinite(xy).all():
        raise ValueError("points: places must be finite; drop the others")
    names = list(dict.fromkeys(kinds))
    low, high = (xy.min(axis=0), xy.max(axis=0)) if len(xy) else (np.zeros(2), np.ones(2))
    size = np.where(high > low, high - low, 1.0)
    at = EDGE + (xy - low) / size * (np.array([WIDTH, HEIGHT]) - 2 * EDGE)
    at[:, 1] = HEIGHT - at[:, 1]
    key = "v" + hashlib.sha256(repr((title, list(texts), xy.tolist())).encode()).hexdigest()[:10]
    marks = []
    for (x, y), text, kind in zip(at.tolist(), texts, kinds, strict=True):
        place = min(names.index(kind), len(COLOURS) - 1)
        said = f"{kind}: {text}" if kind else text
        marks.append(
            f'<g tabindex="0" role="img" aria-label="{escaped(said)}">'
            f"{_mark(place, x, y)}<foreignObject x='0' y='{HEIGHT}' width='{WIDTH}' height='76'>"
            f"<div xmlns='http://www.w3.org/1999/xhtml'>{escaped(said)}</div></foreignObject></g>"
        )
    legend = "".join(
        '<li style="display:inline-block;margin:0 1em 0 0"><svg width="14" height="14" '
        'aria-hidden="true">'
        f"{_mark(min(i, len(COLOURS) - 1), 7.0, 7.0)}</svg> {escaped(name)}</li>"
        for i, name in enumerate(names)
        if name
    )
    head = f"<h2>{escaped(title)}</h2>" if title else ""
    across, up = (escaped(a) for a in axes)
    return (
        f'<section class="{key}">{head}<style>.{key} foreignObject{{visibility:hidden}}'
        f".{key} g:hover foreignObject,.{key} g:focus foreignObject{{visibility:visible}}"
        f".{key} foreignObject div{{font:15px/1.4 "
        "system-ui,sans-serif;background:Canvas;color:CanvasText;"
        f"overflow-wrap:anywhere;height:76px;overflow:hidden}}"
        f".{key} g:focus{{outline:none}}.{key} g:hover>:first-child,.{key} g:focus>:first-child"
        f"{{stroke:CanvasText;stroke-width:2.5}}"
        # on a phone the picture is half as large, and its letters would be
        f"@media(max-width:600px){{.{key} svg[role=group]{{overflow:visible;margin-bottom:48px}}"
        f".{key} text{{font-size:22px}}.{key} foreignObject{{height:160px}}"
        f".{key} foreignObject div{{font-size:25px;height:160px}}}}</style>"
        f'<ul style="list-style:none;padding:0;margin:0 0 6px;font-size:13px">{legend}</ul>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 80}" '
        'style="width:100%;max-width:900px;color:CanvasText" '
        f'role="group" aria-label="{escaped(title or "points")}: {len(texts)} points; Tab goes '
        'from one to the next">'
        f'<rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" fill="none" '
        'stroke="currentColor" opacity=".3"/>'
        f'<text x="{WIDTH - 6}" y="{HEIGHT - 7}" text-anchor="end" font-size="12" '
        f'fill="currentColor">{across}</text>'
        f'<text x="6" y="16" font-size="12" fill="currentColor">{up}</text>'
        f'<text x="0" y="{HEIGHT + 20}" font-size="13" fill="currentColor" '
        f'opacity=".7">{HINT}</text>'
        f"{''.join(marks)}</svg></section>"
    )


def _mark(place: int, x: float, y: float) -> str:
    """A point of a group: its shape in its colour."""
    fill = f'fill="{COLOURS[place]}" fill-opacity=".85" stroke="currentColor" stroke-opacity=".4"'
    shape = _SHAPES[place % len(_SHAPES)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" {fill}/>'
    corners = {
        "square": ((-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)),
        "triangle": ((0, -5.5), (5.5, 4.5), (-5.5, 4.5)),
        "diamond": ((0, -6), (6, 0), (0, 6), (-6, 0)),
    }[shape]
    path = " ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in corners)
    return f'<polygon points="{path}" {fill}/>'
