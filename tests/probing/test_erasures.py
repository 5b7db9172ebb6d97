"""Erasers side by side: the identity keeps everything, the right direction takes the concept and
leaves the task.
"""

import numpy as np
import pytest

from inscape.probing.erasures import Plan, Question, compare
from inscape.worlds.planted_concept import planted_concept


@pytest.fixture(scope="module")
def outcome():
    w = planted_concept(240, 10, strength=4.0, quadratic=0.0)

    def erasers(x, y, seed):
        gap = x[y == 1].mean(0) - x[y == 0].mean(0)
        gap /= np.linalg.norm(gap)
        return {
            "nothing": lambda rows: rows,
            "means": lambda rows: rows - np.outer(rows @ gap, gap),
            "first": lambda rows: rows * (np.arange(rows.shape[1]) > 0),
        }

    question = Question(
        "bit", w.x, w.z, w.task, w.groups, second=np.arange(240) % 12, skew=w.z == w.task % 2
    )
    return compare(question, erasers, Plan(folds=3, width=8, whole=("nothing", "means")))


def test_every_row_is_held_out_once_and_only_what_is_asked_is_measured(outcome):
    assert list(outcome.erased) == ["nothing", "means", "first"]
    for erased in outcome.erased.values():
        assert not np.isnan(erased.linear).any()
    assert np.isnan(outcome.erased["first"].mlp).all()
    assert not np.isnan(outcome.erased["means"].unseen).any()
    # the task is asked where neither grouping straddles: about a third of the rows
    assert 0.2 < (~np.isnan(outcome.erased["nothing"].task)).mean() < 0.5


def test_what_goes_and_what_stays(outcome):
    nothing, means = outcome.erased["nothing"], outcome.erased["means"]
    assert nothing.linear.mean() > 0.9
    assert abs(means.linear.mean() - 0.5) < 0.15
    assert np.nanmean(nothing.task) > 0.6
    assert np.nanmean(means.task) > np.nanmean(nothing.task) - 0.15
    assert nothing.moved.sum() == 0 < means.moved.sum() < means.size.sum()
    assert (nothing.overlap == 1).all()
    assert means.overlap.mean() < 0.9


def test_what_is_said_of_the_whole(outcome):
    assert outcome.question.majority == pytest.approx(
        max(outcome.question.y.mean(), 1 - outcome.question.y.mean())
    )
    assert len(outcome.shuffled) == 1
    assert abs(outcome.shuffled[0].mean() - 0.5) < 0.15
    assert all(0.5 < share <= 1 for share in outcome.kept)
