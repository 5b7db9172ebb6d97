"""Swaps of tokens in a stored sequence: the right parameters change one token and nothing else."""

import pytest
import torch

from inscape.control.sequence_swaps import OnionSwap, SubspaceSwap, Swaps
from inscape.worlds.sequence_repeat import OnionStore, SlotStore, same, sequences


def swaps(net, n=200, seed=0):
    g = torch.Generator().manual_seed(seed)
    x, length = sequences(n, net.symbols, (2, net.longest), g)
    rows, position = torch.arange(n), (torch.rand(n, generator=g) * length).long()
    old = x[rows, position]
    new = (old + 1) % net.symbols
    wanted, given = x.clone(), torch.randint(net.symbols, x.shape, generator=g)
    wanted[rows, position] = given[rows, position] = new
    return (
        Swaps(net.encode(x, length), net.encode(given, length), position, old, new),
        wanted,
        length,
    )


def test_an_onion_with_the_right_magnitudes_is_exact():
    net = OnionStore(8, 4, 8, torch.Generator().manual_seed(0))
    given, wanted, length = swaps(net)
    swap = OnionSwap(8, 8, torch.Generator().manual_seed(1))
    assert same(net.repeat(given.h), wanted, length).mean() == 0
    with torch.no_grad():
        swap.tokens.copy_(net.tokens)
        swap.decay.fill_(net.ratio)
    assert same(net.repeat(swap(given)), wanted, length).mean() == 1
    assert torch.allclose(swap(given), net.encode(wanted, length), atol=1e-6)
    flat = OnionSwap(8, 8, torch.Generator().manual_seed(1), constant=True)
    with torch.no_grad():
        flat.tokens.copy_(net.tokens)
    assert same(net.repeat(flat(given)), wanted, length).mean() < 0.6


@pytest.mark.parametrize("bigrams", [False, True])
def test_subspaces_take_what_is_theirs_and_no_more(bigrams):
    net = SlotStore(8, 4, 16, torch.Generator().manual_seed(0))
    given, wanted, length = swaps(net)
    swap = SubspaceSwap(4, 16, torch.Generator().manual_seed(1), bigrams)
    with torch.no_grad():
        swap.raw.copy_(net.turn.T)
    right = same(net.repeat(swap(given)), wanted, length).mean()
    # a pair's subspace takes the source's neighbour along, and this source's neighbours are not the
    # base's
    assert right < 0.7 if bigrams else right == 1
    basis = torch.linalg.qr(swap.raw)[0]
    assert torch.allclose(basis.T @ basis, torch.eye(16), atol=1e-5)
    itself = given._replace(source=given.h)
    assert torch.allclose(swap(itself), given.h, atol=1e-6)


def test_at_most_so_many_dimensions():
    swap = SubspaceSwap(4, 64, torch.Generator().manual_seed(0), most=5)
    given = Swaps(
        torch.zeros(9, 64),
        torch.randn(9, 64),
        *(torch.zeros(9, dtype=torch.long) for _ in range(3)),
    )
    assert int(torch.linalg.matrix_rank(swap(given))) == 5


def test_refusals():
    with pytest.raises(
        ValueError, match="SubspaceSwap: 5 positions need as many dimensions, got width 4"
    ):
        SubspaceSwap(5, 4, torch.Generator())
