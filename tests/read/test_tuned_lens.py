"""The tuned lens."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tests.model import nets

from inscape.core.errors import InscapeError, ModelError
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.logit_lens import LogitLens, logit_lens
from inscape.read.tuned_lens import TunedLens, train_tuned_lens, translated


def drifting(n=600, d=8, entries=30, layers=2, seed=0):
    """Layers whose states are the final ones in another basis and place: what a translator can
    undo.
    """
    draw = torch.Generator().manual_seed(seed)
    readout = Readout(torch.randn(entries, d, generator=draw))
    final = 2 * torch.randn(n, d, generator=draw)
    x = [final @ torch.linalg.qr(torch.randn(d, d, generator=draw)).Q + 1.0 for _ in range(layers)]
    return readout, torch.stack(x), final


@pytest.fixture(scope="module")
def trained():
    readout, x, final = drifting()
    seen: list[float] = []
    lens = train_tuned_lens(
        readout,
        x[:, :500],
        final[:500],
        steps=300,
        batch=100,
        rate=2e-2,
        progress=lambda _, kl: seen.append(kl),
    )
    return readout, x[:, 500:], final[500:], lens, seen


def test_it_starts_as_the_logit_lens_and_ends_at_the_networks_distribution(trained):
    readout, x, final, lens, seen = trained
    before = logit_lens(readout, x, final).kl.mean(axis=1)
    after = logit_lens(readout, translated(lens, x), final).kl.mean(axis=1)
    assert (before > 2).all()
    assert (after < 0.1).all()
    assert seen[0] == pytest.approx(before.mean(), rel=0.2)
    assert seen[-1] < 0.1


def test_a_final_state_that_says_nothing_of_the_layer_cannot_be_translated():
    readout, x, final = drifting(layers=1)
    x = torch.zeros_like(x)
    lens = train_tuned_lens(readout, x, final, steps=250, batch=200, rate=5e-2)
    constant = logit_lens(readout, translated(lens, x), final).kl.mean()
    p, state = torch.log_softmax(readout(final), -1), torch.zeros(8, requires_grad=True)
    solver = torch.optim.LBFGS([state], max_iter=200)

    def loss():
        solver.zero_grad()
        value = (p.exp() * (p - torch.log_softmax(readout(state), -1))).sum(-1).mean()
        value.backward()
        return value

    solver.step(loss)  # the best that one state for all rows can say
    assert constant == pytest.approx(float(loss().detach()), rel=0.02)
    assert constant > 2


def test_layers_do_not_touch_each_other(trained):
    readout, x, final = drifting()
    alone = train_tuned_lens(readout, x[1:], final, steps=5, batch=50)
    both = train_tuned_lens(readout, x, final, steps=5, batch=50)
    assert torch.allclose(alone.weight[0], both.weight[1], atol=1e-6)


def test_the_published_layout_round_trip(trained, tmp_path):
    *_, lens, _ = trained
    lens.save(tmp_path / "lens")
    state = torch.load(tmp_path / "lens" / "params.pt", weights_only=True)
    assert set(state) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    linear = torch.nn.Linear(8, 8)
    linear.load_state_dict({"weight": state["1.weight"], "bias": state["1.bias"]})
    h = torch.randn(4, 8)
    assert torch.allclose(h + linear(h), lens(1, h), atol=1e-6)
    again = TunedLens.load(tmp_path / "lens")
    assert torch.equal(again.weight, lens.weight)
    assert torch.equal(again.bias, lens.bias)
    with pytest.raises(ModelError, match=r"config\.json already exists and was not written"):
        lens.save(tmp_path / "lens")


def test_a_lens_without_biases_opens(tmp_path):
    torch.save({"0.weight": torch.eye(3)}, tmp_path / "params.pt")
    (tmp_path / "config.json").write_text(
        json.dumps({"d_model": 3, "num_hidden_layers": 1, "bias": False})
    )
    assert torch.equal(TunedLens.load(tmp_path)(0, torch.ones(2, 3)), 2 * torch.ones(2, 3))


@pytest.mark.parametrize(
    "config",
    [
        "[" * 100_000,
        "{}",
        "[]",
        '{"d_model": 1e999, "num_hidden_layers": 1}',
        "\xff",
        '{"d_model": "x"}',
    ],
)
def test_a_damaged_configuration_is_a_sentence(tmp_path, config):
    torch.save({"0.weight": torch.eye(3), "0.bias": torch.zeros(3)}, tmp_path / "params.pt")
    (tmp_path / "config.json").write_text(config, encoding="latin-1")
    with pytest.raises(ModelError, match="is not a tuned lens"):
        TunedLens.load(tmp_path)


def test_a_width_that_no_tensor_has_takes_no_memory(tmp_path):
    torch.save({"0.weight": torch.eye(3)}, tmp_path / "params.pt")
    config = {"d_model": 10**15, "num_hidden_layers": 1, "bias": False}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="1 layers of width 1000000000000000, and params.pt holds"):
        TunedLens.load(tmp_path)


class Planted:
    """What would run if the file were unpickled."""

    def __reduce__(self):
        return print, ("this ran",)


def test_files_that_are_no_lens_are_refused(tmp_path, capsys):
    with pytest.raises(ModelError, match="is not a tuned lens"):
        TunedLens.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"d_model": 4, "num_hidden_layers": 1}))
    torch.save({"0.weight": torch.eye(3), "0.bias": torch.zeros(3)}, tmp_path / "params.pt")
    with pytest.raises(ModelError, match="config.json says 1 layers of width 4"):
        TunedLens.load(tmp_path)
    torch.save({"0.weight": Planted()}, tmp_path / "params.pt")
    with pytest.raises(ModelError, match="holds more than tensors, so it was not opened"):
        TunedLens.load(tmp_path)
    assert capsys.readouterr().out == ""


def test_refusals():
    readout, x, final = drifting(n=20)
    with pytest.raises(ValueError, match="at least one step and one row, got 0 and 20"):
        train_tuned_lens(readout, x, final, steps=0)
    with pytest.raises(InscapeError, match="the tuned lens diverged at step 0"):
        train_tuned_lens(readout, x * np.nan, final, steps=2)
    with pytest.raises(ValueError, match=r"x must be \(2, n, d\)"):
        translated(train_tuned_lens(readout, x, final, steps=1), x[:1])


def test_a_lens_fitted_to_a_model_comes_nearer_to_what_it_says_than_the_logit_lens():
    model = Model(nets.net("llama"), nets.tokenizer(), "tiny")
    texts = [
        f"the {a} of {b} is {c}"
        for a in ("river", "sea")
        for b in ("Paris", "London")
        for c in ("good", "bad")
    ]
    lens = TunedLens.fit(model, texts, steps=150, rate=1e-2, batch=32)
    assert lens.model == "tiny"
    sites = ["resid_post.0", "resid_post.2"]
    run = model.run(model.tokenize(texts[:1]), sites)
    readout, final = Readout.of(model), run["resid_post.2"][0].float()
    plain, tuned = (
        reader.read(readout, "resid_post.0", run["resid_post.0"][0], final)
        for reader in (LogitLens.fit(model, texts), lens)
    )
    assert (plain.kl[1:] > 1e-3).all()
    assert tuned.kl[1:].mean() < 0.7 * plain.kl[1:].mean()
    # what leaves the last block is read as it is
    last = lens.read(readout, "resid_post.2", final, final, k=2)
    assert last.kl == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match=r"reads resid_pre.\* and resid_post.\*, got 'mlp_out.1'"):
        lens.read(readout, "mlp_out.1", final)
    with pytest.raises(ValueError, match="a lens of 3 blocks"):
        lens.read(readout, "resid_post.3", final)
    with pytest.raises(ValueError, match="no text has two tokens or more"):
        TunedLens.fit(model, ["the"])
