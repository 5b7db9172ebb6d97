"""Kinds of network, each beside its own untrained networks: what of a difference between kinds is
there before any training?

    kind → networks after training          "untrained " + kind → the same networks before

`inscape.study.arms.arms` keeps one untrained arm, the first one's; where arms are of different
architectures each needs its own, since an untrained network of another kind is no start of it.

Cost: kinds × seeds × steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from torch import nn

from inscape.learn.fit import Budget
from inscape.study.arms import UNTRAINED, Arm, Trained, arms
from inscape.study.run import Run


def trained_kinds(
    run: Run,
    kinds: Mapping[str, Arm],
    *,
    metrics: Mapping[str, Callable[[nn.Module, int], Any]],
    budget: Budget,
    seeds: int = 1,
) -> Trained:
    """Train every kind by itself, and measure it before and after.

    Args:
        run: what is written to; each kind has a table of costs, ``KIND-costs``, with hyphens for
            spaces. The kind is the name of its random streams too.
        kinds: by name; what each trains.
        metrics: as in `inscape.study.arms.arms`.
        budget: of each training.
        seeds: networks of each kind.

    Returns:
        What came of all: networks, values and roles by kind and by ``"untrained KIND"``, each kind
        followed by its untrained one; losses by kind.

    Raises:
        ValueError: no kind.
    """
    if not kinds:
        raise ValueError("trained_kinds: needs at least one kind of network")
    found = {
        kind: arms(
            run,
            {kind: arm},
            metrics=metrics,
            budget=budget,
            seeds=seeds,
            name=kind.replace(" ", "-"),
        )
        for kind, arm in kinds.items()
    }
    named = [(kind, name) for kind in kinds for name in (kind, f"{UNTRAINED} {kind}")]

    def each(of: Callable[[Trained], Mapping[str, Any]]) -> dict[str, Any]:
        return {name: of(found[kind])[kind if name == kind else UNTRAINED] for kind, name in named}

    own = found.values()
    return Trained(
        nets=each(lambda one: one.nets),
        values={metric: each(lambda one, m=metric: one.values[m]) for metric in metrics},
        roles=each(lambda one: one.roles),
        costs=pd.concat([one.costs for one in own], ignore_index=True),
        watched=pd.concat([one.watched for one in own], ignore_index=True),
        losses={kind: one.losses[kind] for kind, one in found.items()},
    )
