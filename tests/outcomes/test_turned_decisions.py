"""Decisions: what one half finds is used on the other, random vectors are as long, and what is
chosen is the best.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.control.orthogonalise import orthogonalised
from inscape.core.edit import Add, ProjectOut
from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.bystanders import Bystander
from inscape.outcomes.scratchpads import Reasoner, Written
from inscape.outcomes.turned_decisions import (
    Case,
    added,
    choose,
    crossed,
    logits_apart,
    removed,
)
from inscape.worlds.small_llama import small_llama, word_tokenizer

N, D = 40, 6
SITES = ("resid_post.0", "resid_post.1")


@pytest.fixture
def case() -> Case:
    rng = np.random.default_rng(0)
    decided, half = np.tile([0, 1], N // 2), np.repeat([0, 1], N // 2)
    decided[3] = -1
    states = {}
    for s, site in enumerate(SITES):
        x = rng.normal(size=(N, D)) * 0.01
        x[:, 0] += decided * (1.0 + half)  # the halves differ: 1 in one, 2 in the other
        last = rng.normal(size=(N, D)) * 0.01
        last[:, 1] += 5 * decided * (s + 1)
        states[site] = (x, last)
    net = small_llama(4, 16, 0)
    model = Model(net, word_tokenizer(["[PAD]", "=>", "a", "b"]), "toy")
    written = Written(
        tuple("a " for _ in range(N)), tuple("b" for _ in range(N)), np.ones(N, dtype=bool)
    )
    return Case(
        Reasoner(model, " =>"),
        written,
        decided,
        half,
        np.arange(N),
        lambda texts: decided,
        states,
    )


def test_a_prompt_is_pushed_by_the_other_half_against_its_decision(case):
    sites, v = case.pushes([(SITES[0], 1.0), (SITES[1], 3.0)], case.half, case.against)
    assert set(sites[: N // 2]) == {SITES[1]}
    assert set(sites[N // 2 :]) == {SITES[0]}
    assert np.linalg.norm(v[0]) == pytest.approx(
        3 * 2, abs=0.1
    )  # the second half's difference, three times
    assert np.linalg.norm(v[-1]) == pytest.approx(1, abs=0.1)
    assert v[0, 0] > 0 > v[1, 0]
    _, other = case.pushes([(SITES[0], 1.0), (SITES[1], 3.0)], case.half, case.against, of=1)
    assert np.linalg.norm(other, axis=1) == pytest.approx(np.linalg.norm(v, axis=1))
    assert abs(other[0, 1]) > 50 * abs(other[0, 0])


def test_turned_is_the_opposite_and_nothing_else(case):
    assert case.turned(1 - case.decided)[4:].all()
    assert not case.turned(case.decided).any()
    assert not case.turned(np.full(N, -1)).any()
    assert case.turned(np.zeros(N, dtype=int))[3] == 0
    assert case.valid.sum() == N - 1


@pytest.mark.parametrize("covariance", [False, True])
def test_random_vectors_are_as_long_and_elsewhere(case, covariance):
    chosen = [(SITES[0], 1.0), (SITES[1], 3.0)]
    _, v = case.pushes(chosen, case.half, case.against)
    found = case.as_long(chosen, case.half, v, covariance=covariance, rng=np.random.default_rng(1))
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.linalg.norm(v, axis=1))
    assert np.abs(np.sum(found * v, axis=1) / np.sum(v * v, axis=1)).max() < 0.95
    again = case.as_long(chosen, case.half, v, covariance=covariance, rng=np.random.default_rng(2))
    assert not np.allclose(found, again)


def test_each_half_chooses_what_turns_its_own_and_costs_little(case, monkeypatch):
    beside = np.array([0, 1, 0, 1])
    asked: list[float] = []

    def decisions(self, act, *_args, **_more):
        (edit,) = act(np.arange(N), "all", "generated")
        asked.append(float(edit.vector.norm(dim=-1).max()))
        first, size = edit.vector[:, 0, 0].numpy(), edit.vector[:, 0].norm(dim=1).numpy()
        along = np.abs(first) > 0.99 * size
        strong = size > (2.5 if edit.scope.sites == SITES[0] else 100.0)
        return np.where(along & strong, 1 - self.decided, self.decided)

    def hits(act, place, model):
        if act is None:
            return np.ones(4), np.ones(4)
        (edit,) = act(np.arange(4), "all", "generated")
        return np.where(edit.vector[:, 0].norm(dim=1).numpy() > 7, 0.0, 1.0), np.ones(4)

    monkeypatch.setattr(Case, "decisions", decisions)
    frame = pd.DataFrame({"text": list("abcd")})
    aside = Bystander(Examples(frame, "text"), hits, "hits")
    grid, chosen = choose(case, aside, beside, (1.0, 3.0, 6.0), 0.02, np.random.default_rng(0))
    # 1 does not suffice for the first half, 2 × 1 does not for the second; 6 costs too much on the
    # second
    assert chosen == [(SITES[0], 3.0), (SITES[0], 3.0)]
    assert len(grid) == 12
    assert max(asked) == pytest.approx(12, abs=0.2)
    six = grid[(grid["strength"] == 6) & (grid["half"] == 1)]
    assert (six["lost on something else"] == 1).all()
    # where all cost too much, what costs least
    _, dear = choose(case, aside, beside, (6.0, 12.0), -1.0, np.random.default_rng(0))
    assert dear[0] == (SITES[0], 6.0)


def test_acts(case):
    act = added([SITES[0], SITES[1], SITES[0]], np.eye(3))
    edits = act(np.array([2, 1]), (0, 1), "prompt")
    assert [e.scope.sites for e in edits] == list(SITES)
    assert all(
        isinstance(e, Add) and e.scope.positions == (0, 1) and e.scope.phase == "prompt"
        for e in edits
    )
    assert edits[0].vector[:, 0].tolist() == [[0, 0, 1], [0, 0, 0]]
    assert edits[1].vector[:, 0].tolist() == [[0, 0, 0], [0, 1, 0]]
    (out,) = removed(np.array([3.0, 4.0]))(np.arange(2), "all", "all")
    assert isinstance(out, ProjectOut)
    assert out.apply(torch.tensor([[3.0, 4.0]])).abs().max() < 1e-6
    assert crossed(lambda h: np.full(3, h), np.array([0, 1, 0])).tolist() == [1, 0, 1]


def test_a_case_thinks_and_decides_and_needs_both_decisions_in_both_halves():
    net = small_llama(4, 16, 0)
    reasoner = Reasoner(Model(net, word_tokenizer(["[PAD]", "=>", "a", "b"]), "toy"), " =>", 2, 1)
    frame = pd.DataFrame({"text": ["a b"] * 8, "scratchpad": [" b"] * 8, "by": list("aabbccdd")})
    prompts = Examples(frame, "text", group="by")
    decided = np.array([0, 1] * 4)
    rng = np.random.default_rng(0)
    case = Case.of(reasoner, prompts, lambda texts: decided, ["resid_post.0"], 1, rng=rng)
    assert case.written.scratchpads == (" b",) * 8
    assert np.bincount(case.half).tolist() == [4, 4]
    assert np.allclose(case.difference("resid_post.0", 0), 0)
    with pytest.raises(DataError, match="in one half of the prompts toy declines none"):
        Case.of(reasoner, prompts, lambda texts: 0 * decided, ["resid_post.0"], 1, rng=rng)


def test_weights_without_a_direction_are_the_model_with_it_projected_out(case):
    model = case.reasoner.model
    d = np.random.default_rng(0).normal(size=16)
    assert logits_apart(case, orthogonalised(model, d[None]), d, 2) < 1e-4
    other = np.random.default_rng(1).normal(size=16)
    assert logits_apart(case, orthogonalised(model, other[None]), d, 2) > 1e-3


def test_tokens_of_prompts_and_scratchpads_are_counted(case):
    parts = case.reasoner.parts(case.written)
    prompt, scratchpad = case.lengths
    assert prompt == np.mean([p.sum() for p, _ in parts])
    assert scratchpad == np.mean([s.sum() for _, s in parts]) == 1


def test_states_are_candidates_by_site_and_token(case):
    rows, decided, groups = case.rows("pad", "end")
    kept = case.decided >= 0
    assert not kept.all()
    assert list(rows) == [f"{site}@{token}" for site in SITES for token in ("pad", "end")]
    assert (rows[f"{SITES[1]}@end"] == case.states[SITES[1]][1][kept]).all()
    assert (decided == case.decided[kept]).all()
    assert (groups == case.groups[kept]).all()


def test_decisions_turned_are_told_apart_by_what_they_were(case):
    now = np.where(case.decided == 1, 0, case.decided)  # the declined are answered, others stay
    (declined, were), (answered, _) = (case.turned_where(was) for was in (1, 0))
    assert were.sum() == (case.decided == 1).sum()
    assert (declined(now) == were).all()
    assert answered(now).sum() == 0


def test_decisions_as_they_are_due_stand_beside_deciding_always_alike(case):
    due = case.decided.astype(float)
    due[:10] = 1.0  # five of these are answered, one is neither
    e = case.as_due(due)
    assert e.value == pytest.approx((case.decided == due).mean())
    assert e.beside[0].value == pytest.approx(max(due.mean(), 1 - due.mean()))
    assert (e.unit, e.n) == ("share", N)
