"""Attention knockout: the weights that are left are shared out anew, nothing else changes, nothing
stays behind.
"""

from __future__ import annotations

import pytest
import torch

from inscape.control.attention_knockout import attention_knockout
from inscape.core.errors import ModelError
from inscape.model.model import Model
from tests.model.nets import HEADS, live_hooks, net, tokenizer

TEXT = "the river rises in the mountain"


def masks(queries, keys, positions=6):
    out = torch.zeros(2, 1, positions, dtype=torch.bool)
    out[0, 0, list(queries)] = True
    out[1, 0, list(keys)] = True
    return out[0], out[1]


@pytest.mark.parametrize("family", ["llama", "gpt2", "neox", "opt", "gemma3"])
def test_weights_left_are_shared_out_anew(family):
    model = Model(net(family), tokenizer(), family)
    before = model.run(TEXT, ["pattern.1", "v.1", "z.1", "resid_post.1"])
    queries, keys = masks([5], [1, 2])
    with attention_knockout(model, [1], queries, keys):
        after = model.run(TEXT, ["pattern.1", "z.1", "resid_post.1"])
        fused = model.run(TEXT, ["z.1"])["z.1"]
    weights = before["pattern.1"].clone()
    assert weights[0, :, 5, [1, 2]].min() > 0  # there was something to take
    weights[0, :, 5, [1, 2]] = 0
    weights /= weights.sum(dim=-1, keepdim=True)
    torch.testing.assert_close(after["pattern.1"], weights, atol=1e-5, rtol=1e-4)
    values = before["v.1"][0].unflatten(-1, (-1, before["z.1"].shape[-1] // HEADS)).transpose(0, 1)
    values = values.repeat_interleave(HEADS // len(values), dim=0)
    z = (weights[0] @ values).transpose(0, 1).flatten(1)
    torch.testing.assert_close(after["z.1"][0], z, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(fused, after["z.1"], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(after["z.1"][0, :5], before["z.1"][0, :5], atol=1e-5, rtol=1e-4)


def test_what_cannot_be_looked_at_cannot_matter():
    model = Model(net("llama"), tokenizer(), "toy")
    texts = [TEXT, "a good rises in the mountain"]  # they differ in the first two tokens alone
    queries, keys = masks(range(2, 6), [0, 1])
    queries, keys = queries.repeat(2, 1), keys.repeat(2, 1)
    last = [model.run(texts, "resid_post.2")["resid_post.2"][:, -1]]
    with attention_knockout(model, range(3), queries, keys):
        last.append(model.run(texts, "resid_post.2")["resid_post.2"][:, -1])
    assert (last[0][0] - last[0][1]).norm() > 0.1
    assert (last[1][0] - last[1][1]).norm() < 1e-4
    with attention_knockout(model, range(3), torch.zeros_like(queries), keys):
        torch.testing.assert_close(model.run(texts, "resid_post.2")["resid_post.2"][:, -1], last[0])


def test_nothing_is_left_behind():
    model = Model(net("llama"), tokenizer(), "toy")
    hooks = live_hooks(model.net)
    with pytest.raises(KeyError), attention_knockout(model, [0, 1], *masks([5], [1])):
        assert live_hooks(model.net) == hooks + 2
        raise KeyError
    assert live_hooks(model.net) == hooks


def test_what_is_refused():
    model = Model(net("llama"), tokenizer(), "toy")
    queries, keys = masks([5], [1])
    with (
        pytest.raises(ValueError, match="no position left to look at"),
        attention_knockout(model, [0], *masks([0], [0])),
    ):
        pass
    with (
        pytest.raises(ValueError, match="must have one shape"),
        attention_knockout(model, [0], queries, keys[:, :4]),
    ):
        pass
    plain = Model(torch.nn.Sequential(torch.nn.Linear(2, 2)), name="plain")
    with (
        pytest.raises(ModelError, match="plain has no attention"),
        attention_knockout(plain, [0], queries, keys),
    ):
        pass
    model.atlas.place = lambda _site: type("Place", (), {"module": model.net.lm_head, "calls": 1})()
    with (
        pytest.raises(ModelError, match="is not handed a mask"),
        attention_knockout(model, [0], queries, keys),
    ):
        model.run(TEXT, logits=True)
