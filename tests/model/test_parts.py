"""A wrong table of every kind is found: whatever a point is mistaken for, its sites are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from inscape.core.errors import CertificateError
from inscape.core.site import Site
from inscape.model import prefix
from inscape.model.certificate import certify
from inscape.model.family import Tap
from inscape.model.model import Model
from inscape.model.registry import family_of
from tests.model.nets import net
from tests.model.tiny import tiny, tower

#: point → the points it is mistaken for; tensors of the same width wherever there is one
MISTAKEN = {
    "attn_in": ("mlp_in", "resid_pre"),
    "q": ("k", "attn_in", "z"),
    "k": ("q", "v"),
    "v": ("k", "z"),
    "pattern": ("z",),
    "z": ("v", "attn_out", "attn_in"),
    "attn_out": ("z", "mlp_out"),
    "resid_mid": ("resid_pre", "mlp_in"),
    "mlp_in": ("attn_in", "resid_mid"),
    "mlp_pre": ("mlp_act",),
    "mlp_act": ("mlp_pre",),
    "mlp_out": ("attn_out",),
    "resid_post": ("resid_pre",),
    "cross_in": ("attn_in", "mlp_in"),
    "cross_q": ("q", "cross_z"),
    "cross_k": ("cross_v", "k"),
    "cross_v": ("cross_k", "v"),
    "cross_pattern": ("pattern",),
    "cross_z": ("z", "cross_q"),
    "cross_out": ("attn_out", "mlp_out"),
    "resid_cross": ("resid_mid",),
    "latent": ("attn_in",),
    "mixer_in": ("resid_pre",),
    "conv_in": ("gate", "ssm_in"),
    "ssm_in": ("conv_in", "mixer_act"),
    "ssm_out": ("gate", "mixer_act"),
    "gate": ("conv_in", "ssm_out"),
    "mixer_act": ("ssm_in", "ssm_out"),
    "mixer_out": ("mixer_in",),
}


def wrong(network: nn.Module, **points: Tap) -> Model:
    table = family_of(network)
    assert table is not None
    return Model(network, family=replace(table, points={**table.points, **points}, adjust=None))


@pytest.mark.parametrize("family", ["gpt2", "qwen3", "bert"])
def test_a_point_mistaken_for_another_is_refused(family, monkeypatch):
    monkeypatch.setattr(prefix, "applies", lambda *_, **__: "not asked here")
    network = net(family)
    table = family_of(network).points
    for point in table:
        for other in MISTAKEN.get(point, ()):
            if other in table:
                model = wrong(network, **{point: table[other]})
                assert not certify(model).passed
                refused = {site.point for site in model.refused}
                assert point in refused, f"{point} taken from {other}: refused are {refused}"


@pytest.mark.parametrize(
    "name", ["t5 decoder", "bart decoder", "deepseek_v3", "mamba", "mamba2", "albert", "swin"]
)
def test_a_point_of_a_stack_mistaken_for_another_is_refused(name, monkeypatch):
    monkeypatch.setattr(prefix, "applies", lambda *_, **__: "not asked here")
    network = tiny(name)
    table = family_of(network, tower(name))
    tried = 0
    for point in table.points:
        for other in MISTAKEN.get(point, ()):
            if other in table.points:
                taps = {**table.points, point: table.points[other]}
                model = Model(network, family=replace(table, points=taps, adjust=None))
                certify(model)
                refused = {site.point for site in model.refused}
                assert point in refused, f"{point} taken from {other}: refused are {refused}"
                tried += 1
    assert tried > 3


def test_a_wrong_stream_is_refused_at_the_start_of_a_stage_too():
    network = tiny("swin")
    table = family_of(network, tower("swin"))
    points = {**table.points, "resid_pre": Tap("layernorm_before")}
    model = Model(network, family=replace(table, points=points, adjust=None))
    certify(model)
    assert {Site("resid_pre", i) for i in range(5)} <= set(model.refused)


def test_another_span_another_vector_and_another_order_of_calls_are_refused():
    network = tiny("deepseek_v3")
    table = family_of(network)
    points = {**table.points, "v": replace(table.points["v"], span=(2, 8))}
    model = Model(network, family=replace(table, points=points))
    certify(model)
    assert Site("v", 0) in model.refused
    network = tiny("beit")
    table = family_of(network)
    points = {**table.points, "mlp_out": replace(table.points["mlp_out"], factor="lambda_1")}
    model = Model(network, family=replace(table, points=points))
    certify(model)
    assert {site.point for site in model.refused} == {"mlp_out", "resid_mid"}
    network = tiny("albert grouped")
    table = family_of(network)
    blocks = (*table.blocks[4:], *table.blocks[:4])
    model = Model(network, family=replace(table, blocks=blocks))
    assert not certify(model).passed
    assert Site("resid_post", 0) in model.refused


def test_q_and_k_changed_for_each_other_are_refused():
    network = net("llama")
    table = family_of(network).points
    model = wrong(network, q=table["k"], k=table["q"])
    certify(model)
    assert {"q", "k"} <= {site.point for site in model.refused}


def test_only_what_is_wrong_is_refused():
    network = net("gpt2")
    model = wrong(network, v=Tap("attn.c_attn", layout="second third"))
    certify(model)
    assert {site.point for site in model.refused} == {"v"}
    with pytest.raises(CertificateError, match="v.1 is refused .*the pattern's mean of v"):
        model.run(torch.tensor([[3, 4, 5]]), "v.1")


def test_queries_before_their_own_norm_are_refused():
    """Qwen3 and Gemma 3 norm each head's queries and keys; what stands before that does not make
    the scores.
    """
    for family in ("qwen3", "gemma3"):
        model = wrong(net(family), q=Tap("self_attn.q_proj"))
        certify(model)
        assert Site("q", 1) in model.refused


def test_queries_and_keys_after_position_encoding_are_refused(monkeypatch):
    """Turned by nothing they are the same tensors, so the pass without rotation alone would not see
    it.
    """
    from transformers.models.llama import modeling_llama

    network, calls, turn = net("llama"), [], modeling_llama.apply_rotary_pos_emb

    def turned(q, k, *more, **options):
        own = network.model.layers[len(calls)].self_attn
        calls.append(own)
        q, k = turn(q, k, *more, **options)
        return own.q_turned(q), own.k_turned(k)

    monkeypatch.setattr(modeling_llama, "apply_rotary_pos_emb", turned)
    network.model.register_forward_pre_hook(lambda *_: calls.clear())
    for block in network.model.layers:
        block.self_attn.q_turned, block.self_attn.k_turned = nn.Identity(), nn.Identity()
    assert certify(Model(network)).passed
    after = {p: Tap(f"self_attn.{p}_turned", layout="heads first") for p in ("q", "k")}
    model = wrong(network, **after)
    found = {item.name: item.reason for item in certify(model).items if not item.passed}
    assert "before position encoding" in found["softmax(q k) = pattern"]
    assert set(model.refused) == {Site("q", 0), Site("k", 0)}


def test_a_wrong_scale_and_a_wrong_activation_are_refused():
    network = net("llama")
    table = family_of(network)
    model = Model(network, family=replace(table, scale=1.0))
    certify(model)
    assert {site.point for site in model.refused} == {"q", "k"}
    model = Model(network, family=replace(table, act="self_attn.o_proj"))
    certify(model)
    assert {site.point for site in model.refused} == {"mlp_pre"}


def test_a_site_that_no_identity_touches_is_refused():
    network = net("llama")
    table = family_of(network)
    model = Model(network, family=replace(table, act=""))
    found = {item.name: item.reason for item in certify(model).items if not item.passed}
    assert list(found) == ["every site is measured"]
    assert "mlp_pre.0" in found["every site is measured"]
    with pytest.raises(CertificateError, match="no check covers"):
        model.run(torch.tensor([[3, 4, 5]]), "mlp_pre.0")


def test_a_tap_that_gives_no_tensor_is_a_failed_item():
    network = net("gpt2")
    model = wrong(network, z=Tap("attn.c_proj", index=3))
    found = {item.name: item.reason for item in certify(model).items if not item.passed}
    assert "gave no tensor" in found["every site is computed"]
    assert Site("z", 1) in model.refused


@pytest.mark.parametrize("point", ["resid_pre", "resid_post"])
def test_without_a_stream_nothing_is_measured_and_everything_is_refused(point):
    model = wrong(net("gpt2"), **{point: Tap("", index=3)})
    assert not certify(model).passed
    assert set(model.refused) == set(model.sites)
    with pytest.raises(CertificateError, match="z.1 is refused .*gave no tensor"):
        model.run(torch.tensor([[3, 4, 5]]), "z.1")


@pytest.mark.parametrize("name", ["gpt2", "bert", "gpt_neox", "t5 decoder"])
@pytest.mark.parametrize("wrong_tap", [Tap(""), Tap("", "in", factor=0.5)])
def test_what_enters_a_block_is_measured_by_itself(name, wrong_tap, monkeypatch):
    monkeypatch.setattr(prefix, "applies", lambda *_, **__: "not asked here")
    network = tiny(name)
    table = family_of(network, tower(name))
    points = {**table.points, "resid_pre": wrong_tap}
    model = Model(network, family=replace(table, points=points, adjust=None))
    certify(model)
    assert {s for s in model.sites if s.point == "resid_pre"} <= set(model.refused)


def test_a_pattern_that_sums_to_half_is_refused():
    table = family_of(net("gpt2")).points
    model = wrong(net("gpt2"), pattern=replace(table["pattern"], factor=0.5))
    certify(model)
    assert {Site("pattern", i) for i in range(3)} <= set(model.refused)


def test_a_layout_that_fits_no_tensor_is_a_failed_item():
    table = family_of(net("gpt2")).points
    model = wrong(net("gpt2"), attn_in=replace(table["attn_in"], layout="split q"))
    assert not certify(model).passed
    assert Site("attn_in", 0) in model.refused


@pytest.mark.parametrize("point", ["attn_out", "mlp_out"])
def test_a_part_that_gives_no_tensor_is_refused_with_what_hangs_on_it(point):
    model = wrong(net("gpt2"), **{point: Tap("", index=3)})
    found = {item.name: item.reason for item in certify(model).items if not item.passed}
    assert f"{point}.0 is not computed" in found["residual identity"]
    assert {Site(point, i) for i in range(3)} <= set(model.refused)
    assert Site("resid_post", 1) not in model.refused


def test_a_network_of_no_family_is_not_certified():
    certificate = certify(Model(nn.Sequential(nn.Linear(3, 3), nn.ReLU())))
    assert not certificate.passed
    assert "no family is known" in certificate.items[0].reason


def test_a_network_in_float64_is_certified_although_its_softmax_is_in_float32():
    model = Model(net("llama").double())
    certificate = certify(model)
    assert certificate.passed
    tolerances = {item.name: item.tolerance for item in certificate.items}
    assert tolerances["pattern v = z"] == 1e-5
    assert tolerances["z projected = attn_out"] == 1e-8
