"""Tokens of a text coloured by a number each, with the number on hover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from inscape.views.colours import shade
from inscape.views.page import escaped


def strip(tokens: Sequence[str], values: Float[np.ndarray, " t"], most: float | None = None) -> str:
    """A line of tokens as a piece of HTML: blue for more, orange for less than nothing.

    Args:
        tokens: as text, blanks included.
        values: one for each.
        most: what is coloured fully; the largest of the values by default.

    Raises:
        ValueError: as many values as tokens are needed.

    Example:
        >>> strip(["a", " b"], np.array([1.0, 0.0]))[:6]
        '<span '
    """
    if len(tokens) != len(values):
        raise ValueError(f"strip: {len(values)} values for {len(tokens)} tokens")
    full = most or float(np.abs(values).max(initial=0.0)) or 1.0
    parts = []
    for token, value in zip(tokens, values.tolist(), strict=True):
        style = f"background:{shade(value / full)};white-space:pre-wrap"
        shown = token.replace("\n", "\\n")
        parts.append(f'<span style="{style}" title="{value:z.3g}">{escaped(shown)}</span>')
    return "".join(parts)
