"""Encoders that learn from two views: the views are of the same digits, and a short training lets
views find each other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from inscape.learn import Budget, EmaTarget, Gradient, info_nce
from inscape.nets import JointEmbedding
from inscape.recipes.view_encoders import agreeing, digit_views, self_predicting
from inscape.study.arms import UNTRAINED, arms
from inscape.worlds.digit_views import SIDE, drawn_digits, moved


def net(k: int) -> JointEmbedding:
    return JointEmbedding(1, SIDE, embedding=16)


def test_views_are_of_the_same_digits_and_differ_by_their_strength():
    still, same = digit_views(20, 0.0)(np.random.default_rng(0), 0)
    assert torch.equal(still, same)
    digits, _ = drawn_digits(20, True, rng=np.random.default_rng(0))
    wanted = moved(digits, rng=np.random.default_rng(1), turn=0.0, shift=0.0)
    torch.testing.assert_close(still, wanted)
    apart = [
        (a - b).abs().mean()
        for strength in (0.3, 1.0)
        for a, b in (digit_views(200, strength)(np.random.default_rng(0), 0),)
    ]
    assert 0.01 < apart[0] < apart[1]


def test_the_loss_sees_the_embeddings_of_each_side():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 4))
    arm = agreeing(lambda k: linear, info_nce, digit_views(8), role="baseline")
    assert (arm.role, arm.update) == ("baseline", Gradient())
    a, b = arm.batches(np.random.default_rng(0), 0)
    torch.testing.assert_close(arm.objective(linear, (a, b)), info_nce(linear(a), linear(b)))


def test_a_slow_copy_is_trained_beside_and_not_used():
    arm = self_predicting(net, 16, digit_views(8), EmaTarget(0.9))
    both = arm.net(0)
    steps = arm.update(both, 3)
    before = [p.clone() for p in both.target.parameters()]
    steps.step(arm.objective, arm.batches(np.random.default_rng(0), 0))
    moved_by = [(p - q).abs().max() for p, q in zip(both.target.parameters(), before, strict=True)]
    assert max(moved_by) > 0
    assert arm.deploy(both) is both.net


def test_a_short_training_lets_views_find_each_other(opened):
    views = digit_views(64)
    with opened() as run:
        found = arms(
            run,
            {
                "contrastive": agreeing(net, info_nce, views, Gradient()),
                "predictive": self_predicting(net, 16, views, EmaTarget(0.9)),
            },
            metrics={"found": _found},
            budget=Budget(200),
        )
    share = {arm: own.mean() for arm, own in found.values["found"].items()}
    assert share["contrastive"] > share[UNTRAINED] + 0.1
    assert isinstance(found.nets["predictive"][0], JointEmbedding)


def _found(net: nn.Module, k: int) -> np.ndarray:
    """Whether the nearest of 100 second views is that of the same digit."""
    a, b = (nn.functional.normalize(net(x)) for x in digit_views(100)(np.random.default_rng(5), k))
    return ((a @ b.T).argmax(1) == torch.arange(100)).numpy()
