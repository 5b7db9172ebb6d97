"""Sequence tasks: right answers, and parts that share nothing."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.sequence_tasks import LENGTH, TASKS, drawn_sequences, task

NAMES = {11: "MIN", 12: "MAX", 13: "MED", 14: "SUM"}


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def value(tokens: list[int]) -> int:
    """Reads an expression with a stack."""
    stack: list[list] = []
    for t in tokens:
        if t in NAMES:
            stack.append([NAMES[t]])
        elif t == 15:
            name, *own = stack.pop()
            made = {
                "MIN": lambda x: min(x),
                "MAX": lambda x: max(x),
                "MED": lambda x: sorted(x)[len(x) // 2],
                "SUM": lambda x: sum(x) % 10,
            }[name](own)
            if not stack:
                return made
            stack[-1].append(made)
        else:
            stack[-1].append(t - 1)
    raise AssertionError("an expression that does not end")


def test_expressions_have_their_values():
    found = drawn_sequences(task("operations"), 300, rng=stream())
    for x, y in zip(found.x.tolist(), found.y.tolist(), strict=True):
        tokens = [t for t in x if t]
        assert value(tokens) == y
    nested = [sum(t in NAMES for t in x) for x in found.x.tolist()]
    assert max(nested) > 2 > min(nested)
    assert len(set(found.y.tolist())) == 10


@pytest.mark.parametrize("name", TASKS)
def test_training_and_test_share_nothing(name):
    of = task(name)
    known = drawn_sequences(of, 2000, rng=stream())
    held = drawn_sequences(of, 500, True, rng=stream(1))
    assert known.x.shape == (2000, LENGTH)
    assert len(held) == 500
    assert not set(map(tuple, known.x.tolist())) & set(map(tuple, held.x.tolist()))
    for part in (known, held):
        assert 0 <= int(part.x.min()) <= int(part.x.max()) < of.tokens
        assert set(part.y.tolist()) == set(range(of.classes))


def test_draws_are_those_of_the_stream():
    of = task("pixels")
    same = [drawn_sequences(of, 20, rng=stream(s)).x for s in (0, 0, 1)]
    assert same[0].equal(same[1])
    assert not same[0].equal(same[2])


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="must be one of operations, pixels, characters, got 'x'"):
        task("x")
