"""Linear shortcuts between layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from inscape.core.edit import Scope
from inscape.read.linear_shortcut import Shortcut, ShortcutMoments, explained


def layers(n=600, d=6, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    a = np.random.default_rng(99).normal(size=(d, d))
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) + 5
    return x, x @ a.T + 3 + noise * rng.normal(size=(n, d)), a


def streamed(x, y, parts=3, batch=50, pairs=(("x", "y"),), **more):
    moments = ShortcutMoments(pairs)
    for i in range(0, len(x), batch):
        moments.add({"x": x[i : i + batch], "y": y[i : i + batch], **more}, part=i // batch % parts)
    return moments


def test_a_linear_step_is_found_and_read_better_than_by_the_identity():
    x, y, a = layers()
    found = streamed(x, y).fit()["x", "y"]
    fresh, truth, _ = layers(seed=1)
    assert np.allclose(found.weight, a, atol=0.05)
    assert explained(truth, found(fresh)) > 0.99
    assert found.inner > 0.99
    assert explained(truth, Shortcut.identity(6)(fresh)) < 0.5


@pytest.mark.parametrize("y", [np.full((9, 3), 0.1), np.ones((1, 3)), np.ones((0, 3))])
def test_targets_that_are_all_the_same_have_no_variance_to_explain(y):
    for predicted in (y, y + 1):
        with pytest.raises(ValueError, match="rows of y are all the same, so R² is undefined"):
            explained(y, predicted)


def test_unrelated_layers_give_the_mean_and_no_more():
    x, y, _ = layers()
    moments = streamed(x, np.random.default_rng(1).permutation(y))
    found = moments.fit()["x", "y"]
    assert abs(found.inner) < 0.05
    assert (
        np.linalg.norm(found(x) - y.mean(axis=0), axis=1).max()
        < 0.5 * np.linalg.norm(y - y.mean(axis=0), axis=1).max()
    )
    shift = moments.mean_shift("x", "y")
    assert np.allclose(shift(x).mean(axis=0), y.mean(axis=0), atol=1e-4)
    assert np.allclose(shift.weight, np.eye(6))


def test_it_is_scikit_learns_ridge():
    x, y, _ = layers(noise=3.0)
    scale = ((x - x.mean(0)) ** 2).mean()
    for alpha in (1e-2, 10.0):
        found = streamed(x, y).fit(alphas=[alpha])["x", "y"]
        theirs = Ridge(alpha=alpha * scale).fit(x, y)
        assert np.allclose(found.weight, theirs.coef_, atol=1e-8)
        assert np.allclose(found.bias, theirs.intercept_, atol=1e-6)


def test_the_penalty_chosen_is_the_one_that_refitting_chooses():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 40))
    y = x @ rng.normal(size=(40, 5)) + 6 * rng.normal(size=(90, 5))
    grid, parts = np.logspace(-3, 5, 7), np.arange(90) // 30 % 3
    found = streamed(x, y, batch=30).fit(grid)["x", "y"]
    errors = np.zeros(len(grid))
    for k in range(3):
        a, b = parts != k, parts == k
        scale = ((x[a] - x[a].mean(0)) ** 2).mean()
        for i, alpha in enumerate(grid):
            errors[i] += (
                (y[b] - Ridge(alpha=alpha * scale).fit(x[a], y[a]).predict(x[b])) ** 2
            ).sum()
    assert found.alpha == grid[errors.argmin()]
    assert 0 < errors.argmin() < 6
    base = sum(((y[parts == k] - y[parts != k].mean(0)) ** 2).sum() for k in range(3))
    assert found.inner == pytest.approx(1 - errors.min() / base, abs=1e-9)


def test_a_map_of_low_rank_has_that_rank_and_is_the_best_of_it():
    x, y, _ = layers(noise=0.0)
    moments = streamed(x, y)
    scores = []
    for rank in (1, 3, 6):
        found = moments.limit("x", "y", moments.fit([1e-9])["x", "y"], rank)
        assert np.linalg.matrix_rank(found.weight, tol=1e-6) == rank
        scores.append(explained(y, found(x)))
    assert scores[0] < scores[1] < scores[2]
    centred = y - y.mean(
        0
    )  # the map is exact, so the best is the truncated principal component analysis of y
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2
    assert scores[0] == pytest.approx(spectrum[0] / spectrum.sum(), abs=1e-6)


def test_several_targets_share_a_source_and_change_nothing():
    x, y, _ = layers()
    z = y[:, :2] ** 2
    moments = ShortcutMoments([("x", "y"), ("x", "z"), ("y", "z")])
    for part in (0, 1):
        rows = slice(part * 300, part * 300 + 300)
        moments.add({"x": x[rows], "y": y[rows], "z": z[rows]}, part)
    found = moments.fit()
    alone = ShortcutMoments([("x", "z")])
    for part in (0, 1):
        rows = slice(part * 300, part * 300 + 300)
        alone.add({"x": x[rows], "z": z[rows]}, part)
    assert list(found) == [("x", "y"), ("x", "z"), ("y", "z")]
    assert np.allclose(found["x", "z"].weight, alone.fit()["x", "z"].weight, atol=1e-9)
    assert found["x", "z"].weight.shape == (2, 6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), batch=st.integers(7, 200))
def test_batches_and_rotations_change_nothing(seed, batch):
    x, y, _ = layers(n=210, seed=seed, noise=2.0)
    once = streamed(x, y, parts=1, batch=210).fit([0.1])["x", "y"]
    assert np.allclose(
        streamed(x, y, parts=1, batch=batch).fit([0.1])["x", "y"].weight, once.weight, atol=1e-7
    )
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    turned = streamed(x @ q, y, parts=1, batch=210).fit([0.1])["x", "y"]
    assert np.allclose(turned.weight @ q.T, once.weight, atol=1e-7)


def test_the_edit_is_the_map_and_torch_stays_torch():
    x, y, _ = layers()
    found = streamed(x, y).fit()["x", "y"]
    rows = torch.tensor(x[:5], dtype=torch.float32)
    assert isinstance(found(rows), torch.Tensor)
    assert torch.allclose(found.edit(Scope("resid_post.0")).apply(rows), found(rows), atol=1e-3)


def test_refusals():
    x, y, _ = layers(60)
    with pytest.raises(ValueError, match="needs at least one pair"):
        ShortcutMoments([])
    with pytest.raises(ValueError, match="1 parts cannot choose among 10 penalties"):
        streamed(x, y, parts=1).fit()
    with pytest.raises(ValueError, match="states of y are missing"):
        ShortcutMoments([("x", "y")]).add({"x": x})
    with pytest.raises(ValueError, match="rows differ between sites"):
        ShortcutMoments([("x", "y")]).add({"x": x, "y": y[:3]})
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        streamed(x, y).limit("x", "y", Shortcut.identity(6), 0)


def test_the_map_without_an_intercept_is_least_squares_through_the_origin():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 4)) + 2
    y = x @ rng.normal(size=(4, 4)) + 5 + 0.1 * rng.normal(size=(300, 4))
    moments = ShortcutMoments([("a", "b")])
    for part, rows in enumerate((slice(0, 100), slice(100, 300))):
        moments.add({"a": x[rows], "b": y[rows]}, part)
    fit = moments.through_origin("a", "b", 0.0)
    expected = np.linalg.lstsq(x, y, rcond=None)[0].T
    assert np.allclose(fit.weight, expected, atol=1e-8)
    assert not fit.bias.any()
    assert not np.allclose(fit.weight, moments.fit([1e-9])["a", "b"].weight, atol=0.1)


def test_states_that_are_not_finite_are_not_summed():
    moments = ShortcutMoments([("a", "b")])
    x = np.random.default_rng(0).normal(size=(6, 2))
    with pytest.raises(ValueError, match="states of b hold NaN or infinite numbers"):
        moments.add({"a": x, "b": np.where(x > 1, np.nan, x) * np.inf})
    assert moments.n == 0
