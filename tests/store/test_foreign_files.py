"""Nothing that Inscape did not make is removed, written over or reached through a link, in folders
and object stores.
"""

from __future__ import annotations

import json
import os
import re

import fsspec
import pytest

from inscape.core.errors import StoreError
from inscape.store import generated_names, storage
from inscape.store import manifest as manifests
from inscape.store.forecast import forecast
from inscape.store.harvest import harvest
from inscape.store.lock import WriterLock
from inscape.store.moments import moments
from inscape.store.store import Store

OPTIONS = {"sites": "embed", "at": "all", "shard_bytes": 8_000, "budget": 64}
HASH = "0123456789abcdef"


def tree(root):
    """Every path below a folder with its bytes, or where it leads to."""
    return {
        path.relative_to(root).as_posix(): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in sorted(root.rglob("*"))
    }


def fill(root, files):
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"mine: {name}")


class Killed(BaseException):
    """Stands for the process ending here."""


@pytest.fixture
def unfinished(model, examples, tmp_path, monkeypatch):
    """A harvest that ended after its second commit of a shard."""
    original, calls = manifests.write, []

    def dies(where, manifest):
        original(where, manifest)
        calls.append(1)
        if len(calls) == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(manifests, "write", dies)
        with pytest.raises(Killed):
            harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    assert len(manifests.read(tmp_path / "s")["shards"]) == 2
    return tmp_path / "s"


FOREIGN = [
    ["data/mine.csv", "data/thesis.txt", "examples-mine.jsonl"],
    ["data/raw/deep/x.csv"],
    [f"data/000000-{HASH}.safetensors"],
    ["examples.csv"],
    ["examples-1.arrow"],
    ["manifest.json"],
    ["manifest.json.bak"],
    ["writer.lock"],
    ["adding.json"],
    [f"moments-{HASH}.safetensors"],
]


@pytest.mark.parametrize("files", FOREIGN, ids=lambda files: files[0])
@pytest.mark.parametrize("what", ["harvest", "moments"])
def test_a_folder_with_other_files_is_refused_untouched(model, examples, tmp_path, files, what):
    root = tmp_path / "project"
    fill(root, files)
    before = tree(root)
    if what == "moments" and generated_names.MOMENTS.fullmatch(files[0]):
        pytest.skip("a name that moments generate")
    with pytest.raises(StoreError, match=r"touched|so it is kept|damaged"):
        if what == "harvest":
            harvest(model, examples, to=root, **OPTIONS)
        else:
            moments(model, examples, "embed", to=root)
    assert tree(root) == before


def test_the_message_names_what_is_there(model, examples, tmp_path):
    fill(tmp_path, ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"])
    with pytest.raises(StoreError, match=r"not empty \(it has a.txt, b.txt, c.txt and 2 more\)"):
        harvest(model, examples, to=tmp_path, **OPTIONS)


@pytest.mark.parametrize("text", ["{}", '{"format": 2, "shards": [], "finished": null}'])
def test_a_manifest_of_something_else_is_refused_untouched(model, examples, tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.csv").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(StoreError, match="damaged|was changed after it was written"):
        harvest(model, examples, to=tmp_path, **OPTIONS)
    assert tree(tmp_path) == before


def test_files_laid_into_an_unfinished_store_stay(model, examples, unfinished):
    mine = ["data/mine.csv", "data/raw/deep/x.csv", "examples-mine.jsonl", "manifest.json.bak"]
    mine += [f"data/notes-{HASH}.safetensors", "examples.arrow", "adding.json.new", "notes.txt"]
    ours = [f"data/000009-{HASH}.safetensors", f"examples-{HASH}.arrow"]
    ours += ["data/000009.17-18-0.new", "examples.1-2-3.new", "manifest.json.1-2-3.new"]
    fill(unfinished, [*mine, *ours])
    before = tree(unfinished)
    store = harvest(model, examples, to=unfinished, **OPTIONS)
    after = tree(unfinished)
    assert {name: after.get(name) for name in mine} == {name: before[name] for name in mine}
    assert not set(ours) & set(after)
    assert store.verify() == []
    store.add(model, examples, "resid_post.1")
    after = tree(unfinished)
    assert {name: after.get(name) for name in mine} == {name: before[name] for name in mine}


def test_a_link_in_place_of_the_shards_is_not_followed(model, examples, unfinished, tmp_path):
    away = tmp_path / "away"
    (unfinished / "data").rename(away)
    fill(away, [f"000009-{HASH}.safetensors", "mine.csv"])
    (unfinished / "data").symlink_to(away)
    before = tree(away)
    with pytest.raises(StoreError, match=r"data is a symbolic link, and a store writes"):
        harvest(model, examples, to=unfinished, **OPTIONS)
    assert tree(away) == before
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "data").symlink_to(away)
    with pytest.raises(StoreError, match=r"data is a symbolic link, and a store writes"):
        harvest(model, examples, to=empty, **OPTIONS)
    assert (tree(away), sorted(tree(empty))) == (before, ["data"])


def test_adding_through_a_link_is_refused(model, examples, tmp_path):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    away = tmp_path / "away"
    (store.path / "data").rename(away)
    (store.path / "data").symlink_to(away)
    before = tree(away)
    with pytest.raises(StoreError, match=r"data is a symbolic link"):
        store.add(model, examples, "resid_post.1")
    assert tree(away) == before


def test_a_link_in_place_of_a_file_is_not_replaced(tmp_path):
    (tmp_path / "mine.json").write_text("mine")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "manifest.json").symlink_to(tmp_path / "mine.json")
    with pytest.raises(StoreError, match=r"manifest.json is a symbolic link, and a store replaces"):
        storage.storage_at(tmp_path / "s").replace("manifest.json", b"{}")
    assert (tmp_path / "s" / "manifest.json").is_symlink()
    assert [p.name for p in (tmp_path / "s").iterdir()] == ["manifest.json"]
    assert (tmp_path / "mine.json").read_text() == "mine"


