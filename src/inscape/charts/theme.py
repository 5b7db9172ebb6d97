"""One look for every figure, in a light and a dark variant.

A specification carries data, marks and the colours of data, never a background, a font or the
colour of text and grid: those are a Vega-Lite ``config`` chosen when the figure is shown. Colours
of single series (`SERIES`) have a contrast of at least 3 : 1 against both backgrounds; the
categorical range is Okabe and Ito's, its light yellows darkened on white.

Reference: Okabe and Ito (2008), *Color Universal Design*.
"""

from __future__ import annotations

from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif'

#: colours by role, each at least 3 : 1 against white and against the dark page
BLUE, VERMILLION, GREEN, PURPLE, GREY = "#2b83c6", "#d9601a", "#0a9a74", "#b5699a", "#85898f"
#: colours of what is compared, in the order in which series come; grey is kept for nulls
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, "#a17a00", "#5d78d8")

_CATEGORY = {
    "light": [
        "#0072b2",
        "#d55e00",
        "#009e73",
        "#c2608f",
        "#d99000",
        "#3d9fdb",
        "#8a7a00",
        "#5f6670",
    ],
    "dark": [
        "#3a9ad9",
        "#f07a2b",
        "#1fbf93",
        "#dd8fb8",
        "#f0b429",
        "#7cc6f2",
        "#cfc13c",
        "#a3abb5",
    ],
}
_INK = {
    "light": {
        "text": "#1c2024",
        "muted": "#5b636c",
        "grid": "#e6e8eb",
        "axis": "#9aa1a9",
        "page": "#ffffff",
    },
    "dark": {
        "text": "#e8eaed",
        "muted": "#a4acb5",
        "grid": "#2b3037",
        "axis": "#6c747d",
        "page": "#121417",
    },
}
_DIVERGING = {"light": ["#c4530a", "#eab08a", "#f3f3f1", "#8fbfe0", "#0a68a6"]}
_DIVERGING["dark"] = ["#c8641e", "#75411f", "#23272c", "#1d506f", "#1f83c4"]
_RAMP = {
    "light": ["#eef4f8", "#8fbfe0", "#2b83c6", "#08466f"],
    "dark": ["#1c242c", "#235a80", "#3a9ad9", "#c4e5fa"],
}


def page(scheme: str) -> str:
    """The background that a figure of this variant is made for."""
    return _INK[scheme]["page"]


def config(scheme: str = "light", background: str | None = None) -> dict[str, Any]:
    """The Vega-Lite configuration of a variant.

    Args:
        scheme: ``"light"`` or ``"dark"``.
        background: a colour, or None for a transparent figure that takes the page's.

    Returns:
        A configuration, as JSON.

    Raises:
        ValueError: the scheme is neither.
    """
    if scheme not in _INK:
        raise ValueError(f"config: scheme must be 'light' or 'dark', got {scheme!r}")
    ink = _INK[scheme]
    title = {"color": ink["text"], "font": FONT, "fontWeight": 600, "anchor": "start"}
    subtitle = {
        "subtitleColor": ink["muted"],
        "subtitleFont": FONT,
        "subtitleFontSize": 12,
        "subtitlePadding": 4,
    }
    return {
        "background": background,
        "font": FONT,
        "padding": 4,
        "view": {"stroke": None},
        "title": {**title, **subtitle, "fontSize": 14, "offset": 10},
        "header": {
            **{f"title{k[0].upper()}{k[1:]}": v for k, v in title.items()},
            **{
                "labelColor": ink["text"],
                "labelFontSize": 13,
                "labelFontWeight": 600,
                "labelAnchor": "start",
            },
        },
        "axis": {
            **{"labelColor": ink["muted"], "titleColor": ink["muted"], "domainColor": ink["axis"]},
            **{
                "tickColor": ink["axis"],
                "gridColor": ink["grid"],
                "labelFontSize": 11,
                "titleFontSize": 12,
            },
            **{
                "titleFontWeight": 500,
                "titlePadding": 8,
                "tickSize": 4,
                "labelPadding": 4,
                "labelLimit": 220,
                # a label moved inwards at the end of an axis would lie on its neighbour
                "labelSeparation": 6,
            },
        },
        "axisY": {"domain": False, "ticks": False},
        "legend": {
            **{
                "labelColor": ink["text"],
                "titleColor": ink["muted"],
                "labelFontSize": 12,
                "titleFontSize": 12,
            },
            **{
                "titleFontWeight": 500,
                "labelLimit": 280,
                "titleLimit": 420,
                "symbolStrokeWidth": 2.5,
            },
            **{"columnPadding": 16, "rowPadding": 4, "orient": "top", "offset": 10},
        },
        "text": {"color": ink["text"], "font": FONT, "fontSize": 11},
        "rule": {"color": ink["muted"]},
        "style": {
            "halo": {"stroke": ink["page"], "strokeWidth": 3.5, "strokeJoin": "round"},
            # text over the strong end of a ramp, which is dark on a light page and light on a dark
            # one
            "strong": {"color": ink["page"]},
        },
        "range": {
            "category": _CATEGORY[scheme],
            "diverging": _DIVERGING[scheme],
            "heatmap": _RAMP[scheme],
            "ramp": _RAMP[scheme],
        },
    }
