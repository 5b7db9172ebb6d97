"""From sweeps to the tables that figures are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from inscape.charts.heatmap import cells
from inscape.core.evidence import Evidence
from inscape.core.site import Site
from inscape.probing.sweep_result import SweepResult

#: how the null of a sweep is called in figures
SHUFFLED = "shuffled labels"


def by_layer(
    sweeps: Mapping[str, SweepResult], rules: Mapping[str, SweepResult] | None = None
) -> pd.DataFrame:
    """Scores by layer of several sweeps, with the first one's null: what
    `charts.layers.score_by_layer` draws.

    Args:
        sweeps: series → sweep over sites with layers; ``embed`` stands before the first block, at
            layer −1.
        rules: series → sweep of one representation that has no layers (letters of the input, say).

    Returns:
        ``series``, ``target``, ``layer``, ``value``, ``low``, ``high``.
    """
    rows = []
    for name, result in sweeps.items():
        for e in result.evidence:
            rows.append(_row(name, e, layer_of(str(e.where["site"]))))
    first = next(iter(sweeps.values()))
    for e in first.evidence:
        if e.null is not None:
            layer = layer_of(str(e.where["site"]))
            row = {"value": e.null.mean, "low": e.null.low, "high": e.null.high, "layer": layer}
            rows.append({"series": SHUFFLED, "target": e.where["target"], **row})
    for name, result in (rules or {}).items():
        rows.extend(_row(name, e, None) for e in result.evidence)
    return pd.DataFrame(rows)


def by_layer_each(
    readings: Mapping[str, Mapping[str, SweepResult]],
    rules: Mapping[str, Mapping[str, SweepResult]] | None = None,
) -> pd.DataFrame:
    """`by_layer` of each of several parts (tasks), one after another.

    Args:
        readings: series → part → sweep over sites with layers.
        rules: series → part → sweep of one representation that has no layers.
    """
    frames = []
    for part in next(iter(readings.values())):
        own, level = ({n: of[part] for n, of in x.items()} for x in (readings, rules or {}))
        frames.append(by_layer(own, level))
    return pd.concat(frames, ignore_index=True)


def chosen_scores(
    found: Mapping[str, Mapping[str, SweepResult]], by: tuple[str, str]
) -> list[Evidence]:
    """The score of the site that the training folds choose, of the first target, for every part
    (task) and reading.

    Args:
        found: reading → part → sweep; every reading has the same parts.
        by: coordinates that name the part and the reading.
    """
    return [
        replace(of[part].selected[0], where=dict(zip(by, (part, reading), strict=True)))
        for part in next(iter(found.values()))
        for reading, of in found.items()
    ]


def lines(found: Sequence[Evidence], series: str) -> pd.DataFrame:
    """Evidence by site as `charts.layers.score_by_layer` draws it.

    Args:
        found: evidence whose coordinates hold `series` and ``site`` or ``layer``, and ``target``
            where there is a panel for each.
        series: the coordinate that names a line.
    """
    rows = []
    for e in found:
        low, high = e.ends
        layer = e.where["layer"] if "layer" in e.where else layer_of(str(e.where["site"]))
        at = {"series": e.where[series], "layer": layer}
        if "target" in e.where:
            at["target"] = e.where["target"]
        rows.append({**at, "value": e.value, "low": low, "high": high})
    return pd.DataFrame(rows)


def shuffled_band(shuffled: Sequence[SweepResult]) -> pd.DataFrame:
    """Sweeps of shuffled labels as one series of `by_layer`: at each layer the mean of their scores
    of the first target, between the least and the most.

    Args:
        shuffled: over the same sites.
    """
    scores = np.stack([result.scores[:, 0] for result in shuffled])
    return pd.DataFrame(
        {
            "series": SHUFFLED,
            "layer": [layer_of(site) for site in shuffled[0].sites],
            "value": scores.mean(axis=0),
            "low": scores.min(axis=0),
            "high": scores.max(axis=0),
        }
    )


def mean_by_layer(
    readings: Mapping[str, Mapping[str, SweepResult]],
) -> pd.DataFrame:
    """Scores by reading and layer, averaged over tasks: what `charts.heatmap.matrix` draws.

    Args:
        readings: reading → task → sweep over the same sites, of its first target.
    """
    first = next(iter(next(iter(readings.values())).values()))
    layers = [str(layer_of(site)) for site in first.sites]
    means = [np.mean([r.scores[:, 0] for r in of.values()], axis=0) for of in readings.values()]
    return cells(np.array(means), list(readings), layers)


def squares(found: Sequence[Evidence], row: str, column: str) -> pd.DataFrame:
    """Evidence of pairs as `charts.heatmap.matrix` draws it.

    Args:
        found: evidence whose coordinates hold `row` and `column`.
        row: the coordinate that names a row.
        column: the coordinate that names a column.

    Returns:
        ``row``, ``column``, ``value``, ``low``, ``high``, in the order given.
    """
    return pd.DataFrame(
        {
            "row": str(e.where[row]),
            "column": str(e.where[column]),
            "value": float(e.value),
            "low": e.ends[0],
            "high": e.ends[1],
        }
        for e in found
    )


def layer_of(site: str) -> int:
    """The layer of a site; −1 before the first block."""
    layer = Site.parse(site).layer
    return -1 if layer is None else layer


def _row(series: str, e: Evidence, layer: int | None) -> dict[str, object]:
    low, high = e.ends
    return {
        "series": series,
        "target": e.where["target"],
        "layer": layer,
        "value": e.value,
        "low": low,
        "high": high,
    }
