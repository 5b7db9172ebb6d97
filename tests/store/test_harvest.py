"""A harvest holds what the model computes: every vector, in order, whatever the batching, positions
and dtype.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from inscape.core.batch import Batch
from inscape.core.errors import DataError, SiteError, StoreError
from inscape.data.examples import Examples
from inscape.data.positions import resolve
from inscape.model.model import Model
from inscape.store import recipe as recipes
from inscape.store.harvest import harvest
from inscape.store.recipe import tokenizer_hash
from inscape.store.store import Store

from .conftest import WORDS, close_to_rounding, llama, sentences, tokenizer

SITES = ["embed, resid_post.*, z.1.2", "module:model.layers.1.mlp.gate_proj:out"]
SMALL = 4000  # bytes: several shards


def direct(model, examples, site, at):
    """Every example alone, the slow clear way: (position, vector) rows."""
    rows = []
    for i, text in enumerate(examples.texts()):
        tokens = model.tokenize([text])[0]
        where = resolve(at, tokens, examples.span(i))
        found = model.run([tokens], capture=[site])
        x = (found.logits if str(site) == "logits" else found[site])[0]
        x = x[torch.from_numpy(where)].double()
        rows += [x.mean(0)] if at == "mean" else list(x)
    return torch.stack(rows).float().numpy()


@pytest.mark.parametrize("at", ["last", "first", "all", "mean", "span:head", "-1"])
def test_vectors_are_those_of_each_example_alone(model, examples, tmp_path, at):
    store = harvest(model, examples, SITES, at=at, to=tmp_path / "s", shard_bytes=SMALL, budget=64)
    assert len(store.manifest["shards"]) > 2
    for site, x in store.matrices():
        expected = direct(model, examples, site, at)
        assert x.dtype == np.float32
        assert np.abs(expected).max() > 1e-3
        close_to_rounding(x, expected)
    frame = store.frame()
    assert frame["example"].is_monotonic_increasing
    assert (frame.groupby("example")["position"].diff().dropna() > 0).all()
    assert sorted(set(frame["example"])) == list(range(len(examples)))


def test_unpadded_batches_of_one_are_bitwise_those_of_run(model, examples, tmp_path):
    store = harvest(model, examples, "resid_post.*", to=tmp_path / "s", budget=1)
    for site, x in store.matrices():
        assert np.array_equal(x, direct(model, examples, site, "last"))


def test_frame_carries_what_a_row_is_of(model, examples, tmp_path):
    store = harvest(model, examples, "embed", at="all", to=tmp_path / "s")
    frame = store.frame()
    assert list(frame.columns) == ["example", "position", "token", "id", "group", "x", "kind"]
    for name in ("x", "kind", "group"):
        assert frame[name].tolist() == examples.frame[name].iloc[frame["example"]].tolist()
    tokens = model.tokenize(examples.texts())
    for example, position, token in zip(
        frame["example"], frame["position"], frame["token"], strict=True
    ):
        assert tokens[example].ids[position] == token
    table = model.net.get_input_embeddings().weight.detach().numpy()
    assert np.array_equal(store.matrix("embed"), table[frame["token"]])


def test_a_label_named_like_a_column_of_ours(model, tmp_path):
    frame = pd.DataFrame({"text": ["w1 w2", "w3"], "position": [1.5, 2.5], "a.b:c": ["x", "y"]})
    store = harvest(
        model, Examples(frame, "text", ("position", "a.b:c")), "embed", to=tmp_path / "s"
    )
    assert store.frame()["label:position"].tolist() == [1.5, 2.5]
    assert store.frame()["a.b:c"].tolist() == ["x", "y"]


def test_identical_inputs_are_computed_once(model, tmp_path, monkeypatch):
    seen = []
    run = model.run
    monkeypatch.setattr(model, "run", lambda batch, **k: seen.append(len(batch)) or run(batch, **k))
    texts = ["w1 w2 w3", "w4", "w1 w2 w3", "w1 w2 w3", "w5 w6"]
    store = harvest(model, texts, "resid_post.1", at="all", to=tmp_path / "s")
    assert sum(seen) == 3  # the widths are known without a pass, and the distinct inputs are three
    x = [store.matrix("resid_post.1")[store.frame()["example"] == i] for i in (0, 2, 3)]
    assert np.array_equal(x[0], x[1])
    assert np.array_equal(x[0], x[2])


def test_a_prompt_is_put_around_each_text(model, examples, tmp_path):
    store = harvest(
        model, examples, "resid_post.2", prompt="w8 {} w9", at="span:input", to=tmp_path / "s"
    )
    expected = direct(model, examples.with_prompt("w8 {} w9"), "resid_post.2", "span:input")
    close_to_rounding(store.matrix("resid_post.2"), expected)
    plain = harvest(model, examples, "resid_post.2", to=tmp_path / "plain").matrix("resid_post.2")
    assert np.abs(plain - expected).max() > 1e-3
    assert store.frame()["x"].tolist() == examples.frame["x"].tolist()


@pytest.mark.parametrize(("dtype", "error"), [("bfloat16", 2**-8), ("float16", 2**-11)])
def test_half_dtypes_round_to_nearest(model, examples, tmp_path, dtype, error):
    exact = harvest(model, examples, "resid_post.*", to=tmp_path / "exact").matrix("resid_post.1")
    store = harvest(model, examples, "resid_post.*", to=tmp_path / "half", dtype=dtype)
    x = store.matrix("resid_post.1")
    assert np.array_equal(x, torch.from_numpy(exact).to(getattr(torch, dtype)).float().numpy())
    assert 0 < np.abs(x - exact).max() <= error * np.abs(exact).max()
    assert np.array_equal(store.take("resid_post.1", [3, 0]), x[[3, 0]])
    mask = np.arange(len(store)) % 3 == 0
    assert np.array_equal(store.take("resid_post.1", mask), x[mask])
    with pytest.raises(ValueError, match="Store.take: a mask must have shape"):
        store.take("resid_post.1", mask[:-1])
    ((site, one),) = store.matrices("resid_post.1")
    assert str(site) == "resid_post.1"
    assert np.array_equal(one, x)
    with pytest.raises(ValueError, match=r"Store.batches: give at least one site"):
        next(store.batches([], 4))


def test_logits_and_every_canonical_vector_site(model, examples, tmp_path):
    sites = [s for s in model.sites if s.point != "pattern"]
    store = harvest(model, examples.take(range(4)), sites, to=tmp_path / "s")
    assert store.sites == sites
    expected = direct(model, examples.take(range(4)), "logits", "last")
    close_to_rounding(store.matrix("logits"), expected)


def test_sites_without_a_vector_a_position_are_refused(model, examples, tmp_path):
    with pytest.raises(
        StoreError, match=r"pattern\.0 has shape .*, not one vector at each position"
    ):
        harvest(model, examples, "pattern.0", to=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_unknown_sites_and_positions_are_refused_before_anything_is_written(
    model, examples, tmp_path
):
    with pytest.raises(SiteError, match=r"no site matches 'resid_post\.9'"):
        harvest(model, examples, "resid_post.9", to=tmp_path / "s")
    with pytest.raises(DataError, match="no span 'tail'"):
        harvest(model, examples, "embed", at="span:tail", to=tmp_path / "s")
    with pytest.raises(DataError, match="no examples to harvest"):
        harvest(model, [], "embed", to=tmp_path / "s")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"dtype": "int8"}, "dtype must be one of float32, bfloat16, float16"),
        ({"nonfinite": "drop"}, "nonfinite must be 'refuse' or 'keep'"),
        ({"budget": 0}, "budget must be at least 1"),
        ({"shard_bytes": 0}, "shard_bytes must be at least 1"),
    ],
)
def test_options_are_checked(model, examples, option, message):
    with pytest.raises(ValueError, match=message):
        harvest(model, examples, "embed", **option)


def broken(value: float):
    """A Llama whose second block's residual has one wrong number wherever token 5 stands."""
    model = llama(3)
    with torch.no_grad():
        model.net.get_input_embeddings().weight[5, 0] = value
    return model


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nonfinite_activations_are_refused_or_counted(tmp_path, value):
    model, texts = broken(value), ["w1 w2", "w3 w4", "w4 w3", "w3 w4"]  # w3 has id 5
    with pytest.raises(
        StoreError, match=r"2 activations of embed are NaN or infinite .* pass nonfinite='keep'"
    ):
        harvest(model, texts, "embed", at="all", to=tmp_path / "s")
    with pytest.raises(StoreError, match="unfinished: 0 rows"):
        Store.open(tmp_path / "s")
    store = harvest(model, texts, "embed", at="all", to=tmp_path / "kept", nonfinite="keep")
    assert (~np.isfinite(store.matrix("embed"))).sum() == 3
    # counted as kept: the fourth text is the second again
    assert [shard["nonfinite"] for shard in store.manifest["shards"]] == [{"embed": 2}]


