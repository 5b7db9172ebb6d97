# ruff: noqa: E501
"""Parallel programs: the same small programs in six programming languages and in English, with the same names.

A program is a kind (what it does) with names for its data, so its seven texts say the same thing. What differs between two
languages is then the language, not the topic. Kinds are the groups: a kind that is held out was never seen in any language.

Cost: none; the texts are Inscape's own.
Reference: the parallel data of Kargaran et al. (2025), arXiv:2506.01074, §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pandas as pd

from inscape.core.between import check_between
from inscape.core.rng import generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.load import load

LANGUAGES = ("Python", "JavaScript", "C", "Java", "Ruby", "SQL", "English")

#: words that a language reserves, or that nobody writes it without
KEYWORDS: dict[str, frozenset[str]] = {
    "Python": frozenset(
        "def return for in if else not and or len sum max min sorted print range import True False None".split()
    ),
    "JavaScript": frozenset(
        "function return const let for of if else while console log reduce filter map null new true".split()
    ),
    "C": frozenset(
        "int double void char const for if else while return struct sizeof printf static include".split()
    ),
    "Java": frozenset(
        "public static int double void String for if else while return new List boolean class final".split()
    ),
    "Ruby": frozenset(
        "def end do each puts if else unless return nil map select sum max min sort_by true".split()
    ),
    "SQL": frozenset(
        "SELECT FROM WHERE SUM COUNT MAX MIN AVG ORDER BY GROUP UPDATE SET DELETE DISTINCT LIMIT DESC".split()
    ),
    "English": frozenset(),
}

#: kind → one template for each language; X is the collection, I one item, V its value
KINDS: dict[str, tuple[str, ...]] = {
    "sum": (
        "def total_V(X):\n    total = 0\n    for I in X:\n        total += I.V\n    return total",
        "function total_V(X) {\n  let total = 0;\n  for (const I of X) {\n    total += I.V;\n  }\n  return total;\n}",
        "int total_V(struct I *X, int n) {\n  int total = 0;\n  for (int i = 0; i < n; i++) {\n    total += X[i].V;\n  }\n  return total;\n}",
        "public static int total_V(List<I> X) {\n  int total = 0;\n  for (I I : X) {\n    total += I.V;\n  }\n  return total;\n}",
        "def total_V(X)\n  total = 0\n  X.each do |I|\n    total += I.V\n  end\n  total\nend",
        "SELECT SUM(V) AS total_V\nFROM X;",
        "Add up the V of every I in the X and give back the total.",
    ),
    "count": (
        "def count_V(X):\n    count = 0\n    for I in X:\n        if I.V > 10:\n            count += 1\n    return count",
        "function count_V(X) {\n  let count = 0;\n  for (const I of X) {\n    if (I.V > 10) count++;\n  }\n  return count;\n}",
        "int count_V(struct I *X, int n) {\n  int count = 0;\n  for (int i = 0; i < n; i++) {\n    if (X[i].V > 10) count++;\n  }\n  return count;\n}",
        "public static int count_V(List<I> X) {\n  int count = 0;\n  for (I I : X) {\n    if (I.V > 10) count++;\n  }\n  return count;\n}",
        "def count_V(X)\n  count = 0\n  X.each do |I|\n    count += 1 if I.V > 10\n  end\n  count\nend",
        "SELECT COUNT(*) AS count_V\nFROM X\nWHERE V > 10;",
        "Count how many of the X have a V of more than 10.",
    ),
    "largest": (
        "def largest_V(X):\n    return max(I.V for I in X)",
        "function largest_V(X) {\n  return Math.max(...X.map((I) => I.V));\n}",
        "int largest_V(struct I *X, int n) {\n  int largest = X[0].V;\n  for (int i = 1; i < n; i++) {\n    if (X[i].V > largest) largest = X[i].V;\n  }\n  return largest;\n}",
        "public static int largest_V(List<I> X) {\n  int largest = X.get(0).V;\n  for (I I : X) {\n    largest = Math.max(largest, I.V);\n  }\n  return largest;\n}",
        "def largest_V(X)\n  X.map { |I| I.V }.max\nend",
        "SELECT MAX(V) AS largest_V\nFROM X;",
        "Find the largest V among all of the X.",
    ),
    "average": (
        "def average_V(X):\n    if not X:\n        return 0\n    return sum(I.V for I in X) / len(X)",
        "function average_V(X) {\n  if (X.length === 0) return 0;\n  return X.reduce((a, I) => a + I.V, 0) / X.length;\n}",
        "double average_V(struct I *X, int n) {\n  double total = 0;\n  for (int i = 0; i < n; i++) total += X[i].V;\n  return n > 0 ? total / n : 0;\n}",
        "public static double average_V(List<I> X) {\n  double total = 0;\n  for (I I : X) total += I.V;\n  return X.isEmpty() ? 0 : total / X.size();\n}",
        "def average_V(X)\n  return 0 if X.empty?\n  X.sum { |I| I.V } / X.size\nend",
        "SELECT AVG(V) AS average_V\nFROM X;",
        "Work out the average V of the X, or zero if there are none.",
    ),
    "filter": (
        "def small_X(X):\n    return [I for I in X if I.V < 5]",
        "function small_X(X) {\n  return X.filter((I) => I.V < 5);\n}",
        'void small_X(struct I *X, int n) {\n  for (int i = 0; i < n; i++) {\n    if (X[i].V < 5) printf("%s\\n", X[i].name);\n  }\n}',
        "public static List<I> small_X(List<I> X) {\n  List<I> small = new ArrayList<>();\n  for (I I : X) {\n    if (I.V < 5) small.add(I);\n  }\n  return small;\n}",
        "def small_X(X)\n  X.select { |I| I.V < 5 }\nend",
        "SELECT *\nFROM X\nWHERE V < 5;",
        "Keep only those of the X whose V is below 5.",
    ),
    "sort": (
        "def sorted_X(X):\n    return sorted(X, key=lambda I: I.V, reverse=True)",
        "function sorted_X(X) {\n  return [...X].sort((a, b) => b.V - a.V);\n}",
        "static int by_V(const void *a, const void *b) {\n  return ((struct I *)b)->V - ((struct I *)a)->V;\n}\nvoid sorted_X(struct I *X, int n) {\n  qsort(X, n, sizeof(struct I), by_V);\n}",
        "public static void sorted_X(List<I> X) {\n  X.sort(Comparator.comparing((I I) -> I.V).reversed());\n}",
        "def sorted_X(X)\n  X.sort_by { |I| -I.V }\nend",
        "SELECT *\nFROM X\nORDER BY V DESC;",
        "Put the X in order of their V, the highest first.",
    ),
    "find": (
        "def find_I(X, name):\n    for I in X:\n        if I.name == name:\n            return I\n    return None",
        "function find_I(X, name) {\n  for (const I of X) {\n    if (I.name === name) return I;\n  }\n  return null;\n}",
        "struct I *find_I(struct I *X, int n, const char *name) {\n  for (int i = 0; i < n; i++) {\n    if (strcmp(X[i].name, name) == 0) return &X[i];\n  }\n  return NULL;\n}",
        "public static I find_I(List<I> X, String name) {\n  for (I I : X) {\n    if (I.name.equals(name)) return I;\n  }\n  return null;\n}",
        "def find_I(X, name)\n  X.each do |I|\n    return I if I.name == name\n  end\n  nil\nend",
        "SELECT *\nFROM X\nWHERE name = 'name'\nLIMIT 1;",
        "Look for the first I with a given name and say so if there is none.",
    ),
    "raise": (
        "def raise_V(X):\n    for I in X:\n        I.V = I.V * 2\n    return X",
        "function raise_V(X) {\n  for (const I of X) {\n    I.V = I.V * 2;\n  }\n  return X;\n}",
        "void raise_V(struct I *X, int n) {\n  for (int i = 0; i < n; i++) {\n    X[i].V = X[i].V * 2;\n  }\n}",
        "public static void raise_V(List<I> X) {\n  for (I I : X) {\n    I.V = I.V * 2;\n  }\n}",
        "def raise_V(X)\n  X.each do |I|\n    I.V = I.V * 2\n  end\n  X\nend",
        "UPDATE X\nSET V = V * 2;",
        "Double the V of each I in the X.",
    ),
    "first": (
        "def first_X(X, n):\n    result = []\n    for I in X[:n]:\n        result.append(I.name)\n    return result",
        "function first_X(X, n) {\n  const result = [];\n  for (const I of X.slice(0, n)) {\n    result.push(I.name);\n  }\n  return result;\n}",
        'void first_X(struct I *X, int n) {\n  for (int i = 0; i < n; i++) {\n    printf("%s\\n", X[i].name);\n  }\n}',
        "public static List<String> first_X(List<I> X, int n) {\n  List<String> result = new ArrayList<>();\n  for (I I : X.subList(0, n)) {\n    result.add(I.name);\n  }\n  return result;\n}",
        "def first_X(X, n)\n  X.first(n).map do |I|\n    I.name\n  end\nend",
        "SELECT name\nFROM X\nLIMIT 10;",
        "List the names of the first few X.",
    ),
    "remove": (
        "def remove_X(X):\n    kept = []\n    for I in X:\n        if I.V != 0:\n            kept.append(I)\n    return kept",
        "function remove_X(X) {\n  const kept = [];\n  for (const I of X) {\n    if (I.V !== 0) kept.push(I);\n  }\n  return kept;\n}",
        "int remove_X(struct I *X, int n) {\n  int kept = 0;\n  for (int i = 0; i < n; i++) {\n    if (X[i].V != 0) X[kept++] = X[i];\n  }\n  return kept;\n}",
        "public static void remove_X(List<I> X) {\n  X.removeIf((I I) -> I.V == 0);\n}",
        "def remove_X(X)\n  X.reject do |I|\n    I.V == 0\n  end\nend",
        "DELETE FROM X\nWHERE V = 0;",
        "Take out all of the X whose V is zero.",
    ),
}

#: collection, item, value
NAMES = (
    ("orders", "order", "price"),
    ("books", "book", "pages"),
    ("players", "player", "score"),
    ("rooms", "room", "area"),
    ("cars", "car", "speed"),
    ("trees", "tree", "height"),
    ("songs", "song", "length"),
    ("users", "user", "age"),
    ("bills", "bill", "amount"),
    ("teams", "team", "points"),
    ("boxes", "box", "weight"),
    ("cities", "city", "size"),
    ("shops", "shop", "profit"),
    ("trips", "trip", "distance"),
    ("meals", "meal", "cost"),
    ("files", "file", "bytes"),
    ("plants", "plant", "width"),
    ("ships", "ship", "load"),
    ("games", "game", "level"),
    ("hotels", "hotel", "rating"),
)


def programs(count: int = 200, languages: Sequence[str] = LANGUAGES, seed: int = 0) -> Examples:
    """Programs in every language.

    Args:
        count: programs, evenly over kinds; at most kinds × names.
        languages: which.
        seed: of the choice of names.

    Returns:
        Texts with the columns ``language``, ``program`` (number), ``kind`` (the group) and ``plain``: the same text without
        its language's keywords. Programs are in order, the languages of each together.

    Raises:
        ValueError: no program; an unknown language.
    """
    check_between("programs: count", count, 1)
    unknown = [name for name in languages if name not in LANGUAGES]
    if not len(languages):
        raise ValueError("programs: give at least one language")
    if unknown:
        raise ValueError(
            f"programs: languages must be among {', '.join(LANGUAGES)}, got {unknown[0]!r}"
        )
    rng, rows = generator(seed, "programs"), []
    order = {kind: [NAMES[int(i)] for i in rng.permutation(len(NAMES))] for kind in KINDS}
    chosen = [(kind, order[kind][k]) for k in range(len(NAMES)) for kind in KINDS][:count]
    for number, (kind, names) in enumerate(chosen):
        for language in languages:
            text = fill(KINDS[kind][LANGUAGES.index(language)], names)
            plain = " ".join(w for w in _words(text) if w not in KEYWORDS[language])
            rows.append(
                {
                    "text": text,
                    "plain": plain,
                    "language": language,
                    "program": number,
                    "kind": kind,
                }
            )
    card = DatasetCard(
        "programs",
        f"{len(chosen)} small programs in {len(languages)} languages",
        licence="Apache-2.0",
        source="written by Inscape",
        group="kind: what a program does",
    )
    return Examples(pd.DataFrame(rows), "text", ("language",), "kind", card=card)


def fill(template: str, names: tuple[str, str, str]) -> str:
    """A template with its names.

    Example:
        >>> fill("SELECT SUM(V) AS total_V FROM X;", ("cars", "car", "speed"))
        'SELECT SUM(speed) AS total_speed FROM cars;'
    """
    marks = dict(zip("XIV", names, strict=True))
    out = ""
    for i, letter in enumerate(template):
        before, after = template[i - 1 : i], template[i + 1 : i + 2]
        alone = not (before.isalnum() or after.isalnum())
        out += marks[letter] if letter in marks and alone else letter
    return out


def _words(text: str) -> list[str]:
    out = [""]
    for letter in text:
        if letter.isalnum() or letter == "_":
            out[-1] += letter
        else:
            out += [letter.strip(), ""]
    return [w for w in out if w]


#: what a token of a translation can be
CLASSES = (
    "output's keyword",
    "input's keyword",
    "keyword of both",
    "another's keyword",
    "English word",
    "other",
)


def translation(
    known: Examples, asked: Examples, source: str, target: str, k: int
) -> tuple[str, tuple[int, int]]:
    """Two programs in both languages and a third in the first, with its translation.

    Args:
        known: programs of the two examples.
        asked: programs that are translated.
        source, target: the languages.
        k: which of them, 0, 1, …

    Returns:
        The text, and the characters of the translation.
    """

    def text(of: Examples, number: int, language: str) -> str:
        rows = (of.frame["program"] == number) & (of.frame["language"] == language)
        return str(of.frame.loc[rows, "text"].iloc[0])

    ours, theirs = pd.unique(known.frame["program"]), pd.unique(asked.frame["program"])
    out = ""
    for number in (int(ours[(2 * k + i) % len(ours)]) for i in range(2)):
        out += f"{source}:\n{text(known, number, source)}\n{target}:\n{text(known, number, target)}\n\n"
    third = int(theirs[k % len(theirs)])
    out += f"{source}:\n{text(asked, third, source)}\n{target}:\n"
    answer = text(asked, third, target)
    return out + answer, (len(out), len(out) + len(answer))


@cache
def english_words() -> frozenset[str]:
    """Words of English: those that human reviews use more than twice, less every keyword and every name of the programs."""
    words = pd.Series(" ".join(load("reviews").texts()).lower().split()).str.strip(".,!?\"'();:")
    counts = words.value_counts()
    ours = {w.lower() for of in KEYWORDS.values() for w in of} | {n for of in NAMES for n in of}
    often = counts[counts > 2].index
    return frozenset(w for w in often if w.isalpha() and len(w) > 2 and w not in ours)


def token_class(token: str, source: str, target: str) -> int:
    """The class of a token in a translation, an index of `CLASSES`.

    Args:
        token: its text.
        source, target: the languages.

    Example:
        >>> [CLASSES[token_class(t, "Python", "C")] for t in (" def", "void", "for", "puts", "items")][:4]
        ["input's keyword", "output's keyword", 'keyword of both', "another's keyword"]
    """
    word = token.strip()
    ours, theirs = word in KEYWORDS[target], word in KEYWORDS[source]
    if ours and theirs:
        return 2
    if ours or theirs:
        return 0 if ours else 1
    if any(word in words for words in KEYWORDS.values()):
        return 3
    return 4 if word.lower() in english_words() else 5
