"""Scratchpads under edits: the edits act where they are said to, while writing and while
answering.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.model.model import Model
from inscape.outcomes.scratchpads import (
    EVERYWHERE,
    PROMPT,
    RANDOM,
    SCRATCHPAD,
    Reasoner,
    Written,
    halves,
    verdicts,
)
from inscape.worlds.small_llama import small_llama, word_tokenizer

WORDS = ["[PAD]", "=>", *(f"w{i}" for i in range(20))]
PROMPTS = ["w1 w2 w3 ", "w4 w5 w6 w7 ", "w2 w2 w9 "]
V = 5 * torch.linspace(-2, 3, 16).sin()


@pytest.fixture(scope="module")
def reasoner() -> Reasoner:
    net = small_llama(len(WORDS), 16, 1, initializer_range=0.5)
    return Reasoner(Model(net, word_tokenizer(WORDS), "toy"), " =>", 5, 2, 1.0, 3)


def push(rows, positions, phase):
    return [Add(Scope("resid_post.0", positions, phase), V)]


def slow(reasoner, prompt, where, rows):
    """One token at a time, whole passes without a cache, every edited position named."""
    model, ids = reasoner.model, reasoner.model.tokenize([prompt])[0].ids.tolist()
    for _ in range(rows):
        places = tuple(p for p in where if p < len(ids))
        edits = [Add(Scope("resid_post.0", places), V)] if places else []
        logits = model.run(torch.tensor([ids]), logits=True, edits=edits).logits
        ids.append(int(logits[0, -1].argmax()))
    return ids


@pytest.mark.parametrize("place", [SCRATCHPAD, PROMPT, RANDOM, EVERYWHERE])
def test_edits_act_at_their_place_and_nowhere_else(reasoner, place):
    greedy = Reasoner(reasoner.model, reasoner.close, 5, 2)
    again = greedy.write(PROMPTS, push, place)
    said = greedy.answer(again, push, place)
    for prompt, pad, answer in zip(PROMPTS, again.scratchpads, said, strict=True):
        n = len(prompt.split())
        places = {
            SCRATCHPAD: range(n, n + 5),
            PROMPT: range(n),
            EVERYWHERE: range(40),
            RANDOM: greedy.places(n, 0),
        }
        ids = slow(greedy, prompt, places[place], 5)[n:]
        words = [WORDS[i] for i in ids]
        written = words[: words.index("=>")] if "=>" in words else words
        assert pad.split() == [w for w in written if w != "[PAD]"]
        whole = prompt + pad + " =>"
        end = n + len(pad.split())
        inside = [p for p in places[place] if place == EVERYWHERE or p < end]
        ids = slow(greedy, whole, inside, 2)[end + 1 :]
        assert answer.split() == [WORDS[i] for i in ids if i]


def test_the_edit_does_change_what_is_written_and_random_numbers_stay(reasoner):
    plain, again = reasoner.write(PROMPTS), reasoner.write(PROMPTS)
    assert plain.scratchpads == again.scratchpads
    assert reasoner.write(PROMPTS, push).scratchpads != plain.scratchpads
    other = Reasoner(reasoner.model, " =>", 5, 2, 1.0, 4)
    assert other.write(PROMPTS).scratchpads != plain.scratchpads


def test_parts_and_states(reasoner):
    written = Written(("w1 w2 w3 ", "w4 w5 "), ("w6 w7 w8", ""), np.array([True, False]))
    assert reasoner.texts(written) == ["w1 w2 w3 w6 w7 w8 =>", "w4 w5  =>"]
    (prompt, pad), (other, none) = reasoner.parts(written)
    assert prompt.tolist() == [True] * 3 + [False] * 4
    assert pad.tolist() == [False] * 3 + [True] * 3 + [False]
    assert other.tolist() == [True, True, False]
    assert not none.any()
    states = reasoner.states(written, ["resid_post.1"], first=2)["resid_post.1"]
    x = reasoner.model.run("w1 w2 w3 w6 w7 w8", "resid_post.1")["resid_post.1"][0].double().numpy()
    assert states[0][0] == pytest.approx(x[3:5].mean(axis=0), abs=1e-5)
    assert states[1][0] == pytest.approx(x[2], abs=1e-5)
    assert states[0][1] == pytest.approx(states[1][1])


def test_what_is_closed_is_cut(reasoner):
    written = reasoner.write(PROMPTS * 10)
    assert all("=>" not in s for s in written.scratchpads)
    assert 0 < written.closed.mean() < 1


def test_verdicts():
    said = ["I'm sorry, no.", "Sure: two eggs.", "", "hm"]
    assert verdicts(said, ["i'm sorry"]).tolist() == [1, 0, -1, 0]
    assert verdicts(said, ["i'm sorry"], ["sure"]).tolist() == [1, 0, -1, -1]


def test_halves_keep_groups_whole():
    groups = np.repeat(list("abcdef"), [1, 2, 3, 3, 2, 1])
    half = halves(groups, rng=np.random.default_rng(0))
    assert set(half.tolist()) == {0, 1}
    assert all(len(set(half[groups == g])) == 1 for g in "abcdef")
