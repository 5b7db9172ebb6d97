"""Processor seconds of several ways to do one thing, timed in turns.

    round r:   t_r(first), t_r(second), …          compared within a round: t_r(first) / t_r(second)

A machine is slower at one time than at another, by heat or by what else runs. Ways that are timed
one after the other in every round have that in common, so that their quotient within a round varies
less than the seconds of either. Seconds are those that this process computed, not those of the
clock on the wall, so that waiting for a busy machine is no part of them; and each way is called
once before the first round, since a first call pays for memory and caches that later ones find.

Cost: each way once a round, and once before.
Reference: Kalibera and Jones (2013), ISMM, doi:10.1145/2464157.2464160 (repetitions, warming up, and
intervals of a quotient).
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
    """Processor seconds of every way in every round.

    Args:
        ways: name → a function without arguments, which should do the same every time; called in
            this order in each round.
        rounds: how often each is timed.

    Returns:
        Name → seconds of each call, summed over the threads of this process: of the time on the
        wall only where one thread computes (`inscape.core.one_torch_thread`).

    Raises:
        ValueError: no round.

    Example:
        >>> x = np.ones(1000)
        >>> seconds = paired_seconds({"sum": x.sum, "product": x.prod}, 3)
        >>> list(seconds), seconds["sum"].shape, bool((seconds["sum"] >= 0).all())
        (['sum', 'product'], (3,), True)
    """
    check_between("paired_seconds: rounds", rounds, 1)
    seconds = {name: np.empty(rounds) for name in ways}
    for way in ways.values():
        way()
    for r in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds[name][r] = time.process_time() - start
    return seconds