@pytest.mark.parametrize("kind", ["text", "link", "folder"])
def test_a_lock_file_of_somebody_else_is_left_alone(tmp_path, kind):
    path = tmp_path / "writer.lock"
    if kind == "text":
        path.write_text("mine")
    elif kind == "link":
        (tmp_path / "mine").write_text("")
        path.symlink_to(tmp_path / "mine")
    else:
        path.mkdir()
    before = tree(tmp_path)
    with pytest.raises(StoreError, match="is not a lock file of Inscape, so it is kept"):
        WriterLock(tmp_path)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "journal",
    [
        {},
        {"key": "k"},
        {"key": 1, "done": []},
        {"key": "k", "done": {}},
        {"key": "k", "done": [1]},
        {"key": "k", "done": [{"files": ["data/a"], "bytes": {}, "nonfinite": {}}]},
        {"key": "k", "done": [{"files": {"data/a": None}, "bytes": {}, "nonfinite": {}}]},
        {"key": "k", "done": [{"files": {}, "bytes": {"a": "x"}, "nonfinite": {}}]},
    ],
)
def test_a_journal_that_is_signed_and_holds_something_else_is_refused(
    model, examples, tmp_path, journal
):
    store = harvest(model, examples, "embed", to=tmp_path / "s", progress=False)
    text = json.dumps({**journal, "sha256": manifests.sign(journal)})
    (store.path / "adding.json").write_text(text)
    with pytest.raises(StoreError, match=r"adding\.json is damaged: .*; move it away and run"):
        store.add(model, examples, "resid_post.0", progress=False)
    store.add(model, examples, "embed", progress=False)  # is there: nothing but tidying up is left
    assert (store.path / "adding.json").read_text() == text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": ...}, "missing required field `data`"),
        ({"at": 3}, r"Expected `str`, got `int` - at `\$.at`"),
        ({"dtype": "int8"}, "Invalid enum value 'int8'"),
        ({"budget": 0}, "Expected `int` >= 1"),
        ({"prompt": []}, "Expected `str | null`"),
    ],
)
def test_an_addition_reads_a_recipe_by_types(model, examples, tmp_path, changed, said):
    store = harvest(model, examples, "embed", to=tmp_path / "s", progress=False)
    recipe = {**store.manifest["recipe"], **changed}
    recipe = {k: v for k, v in recipe.items() if v is not ...}
    manifests.write(store.path, {**store.manifest, "recipe": recipe})
    said = re.escape(said) if "|" in said else said
    with pytest.raises(
        StoreError, match=rf"manifest\.json is damaged: .*{said}.*; restore the file"
    ):
        store.add(model, examples, "resid_post.0", progress=False)


