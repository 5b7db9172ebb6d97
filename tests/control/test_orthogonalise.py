"""Ablation baked into weights equals ablation by edits, on every family it is defined for, and
survives saving.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from inscape.control.orthogonalise import edits_of, orthogonalised
from inscape.core.errors import ModelError
from inscape.model.model import Model
from tests.model import nets

IDS = {"input_ids": torch.tensor([[5, 9, 17, 3, 44], [7, 7, 80, 21, 2]])}


@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2", "neox", "opt"])
def test_weights_and_edits_give_the_same_logits(family):
    model = Model(nets.net(family))
    directions = np.random.default_rng(0).normal(size=(2, nets.D))
    plain = model.run(IDS, logits=True).logits
    edited = model.run(IDS, "resid_post.*", edits=edits_of(directions), logits=True)
    baked = orthogonalised(model, directions)
    found = baked.run(IDS, "resid_post.*", logits=True)
    assert torch.allclose(found.logits, edited.logits, atol=1e-4)
    assert (found.logits - plain).abs().max() > 0.05
    last = found[f"resid_post.{nets.LAYERS - 1}"].double().numpy()
    assert np.abs(last @ directions.T).max() < 1e-4
    assert torch.equal(model.run(IDS, logits=True).logits, plain)  # the original is as it was


def test_the_copy_is_an_ordinary_checkpoint_even_where_embeddings_were_tied(tmp_path):
    net = nets.net("gpt2")
    assert net.lm_head.weight is net.transformer.wte.weight
    baked = orthogonalised(Model(net), np.eye(nets.D)[:1])
    baked.net.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.allclose(again(**IDS).logits, baked.run(IDS, logits=True).logits, atol=1e-5)
    assert net.lm_head.weight is net.transformer.wte.weight


def test_refusals():
    with pytest.raises(ModelError, match="leaves a Gemma3RMSNorm, not a linear layer"):
        orthogonalised(Model(nets.net("gemma3")), np.eye(nets.D)[:1])
    with pytest.raises(ModelError, match="only networks whose blocks add to a stream of sums"):
        orthogonalised(Model(nets.net("bert")), np.eye(nets.D)[:1])
    with pytest.raises(ValueError, match="directions of width 5 for a stream of width 32"):
        orthogonalised(Model(nets.net("llama")), np.eye(5)[:1])
    with pytest.raises(ValueError, match="the directions are all zero"):
        orthogonalised(Model(nets.net("llama")), np.zeros((1, nets.D)))