def test_what_float16_cannot_hold_is_refused(tmp_path):
    with pytest.raises(
        StoreError,
        match="embed reaches 70000, and float16 ends at 65504; harvest with dtype='float32'",
    ):
        harvest(broken(7e4), ["w3 w4"], "embed", at="all", to=tmp_path / "s", dtype="float16")
    store = harvest(
        broken(65504.0), ["w3 w4"], "embed", at="all", to=tmp_path / "t", dtype="float16"
    )
    assert store.matrix("embed").max() == 65504


def test_the_cache_is_reused_and_stale_is_a_miss(examples, monkeypatch):
    model = llama(1)
    first = harvest(model, examples, "resid_post.0")
    monkeypatch.setattr(model, "run", model.run)
    again = harvest(model, examples, "resid_post.0")
    assert again.path == first.path
    others = [
        harvest(llama(2), examples, "resid_post.0"),
        harvest(model, sentences(seed=1), "resid_post.0"),
        harvest(model, examples, "resid_post.1"),
        harvest(model, examples, "resid_post.0", at="first"),
        harvest(model, examples, "resid_post.0", dtype="float16"),
        harvest(model, examples, "resid_post.0", prompt="w1 {}"),
        harvest(model, examples, "resid_post.0", budget=7),
    ]
    monkeypatch.setattr("inscape.store.recipe.code_hash", lambda: "other code")
    others.append(harvest(model, examples, "resid_post.0"))
    assert len({first.path, *(s.path for s in others)}) == 1 + len(others)


