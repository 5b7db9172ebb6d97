"""Tables of places from a sweep of coordinates: what a map and a ranking of countries are drawn
from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inscape.core.sphere import distance_km
from inscape.data.examples import Examples
from inscape.probing.sweep_result import SweepResult

_TRACED = 60  # lines from truth to prediction; more would hide the points
_LEAST = 8  # places a country needs for a median of its own


def place_table(result: SweepResult, examples: Examples, rng: np.random.Generator) -> pd.DataFrame:
    """True and predicted positions, each fold's from the site its training rows choose.

    Args:
        result: a sweep with targets ``latitude`` and ``longitude``, degrees.
        examples: its examples; ``input`` is a span where a prompt surrounds the name.
        rng: draws which places are traced.

    Returns:
        The columns of `inscape.charts.world.world_map`, and ``mean_km``, the error of the training
        mean.
    """
    at = [result.targets.index(c) for c in ("latitude", "longitude")]
    true, predicted = result.y[:, at], result.selected_predictions[:, at]
    means = np.stack(
        [true[result.folds != f].mean(axis=0) for f in range(int(result.folds.max()) + 1)]
    )
    frame = examples.frame.reset_index(drop=True)
    spans = [examples.span(i).get("input", (0, None)) for i in range(len(frame))]
    place = pd.DataFrame(
        {
            "city": [text[a:b] for text, (a, b) in zip(examples.texts(), spans, strict=True)],
            "country": examples.groups() if examples.group is not None else "",
            "continent": frame.get("continent", "all"),
            "latitude": true[:, 0],
            "longitude": true[:, 1],
            "latitude_predicted": predicted[:, 0],
            "longitude_predicted": predicted[:, 1],
            "error_km": distance_km(true, predicted),
            "mean_km": distance_km(true, means[result.folds]),
        }
    )
    place["traced"] = np.isin(np.arange(len(place)), rng.permutation(len(place))[:_TRACED])
    place["label"] = _labels(place)
    return place


def _labels(place: pd.DataFrame, apart_km: float = 2200.0) -> list[str]:
    """Of each continent the first place whose label hides no other's, on the map as it is and on
    the probe's."""
    taken: list[int] = []
    spots = [place[[f"latitude{end}", f"longitude{end}"]].to_numpy() for end in ("", "_predicted")]
    for _, part in place.groupby("continent", sort=False):
        for i in part.index:
            gaps = [
                distance_km(spot[taken], np.repeat(spot[[i]], len(taken), axis=0)) for spot in spots
            ]
            if not taken or min(g.min() for g in gaps) > apart_km:
                taken.append(int(i))
                break
    return [city if i in set(taken) else "" for i, city in enumerate(place["city"])]


def by_country(place: pd.DataFrame, rng: np.random.Generator, draws: int = 500) -> pd.DataFrame:
    """Median error of each country with enough places, with its bootstrap interval over places.

    Args:
        place: from `place_table`.
        rng: of the bootstrap.
        draws: bootstrap draws.

    Returns:
        ``group``, ``value``, ``low``, ``high`` (km), ``n``, ``null`` (median error of the training
        mean).
    """
    rows = []
    for country, part in place.groupby("country"):
        if len(part) >= _LEAST:
            errors = part["error_km"].to_numpy()
            drawn = np.median(errors[rng.integers(len(errors), size=(draws, len(errors)))], axis=1)
            low, high = np.quantile(drawn, [0.025, 0.975])
            row = {
                "group": country,
                "value": np.median(errors),
                "low": low,
                "high": high,
                "n": len(part),
            }
            rows.append({**row, "null": part["mean_km"].median()})
    return pd.DataFrame(rows, columns=["group", "value", "low", "high", "n", "null"])
