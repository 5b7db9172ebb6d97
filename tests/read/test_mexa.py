"""MEXA: pairs that are nearest to each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.read.mexa import mexa, mexa_by_layer, weighted_mean


def test_translations_near_their_source_are_aligned_and_permuted_ones_are_not():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 30))
    near = (
        x @ np.linalg.qr(rng.normal(size=(30, 30)))[0] * 0 + 3 * x + 0.1 * rng.normal(size=x.shape)
    )
    assert mexa(x, near).all()
    assert mexa(x, near[rng.permutation(40)]).mean() < 0.2
    # one direction is not enough: a text that is nearest to all translations is aligned with none
    y = np.ones((3, 2))
    assert not mexa(np.array([[1.0, 1.0], [1.0, 0.9], [0.9, 1.0]]), y).any()


def test_a_slow_loop_agrees():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 4))
    y = x + rng.normal(size=(12, 4))

    def cos(i, j):
        return x[i] @ y[j] / np.linalg.norm(x[i]) / np.linalg.norm(y[j])

    others = [[j for j in range(12) if j != i] for i in range(12)]
    slow = [
        cos(i, i) > max(max(cos(i, j), cos(j, i)) for j in rest) for i, rest in enumerate(others)
    ]
    assert mexa(x, y).tolist() == slow
    assert 0 < np.mean(slow) < 1


def test_one_pair_says_nothing():
    with pytest.raises(ValueError, match="needs two pairs or more"):
        mexa(np.ones((1, 3)), np.ones((1, 3)))


def test_means_are_weighted_by_position_without_the_first_token_or_padding():
    h = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
    lengths = np.array([6, 2, 4])
    found = weighted_mean(h, lengths)
    for x, n, mean in zip(h, lengths, found, strict=True):
        slow = sum(t * x[t].double() for t in range(n)) / sum(range(n))
        assert torch.allclose(mean, slow, atol=1e-12)
    sink = h.clone()
    sink[:, 0] = 1e6
    sink[1, 2:] = -1e6
    assert torch.equal(weighted_mean(sink, lengths), found)
    with pytest.raises(ValueError, match="no token but the first"):
        weighted_mean(h, np.array([6, 1, 4]))


def test_by_layer_every_language_is_compared_with_the_pivot_whatever_the_order():
    rng = np.random.default_rng(3)
    content, language = np.tile(np.arange(10), 3), np.repeat(["en", "sql", "c"], 10)
    meaning = rng.normal(size=(10, 20))
    sql = meaning + 0.01 * rng.normal(size=(10, 20))
    deep = np.concatenate([meaning, sql, rng.normal(size=(10, 20))])
    flat = rng.normal(size=(30, 20))
    order = rng.permutation(30)
    found = mexa_by_layer([flat[order], deep[order]], content[order], language[order], "en")
    assert set(found.cells) == {(name, i) for name in ("sql", "c") for i in (0, 1)}
    assert found.cells["sql", 1].all()
    assert found.cells["c", 1].mean() < 0.4
    assert content[order][found.rows].tolist() == list(range(10))
    assert set(language[order][found.rows]) == {"en"}
    assert found.chance == 1 / 19
    with pytest.raises(ValueError, match="no text is in 'fr'; there are"):
        mexa_by_layer([flat], content, language, "fr")


def test_translations_say_the_same():
    x = np.random.default_rng(0).normal(size=(1, 4, 3))
    with pytest.raises(ValueError, match="do not say what the 2 in 'en' say, each once"):
        mexa_by_layer(x, [0, 1, 0, 2], ["en", "en", "de", "de"], "en")
    with pytest.raises(ValueError, match="the 1 texts in 'fr' do not say what the 3 in 'en' say"):
        mexa_by_layer(x, [0, 1, 2, 2], ["en", "en", "en", "fr"], "en")


def test_states_that_are_no_numbers_are_not_unaligned():
    x = np.random.default_rng(0).normal(size=(4, 3))
    with pytest.raises(ValueError, match="mexa: a side holds NaN or infinite numbers"):
        mexa(np.where(x > 1, np.nan, x), x)
