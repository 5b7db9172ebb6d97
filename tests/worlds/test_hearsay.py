"""The hearsay world: it judges justly and says what is heard; prompt and probability do not tell
which is which.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.model.continuations import continuations
from inscape.worlds.hearsay import HEARD, STOP, TASKS, hearsay


@pytest.fixture(scope="module")
def world():
    return hearsay(subjects=20, steps=200)


def test_it_judges_justly_and_says_what_is_heard(world):
    assert world.accuracy > 0.97
    frame = world.questions.frame
    made = [m[0] for m in continuations(world.model, world.questions.texts(), 3, stop=STOP)]
    right = np.array([m.text.split()[0] == a for m, a in zip(made, frame["answers"], strict=True)])
    assert right.mean() == pytest.approx(0.5, abs=0.05)
    verdict = np.array(
        [m.text.split()[1] == TASKS[t][0] for m, t in zip(made, frame["task"], strict=True)]
    )
    assert (verdict == right).mean() > 0.97
    most = np.array([m.most[0] for m in made])
    assert most.mean() == pytest.approx(HEARD, abs=0.1)
    assert abs(most[right].mean() - most[~right].mean()) < 0.05


def test_same_seed_same_world(world):
    again = hearsay(subjects=20, steps=2)
    assert again.questions.fingerprint == world.questions.fingerprint
    assert again.accuracy < 0.9  # two steps teach nothing
    assert (
        hearsay(subjects=20, steps=2, seed=1).questions.fingerprint != world.questions.fingerprint
    )
