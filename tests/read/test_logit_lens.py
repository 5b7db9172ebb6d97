"""The logit lens and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model import nets

from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.lens_metrics import (
    depth_at,
    early_exit,
    exit_curve,
    exit_depth,
    named,
    others_named,
    spread,
    sureness,
    threshold_for,
)
from inscape.read.logit_lens import logit_lens


def readout(entries=9000, d=12, seed=0, cap=None):
    draw = torch.Generator().manual_seed(seed)
    return Readout(torch.randn(entries, d, generator=draw, dtype=torch.float64), bias=None, cap=cap)


def slowly(read, x, final, targets, k):
    """Every distribution at once, for comparison."""
    p, q = torch.log_softmax(read(x), -1), torch.log_softmax(read(final), -1)
    top = p.topk(k, -1)
    own = p[..., torch.arange(len(targets)), targets]
    kl = (q.exp() * (q - p)).sum(-1)
    rank = (p > own[..., None]).sum(-1)
    return top.indices, top.values, -(p.exp() * p).sum(-1), kl, rank, -own


@pytest.mark.parametrize("cap", [None, 3.0])
def test_streaming_over_the_vocabulary_is_the_whole_softmax(cap):
    read, draw = readout(cap=cap), torch.Generator().manual_seed(1)
    x = torch.randn(3, 20, 12, generator=draw, dtype=torch.float64)
    final, targets = (
        torch.randn(20, 12, generator=draw, dtype=torch.float64),
        torch.arange(20) * 449,
    )
    found = logit_lens(read, x, final, targets, k=7, budget=30_000)
    for ours, theirs in zip(found, slowly(read, x, final, targets, 7), strict=True):
        assert np.allclose(ours, theirs.numpy(), atol=1e-9)
    assert found.kl.min() > 0.1


def test_the_last_layer_is_the_models_own_distribution_and_the_first_is_not():
    model = Model(nets.net("llama"))
    ids = torch.randint(3, nets.VOCABULARY, (1, 30), generator=torch.Generator().manual_seed(0))
    found = model.run(ids, "resid_post.*", logits=True)
    x = torch.stack([v[0] for v in found.values()])
    read = logit_lens(Readout.of(model), x, x[-1], found.logits[0].argmax(-1))
    assert read.kl[-1].max() < 1e-6
    assert (read.rank[-1] == 0).all()
    assert read.kl[0].mean() > 0.01
    log_p = torch.log_softmax(found.logits[0].double(), -1)
    assert np.allclose(read.surprisal[-1], -log_p.max(-1).values, atol=1e-4)
    assert np.allclose(read.entropy[-1], -(log_p.exp() * log_p).sum(-1), atol=1e-4)


def test_one_layer_numpy_and_no_targets():
    read = logit_lens(readout(50), np.random.default_rng(0).normal(size=(5, 12)), k=3)
    assert read.tokens.shape == (5, 3)
    assert np.isnan(read.kl).all()
    assert np.isnan(read.surprisal).all()
    assert (read.rank == -1).all()
    assert (read.confidence >= 0).all()
    assert np.allclose(read.confidence, read.log_probs[:, 0] - read.log_probs[:, 1])


@settings(max_examples=25, deadline=None)
@given(shift=st.floats(-30, 30), seed=st.integers(0, 50))
def test_a_shift_of_all_scores_changes_nothing(shift, seed):
    draw = torch.Generator().manual_seed(seed)
    weight, x = (
        torch.randn(40, 6, generator=draw).double(),
        torch.randn(4, 6, generator=draw).double(),
    )
    plain = logit_lens(Readout(weight), x, x.flip(0), [1, 2, 3, 4], k=3)
    moved = logit_lens(
        Readout(weight, bias=torch.full((40,), shift)), x, x.flip(0), [1, 2, 3, 4], k=3
    )
    for a, b in zip(plain, moved, strict=True):
        assert np.allclose(a, b, atol=1e-9)


def test_refusals():
    read, x = readout(20), np.zeros((4, 12))
    with pytest.raises(ValueError, match=r"x must be \(n, d\) or \(layers, n, d\)"):
        logit_lens(read, x[0])
    with pytest.raises(ValueError, match=r"final must be \(4, 12\) like x"):
        logit_lens(read, x, x[:3])
    with pytest.raises(ValueError, match="one entry for each of 4 rows"):
        logit_lens(read, x, targets=[1, 2])
    with pytest.raises(ValueError, match="k must be between 1 and the 20 entries, got 21"):
        logit_lens(read, x, k=21)


# ------------------------------------------------------------------------------------------------------------- metrics


def sharpening(layers=8, n=400, seed=0):
    """Rows that become right and confident at a layer of their own."""
    rng = np.random.default_rng(seed)
    settled = rng.integers(1, layers, n)
    final = rng.integers(0, 50, n)
    right = np.arange(layers)[:, None] >= settled
    tokens = np.where(right, final, 99)
    return np.where(right, 0.9, rng.uniform(0, 0.4, (layers, n))), tokens, final, settled


def test_rows_leave_where_they_are_settled():
    confidence, tokens, final, settled = sharpening()
    found = early_exit(confidence, tokens, final, 0.5)
    assert (found.layer == settled).all()
    assert found.kept.all()
    hasty = early_exit(confidence, tokens, final, 0.0)
    assert (hasty.layer == 0).all()
    assert not hasty.kept.any()
    never = early_exit(confidence, tokens, final, float("inf"))
    assert (never.layer == 7).all()


def test_the_threshold_chosen_is_the_cheapest_that_keeps_enough():
    confidence, tokens, final, settled = sharpening()
    t = threshold_for(confidence, tokens, final, 0.95)
    found = early_exit(confidence, tokens, final, t)
    assert found.kept.mean() >= 0.95
    assert found.layer.mean() <= settled.mean()
    assert threshold_for(confidence, tokens, final + 1, 0.95) == float("inf")
    # a lens that is sure of everything in another unit is given thresholds of its own
    same = early_exit(
        1e3 + confidence, tokens, final, threshold_for(1e3 + confidence, tokens, final, 0.95)
    )
    assert same.layer.mean() == found.layer.mean()
    with pytest.raises(ValueError, match=r"retention must be in \(0, 1\], got 2.0"):
        threshold_for(confidence, tokens, final, 2.0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_higher_threshold_never_leaves_earlier(seed):
    rng = np.random.default_rng(seed)
    confidence, tokens = rng.random((5, 30)), rng.integers(0, 3, (5, 30))
    curve = exit_curve(confidence, tokens, tokens[-1], np.linspace(0, 1, 11))
    assert (np.diff(curve[:, 0]) >= 0).all()


def test_precision():
    tokens = np.array([[[4, 7, 1], [2, 3, 9]], [[7, 4, 1], [9, 3, 2]]])
    assert named(tokens, np.array([7, 9]), 1).mean(axis=1).tolist() == [0.0, 1.0]
    assert named(tokens, np.array([7, 9]), 3).all()
    with pytest.raises(ValueError, match="k must be between 1 and the 3 tokens given, got 4"):
        named(tokens, np.array([7, 9]), 4)


def test_depth_at_equal_retention_is_read_off_the_curve():
    depth, kept = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.9, 1.0])
    assert depth_at(depth, kept, 0.9) == 2.0
    assert depth_at(depth, kept, 0.95) == pytest.approx(3.0)
    # a threshold that exits later and keeps less is not on the curve
    assert depth_at(np.append(depth, 3.0), np.append(kept, 0.6), 0.95) == pytest.approx(3.0)


def test_exit_depth_is_what_a_loop_over_left_out_groups_gives():
    rng = np.random.default_rng(0)
    own, groups = rng.integers(5, size=60), np.repeat(np.arange(6), 10)
    sure = rng.random((4, 60))
    tokens = np.where(rng.random((4, 60)) < sure, own, -1)
    sure, tokens = np.vstack([sure, np.full(60, np.inf)]), np.vstack([tokens, own])
    found = exit_depth(sure, tokens, own, groups, 0.9)
    grid = np.append(spread(sure, 400), np.inf)
    for g in range(6):
        rest = groups != g
        curve = exit_curve(sure[:, rest], tokens[:, rest], own[rest], grid)
        assert found.without[g] == pytest.approx(depth_at(curve[:, 0], curve[:, 1], 0.9))
    assert 0 < found.value < 4
    later = exit_depth(sure, tokens, own, groups, 1.0)
    assert later.value > found.value
    decaying = exit_depth(sure, tokens, own, groups, 0.9, position=np.linspace(0, 1, 60))
    assert decaying.value != found.value
    with pytest.raises(ValueError, match="retention must be in"):
        exit_depth(sure, tokens, own, groups, 0.0)


def test_no_row_leaves_at_the_first_layer_and_every_row_at_the_last():
    p = np.log(np.array([[[0.9, 0.1], [0.5, 0.4]], [[0.6, 0.3], [0.7, 0.2]]]))
    tokens = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    found = sureness(p, tokens, np.array([9, 9]))
    assert found.tokens.tolist() == [[1, 3], [5, 7], [9, 9]]
    assert np.isneginf(found.margin[0]).all()
    assert np.isposinf(found.lead[-1]).all()
    np.testing.assert_allclose(found.lead[1], [0.3, 0.5])
    np.testing.assert_allclose(found.margin[1], np.log([2.0, 3.5]))


def test_tokens_of_others_and_curves_of_documents_need_two():
    with pytest.raises(ValueError, match="two rows or more, or there is no other"):
        others_named(np.array([1]), np.array([1]))
    own = np.array([1, 1, 2])  # two rows of one token name each other's
    assert others_named(own, own).tolist() == [0.5, 0.5, 0.0]
    assert others_named(np.array([2, 9, 1]), own).tolist() == [0.5, 0.0, 1.0]
    with pytest.raises(ValueError, match="no confidence is finite"):
        spread(np.full((2, 3), -np.inf))
    sure, tokens = np.ones((2, 3)), np.ones((2, 3), dtype=int)
    with pytest.raises(ValueError, match="all rows are of one group"):
        exit_depth(sure, tokens, tokens[0], np.zeros(3, dtype=int))
