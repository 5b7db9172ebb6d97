"""Hidden frames found among the others: the loss by hand, its limits, and where spans fall."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.learn.masked_contrast import frame_scores, masked_contrast, span_mask


def test_the_loss_is_its_formula():
    torch.manual_seed(0)
    found, true = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    hidden = torch.tensor([[1, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]]).bool()
    losses = []
    for i in range(3):
        for t in hidden[i].nonzero().ravel():
            cosine = torch.nn.functional.cosine_similarity(found[i, t], true[i][hidden[i]], dim=1)
            own = torch.nn.functional.cosine_similarity(found[i, t], true[i, t], dim=0)
            losses.append(float(torch.logsumexp(cosine / 0.2, 0) - own / 0.2))
    loss = masked_contrast(found, true, hidden, 0.2)
    assert float(loss) == pytest.approx(np.mean(losses), abs=1e-12)
    seen = frame_scores(found, true, hidden)
    assert torch.isinf(seen[1, :, 0]).all()
    assert torch.isfinite(seen[1, :, 1]).all()


def test_frames_that_are_not_hidden_change_nothing():
    torch.manual_seed(0)
    found, true = torch.randn(2, 2, 6, 5)
    hidden = torch.tensor([[1, 1, 0, 0, 1, 0]] * 2).bool()
    other = torch.where(hidden[..., None], true, torch.randn(2, 6, 5))
    assert torch.equal(masked_contrast(found, true, hidden), masked_contrast(found, other, hidden))
    guess = masked_contrast(torch.ones(2, 6, 5), torch.ones(2, 6, 5), hidden)
    assert float(guess) == pytest.approx(np.log(3), abs=1e-5)
    assert masked_contrast(10 * torch.eye(6)[None], torch.eye(6)[None], hidden[:1]) < 1e-3


def test_spans_are_whole_and_of_about_the_share():
    hidden = span_mask(400, 64, share=0.4, span=6, rng=np.random.default_rng(0)).numpy()
    assert 0.33 < hidden.mean() < 0.45
    assert hidden.any(axis=1).all()
    padded = np.pad(hidden, ((0, 0), (1, 1))).astype(int)
    for row in padded:
        starts, ends = (np.flatnonzero(np.diff(row) == sign) for sign in (1, -1))
        assert (ends - starts >= 6).all()
    assert span_mask(3, 6, span=6, rng=np.random.default_rng(0)).all()


def test_what_hides_nothing_is_refused():
    with pytest.raises(ValueError, match="no frame is hidden"):
        masked_contrast(torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.zeros(1, 2).bool())
    with pytest.raises(ValueError, match="a span within the 8 frames, got 0.4 and 9"):
        span_mask(2, 8, span=9, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="share must be between 0 and 1"):
        span_mask(2, 8, share=1.0, rng=np.random.default_rng(0))


def test_masked_contrasts_need_a_positive_temperature():
    x = torch.ones(1, 3, 4)
    with pytest.raises(ValueError, match="masked_contrast: temperature must be positive, got 0.0"):
        masked_contrast(x, x, torch.ones(1, 3, dtype=torch.bool), 0.0)
