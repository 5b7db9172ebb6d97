"""Local maps of prompts: decodes, sketches and steering on a toy network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tests.model import nets

from inscape.core.errors import StudyError
from inscape.data.load import load
from inscape.model.model import Model
from inscape.read.detached_jacobian import local_map, stable_rank
from inscape.read.local_maps import (
    RANDOM,
    Mapped,
    change_by_patches,
    checked,
    decodes,
    depths,
    exactness,
    final_ranks,
    in_double,
    mapped,
    named,
    random_directions,
    ranks_by_depth,
    short_prompts,
    sketched_residual,
    spectra,
    steered,
    steered_by_others,
)


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def prompt(model, text="the river rises in the sea"):
    return model.tokenize([text])[0]


def test_decodes_are_tokens_that_the_vectors_favour(model):
    tokens = prompt(model)
    found = mapped(model, tokens, top=4, vectors=2)
    here = local_map(model, tokens)
    assert len(found.said_each) == len(tokens)
    for token, said in ((None, found.said), *enumerate(found.said_each)):
        u = here.svd(token)[0][:, 0].float()
        u = u if float(u @ here.output) > 0 else -u  # of itself a singular vector has no sign
        assert said[0][0] == int((model.net.lm_head.weight.detach() @ u).argmax())
    own = found.said_each[-1][1][3]
    assert found.each_names(own, 2)[-1] == 1
    assert found.each_names(own, 0).tolist() == [0.0] * len(tokens)
    assert [len(x) for x in found.said] == [len(x) for x in found.read] == [4, 4]
    assert found.names(found.said[1][2], 2)
    assert not found.names(found.said[1][2], 0)
    assert found.predicted == int(model.run([tokens], logits=True).logits[0, -1].argmax())
    assert found.singular[0] == 1.0
    assert 1 <= found.last_rank <= nets.D


def test_names_of_prompts_are_counted_by_hand():
    def one(predicted, whole, tokens):
        said = [[t] for t in whole]
        each = [[[t]] for t in tokens]
        return Mapped(0.0, predicted, said, each, [], 1.0, 1.0, np.ones(1))

    found = [one(1, [1, 2], [1, 3]), one(2, [9], [9, 2]), one(3, [3, 1], [9, 9])]
    got = named(found, np.array([0, 0, 1]), 2)
    assert got.own.tolist() == [1, 0, 1]
    assert got.each.tolist() == [0.5, 0.5, 0]
    assert got.last.tolist() == [0, 1, 0]
    assert got.other.tolist() == [0.5, 0, 0.5]
    assert got.other_each.tolist() == [0.25, 0, 0]
    assert (got.near, got.far) == (0.5, 0.25)
    assert named(found, np.array([0, 0, 1]), 1).other.tolist() == [0, 0, 0]
    assert np.isnan(named(found[:1], np.array([0]), 1).near)


def test_a_sketch_in_double_is_exact_and_the_ordinary_one_is_not(model):
    u = random_directions(5, nets.D, rng=np.random.default_rng(0))
    assert torch.allclose(u @ u.T, torch.eye(5, dtype=torch.float64), atol=1e-12)
    double = in_double(model)
    assert double.dtype == torch.float64
    assert model.dtype == torch.float32
    assert sketched_residual(double, prompt(model), u) < 1e-12
    assert sketched_residual(model, prompt(model), u, detach=False) > 0.2


def test_patches_change_nothing(model):
    moved, logits = change_by_patches(model, prompt(model))
    assert moved < 1e-5
    assert logits.shape == (nets.VOCABULARY,)


def test_steering_is_beside_random_vectors_of_the_same_length(model):
    here = local_map(model, prompt(model), "resid_post.1")
    target = prompt(model, "Paris is the capital of it")
    rise, random = steered(model, 1, here, 7, target, draws=4, rng=np.random.default_rng(0))
    assert random.shape == (4,)
    assert np.isfinite([rise, *random]).all()
    assert abs(rise) > 1e-4


def test_depths_end_at_the_last_block():
    assert list(depths(30, 5)) == [5, 11, 17, 23, 29]
    assert list(depths(2, 5)) == [0, 1] or depths(2, 5)[-1] == 1


def test_a_check_is_its_three_measures(model):
    u = random_directions(5, nets.D, rng=np.random.default_rng(0))
    double = in_double(model)
    found = checked(model, double, prompt(model), u)
    assert found.float64 == sketched_residual(double, prompt(model), u)
    assert found.ordinary == sketched_residual(model, prompt(model), u, detach=False) > 0.2
    assert found.changed == change_by_patches(model, prompt(model))[0]


def test_decodes_have_a_row_for_every_vector_of_a_prompt(model):
    tokens = [prompt(model), prompt(model, "Paris is the capital of it")]
    found = [mapped(model, t, top=7, vectors=2) for t in tokens]
    table = decodes(model, tokens, found, 2)
    assert table["vector"].tolist() == [1, 2, 1, 2]
    said = [repr(model.tokenizer.decode([i])) for i in found[1].said[0][:6]]
    assert table["left vector says"][2] == " ".join(said)
    assert table["named"][0] == found[0].names(found[0].predicted, 2)


def test_spectra_are_means_and_quantiles_over_prompts():
    def one(*values):
        return Mapped(0.0, 1, [], [], [], 1.0, 1.0, np.array(values))

    shown = spectra({"a": [one(1.0, 0.2), one(1.0, 0.6)], "b": [one(1.0, 0.5)]})
    assert shown["series"].tolist() == ["a", "a", "b", "b"]
    assert shown["x"].tolist() == [1, 2, 1, 2]
    assert shown["value"].tolist() == pytest.approx([1.0, 0.4, 1.0, 0.5])
    assert shown["low"][1] == pytest.approx(0.21)
    assert shown["high"][1] == pytest.approx(0.59)


def test_ranks_by_depth_are_those_of_each_map_and_one_depth_is_kept(model):
    tokens = [prompt(model), prompt(model, "Paris is the capital of it")]
    frame, kept = ranks_by_depth(model, tokens, [0, 1], keep=0)
    slow = [
        [stable_rank(local_map(model, t, f"resid_post.{i}").leading(1)[1]) for t in tokens]
        for i in (0, 1)
    ]
    assert frame["value"].tolist() == pytest.approx(np.mean(slow, axis=1).tolist())
    assert frame["low"].tolist() == pytest.approx(np.min(slow, axis=1).tolist())
    assert frame["high"].tolist() == pytest.approx(np.max(slow, axis=1).tolist())
    assert torch.equal(kept[1].jacobians, local_map(model, tokens[1], "resid_post.0").jacobians)


def test_prompts_steer_those_that_go_on_with_another_token(model):
    tokens = [prompt(model), prompt(model, "Paris is the capital of it")]
    maps = [local_map(model, t, "resid_post.1") for t in tokens]
    options = {"draws": 4}
    e = steered_by_others(model, 1, maps, tokens, [7, 9], rng=np.random.default_rng(0), **options)
    rng = np.random.default_rng(0)
    pairs = ((0, 7, 1), (1, 9, 0))
    rises = [steered(model, 1, maps[i], t, tokens[j], rng=rng, **options)[0] for i, t, j in pairs]
    assert e.value == pytest.approx(np.mean(rises))
    assert (e.null.kind, e.null.draws) == (RANDOM, 4)
    same = steered_by_others(
        model, 1, maps, tokens, [7, 7], rng=np.random.default_rng(0), **options
    )
    assert same is None


def test_short_prompts_are_spread_over_relations_and_long_texts_are_left_out(model):
    texts = ["the sea", "the river rises", "it is a good film", "the river rises in the sea"] * 3
    relation = ["near"] * 9 + ["far"] * 3
    frame = pd.DataFrame({"text": texts, "relation": relation})
    lengths = [len(t) for t in model.tokenize(texts)]
    examples, rng = load(frame), np.random.default_rng(0)
    found = short_prompts(model, examples, 4, least=lengths[1], most=lengths[2], rng=rng)
    assert {t.text for t in found.tokens} == {texts[1], texts[2]}
    assert np.bincount(found.groups).tolist() == [2, 2]
    alone = load(frame.drop(columns="relation"))
    every = short_prompts(model, alone, 99, least=1, most=99, rng=rng)
    assert sorted(every.groups) == list(range(12))
    with pytest.raises(StudyError, match="Fewer than two texts have 50 to 60 tokens"):
        short_prompts(model, examples, 4, least=50, most=60, rng=rng)


def test_exactness_has_a_row_for_every_prompt(model):
    tokens = [prompt(model), prompt(model, "Paris is the capital of it"), prompt(model, "the sea")]
    found = [mapped(model, t) for t in tokens]
    u = random_directions(5, nets.D, rng=np.random.default_rng(0))
    frame, another = exactness(model, iter(tokens), found, u)
    assert frame["prompt"].tolist() == [t.text for t in tokens]
    assert frame["tokens"].tolist() == [len(t) for t in tokens]
    assert frame["float32"].tolist() == [m.residual for m in found]
    check = checked(model, in_double(model), tokens[1], u)
    columns = ["float64", "ordinary Jacobian", "logits changed"]
    assert frame.loc[1, columns].tolist() == [check.float64, check.ordinary, check.changed]
    logits = [model.run([t], logits=True).logits[0, -1].numpy() for t in tokens]
    wanted = np.linalg.norm(logits[2] - logits[1]) / np.linalg.norm(logits[1])
    assert another.shape == (2,)
    assert another[1] == pytest.approx(wanted, rel=1e-4)


def test_final_ranks_are_medians_over_prompts():
    def one(rank, last):
        return Mapped(0.0, 1, [], [], [], rank, last, np.ones(1))

    found = final_ranks({"a": [one(1.0, 5.0), one(2.0, 9.0), one(9.0, 6.0)], "b": [one(4.0, 3.0)]})
    assert found.to_dict("list") == {
        "series": ["a", "b"],
        "whole prompt": [2.0, 4.0],
        "last token": [6.0, 3.0],
    }
