"""The scan of a state space, step by step, and what its certificate would not pass."""

from __future__ import annotations

from itertools import product

import torch

from inscape.model.certificate import certify
from inscape.model.model import Model
from inscape.model.state_space import scan
from tests.model.tiny import tiny


def test_a_scan_is_its_sum_written_out():
    draw = torch.Generator().manual_seed(0)
    x, b, c = (
        torch.randn(s, generator=draw).double() for s in ((2, 5, 3), (2, 5, 3, 4), (2, 5, 3, 4))
    )
    step = torch.rand(2, 5, 3, generator=draw).double()
    a = -torch.rand(3, 4, generator=draw).double()
    want = torch.zeros(2, 5, 3).double()
    for t, s in product(range(5), repeat=2):
        if s <= t:
            decay = torch.exp(a * step[:, s + 1 : t + 1].sum(1)[..., None])
            want[:, t] += ((step[:, s] * x[:, s])[..., None] * decay * b[:, s] * c[:, t]).sum(-1)
    torch.testing.assert_close(scan(x, step, a, b, c), want)


def test_a_mixer_that_computes_something_else_is_refused(monkeypatch):
    from transformers.models.mamba import modeling_mamba

    def without_its_decay(states, dt, a, *rest, **options):
        return plain(states, dt, 0 * a, *rest, **options)

    plain = modeling_mamba.mamba_selective_scan
    network = tiny("mamba")
    assert certify(Model(network)).passed
    monkeypatch.setattr(modeling_mamba, "mamba_selective_scan", without_its_decay)
    model = Model(network)
    found = {item.name for item in certify(model).items if not item.passed}
    assert found == {"mixer_act = gated scan of ssm_in"}
    assert {site.point for site in model.refused} == {"gate"}
