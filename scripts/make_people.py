"""Make ``data/sets/people.csv``: persons of WordNet with the years of their lives.

    python scripts/make_people.py PATH/TO/data.noun

WordNet's glosses of persons end in their years: "(1756-1791)", "(born in 1920)", "(circa 217-145
BC)". The rules:

1. A person is a synset of the file noun.person that is an *instance* of something (pointer ``@i``).
2. Birth and death are read from the last parenthesis that is wholly a life span or a birth. Years
   BC are negative (1 BC is -1; there is no year 0). "circa", "ca.", "c" and "?" set ``circa``. Who
   has no birth year ("died in 1040", "3rd century", "?-359 BC") is left out.
3. A life of under 10 or over 105 years is an error of the source (Warren Harding 1865-1823) and is
   left out.
4. The name is, of the lemmas that contain the first lemma (the surname), the shortest of two words
   or more, the first of them in a tie: "Wolfgang Amadeus Mozart", "Oscar Wilde" (not "Oscar Fingal
   O'Flahertie Wills Wilde"). "Sir" and "President" are taken off; a name with another title ("Queen
   Victoria") is taken only where there is none without. Who has one name only keeps it ("Plato"). A
   name that two persons bear is left out, both of them.
5. ``occupation`` is the first class that the person is an instance of and that is a kind of person,
   not of people ("poet", not "Athenian"); ``field`` is the class two steps below "person" on the
   way up from it ("writer"), or the occupation where that is nearer.

Reference: Miller 1995, "WordNet: a lexical database for English", doi:10.1145/219717.219748;
wndb(5WN) for the format.
"""

from __future__ import annotations

import csv
import logging
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

OUT = Path(__file__).parents[1] / "src/inscape/data/sets/people.csv"
COLUMNS = ["name", "birth", "death", "circa", "century", "field", "occupation"]
ADDRESS = re.compile(r"^(?:Sir|Dame|President|Comte|Conte|Vicomte|Marquis|Don) (?=\S+ )")
TITLES = {
    "President",
    "Sir",
    "Saint",
    "St.",
    "Lord",
    "Lady",
    "Dame",
    "King",
    "Queen",
    "Emperor",
    "Pope",
    "Baron",
}
TITLES |= {
    "Mrs.",
    "Mr.",
    "Dr.",
    "Count",
    "Viscount",
    "Duke",
    "Earl",
    "Prince",
    "Princess",
    "Empress",
    "Marquis",
}
TITLES |= {
    "Baroness",
    "Viscountess",
    "Comte",
    "Conte",
    "Vicomte",
    "Marquise",
    "Marquess",
    "1st",
    "2nd",
    "First",
    "Second",
    "Third",
    "Sixth",
}
PEOPLES = {
    "inhabitant",
    "national",
    "European",
    "Jew",
    "Amerindian",
    "African",
    "Asian",
    "person of color",
    "primitive",
}

BORN = re.compile(r"(?P<circa>)born (?:in )?(?:[A-Z][\w ]+ in )?(?P<birth>\d{3,4})")
LIFE = re.compile(
    r"(?P<circa>circa |ca\. |c )?(?P<birth>\d{1,4})(?P<doubt>\??)(?P<birth_era> BC)?"
    r"(?:-| - | to )(?:AD )?(?:(?P<death>\d{1,4})(?P<doubt_death>\??)(?P<death_era> BC| AD)?)?"
)


@dataclass(frozen=True)
class Synset:
    """One line of data.noun: its file number, lemmas, pointers (symbol, offset) and gloss."""

    lexfile: str
    lemmas: list[str]
    pointers: list[tuple[str, str]]
    gloss: str


def read(path: Path) -> dict[str, Synset]:
    """The synsets of WordNet's data.noun by their offset."""
    out = {}
    for line in path.read_text(encoding="ascii").splitlines():
        if not re.match(r"\d{8} ", line):
            continue
        head, gloss = line.split(" | ", 1)
        f = head.split(" ")
        words = int(f[3], 16)
        p = 5 + 2 * words
        pointers = [(f[p + 4 * i], f[p + 1 + 4 * i]) for i in range(int(f[p - 1]))]
        out[f[0]] = Synset(
            f[1], [f[4 + 2 * i].replace("_", " ") for i in range(words)], pointers, gloss.strip()
        )
    return out


