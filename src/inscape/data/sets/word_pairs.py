"""Word pairs: fourteen concepts, each as pairs of words that differ in it alone.

After the counterfactual pairs of Park, Choe and Veitch 2023, "The Linear Representation Hypothesis
and the Geometry of Large Language Models", arXiv:2311.03658; the pairs are Inscape's own.
"""

from __future__ import annotations

from pathlib import Path

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.files import read_table

CARD = DatasetCard(
    name="word-pairs",
    what="776 pairs of words in fourteen concepts: forms of verbs, nouns and adjectives, capital "
    "letters, gender, capitals and peoples of countries, English and French.",
    source="written by Inscape",
    licence="Apache-2.0",
    citation="K. Park, Y. J. Choe and V. Veitch (2023), The Linear Representation Hypothesis and "
    "the Geometry of Large Language Models, arXiv:2311.03658 (the idea)",
    get="comes with Inscape",
    group="first: a verb stands in three concepts.",
    beware="Most concepts are English grammar. A word has several senses, and a pair may differ in "
    "more than the concept.",
    columns={
        "text": "the first word, which is the input",
        "first": "the word without the concept",
        "second": "the word with it",
        "concept": "what the second has and the first has not",
    },
)


def load(limit: int | None = None) -> Examples:
    """The pairs, concept by concept.

    Args:
        limit: only the first so many.

    Returns:
        Examples with label concept and group first.
    """
    frame = read_table(Path(__file__).parent / "word_pairs.csv", raw="first")
    frame["text"] = frame["first"]
    return Examples(frame.iloc[:limit], "text", ("concept",), "first", {}, CARD)
