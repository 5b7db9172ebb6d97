"""The protocol of a study by layer: readers of hidden states (lenses, readouts, similarities),
scored at every layer.

    found = by_layer(run, readers, states, {"precision@10": Score("share", hits)}, groups=documents)
    run.claim("gain", found.across("gain, middle third", "precision@10", np.mean, "linear map", over="logit lens"))
    found.show(run, {"precision@10": "precision"})

A reader is given the states of all layers at once and answers with whatever its scores take; a
score gives one value for each layer and item. All readers, layers and scores stand on the same
items, so every difference is paired, and intervals are over groups of items.

Cost: what the readers cost.
Reference: Belrose et al. (2023), arXiv:2303.08112, for readers compared by layer;
`inscape.core.measured` for the evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from inscape.charts.layers import score_by_layer
from inscape.core.evidence import Evidence, table
from inscape.core.measured import Measured
from inscape.probing.frames import lines
from inscape.study.run import Run

#: the states of every layer → what the scores are taken of
Reader = Callable[[Mapping[str, Float[Tensor, "n d"]]], Any]


class Score(NamedTuple):
    """What is measured of a reading.

    Attributes:
        unit: its unit.
        of: a reading → one value for each layer and item, (layers, n).
    """

    unit: str
    of: Callable[[Any], Float[np.ndarray, "layers n"]]


@dataclass(frozen=True, eq=False)
class ByLayer:
    """What the readers found.

    Attributes:
        sites: the layers' sites, in order.
        readings: reader → its reading of all layers.
        measured: score → its values, with conditions named ``READER, SITE``.
    """

    sites: tuple[str, ...]
    readings: dict[str, Any]
    measured: dict[str, Measured]

    def evidence(self, score: str) -> list[Evidence]:
        """The score of every reader at every layer, with ``lens`` and ``site`` as coordinates."""
        where = [{"lens": r, "site": s} for r in self.readings for s in self.sites]
        return [self.measured[score].value(f"{w['lens']}, {w['site']}", where=w) for w in where]

    def across(
        self,
        name: str,
        score: str,
        of: Callable[[np.ndarray], np.ndarray],
        reader: str,
        *,
        over: str,
        sites: Sequence[str] = (),
    ) -> Evidence:
        """A statistic over layers of how far one reader is above another, paired.

        Args:
            name: what it is.
            score: one of the scores.
            of: the gains of the layers, (layers, …), → their mean, a quantile, …; works along the
                first axis.
            reader: the reader.
            over: the other one.
            sites: some of the layers; all by default.
        """
        chosen = tuple(sites) or self.sites

        def formula(*s: np.ndarray) -> np.ndarray:
            return of(np.stack(s[: len(chosen)]) - np.stack(s[len(chosen) :]))

        conditions = [f"{x}, {site}" for x in (reader, over) for site in chosen]
        return self.measured[score].combined(name, formula, *conditions)

    def show(
        self, run: Run, figures: Mapping[str, str], nulls: Sequence[str] = (), note: str = ""
    ) -> None:
        """Draw some of the scores by layer, and keep all of them in a table ``layers``.

        Args:
            run: where they are kept.
            figures: score → the name of its figure.
            nulls: readers that are drawn in grey.
            note: a sentence for the captions.
        """
        rows = {score: self.evidence(score) for score in self.measured}
        for score, name in figures.items():
            chart = score_by_layer(
                lines(rows[score], "lens"),
                score=f"{score} ({self.measured[score].unit})",
                nulls=tuple(nulls),
            )
            run.figure(
                name, chart, f"{score} at each layer. Layer −1 is the embedding. {note}".strip()
            )
        run.table(
            "layers", table([e for part in rows.values() for e in part]), "Each lens by layer."
        )


def by_layer(
    run: Run,
    readers: Mapping[str, Reader],
    states: Mapping[str, Float[Tensor, "n d"]],
    scores: Mapping[str, Score],
    groups: Any,
) -> ByLayer:
    """Read the states of every layer, and score the readings.

    Args:
        run: shows the progress.
        readers: by name.
        states: site → the states of the items there.
        scores: by name.
        groups: the group of each item.

    Raises:
        ValueError: a score whose values are not (layers, items).
    """
    sites = tuple(states)
    readings = {}
    with run.progress("read layers", total=len(readers), unit="readers") as bar:
        for name, reader in readers.items():
            readings[name] = reader(states)
            bar.advance()
    measured = {}
    for score, (unit, of) in scores.items():
        m = measured[score] = Measured(score, groups=groups, unit=unit)
        for name, reading in readings.items():
            values = np.asarray(of(reading))
            if values.shape != (len(sites), len(groups)):
                raise ValueError(
                    f"by_layer: {score} of {name!r} must be (layers, items) = ({len(sites)}, "
                    f"{len(groups)}), got {values.shape}"
                )
            for site, row in zip(sites, values, strict=True):
                m.put(f"{name}, {site}", row)
    return ByLayer(sites, readings, measured)
