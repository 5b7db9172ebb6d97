"""Haystack: yes-or-no features of texts and of words in them, for which single neurons may stand.

Features of whole texts (the language; Python or prose) have one label a text. Features of words
(part of speech, digits, sentiment, capital cities, compound words) have one word in question,
marked by a span. Lexemes and documents on which a probe is tried are not those on which it was
fitted: that is what the group is for.

After the feature groups of Gurnee et al. 2023, "Finding neurons in a haystack", arXiv:2305.01610;
texts are Inscape's own.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.sets.templated_sentiment import WORDS as OPPOSITES

LANGUAGES = ("English", "French", "German", "Spanish", "Italian")
NOUNS = (
    "garden window river teacher bottle mountain letter kitchen doctor island ticket forest "
    "engine market blanket "
)
NOUNS += "candle hammer village camera ladder pocket basket mirror pencil"
VERBS = (
    "arrive complain disappear listen remember decide explain wander refuse agree whisper "
    "forget pretend hesitate obey "
)
VERBS += "survive apologise celebrate improve collapse escape insist vanish retire"
ADJECTIVES = (
    "narrow ancient heavy gentle wooden silent bitter curious foreign rapid fragile pale "
    "hollow distant muddy "
)
ADJECTIVES += "generous stubborn clumsy loyal eager shallow rusty humid empty"
NUMERALS = "12 47 305 86 19 640 73 28 95 510 34 61 77 203 58 81 46 900 25 39 68 17 420 52"
AMOUNTS = (
    "many seven some several eleven few countless twenty enough nine various ninety thirty "
    "no fifteen sixty eight "
)
AMOUNTS += "forty plenty most eighty fewer four certain"
CAPITALS = (
    "Paris Rome Madrid Berlin Vienna Lisbon Athens Dublin Oslo Stockholm Helsinki Warsaw Prague "
    "Budapest Moscow Cairo Nairobi Tokyo Beijing Seoul Bangkok Hanoi Jakarta Lima"
)
CITIES = (
    "Lyon Milan Barcelona Hamburg Salzburg Porto Naples Cork Bergen Gothenburg Marseille Krakow "
    "Munich Venice Kiev Alexandria Mombasa Osaka Shanghai Busan Mumbai Saigon Sydney Chicago"
)
#: compound: others before its second word, others after its first
COMPOUNDS = {
    "social security": (
        "border airport job food home data night bank",
        "worker club event media class history life change",
    ),
    "prime minister": (
        "foreign former finance junior health defence new local",
        "number time rate cut example suspect location beef",
    ),
    "high school": (
        "primary old art law village music driving summer",
        "wall price tower fever speed hill shelf fence",
    ),
    "hot dog": (
        "small old guard lost wet brown sheep lazy",
        "water stove summer plate tea sand iron bath",
    ),
    "real estate": (
        "country large family housing royal northern old private",
        "name gold story danger friend money life question",
    ),
    "ice cream": (
        "sour fresh hand shaving whipped face thick cold",
        "cube floe rink axe storm sheet age bucket",
    ),
    "credit card": (
        "business birthday green library red score member plastic",
        "rating union limit crisis line note check history",
    ),
    "post office": (
        "head small tax busy home empty law ticket",
        "box code horn bag van rider road stamp",
    ),
}
FRAMES = {
    "noun": ("There was a {} in the picture", "She talked about the {} for an hour"),
    "verb": ("They usually {} in the evening", "Sooner or later we all {} a little"),
    "adjective": ("It was a {} place in those days", "He described a {} thing to us"),
    "amount": ("There are {} chairs in the hall", "We counted {} birds on the lake"),
    "sentiment": ("All in all it was a {} evening", "People said that the meal was {}"),
    "city": ("Last year we moved to {} with the children", "The train from {} was late again"),
}
_STARTS = (
    "Yesterday",
    "In the morning",
    "After lunch",
    "On Friday",
    "Last week",
    "At dinner",
    "In the end",
    "Once more",
)
_BODIES = (
    "we talked about the",
    "she asked about the",
    "they wrote about a",
    "he told us about the",
    "I was thinking of a",
    "you mentioned the",
)

CARD = DatasetCard(
    name="haystack",
    what="Features of texts and words: the language of 150 sentences (five languages, the same 30 "
    "sentences in each), Python source, part of speech, digits against words for amounts, positive "
    "against negative adjectives, capital cities against others, and eight compound words against "
    "the same words apart.",
    source="written by Inscape",
    licence="Apache-2.0",
    citation="W. Gurnee, N. Nanda, M. Pauly, K. Harvey, D. Troitskii, D. Bertsimas (2023), Finding "
    "neurons in a haystack: case studies with sparse probing, arXiv:2305.01610 (the groups of "
    "features)",
    get="comes with Inscape",
    group="lexeme or document: a word and all texts with it; a sentence in all its languages; for "
    "compounds the start of the text with the words that stand in for the compound's parts there.",
    beware="Few frames for each feature of words: what is read may be the frame where frames "
    "differ (parts of speech). Compounds, digits, sentiment and capitals share frames between yes "
    "and no.",
    columns={
        "text": "the text",
        "feature": "which feature the row is about; a compound's is the compound",
        "value": "its value: a language or Python, a part of speech, digits or words, positive or "
        "negative, capital or other, one (compound) or apart",
        "scope": "text or word: whether the whole text is in question or the marked word",
        "lexeme": "the group",
        "word_start": "where the word in question begins, in characters; 0 for whole texts",
        "word_end": "where it ends",
    },
)


def load(limit: int | None = None) -> Examples:
    """All features, one below the other; of a feature's values the one that is asked for comes
    first.

    Args:
        limit: only the first so many.

    Returns:
        Examples with label value (text), group lexeme, span word.
    """
    frame = pd.DataFrame([*_texts(), *_words(), *_compounds()][:limit])
    return Examples(frame, "text", ("value",), "lexeme", {"word": ("word_start", "word_end")}, CARD)


def _row(feature: str, value: str, lexeme: str, text: str, word: str = "") -> dict[str, object]:
    start = text.rindex(word) if word else 0
    return {
        "text": text,
        "feature": feature,
        "value": value,
        "scope": "word" if word else "text",
        "lexeme": f"{feature}: {lexeme}",
        "word_start": start,
        "word_end": start + len(word or text),
    }


def _texts() -> list[dict[str, object]]:
    lines = (Path(__file__).parent / "languages.txt").read_text(encoding="utf-8").splitlines()
    rows = []
    for line in lines:
        name, *texts = (part.strip() for part in line.split("|"))
        kind = "snippet" if name == "Python" else "sentence"
        rows += [_row("text", name, f"{kind} {i}", text) for i, text in enumerate(texts)]
    return rows


def _words() -> list[dict[str, object]]:
    kinds = {"noun": NOUNS, "verb": VERBS, "adjective": ADJECTIVES}
    rows = [
        _row("part of speech", kind, word, frame.format(word), word)
        for kind, words in kinds.items()
        for word in words.split()
        for frame in FRAMES[kind]
    ]
    good, bad = (
        [p.split("/")[s] for pairs in OPPOSITES.values() for p in pairs.split()] for s in (0, 1)
    )
    sides = {
        "amount": ("digits", NUMERALS.split(), "words", AMOUNTS.split()),
        "sentiment": ("positive", good, "negative", bad),
        "city": ("capital", CAPITALS.split(), "other", CITIES.split()),
    }
    for feature, (yes, ours, no, theirs) in sides.items():
        for value, words in ((yes, ours), (no, theirs)):
            rows += [
                _row(feature, value, f"pair {i}", frame.format(word), word)
                for i, word in enumerate(words)
                for frame in FRAMES[feature]
            ]
    return rows


def _compounds() -> list[dict[str, object]]:
    rows = []
    for compound, (before, behind) in COMPOUNDS.items():
        first, second = compound.split()
        for start, other, follow in zip(_STARTS, before.split(), behind.split(), strict=True):
            for body in _BODIES:
                for a, b, value in (
                    (first, second, "one"),
                    (other, second, "apart"),
                    (first, follow, "apart"),
                ):
                    rows.append(_row(compound, value, start, f"{start} {body} {a} {b}", b))
    return rows
