"""Shared prefixes: those worth it are found, rows are those of whole examples, and resuming gives
the same bytes.
"""

from __future__ import annotations

import copy
import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inscape.core.edit import Add, Scope
from inscape.core.errors import StoreError
from inscape.model import prefix as prefixes
from inscape.model.checks import Item
from inscape.store import forward_passes, prefix_sharing
from inscape.store.harvest import harvest
from inscape.store.moments import moments
from inscape.store.prefix_sharing import shared, worthwhile
from inscape.store.prepare_inputs import prepare_inputs

from .conftest import WORDS, close_to_rounding, llama
from .test_resume import Killed

RNG = np.random.default_rng(0)
HEADS = [" ".join(RNG.choice(WORDS, size=n)) for n in (45, 38)]
#: two templates, in turn, and examples of none
TEXTS = [
    *(f"{HEADS[i % 2]} {' '.join(RNG.choice(WORDS, size=RNG.integers(1, 6)))}" for i in range(50)),
    *(" ".join(RNG.choice(WORDS, size=n)) for n in (3, 9, 27)),
]
TEXTS[20] = TEXTS[4]
SITES = "embed, resid_post.*, z.1.2, mlp_act.0"


def sharing(model, texts=TEXTS, at="last"):
    return prepare_inputs(model, texts, at, None, model.select(SITES)).sharing


@pytest.mark.parametrize("at", ["last", "first", "all", "mean", "-4", "2"])
def test_rows_are_those_of_whole_examples(model, tmp_path, at):
    options = {"at": at, "shard_bytes": 60_000, "budget": 256}
    texts = [text for text in TEXTS if len(text.split()) > 3]
    whole = harvest(model, texts, SITES, to=tmp_path / "whole", prefix=False, **options)
    store = harvest(model, texts, SITES, to=tmp_path / "shared", **options)
    assert store.manifest["recipe"]["prefix"] is True
    assert whole.manifest["recipe"]["prefix"] is False
    assert len(store.manifest["shards"]) > 1 or at != "all"
    assert store.frame().equals(whole.frame())
    for site, x in whole.matrices():
        close_to_rounding(store.matrix(site), x)
        assert np.abs(x).max() > 1e-3


def test_logits_and_module_sites_too(model, tmp_path):
    sites = ["logits", "module:model.layers.1.mlp.gate_proj:out"]
    whole = harvest(model, TEXTS, sites, to=tmp_path / "whole", prefix=False)
    store = harvest(model, TEXTS, sites, to=tmp_path / "shared")
    for site, x in whole.matrices():
        close_to_rounding(store.matrix(site), x)


def test_each_template_is_computed_once_and_what_follows_in_rows(model, tmp_path, monkeypatch):
    seen = []
    run = model.run
    monkeypatch.setattr(
        model,
        "run",
        lambda batch, *a, **k: (
            seen.append(model.batch(batch).inputs["input_ids"].numel()) or run(batch, *a, **k)
        ),
    )
    begun = []
    begin = prefixes.begin
    monkeypatch.setattr(
        prefixes, "begin", lambda m, ids, *a: begun.append(len(ids)) or begin(m, ids, *a)
    )
    told = []
    harvest(
        model,
        TEXTS,
        SITES,
        to=tmp_path / "s",
        shard_bytes=9_000,
        progress=lambda *x: told.append(x),
    )
    tokens = sum(len(t) for t in model.tokenize(TEXTS))
    assert sorted(begun) == [
        39,
        46,
    ]  # the token that the tokenizer puts first belongs to the prefix
    assert sum(seen) < tokens / 5
    assert told[-1][0] == told[-1][1]
    assert told[-1][2] == told[-1][3]


