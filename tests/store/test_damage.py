"""Damage is found when a store is opened or taken up again, before a wrong number or a crash
comes of it."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import pyarrow as pa
import pytest

from inscape.core.errors import StoreError
from inscape.store import manifest as manifests
from inscape.store import shard_files
from inscape.store.harvest import harvest
from inscape.store.storage import storage_at
from inscape.store.store import Store
from inscape.store.verify import verify

OPTIONS = {"sites": "embed, resid_post.0", "at": "all", "shard_bytes": 12_000, "budget": 64}


class Killed(BaseException):
    """Stands for the process ending here."""


@pytest.fixture(scope="module")
def whole(model, examples, tmp_path_factory):
    return harvest(model, examples, to=tmp_path_factory.mktemp("whole") / "s", **OPTIONS)


@pytest.fixture
def unfinished(model, examples, tmp_path, monkeypatch):
    """A harvest that ended after its third commit of a shard."""
    original, calls = manifests.write, []

    def dies(where, manifest):
        original(where, manifest)
        calls.append(1)
        if len(calls) == 4:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(manifests, "write", dies)
        with pytest.raises(Killed):
            harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    return tmp_path / "s"


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "changed":
        data[-9] ^= 1
    elif how == "cut":
        del data[-9:]
    path.unlink()
    if how != "missing":
        path.write_bytes(data)


def edited(path, **changed):
    """Write a manifest with other fields, signed as ours are."""
    manifests.write(path, {**manifests.read(path), **changed})


@pytest.mark.parametrize("how", ["changed", "cut", "missing"])
@pytest.mark.parametrize("which", [0, 1, 2, "examples"])
def test_going_on_after_damage_ends_with_the_same_bytes(
    model, examples, whole, unfinished, which, how
):
    manifest = manifests.read(unfinished)
    assert len(manifest["shards"]) == 3 < len(whole.manifest["shards"])
    names = manifest["beside"] if which == "examples" else manifest["shards"][which]["files"]
    damage(unfinished / next(iter(names)), how)
    store = harvest(model, examples, to=unfinished, **OPTIONS)
    assert store.verify() == []
    assert store.frame().equals(whole.frame())
    assert all(np.array_equal(store.matrix(site), x) for site, x in whole.matrices())
    assert manifests.files(store.manifest) == manifests.files(whole.manifest)


@pytest.mark.parametrize("how", ["changed", "cut", "missing"])
def test_an_addition_goes_on_after_damage(model, examples, tmp_path, monkeypatch, how):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    original, calls = type(store.place).put, []

    def dies(self, *args):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(type(store.place), "put", dies)
        with pytest.raises(Killed):
            store.add(model, examples, "resid_post.1")
    done = json.loads((store.path / "adding.json").read_text())["done"]
    assert len(done) == 3
    damage(store.path / next(iter(done[1]["files"])), how)
    store.add(model, examples, "resid_post.1")
    assert store.verify() == []
    assert np.abs(store.matrix("resid_post.1")).min(axis=1).max() > 0


@pytest.mark.parametrize("url", [False, True])
def test_a_missing_or_cut_file_is_found_when_opening(model, examples, tmp_path, url):
    where = storage_at("memory://damage/s" if url else tmp_path / "s")
    store = harvest(model, examples, to=where.path, **OPTIONS)
    (name,) = store.manifest["shards"][1]["files"]
    data = where.read(name)
    where.replace(name, data[:-1])
    said = rf"its file {name} has {len(data) - 1:,} bytes and had {len(data):,}"
    with pytest.raises(StoreError, match=said):
        Store.open(where.path)
    with pytest.raises(StoreError, match=said):
        harvest(model, examples, to=where.path, **OPTIONS)
    where.remove(name)
    with pytest.raises(StoreError, match=rf"its file {name} is missing"):
        Store.open(where.path)
    assert len(verify(where.path)) == 1
    where.replace(name, data)
    assert Store.open(where.path).verify() == []
    if url:
        for name in where.names():
            where.remove(name)


def test_any_changed_byte_of_the_examples_is_a_sentence(model, examples, tmp_path):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    (name,) = store.manifest["beside"]
    data = (store.path / name).read_bytes()
    for at in range(0, len(data), 97):
        changed = bytearray(data)
        changed[at] ^= 0xFF
        (store.path / name).write_bytes(changed)
        with pytest.raises(StoreError, match=rf"{name} does not match its SHA-256 checksum"):
            Store.open(store.path).frame()
    (store.path / name).write_bytes(data)
    assert len(Store.open(store.path).frame()) == len(store)


def test_a_table_of_examples_that_was_signed_again_is_checked_before_it_is_read(
    model, examples, tmp_path
):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    (name,) = store.manifest["beside"]
    data = bytearray((store.path / name).read_bytes())
    ids = pa.ipc.open_file(bytes(data)).read_all()["id"].chunk(0)
    offsets = np.frombuffer(ids.buffers()[1], dtype=np.int32)[: len(ids) + 1]
    start = data.find(offsets.tobytes())
    assert start > 0
    # beyond the end of the text: reading them ends the interpreter
    data[start : start + offsets.nbytes] = (offsets + (1 << 30)).tobytes()
    (store.path / name).write_bytes(data)
    edited(
        store.path,
        beside={name: hashlib.sha256(data).hexdigest()},
        beside_bytes={name: len(data)},
    )
    with pytest.raises(StoreError, match="cannot be read"):
        Store.open(store.path).frame()


def test_a_store_without_shards_is_not_finished(model, examples, tmp_path):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    edited(store.path, shards=[], rows=0)
    with pytest.raises(StoreError, match="says that the store is finished, and it has no shards"):
        Store.open(store.path)
    with pytest.raises(StoreError, match="and it has no shards"):
        harvest(model, examples, to=store.path, **OPTIONS)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"beside": {"../../x.arrow": "0"}}, r"names '\.\./\.\./x\.arrow', which is no file of a"),
        ({"beside": {}}, "names 'no table of examples'"),
        ({"sites": {"embed": {"column": "embed", "width": 0, "dtype": "float32"}}}, "`int` >= 1"),
        ({"sites": {"embed": {"column": "embed", "width": 9, "dtype": "int3"}}}, "Invalid enum"),
        ({"shards": {}}, "Expected `array`, got `object`"),
        ({"shards": [{"files": {}}]}, "missing required field"),
        ({"recipe": None}, "Expected `object`, got `null`"),
        ({"rows": -1}, "`int` >= 0"),
    ],
)
def test_a_manifest_with_wrong_fields_is_a_sentence(model, examples, tmp_path, changed, said):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    edited(store.path, **changed)
    with pytest.raises(StoreError, match=said):
        Store.open(store.path)
    assert len(verify(store.path)) == 1


def _first_shard(manifest, **changed):
    return [{**manifest["shards"][0], **changed}, *manifest["shards"][1:]]


@pytest.mark.parametrize("rows", [2**40, 2**62])
def test_rows_that_no_byte_stands_for_take_no_memory(model, examples, tmp_path, rows):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    less = store.manifest["rows"] - store.manifest["shards"][0]["rows"]
    edited(store.path, shards=_first_shard(store.manifest, rows=rows), rows=rows + less)
    with pytest.raises(StoreError, match=r"shard 0 has [\d,]+ bytes, too few for [\d,]+ rows"):
        Store.open(store.path)
    edited(store.path, shards=store.manifest["shards"], rows=rows)
    with pytest.raises(StoreError, match="its shards do not have the rows that it says"):
        Store.open(store.path)


def test_a_width_that_the_files_do_not_have_is_a_sentence(model, examples, tmp_path):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    for width in (1, 2**40):
        sites = {**store.manifest["sites"]}
        sites["embed"] = {**sites["embed"], "width": width}
        edited(store.path, sites=sites)
        with pytest.raises(StoreError, match=rf"has a column embed of width 24, not {width}"):
            Store.open(store.path).matrix("embed")
        with pytest.raises(StoreError, match="of width 24"):
            Store.open(store.path).take("embed", [0])


def test_repeats_that_give_other_rows_are_a_sentence(model, examples, tmp_path):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    assert store.manifest["rows_with_repeats"] == len(store)  # two of the texts are the same
    edited(store.path, rows_with_repeats=2**40)
    with pytest.raises(StoreError, match=rf"its examples have {len(store):,} rows and not 1,099"):
        Store.open(store.path).frame()
    with pytest.raises(StoreError, match="its examples have"):
        Store.open(store.path).matrix("embed")


def test_compressed_examples_are_not_unfolded(model, examples, tmp_path):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    (name,) = store.manifest["beside"]
    table = pa.ipc.open_file((store.path / name).read_bytes()).read_all()
    with pa.ipc.new_file(
        store.path / name, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as file:
        file.write_table(table)
    data = (store.path / name).read_bytes()
    edited(
        store.path, beside={name: hashlib.sha256(data).hexdigest()}, beside_bytes={name: len(data)}
    )
    with pytest.raises(StoreError, match="its batches are compressed"):
        Store.open(store.path).frame()


def test_a_manifest_without_end_is_not_read(model, examples, tmp_path, monkeypatch):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    monkeypatch.setattr(manifests, "LARGEST", 1000)
    with pytest.raises(StoreError, match=r"manifest.json has more than 1,000 bytes"):
        Store.open(store.path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 23]},
        {"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [2, 3, 1], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [-24, 0]},
        {"dtype": "F99", "shape": [2, 3], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [2**40, 3], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": "ab", "data_offsets": [0, 24]},
        [1],
    ],
)
def test_a_column_whose_bytes_are_not_its_rows_is_damaged(entry):
    text = json.dumps({"__metadata__": {"inscape": "k"}, "embed": entry}).encode()
    data = len(text).to_bytes(8, "little") + text + bytes(24)
    with pytest.raises(ValueError, match="its header is damaged"):
        shard_files.layout(lambda start, length: data[start : start + length])
    sound = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    text = json.dumps({"__metadata__": {"inscape": "k"}, "embed": sound}).encode()
    data = len(text).to_bytes(8, "little") + text + bytes(24)
    assert (
        shard_files.layout(lambda start, length: data[start : start + length])[1]["embed"].rows == 2
    )


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_in_place_of_one_is_told_and_never_waited_for(
    model, examples, whole, tmp_path, kind
):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    path = tmp_path / "s" / next(iter(store.manifest["shards"][1]["files"]))
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(StoreError, match=f"its file data/{path.name} is missing"):
        Store.open(tmp_path / "s")
    assert f"its file data/{path.name} cannot be read" in str(verify(tmp_path / "s"))
    manifests.write(tmp_path / "s", {**store.manifest, "finished": None})
    if kind != "folder":  # is removed, like every name of ours that the manifest does not name
        found = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
        assert found.matrix("embed").tobytes() == whole.matrix("embed").tobytes()
        return
    with pytest.raises(StoreError, match="cannot write to .*: Is a directory"):
        harvest(model, examples, to=tmp_path / "s", **OPTIONS)
