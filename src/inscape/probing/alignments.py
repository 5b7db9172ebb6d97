"""Alignment maps of many kinds, places and networks, compared on the same test cases.

    interchange accuracy = mean over variables and cases of [the network answers as the algorithm does]

Each network is a draw. Beside every condition stands the same map before it was trained: what the
rest of the network answers anyway.

Cost: a statistic for each condition. Reference: Sutter et al. (2025), arXiv:2507.08802;
`inscape.control.alignment_search` for the maps' training and scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from inscape.control.alignment_search import Scored
from inscape.core.evidence import Beside, Evidence
from inscape.core.jackknife import left_out
from inscape.core.measured import Measured

#: where a map was fitted: kind of map, layer, network, variable; ``seed`` names the network
Where = Mapping[str, str | int]
#: after a condition's name: its maps before they were trained
UNTRAINED = ", before training"


@dataclass(frozen=True)
class Alignments:
    """Maps that were fitted.

    Attributes:
        found: where each was fitted, with its ``seed``, and how it scored.
    """

    found: Sequence[tuple[Where, Scored]]

    def chosen(self, where: Where) -> list[tuple[Where, Scored]]:
        """Those whose place has all these coordinates."""
        return [f for f in self.found if where.items() <= f[0].items()]

    def measured(self, conditions: Mapping[str, Where]) -> Measured:
        """Interchange accuracy of conditions on the same test cases, trained and untrained.

        Args:
            conditions: name → coordinates of its maps; each seed is a draw, the mean over its maps.

        Raises:
            ValueError: a condition of which no map was fitted.
        """
        if none := [name for name, where in conditions.items() if not self.chosen(where)]:
            raise ValueError(f"Alignments: no map was fitted at the coordinates of {none[0]!r}")
        m = Measured("interchange accuracy", unit="accuracy")
        for name, where in conditions.items():
            by_seed: dict[str | int, list[Scored]] = {}
            for at, scored in self.chosen(where):
                by_seed.setdefault(at["seed"], []).append(scored)
            seeds = [by_seed[k] for k in sorted(by_seed)]
            n = min(len(x.right) for own in seeds for x in own)
            m.put(name, [np.mean([x.right[:n] for x in own], axis=0) for own in seeds])
            before = [np.mean([x.untrained[:n] for x in own], axis=0) for own in seeds]
            m.put(name + UNTRAINED, before, role="reference")
        return m

    def evidence(
        self, conditions: Mapping[str, Where], m: Measured | None = None
    ) -> list[Evidence]:
        """The accuracy of each condition beside that of its maps before they were trained.

        Args:
            conditions: as in `measured`; their names are the coordinate ``maps``.
            m: the measurement of these conditions, where it is there already.
        """
        m, out = m or self.measured(conditions), []
        for name, where in conditions.items():
            before = m.value(name + UNTRAINED).value
            beside = (Beside("reference", "the map before it was trained", before),)
            out.append(m.value(name, where={**where, "maps": name}, beside=beside))
        return out

    def bijection(self, where: Where) -> Evidence:
        """The largest error of the maps' own inverses, beside the least of an inverse that is not
        theirs.

        Args:
            where: coordinates of the maps.
        """
        maps = [scored for _, scored in self.chosen(where)]
        errors = np.array([x.inversion for x in maps])
        m = Measured("largest |φ⁻¹(φ(h)) − h|")
        worst = left_out(lambda rows: float(errors[rows].max()), np.arange(len(errors)))
        m.put_statistic("maps", worst)
        other = min(x.foreign for x in maps)
        beside = Beside("reference", "least that the map before training leaves", other)
        return replace(m.value("maps"), beside=(beside,))

    def table(self) -> pd.DataFrame:
        """One row a map: its place, ``accuracy``, ``untrained map``, ``no-op`` and ``inversion
        error``."""
        rows = [
            {**where, "accuracy": x.right.mean(), "untrained map": x.untrained.mean()}
            | {"no-op": x.noop, "inversion error": x.inversion}
            for where, x in self.found
        ]
        return pd.DataFrame(rows)