def test_a_harvest_taken_up_again_has_the_same_bytes(model, tmp_path):
    options = {"sites": SITES, "at": "all", "shard_bytes": 60_000, "budget": 256}
    whole = harvest(model, TEXTS, to=tmp_path / "whole", **options)
    count = len(whole.manifest["shards"])
    assert count > 5
    rows = whole.manifest["rows"]
    for share in (0.1, 0.5, 0.95):

        def dying(done, *_, share=share):
            if done > share * rows:
                raise Killed

        folder = tmp_path / f"s{share}"
        with pytest.raises(Killed):
            harvest(model, TEXTS, to=folder, progress=dying, **options)
        store = harvest(model, TEXTS, to=folder, **options)
        for site, x in whole.matrices():
            assert store.matrix(site).tobytes() == x.tobytes()


def test_prefixes_that_do_not_fit_are_let_go_and_computed_again_alike(model, tmp_path, monkeypatch):
    options = {"sites": SITES, "at": "all", "shard_bytes": 60_000, "budget": 64}
    monkeypatch.setattr(
        prefix_sharing, "_HELD", 1
    )  # beside a budget of 64: one of the two at a time
    begun = []
    begin = prefixes.begin
    monkeypatch.setattr(prefixes, "begin", lambda *a: begun.append(1) or begin(*a))
    whole = harvest(model, TEXTS, to=tmp_path / "whole", **options)
    assert len(begun) > 4
    held = prefix_sharing.Sharing.held
    monkeypatch.setattr(
        prefix_sharing.Sharing, "held", lambda self, *a: self._held.clear() or held(self, *a)
    )
    store = harvest(model, TEXTS, to=tmp_path / "s", **options)
    for site, x in whole.matrices():
        assert store.matrix(site).tobytes() == x.tobytes()


def test_moments_and_added_sites_share_too(model, tmp_path):
    found = moments(model, TEXTS, "resid_post.1", at="all")
    store = harvest(model, TEXTS, "resid_post.1", at="all", prefix=False, to=tmp_path / "s")
    x = store.matrix("resid_post.1").astype(np.float64)
    np.testing.assert_allclose(
        found.site("resid_post.1").mean, x.mean(0), atol=1e-5 * np.abs(x).max()
    )
    store.add(model, TEXTS, "resid_post.2")
    whole = harvest(model, TEXTS, "resid_post.2", at="all", prefix=False, to=tmp_path / "t")
    close_to_rounding(store.matrix("resid_post.2"), whole.matrix("resid_post.2"))


def test_nothing_is_shared_where_it_does_not_pay_or_is_not_asked_for(model, examples):
    assert prepare_inputs(model, examples, "last", None, []).sharing is None
    assert prepare_inputs(model, TEXTS, "last", None, [], share=False).sharing is None
    assert sharing(model) is not None
    with model.edited(Add(Scope("embed"), torch.ones(1))):
        assert sharing(model) is None


def test_an_item_that_fails_turns_it_off_and_says_so(tmp_path, caplog):
    model = llama()
    model.notes[prefixes.NAME] = Item(
        prefixes.NAME, False, 1.0, 0.1, (), "continuations give other numbers"
    )
    store = harvest(model, TEXTS, "embed", to=tmp_path / "s")
    assert store.manifest["recipe"]["prefix"] is False
    assert "no prefix is shared: continuations give other numbers" in caplog.text


def test_the_templates_are_found_with_what_the_tokenizer_puts_first(model):
    found = sharing(model, at="2")
    assert sorted(len(common.ids) for common in found.common) == [39, 46]
    assert [len(common.kept) for common in found.common] == [1, 1]
    assert found.of[50:].tolist() == [-1] * 3
    assert len(set(found.of[:50:2].tolist())) == len(set(found.of[1:50:2].tolist())) == 1
    assert found.of[4] == found.of[20]


def test_a_store_of_the_other_kind_is_refused(model, tmp_path):
    harvest(model, TEXTS, "embed", to=tmp_path / "s")
    with pytest.raises(StoreError, match=r"differs in sharing of prefixes \(prefix\)"):
        harvest(model, TEXTS, "embed", to=tmp_path / "s", prefix=False)


