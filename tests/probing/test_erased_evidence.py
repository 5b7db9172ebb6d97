"""Evidence about erasers: known accuracies, shares, gaps and dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.probing.erased_evidence import ErasedEvidence
from inscape.probing.erasures import Erased, Outcome, Question

N = 40
Y, TASK, GROUPS = np.arange(N) % 2, np.arange(N) // 2 % 2, np.arange(N) // 4


def erased(linear: float, task: float = 1.0, women: float = 1.0) -> Erased:
    """Probes that are right in the first so many of every ten rows; a classifier that serves one
    value worse.
    """
    made = Erased.empty(N)
    tenth = np.arange(N) // 4 / 10
    made.linear[:] = made.unseen[:] = made.mlp[:] = tenth < linear
    made.task[:] = tenth < task
    made.leaning[:] = np.where(Y == 1, tenth < women, 1.0)
    return made


@pytest.fixture
def found() -> ErasedEvidence:
    question = Question("bit", np.zeros((N, 2)), Y, TASK, GROUPS, skew=Y == TASK)
    made = {
        "nothing": erased(1.0, women=0.4),
        "one": erased(0.5, task=0.9, women=0.8),
        "two": erased(0.4),
        "random": erased(0.9),
        "random (2)": erased(0.7),
    }
    shuffled = [(np.arange(N) < k).astype(float) for k in (18, 20, 22)]
    return ErasedEvidence(Outcome(question, made, shuffled, [1.0]), "nothing", "one", "random")


def test_accuracy_stands_above_the_majority_beside_shuffled_labels(found):
    assert found.above("nothing").value == pytest.approx(0.5)
    assert found.above("one").value == pytest.approx(0)
    assert found.above("random").value == pytest.approx(0.3)  # the mean over its draws
    assert found.above("nothing").null.mean == pytest.approx(0)
    assert found.above("nothing", "mlp").null is None


def test_what_is_kept_and_what_is_lost(found):
    assert found.kept().value == pytest.approx(0.8)
    assert found.kept().beside[0].value == pytest.approx(0.5)
    assert found.lost().value == pytest.approx(0.1)
    assert found.lost().beside[0].value == pytest.approx(0)


def test_the_gap_is_that_of_true_positive_rates(found):
    assert found.unequal is not None
    assert found.unequal.value("nothing").value == pytest.approx(0.6)
    assert found.unequal.value("one").value == pytest.approx(0.2)
    assert found.unequal.fall("one", below="nothing").value == pytest.approx(0.4)


def test_dimensions_are_the_fewest_that_erase(found):
    erasers = {1: "random", 2: "one", 4: "two"}
    needed = found.needed(erasers, 0.03)
    assert needed["value"] == 2
    assert needed["fewest"] <= 2 <= needed["most"]
    assert found.needed({1: "random"}, 0.03)["value"] == 2
