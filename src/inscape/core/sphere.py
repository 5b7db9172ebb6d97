"""Places on the globe: great-circle distance between latitudes and longitudes.

d = 2 R arcsin √( sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2) ),   R = 6371.0088 km (mean radius, IUGG)
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

RADIUS_KM = 6371.0088


def distance_km(
    a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " n"]:
    """Great-circle distance between (latitude, longitude) pairs in degrees; latitudes beyond a pole
    are taken at it.

    Example:
        >>> import numpy as np
        >>> distance_km(np.array([[0.0, 0.0]]), np.array([[0.0, 180.0]])).round().tolist()
        [20015.0]
    """
    lat1, lat2 = (np.radians(np.clip(x[:, 0], -90, 90)) for x in (a, b))
    half = np.sin((lat2 - lat1) / 2) ** 2
    half = half + np.cos(lat1) * np.cos(lat2) * np.sin(np.radians(b[:, 1] - a[:, 1]) / 2) ** 2
    return 2 * RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
