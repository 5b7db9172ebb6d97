"""The readout of a network is the network's own head."""

from __future__ import annotations

import pytest
import torch

from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.model.unembed import Readout
from tests.model import nets

DECODERS = ("llama", "gemma2", "gpt2", "neox", "opt", "opt-post")


@pytest.mark.parametrize("family", DECODERS)
def test_the_last_state_gives_the_models_logits(family):
    model = Model(nets.net(family))
    ids = torch.randint(3, nets.VOCABULARY, (2, 7), generator=torch.Generator().manual_seed(0))
    found = model.run(ids, f"resid_post.{nets.LAYERS - 1}", logits=True)
    readout = Readout.of(model)
    (last,) = found.values()
    assert torch.allclose(readout(last), found.logits, atol=1e-5)
    earlier = model.run(ids, "resid_post.0")["resid_post.0"]
    assert not torch.allclose(readout(earlier), found.logits, atol=1e-2)


def test_a_classifier_reads_its_class_token():
    model = Model(nets.net("vit"))
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = model.run(images, f"resid_post.{nets.LAYERS - 1}", logits=True)
    (last,) = found.values()
    readout = Readout.of(model)
    assert readout.entries == 7
    assert torch.allclose(readout(last[:, 0]), found.logits, atol=1e-5)


def test_ranges_of_entries_are_parts_of_the_whole():
    g = torch.Generator().manual_seed(0)
    readout = Readout(torch.randn(50, 8, generator=g), bias=torch.randn(50, generator=g), cap=5.0)
    h = torch.randn(4, 8, dtype=torch.float64, generator=g)
    parts = [readout.scores(readout.normed(h), a, b) for a, b in readout.ranges(16)]
    # a product of another shape may add its 8 terms in another order: float32 values of about 3, 8
    # × 2⁻²³ × 3 = 3e-6
    assert torch.allclose(torch.cat(parts, -1), readout(h), atol=3e-6, rtol=0)
    assert not torch.allclose(parts[0], parts[1], atol=1e-2)
    assert [b - a for a, b in readout.ranges(16)] == [16, 16, 16, 2]
    entry = torch.tensor([3, 49, 0, 7])
    assert torch.allclose(
        readout.scores_at(readout.normed(h), entry), readout(h)[torch.arange(4), entry]
    )
    assert readout(h).abs().max() <= 5.0


def test_half_precision_weights_are_read_in_full():
    model = Model(nets.net("llama").to(torch.bfloat16))
    assert Readout.of(model)(torch.randn(2, nets.D)).dtype == torch.float32


def test_refusals():
    with pytest.raises(ModelError, match="has no unembedding or classifier"):
        Readout.of(Model(nets.net("bert")))
    with pytest.raises(ValueError, match=r"weight must be \(entries, width\)"):
        Readout(torch.zeros(3))
    model = Model(nets.net("llama"))
    model.net.lm_head = torch.nn.Linear(nets.D // 2, nets.VOCABULARY)
    with pytest.raises(ModelError, match="something stands between them"):
        Readout.of(model)
