"""Continuations: as whole passes give them, whatever they are batched with, and drawn from the
right distribution.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.core.errors import ModelError
from inscape.model.continuations import continuations
from inscape.model.model import Model
from tests.model.nets import D, live_hooks, net, tokenizer
from tests.model.tiny import tiny

TEXTS = ["the river rises in the mountain", "a good film", "Paris is the capital", "it runs"]


@pytest.fixture(scope="module")
def model() -> Model:
    network = net("llama")
    network.generation_config.eos_token_id = None
    return Model(network, tokenizer(), "toy")


def whole(model, text, ids):
    """The slow clear version: logits of the prompt and what follows, in one pass without a
    cache.
    """
    prompt = model.tokenize([text])[0].ids.tolist()
    logits = model.run(torch.tensor([[*prompt, *ids]]), logits=True).logits[0]
    return logits[len(prompt) - 1 : -1].log_softmax(dim=-1)


@pytest.mark.parametrize("family", ["llama", "gpt2", "neox"])
def test_greedy_tokens_and_their_probabilities_are_those_of_whole_passes(family):
    network = net(family)
    network.generation_config.eos_token_id = None
    model = Model(network, tokenizer(), family)
    for text, (found,) in zip(TEXTS, continuations(model, TEXTS, 5), strict=True):
        logs = whole(model, text, found.ids.tolist())
        assert found.ids.tolist() == logs.argmax(dim=-1).tolist()
        assert found.logprobs == pytest.approx(logs.max(dim=-1).values.numpy(), abs=1e-4)
        assert found.most == pytest.approx(np.exp(found.logprobs), abs=1e-5)
        assert not found.ended


@pytest.mark.parametrize("name", ["mamba", "mamba2"])
def test_state_spaces_continue_from_their_states(name):
    network = tiny(name)
    network.generation_config.eos_token_id = network.config.eos_token_id = None
    model = Model(network, tokenizer(), name)
    for text, (found,) in zip(TEXTS, continuations(model, TEXTS, 5), strict=True):
        logs = whole(model, text, found.ids.tolist())
        assert found.ids.tolist() == logs.argmax(dim=-1).tolist()
        assert found.logprobs == pytest.approx(logs.max(dim=-1).values.numpy(), abs=1e-4)
        words = model.tokenizer.decode(found.ids, skip_special_tokens=True)
        assert model.generate(text, 5) == [words]
    options = {"samples": 3, "temperature": 1.0, "seed": 7}
    together = continuations(model, TEXTS, 4, **options)
    apart = continuations(model, TEXTS, 4, batch=1, **options)
    ids = [[s.ids.tolist() for s in several] for several in together]
    assert ids == [[s.ids.tolist() for s in several] for several in apart]
    late = Add(Scope("resid_post.-1", phase="generated"), torch.ones(D))
    edited = continuations(model, TEXTS, 4, edits=[late])
    plain = continuations(model, TEXTS, 4)
    for (changed,), (kept,) in zip(edited, plain, strict=True):
        assert changed.ids[0] == kept.ids[0]
        assert not np.allclose(changed.logprobs[1:], kept.logprobs[1:])


def test_rows_of_a_state_space_that_ended_leave_the_batch():
    network = tiny("mamba")
    network.generation_config.eos_token_id = network.config.eos_token_id = None
    model = Model(network, tokenizer(), "mamba")
    plain = continuations(model, TEXTS, 6)
    stop = model.tokenizer.decode(plain[0][0].ids[:1])
    for (whole_one,), (cut,) in zip(plain, continuations(model, TEXTS, 6, stop=stop), strict=True):
        assert cut.ids.tolist() == whole_one.ids[: len(cut.ids)].tolist()
        assert cut.ended == (len(cut.ids) < 6)


def test_samples_do_not_depend_on_the_batch_and_their_probabilities_are_those_of_the_network(model):
    options = {"samples": 4, "temperature": 1.3, "seed": 7}
    together = continuations(model, TEXTS, 4, **options)
    apart = continuations(model, TEXTS, 4, batch=1, **options)
    other = continuations(model, TEXTS, 4, samples=4, temperature=1.3, seed=8)
    ids = [[s.ids.tolist() for s in several] for several in together]
    assert ids == [[s.ids.tolist() for s in several] for several in apart]
    assert ids != [[s.ids.tolist() for s in several] for several in other]
    assert len({tuple(row) for row in ids[0]}) > 1
    for text, several in zip(TEXTS, together, strict=True):
        for s in several:
            logs = whole(model, text, s.ids.tolist())
            assert s.logprobs == pytest.approx(logs[range(4), s.ids].numpy(), abs=1e-4)


def test_samples_are_drawn_from_the_softmax(model):
    (several,) = continuations(model, TEXTS[:1], 1, samples=4000, temperature=2.0, batch=4000)
    logits = whole(model, TEXTS[0], [0])
    p = (logits / 2.0).softmax(dim=-1)[0].numpy()
    seen = np.bincount([int(s.ids[0]) for s in several], minlength=len(p)) / 4000
    assert np.abs(seen - p).sum() < 0.15
    assert np.abs(seen - 1 / len(p)).sum() > 0.15  # and not from another one


def test_stops_end_a_continuation_and_rows_that_ended_disturb_nobody(model):
    free = continuations(model, TEXTS, 8, samples=6, temperature=1.0)
    held = continuations(model, TEXTS, 8, samples=6, temperature=1.0, stop="aeiou")
    vowels = {
        i for i in range(len(model.tokenizer)) if set(model.tokenizer.decode([i])) & set("aeiou")
    }
    assert 0 < len(vowels) < len(model.tokenizer)
    for a, b in zip([s for p in free for s in p], [s for p in held for s in p], strict=True):
        first = next((k + 1 for k, t in enumerate(a.ids.tolist()) if t in vowels), 8)
        assert b.ids.tolist() == a.ids.tolist()[:first]
        assert b.ended == (b.ids[-1] in vowels)
    network = net("llama")
    network.generation_config.eos_token_id = int(free[0][0].ids[1])
    ended = continuations(
        Model(network, tokenizer(), "toy"), TEXTS[:1], 8, samples=6, temperature=1.0
    )[0][0]
    assert ended.ended
    assert ended.ids.tolist() == free[0][0].ids.tolist()[: len(ended.ids)]
    assert network.generation_config.eos_token_id not in ended.ids


def test_an_edit_may_hold_a_value_for_each_row(model):
    v = 4 * torch.linspace(-1, 1, D).sin()

    def edits(rows):
        strengths = torch.from_numpy(np.repeat(rows % 2, 2).astype(np.float32))
        return [Add(Scope("resid_post.1", phase="generated"), strengths[:, None, None] * v)]

    options = {"samples": 2, "temperature": 1.0}
    plain, edited = (
        continuations(model, TEXTS, 6, **options),
        continuations(model, TEXTS, 6, edits=edits, **options),
    )
    all_ = continuations(
        model, TEXTS, 6, edits=[Add(Scope("resid_post.1", phase="generated"), v)], **options
    )
    for i in range(4):
        same = all_ if i % 2 else plain
        assert [s.ids.tolist() for s in edited[i]] == [s.ids.tolist() for s in same[i]]
    assert [s.ids.tolist() for s in all_[1]] != [s.ids.tolist() for s in plain[1]]


@pytest.mark.parametrize(
    "scope", [Scope("resid_post.1", "last", "prompt"), Scope("resid_post.1"), Scope("embed", (1,))]
)
def test_greedy_samples_under_edits_are_those_of_each_edit_alone(model, scope):
    """Where nothing before the prompt's last token is edited, what comes before it is read once for
    all samples.
    """
    v = torch.stack([k * torch.linspace(-1, 1, D).sin() for k in (0.0, 3.0, -3.0)])
    found = continuations(
        model, TEXTS, 5, samples=3, edits=lambda rows: [Add(scope, v.repeat(len(rows), 1)[:, None])]
    )
    seen = set()
    for k in range(3):
        alone = continuations(model, TEXTS, 5, edits=[Add(scope, v[k])])
        for several, (one,) in zip(found, alone, strict=True):
            assert several[k].ids.tolist() == one.ids.tolist()
            assert several[k].logprobs == pytest.approx(one.logprobs, abs=1e-4)
            seen.add((k, tuple(one.ids.tolist())))
    assert len({ids for _, ids in seen}) > len(TEXTS)  # the edits do change what is said


def test_nothing_is_left_behind_and_progress_is_told(model):
    hooks, done = live_hooks(model.net), []
    continuations(model, TEXTS, 2, advance=done.append)
    assert sum(done) == len(TEXTS)
    with pytest.raises(RuntimeError):
        continuations(
            model, TEXTS, 2, edits=lambda rows: (_ for _ in ()).throw(RuntimeError("in the middle"))
        )
    assert live_hooks(model.net) == hooks


def test_what_is_refused(model):
    with pytest.raises(ModelError, match="cannot continue a text"):
        continuations(Model(net("bert"), tokenizer(), "bert"), TEXTS, 2)
    with pytest.raises(ModelError, match="toy takes 128: ask for fewer"):
        continuations(model, TEXTS, 125)
    with pytest.raises(
        ValueError, match="samples and max_new_tokens must be at least 1, got 0 and 2"
    ):
        continuations(model, TEXTS, 2, samples=0)
    with pytest.raises(ValueError, match="samples are all alike at temperature 0"):
        continuations(model, TEXTS, 2, samples=2)
