"""Gated neurons' vectors read off real architectures, against what the MLP does."""

from __future__ import annotations

import pytest
import torch
from tests.model import nets

from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.read.gated_weights import gated_weights


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
def test_the_vectors_are_what_the_mlp_reads_and_writes(family):
    """On an input of known scale: the neuron's activation from folded vectors, times its write
    vector, is what is added.
    """
    model = Model(nets.net(family), nets.tokenizer())
    ids = {"input_ids": torch.tensor([[5, 9, 14]])}
    for layer, w in gated_weights(model):
        seen = model.run(
            ids, [f"resid_mid.{layer}", f"mlp_act.{layer}", f"mlp_pre.{layer}", f"mlp_out.{layer}"]
        )
        x = seen[f"resid_mid.{layer}"][0].double()
        normed = (x / x.pow(2).mean(-1, keepdim=True).sqrt()).numpy()
        assert torch.allclose(
            torch.tensor(normed @ w.gate.T), seen[f"mlp_pre.{layer}"][0].double(), atol=1e-3
        )
        act = model.net.model.layers[layer].mlp.act_fn(seen[f"mlp_pre.{layer}"][0]).double()
        assert torch.allclose(
            act * torch.tensor(normed @ w.read.T), seen[f"mlp_act.{layer}"][0].double(), atol=1e-3
        )
        out = seen[f"mlp_act.{layer}"][0].double() @ torch.tensor(w.write, dtype=torch.float64)
        true = seen[f"mlp_out.{layer}"][0].double()
        if family == "gemma3":  # the norm after the MLP divides by a scale of its own
            out, true = out / out.norm(dim=-1, keepdim=True), true / true.norm(dim=-1, keepdim=True)
        assert torch.allclose(out, true, atol=1e-3)


def test_models_without_gates_are_refused():
    with pytest.raises(ModelError, match="has no gated MLPs"):
        next(gated_weights(Model(nets.net("gpt2"))))
    model = Model(nets.net("llama"))
    del model.net.model.layers[0].mlp.up_proj
    with pytest.raises(ModelError, match="no projection 'mlp.up_proj'"):
        next(gated_weights(model))
