"""Classes told apart from two sources: the one that holds them is above the other, rare classes are
left out.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.probing.classes_apart import classes_apart

HOW = {"folds": 3, "target": "kind", "alphas": (0.1, 1.0), "shuffles": 3, "seed": 0}


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    kind, groups = np.repeat(["a", "b", "rare"], [60, 60, 3]), np.arange(123) % 41
    x = rng.normal(size=(123, 4))
    x[:, 0] += 4 * (kind == "a")
    return (
        {"states": {"low": rng.normal(size=(123, 4)), "high": x}, "words": {"w": x[:, 1:]}},
        kind,
        groups,
    )


def test_the_source_that_holds_the_classes_is_above_the_other(drawn):
    sources, kind, groups = drawn
    states, words, difference = classes_apart(sources, kind, groups, **HOW)
    assert [e.where for e in (states, words, difference)] == [
        {"read from": name} for name in ("states", "words", "difference")
    ]
    assert states.value > 0.9 > 0.7 > words.value
    assert states.n == 120  # rows of the rare class are left out
    assert difference.value == pytest.approx(states.value - words.value)
    assert difference.interval[0] > 0.1
    swapped = {"states": sources["words"], "words": sources["states"]}
    assert classes_apart(swapped, kind, groups, **HOW)[2].value == pytest.approx(-difference.value)


def test_one_frequent_class_is_no_task(drawn):
    sources, kind, groups = drawn
    assert classes_apart(sources, np.where(kind == "rare", "rare", "a"), groups, **HOW) == []


def test_two_sources_are_compared():
    x = {"a": np.zeros((4, 2))}
    with pytest.raises(ValueError, match="compares two sources, got 1"):
        classes_apart({"one": x}, np.arange(4) % 2, np.arange(4), folds=2, target="kind")
