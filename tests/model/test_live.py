"""What people have in hand: pipelines, sentence encoders, offloaded weights, position tables that begin behind the pad."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import transformers as t
from torch import nn

from inscape.core.errors import ModelError
from inscape.model.open import open

from .nets import net, tokenizer


def test_pipelines_and_sentence_encoders_open_as_the_network_inside():
    network, words = net("gpt2"), tokenizer()
    model = open(SimpleNamespace(model=network, tokenizer=words))
    assert model.net is network
    assert model.tokenizer is words
    encoder = net("bert")

    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.auto_model, self.tokenizer = encoder, words

    class Encoder(nn.Sequential):
        def encode(self, texts):
            raise AssertionError

    model = open(Encoder(First(), nn.Identity()))
    assert model.net is encoder
    assert model.tokenizer is words
    assert model.run("the river", "resid_post.1")["resid_post.1"].shape[-1] == 32


@pytest.mark.parametrize("what", [3, None, SimpleNamespace(model="x"), [1]])
def test_what_is_no_network_is_said_to_be(what):
    with pytest.raises(ModelError, match="is no network"):
        open(what)


def test_weights_that_are_not_in_memory_are_refused():
    with torch.device("meta"):
        network = t.GPT2LMHeadModel(net("gpt2").config)
    with pytest.raises(ModelError, match="is on the meta device"):
        open(network)


@pytest.mark.parametrize("pad", [0, 1, 5])
@pytest.mark.parametrize(
    ("kind", "config"),
    [(t.RobertaModel, t.RobertaConfig), (t.CamembertModel, t.CamembertConfig)],
)
def test_positions_are_counted_from_behind_the_pad(kind, config, pad):
    network = kind(
        config(
            vocab_size=120,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=40,
            pad_token_id=pad,
        )
    ).eval()
    most = open(network, tokenizer=tokenizer()).max_positions
    assert most == 40 - pad - 1
    network(torch.full((1, most), 9))
    with pytest.raises((IndexError, RuntimeError)):
        network(torch.full((1, most + 1), 9))
