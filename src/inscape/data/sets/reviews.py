"""Reviews: sentences of four kinds with how positive or negative people rated them.

The table is made by ``scripts/make_reviews.py``, which states how sentences were cleaned and drawn.
Reference: Hutto & Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of
Social Media Text", ICWSM.
"""

from __future__ import annotations

from pathlib import Path

from inscape.core import rng
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.files import read_table

CARD = DatasetCard(
    name="reviews",
    what="4,000 sentences of movie reviews, product reviews, news editorials and tweets, 1,000 "
    "each, half of them rated above 0 and half below; near-duplicates, sentences rated exactly 0, "
    "under 4 words or over 200 characters left out.",
    source="vaderSentiment 3.3.2 (PyPI, source distribution), hutto_ICWSM_2014, read by "
    "scripts/make_reviews.py",
    licence="MIT (notice in data/sets/LICENSES.md)",
    citation="C. J. Hutto, E. Gilbert (2014), VADER: A Parsimonious Rule-based Model for Sentiment "
    "Analysis of Social Media Text, ICWSM-14",
    get="comes with Inscape",
    group="document: sentences of one product review or one editorial share subject and mood. The "
    "ids of movie sentences and tweets name no document, so each is its own, and sentences about "
    "one film may be in both train and test.",
    beware="Ratings near 0 are frequent in news and rare in movie reviews: the sources share the "
    "mean of valence, not its spread. Products are lower-cased in the source. A ridge on letter "
    "n-grams alone reaches R² 0.28.",
    columns={
        "text": "the sentence",
        "valence": "mean of about twenty ratings, -4 (most negative) to 4 (most positive)",
        "positive": "1 if valence is above 0, else 0",
        "source": "movies, products, news or tweets",
        "document": "the review or article the sentence comes from, where known",
    },
)


def load(limit: int | None = None, source: str | None = None) -> Examples:
    """The sentences, in an order that says nothing.

    Args:
        limit: only the first so many.
        source: only ``"movies"``, ``"products"``, ``"news"`` or ``"tweets"``.

    Returns:
        Examples with label valence (-4 to 4), group document.

    Raises:
        ValueError: there is no such source.
    """
    frame = read_table(Path(__file__).parent / "reviews.csv.gz", raw="text")
    frame.insert(2, "positive", (frame["valence"] > 0).astype(int))
    order = rng.generator(0, "reviews").permutation(len(frame))
    frame = frame.iloc[order].reset_index(drop=True)
    if source is not None:
        if source not in set(frame["source"]):
            raise ValueError(
                f"reviews: source must be one of {sorted(set(frame['source']))}, got {source!r}"
            )
        frame = frame[frame["source"] == source].reset_index(drop=True)
    return Examples(frame.iloc[:limit], "text", ("valence",), "document", card=CARD)
