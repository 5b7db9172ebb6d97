"""Description lengths, and the labels that only memory can give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from inscape.read.control_task import control_labels
from inscape.read.mdl import online_codelength


def planted(n=400, d=6, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, (x[:, :3] + noise * rng.normal(size=(n, 3))).argmax(axis=1)


def test_a_label_that_is_there_takes_few_bits_and_a_shuffled_one_all_of_them():
    x, y = planted()
    labels = np.stack([y, np.random.default_rng(1).permutation(y)], axis=1)
    found = online_codelength(x, labels, rng=np.random.default_rng(0))
    assert found.uniform == pytest.approx(400 * np.log2(3))
    assert found.compression[0] > 1.8
    assert found.compression[1] < 1.05
    assert np.allclose(found.blocks.sum(axis=0), found.bits)
    assert found.ends[-1] == 400


def test_a_block_costs_what_the_probe_of_the_rows_before_it_says():
    """The slow clear version, one block: fit on half, send half."""
    x, y = planted(200)
    found = online_codelength(
        x, y[:, None], rng=np.random.default_rng(3), fractions=(0.5, 1.0), Cs=(1.0,)
    )
    order = np.random.default_rng(3).permutation(200)
    first, rest = order[:100], order[100:]
    scale = (x[first] - x[first].mean(axis=0)).std()
    probe = LogisticRegression(C=1.0, tol=1e-10, max_iter=5000).fit(x[first] / scale, y[first])
    p = probe.predict_proba(x[rest] / scale)[np.arange(100), y[rest]]
    want = 100 * np.log2(3) - np.log2(p * (1 - 1 / 101) + 1 / 101 / 3).sum()
    assert found.bits[0] == pytest.approx(want, abs=0.3)


def test_the_same_accuracy_from_a_harder_reading_takes_more_bits():
    """Turning up the noise on all but many weak copies: effort shows in the length before it shows
    in the last fold.
    """
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=600)
    easy = np.column_stack([2.0 * y, np.zeros((600, 99))]) + 0.5 * rng.normal(size=(600, 100))
    hard = 0.2 * np.outer(y, np.ones(100)) + 0.5 * rng.normal(size=(600, 100)) * 1.0
    hard = hard @ np.linalg.qr(rng.normal(size=(100, 100)))[0]
    lengths = [
        online_codelength(x, y[:, None], rng=np.random.default_rng(1)).bits[0] for x in (easy, hard)
    ]
    assert lengths[1] > lengths[0]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 500))
def test_names_of_classes_and_a_turn_of_the_space_change_no_length(seed):
    x, y = planted(120, seed=seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    plain = online_codelength(x, y[:, None], rng=np.random.default_rng(0))
    other = online_codelength(x @ turn + 3, ((y + 1) % 3)[:, None], rng=np.random.default_rng(0))
    assert plain.bits[0] == pytest.approx(other.bits[0], rel=0.02)


def test_groups_are_sent_whole_so_that_each_is_new_when_it_comes():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    x = 3 * rng.normal(size=(30, 40))[groups] + 0.3 * rng.normal(size=(300, 40))
    y = rng.integers(2, size=30)[groups]
    mixed = online_codelength(x, y[:, None], rng=np.random.default_rng(0))
    whole = online_codelength(x, y[:, None], rng=np.random.default_rng(0), groups=groups)
    assert mixed.compression[0] > 1.5
    assert whole.compression[0] < 1.1


def test_a_control_task_is_constant_within_types_and_selectivity_tells_memory_from_meaning():
    rng = np.random.default_rng(0)
    types = rng.integers(40, size=2000)
    y = (types % 2 == 0).astype(int)
    control = control_labels(types, y, 50, rng=rng)
    assert all(len(np.unique(control[types == t], axis=0)) == 1 for t in range(40))
    assert abs(control.mean() - y.mean()) < 0.05
    assert len(np.unique(control_labels(types, y, 50, rng=rng)[0])) == 2
    spelled = np.eye(40)[types]  # says which type it is and nothing else
    lengths = online_codelength(spelled, np.column_stack([y, control[:, :5]]), rng=rng).compression
    assert lengths[0] == pytest.approx(lengths[1:].mean(), rel=0.15)


def test_refusals():
    x, y = planted(50)
    with pytest.raises(ValueError, match="fractions must ascend to 1"):
        online_codelength(x, y[:, None], rng=np.random.default_rng(0), fractions=(0.5, 0.4, 1.0))
    with pytest.raises(ValueError, match="labels hold one class only"):
        online_codelength(x, np.zeros((50, 1), dtype=int), rng=np.random.default_rng(0))


def test_labels_are_codes_of_finite_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 2)), (np.arange(20) % 2)[:, None]
    for wrong in ((x, y - 1), (np.where(x > 1, np.nan, x), y)):
        with pytest.raises(ValueError, match="needs finite x and labels 0"):
            online_codelength(*wrong, rng=rng)
