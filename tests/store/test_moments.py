"""Moments streamed over shards are those of the vectors that a store of the same harvest holds."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from torch import nn

from inscape.core.centred import Centred
from inscape.core.errors import DataError, StoreError
from inscape.core.joint import Joint, cka_debiased_from_moments
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.read.mass_mean import MassMeanProbe
from inscape.read.ridge import RidgeProbe
from inscape.store import moments as moments_module
from inscape.store import storage
from inscape.store.harvest import harvest
from inscape.store.lock import WriterLock
from inscape.store.moments import moments
from inscape.store.storage import LocalFolder
from inscape.store.streamed_moments import StreamedMoments

from .conftest import llama, sentences

SITES = "embed, resid_post.*"
ASKED = {"at": "all", "labels": ["x"], "classes": "kind", "pairs": "all"}
SMALL = {"shard_bytes": 4000, "budget": 64}  # several shards


@pytest.fixture(scope="module")
def streamed(model, examples):
    return moments(model, examples, SITES, **ASKED, **SMALL)


@pytest.fixture(scope="module")
def store(model, examples, tmp_path_factory):
    return harvest(model, examples, SITES, at="all", to=tmp_path_factory.mktemp("m") / "s", **SMALL)


def close(a, b, tolerance=1e-12):
    for field in fields(a):
        one, other = np.asarray(getattr(a, field.name)), np.asarray(getattr(b, field.name))
        assert np.abs(one - other).max() <= tolerance * np.abs(other).max(), field.name


def equal(a: StreamedMoments, b: StreamedMoments) -> None:
    """Bit for bit."""
    classes = zip(a.classes.values(), b.classes.values(), strict=True)
    for one, other in ((a.sites, b.sites), (a.labels, b.labels), (a.pairs, b.pairs), *classes):
        assert list(one) == list(other)
        for x, y in zip(one.values(), other.values(), strict=True):
            for field in fields(x):
                assert np.array_equal(getattr(x, field.name), getattr(y, field.name))
    assert (a.recipe, a.parts) == (b.recipe, b.parts)


def test_they_are_those_of_the_stored_vectors(streamed, store):
    frame = store.frame()
    assert len(streamed) == len(store) > len(set(frame["example"]))
    assert streamed.parts[0]["shards"] > 2
    last = None
    for site, x in store.matrices():
        close(streamed.site(site), Centred.of(x))
        close(streamed.labels[str(site)], Joint.of(x, frame[["x"]].to_numpy()))
        assert list(streamed.by_class(site)) == ["a", "b"]
        for kind, found in streamed.by_class(site).items():
            close(found, Centred.of(x[frame["kind"] == kind]))
        if last is not None:
            close(streamed.joint(last[0], site), Joint.of(last[1], x))
            close(streamed.joint(site, last[0]), Joint.of(x, last[1]))
            expected = cka_debiased_from_moments(
                Centred.of(last[1]), Centred.of(x), Joint.of(last[1], x)
            )
            assert streamed.cka(last[0], site) == pytest.approx(expected, abs=1e-12)
        last = site, x
    close(streamed.targets, Centred.of(frame[["x"]].to_numpy()))


def test_what_is_fitted_is_what_probes_fit(streamed, store):
    x, frame = store.matrix("resid_post.1"), store.frame()
    path = streamed.ridge("resid_post.1", alphas=[0.1, 10.0])
    for i, alpha in enumerate((0.1, 10.0)):
        probe = RidgeProbe((alpha,)).fit(x.astype(np.float64), frame["x"].to_numpy())
        np.testing.assert_allclose(
            path.coef[i, 0], probe.coef_, atol=1e-8 * np.abs(probe.coef_).max()
        )
    for lda in (False, True):
        probe = MassMeanProbe(lda=lda).fit(x.astype(np.float64), frame["kind"].to_numpy())
        found = streamed.mass_mean("resid_post.1", "a", "b", lda=lda)
        np.testing.assert_allclose(
            found.coef, probe.coef_[0], atol=1e-8 * np.abs(probe.coef_).max()
        )
        assert found.intercept == pytest.approx(float(probe.intercept_[0]))


def test_classes_are_in_order_whatever_part_they_came_from(model):
    frame = pd.DataFrame({"text": ["w1 w2", "w3", "w4 w5"], "year": [10, 9, 200]})
    examples = Examples(frame, "text", ("year",))
    found = moments(model, examples, "embed", classes="year", shard_bytes=1)
    assert list(found.by_class("embed")) == ["9", "10", "200"]


def test_parts_of_the_data_add_up(model, examples, streamed):
    a, b = (
        moments(model, examples.take(part), SITES, **ASKED) for part in (range(15), range(15, 40))
    )
    whole = a + b
    assert len(whole) == len(streamed)
    assert [part["examples"] for part in whole.parts] == [15, 25]
    for name in streamed.sites:
        # a vector's last bits depend on what it was batched with, so here it is the vectors that
        # differ, not the sums
        close(whole.site(name), streamed.site(name), 1e-5)
        for kind in "ab":
            close(whole.by_class(name)[kind], streamed.by_class(name)[kind], 1e-5)
    assert whole.cka("embed", "resid_post.2") == pytest.approx(
        streamed.cka("embed", "resid_post.2"), abs=1e-5
    )


def test_what_is_not_one_set_is_not_added(model, examples, streamed):
    with pytest.raises(StoreError, match="both counted the same 40 examples; add each part once"):
        streamed + streamed
    half = moments(model, examples.take(range(9)), SITES, at="last")
    with pytest.raises(
        StoreError,
        match=r"differ in positions \(at\), labels, label of the classes, pairs of sites",
    ):
        streamed + half
    other = moments(llama(1), examples.take(range(9)), SITES, **ASKED)
    with pytest.raises(StoreError, match="differ in weights"):
        streamed + other


def test_written_and_read_again(streamed, tmp_path):
    streamed.save(tmp_path / "m")
    streamed.save(tmp_path / "m")
    assert len(list((tmp_path / "m").iterdir())) == 2
    equal(StreamedMoments.open(tmp_path / "m"), streamed)


def test_damage_is_found(streamed, tmp_path):
    folder = tmp_path / "m"
    with pytest.raises(StoreError, match="there are no moments at"):
        StreamedMoments.open(folder)
    streamed.save(folder)
    (arrays,) = folder.glob("*.safetensors")
    data = arrays.read_bytes()
    arrays.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    with pytest.raises(StoreError, match="are damaged; delete them"):
        StreamedMoments.open(folder)
    arrays.write_bytes(data)
    assert len(StreamedMoments.open(folder)) == len(streamed)
    text = (folder / "moments.json").read_text()
    (folder / "moments.json").write_text(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(StoreError, match="format 2, newer than 1"):
        StreamedMoments.open(folder)
    (folder / "moments.json").write_text(text.replace('"rows": ', '"rows": 1'))
    with pytest.raises(StoreError, match="are damaged"):
        StreamedMoments.open(folder)
    (folder / "moments.json").write_text("{")
    with pytest.raises(StoreError, match="are damaged"):
        StreamedMoments.open(folder)
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "thesis.tex").touch()
    with pytest.raises(StoreError, match=r"is not empty \(it has thesis\.tex\)"):
        streamed.save(strange)


def test_a_write_that_fails_leaves_what_was_there(model, examples, streamed, tmp_path, monkeypatch):
    folder = tmp_path / "m"
    first = moments(model, examples, SITES)
    first.save(folder)
    original = storage.os.replace
    for at in (1, 2):  # the arrays' rename, the manifest's
        calls = []

        def replace(source, target, calls=calls, at=at):
            calls.append(target)
            if len(calls) == at:
                raise OSError(28, "No space left on device")
            original(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(storage.os, "replace", replace)
            with pytest.raises(StoreError, match="cannot write to .*: No space left on device"):
                streamed.save(folder)
        assert len(calls) == at
        equal(StreamedMoments.open(folder), first)
    streamed.save(folder)
    equal(StreamedMoments.open(folder), streamed)
    assert len(list(folder.glob("*.safetensors"))) == 1


@pytest.mark.parametrize("when", [1, 2, 4])
def test_stopped_it_goes_on_to_the_same_bits(model, examples, tmp_path, monkeypatch, when):
    options = {**ASKED, **SMALL, "commit_seconds": 0.0}
    whole = moments(model, examples, SITES, to=tmp_path / "whole", **options)
    original, calls = moments_module.capture, []

    def dies(*arguments, **settings):
        calls.append(arguments[3])
        if len(calls) == when + 1:
            raise KeyboardInterrupt
        return original(*arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(moments_module, "capture", dies)
        with pytest.raises(KeyboardInterrupt):
            moments(model, examples, SITES, to=tmp_path / "m", **options)
        with pytest.raises(StoreError, match="are unfinished, .* rows are counted"):
            StreamedMoments.open(tmp_path / "m")
        calls[:] = [None] * 99
        again = moments(model, examples, SITES, to=tmp_path / "m", **options)
    assert len(calls) - 99 == whole.parts[0]["shards"] - when
    equal(again, whole)
    equal(StreamedMoments.open(tmp_path / "m"), whole)


def test_a_folder_of_others_is_refused(model, examples, tmp_path):
    first = moments(model, examples, "embed", to=tmp_path / "m")
    equal(moments(model, examples, "embed", to=tmp_path / "m"), first)
    with pytest.raises(StoreError, match="holds moments of something else; name a new folder"):
        moments(model, examples, "resid_post.0", to=tmp_path / "m")
    with WriterLock(tmp_path / "m"), pytest.raises(StoreError, match="is being written by process"):
        moments(model, examples, "embed", to=tmp_path / "m")


def test_only_what_was_asked_for_is_there(model, examples):
    bare = moments(model, examples, "embed, resid_post.0")
    with pytest.raises(
        StoreError, match=r"no site 'resid_post\.2' in these moments\. Did you mean"
    ):
        bare.site("resid_post.2")
    with pytest.raises(StoreError, match="no classes at site 'embed'"):
        bare.by_class("embed")
    with pytest.raises(StoreError, match="no labels at site 'embed'"):
        bare.ridge("embed")
    with pytest.raises(StoreError, match=r"no pair of sites 'embed resid_post\.0'"):
        bare.cka("embed", "resid_post.0")
    one = moments(model, examples, "embed, resid_post.0", pairs=[("resid_post.0", "embed")])
    assert list(one.pairs) == [("resid_post.0", "embed")]
    # 24 × 24 float64 products added in another order
    assert one.cka("embed", "resid_post.0") == pytest.approx(
        one.cka("resid_post.0", "embed"), rel=1e-12
    )
    assert "40 rows × 2 sites at 'last', 1 pairs" in repr(one)


def test_what_cannot_be_streamed_is_refused(model, examples):
    with pytest.raises(DataError, match="labels and classes are columns of examples"):
        moments(model, ["w1 w2"], "embed", labels=["x"])
    with pytest.raises(DataError, match="'kind' is text, and a number is needed"):
        moments(model, examples, "embed", labels=["kind"])
    with pytest.raises(ValueError, match="pairs must be 'all' or pairs of sites, got 'some'"):
        moments(model, examples, "embed", pairs="some")
    with pytest.raises(ValueError, match=r"resid_post\.0 is in a pair and not among the sites"):
        moments(model, examples, "embed", pairs=[("embed", "resid_post.0")])
    broken = llama(3)
    broken.net.get_input_embeddings().weight.data[5, 0] = float("nan")
    with pytest.raises(StoreError, match="activations of embed are NaN or infinite"):
        moments(broken, ["w3 w4"], "embed", at="all")


def test_memory_is_that_of_the_moments(model, tmp_path):
    small, large = (
        moments(model, sentences(n), "embed", at="all", to=tmp_path / str(n)) for n in (20, 200)
    )
    assert len(large) > 8 * len(small)
    sizes = [
        sum(f.stat().st_size for f in (tmp_path / str(n)).glob("*.safetensors")) for n in (20, 200)
    ]
    assert sizes[0] == sizes[1]


def test_arrays_are_examples_too():
    model = Model(nn.Sequential(nn.Linear(3, 4)).eval(), name="linear")
    x = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    found = moments(model, x, "module:0:out").site("module:0:out")
    weight, bias = (p.detach().numpy() for p in model.net[0].parameters())
    np.testing.assert_allclose(found.mean, (x @ weight.T + bias).mean(axis=0), atol=2e-6)


def test_a_full_disk_says_how_many_rows_are_safe(model, examples, tmp_path, monkeypatch):
    options = {"to": tmp_path / "m", "shard_bytes": 2000, "commit_seconds": 0.0, "progress": False}
    put, calls = LocalFolder.put, []

    def full(self, *arguments):
        calls.append(1)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return put(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(StoreError) as error:
        patch.setattr(LocalFolder, "put", full)
        moments(model, examples, "resid_post.*", **options)
    head = json.loads((tmp_path / "m" / "moments.json").read_text())
    rows = sum(part["rows"] for part in head["parts"])
    assert 0 < rows < len(examples)
    assert f"The moments of {rows} rows committed before are safe: free space and" in str(
        error.value
    )
    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "put", full)
        with pytest.raises(StoreError, match="Nothing was committed before: free space and"):
            moments(model, examples, "resid_post.*", **{**options, "to": tmp_path / "n"})
