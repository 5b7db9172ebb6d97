"""Occupations: people at work in one sentence each, men and women alike, to ask what is left when
gender is erased.

A sentence tells what somebody does all day without naming the occupation. Occupations come in pairs
whose work is alike, so that telling them apart is possible and not trivial. Every name does a bit
of every occupation and every duty is done by as many women as men: over the whole set gender says
nothing about the occupation. `skewed` keeps of each occupation mostly one gender, which is where
classifiers learn to lean on it.

Reference: the occupations task of De-Arteaga et al. (2019), Bias in Bios, arXiv:1901.09451; names
and sentences are Inscape's own.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool

from inscape.core.rng import generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples

WOMEN = (
    "Mary Anna Emma Olivia Sophia Isabella Charlotte Amelia Emily Abigail Elizabeth Victoria Grace "
    "Chloe Lily Hannah Zoe Natalie Leah Sarah Lucy Alice Julia Claire Caroline Nora Helen Margaret "
    "Ruth Rebecca Rachel Laura Maria Diana Susan Linda Barbara Patricia Jennifer Jessica Karen "
    "Nancy Betty Sandra Donna Carol Michelle Amanda Melissa Deborah Stephanie Catherine Christine "
    "Janet Virginia Teresa Martha Judith Rose Eleanor"
).split()
MEN = (
    "James John Robert Michael William David Richard Joseph Thomas Charles Daniel Matthew Anthony "
    "Mark Donald Steven Paul Andrew Joshua Kenneth Kevin Brian George Edward Ronald Timothy Jason "
    "Jeffrey Jacob Gary Nicholas Eric Jonathan Stephen Larry Justin Scott Brandon Benjamin Samuel "
    "Gregory Frank Alexander Raymond Patrick Jack Dennis Jerry Tyler Aaron Henry Adam Douglas "
    "Nathan Peter Zachary Walter Harold Arthur Oliver"
).split()

#: occupation: what is done; pairs of occupations follow each other
DUTIES = {
    "nurse": (
        "gives patients their tablets on the ward",
        "changes the bandages of people in bed",
        "takes blood pressure all morning",
        "looks after twelve patients through the night",
        "comforts the sick and keeps their charts",
        "prepares injections for the ward round",
        "helps patients to wash and to eat",
        "watches over people after an operation",
        "writes down every fever on the ward",
        "answers when a patient rings the bell",
    ),
    "surgeon": (
        "removes tumours in long operations",
        "opens the chest and repairs the heart",
        "holds the scalpel with a steady hand",
        "replaces worn hips in the operating theatre",
        "sews wounds under bright lamps",
        "transplants kidneys at the clinic",
        "decides whether a patient must be operated on",
        "takes out an inflamed appendix",
        "sets broken bones with screws",
        "operates on knees from dawn to noon",
    ),
    "teacher": (
        "shows six-year-olds how to read",
        "marks spelling tests after school",
        "draws sums on the blackboard",
        "takes the class to the playground",
        "meets parents to talk about their children",
        "hands out crayons and paper",
        "reads a story to the whole class",
        "explains fractions to the fifth grade",
        "keeps order among thirty pupils",
        "plans lessons for the primary school",
    ),
    "professor": (
        "lectures on ancient history at the university",
        "supervises four doctoral students",
        "publishes papers on number theory",
        "applies for research grants every spring",
        "reviews manuscripts for a journal",
        "gives a seminar on Kant",
        "chairs the examination of a thesis",
        "travels to conferences to present results",
        "leads a laboratory that studies proteins",
        "writes a textbook on economics",
    ),
    "secretary": (
        "answers the telephone at the front desk",
        "types letters for the director",
        "keeps the calendar of the whole office",
        "files contracts in the right folders",
        "takes the minutes of every meeting",
        "books flights for the managers",
        "orders paper and ink for the office",
        "welcomes visitors and brings them coffee",
        "sorts the morning post by department",
        "forwards messages to the right people",
    ),
    "accountant": (
        "balances the books at the end of the year",
        "checks invoices against the ledger",
        "prepares tax returns for small firms",
        "audits the accounts of a bank",
        "works out what the company owes",
        "enters receipts into a spreadsheet",
        "finds a mistake in the balance sheet",
        "advises clients on deductions",
        "calculates the payroll of two hundred people",
        "reports profit and loss every quarter",
    ),
    "florist": (
        "ties bouquets of roses and lilies",
        "arranges flowers for a wedding",
        "waters the orchids in the shop window",
        "sells tulips at the market stall",
        "makes wreaths for a funeral",
        "cuts stems and strips off the leaves",
        "wraps carnations in green paper",
        "decorates tables with peonies",
        "picks colours that go well in a vase",
        "delivers flowers on Mother's Day",
    ),
    "farmer": (
        "drives a tractor over the wheat field",
        "milks sixty cows before sunrise",
        "harvests potatoes in the autumn",
        "ploughs the land by the river",
        "feeds the pigs and mends the fence",
        "sows barley as soon as the soil is dry",
        "stores hay for the winter",
        "shears sheep in early summer",
        "sprays the apple trees against blight",
        "sells grain to the mill",
    ),
}

CARD = DatasetCard(
    name="occupations world",
    what="1,200 sentences: 120 given names, half of them women's and half men's, at eighty duties "
    "of eight occupations; every second sentence has a pronoun beside the name.",
    source="written by Inscape",
    licence="Apache-2.0",
    citation="M. De-Arteaga et al. (2019), Bias in Bios, arXiv:1901.09451 (the idea)",
    group="name: no given name is in both train and test; duties are, and are done by as many "
    "women as men. Where occupations are asked for, hold out duties too.",
    beware="Pronouns are the same words in training and test.",
)


def occupations(names: int = 120, per_name: int = 10) -> Examples:
    """The sentences.

    Args:
        names: given names, half women's; an even number, 120 at most.
        per_name: sentences of each, each with another duty, running through the occupations.

    Returns:
        Examples with labels female (0, 1) and occupation, group name, and a column duty.

    Raises:
        ValueError: an odd number of names, or more than there are; more sentences than duties.
    """
    most = 2 * min(len(WOMEN), len(MEN))
    if names % 2 or not 2 <= names <= most:
        raise ValueError(f"occupations: names must be an even number from 2 to {most}, got {names}")
    duties = [
        (occupation, duty)
        for k in range(10)
        for occupation, all_ in DUTIES.items()
        for duty in [all_[k]]
    ]
    if not 1 <= per_name <= len(duties):
        raise ValueError(f"occupations: per_name must be 1 to {len(duties)}, got {per_name}")
    rows = []
    for i in range(names // 2):
        for female, name in ((1, WOMEN[i]), (0, MEN[i])):
            for j in range(per_name):
                number = (i * per_name + j) % len(duties)
                occupation, duty = duties[number]
                pronoun = "she" if female else "he"
                # the i-th woman and the i-th man do the same duties in the same words
                text = (
                    f"At work, {name} says, {pronoun} {duty}."
                    if (number + i) % 2
                    else f"Every week {name} {duty}."
                )
                rows.append(
                    {
                        "text": text,
                        "female": female,
                        "occupation": occupation,
                        "name": name,
                        "duty": duty,
                    }
                )
    return Examples(pd.DataFrame(rows), "text", ("female", "occupation"), "name", card=CARD)


def skewed(examples: Examples, share: float = 0.15, seed: int = 0) -> Bool[np.ndarray, " n"]:
    """Rows to keep so that every occupation is mostly of one gender: women in every second one, men
    in the others.

    Args:
        examples: from `occupations`.
        share: of the rarer gender's rows that are kept.
        seed: of which.
    """
    frame, order = examples.frame, list(DUTIES)
    female = frame["female"].to_numpy() == 1
    usual = np.array([order.index(o) % 2 == 0 for o in frame["occupation"]]) == female
    return usual | (generator(seed, "occupations", "skewed").random(len(frame)) < share)
