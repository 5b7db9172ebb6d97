"""Small tables of the shapes that figures read."""

import numpy as np
import pandas as pd


def scores(layers=4):
    """Scores by layer of two targets, with a null and a series that belongs to no layer."""
    rows = []
    for target, top in (("latitude", 0.2), ("longitude", 0.4)):
        for layer in range(layers):
            value = top * layer / (layers - 1)
            rows.append(("trained model", target, layer, value, value - 0.05, value + 0.05))
            rows.append(("shuffled labels", target, layer, -0.01, -0.04, 0.02))
        rows.append(("input embedding", target, np.nan, 0.03, 0.0, 0.06))
    return pd.DataFrame(rows, columns=["series", "target", "layer", "value", "low", "high"])


def cities():
    """Five places, one of them predicted off the map."""
    return pd.DataFrame(
        [
            ("Paris", "France", "Europe", 48.9, 2.4, 40.0, 20.0, 1700.0, True, "Paris"),
            ("Tokyo", "Japan", "Asia", 35.7, 139.7, 30.0, 100.0, 3700.0, True, ""),
            ("Lagos", "Nigeria", "Africa", 6.5, 3.4, 10.0, 30.0, 2900.0, False, ""),
            ("Lima", "Peru", "South America", -12.0, -77.0, 0.0, -20.0, 6300.0, False, ""),
            ("Suva", "Fiji", "Oceania", -18.1, 178.4, -95.0, 230.0, 9100.0, False, ""),
        ],
        columns=[
            *["city", "country", "continent", "latitude", "longitude"],
            *["latitude_predicted", "longitude_predicted", "error_km", "traced", "label"],
        ],
    )


def groups(count):
    """Errors of groups in no order."""
    value = np.random.default_rng(0).permutation(count) * 100.0 + 500
    names = [f"group {int(v)}" for v in value]
    return pd.DataFrame(
        {
            "group": names,
            "value": value,
            "low": value - 80,
            "high": value + 120,
            "n": range(5, 5 + count),
        }
    )
