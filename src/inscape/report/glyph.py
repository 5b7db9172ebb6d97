"""A claim as a small picture: value and interval against the criterion and the null, on one line.

The axis spans what is drawn and zero where zero is near; there are no numbers in it, because they stand beside it. Drawn
as inline SVG from numbers alone.
"""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT, _PAD = 190, 34, 8


def picture(claim: dict[str, Any]) -> Markup:
    """The picture of a claim of ``claims.json``; empty where there is no finite value."""
    null = claim.get("null") or {}
    value, low, high = (_finite(claim.get(k)) for k in ("value", "low", "high"))
    bars = [b for b in (_finite(claim.get(k)) for k in ("at_least", "at_most")) if b is not None]
    null_low, null_high = _finite(null.get("low")), _finite(null.get("high"))
    if null_low is None or null_high is None:
        null_low = null_high = _finite(null.get("mean"))
    if value is None:
        return Markup("")
    drawn = [v for v in (value, low, high, *bars, null_low, null_high) if v is not None]
    start, end = min(drawn), max(drawn)
    span = (end - start) or abs(end) or 1.0
    if 0 < start < 0.6 * span:
        start, span = 0.0, end

    def x(v: float) -> float:
        return round(_PAD + (v - start) / span * (WIDTH - 2 * _PAD), 1)

    mid = HEIGHT / 2
    parts = [f'<line class="g-axis" x1="0" x2="{WIDTH}" y1="{mid}" y2="{mid}"/>']
    if null_low is not None and null_high is not None:
        width = max(x(null_high) - x(null_low), 3.0)
        parts.append(
            f'<rect class="g-null" x="{x(null_low)}" width="{width:.1f}" y="{mid - 9}" height="18" rx="1.5"/>'
        )
    for bar in bars:
        parts.append(f'<line class="g-bar" x1="{x(bar)}" x2="{x(bar)}" y1="2" y2="{HEIGHT - 2}"/>')
    state = {"supported": "g-pass", "not supported": "g-fail"}.get(
        str(claim.get("verdict")), "g-open"
    )
    if low is not None and high is not None:
        parts.append(
            f'<line class="g-interval {state}" x1="{x(low)}" x2="{x(high)}" y1="{mid}" y2="{mid}"/>'
        )
    parts.append(f'<circle class="g-value {state}" cx="{x(value)}" cy="{mid}" r="5"/>')
    return Markup(
        f'<svg class="glyph" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
