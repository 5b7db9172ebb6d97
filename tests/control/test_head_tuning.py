"""Fine-tuning under two heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.head_tuning import (
    Head,
    HeldOutTask,
    Tuned,
    Tuning,
    fine_tune,
    held_out,
    tune_heads,
    tune_tasks,
)
from inscape.worlds.scrambler import scrambler


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(12)]
    texts = [" ".join(rng.choice(words, size=5)) for _ in range(60)]
    y = np.array([int("w0" in t.split() or "w3" in t.split()) for t in texts])
    return scrambler(texts, blocks=2, width=32), texts, y


def tuned(task, mix, **more):
    model, texts, y = task
    how = Tuning(**{"steps": 30, "rate": 1e-3, **more})
    return fine_tune(model, texts, y, (np.arange(45), np.arange(45, 60)), how, mix=mix)


def test_the_loss_falls_under_both_heads_and_the_model_stays_as_it_was(task):
    before = task[0].weights_hash
    for mix in (False, True):
        found = tuned(task, mix)
        assert found.loss[-5:].mean() < 0.7 * found.loss[:3].mean()
        assert found.gradient.shape == (2,)
        assert (found.gradient > 0).all()
        assert found.steps_to(found.loss[0] * 0.9) <= 30
        assert found.steps_to(-1.0) == 31
        assert set(found.pruned) == {0.5, 0.8}
    task[0]._hash = None
    assert task[0].weights_hash == before


def test_both_heads_start_alike_and_only_one_of_them_mixes(task):
    last, mix = tuned(task, False, steps=5), tuned(task, True, steps=5)
    assert np.allclose(last.mix, 1 / 3)
    assert not np.allclose(mix.mix, 1 / 3, atol=1e-6)
    assert mix.mix.sum() == pytest.approx(1.0)
    again = tuned(task, True, steps=5)
    assert np.allclose(mix.loss, again.loss, atol=1e-6)


def test_pruning_everything_leaves_one_answer(task):
    found = tuned(task, False, steps=3, prune=(0.999,))
    assert len(set(found.pruned[0.999].tolist())) <= 2


def test_a_mix_of_equal_layers_is_the_layer_itself():
    states = [torch.ones(2, 3, 4) for _ in range(3)]
    keep = torch.tensor([[True, True, False], [True, False, False]])
    torch.manual_seed(0)
    mix, last = Head(3, 4, 2, True), Head(3, 4, 2, False)
    last.load_state_dict(mix.state_dict())
    assert torch.allclose(mix(states, keep), last(states, keep), atol=1e-6)


def test_held_out_accuracy_and_steps_of_known_predictions():
    y, loss = np.arange(40) % 2, np.linspace(1.0, 0.0, 21)
    wrong = np.where(np.arange(40) < 10, 1 - y, y)
    tuned = [Tuned(loss, np.ones(1), p, {0.5: 1 - y}, np.ones(2) / 2) for p in (y, wrong)]
    steps, plain, pruned = held_out(tuned, y, np.arange(40), 0.5, {"head": "last"})
    assert steps.value == 14  # the first five losses whose mean is below a half end at step 13
    assert plain.value == pytest.approx((1 + 0.75) / 2)
    assert plain.null.mean == pytest.approx(0.5, abs=0.05)
    assert pruned.value == 0
    assert pruned.where == {"head": "last"}


def test_both_heads_are_tuned_on_the_same_batches_and_drawn_by_step_and_block(task):
    model, texts, y = task
    inside, told = np.arange(60) >= 45, []
    found = tune_heads(
        model,
        texts,
        y,
        inside,
        {"last": False, "mix": True},
        Tuning(steps=8, rate=1e-3),
        seeds=[0, 1],
        advance=lambda: told.append(1),
    )
    assert len(told) == 4
    own = tuned(task, False, steps=8)
    assert np.allclose(found.runs["last"][0].loss, own.loss)
    assert found.level == pytest.approx(0.5 * np.mean([t.loss[0] for t in found.runs["last"]]))
    curve = found.curves("a").query("series == 'mix'")
    assert curve["x"].tolist() == [5, 6, 7, 8]
    wanted = np.mean([t.loss[:5].mean() for t in found.runs["mix"]])
    assert curve["value"].iloc[0] == pytest.approx(wanted)
    blocks = found.gradients("a")
    assert len(blocks) == 4
    assert blocks.query("series == 'last' and x == 1")["value"].iloc[0] == pytest.approx(
        np.mean([t.gradient[1] for t in found.runs["last"]])
    )


def test_each_task_is_tuned_and_judged_by_itself(task):
    model, texts, y = task
    inside, told = np.arange(60) >= 45, []
    groups, how = np.arange(60) // 3, Tuning(steps=6, rate=1e-3)
    tasks = {
        "own": HeldOutTask(texts, y, groups, inside, [0]),
        "turned": HeldOutTask(texts, 1 - y, groups, ~inside, [1, 2]),
    }
    heads = {"last": False, "mix": True}
    found = tune_tasks(model, tasks, heads, how, advance=lambda: told.append(1))
    assert len(told) == 6
    alone = tune_heads(model, texts, 1 - y, ~inside, heads, how, seeds=[1, 2])
    for panel, frame in (("curves", found.curves()), ("gradients", found.gradients())):
        assert frame["panel"].unique().tolist() == ["own", "turned"]
        own = frame[frame["panel"] == "turned"]["value"].to_numpy()
        assert np.allclose(own, getattr(alone, panel)("turned")["value"])
    rows = found.evidence()
    assert [tuple(e.where.values()) for e in rows[::4]] == [
        ("own", "last"),
        ("own", "mix"),
        ("turned", "last"),
        ("turned", "mix"),
    ]
    wanted = held_out(
        alone.runs["mix"], 1 - y[:45], groups[:45], alone.level, {"task": "turned", "head": "mix"}
    )
    assert [e.value for e in rows[-4:]] == pytest.approx([e.value for e in wanted])
    assert [e.n for e in rows[-4:]] == [e.n for e in wanted]
