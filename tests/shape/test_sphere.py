"""Anisotropy, alignment, uniformity, LiDAR and neural collapse: formulas, limits, and their
negations.
"""

import itertools

import numpy as np
import pytest

from inscape.shape.alignment_uniformity import alignment, uniformity
from inscape.shape.anisotropy import anisotropy
from inscape.shape.lidar import lidar
from inscape.shape.neural_collapse import neural_collapse


def rng(seed=0):
    return np.random.default_rng(seed)


def test_anisotropy_is_the_mean_cosine_of_all_pairs():
    x = rng().normal(size=(30, 6)) + 0.5
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    pairs = [u[i] @ u[j] for i, j in itertools.combinations(range(30), 2)]
    found = anisotropy(x)
    assert found.cosine == pytest.approx(np.mean(pairs))
    assert abs(found.centred) < 0.06 < found.cosine
    loud = np.concatenate([x, np.full((30, 1), 40.0)], axis=1)
    assert anisotropy(loud).cosine > 0.9
    assert anisotropy(loud).largest > 0.9
    assert abs(anisotropy(rng().normal(size=(2000, 50))).cosine) < 0.01
    with pytest.raises(ValueError, match="1 rows are zero and have no direction"):
        anisotropy(np.eye(3)[:, :2])


def test_uniformity_leaves_out_an_item_with_itself():
    x = rng().normal(size=(64, 10))
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    pairs = [
        np.exp(-2 * np.sum((u[i] - u[j]) ** 2)) for i, j in itertools.permutations(range(64), 2)
    ]
    assert uniformity(5 * x) == pytest.approx(np.log(np.mean(pairs)))
    with_itself = np.log((np.sum(pairs) + 64) / 64**2)
    assert with_itself > uniformity(x) + 0.3
    assert uniformity(np.ones((5, 3))) == pytest.approx(0)
    assert uniformity(rng().normal(size=(300, 2000))) == pytest.approx(-4, abs=0.05)


def test_alignment_is_the_distance_of_views():
    x = rng().normal(size=(50, 8))
    assert alignment(x, 3 * x) == pytest.approx(0)
    near, far = x + 0.1 * rng(1).normal(size=x.shape), rng(2).normal(size=x.shape)
    assert 0 < alignment(x, near) < 0.1 < alignment(x, far)
    assert alignment(x, far, alpha=1.0) == pytest.approx(
        np.mean(
            [
                np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b))
                for a, b in zip(x, far, strict=True)
            ]
        )
    )
    with pytest.raises(ValueError, match="give two views of the same items"):
        alignment(x, x[1:])
    with pytest.raises(ValueError, match="has a row of zeros"):
        alignment(np.zeros((2, 2)), np.eye(2))
    with pytest.raises(ValueError, match="t must be positive"):
        uniformity(x, t=0.0)


def views(n, q=4, d=40, rank=12, seed=0):
    r = rng(seed)
    item = r.normal(size=(n, rank)) @ np.eye(rank, d)
    return np.repeat(item, q, axis=0) + 0.3 * r.normal(size=(n * q, d)), np.repeat(np.arange(n), q)


def test_lidar_is_its_formula_and_finds_the_planted_directions():
    x, groups = views(60)
    means = np.stack([x[groups == g].mean(0) for g in range(60)])
    within = sum(np.outer(v - means[g], v - means[g]) for v, g in zip(x, groups, strict=True)) / (
        60 * 3
    ) + 1e-4 * np.eye(40)
    m = means - means.mean(0)
    w, v = np.linalg.eigh(within)
    root = (v / np.sqrt(w)) @ v.T
    lam = np.clip(np.linalg.eigvalsh(root @ (m.T @ m / 59) @ root), 0, None)
    p = lam / lam.sum() + 1e-7
    assert lidar(x, groups) == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-6)
    assert 10 < lidar(x, groups) < 20
    order = rng().permutation(len(x))
    assert lidar(x[order], groups[order]) == pytest.approx(lidar(x, groups))
    # shuffled groups: nothing tells items apart, and all directions count alike
    assert lidar(x, rng().permutation(groups)) > 25


def test_lidar_grows_with_the_items_and_is_capped_by_them():
    sizes = [lidar(*views(n, d=60, rank=60)) for n in (10, 40, 160)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 9.5 < sizes[1] < 39.5
    x, groups = views(10)
    with pytest.raises(ValueError, match="10 items have 3 to 4 views"):
        lidar(x[1:], groups[1:])
    with pytest.raises(ValueError, match="means are all the same"):
        lidar(np.tile(np.array([[1.0], [-1.0]]), (4, 2)), np.repeat(np.arange(4), 2))


def collapsed(k=4, each=20, d=9, noise=0.0):
    simplex = np.eye(k) - 1 / k
    means = simplex @ np.linalg.qr(rng().normal(size=(d, d)))[0][:k]
    labels = np.repeat(np.arange(k), each)
    return 3 + means[labels] + noise * rng(1).normal(size=(k * each, d)), labels, means


def test_full_collapse_is_zero_in_all_and_noise_is_not():
    x, labels, means = collapsed()
    found = neural_collapse(x, labels, 5 * means, -5 * means @ np.full(9, 3.0))
    assert max(found) == pytest.approx(0, abs=1e-12)
    noisy, labels, means = collapsed(noise=0.4)
    found = neural_collapse(noisy, labels, rng(3).normal(size=means.shape))
    assert found.nc1 > 0.3
    assert found.nc2_angles > 0.01
    assert found.nc2_norms > 0.01
    assert found.nc3 > 0.8
    assert found.nc4 > 0.2
    assert neural_collapse(noisy, labels).nc3 is None


def test_nc1_is_its_formula():
    x, labels, _ = collapsed(noise=0.4)
    means = np.stack([x[labels == c].mean(0) for c in range(4)])
    within = sum(np.outer(v - means[c], v - means[c]) for v, c in zip(x, labels, strict=True)) / 80
    m = means - means.mean(0)
    expected = np.trace(within @ np.linalg.pinv(m.T @ m / 4, rcond=1e-9)) / 4
    assert neural_collapse(x, labels).nc1 == pytest.approx(expected)


def test_what_has_no_classes_is_refused():
    x, labels, means = collapsed()
    with pytest.raises(ValueError, match="there is one class"):
        neural_collapse(x, np.zeros(len(x)))
    with pytest.raises(ValueError, match="the class means coincide"):
        neural_collapse(np.ones((8, 2)), np.arange(8) % 2)
    with pytest.raises(ValueError, match=r"weight has shape \(3, 9\), and 4 classes of 9 features"):
        neural_collapse(x, labels, means[1:])
