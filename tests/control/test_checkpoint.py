"""An edited model saved is an ordinary checkpoint that computes the same, with a card."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from inscape.control.checkpoint import CARD, save_checkpoint
from inscape.control.low_rank_adapter import attached, merged
from inscape.control.orthogonalise import orthogonalised
from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.model.open import open
from tests.control.test_low_rank_adapter import DOWN, IDS, filled
from tests.model import nets


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("how", ["merged", "orthogonalised"])
def test_the_folder_is_an_ordinary_checkpoint(tmp_path, family, how):
    model = Model(nets.net(family), nets.tokenizer())
    plain = model.run(IDS, logits=True).logits
    if how == "merged":
        adapters = filled(model, DOWN[family])
        made = merged(model, adapters)
        with attached(model, adapters):
            wanted = model.run(IDS, logits=True).logits
    else:
        made = orthogonalised(model, np.eye(nets.D)[:1])
        wanted = made.run(IDS, logits=True).logits
    folder = save_checkpoint(
        made, tmp_path / "out", what=f"A copy, {how}.", of=model, details={"rank": 2}
    )
    again = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        found = again(**IDS).logits
    assert torch.allclose(found, wanted, atol=2e-5)
    assert (found - plain).abs().max() > 0.05
    assert (
        AutoTokenizer.from_pretrained(folder)("the sea")["input_ids"]
        == nets.tokenizer()("the sea")["input_ids"]
    )
    card = json.loads((folder / CARD).read_text())
    assert card["made_of"]["weights"] == model.weights_hash
    assert card["weights"] == made.weights_hash != model.weights_hash
    readme = (folder / "README.md").read_text()
    assert f"A copy, {how}." in readme
    assert "| rank | 2 |" in readme
    opened = open(str(folder))
    assert opened.certificate.passed
    assert torch.allclose(opened.run(IDS, logits=True).logits, wanted, atol=2e-5)


def test_refusals(tmp_path):
    model = Model(nets.net("llama"))
    with pytest.raises(ValueError, match="says in a sentence what was done"):
        save_checkpoint(model, tmp_path / "a", what=" ")
    with pytest.raises(ModelError, match="is a Linear, not a model of transformers"):
        save_checkpoint(Model(nn.Linear(2, 2)), tmp_path / "a", what="Nothing.")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "kept.txt").write_text("mine")
    with pytest.raises(ModelError, match="is not an empty folder"):
        save_checkpoint(model, tmp_path / "b", what="Nothing.")
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["kept.txt"]