def test_arrays_are_examples_too(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).eval()
    model = Model(net, name="convolutions")
    x = np.random.default_rng(0).standard_normal((10, 1, 6, 6)).astype(np.float32)
    store = harvest(model, x, "module:0:out", at="all", to=tmp_path / "pixels", shard_bytes=999)
    with torch.no_grad():
        maps = net[0](torch.from_numpy(x)).flatten(2).transpose(1, 2)
    assert store.frame()["position"].tolist() == list(range(16)) * 10
    close_to_rounding(store.matrix("module:0:out"), maps.reshape(-1, 4))
    both = harvest(
        model, torch.from_numpy(x), "module:0:out,module:3:out", at="mean", to=tmp_path / "mean"
    )
    close_to_rounding(both.matrix("module:0:out"), maps.mean(1))
    assert (both.frame()["token"] == -1).all()
    named = harvest(model, Batch({"x": torch.from_numpy(x)}), "module:3:out", to=tmp_path / "named")
    close_to_rounding(named.matrix("module:3:out"), both.matrix("module:3:out"))
    with pytest.raises(DataError, match="different numbers of positions"):
        harvest(model, x, "module:0:out,module:3:out", at="all", to=tmp_path / "no")
    with pytest.raises(DataError, match="at 'first', 'last', 'all' or 'mean', not at 'span:x'"):
        harvest(model, x, "module:0:out", at="span:x", to=tmp_path / "no")
    with pytest.raises(DataError, match="a prompt is for texts"):
        harvest(model, x, "module:0:out", prompt="{}", to=tmp_path / "no")


