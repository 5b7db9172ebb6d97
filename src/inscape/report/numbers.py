"""Numbers as a reader wants them: as many digits as they carry meaning, and a column's in one form.

Minus is U+2212, thousands from 10,000 on are set apart by a narrow space, what is missing is a
dash.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from inscape.core.typeset import typeset

MISSING = "–"
_NARROW = "\u202f"
#: sizes up to which a number is rounding, and from which on its digits are not read one by one
_NOTHING, _HUGE = 1e-12, 1e9


def number(x: float | int | None, digits: int = 3) -> str:
    """One number with about `digits` significant digits.

    Example:
        >>> number(0.41234), number(-3), number(1532.4), number(23456), number(0.00002)
        ('0.412', '−3', '1532', '23\u202f456', '2e−5')
    """
    if x is None or not math.isfinite(x):
        return MISSING if x is None or math.isnan(x) else ("∞" if x > 0 else "−∞")
    if isinstance(x, int) or float(x).is_integer():
        return _set(f"{int(x):d}") if abs(x) < 1e15 else _set(f"{x:.{digits - 1}e}")
    size = abs(x)
    if size < 0.001:
        return _set(f"{x:.1g}")
    places = max(0, digits - 1 - math.floor(math.log10(size)))
    return _set(f"{x:.{min(places, digits)}f}")


def p_value(p: float | None) -> str:
    """A p-value: three places, and nothing smaller than it can be read."""
    if p is None or not math.isfinite(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def with_ends(
    value: float | int | None, low: float | int | None, high: float | int | None
) -> tuple[str, str]:
    """A value and its interval, with the same number of decimal places.

    Example:
        >>> with_ends(0.0, -0.03, 0.03), with_ends(1.0, None, None)
        (('0.000', '[−0.030,\xa00.030]'), ('1', '–'))
    """
    if any(v is None or not math.isfinite(v) for v in (value, low, high)):
        return number(value), interval(low, high)
    shown = column([value, low, high])
    return shown[0], f"[{shown[1]},\u00a0{shown[2]}]"


def interval(low: float | int | None, high: float | int | None, places: int | None = None) -> str:
    """``[low, high]`` with a space that does not break, or a dash where either end is missing."""
    if any(v is None or not math.isfinite(v) for v in (low, high)):
        return MISSING
    shown = (
        [_set(f"{v:.{places}f}") for v in (low, high)]
        if places is not None
        else column([low, high])
    )
    return f"[{shown[0]},\u00a0{shown[1]}]"


def exact(x: float | None) -> str:
    """A number that was set rather than measured, such as a bar: no digit more than it has."""
    return MISSING if x is None or not math.isfinite(x) else _set(f"{x:.6g}")


def places(values: Sequence[float | int | None]) -> int | None:
    """Decimal places that suit a whole column: three digits for its largest value; None where it
    needs exponents.
    """
    sizes = [abs(v) for v in values if v is not None and math.isfinite(v)]
    largest = max(sizes, default=0.0)
    if largest == 0:
        return 0 if sizes else None
    if largest < 0.01:
        return None
    return max(0, min(3, 2 - math.floor(math.log10(largest)))) if largest >= 10 else 3


def column(values: Sequence[Any]) -> list[str]:
    """The numbers of one column, all with the same number of decimal places."""
    if all(v is None or (not math.isfinite(v)) or float(v).is_integer() for v in values):
        return [number(v) for v in values]
    decimals = places(values)
    if decimals is None:
        return [number(v) for v in values]
    shown = [
        number(v) if v is None or not math.isfinite(v) else _set(f"{v:.{decimals}f}")
        for v in values
    ]
    # a column of many powers of ten: what would be all zeros, or a row of digits, has an exponent
    sizes = [0.0 if v is None or not math.isfinite(v) else abs(v) for v in values]
    present = [size > _NOTHING for size in sizes]
    lost = [p and size < 0.5 * 10**-decimals for p, size in zip(present, sizes, strict=True)]
    if 2 * sum(lost) > sum(present):
        shown = [number(v) if gone else s for v, s, gone in zip(values, shown, lost, strict=True)]
    huge = [size >= _HUGE for size in sizes]
    return [_set(f"{v:.3g}") if h else s for v, s, h in zip(values, shown, huge, strict=True)]


def seconds(s: float | None) -> str:
    """A duration in words: ``4 min 12 s``."""
    if s is None or not math.isfinite(s):
        return MISSING
    if s < 60:
        return f"{s:.1f} s" if s < 10 else f"{s:.0f} s"
    minutes, rest = divmod(round(s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _set(text: str) -> str:
    sign, text = ("−", text[1:]) if text.startswith("-") else ("", text)
    # a rounded zero has no sign
    sign = sign if any(c in "123456789" for c in text) else ""
    whole, dot, rest = text.partition(".")
    if whole.isdigit() and len(whole) > 4:
        whole = f"{int(whole):,}".replace(",", _NARROW)
    return sign + typeset(whole + dot + rest)