@pytest.mark.parametrize("spans", [[[0, 38]], [[0, 30], [31, 39]], [[0, 39], [39, 39]], [[5, 39]]])
def test_an_addition_to_shards_that_are_not_of_all_examples_is_refused(
    model, examples, tmp_path, spans
):
    store = harvest(model, examples, to=tmp_path / "s", **{**OPTIONS, "at": "last"})
    shards = store.manifest["shards"]
    assert [shard["examples"] for shard in shards] == [[0, 39]]  # two of the 40 are the same
    first, *rest = spans
    made = [{**shards[0], "examples": first}, *({**shards[0], "examples": s} for s in rest)]
    manifests.write(store.path, {**store.manifest, "shards": made})
    with pytest.raises(StoreError, match="damaged: its shards are not all of its examples"):
        store.add(model, examples, "resid_post.0", progress=False)


def test_a_journal_of_somebody_else_is_left_alone(model, examples, tmp_path):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    (store.path / "adding.json").write_text(json.dumps({"key": "mine", "done": []}))
    with pytest.raises(StoreError, match=r"adding\.json is not a journal of Inscape"):
        store.add(model, examples, "resid_post.1")
    assert json.loads((store.path / "adding.json").read_text()) == {"key": "mine", "done": []}
    (store.path / "adding.json").unlink()
    assert "resid_post.1" in map(str, store.add(model, examples, "resid_post.1").sites)


def test_moments_remove_only_moments(model, examples, tmp_path):
    where = tmp_path / "m"
    first = moments(model, examples, "embed", to=where)
    old = next(where.glob("moments-*"))
    fill(where, ["moments-mine.npz", "moments.csv", "moments.json.bak", "data/x.csv"])
    first.save(where)
    moments(model, examples.take(range(20)), "embed").save(where)
    assert not old.exists()
    assert {"moments-mine.npz", "moments.csv", "moments.json.bak", "data/x.csv"} < set(tree(where))
    (where / "moments.json").write_text('{"mine": 1}')
    before = tree(where)
    with pytest.raises(StoreError, match="are damaged"):
        first.save(where)
    assert tree(where) == before


@pytest.mark.parametrize(
    "files",
    [
        ["data/raw/deep/x.csv", "data/y.csv", "examples-old.csv"],
        [f"data/000000-{HASH}.safetensors"],
    ],
)
@pytest.mark.parametrize("what", ["harvest", "moments"])
def test_objects_of_somebody_else_are_refused_untouched(model, examples, files, what):
    fs = fsspec.filesystem("memory")
    try:
        for name in files:
            fs.pipe(f"/foreign/p/{name}", b"mine")
        with pytest.raises(
            StoreError, match=r"not empty \(it has data/.*Nothing there was touched"
        ):
            if what == "harvest":
                harvest(model, examples, to="memory://foreign/p", **OPTIONS)
            else:
                moments(model, examples, "embed", to="memory://foreign/p")
        assert fs.find("/foreign/p") == sorted(f"/foreign/p/{name}" for name in files)
        assert all(fs.cat(name) == b"mine" for name in fs.find("/foreign/p"))
    finally:
        fs.rm("/foreign", recursive=True)


def test_objects_laid_into_a_store_stay(model, examples):
    fs = fsspec.filesystem("memory")
    mine = ["data/raw/deep/x.csv", "data/y.csv", "examples-old.csv", "manifest.json.bak"]
    try:
        store = harvest(model, examples, to="memory://foreign/s", **OPTIONS)
        for name in [*mine, f"data/000009-{HASH}.safetensors"]:
            fs.pipe(f"/foreign/s/{name}", b"mine")
        store.add(model, examples, "resid_post.1")
        named = {manifests.NAME, *manifests.files(store.manifest), *mine}
        assert set(store.place.names()) == named
    finally:
        fs.rm("/foreign", recursive=True)


def test_an_edited_manifest_is_not_opened(model, examples, tmp_path):
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    path = store.path / manifests.NAME
    manifest = json.loads(path.read_text())
    manifest["sites"]["embed"]["width"] -= 1
    path.write_text(json.dumps(manifest))
    with pytest.raises(
        StoreError, match=r"was changed after it was written \(its checksum differs"
    ):
        Store.open(store.path)
    with pytest.raises(StoreError, match="was changed after it was written"):
        harvest(model, examples, to=store.path, **OPTIONS)


def test_a_forecast_refuses_what_the_harvest_would(model, examples, tmp_path):
    fill(tmp_path, ["data/mine.csv"])
    before = tree(tmp_path)
    with pytest.raises(StoreError, match=r"is not a store and not empty \(it has data\)"):
        forecast(model, examples, "embed", to=tmp_path, limit=0.0, strata=1)
    assert tree(tmp_path) == before
