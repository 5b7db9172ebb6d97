"""Sequence tasks: three small sets of sequences to classify, for comparing what mixes tokens.

    operations    nested lists under MIN, MAX, MED and SUM mod 10, as in ListOps; the value, 0 … 9
    pixels        an 8 × 8 digit read row by row, 64 grey tokens; the digit
    characters    the first 64 characters of a sentence; which of four sources it is from

Operations are drawn without end, and a fifth of all expressions is held out. Digits of the test
come from other writers, sentences of the test from other documents.

Cost: a millisecond for a hundred sequences.
Reference: Nangia and Bowman (2018), ListOps, arXiv:1804.06028; Tay et al. (2020), Long Range Arena,
arXiv:2011.04006, for pixels and characters.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int
from sklearn.datasets import load_digits
from torch import Tensor

from inscape.data.load import load

TASKS = ("operations", "pixels", "characters")
#: tokens of every sequence; shorter ones are padded with 0
LENGTH = 64
#: training digits, before the others in the file
KNOWN = 1297
_OPERATIONS = {"MIN": 11, "MAX": 12, "MED": 13, "SUM": 14}
_CLOSE = 15


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences and what they are.

    Attributes:
        x: tokens (n, 64).
        y: class of each.
    """

    x: Int[Tensor, "n length"]
    y: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: one of `TASKS`.
        tokens: of the vocabulary, padding included.
        classes: how many.
    """

    name: str
    tokens: int
    classes: int


def task(name: str) -> Task:
    """A task by name.

    Raises:
        ValueError: an unknown name.
    """
    if name not in TASKS:
        raise ValueError(f"task: the name must be one of {', '.join(TASKS)}, got {name!r}")
    return {
        "operations": Task(name, _CLOSE + 1, 10),
        "pixels": Task(name, 18, 10),
        "characters": Task(name, 97, 4),
    }[name]


def drawn_sequences(
    of: Task, n: int, held_out: bool = False, *, rng: np.random.Generator
) -> Sequences:
    """Draw sequences of the training or of the test part.

    Args:
        of: the task.
        n: how many.
        held_out: from the test part.
        rng: of the draw.
    """
    if of.name == "operations":
        return _expressions(n, held_out, rng)
    x, y, test = _digits() if of.name == "pixels" else _sentences()
    rows = rng.choice(np.flatnonzero(test == held_out), n)
    return Sequences(x[rows], y[rows])


@lru_cache(maxsize=1)
def _digits() -> tuple[Tensor, Tensor, np.ndarray]:
    values, names = load_digits(return_X_y=True)
    x = torch.from_numpy(values).long() + 1
    return x, torch.from_numpy(names).long(), np.arange(len(names)) >= KNOWN


@lru_cache(maxsize=1)
def _sentences() -> tuple[Tensor, Tensor, np.ndarray]:
    frame = load("reviews").frame
    x = torch.zeros(len(frame), LENGTH, dtype=torch.int64)
    for i, text in enumerate(frame["text"]):
        codes = [min(max(ord(c) - 31, 1), 96) for c in str(text)[:LENGTH]]
        x[i, : len(codes)] = torch.tensor(codes)
    names = np.unique(frame["source"], return_inverse=True)[1]
    # a document is in one part whatever the order of rows
    test = np.array([zlib.crc32(str(d).encode()) % 5 == 0 for d in frame["document"]])
    return x, torch.from_numpy(names).long(), test


def _expressions(n: int, held_out: bool, rng: np.random.Generator) -> Sequences:
    """Expressions; a fifth of all, told by a checksum, is kept for the test."""
    x, y = torch.zeros(n, LENGTH, dtype=torch.int64), torch.zeros(n, dtype=torch.int64)
    done = 0
    while done < n:
        tokens, value = _expression(rng, 2)
        if len(tokens) > LENGTH or (zlib.crc32(bytes(tokens)) % 5 == 0) != held_out:
            continue
        x[done, : len(tokens)] = torch.tensor(tokens)
        y[done] = value
        done += 1
    return Sequences(x, y)


def _expression(rng: np.random.Generator, depth: int) -> tuple[list[int], int]:
    """Tokens (1 … 10 are the digits 0 … 9) and value of one list, nested at most `depth` deep."""
    name = str(rng.choice(list(_OPERATIONS)))
    tokens, values = [_OPERATIONS[name]], []
    for _ in range(int(rng.integers(2, 6))):
        if depth > 1 and rng.random() < 0.3:
            inner, value = _expression(rng, depth - 1)
            tokens += inner
        else:
            value = int(rng.integers(10))
            tokens.append(value + 1)
        values.append(value)
    made = {
        "MIN": min(values),
        "MAX": max(values),
        "MED": sorted(values)[len(values) // 2],
        "SUM": sum(values) % 10,
    }
    return [*tokens, _CLOSE], made[name]
