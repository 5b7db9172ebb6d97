"""Rows share a batch only where the model treats them alike; every row is what it is alone in a
network that ran nothing.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers as t

from inscape.core.edit import Add, Scope
from inscape.core.errors import ModelError
from inscape.model import prefix
from inscape.model.families.gpt2 import FAMILY as GPT2
from inscape.model.open import open
from inscape.outcomes.passes import gather
from inscape.store.harvest import harvest

from .nets import D, net, tokenizer

SITE = "resid_post.1"
_LONG = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
}
_DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))


def _llama(rope: dict, most: int = 128):
    base = net("llama")
    config = base.config.to_dict() | {"rope_parameters": rope, "max_position_embeddings": most}
    made = t.LlamaForCausalLM(t.LlamaConfig(**config)).eval()
    made.load_state_dict(base.state_dict())
    return made


KINDS = {
    "dynamic": lambda: _llama(_DYNAMIC, 16),
    "longrope": lambda: _llama(_LONG),
}


def _mixed() -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(4, 118, size=int(n)).tolist() for n in rng.integers(3, 40, size=40)]


def _alone(network, ids) -> np.ndarray:
    with torch.no_grad():
        out = copy.deepcopy(network)(torch.tensor([ids]), output_hidden_states=True)
    return out.hidden_states[2][0, -1].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_harvested_rows_are_those_of_each_example_alone(kind):
    network, ids = KINDS[kind](), _mixed()
    model = open(network)
    want = np.array([_alone(network, row) for row in ids])
    found = harvest(model, ids, SITE).matrix(SITE)
    np.testing.assert_allclose(found, want, atol=1e-4 * np.abs(want).max())
    rotary = network.model.rotary_emb
    if kind == "dynamic":
        assert rotary.max_seq_len_cached == 16
        torch.testing.assert_close(rotary.inv_freq, rotary.original_inv_freq)


@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_beginning_does_not_cross_the_switch(kind):
    network = KINDS[kind]()
    rng = np.random.default_rng(1)
    start = rng.integers(4, 118, size=14).tolist()
    ids = [start + rng.integers(4, 118, size=int(n)).tolist() for n in rng.integers(1, 20, size=60)]
    model = open(network)
    want = np.array([_alone(network, row) for row in ids])
    np.testing.assert_allclose(
        harvest(model, ids, SITE).matrix(SITE), want, atol=1e-4 * np.abs(want).max()
    )
    assert "scaled otherwise" in prefix.applies(model, 17)
    assert prefix.applies(model, 16) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_across_the_switch_is_refused(kind):
    model = open(KINDS[kind]())
    assert model.certificate.passed
    model.run([[5] * 16, [6] * 3], SITE)
    with pytest.raises(ModelError, match="run them apart"):
        model.run([[5] * 17, [6] * 3], SITE)
    if kind == "longrope":
        model.run([[5] * 17, [6] * 30], SITE)
    else:
        with pytest.raises(ModelError, match="run them apart"):
            model.run([[5] * 17, [6] * 30], SITE)


def test_passes_batch_what_is_treated_alike():
    model = open(KINDS["longrope"](), tokenizer=tokenizer())
    words = "the a river sea mountain Paris London is of in".split()
    texts = [" ".join((words * 4)[:n]) for n in (3, 30, 15, 18, 16, 17, 40)]
    import pandas as pd

    from inscape.data.examples import Examples

    found = gather(model, Examples(pd.DataFrame({"text": texts}), "text"), SITE)
    want = np.array([_alone(model.net, model.tokenizer(x)["input_ids"]) for x in texts])
    np.testing.assert_allclose(found, want, atol=1e-4 * np.abs(want).max())


def test_a_pass_does_not_depend_on_the_one_before():
    model = open(KINDS["dynamic"]())
    first = model.run([[7] * 20], SITE)[SITE]
    model.run([[7] * 40], SITE)
    torch.testing.assert_close(model.run([[7] * 20], SITE)[SITE], first)
    edit = Add(Scope(SITE, positions="last"), torch.zeros(D))
    torch.testing.assert_close(model.run([[7] * 20], SITE, edits=edit)[SITE], first)


def test_the_certificate_looks_past_a_window_and_a_switch():
    for network, length in ((_llama(_LONG), 16), (_windowed(6), 6)):
        model = open(network)
        assert model.certificate.passed
        names = [item.name for item in model.certificate.items]
        assert f"batched = single beyond {length} tokens" in names
        assert prefix.NAME in names
    assert "a window of 6" in prefix.applies(model, 7)


def _windowed(window: int):
    base = net("mistral")
    made = t.MistralForCausalLM(
        t.MistralConfig(**base.config.to_dict() | {"sliding_window": window})
    )
    made.load_state_dict(base.state_dict())
    return made.eval()


def test_rows_that_depend_on_the_batch_beyond_a_length_fail_the_certificate():
    network = _llama(_LONG)

    def crossed(_module, _args, out):
        return out + (len(out) - 1) * float(out.shape[1] > 16)

    network.model.layers[0].register_forward_hook(crossed)
    found = [item.name for item in open(network).certificate.items if not item.passed]
    assert found == ["batched = single beyond 16 tokens"]


def _short(most: int, family=None):
    config = net("gpt2").config.to_dict() | {"n_positions": most}
    network = t.GPT2LMHeadModel(t.GPT2Config(**config)).eval()
    return open(network, tokenizer=tokenizer(), family=family)


@pytest.mark.parametrize("most", [2, 3, 4, 16])
def test_contexts_shorter_than_the_certificates_sentence(most):
    model = _short(most)
    assert model.certificate.passed
    assert model.run([[5] * most], SITE)[SITE].shape[1] == most
    # and what is wrong is found in them: queries and keys taken for each other
    points = GPT2.points | {"q": GPT2.points["k"], "k": GPT2.points["q"]}
    wrong = _short(most, replace(GPT2, points=points))
    assert {s.point for s in wrong.refused} == {"q", "k"}


def test_a_context_of_one_token():
    model = _short(1)
    # the softmax of one score is 1 whatever q and k are, so nothing is known of them
    assert [i.name for i in model.certificate.items if not i.passed] == ["every site is measured"]
    assert {s.point for s in model.refused} == {"q", "k"}
    assert model.run([[5]], SITE)[SITE].shape[1] == 1
    assert "takes one token" in prefix.applies(model, 1)
    found = harvest(model, [[5], [6]], SITE).matrix(SITE)
    np.testing.assert_allclose(found[0], model.run([[5]], SITE)[SITE][0, 0].numpy(), atol=1e-5)
    with pytest.raises(ModelError, match="text 1 has 2 tokens .* takes 1: shorten it"):
        model.run("the river", SITE)


_ENCODER = dict(
    vocab_size=120,
    hidden_size=32,
    num_hidden_layers=2,
    intermediate_size=48,
    pad_token_id=0,
    max_position_embeddings=128,
)


def test_rows_of_an_unknown_network_are_never_padded_in_a_harvest():
    """FNet mixes all positions by a Fourier transform, padding among them."""
    torch.manual_seed(0)
    network, site = t.FNetModel(t.FNetConfig(**_ENCODER)).eval(), "module:encoder.layer.1:out"
    rng = np.random.default_rng(0)
    ids = [rng.integers(5, 120, size=n).tolist() for n in (16, 64, 32, 16, 48, 64)]

    def alone(row):
        out = []
        handle = network.encoder.layer[1].register_forward_hook(lambda _m, _a, o: out.append(o))
        with torch.no_grad():
            network(torch.tensor([row]))
        handle.remove()
        return (out[0] if isinstance(out[0], torch.Tensor) else out[0][0])[0, -1].numpy()

    model = open(network, tokenizer=tokenizer())
    together = model.run(ids, site)[site][0, len(ids[0]) - 1].numpy()
    want = np.stack([alone(row) for row in ids])
    # padded it is something else, which is what a harvest must keep from
    assert np.linalg.norm(together - want[0]) > 1e-3 * np.linalg.norm(want[0])
    found = harvest(model, ids, site, at="last", progress=False).matrix(site)
    np.testing.assert_allclose(found, want, atol=1e-5, rtol=1e-4)
