"""Latents moved with the dictionary's error kept; components taken from other rows."""

from __future__ import annotations

import pytest
import torch

from inscape.control.latents import MoveLatents
from inscape.control.resample import Resample
from inscape.core.edit import ProjectOut, Scope
from inscape.model.model import Model
from tests.model import nets

SCOPE = Scope("resid_post.0")
IDS = {"input_ids": torch.tensor([[5, 9, 17, 3], [7, 11, 80, 21]])}


def dictionary(d=6, m=9, seed=0):
    g = torch.Generator().manual_seed(seed)
    down, up = torch.randn(d, m, generator=g), torch.randn(m, d, generator=g)
    return (lambda h: torch.relu(h @ down)), (lambda f: f @ up), up


def test_a_latent_moves_along_its_decoder_row_and_the_error_stays():
    encode, decode, up = dictionary()
    h = torch.randn(4, 3, 6, generator=torch.Generator().manual_seed(1))
    f = encode(h)
    out = MoveLatents(SCOPE, encode, decode, (2, 5), value=1.5).apply(h)
    want = h + (1.5 - f[..., [2]]) * up[2] + (1.5 - f[..., [5]]) * up[5]
    assert torch.allclose(out, want, atol=1e-5)
    assert not torch.allclose(
        decode(encode(h)), h, atol=0.5
    )  # the dictionary is no identity, so there is an error to keep
    assert torch.allclose(
        MoveLatents(SCOPE, encode, decode, (2,), factor=1.0).apply(h), h, atol=1e-6
    )
    gone = MoveLatents(SCOPE, encode, decode, (2,)).apply(h)
    assert torch.allclose(gone, h - f[..., [2]] * up[2], atol=1e-5)


def test_taking_a_latent_out_of_an_orthonormal_linear_dictionary_is_projection():
    q = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2)))[0]
    h = torch.randn(5, 6, generator=torch.Generator().manual_seed(3))
    ours = MoveLatents(SCOPE, lambda x: x @ q.T, lambda f: f @ q, (0, 3)).apply(h)
    assert torch.allclose(ours, ProjectOut(SCOPE, q[[0, 3]]).apply(h), atol=1e-5)


def test_resampling_twice_with_an_exchange_is_nothing_and_keeps_the_rest():
    b = torch.linalg.qr(torch.randn(6, 2, generator=torch.Generator().manual_seed(4)))[0].T
    h = torch.randn(4, 3, 6, generator=torch.Generator().manual_seed(5))
    edit = Resample(SCOPE, torch.tensor([1, 0, 3, 2]), b)
    once = edit.apply(h)
    assert torch.allclose(once @ b.T, (h @ b.T)[[1, 0, 3, 2]], atol=1e-5)
    away = torch.eye(6) - b.T @ b
    assert torch.allclose(once @ away, h @ away, atol=1e-5)
    assert not torch.allclose(once, h, atol=0.1)
    assert torch.allclose(edit.apply(once), h, atol=1e-5)
    assert torch.allclose(
        Resample(SCOPE, torch.tensor([1, 0, 3, 2])).apply(h), h[[1, 0, 3, 2]], atol=1e-6
    )


def test_inside_a_network_all_of_another_row_gives_its_logits():
    model = Model(nets.net("llama"))
    plain = model.run(IDS, logits=True).logits
    swapped = model.run(IDS, logits=True, edits=Resample(SCOPE, torch.tensor([1, 0]))).logits
    assert torch.allclose(swapped, plain[[1, 0]], atol=1e-5)
    assert (swapped - plain).abs().max() > 0.05
    encode, decode, _ = dictionary(nets.D, 2 * nets.D)
    moved = model.run(
        IDS, logits=True, edits=MoveLatents(SCOPE, encode, decode, (1,), value=4.0)
    ).logits
    assert (moved - plain).abs().max() > 0.05
    assert torch.equal(model.run(IDS, logits=True).logits, plain)


def test_refusals():
    encode, decode, _ = dictionary()
    with pytest.raises(ValueError, match="latents must be numbers from 0, at least one"):
        MoveLatents(SCOPE, encode, decode)
    with pytest.raises(ValueError, match="the dictionary has 9 latents, and 9 was asked for"):
        MoveLatents(SCOPE, encode, decode, (9,)).apply(torch.zeros(1, 6))
    with pytest.raises(ValueError, match="orthonormal rows"):
        Resample(SCOPE, torch.tensor([0]), torch.ones(2, 6))
    with pytest.raises(ValueError, match="donors for 1 rows, and the batch has 2"):
        Resample(SCOPE, torch.tensor([0])).apply(torch.zeros(2, 6))


@pytest.mark.parametrize("order", [[-1, 0], [0, 2]])
def test_donors_are_rows_of_the_batch(order):
    edit = Resample(Scope("embed"), torch.tensor(order))
    with pytest.raises(ValueError, match="donors are rows 0 to 1 of the batch"):
        edit.apply(torch.ones(2, 3))
