"""Networks of the next word: what the state at the last word depends on."""

from __future__ import annotations

import pytest
import torch

from inscape.nets.next_word import NextWord


@pytest.mark.parametrize("kind", ["LSTM", "transformer"])
def test_states_depend_on_every_word_and_their_order_but_the_embedding_on_the_last_alone(kind):
    torch.manual_seed(0)
    net = NextWord(30, 5, kind, width=16).eval()
    x = torch.tensor([[3, 4, 5, 6, 7], [9, 4, 5, 6, 7], [4, 3, 5, 6, 7]])
    embedding, *rest = net.layers(x)
    assert torch.equal(embedding, net.word(x[:, -1]))
    for states in rest:
        apart = torch.pdist(states)
        assert (apart > 1e-5).all()
    assert torch.allclose(net(x), net.head(rest[-1]))


def test_there_are_two_kinds():
    with pytest.raises(ValueError, match="kind must be 'LSTM' or 'transformer', got 'GRU'"):
        NextWord(5, 3, "GRU")


def test_widths_and_stretches_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="width 18 is no multiple of the transformer's 4 heads"):
        NextWord(50, 9, "transformer", width=18)
    net = NextWord(50, 9, "transformer", width=16)
    with pytest.raises(ValueError, match="stretches of 10 words, and the network takes 9 at most"):
        net(torch.zeros(1, 10, dtype=torch.int64))
