"""The certificate bites: faults planted in sound networks are found, named, and refuse just the
sites they concern.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
import torch

from inscape.core.batch import Batch, collate
from inscape.core.errors import CertificateError
from inscape.core.site import Site
from inscape.model.certificate import Certificate, certify
from inscape.model.family import Tap
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.registry import family_of
from tests.model.nets import NETS, net, tokenizer
from tests.model.tiny import tiny

#: the module, where the package offers its function
as_batch = import_module("inscape.model.as_batch")


def failed(model: Model) -> dict[str, str]:
    return {item.name: item.reason for item in certify(model).items if not item.passed}


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_left_padding_without_positions_is_refused(family, monkeypatch):
    model = Model(net(family))
    assert not failed(model)

    def left(tokens, marks=None):
        right = collate(tokens, 1, marks)
        shift = right.inputs["input_ids"].shape[1] - right.lengths
        ids = torch.stack(
            [row.roll(int(s)) for row, s in zip(right.inputs["input_ids"], shift, strict=True)]
        )
        mask = torch.stack(
            [row.roll(int(s)) for row, s in zip(right.inputs["attention_mask"], shift, strict=True)]
        )
        return Batch({"input_ids": ids, "attention_mask": mask}, right.lengths)

    monkeypatch.setattr(model, "collate", left)
    monkeypatch.setattr(as_batch, "_masked", lambda batch: batch)  # past the door
    found = failed(model)
    assert "padding" in found["batched = single"]
    assert "left padding without position ids" in found["padding changes nothing"]
    with pytest.raises(CertificateError, match="resid_post.1 is refused .*padding"):
        model.run(torch.tensor([[3, 4, 5]]), "resid_post.1")


def test_left_padded_tensors_are_refused_at_the_door():
    model = open(net("gpt2"))
    left = {
        "input_ids": torch.tensor([[0, 0, 5, 6]]),
        "attention_mask": torch.tensor([[0, 0, 1, 1]]),
    }
    with pytest.raises(Exception, match="padded on the left"):
        model.run(left, "resid_post.0")


@pytest.mark.parametrize("family", ["llama", "gpt2", "neox"])
def test_a_swapped_attention_output_is_refused(family):
    network = net(family)
    table = family_of(network)
    inner = {"llama": "mlp.down_proj", "gpt2": "mlp.c_proj", "neox": "mlp.dense_4h_to_h"}[family]
    wrong = replace(table, points={**table.points, "attn_out": Tap(inner)}, adjust=None)
    model = Model(network, family=wrong)
    found = failed(model)
    assert set(found) == {"residual identity", "z projected = attn_out"}
    assert "is not what the layer adds" in found["residual identity"]
    assert Site("attn_out", 1) in model.refused
    assert Site("resid_post", 1) not in model.refused
    with pytest.raises(CertificateError, match="attn_out.0 is refused"):
        model.run(torch.tensor([[3, 4, 5]]), "attn_out.*")
    assert len(model.run(torch.tensor([[3, 4, 5]]), "resid_post.*")) == 3


def test_an_attention_output_of_the_right_direction_and_wrong_length_is_refused():
    """Cosine one, norm off: what a post-norm or a residual multiplier does to a naive name."""
    network = net("gemma3")
    table = family_of(network)
    with torch.no_grad():
        for block in network.model.layers:
            block.post_attention_layernorm.weight.fill_(1.5)
            block.self_attn.o_proj.weight.mul_(0.3)
    model = Model(
        network, family=replace(table, points={**table.points, "attn_out": Tap("self_attn.o_proj")})
    )
    assert "attn_out.0 is not what the layer adds" in failed(model)["residual identity"]


def test_a_residual_inside_the_mlp_output_is_named(monkeypatch):
    from transformers.models.llama import modeling_llama

    class Bloomlike(modeling_llama.LlamaDecoderLayer):
        def forward(self, hidden_states, **kwargs):
            attended, _ = self.self_attn(
                hidden_states=self.input_layernorm(hidden_states), **kwargs
            )
            middle = hidden_states + attended
            return self.mlp(self.post_attention_layernorm(middle), middle)

    class Inside(modeling_llama.LlamaMLP):
        def forward(self, x, residual):
            return residual + super().forward(x)

    monkeypatch.setattr(modeling_llama, "LlamaDecoderLayer", Bloomlike)
    monkeypatch.setattr(modeling_llama, "LlamaMLP", Inside)
    network = net("llama")
    table = family_of(network)
    model = Model(network, family=replace(table, points={**table.points, "mlp_out": Tap("mlp")}))
    assert "mlp_out.0 already contains the residual stream" in failed(model)["residual identity"]
    assert Site("mlp_out", 2) in model.refused
    assert Site("attn_out", 2) not in model.refused


def test_a_norm_folded_into_the_next_layer_is_refused():
    network = net("llama")
    assert not failed(Model(network))
    with torch.no_grad():
        for block in network.model.layers:
            for part in (block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj):
                part.weight.mul_(block.input_layernorm.weight)
            block.input_layernorm.weight.fill_(1.0)
    model = Model(network)
    assert "3 of 7 norms multiply by exactly 1" in failed(model)["norms as trained"]
    with pytest.raises(CertificateError, match="folded into the next layer"):
        model.run(torch.tensor([[3, 4, 5]]), "attn_in.0")


def test_a_last_norm_folded_into_the_head_is_refused():
    class Folded(NETS["llama"][0]):
        """Norms without the weight, which the head has taken over; the norm module still carries
        it.
        """

        def forward(self, *args, **kwargs):
            out = super().forward(*args, **kwargs)
            out.logits = out.logits * torch.linspace(0.5, 1.5, out.logits.shape[-1])
            return out

    network = Folded(NETS["llama"][1]()).eval()
    model = Model(network)
    found = failed(model)
    assert "a norm has been folded into other weights" in found["unembedding = logits"]
    assert set(model.refused) == {Site("final_norm"), Site("logits")}


def test_a_wrong_hidden_state_is_refused():
    network = net("gpt2")
    table = family_of(network)
    model = Model(
        network, family=replace(table, points={**table.points, "resid_post": Tap("ln_1")})
    )
    found = failed(model)
    assert "resid_post.0" in found["captured = hidden_states"]


def test_dropout_left_on_is_found():
    network = net("gpt2")

    class Noisy(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.dropout(x, 0.5, training=True)

    network.transformer.drop = Noisy()
    assert "two runs of the same input differ" in failed(Model(network))["repeatable"]


def test_a_damaged_weight_is_named_as_such_and_nothing_else_is_blamed():
    network = net("llama")
    with torch.no_grad():
        network.model.layers[1].mlp.down_proj.weight[0, 0] = torch.nan
    model = Model(network)
    assert list(failed(model)) == ["finite"]
    with pytest.raises(
        CertificateError, match=r"NaN or infinite values from mlp_out.1 on: a weight is damaged"
    ):
        model.run(torch.tensor([[3, 4, 5]]), "resid_post.0")


def test_untrained_networks_are_not_taken_for_folded_ones():
    for family, (kind, config) in NETS.items():
        network = kind(config()).eval()
        assert "norms as trained" not in failed(Model(network)), family


@pytest.mark.parametrize("name", ["t5 encoder", "clip image", "albert", "mamba2", "wav2vec2"])
def test_weights_drawn_by_rules_of_their_own_are_not_taken_for_trained_ones(name):
    network = tiny(name, perturbed=False)
    assert "norms as trained" not in failed(Model(network))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
    assert "norms as trained" in failed(Model(network))


def test_a_certificate_survives_json():
    certificate = open(net("gpt2"), tokenizer=None).certificate
    assert Certificate.from_dict(certificate.to_dict()) == certificate
    assert certificate.conditions["dtype"] == "float32"


def test_a_kept_certificate_is_bound_to_weights_and_conditions(monkeypatch):
    first, second, double = net("gpt2", 0), net("gpt2", 1), net("gpt2", 1).double()
    calls = []
    from inscape.model import checks

    real = checks.run_all
    monkeypatch.setattr(checks, "run_all", lambda m: calls.append(1) or real(m))
    for network in (first, first, second, double, first):
        certify(Model(network), cached=True)
    assert len(calls) == 3


def test_texts_are_used_where_there_is_a_tokenizer():
    model = open(net("bert"), tokenizer=tokenizer("[CLS] $A [SEP]"))
    assert model.certificate.passed
    assert model.run("Paris is the capital", "resid_post.2")["resid_post.2"].shape == (1, 6, 32)
