"""Ordered words: the numbers 1 to 9 as digits and as words, and other lists of nine, in 20
sentences that fit them all.

After the stimuli of Shah et al. 2023, "Numeric Magnitude Comparison Effects in Large Language
Models", arXiv:2305.10782; lists and sentences are Inscape's own. Nouns are frequent words in no
order; letters and months have an order and no magnitude.
"""

from __future__ import annotations

import pandas as pd

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples

LISTS = {
    "digits": "1 2 3 4 5 6 7 8 9",
    "words": "one two three four five six seven eight nine",
    "nouns": "house water people music paper story garden money school",
    "letters": "A B C D E F G H I",
    "months": "January February March April May June July August September",
}
#: the word alone, then twenty sentences
SENTENCES = (
    "{}",
    "The word is {} and nothing else",
    "She wrote {} on the board",
    "He said {} again and again",
    "They read {} from the page",
    "The answer was {} this time",
    "My card shows {} in blue",
    "You can see {} near the top",
    "We heard {} on the radio",
    "It says {} on the door",
    "The sign reads {} in large print",
    "Please type {} and press enter",
    "I remember {} from the test",
    "Someone painted {} on the wall",
    "The label has {} on it",
    "Then came {} as expected",
    "Her note began with {} that day",
    "The teacher pointed at {} with a stick",
    "He crossed out {} by mistake",
    "Look for {} in the list",
    "The screen displayed {} for a moment",
)

CARD = DatasetCard(
    name="ordered-words",
    what="Numbers as digits and as words, nouns, letters and months, nine of each, alone and in 20 "
    "sentences.",
    source="written by Inscape",
    licence="Apache-2.0",
    citation="R. S. Shah, V. Marupudi, R. Koenen, K. Bhardwaj and S. Varma (2023), Numeric "
    "Magnitude Comparison Effects "
    "in Large Language Models, arXiv:2305.10782 (the idea)",
    get="comes with Inscape",
    group="sentence: every word stands in each.",
    beware="The sentences mention the word and do not count anything.",
    columns={
        "text": "the sentence",
        "list": "which list the word is from",
        "place": "place of the word in its list, 1 to 9",
        "sentence": "number of the sentence; 0 is the word alone",
        "start": "where the word begins",
        "end": "where it ends",
    },
)


def load(limit: int | None = None) -> Examples:
    """The table, list by list, word by word.

    Args:
        limit: only the first so many.

    Returns:
        Examples with label place, group sentence and span word.
    """
    rows = []
    for name, words in LISTS.items():
        for place, word in enumerate(words.split(), 1):
            for number, sentence in enumerate(SENTENCES):
                start = sentence.index("{}")
                row = (sentence.format(word), name, place, number, start, start + len(word))
                rows.append(row)
    frame = pd.DataFrame(rows, columns=["text", "list", "place", "sentence", "start", "end"])
    spans = {"word": ("start", "end")}
    return Examples(frame.iloc[:limit], "text", ("place",), "sentence", spans, CARD)
