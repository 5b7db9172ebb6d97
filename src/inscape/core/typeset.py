"""Numbers in a text as a reader expects them in print: a minus sign in place of the hyphen, and
exponents without leading zeros. Texts for programs (JSON, CSV) keep the hyphen.
"""

from __future__ import annotations

import math
import re

_EXPONENT = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?)e([+-])0*(?=\d)")
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


def typeset(text: str) -> str:
    """A text with its numbers as they are printed; names such as ``cka-2`` are left alone.

    Example:
        >>> typeset("-7.1% of 3-5, by 2e-06 or -1e+12, one-way"), typeset("smollm2-135m")
        ('−7.1% of 3-5, by 2e−6 or −1e12, one-way', 'smollm2-135m')
    """
    text = _EXPONENT.sub(lambda found: found[1] + ("e−" if found[2] == "-" else "e"), text)
    return _MINUS.sub("−", text)


def short_number(x: int | float | None) -> str:
    """A number in three digits, as a sentence about a claim gives it; ``n/a`` for None.

    Example:
        >>> short_number(0.41049), short_number(-12345.6), short_number(3e-7), short_number(None)
        ('0.41', '−12346', '3e−7', 'n/a')
    """
    if x is None:
        return "n/a"
    if abs(x) >= 1000:
        text = f"{x:z.0f}"
    elif abs(x) >= 0.001 or abs(x) < 1e-12:
        text = f"{round(x, 3):z.3g}"
    else:
        text = f"{x:.1g}"
    return typeset(text)


def number_as_set(x: int | float) -> str:
    """A number with the digits that it was set with, or three of one without an end.

    Example:
        >>> number_as_set(-0.05), number_as_set(2 / 7)
        ('−0.05', '0.286')
    """
    return typeset(f"{x:.6g}" if float(f"{x:.6g}") == x else f"{x:.3g}")


def formatted_number(value: float, spec: str) -> str:
    """A number by a specification; what rounds to zero has no sign.

    Example:
        >>> formatted_number(-0.004, "+.2f"), formatted_number(0.5, "+.2f")
        ('+0.00', '+0.50')
    """
    text = format(value, spec)
    zero = math.isfinite(value) and not any(c in "123456789" for c in text)
    return format(0.0, spec) if zero else text
