"""Every family's table holds on a random network of it: right tensors, right lengths, nothing left
behind.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.batch import Tokens
from inscape.core.edit import Add, Scope
from inscape.core.errors import SiteError
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.registry import families
from tests.model.nets import CAUSAL, FF, HEADS, LAYERS, NETS, VOCABULARY, D, live_hooks, net


@pytest.fixture(scope="module")
def opened() -> dict[str, Model]:
    return {name: open(net(name)) for name in NETS}


def tokens(*lengths: int) -> list[Tokens]:
    rng = np.random.default_rng(1)
    return [
        Tokens(rng.integers(3, VOCABULARY, n), np.zeros((n, 2), np.int64), np.zeros(n, bool))
        for n in lengths
    ]


def example(model: Model):
    if model.kind == "text":
        return model.collate(tokens(6))
    shape = (1, 3, 32, 32) if model.kind == "image" else (1, 8, 24)
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", NETS)
def test_certificate_of_a_sound_network_passes(name, opened):
    certificate = opened[name].certificate
    assert certificate.passed, [item for item in certificate.items if not item.passed]
    assert {"repeatable", "residual identity", "captured = hidden_states"} <= {
        item.name for item in certificate.items
    }


@pytest.mark.parametrize("name", NETS)
def test_every_site_is_captured_with_its_shape(name, opened):
    model = opened[name]
    sites = [s for s in model.sites if s.point != "logits"]
    hooks = live_hooks(model.net)
    acts = model.run(example(model), sites)
    positions = acts[Site("embed")].shape[1]
    grouped = getattr(model.atlas.config, "num_key_value_heads", HEADS) or HEADS
    widths = {"mlp_pre": FF, "mlp_act": FF, "k": grouped * 8, "v": grouped * 8}
    if name == "gpt2":
        widths |= {"mlp_pre": 4 * D, "mlp_act": 4 * D}
    if name == "whisper":
        widths |= {
            "mlp_pre": model.atlas.config.encoder_ffn_dim,
            "mlp_act": model.atlas.config.encoder_ffn_dim,
        }
    for site in sites:
        want = (
            (1, HEADS, positions, positions)
            if site.point == "pattern"
            else (1, positions, widths.get(site.point, D))
        )
        assert tuple(acts[site].shape) == want, site
    assert live_hooks(model.net) == hooks


@pytest.mark.parametrize("name", NETS)
def test_pattern_is_a_distribution_and_makes_z(name, opened):
    model = opened[name]
    acts = model.run(example(model), ["pattern.1", "v.1", "z.1"])
    pattern = acts["pattern.1"]
    torch.testing.assert_close(pattern.sum(-1), torch.ones_like(pattern.sum(-1)))
    v = acts["v.1"].unflatten(-1, (-1, 8)).transpose(1, 2)
    v = v.repeat_interleave(HEADS // v.shape[1], dim=1)
    torch.testing.assert_close(
        (pattern @ v).transpose(1, 2).flatten(-2), acts["z.1"], atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("name", ["llama", "gpt2", "neox", "bert"])
def test_one_head_is_its_slice(name, opened):
    model = opened[name]
    acts = model.run(example(model), ["z.1", "z.1.2", "q.0", "q.0.3"])
    torch.testing.assert_close(acts["z.1.2"], acts["z.1"][..., 16:24], rtol=0, atol=0)
    torch.testing.assert_close(acts["q.0.3"], acts["q.0"][..., 24:32], rtol=0, atol=0)


@pytest.mark.parametrize("name", NETS)
def test_the_pass_stops_after_the_deepest_site(name, opened):
    model = opened[name]
    ran = []
    handle = model.atlas.blocks[2].register_forward_hook(lambda *_: ran.append(1))
    try:
        acts = model.run(example(model), "resid_post.1")
        assert not ran
        full = model.run(example(model), "resid_post.2")
        assert ran
    finally:
        handle.remove()
    assert len(acts) == len(full) == 1


@pytest.mark.parametrize("name", NETS)
def test_an_edit_changes_its_site_and_what_follows_and_nothing_else(name, opened):
    model = opened[name]
    x = example(model)
    sites = [s for s in model.sites if s.point in ("resid_post", "attn_out", "embed")]
    before = model.run(x, sites)
    vector = torch.linspace(-1, 1, D).sin()  # not constant: a layer norm would not see it
    after = model.run(x, sites, edits=Add(Scope("resid_post.1"), vector))
    torch.testing.assert_close(after["resid_post.1"], before["resid_post.1"] + vector)
    torch.testing.assert_close(after["resid_post.0"], before["resid_post.0"], rtol=0, atol=0)
    assert not torch.allclose(after["attn_out.2"], before["attn_out.2"], atol=1e-4)
    again = model.run(x, sites)
    for site in sites:
        torch.testing.assert_close(again[site], before[site], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["llama", "gpt2", "neox", "opt", "gemma3", "bert"])
@pytest.mark.parametrize("point", ["q", "v", "z", "attn_out", "mlp_act", "mlp_out", "resid_pre"])
def test_every_editable_point_reaches_the_output(name, point, opened):
    model = opened[name]
    x = example(model)
    width = model.run(x, f"{point}.1")[f"{point}.1"].shape[-1]
    vector = torch.randn(width, generator=torch.Generator().manual_seed(5))
    edit = Add(Scope(f"{point}.1"), vector)
    acts = model.run(x, [f"{point}.1", "resid_post.2"], edits=edit)
    base = model.run(x, [f"{point}.1", "resid_post.2"])
    torch.testing.assert_close(
        acts[f"{point}.1"], base[f"{point}.1"] + vector, atol=1e-5, rtol=1e-5
    )
    assert not torch.allclose(acts["resid_post.2"], base["resid_post.2"], atol=1e-4)


def test_points_off_the_path_refuse_edits(opened):
    with pytest.raises(SiteError, match=r"resid_mid.1 can be read but not edited: .*attn_out.1"):
        model = opened["llama"]
        model.run(example(model), "resid_post.2", edits=Add(Scope("resid_mid.1"), torch.ones(D)))


@pytest.mark.parametrize("name", CAUSAL)
def test_batch_gives_what_singles_give(name, opened):
    model = opened[name]
    group = tokens(3, 9, 5)
    together = model.run(
        model.collate(group),
        "resid_post.*, final_norm" if model.family.final_norm else "resid_post.*",
    )
    for i, one in enumerate(group):
        alone = model.run([one], list(together))
        for site in together:
            torch.testing.assert_close(
                together[site][i, : len(one)], alone[site][0], atol=1e-5, rtol=1e-4
            )


@pytest.mark.parametrize("name", CAUSAL)
def test_positions_kept_are_those_of_the_whole(name, opened):
    model = opened[name]
    batch = model.collate(tokens(4, 7))
    at = torch.tensor([[3, 0], [6, 2]])
    kept = model.run(batch, "resid_post.1", at=at, logits=True)
    whole = model.run(batch, "resid_post.1", logits=True)
    rows = torch.arange(2)[:, None]
    torch.testing.assert_close(
        kept["resid_post.1"], whole["resid_post.1"][rows, at], rtol=0, atol=0
    )
    torch.testing.assert_close(kept.logits, whole.logits[rows, at], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "name", ["gpt2", "neox", "opt", "bert-mlm"]
)  # Llama's norm computes in float32
def test_gradients_agree_with_finite_differences(name, opened):
    model = open(net(name).double())
    batch = model.collate(tokens(5))
    scalar = lambda logits: logits[0, -1, 7] - logits[0, -1, 9]  # noqa: E731
    acts = model.run(batch, ["resid_post.0", "mlp_act.1"], grad_of=scalar)
    for site in ("resid_post.0", "mlp_act.1"):
        direction = torch.randn(
            acts[site].shape[-1], dtype=torch.double, generator=torch.Generator().manual_seed(2)
        )
        step = 1e-5
        up, down = (
            scalar(model.run(batch, logits=True, edits=Add(Scope(site), direction, s)).logits)
            for s in (step, -step)
        )
        slope = (up - down) / (2 * step)
        torch.testing.assert_close(
            (acts.grads[Site.parse(site)] @ direction).sum(), slope, rtol=1e-5, atol=1e-8
        )
    assert all(p.grad is None for p in model.net.parameters())


def test_a_gradient_that_is_zero_is_said(opened):
    model = opened["llama"]
    with pytest.raises(SiteError, match="does not depend on resid_post.2"):
        model.run(
            model.collate(tokens(5)), "resid_post.2", grad_of=lambda logits: (logits * 0).sum()
        )


def test_every_family_file_is_found():
    assert {"llama", "gemma2", "gpt2", "gpt_neox", "opt", "bert", "vit", "whisper"} <= set(
        families()
    )
    assert LAYERS == 3


def test_canonical_sites_and_modules_are_named_together(opened):
    model = opened["llama"]
    assert [str(s) for s in model.select("embed, module:model.norm:out")] == [
        "embed",
        "module:model.norm:out",
    ]
    acts = model.run(example(model), "final_norm, module:model.norm:out")
    torch.testing.assert_close(acts["module:model.norm:out"], acts["final_norm"], rtol=0, atol=0)
