"""Training adapters: the answers are learned, the network's weights are not touched, the same
lessons give the same.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from inscape.control.low_rank_adapter import attached, low_rank_adapters
from inscape.control.train_adapters import (
    Course,
    Lesson,
    Tune,
    lessons,
    taught,
    taught_each,
    train_adapters,
)
from inscape.core.errors import ModelError
from inscape.core.threads import one_torch_thread
from inscape.model.model import Model
from tests.model import nets

PROMPTS = ["the capital of the sea is", "Paris is", "a river runs in"]
ANSWERS = [" London .", " bad film .", " the sea !"]


def opened(family: str = "llama") -> Model:
    return Model(nets.net(family), nets.tokenizer())


def losses_of(model: Model) -> float:
    found = []
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):
        tokens = model.tokenize([prompt + answer])
        logits = model.run(tokens, logits=True).logits[0]
        n = len(model.tokenize([prompt])[0])
        found.append(
            functional.cross_entropy(logits[n - 1 : -1], torch.from_numpy(tokens[0].ids[n:]))
        )
    return float(torch.stack(found).mean())


def adapters_for(model: Model, pattern: str = "model.layers.[12].mlp.down_proj"):
    return low_rank_adapters(model, pattern, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("family", "pattern"), [("llama", "model.layers.*.mlp.down_proj"), ("gpt2", "*.mlp.c_proj")]
)
def test_answers_are_learned_and_the_network_is_not_touched(family, pattern):
    model = opened(family)
    before, plain, wanted = (
        model.weights_hash,
        losses_of(model),
        [p.requires_grad for p in model.net.parameters()],
    )
    adapters, seen = adapters_for(model, pattern), []
    batches = lessons(model, PROMPTS, ANSWERS, 60, 3, rng=np.random.default_rng(0))
    with one_torch_thread():
        losses = train_adapters(
            model,
            adapters,
            batches,
            rate=3e-2,
            progress=lambda step, loss: seen.append((step, loss)),
        )
    assert losses[0] == pytest.approx(plain, rel=0.2)
    assert losses[-1] < 0.6 * losses[0]
    assert seen == list(enumerate(losses, 1))
    with attached(model, adapters):
        assert losses_of(model) < 0.6 * plain
    assert losses_of(model) == plain
    assert Model(model.net).weights_hash == before
    assert [p.requires_grad for p in model.net.parameters()] == wanted
    assert not model.net.training
    assert all(p.grad is None for p in [*model.net.parameters(), *adapters.parameters])


def test_the_first_loss_is_that_of_a_plain_pass():
    model = opened()
    ids = torch.tensor([[5, 9, 17, 3], [7, 8, 80, 0]])
    marked = torch.tensor([[False, False, True, True], [False, True, True, False]])
    found = train_adapters(model, adapters_for(model), [Lesson(ids, marked)], rate=1e-9)[0]
    logits = model.run({"input_ids": ids}, logits=True).logits
    wanted = functional.cross_entropy(
        torch.stack([logits[0, 1], logits[0, 2], logits[1, 0], logits[1, 1]]),
        torch.tensor([17, 3, 8, 80]),
    )
    assert found == pytest.approx(float(wanted), rel=1e-5)


def test_same_lessons_same_adapters_and_epochs_are_whole():
    model = opened()
    found = []
    for _ in range(2):
        adapters = adapters_for(model)
        with one_torch_thread():
            train_adapters(
                model,
                adapters,
                lessons(model, PROMPTS, ANSWERS, 3, 2, rng=np.random.default_rng(1)),
            )
        found.append(adapters)
    for name in found[0].names:
        assert torch.equal(found[0].up[name], found[1].up[name])
        assert found[0].up[name].abs().max() > 0
    drawn = lessons(model, PROMPTS, ANSWERS, 3, 1, rng=np.random.default_rng(1))
    firsts = {tuple(x.ids[0].tolist()) for x in drawn}
    assert len(firsts) == 3  # each pair once an epoch
    assert sorted(int(x.marked.sum()) for x in drawn) == [2, 3, 3]


def test_adapters_of_an_enclosing_block_act_and_stay():
    model = opened()
    outer, inner = adapters_for(model), adapters_for(model)
    with torch.no_grad():
        for b in outer.up.values():
            b.fill_(0.3)
    batches = lessons(model, PROMPTS, ANSWERS, 1, 3, rng=np.random.default_rng(0))
    alone = train_adapters(model, adapters_for(model), batches)[0]
    with attached(model, outer):
        under = train_adapters(model, inner, batches)[0]
    assert under != pytest.approx(alone, rel=1e-4)
    assert all(b.grad is None and bool((b == 0.3).all()) for b in outer.up.values())


def test_refusals():
    model = opened()
    with pytest.raises(ValueError, match="at least one token is marked"):
        Lesson(torch.ones(1, 3, dtype=torch.long), torch.zeros(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="no row's first is"):
        Lesson(torch.ones(1, 3, dtype=torch.long), torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="one answer a prompt, at least one pair; got 1 and 0"):
        lessons(model, ["a"], [], 1, 1, rng=np.random.default_rng(0))
    batches = lessons(model, PROMPTS, ANSWERS, 1, 1, rng=np.random.default_rng(0))
    bert = opened("bert")
    with pytest.raises(ModelError, match="has no head"):
        train_adapters(bert, adapters_for(bert, "*.0.output.dense"), batches)
    adapters = adapters_for(model)
    with torch.no_grad():
        adapters.up[adapters.names[0]].fill_(float("nan"))
    with pytest.raises(ModelError, match="the loss of step 0 is nan; lower rate"):
        train_adapters(model, adapters, batches)
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.net.modules())


def test_adapters_are_made_and_taught_in_one_as_by_hand():
    model, plain = opened(), losses_of(opened())
    layers, course = "model.layers.[12].mlp.down_proj", Course(2, 20, 3, 3e-3, 4.0)
    stream, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    made, losses = taught(model, layers, PROMPTS, ANSWERS, course, generator=stream, rng=rng)
    hand = low_rank_adapters(model, layers, 2, 4.0, generator=torch.Generator().manual_seed(0))
    batches = lessons(model, PROMPTS, ANSWERS, 20, 3, rng=np.random.default_rng(0))
    assert made.scale == hand.scale == 2.0
    assert losses == pytest.approx(train_adapters(model, hand, batches, rate=3e-3))
    with attached(model, made):
        assert losses_of(model) < plain


def test_tunes_of_one_start_are_taught_alike_and_each_from_the_model_as_it_is():
    model, layers, steps = opened(), "model.layers.1.mlp.down_proj", []
    tunes = {
        "one": Tune(PROMPTS, ANSWERS, layers, 2, "a"),
        "again": Tune(PROMPTS, ANSWERS, layers, 2, "a"),
        "other": Tune(PROMPTS, ANSWERS, layers, 1, "b"),
    }
    with one_torch_thread():
        made, rows = taught_each(
            model, tunes, Course(1, 4, 2, 1e-2), seed=0, advance=lambda: steps.append(1)
        )
    assert len(steps) == 12
    assert rows["rank"].tolist() == [2, 2, 1]
    assert rows["answered"].tolist() == ANSWERS[:1] * 3
    path = made["one"].names[0]
    assert torch.equal(made["one"].up[path], made["again"].up[path])
    assert rows["first loss"][0] == rows["first loss"][1] != rows["last loss"][0]
    assert made["other"].up[path].shape[-1] == 1
