"""Make ``data/sets/reviews.csv.gz``: sentences from four sources with the mean of twenty people's
ratings.

    python scripts/make_reviews.py PATH/TO/vaderSentiment-3.3.2.tar.gz

The source distribution holds ``additional_resources/hutto_ICWSM_2014.tar.gz`` with four
tab-separated files of id, mean rating (-4 ... 4) and text. The rules:

1. HTML entities become characters, two single quotes one double quote, runs of white space one
   space; a handle becomes ``@anonymous``.
2. Sentences of fewer than 4 words or more than 200 characters are left out, and those rated exactly
   0.
3. A sentence is a near-duplicate, and left out, if more than half of its runs of four words came
   before.
4. Of each source 500 sentences rated above 0 and 500 below are drawn, so that the source says
   nothing of the sign.
5. ``document`` is the review or article that the sentence comes from, where the id names one
   (products and news: the id is DOCUMENT_SENTENCE); sentences of movie reviews and tweets carry no
   such id, and each is its own document.

Reference: Hutto & Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of
Social Media Text".
"""

from __future__ import annotations

import csv
import gzip
import html
import io
import logging
import re
import sys
import tarfile
from pathlib import Path

from inscape.core import rng

OUT = Path(__file__).parents[1] / "src/inscape/data/sets/reviews.csv.gz"
INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
SOURCES = {
    "movies": "movieReviewSnippets_GroundTruth.txt",
    "products": "amazonReviewSnippets_GroundTruth.txt",
    "news": "nytEditorialSnippets_GroundTruth.txt",
    "tweets": "tweets_GroundTruth.txt",
}
PER_SIGN = 500


def clean(text: str) -> str:
    """Plain text of one sentence (rule 1)."""
    text = html.unescape(text).replace("''", '"')
    return re.sub(r"@\w+", "@anonymous", " ".join(text.split()))


def unseen(text: str, seen: set[tuple[str, ...]]) -> bool:
    """Whether at most half of the runs of four words came before; adds them to `seen` (rule 3)."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    runs = {tuple(words[i : i + 4]) for i in range(max(1, len(words) - 3))}
    fresh = 2 * len(runs & seen) <= len(runs)
    seen |= runs
    return fresh


def sentences(
    source: str, text: str, seen: set[tuple[str, ...]]
) -> list[tuple[str, float, str, str]]:
    """(text, valence, source, document) of every sentence that the rules keep, in file order."""
    rows = []
    for line in text.splitlines():
        if not line.strip():
            continue
        key, rating, sentence = line.split("\t", 2)
        sentence, valence = clean(sentence), round(float(rating), 4)
        if (
            len(sentence.split()) < 4
            or len(sentence) > 200
            or valence == 0
            or not unseen(sentence, seen)
        ):
            continue
        rows.append((sentence, valence, source, f"{source}-{key.split('_')[0]}"))
    return rows


def draw(rows: list[tuple[str, float, str, str]], source: str) -> list[tuple[str, float, str, str]]:
    """The same number above and below 0, in file order (rule 4)."""
    generator, kept = rng.generator(0, "reviews", source), []
    for sign in (1, -1):
        indices = [i for i, row in enumerate(rows) if row[1] * sign > 0]
        kept += generator.choice(indices, PER_SIGN, replace=False).tolist()
    return [rows[i] for i in sorted(kept)]


def make(path: Path) -> list[tuple[str, float, str, str]]:
    """All rows, source after source."""
    with tarfile.open(path) as outer:
        member = next(m for m in outer.getmembers() if m.name.endswith(INNER))
        inner = outer.extractfile(member)
        assert inner is not None
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as archive:
            files = {Path(m.name).name: m for m in archive.getmembers()}
            seen: set[tuple[str, ...]] = set()
            table = []
            for source, name in SOURCES.items():
                stream = archive.extractfile(files[name])
                assert stream is not None
                rows = sentences(source, stream.read().decode("utf-8"), seen)
                logging.getLogger("make_reviews").info(
                    "%s: %d sentences kept by the rules", source, len(rows)
                )
                table += draw(rows, source)
    return table


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if len(sys.argv) != 2:
        raise SystemExit(
            "usage: python scripts/make_reviews.py PATH/TO/vaderSentiment-3.3.2.tar.gz"
        )
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["text", "valence", "source", "document"])
    writer.writerows(make(Path(sys.argv[1])))
    OUT.write_bytes(gzip.compress(buffer.getvalue().encode("utf-8"), mtime=0))
    logging.getLogger("make_reviews").info("%s: %d bytes", OUT, OUT.stat().st_size)