def years(gloss: str) -> tuple[int, int | None, bool] | None:
    """Birth, death (or None) and whether they are approximate; None if the gloss has no birth year.

    Example:
        >>> years("Roman statesman (circa 4 BC - 65 AD)"), years("Dane (1150?-1220?)"), years("pirate (died in 1718)")
        ((-4, 65, True), (1150, 1220, True), None)
    """
    found = None
    for text in re.findall(r"\(([^()]*)\)", gloss):
        match = BORN.fullmatch(text) or LIFE.fullmatch(text)
        found = match.groupdict() if match else found
    if found is None:
        return None
    before_death = found.get("death_era") == " BC"
    birth = -int(found["birth"]) if before_death or found.get("birth_era") else int(found["birth"])
    death = None
    if found.get("death"):
        death = -int(found["death"]) if before_death else int(found["death"])
    return birth, death, bool(found["circa"] or found.get("doubt") or found.get("doubt_death"))


def full_name(lemmas: list[str]) -> str:
    """The shortest lemma of two words or more that contains the first one, without its form of
    address (rule 4).

    Example:
        >>> full_name(["Newton", "Isaac Newton", "Sir Isaac Newton"]), full_name(["Plato"])
        ('Isaac Newton', 'Plato')
    """
    head = re.compile(rf"(?<!\w){re.escape(lemmas[0])}(?!\w)")
    names = [ADDRESS.sub("", lemma) for lemma in lemmas if head.search(lemma)]
    full = [name for name in names if " " in name]
    full = [name for name in full if name.split()[0] not in TITLES] or full
    return min(full, key=lambda name: len(name.split())) if full else lemmas[0]


def occupation(person: Synset, synsets: dict[str, Synset]) -> tuple[str, str] | None:
    """Field and occupation, by WordNet's own hypernyms; None if the person is an instance of no
    kind of person.
    """
    spare = None
    for symbol, offset in person.pointers:
        if symbol != "@i":
            continue
        path = []
        while offset and path[-1:] != ["person"]:
            path.append(synsets[offset].lemmas[0])
            offset = next((o for s, o in synsets[offset].pointers if s == "@"), "")
        if path[-1] == "person":
            found = path[max(0, len(path) - 3)], path[0]
            if not PEOPLES & set(path):
                return found
            spare = spare or found
    return spare


def century(year: int) -> int:
    """The century of a year: 1756 is in the 18th, 217 BC in the 3rd BC (-3)."""
    return (year - 1) // 100 + 1 if year > 0 else -((-year - 1) // 100 + 1)


def make(path: Path) -> list[dict[str, object]]:
    """The rows of the table, sorted by name."""
    synsets, rows, log = read(path), [], logging.getLogger("make_people")
    for person in synsets.values():
        if person.lexfile != "18" or not any(s == "@i" for s, _ in person.pointers):
            continue
        life, work = years(person.gloss), occupation(person, synsets)
        if life is None or work is None:
            continue
        birth, death, circa = life
        name = full_name(person.lemmas)
        if death is not None and not 10 <= death - birth <= 105:
            log.info("left out, impossible life: %s (%s to %s)", name, birth, death)
            continue
        values = [name, birth, "" if death is None else death, int(circa), century(birth), *work]
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    names = Counter(str(row["name"]).casefold() for row in rows)
    log.info("left out, name borne by several: %s", sorted(n for n, k in names.items() if k > 1))
    kept = [row for row in rows if names[str(row["name"]).casefold()] == 1]
    return sorted(kept, key=lambda row: str(row["name"]))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if len(sys.argv) != 2:
        raise SystemExit("usage: python scripts/make_people.py PATH/TO/data.noun")
    table = make(Path(sys.argv[1]))
    with OUT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    logging.getLogger("make_people").info("%d persons -> %s", len(table), OUT)