def test_a_harvest_under_edits_is_refused(model, tmp_path):
    with (
        model.edited(Add(Scope("embed"), torch.ones(1))),
        pytest.raises(StoreError, match="under 1 edits, and what is"),
    ):
        harvest(model, TEXTS, "embed", to=tmp_path / "s")


def test_what_is_held_stays_on_its_machine(model):
    found = sharing(model)
    found.held(model, [0], model.select("embed"), 64)
    assert len(found._held) == 1
    assert len(copy.copy(found)._held) == 0  # copied as pickle would
    assert np.array_equal(copy.copy(found).of, found.of)


IDS = st.lists(
    st.lists(st.integers(1, 2), min_size=1, max_size=6), min_size=1, max_size=9, unique_by=tuple
)


@given(IDS, st.lists(st.integers(1, 3), max_size=9), st.integers(0, 4))
def test_the_best_branches_are_taken(ids, head, overhead):
    ids = [np.array([*head, *x]) for x in ids]

    def saved(members, depth):
        after = sum(len(ids[i]) - depth for i in members)
        return (len(members) - 1) * depth - overhead - 0.5 * after

    def best(members, depth):
        """The slow clear way: this node, or its children at the next token."""
        if len(members) < 2:
            return 0.0
        children: dict[int, list[int]] = {}
        for i in members:
            if len(ids[i]) > depth + 1:
                children.setdefault(int(ids[i][depth]), []).append(i)
        below = sum(best(group, depth + 1) for group in children.values())
        return max(saved(members, depth), below)

    found = worthwhile(ids, overhead)
    members = [i for _, group in found for i in group.tolist()]
    assert len(set(members)) == len(members)
    for depth, group in found:
        assert len({ids[i][:depth].tobytes() for i in group}) == 1
        assert min(len(ids[i]) for i in group) > depth
        assert saved(group, depth) > 0
    assert sum(saved(group, depth) for depth, group in found) == pytest.approx(
        max(0.0, best(range(len(ids)), 0))
    )


def test_rows_are_filled_and_batches_keep_the_budget(model):
    head = np.arange(30)
    ids = [np.append(head, [i % 60, i // 60, 1][: 1 + i % 3]) for i in range(700)]
    found = shared(model, ids, lambda _: np.zeros(1, int), 40)
    lengths = np.array([len(x) for x in ids])
    batches = found.batches(np.flatnonzero(found.of >= 0), lengths, 1024, 40)
    rows = [row for batch, _ in batches for row in batch]
    assert (
        sorted(i for row in rows for i in row.members.tolist())
        == np.flatnonzero(found.of >= 0).tolist()
    )
    assert all(row.tokens <= prefix_sharing.ROW for row in rows)
    assert sum(row.tokens < prefix_sharing.ROW - 3 for row in rows) <= 1
    assert all(tokens <= 1024 for _, tokens in batches)


def test_steps_make_every_input_once(model):
    inputs = prepare_inputs(model, TEXTS, "all", None, [])
    laid = forward_passes.forward_passes(inputs, (3, len(TEXTS)), 256, 40)
    made = np.concatenate([step.members for step in laid])
    assert sorted(made.tolist()) == list(range(3, len(TEXTS)))
    assert any(step.rows for step in laid)
    assert sum(step.tokens for step in laid) == forward_passes.padded_tokens(
        inputs, (3, len(TEXTS)), 256, 40
    )


def test_examples_in_docstrings():
    assert doctest.testmod(prefix_sharing).attempted > 0
    assert doctest.testmod(prefix_sharing).failed == 0


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), unique_by=tuple, min_size=1))
def test_examples_are_parted_and_sorted_by_their_tokens(lists):
    ids = [np.array(x) for x in lists]
    lengths = np.array([len(x) for x in ids])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefix_sharing, "_SORTED", 5)
        found = prefix_sharing.in_order(ids, lengths)
    assert [lists[i] for i in found] == sorted(lists)
