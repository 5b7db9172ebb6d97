"""Attention: forms against each other, against loops and against PyTorch's own."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from inscape.learn.cost import cost
from inscape.nets.encoder import Encoder, Mixing, softmax_attention
from inscape.nets.relu_attention import relu_attention
from inscape.nets.taylor_shift import TaylorShift, switch_length, taylor_attention


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(random(*shape, seed=seed), dim=-1)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 12),
    d=st.integers(1, 6),
    order=st.sampled_from([1, 2]),
    seed=st.integers(0, 10**6),
)
def test_both_forms_are_the_double_loop(n, d, order, seed):
    # the first order is a weighting only where 1 + s is positive
    q, k, v = 0.9 * unit(n, d, seed=seed), unit(n, d, seed=seed + 1), random(n, 3, seed=seed + 2)
    slow = []
    for i in range(n):
        scores = [float(q[i] @ k[j]) for j in range(n)]
        weights = [1 + s + (s * s / 2 if order == 2 else 0) for s in scores]
        slow.append(sum(w * v[j] for j, w in enumerate(weights)) / sum(weights))
    for form in ("direct", "efficient", "auto"):
        found = taylor_attention(q, k, v, form, order)
        assert torch.allclose(found, torch.stack(slow), atol=1e-10)


def test_the_series_is_near_the_softmax_where_scores_are_small():
    q, k, v = 0.1 * unit(2, 20, 8), unit(2, 20, 8, seed=1), random(2, 20, 8, seed=2)
    exact = F.scaled_dot_product_attention(q, k, v, scale=1.0)
    second = (taylor_attention(q, k, v) - exact).abs().max()
    first = (taylor_attention(q, k, v, order=1) - exact).abs().max()
    assert float(second) < 1e-3
    assert float(second) < float(first) / 10
    assert (
        float(
            (
                taylor_attention(30 * q, k, v)
                - F.scaled_dot_product_attention(30 * q, k, v, scale=1.0)
            )
            .abs()
            .max()
        )
        > 0.05
    )


def test_weights_are_positive_at_any_temperature():
    # with the identity for values, what comes out are the weights themselves
    q, k = 20 * unit(10, 4), unit(10, 4, seed=1)
    weights = taylor_attention(q, k, torch.eye(10, dtype=torch.float64))
    assert float(weights.min()) > 0
    assert torch.allclose(weights.sum(1), torch.ones(10, dtype=torch.float64))
    assert float(taylor_attention(q, k, torch.eye(10, dtype=torch.float64), order=1).min()) < 0


def test_the_switch_takes_the_form_that_does_less_work():
    d = 4
    assert switch_length(d) == 21

    def flops(n: int, form: str) -> int:
        q, k, v = unit(n, d), unit(n, d, seed=1), random(n, d, seed=2)
        return cost(lambda: taylor_attention(q, k, v, form)).flops

    assert flops(10, "auto") == flops(10, "direct") < flops(10, "efficient")
    assert flops(200, "auto") == flops(200, "efficient") < flops(200, "direct")
    # twice the tokens: four times the work of the one, twice that of the other
    assert flops(400, "direct") == 4 * flops(200, "direct")
    assert flops(400, "efficient") == 2 * flops(200, "efficient")


def test_the_module_normalises_and_scales():
    q, k, v = random(2, 3, 7, 4), random(2, 3, 7, 4, seed=1), random(2, 3, 7, 4, seed=2)
    made = TaylorShift(3).double()
    with torch.no_grad():
        made.temperature.copy_(torch.tensor([0.5, 1.0, 2.0])[:, None, None])
    found = made(q, k, v)
    for head, tau in enumerate((0.5, 1.0, 2.0)):
        one, other = F.normalize(q[:, head], dim=-1) * tau, F.normalize(k[:, head], dim=-1)
        own = taylor_attention(one, other, v[:, head]) * math.sqrt(7 / 4)
        assert torch.allclose(found[:, head], own, atol=1e-12)
    assert torch.allclose(found, made(5 * q, 0.1 * k, v))
    plain = TaylorShift(3, scale=False).double()
    assert torch.allclose(made(q, k, v)[:, 1], plain(q, k, v)[:, 1] * math.sqrt(7 / 4))


def test_the_linear_kernel_is_its_double_loop():
    q, k, v = random(6, 16), random(6, 16, seed=1), random(6, 3, seed=2)
    for i in range(6):
        weights = (q[i].relu() * k.relu()).sum(1)
        assert torch.allclose(relu_attention(q, k, v)[i], weights @ v / weights.sum(), atol=1e-6)
    assert not relu_attention(-q.abs(), k, v).any()


def test_an_encoder_with_softmax_is_that_of_pytorch():
    torch.manual_seed(0)
    net = Encoder(11, 9, 5, softmax_attention, width=16, heads=4, blocks=1).eval()
    theirs = torch.nn.TransformerEncoderLayer(
        16, 4, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    mix, mlp = net.mixing[0], net.mlp[0]
    pairs = {
        theirs.self_attn.in_proj_weight: mix.inward.weight,
        theirs.self_attn.in_proj_bias: mix.inward.bias,
        theirs.self_attn.out_proj.weight: mix.outward.weight,
        theirs.self_attn.out_proj.bias: mix.outward.bias,
        theirs.linear1.weight: mlp[0].weight,
        theirs.linear1.bias: mlp[0].bias,
        theirs.linear2.weight: mlp[2].weight,
        theirs.linear2.bias: mlp[2].bias,
    }
    x = torch.randint(11, (3, 9))
    with torch.no_grad():
        for to, of in pairs.items():
            to.copy_(of)
        h = net.token(x) + net.position.weight
        # a layer that asks for gradients takes no fused path
        expected = net.head(net.norms[-1](theirs(h).mean(1)))
        assert torch.allclose(net(x), expected, atol=1e-5)
        # positions count: another order is another answer
        assert not torch.allclose(net(x.flip(1)), net(x), atol=1e-3)


def test_heads_do_not_see_each_other():
    seen = []

    def attention(q, k, v):
        seen.append((tuple(q.shape), k.shape == v.shape == q.shape))
        return v

    mix = Mixing(12, 3, attention)
    x = torch.randn(2, 5, 12)
    out = mix(x)
    assert seen == [((2, 3, 5, 4), True)]
    assert torch.allclose(out, mix.outward(mix.inward(x)[..., 24:]), atol=1e-6)


def test_refusals():
    q = unit(3, 2)
    with pytest.raises(ValueError, match="form must be one of auto, direct, efficient, got 'fast'"):
        taylor_attention(q, q, q, "fast")
    with pytest.raises(ValueError, match="order must be 1 or 2, got 3"):
        taylor_attention(q, q, q, order=3)
    with pytest.raises(ValueError, match="width 10 is no multiple of 4 heads"):
        Encoder(4, 4, 2, softmax_attention, width=10, heads=4)


def test_a_sequence_longer_than_the_network_is_refused():
    net = Encoder(10, 8, 3, softmax_attention)
    with pytest.raises(ValueError, match="sequences of 9 tokens, and the network takes 8 at most"):
        net(torch.zeros(2, 9, dtype=torch.int64))
