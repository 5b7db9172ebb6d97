"""The two colours of every view: blue for more than nothing, orange for less, told apart by the
colour-blind too.

Half opaque at most, so that text on them keeps its contrast on a light page and on a dark one.
"""

from __future__ import annotations

#: red, green, blue
MORE, LESS = (31, 119, 200), (225, 120, 20)
#: of a cell with text on it
HALF = 0.55
#: of a pixel with none
OPAQUE = 0.9


def shade(share: float, most: float = HALF) -> str:
    """A colour as CSS, for a value between −1 and 1.

    Example:
        >>> shade(1.0), shade(-0.5)
        ('rgba(31,119,200,0.550)', 'rgba(225,120,20,0.275)')
    """
    red, green, blue = MORE if share >= 0 else LESS
    return f"rgba({red},{green},{blue},{most * min(1.0, abs(share)):.3f})"
