"""Seconds of several ways to do one thing, timed in turns.

    round r:   t_r(first), t_r(second), …          compared within a round: t_r(first) / t_r(second)

A machine is slower at one time than at another, by heat or by what else runs. Ways that are timed
one after the other in every round have that in common, so that their quotient within a round varies
less than the seconds of either.

Cost: each way once a round.
Reference: Kalibera and Jones (2013), ISMM, doi:10.1145/2464157.2464160 (repetitions, and intervals
of a quotient).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64

from inscape.core.between import check_between


def paired_seconds(
    ways: Mapping[str, Callable[[], Any]], rounds: int
) -> dict[str, Float64[np.ndarray, " rounds"]]:
    """Wall time of every way in every round.

    Args:
        ways: name → a function without arguments, which should do the same every time; called in
            this order in each round.
        rounds: how often each is called. There is no round to warm up; give one more and leave it
            out where the first call differs.

    Returns:
        Name → seconds of each call.

    Raises:
        ValueError: no round.

    Example:
        >>> x = np.ones(1000)
        >>> seconds = paired_seconds({"sum": x.sum, "product": x.prod}, 3)
        >>> list(seconds), seconds["sum"].shape, bool((seconds["sum"] > 0).all())
        (['sum', 'product'], (3,), True)
    """
    check_between("paired_seconds: rounds", rounds, 1)
    seconds = {name: np.empty(rounds) for name in ways}
    for r in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name][r] = time.perf_counter() - start
    return seconds
