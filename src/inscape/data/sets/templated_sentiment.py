"""Templated sentiment: reviews written from word lists, in pairs that differ in the words' sign
alone.

The two texts of a pair share template and subject; adjective and verb are replaced by opposites.
Opposite adjectives have the same number of letters, and all words were chosen so that the opposites
of a pair have the same number of tokens in byte-level and in word-piece vocabularies: two prompts
of a pair align position by position, which patching needs.

After the toy movie reviews of Tigges et al. 2023, "Linear Representations of Sentiment in Large
Language Models", arXiv:2310.15154; words and templates are Inscape's own.
"""

from __future__ import annotations

import pandas as pd

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples

#: verb pair: its two adjective pairs; a word occurs in one line only, which is a group
WORDS = {
    "loved/hated": "great/awful wonderful/miserable",
    "valued/mocked": "lovely/rotten fantastic/worthless",
    "prized/cursed": "superb/stupid splendid/dreadful",
    "enjoyed/endured": "moving/boring pleasant/horrible",
    "admired/avoided": "clever/absurd excellent/pointless",
    "praised/ignored": "amazing/painful outstanding/predictable",
    "savored/loathed": "tender/bitter delightful/irritating",
    "welcomed/rejected": "fresh/tired refreshing/disastrous",
    "embraced/suffered": "lively/hollow charming/horrific",
    "respected/dismissed": "genuine/trivial superior/inferior",
    "applauded/ridiculed": "witty/silly brilliant/confusing",
    "celebrated/criticized": "elegant/shallow terrific/terrible",
    "liked/skipped": "nice/ugly fascinating/frustrating",
    "appreciated/denounced": "vivid/empty remarkable/ridiculous",
    "recommended/condemned": "smart/crude enjoyable/offensive",
    "adored/disliked": "sweet/bleak exciting/annoying",
    "treasured/dreaded": "warm/cold impressive/unpleasant",
    "relished/scorned": "rich/poor compelling/unbearable",
    "favored/blamed": "good/dull perfect/useless",
    "trusted/abandoned": "funny/nasty awesome/awkward",
}
SUBJECTS = ("movie", "book", "show")
TEMPLATES = (
    "I thought this {subject} was {adjective}, I {verb} it. Conclusion: this {subject} {end}",
    "The {subject} was {adjective}. I {verb} it, and overall it {end}",
    "We found the {subject} {adjective}, and we {verb} it. In short, the {subject} {end}",
    (
        "Everyone said that the {subject} was {adjective}, and my friends {verb} it. To sum up, it "
        "{end}"
    ),
    "My review: {adjective} from start to end, and I {verb} all of it. This {subject} {end}",
    "It was a truly {adjective} {subject}, and I {verb} every minute of it. All in all, it {end}",
)
ENDS = ("is", "felt", "was", "was", "is", "was")

#: words that tell what a text thinks, for what a model says after it
PRAISE = (
    "good",
    "great",
    "best",
    "beautiful",
    "fun",
    "incredible",
    "magnificent",
    "gem",
    "masterpiece",
    "joy",
)
BLAME = (
    "bad",
    "awful",
    "worst",
    "disappointing",
    "weak",
    "sad",
    "waste",
    "mess",
    "failure",
    "garbage",
)

CARD = DatasetCard(
    name="templated-sentiment",
    what="1,440 reviews from 6 templates, 3 subjects and 40 pairs of opposite adjectives with 20 "
    "pairs of opposite verbs; rows 2k and 2k + 1 are a pair: the same text with the sign of its "
    "words turned.",
    source="written by Inscape",
    licence="Apache-2.0",
    citation="C. Tigges, O. J. Hollinsworth, A. Geiger, N. Nanda (2023), Linear Representations of "
    "Sentiment in Large Language Models, arXiv:2310.15154 (the idea)",
    get="comes with Inscape",
    group="words: a pair of verbs with its two pairs of adjectives, so that no adjective, no verb "
    "and no pair straddles train and test; templates and subjects do, and are balanced over both "
    "classes.",
    columns={
        "text": "the review, cut before its verdict",
        "positive": "1 if the words are positive, else 0",
        "pair": "number of the pair; each has one positive and one negative text",
        "template": "number of the template, from 0",
        "subject": "what is reviewed",
        "adjective": "the adjective",
        "verb": "the verb",
        "words": "the group",
    },
)


def load(limit: int | None = None) -> Examples:
    """The reviews, by template and subject, so that the first ones already run through all words.

    Args:
        limit: only the first so many, whole pairs (an odd limit gives one fewer, and 1 gives 2).

    Returns:
        Examples with label positive (0, 1), group words, spans adjective, verb and end (the last
        word).
    """
    adjectives = [
        (pair, verbs)
        for k in (0, 1)
        for verbs, pairs in WORDS.items()
        for pair in [pairs.split()[k]]
    ]
    rows = []
    for number, template in enumerate(TEMPLATES):
        for subject in SUBJECTS:
            for pair, verbs in adjectives:
                for sign in (0, 1):
                    words = {
                        "adjective": pair.split("/")[sign],
                        "verb": verbs.split("/")[sign],
                        "end": ENDS[number],
                    }
                    text, spans = _fill(template, subject, words)
                    row = {
                        "text": text,
                        "positive": 1 - sign,
                        "pair": len(rows) // 2,
                        "template": number,
                    }
                    row |= {
                        "subject": subject,
                        "adjective": words["adjective"],
                        "verb": words["verb"],
                        "words": verbs,
                    }
                    rows.append(row | spans)
    count = None if limit is None else max(2, limit - limit % 2)
    spans = {name: (f"{name}_start", f"{name}_end") for name in ("adjective", "verb", "end")}
    return Examples(pd.DataFrame(rows[:count]), "text", ("positive",), "words", spans, CARD)


def _fill(template: str, subject: str, words: dict[str, str]) -> tuple[str, dict[str, int]]:
    text, spans = template.replace("{subject}", subject), {}
    for name in sorted(words, key=lambda name: text.index(f"{{{name}}}")):
        start = text.index(f"{{{name}}}")
        text = text.replace(f"{{{name}}}", words[name])
        spans |= {f"{name}_start": start, f"{name}_end": start + len(words[name])}
    return text, spans
