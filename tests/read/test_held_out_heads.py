"""Heads held out: chosen on training pairs, they write in others what was planted; the nulls write
nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.model import nets

from inscape.core.shares import Shares
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.read.head_writes import head_writes
from inscape.read.held_out_heads import Fold, HeldOut, clearest, held_out, leading, writers

DIRECTIONS = np.linalg.qr(np.random.default_rng(0).normal(size=(nets.D, 3)))[0].T


def stops(tokens, _spans):
    return np.isin(tokens.ids, [nets.tokenizer().convert_tokens_to_ids(c) for c in ",."])


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request):
    return Model(nets.net(request.param), nets.tokenizer())


def planted(n=24, seed=0):
    """Head (1, 2) writes the difference, in both folds; nothing else does; three random directions
    beside it.
    """
    rng = np.random.default_rng(seed)
    train = [0.1 * rng.normal(size=(n, 2, 3, 4)) for _ in range(2)]
    test, groups = 0.1 * rng.normal(size=(2 * n, 2, 3, 4)), np.arange(2 * n) // 2
    for x in [*train, test]:
        x[:, 1, 2, 0] += 1.0
    return HeldOut(
        train,
        [groups[n:], groups[:n]],
        test,
        np.zeros((2 * n, 2, 4)),
        test[..., 0].sum(axis=(1, 2)),
        groups,
        np.repeat([0, 1], n),
    )


def test_the_head_that_writes_is_found_in_training_pairs_and_holds_in_others():
    found = planted()
    assert leading(found.train[0][..., 0], 2)[0].tolist() == [1, 2]
    assert np.allclose(found.led(1), found.test[:, 1, 2, 0])
    share = found.led(1).sum() / found.whole.sum()
    assert 0.8 < share < 1.2
    assert abs(found.led(1, k=1).sum() / found.whole.sum()) < 0.2
    null = found.shuffled(1, 50, np.random.default_rng(0))
    assert np.quantile(np.abs(null), 0.95) < 0.5 < share


PAIRS = Examples(
    pd.DataFrame({"text": ["the river . is", "a river . is", "the sea . is", "a sea . is"]}), "text"
)


def test_folds_are_read_each_along_its_own_and_the_clearest_site_is_the_one_that_differs(model):
    d = [DIRECTIONS[None], DIRECTIONS[None, ::-1]]
    folds = [Fold(PAIRS, PAIRS, np.arange(2), np.arange(2), own) for own in d]
    found, layers = held_out(model, folds, ["resid_post.1"], stops)
    assert layers == [1, 1]
    assert found.test.shape == (4, nets.LAYERS, nets.HEADS, 3)
    assert np.allclose(found.test[2:, ..., 0], found.test[:2, ..., 2], atol=1e-5)
    alone = head_writes(model, PAIRS, 1, DIRECTIONS, stops)
    assert np.allclose(found.whole[:2], alone.stream[::2, 0] - alone.stream[1::2, 0])
    onto = np.repeat(DIRECTIONS[:1], 2, axis=0)
    assert clearest(model, PAIRS, ["embed", "resid_post.1"], onto, stops) in (0, 1)
    # the embeddings of the same full stop do not differ; the stream behind a block does
    up = np.sign(found.whole[0]) * onto
    if found.whole[0] * found.whole[1] > 0:
        assert clearest(model, PAIRS, ["embed", "resid_post.1"], up, stops) == 1


def test_evidence_of_the_writers_stands_beside_both_nulls():
    found = planted()
    made = writers(
        found, Shares(found.groups, np.random.default_rng(1)), 1, 2, np.random.default_rng(2)
    )
    assert [e.where["writer"] for e in made][2:5] == ["all heads", "all MLPs", "layer 1, head 2"]
    first, again, heads, mlps, top, other = made
    assert first.value == pytest.approx(again.value)
    assert first.interval[0] > 0.7 > first.null.high
    assert first.p < 0.05
    assert abs(again.null.mean) < 0.2
    assert heads.value == pytest.approx(1)
    assert mlps.value == 0
    assert top.value == pytest.approx(first.value)
    assert abs(other.value) < 0.2


def test_every_fold_is_looked_at_where_its_training_texts_choose(model):
    sites = ["resid_post.0", "resid_post.1"]
    lines = np.stack([DIRECTIONS[[1, 2]], DIRECTIONS[[2, 0]]])
    folds = [Fold(PAIRS, PAIRS, np.arange(2), np.arange(2), lines)] * 2
    held, layers = held_out(model, folds, sites, stops)
    assert layers[0] == layers[1] == clearest(model, PAIRS, sites, lines[:, 0], stops)
    assert held.test.shape == (4, nets.LAYERS, nets.HEADS, 2)
    assert held.groups.tolist() == [0, 1, 0, 1]
    alone = head_writes(model, PAIRS, layers[0], lines[layers[0]], stops)
    assert np.allclose(held.test[:2], alone.heads[::2] - alone.heads[1::2], atol=1e-5)


@pytest.mark.parametrize("count", [0, -1])
def test_heads_that_lead_are_heads(count):
    with pytest.raises(ValueError, match="leading: count must be a whole number from 1 on"):
        leading(np.ones((4, 2, 3)), count)
