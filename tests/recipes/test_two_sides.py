"""Two encoders that share a classifier: parts of the loss add up, a side is learnt where it is
weighed, and measures are those of test rows.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA
from torch.nn import functional as F

from inscape.learn import Budget, correlation_loss, transport_loss
from inscape.nets import TwoEncoders
from inscape.recipes.two_sides import (
    Sides,
    Weights,
    pooling_weights,
    side_arms,
    sides_correlation,
    sides_loss,
    sides_named,
)
from inscape.study import arms


def sides(n: int = 400) -> Sides:
    """The label is the sign of the first feature of the second side's third token."""
    torch.manual_seed(0)
    first, second = torch.randn(n, 2, 4), torch.randn(n, 5, 3)
    return Sides(first, second, (second[:, 2, 0] > 0).long(), 300)


def test_the_loss_is_the_weighted_sum_of_its_parts():
    world = sides(32)
    batch = world[:3]
    net = TwoEncoders((2, 4), (5, 3), 2)
    a, b = net(*batch[:2])
    label = batch[2]
    whole = sides_loss(Weights(2, 3, 0.5, 0.25), net, batch)
    parts = 2 * F.cross_entropy(net.head(a), label) + 3 * F.cross_entropy(net.head(b), label)
    parts = parts + 0.5 * correlation_loss(a, b) + 0.25 * transport_loss(a, b)
    assert whole.item() == pytest.approx(parts.item(), rel=1e-5)
    turned = sides_loss(Weights(0, 0, 1, 0, others=True), net, batch)
    others = correlation_loss(torch.cat([a[-1:], a[:-1]]), b)
    assert turned.item() == pytest.approx(others.item(), rel=1e-5)


def test_a_side_is_learnt_where_it_is_weighed_and_pooling_finds_its_token(opened):
    world = sides()
    weights = {"both": Weights(), "first alone": Weights(second=0), "other": Weights(others=True)}
    made = side_arms(weights, [world, world], without="first alone", rate=1e-2)
    assert [arm.role for arm in made.values()] == ["treatment", "baseline", "baseline"]
    with opened() as run:
        found = arms(
            run,
            made,
            metrics={"second": lambda net, k: sides_named(net, world)["second"]},
            budget=Budget(150),
            seeds=2,
        )
    right = {arm: values.mean() for arm, values in found.values["second"].items()}
    assert right["both"] > 0.8 > 0.65 > right["first alone"]
    token = pooling_weights(found.nets["both"][0], world)
    assert token.argmax() == 2
    assert token.sum() == pytest.approx(1, abs=1e-5)


def test_measures_are_of_test_rows_and_agree_with_scikit_learn():
    world, net = sides(), TwoEncoders((2, 4), (5, 3), 2, embedding=2)
    shared = world._replace(second=torch.cat([world.first] * 3, dim=1)[:, :5, :3])
    with torch.no_grad():
        a, b = (x.double().numpy() for x in net(shared.first, shared.second))
        named = net.head(net.first(shared.first[300:])).argmax(dim=1) == shared.label[300:]
    fitted = CCA(2, scale=False, tol=1e-10, max_iter=5000).fit(a[:300], b[:300])
    u, v = fitted.transform(a[300:], b[300:])
    theirs = np.mean([np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(2)])
    assert sides_correlation(net, shared) == pytest.approx(theirs, abs=1e-4)
    assert (sides_named(net, shared)["first"] == named.numpy()).all()
