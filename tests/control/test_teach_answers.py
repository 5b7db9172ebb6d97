"""A network taught an answer to a few prompts."""

from __future__ import annotations

import torch

from inscape.control.teach_answers import teach_answers
from inscape.model.model import Model
from tests.model import nets


def test_what_is_taught_is_answered_and_the_teacher_stays_as_it_was():
    model = Model(nets.net("llama"), nets.tokenizer())
    prompts, answers = ["Paris is", "the river"], torch.tensor([7, 9])
    before = model.weights_hash
    plain = [model.run(p, logits=True).logits[0, -1].log_softmax(-1) for p in prompts]
    steps: list[int] = []
    found = teach_answers(
        model, prompts, answers, steps=30, rate=1e-2, advance=lambda: steps.append(1)
    )
    after = [found.model.run(p, logits=True).logits[0, -1].log_softmax(-1) for p in prompts]
    for old, new, answer in zip(plain, after, answers, strict=True):
        assert new[answer] > old[answer] + 1
    assert len(steps) == 30
    assert found.loss < -float(sum(p[a] for p, a in zip(plain, answers, strict=True))) / 2
    model._hash = None
    assert model.weights_hash == before


def test_only_what_mlps_write_with_is_changed():
    model = Model(nets.net("llama"), nets.tokenizer())
    found = teach_answers(model, ["Paris is"], torch.tensor([7]), steps=2, rate=1e-2)
    old, new = dict(model.net.named_parameters()), dict(found.model.net.named_parameters())
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    assert all("down_proj" in name for name in changed)
