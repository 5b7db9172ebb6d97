"""The Jacobian lens."""

from __future__ import annotations

import pytest
import torch
from tests.model import nets

from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model.graph import graph
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.jacobian_lens import JacobianLens, jacobian_lens, local_jacobian


def mixing(T=5, d=6, seed=0):
    """Two linear layers that mix positions causally: final = M₂ h M₁ᵀ, so the Jacobian is known."""
    draw = torch.Generator().manual_seed(seed)
    a, b = torch.randn(d, d, generator=draw), torch.randn(d, d, generator=draw)
    causal = torch.tril(torch.rand(T, T, generator=draw))
    x = torch.randn(T, d, generator=draw)

    def forward(copies):
        h0 = x.expand(copies, T, d).clone().requires_grad_(True)
        h1 = torch.einsum("qt,ntd->nqd", causal, h0 @ a.T)
        return (h0, h1), h1 @ b.T

    return forward, a, b, causal


def test_a_linear_network_gives_its_own_matrices():
    forward, a, b, causal = mixing()
    lens = jacobian_lens([forward], [0, 1], skip=0, copies=4)
    weight = causal.sum(dim=0).mean()  # over sources, what reaches all later targets
    assert torch.allclose(lens.matrices[0], weight * b @ a, atol=1e-5)
    assert torch.allclose(lens.matrices[1], b, atol=1e-5)
    assert not torch.allclose(lens.matrices[0], lens.matrices[1], atol=0.1)
    assert torch.allclose(lens(1, torch.eye(6)[0]), b[:, 0], atol=1e-5)


@pytest.mark.parametrize("copies", [1, 5, 32])
def test_how_many_rows_a_pass_gives_changes_nothing(copies):
    forward, *_ = mixing()
    one = jacobian_lens([forward], [0, 1], copies=6)
    assert torch.allclose(
        jacobian_lens([forward], [0, 1], copies=copies).matrices[0], one.matrices[0], atol=1e-6
    )


def test_a_networks_average_is_the_mean_of_its_full_jacobian():
    model = Model(nets.net("llama"))
    ids = torch.randint(3, nets.VOCABULARY, (1, 6), generator=torch.Generator().manual_seed(0))
    sites = [Site("resid_post", i) for i in range(nets.LAYERS)]

    def forward(copies):
        found = graph(model, ids, sites, copies=copies)
        return [found[s] for s in sites[:-1]], found[sites[-1]]

    lens = jacobian_lens([forward], [0, 1], skip=2, copies=8)
    states, final = forward(1)
    full = torch.zeros(nets.D, nets.D)
    for i in range(nets.D):  # Σ over targets, one row at a time
        grad = torch.autograd.grad(final[0, 2:, i].sum(), states[1], retain_graph=True)[0]
        full[i] = grad[0, 2:].mean(0)
    assert torch.allclose(lens.matrices[1], full, atol=1e-5)
    assert all(p.requires_grad for p in model.net.parameters())
    # an edit of a state moves the last state by about J times it, at that position
    assert (lens.matrices[1] - torch.eye(nets.D)).norm() > 0.1


def test_lenses_of_parts_add_to_the_lens_of_all():
    one, two = mixing(seed=1)[0], mixing(seed=2)[0]
    both = jacobian_lens([one, two, two], [0, 1])
    parts = jacobian_lens([one], [0, 1]) + jacobian_lens([two, two], [0, 1])
    assert parts.prompts == 3
    assert torch.allclose(parts.matrices[0], both.matrices[0], atol=1e-5)


def test_the_published_file_round_trip(tmp_path):
    lens = jacobian_lens([mixing()[0]], [3, 7])
    lens.save(tmp_path / "x_jacobian_lens.pt")
    with pytest.raises(ModelError, match=r"x_jacobian_lens\.pt already exists and was not"):
        lens.save(tmp_path / "x_jacobian_lens.pt")
    raw = torch.load(tmp_path / "x_jacobian_lens.pt", weights_only=True)
    assert raw["source_layers"] == [3, 7]
    assert raw["J"][3].dtype == torch.float16
    again = JacobianLens.load(tmp_path / "x_jacobian_lens.pt")
    assert again.prompts == 1
    assert torch.allclose(again.matrices[7], lens.matrices[7], atol=5e-3)


def test_local_jacobian_is_autograds_and_changes_with_the_state():
    draw = torch.Generator().manual_seed(0)
    w = torch.randn(4, 7, generator=draw)

    def f(h):
        return torch.tanh(w @ h) * 2

    h = torch.randn(7, generator=draw)
    assert torch.allclose(
        local_jacobian(f, h, chunk=3), torch.autograd.functional.jacobian(f, h), atol=1e-6
    )
    assert not torch.allclose(local_jacobian(f, h), local_jacobian(f, 0 * h), atol=0.1)
    assert torch.allclose(local_jacobian(lambda x: w @ x, h), w, atol=1e-6)


def test_refusals(tmp_path):
    forward, *_ = mixing()
    with pytest.raises(ValueError, match="there are no prompts"):
        jacobian_lens([], [0])
    with pytest.raises(ValueError, match="a prompt of 5 positions has none left after the first 5"):
        jacobian_lens([forward], [0, 1], skip=5)
    lens = jacobian_lens([forward], [0, 1])
    with pytest.raises(ValueError, match=r"there is no layer 9; it has \[0, 1\]"):
        lens(9, torch.zeros(6))
    with pytest.raises(ValueError, match="lenses of different layers"):
        lens + JacobianLens({0: torch.eye(6)}, 1)
    with pytest.raises(ModelError, match="is not a Jacobian lens"):
        JacobianLens.load(tmp_path / "none.pt")
    torch.save({"J": {0: torch.zeros(3, 4)}}, tmp_path / "wide.pt")
    with pytest.raises(ModelError, match=r"are \(d, d\), these are"):
        JacobianLens.load(tmp_path / "wide.pt")


def test_a_lens_fitted_to_texts_is_the_average_of_their_jacobians():
    model = Model(nets.net("llama"), nets.tokenizer(), "tiny")
    texts = ["the river is good", "the sea of Paris is bad"]
    lens = JacobianLens.fit(model, texts, copies=8)
    one, two = (JacobianLens.fit(model, [t], copies=5) for t in texts)
    assert lens.prompts == 2
    assert torch.allclose(lens.matrices[0], (one + two).matrices[0], atol=1e-5)
    run = model.run(model.tokenize(texts[:1]), "resid_post.*")
    readout, final = Readout.of(model), run["resid_post.2"][0].float()
    said = lens.read(readout, "resid_post.1", run["resid_post.1"][0].numpy(), final, k=1)
    carried = run["resid_post.1"][0].float() @ lens.matrices[1].T
    assert said.tokens[:, 0].tolist() == readout(carried).argmax(-1).tolist()
    assert lens.read(readout, "resid_post.2", final, final, k=2).kl == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match=r"it reads resid_post.\*, got 'embed'"):
        lens.read(readout, "embed", final)
