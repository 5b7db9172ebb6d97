"""The ridge probe."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV

from inscape.core.edit import Add, ProjectOut, Scope
from inscape.core.errors import DataError
from inscape.read.ridge import RidgeProbe

SCOPE = Scope("resid_post.3")


def planted(n=300, d=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 2
    truth = np.zeros(d)
    truth[:2] = 0.6, 0.8
    return x, x @ truth + 0.3 * rng.normal(size=n), truth


def test_a_planted_direction_is_found_and_noise_has_none():
    x, y, truth = planted()
    probe = RidgeProbe().fit(x, y)
    assert probe.direction_ @ truth > 0.99
    assert np.isclose(np.linalg.norm(probe.direction_), 1)
    assert probe.inner_score_ > 0.85
    noise = RidgeProbe().fit(x, np.random.default_rng(1).permutation(y))
    assert noise.inner_score_ < 0.02
    assert noise.alpha_ > probe.alpha_


def test_same_as_scikit_learn_without_scaling():
    x, y, _ = planted(60)
    y2 = np.stack([y, -(y**2)], axis=1)
    alphas = (0.01, 1.0, 100.0)
    theirs, ours = (
        RidgeCV(alphas=alphas, alpha_per_target=True).fit(x, y2),
        RidgeProbe(alphas, scale=False).fit(x, y2),
    )
    assert np.allclose(ours.coef_, theirs.coef_, atol=1e-9)
    assert np.allclose(ours.intercept_, theirs.intercept_, atol=1e-9)
    assert np.allclose(ours.predict(x), theirs.predict(x), atol=1e-9)
    assert ours.coef_.shape == ours.direction_.shape == (2, 12)


def test_groups_ask_for_a_stronger_penalty_where_the_group_is_what_is_recognised():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 15)
    x = (rng.normal(size=(20, 40)) * 3)[groups] + 0.3 * rng.normal(size=(300, 40))
    y = rng.normal(size=20)[groups]
    alone, grouped = RidgeProbe().fit(x, y), RidgeProbe().fit(x, y, groups=groups)
    assert alone.inner_score_ > 0.9
    assert grouped.inner_score_ < 0.3
    assert grouped.alpha_ > alone.alpha_


def test_torch_in_torch_out_with_the_same_numbers():
    x, y, _ = planted(50)
    probe = RidgeProbe().fit(torch.tensor(x), torch.tensor(y))
    out = probe.predict(torch.tensor(x))
    assert isinstance(out, torch.Tensor)
    assert np.allclose(out.numpy(), RidgeProbe().fit(x, y).predict(x))
    assert isinstance(probe.predict(x), np.ndarray)


def test_removing_what_it_reads_leaves_nothing_to_read():
    x, y, _ = planted()
    probe = RidgeProbe((1e-3,)).fit(x, y)
    edit = probe.edit(SCOPE)
    assert isinstance(edit, ProjectOut)
    after = edit.apply(torch.tensor(x)[None])[0]
    assert np.ptp(probe.predict(x)) > 3
    assert np.ptp(probe.predict(after.numpy())) < 1e-8
    added = probe.edit(SCOPE, "add", strength=2.0)
    assert isinstance(added, Add)
    moved = probe.predict(added.apply(torch.tensor(x)[None])[0].numpy()) - probe.predict(x)
    assert np.allclose(moved, 2 * np.linalg.norm(probe.coef_))


def test_several_targets_are_removed_together_even_when_dependent():
    x, y, _ = planted()
    probe = RidgeProbe().fit(x, np.stack([y, 2 * y, x[:, 5]], axis=1))
    edit = probe.edit(SCOPE)
    assert edit.directions.shape == (2, 12)
    assert np.ptp(probe.predict(edit.apply(torch.tensor(x)[None])[0].numpy()), axis=0).max() < 1e-8


def test_refusals():
    x, y, _ = planted(30)
    with pytest.raises(ValueError, match="'add' needs one direction, and this probe has 2"):
        RidgeProbe().fit(x, np.stack([y, x[:, 4]], axis=1)).edit(SCOPE, "add")
    with pytest.raises(ValueError, match="must be 'remove' or 'add', got 'erase'"):
        RidgeProbe().fit(x, y).edit(SCOPE, "erase")
    with pytest.raises(ValueError, match="the probe is flat"):
        RidgeProbe().fit(np.ones((30, 2)), y).edit(SCOPE)
    with pytest.raises(ValueError, match="alphas must be positive"):
        RidgeProbe((0.0,)).fit(x, y)
    with pytest.raises(DataError, match="all rows are in one group"):
        RidgeProbe().fit(x, y, groups=["a"] * 30)


def test_one_penalty_is_plain_ridge():
    x, y, _ = planted(40)
    theirs = Ridge(alpha=3.0).fit(x, y)
    assert np.allclose(RidgeProbe((3.0,), scale=False).fit(x, y).coef_, theirs.coef_)
