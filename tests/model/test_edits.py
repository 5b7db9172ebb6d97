"""Edits: their scope, under a cache too, their order, and nothing left behind whatever is
raised.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.batch import Batch
from inscape.core.edit import Add, Affine, ProjectOut, Replace, Scope, SetComponent, as_edits
from inscape.core.errors import ModelError, SiteError
from inscape.model.model import Model
from inscape.model.open import open
from tests.model.nets import D, live_hooks, net, tokenizer


@pytest.fixture(scope="module")
def model() -> Model:
    return open(net("llama"), tokenizer=tokenizer())


@pytest.fixture
def vector() -> torch.Tensor:
    return torch.linspace(-1, 1, D).sin()


TEXTS = ["the river rises in the mountain", "a good film"]


def moved(
    model: Model, scope: Scope, vector: torch.Tensor, texts=TEXTS, marks=None
) -> torch.Tensor:
    batch = model.batch(texts)
    batch = Batch(batch.inputs, batch.lengths, marks or {})
    site = "resid_post.1"
    base, edited = (model.run(batch, site, edits=e)[site] for e in (None, Add(scope, vector)))
    return (edited - base).norm(dim=-1) > 1e-6


def test_scopes_name_positions(model, vector):
    assert moved(model, Scope("resid_post.1"), vector).tolist() == [
        [True] * 6,
        [True] * 3 + [False] * 3,
    ]
    assert moved(model, Scope("resid_post.1", "last"), vector).nonzero().tolist() == [
        [0, 5],
        [1, 2],
    ]
    assert moved(model, Scope("resid_post.1", (0, -2)), vector).nonzero().tolist() == [
        [0, 0],
        [0, 4],
        [1, 0],
        [1, 1],
    ]
    assert not moved(model, Scope("resid_post.1", phase="generated"), vector).any()
    marks = {"noun": torch.tensor([[0, 1, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0]], dtype=torch.bool)}
    found = moved(model, Scope("resid_post.1", "mark:noun"), vector, marks=marks)
    assert found.nonzero().tolist() == [[0, 1], [0, 5], [1, 2]]


def test_an_unknown_mark_is_refused(model, vector):
    with pytest.raises(SiteError, match="mark:verb, which this batch does not have"):
        moved(model, Scope("resid_post.1", "mark:verb"), vector)


@pytest.mark.parametrize("bad", ["somewhere", "first"])
def test_an_unknown_scope_is_refused(bad):
    with pytest.raises(ValueError, match="positions must be"):
        Scope("resid_post.1", bad)
    with pytest.raises(ValueError, match="phase must be"):
        Scope("resid_post.1", phase=bad)


def test_forms_do_what_their_formula_says(model, vector):
    site, base = "resid_post.1", model.run(TEXTS[0], "resid_post.1")["resid_post.1"]
    scope = Scope(site)
    run = lambda edit: model.run(TEXTS[0], site, edits=edit)[site]  # noqa: E731
    basis = torch.linalg.qr(torch.randn(D, 2, generator=torch.Generator().manual_seed(1))).Q.T
    torch.testing.assert_close(run(Add(scope, vector, 2.0)), base + 2 * vector)
    removed = run(ProjectOut(scope, basis * 3))
    assert (base @ basis.T).abs().max() > 0.1
    assert (removed @ basis.T).abs().max() < 1e-5
    torch.testing.assert_close(run(ProjectOut(scope, basis)), removed)
    put = run(SetComponent(scope, basis, torch.tensor([1.0, -2.0])))
    torch.testing.assert_close(
        put @ basis.T, torch.tensor([1.0, -2.0]).expand(1, 6, 2), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(put - (put @ basis.T) @ basis, removed, atol=1e-5, rtol=1e-5)
    weight = torch.randn(D, D, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(run(Affine(scope, weight, vector)), base @ weight.T + vector)
    torch.testing.assert_close(run(Replace(scope, vector)), vector.expand_as(base))
    part = run(Replace(scope, torch.zeros(2), columns=(3, 5)))
    assert part[..., [3, 5]].abs().max() == 0
    torch.testing.assert_close(part[..., [0, 1, 2, 4]], base[..., [0, 1, 2, 4]])


def test_edits_compose_in_order(model, vector):
    site, scope = "resid_post.1", Scope("resid_post.1")
    zero_then_add = model.run(
        TEXTS, site, edits=[Replace(scope, torch.zeros(D)), Add(scope, vector)]
    )[site]
    add_then_zero = model.run(
        TEXTS, site, edits=[Add(scope, vector), Replace(scope, torch.zeros(D))]
    )[site]
    torch.testing.assert_close(zero_then_add[0, 0], vector)
    assert add_then_zero[0].abs().max() == 0


def test_a_block_and_an_argument_are_the_same_and_nest(model, vector):
    scope = Scope("resid_post.0")
    base = model.run(TEXTS, "resid_post.2")["resid_post.2"]
    argument = model.run(TEXTS, "resid_post.2", edits=[Add(scope, vector), Add(scope, vector)])[
        "resid_post.2"
    ]
    with model.edited(Add(scope, vector)):
        with model.edited(Add(scope, vector)):
            inside = model.run(TEXTS, "resid_post.2")["resid_post.2"]
        mixed = model.run(TEXTS, "resid_post.2", edits=Add(scope, vector))["resid_post.2"]
    torch.testing.assert_close(inside, argument)
    torch.testing.assert_close(mixed, argument)
    torch.testing.assert_close(
        model.run(TEXTS, "resid_post.2")["resid_post.2"], base, rtol=0, atol=0
    )


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_behind(model, vector, error, monkeypatch):
    base, hooks = model.run(TEXTS, "resid_post.2")["resid_post.2"], live_hooks(model.net)

    def broken(self, h):
        raise error("in the middle")

    monkeypatch.setattr(Add, "apply", broken)
    with (
        pytest.raises((SiteError, KeyboardInterrupt)),
        model.edited(Add(Scope("resid_post.1"), vector)),
    ):
        model.run(TEXTS, "resid_post.2")
    with pytest.raises((SiteError, KeyboardInterrupt)):
        model.generate(TEXTS, 2, edits=Add(Scope("resid_post.1"), vector))
    monkeypatch.undo()
    assert live_hooks(model.net) == hooks
    assert model.edits == ()
    torch.testing.assert_close(
        model.run(TEXTS, "resid_post.2")["resid_post.2"], base, rtol=0, atol=0
    )


def test_an_edit_of_the_wrong_width_is_explained(model):
    with pytest.raises(
        SiteError, match=r"Add does not fit resid_post.1, whose activations are \(2, 6, 32\)"
    ):
        model.run(TEXTS, "resid_post.2", edits=Add(Scope("resid_post.1"), torch.ones(7)))


def test_bad_bases_are_refused():
    with pytest.raises(ValueError, match="orthonormal rows"):
        SetComponent(Scope("resid_post.1"), torch.ones(1, 4))
    with pytest.raises(ValueError, match="linearly independent"):
        ProjectOut(Scope("resid_post.1"), torch.zeros(1, 4))
    with pytest.raises(
        TypeError, match=r"edits must be inscape edits \(Add, ProjectOut, …\), got str"
    ):
        as_edits(["not an edit"])


# --- generation: an edit under a cache gives what it gives without one
# ------------------------------------------------


def greedy_without_cache(model: Model, text: str, count: int, edit_for: object) -> list[int]:
    """The slow clear version: the whole sequence again at every step, the edit placed by absolute
    position.
    """
    ids = model.tokenize([text])[0].ids.tolist()
    prompt, made = len(ids), []
    for _ in range(count):
        batch = torch.tensor([ids])
        edits = edit_for(prompt, len(ids))
        logits = model.run(batch, logits=True, edits=edits).logits[0, -1]
        ids.append(int(logits.argmax()))
        made.append(ids[-1])
    return made


@pytest.mark.parametrize("family", ["llama", "gpt2", "neox", "opt"])
@pytest.mark.parametrize("phase", ["all", "prompt", "generated"])
def test_edits_under_a_cache_are_those_without(family, phase, vector):
    network = net(family)
    network.generation_config.eos_token_id = None
    model = open(network, tokenizer=tokenizer())
    seen = []
    model.tokenizer.decode = lambda row, skip_special_tokens: seen.append(row.tolist()) or ""
    scope = Scope("resid_post.0, mlp_out.2", phase=phase)

    def placed(prompt: int, length: int):
        first, last = {"all": (0, length), "prompt": (0, prompt), "generated": (prompt, length)}[
            phase
        ]
        where = tuple(range(first, last))
        return [Add(Scope(scope.sites, where), 3 * vector)] if where else []

    model.generate(TEXTS, 5, edits=Add(scope, 3 * vector))
    by_length = sorted(TEXTS, key=lambda t: len(model.tokenize([t])[0]))
    assert seen == [greedy_without_cache(model, text, 5, placed) for text in by_length]
    seen.clear()
    model.generate(TEXTS, 5)
    if (
        phase != "generated"
    ):  # a random net may well continue alike when only later tokens are pushed
        assert seen != [greedy_without_cache(model, text, 5, placed) for text in by_length]


def test_sampling_leaves_the_global_stream_alone(model):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = model.generate(TEXTS[0], 6, temperature=1.5, seed=1)
    torch.testing.assert_close(torch.rand(1), expected)
    assert first == model.generate(TEXTS[0], 6, temperature=1.5, seed=1)
    others = {model.generate(TEXTS[0], 6, temperature=1.5, seed=s)[0] for s in range(2, 8)}
    assert len(others) > 1


def test_a_body_cannot_generate():
    with pytest.raises(ModelError, match="cannot generate"):
        open(net("bert"), tokenizer=tokenizer()).generate("a", 2)


def test_vectors_and_matrices_may_be_arrays_and_lists(model, vector):
    scope, site = Scope("resid_post.0"), "resid_post.1"
    basis = torch.eye(D)[:2]
    same = [
        (Add(scope, vector), Add(scope, vector.numpy()), Add(scope, vector.tolist(), np.int64(1))),
        (
            ProjectOut(scope, basis),
            ProjectOut(scope, basis.long()),
            ProjectOut(scope, [[1] + [0] * (D - 1), [0, 1] + [0] * (D - 2)]),
        ),
        (SetComponent(scope, basis, torch.ones(2)), SetComponent(scope, basis.numpy(), [1, 1])),
        (
            Affine(scope, 2 * torch.eye(D), vector),
            Affine(scope, 2 * np.eye(D, dtype=int), vector.double()),
        ),
        (Replace(scope, vector), Replace(scope, vector.double().numpy())),
        (
            Add(scope, vector, torch.tensor([[[1.0]], [[3.0]]])),
            Add(scope, vector, np.array([[[1.0]], [[3.0]]])),
        ),
    ]
    plain = model.run(TEXTS, site)[site]
    for first, *others in same:
        expected = model.run(TEXTS, site, edits=first)[site]
        assert not torch.equal(expected, plain)
        for other in others:
            torch.testing.assert_close(model.run(TEXTS, site, edits=other)[site], expected)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda s: Add(s, "up"), TypeError, "Add: vector must be a tensor, an array or a list"),
        (lambda s: Add(s, torch.ones(D), "2"), TypeError, "Add: strength must be a tensor"),
        (lambda s: Add(s, torch.ones(D), float("inf")), ValueError, "strength holds NaN or inf"),
        (lambda s: Add(s, torch.ones(D) / 0), ValueError, "vector holds NaN or infinite numbers"),
        (lambda s: Replace(s, torch.ones(D) * 1j), ValueError, "Replace: value is complex"),
        (lambda s: Affine(s, [[1, 2], [3]], 0), TypeError, "Affine: weight must be a tensor"),
        (lambda s: SetComponent(s, torch.eye(D), ["a"]), TypeError, "value must be a tensor"),
    ],
)
def test_what_is_no_vector_and_no_scope_is_refused_when_the_edit_is_made(make, error, said):
    with pytest.raises(error, match=said):
        make(Scope("resid_post.0"))