def test_a_watcher_is_told_and_ends_at_the_totals(model, examples, tmp_path):
    told = []
    harvest(
        model,
        examples,
        "embed",
        to=tmp_path / "s",
        budget=64,
        progress=lambda *numbers: told.append(numbers),
    )
    assert len(told) > 3
    assert told[-1][0] == told[-1][1]
    assert told[-1][2] == told[-1][3]


def test_a_bar_is_drawn_only_when_asked_for_or_on_a_terminal(model, examples, tmp_path, capsys):
    harvest(model, examples, "embed", to=tmp_path / "s")
    assert capsys.readouterr() == ("", "")
    harvest(model, examples, "embed", to=tmp_path / "t", progress=True)
    assert "tokens/s" in capsys.readouterr().err


def test_the_tokenizers_hash_is_its_identity_not_its_state():
    one, same, other = tokenizer(), tokenizer(), tokenizer(WORDS[::-1])
    same(["w1", "w2 w3"], padding=True, truncation=True, max_length=2)
    assert same.backend_tokenizer.padding is not None
    assert tokenizer_hash(one) == tokenizer_hash(same) != tokenizer_hash(other)
    one.add_tokens(["new"])
    assert tokenizer_hash(one) != tokenizer_hash(same)
    assert tokenizer_hash(None) == ""


def test_the_hash_of_a_slow_tokenizer_follows_its_vocabulary():
    class Slow:
        init_kwargs: ClassVar[dict] = {"lower": True}

        def __init__(self, *words):
            self.words = words

        def get_vocab(self):
            return {word: i for i, word in enumerate(self.words)}

    assert (
        tokenizer_hash(Slow("a", "b"))
        == tokenizer_hash(Slow("a", "b"))
        != tokenizer_hash(Slow("b", "a"))
    )


def test_the_code_hash_covers_the_tap_and_changes_with_it(monkeypatch, tmp_path):
    recipes.code_hash.cache_clear()
    before = recipes.code_hash()
    monkeypatch.setattr(recipes, "_CODE", recipes._CODE[1:])
    recipes.code_hash.cache_clear()
    assert recipes.code_hash() != before
    recipes.code_hash.cache_clear()


def test_the_cache_is_in_the_home_folder_unless_told(monkeypatch, tmp_path):
    assert recipes.cache_folder("a" * 64) == tmp_path / "home" / "stores" / ("a" * 32)
    monkeypatch.delenv("INSCAPE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert recipes.cache_folder("b") == tmp_path / ".cache" / "inscape" / "stores" / "b"


@pytest.mark.parametrize(("family", "causal"), [("gpt2", True), ("bert", False)])
def test_a_mean_leaves_out_the_first_token_of_a_causal_model_alone(tmp_path, family, causal):
    from inscape.store.moments import moments
    from tests.model import nets

    model = Model(nets.net(family), nets.tokenizer())
    assert model.causal is causal
    texts = ["the river is in Paris", "a good film", "the sea", "London"]
    full = [model.run(t, "resid_post.1")["resid_post.1"][0].numpy() for t in texts]
    cut = [x[1:] if causal and len(x) > 1 else x for x in full]
    found = {at: harvest(model, texts, "resid_post.1", at=at, to=tmp_path / at) for at in MEANS}
    close_to_rounding(found["mean"].matrix("resid_post.1"), np.stack([x.mean(0) for x in cut]))
    close_to_rounding(found["mean-all"].matrix("resid_post.1"), np.stack([x.mean(0) for x in full]))
    ids = [t.ids for t in model.tokenize(texts)]
    ready = harvest(model, ids, "resid_post.1", at="mean", to=tmp_path / "ids")
    close_to_rounding(ready.matrix("resid_post.1"), np.stack([x.mean(0) for x in cut]))
    kept = moments(model, texts, "resid_post.1", at="mean").site("resid_post.1").mean
    np.testing.assert_allclose(kept, np.stack([x.mean(0) for x in cut]).mean(0), atol=1e-5)


MEANS = ("mean", "mean-all")
