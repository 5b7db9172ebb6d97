"""A claim as a small picture: value and interval against the criterion and the null, on one line.

The axis spans what is drawn and zero where zero is near; there are no numbers in it, because they
stand beside it. The same claim of several runs is drawn on one axis, a line for each run. Drawn as
inline SVG from numbers alone.
"""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT, _PAD, _STEP = 190, 34, 8, 12


def picture(*claims: dict[str, Any]) -> Markup:
    """The picture of a claim of ``claims.json``, or of the same claim of several runs; empty
    without a finite value."""
    shown = [c for c in claims if _finite(c.get("value")) is not None]
    if not shown:
        return Markup("")
    nulls = [_null(c) for c in shown]
    bars = [b for b in (_finite(shown[0].get(k)) for k in ("at_least", "at_most")) if b is not None]
    ends = [_finite(c.get(k)) for c in shown for k in ("value", "low", "high")]
    drawn = [v for v in (*ends, *bars, *(e for null in nulls for e in null)) if v is not None]
    start, end = min(drawn), max(drawn)
    span = (end - start) or abs(end) or 1.0
    if 0 < start < 0.6 * span:
        start, span = 0.0, end

    def x(v: float) -> float:
        return round(_PAD + (v - start) / span * (WIDTH - 2 * _PAD), 1)

    height = HEIGHT + _STEP * (len(shown) - 1)
    parts = []
    for i, (null_low, null_high) in enumerate(nulls):
        y = HEIGHT / 2 + _STEP * i
        parts.append(f'<line class="g-axis" x1="0" x2="{WIDTH}" y1="{y}" y2="{y}"/>')
        if null_low is not None and null_high is not None:
            width, tall = max(x(null_high) - x(null_low), 3.0), 18 if len(shown) == 1 else 10
            parts.append(
                f'<rect class="g-null" x="{x(null_low)}" width="{width:.1f}" y="{y - tall / 2}" '
                f'height="{tall}" rx="1.5"/>'
            )
    parts += [
        f'<line class="g-bar" x1="{x(bar)}" x2="{x(bar)}" y1="2" y2="{height - 2}"/>'
        for bar in bars
    ]
    parts += [_marks(c, HEIGHT / 2 + _STEP * i, x, len(shown)) for i, c in enumerate(shown)]
    return Markup(
        f'<svg class="glyph" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def _marks(claim: dict[str, Any], y: float, x: Any, count: int) -> str:
    state = {"supported": "g-pass", "not supported": "g-fail"}.get(
        str(claim.get("verdict")), "g-open"
    )
    value, low, high = (_finite(claim.get(k)) for k in ("value", "low", "high"))
    line = ""
    if low is not None and high is not None:
        line = f'<line class="g-interval {state}" x1="{x(low)}" x2="{x(high)}" y1="{y}" y2="{y}"/>'
    assert value is not None
    radius = 5 if count == 1 else 4
    return f'{line}<circle class="g-value {state}" cx="{x(value)}" cy="{y}" r="{radius}"/>'


def _null(claim: dict[str, Any]) -> tuple[float | None, float | None]:
    null = claim.get("null") or {}
    low, high = _finite(null.get("low")), _finite(null.get("high"))
    if low is None or high is None:
        low = high = _finite(null.get("mean"))
    return low, high


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
