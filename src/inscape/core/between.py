"""How many of something: a whole number within bounds.

A negative count of what is taken from a list takes all but so many, and more different things than
there are would be drawn for ever.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any


def check_between(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse what is no whole number within bounds.

    Args:
        name: of the function and its argument, for the message.
        value: what was given.
        least: the least number allowed.
        most: the greatest; None for no bound.

    Raises:
        ValueError: another value.

    Example:
        >>> check_between("draw: words", -1, 0)
        Traceback (most recent call last):
        ValueError: draw: words must be a whole number from 0 on, got -1
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        end = "on" if most is None else f"to {most}"
        raise ValueError(f"{name} must be a whole number from {least} {end}, got {value!r}")
