"""Numbers in a text as a reader expects them in print: a minus sign in place of the hyphen, and
exponents without leading zeros. Texts for programs (JSON, CSV) keep the hyphen.
"""

from __future__ import annotations

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
