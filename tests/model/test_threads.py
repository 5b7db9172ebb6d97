"""What is placed on a network acts in its own thread; another one finds the network as it was."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

from inscape.control.attention_knockout import attention_knockout
from inscape.control.low_rank_adapter import attached, low_rank_adapters
from inscape.core.edit import Add, Scope
from inscape.model.detach import detached
from inscape.model.model import Model
from inscape.model.skip import begun_at
from inscape.store.harvest import harvest
from tests.model.nets import D, net, tokenizer

IDS = [[5, 6, 7, 8], [9, 10, 11, 12]]
SITE = "resid_post.2"


@pytest.fixture
def model() -> Model:
    return Model(net("llama"), tokenizer())


def edit(by: float = 3.0) -> Add:
    return Add(Scope("resid_post.0"), by * torch.linspace(-1, 1, D))


def beside(what: Callable[[], Any]) -> Any:
    """What a function gives in another thread."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(what())
        except Exception as error:  # shown by the test, not by a thread that ends
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def last(model: Model) -> torch.Tensor:
    return model.run(IDS, SITE)[SITE]


def direct(model: Model) -> torch.Tensor:
    """What the network gives where nobody asks the model."""
    with torch.no_grad():
        return model.net(torch.tensor(IDS)).logits


def test_edits_of_a_block_are_of_its_thread(model, tmp_path):
    plain, edited = last(model), model.run(IDS, SITE, edits=edit())[SITE]
    words = model.generate(["a river runs"], 6)
    with model.edited(edit()):
        assert not torch.allclose(plain, edited)
        torch.testing.assert_close(last(model), edited)
        torch.testing.assert_close(beside(lambda: last(model)), plain)
        assert beside(lambda: model.edits) == ()
        assert beside(lambda: model.generate(["a river runs"], 6)) == words
        stored = beside(lambda: harvest(model, IDS, SITE, to=tmp_path / "store", progress=False))
        torch.testing.assert_close(torch.tensor(stored.matrix(SITE)), plain[:, -1])
        torch.testing.assert_close(last(model), edited)
    torch.testing.assert_close(last(model), plain)


def test_blocks_of_two_threads_that_end_in_another_order_keep_their_own_edits(model):
    by = (1.0, 5.0)
    want = [model.run(IDS, SITE, edits=edit(b))[SITE] for b in by]
    plain, found = last(model), {}
    inside, ended = threading.Barrier(2), threading.Event()

    def work(i: int) -> None:
        with model.edited(edit(by[i])):
            inside.wait(30)  # both have entered
            if i:
                ended.wait(30)  # and the first has left
            found[i] = last(model)
        ended.set()
        found[i, "after"] = last(model)

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in (0, 1):
        torch.testing.assert_close(found[i], want[i])
        torch.testing.assert_close(found[i, "after"], plain)


def test_blocks_of_two_tasks_of_one_thread_keep_their_own_edits(model):
    by = (1.0, 5.0)
    want = [model.run(IDS, SITE, edits=edit(b))[SITE] for b in by]

    async def work(b: float, turns: int) -> torch.Tensor:
        with model.edited(edit(b)):
            for _ in range(turns):
                await asyncio.sleep(0)
            return last(model)

    async def both() -> list[torch.Tensor]:
        return await asyncio.gather(work(by[0], 1), work(by[1], 3))

    for found, right in zip(asyncio.run(both()), want, strict=True):
        torch.testing.assert_close(found, right)
    assert model.edits == ()


def test_edits_of_two_models_in_blocks_inside_each_other_are_each_ones_own(model):
    other = Model(model.net, model.tokenizer)
    plain = last(model)
    with model.edited(edit(1.0)):
        outer = other.edited(edit(5.0))
        outer.__enter__()
        assert (len(model.edits), len(other.edits)) == (1, 1)
    assert (len(model.edits), len(other.edits)) == (0, 1)
    torch.testing.assert_close(last(model), plain)
    outer.__exit__(None, None, None)
    assert other.edits == ()


def adapted(model: Model) -> Any:
    made = low_rank_adapters(model, "*down_proj", 2, generator=torch.Generator().manual_seed(0))
    for up in made.up.values():
        up.data.fill_(0.5)
    return attached(model, made)


def knocked(model: Model) -> Any:
    queries, keys = torch.zeros(2, 2, 4, dtype=torch.bool)
    queries[:, -1], keys[:, 0] = True, True
    return attention_knockout(model, [0, 1], queries, keys)


def begun(model: Model) -> Any:
    return begun_at(model, 2, model.run(IDS, "resid_pre.2")["resid_pre.2"] + 1.0)


@pytest.mark.parametrize("block", [adapted, knocked, begun])
def test_what_a_block_places_on_a_network_is_of_its_thread(model, block):
    plain, logits = last(model), direct(model)
    with block(model):
        inside = last(model)
        assert not torch.allclose(inside, plain)
        torch.testing.assert_close(beside(lambda: last(model)), plain)
        torch.testing.assert_close(beside(lambda: direct(model)), logits)
        torch.testing.assert_close(last(model), inside)
    torch.testing.assert_close(last(model), plain)


def test_gates_that_are_held_constant_are_so_in_one_thread(model):
    def slope() -> torch.Tensor:
        acts = model.run(IDS, "embed", grad_of=lambda y: y[:, -1].pow(2).sum())
        return next(iter(acts.grads.values()))

    plain = slope()
    with detached(model):
        inside = slope()
        assert not torch.allclose(inside, plain)
        torch.testing.assert_close(beside(slope), plain)
        torch.testing.assert_close(slope(), inside)


def test_generation_leaves_the_settings_of_a_network_alone_while_it_runs(model):
    seen: list[Any] = []
    own, network = model.net.generation_config, model.net
    handle = network.model.layers[0].register_forward_hook(
        lambda *_: seen.append(network.generation_config)
    )
    model.generate(["a river runs"], 3)
    handle.remove()
    assert len(seen) == 3
    assert all(held is own for held in seen)
