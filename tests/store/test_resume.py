"""Nothing is lost: a harvest that is stopped anywhere goes on and ends with the same bytes; one
writer at a time.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import shutil
import signal
import time

import pytest

from inscape.core.errors import StoreError
from inscape.store import manifest as manifests
from inscape.store import storage
from inscape.store import writer as writers
from inscape.store.harvest import harvest
from inscape.store.lock import WriterLock
from inscape.store.store import Store

from .conftest import llama, sentences

OPTIONS = {
    "sites": "embed, resid_post.*, mlp_act.1",
    "at": "all",
    "shard_bytes": 15_000,
    "budget": 64,
}


@pytest.fixture(scope="module")
def whole(model, examples, tmp_path_factory):
    store = harvest(model, examples, to=tmp_path_factory.mktemp("whole") / "s", **OPTIONS)
    assert 8 < len(store.manifest["shards"]) < 20
    return store


def assert_same(store, whole):
    assert store.verify() == []
    assert store.sites == whole.sites
    assert store.frame().equals(whole.frame())
    for site, x in whole.matrices():
        assert store.matrix(site).tobytes() == x.tobytes()
    assert [s["examples"] for s in store.manifest["shards"]] == [
        s["examples"] for s in whole.manifest["shards"]
    ]
    named = {name for shard in store.manifest["shards"] for name in shard["files"]}
    assert {
        f"data/{p.name}" for p in (store.path / "data").iterdir()
    } == named  # nothing is left behind


class Killed(BaseException):
    """Stands for the process ending here."""


def die_at(monkeypatch, place, name, count, after):
    """Have the `count`-th call of a function be the last, before or after it does its work."""
    original, calls = getattr(place, name), []

    def wrapped(*args, **kwargs):
        calls.append(1)
        if len(calls) == count and not after:
            raise Killed
        result = original(*args, **kwargs)
        if len(calls) == count:
            raise Killed
        return result

    monkeypatch.setattr(place, name, wrapped)


STEPS = [
    (storage.LocalFolder, "put", False),
    (storage.LocalFolder, "put", True),
    (storage, "sha256", True),
    (storage.os, "fsync", False),
    (storage.os, "replace", False),
    (storage.os, "replace", True),
    (manifests, "write", False),
    (manifests, "write", True),
    (writers, "sweep", True),
]


@pytest.mark.parametrize(
    "step", range(len(STEPS)), ids=[f"{name}-{'after' if a else 'before'}" for _, name, a in STEPS]
)
def test_stopped_at_any_commit_it_goes_on_to_the_same_bytes(
    model, examples, whole, tmp_path, monkeypatch, step
):
    place, name, after = STEPS[step]
    shards = len(whole.manifest["shards"])
    reached = 0
    for count in (1, 3, shards + 1):
        path = tmp_path / f"s{count}"
        with monkeypatch.context() as patch:
            die_at(patch, place, name, count, after)
            try:
                harvest(model, examples, to=path, **OPTIONS)
            except Killed:
                reached += 1
                if not (path / manifests.NAME).exists() or manifests.read(path)["finished"] is None:
                    with pytest.raises(
                        StoreError, match="unfinished|is not a store|there is no store"
                    ):
                        Store.open(path)
        assert_same(harvest(model, examples, to=path, **OPTIONS), whole)
    assert reached >= 1


def test_stopped_at_every_shard_it_never_computes_a_committed_one_again(
    model, examples, whole, tmp_path, monkeypatch
):
    computed = []
    original = writers.Writer._commit

    def once(self, written):
        original(self, written)
        computed.append(tuple(written["examples"]))
        raise Killed

    monkeypatch.setattr(writers.Writer, "_commit", once)
    for _ in whole.manifest["shards"]:
        with pytest.raises(Killed):
            harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    assert computed == [tuple(s["examples"]) for s in whole.manifest["shards"]]
    assert_same(harvest(model, examples, to=tmp_path / "s", **OPTIONS), whole)


def test_a_failure_of_the_model_keeps_what_was_committed(
    model, examples, whole, tmp_path, monkeypatch
):
    run, calls = model.run, []

    def failing(*a, **k):
        calls.append(1)
        if len(calls) == 12:
            raise RuntimeError("the device is gone")
        return run(*a, **k)

    with monkeypatch.context() as patch:
        patch.setattr(model, "run", failing)
        with pytest.raises(RuntimeError, match="the device is gone"):
            harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    assert 0 < len(manifests.read(tmp_path / "s")["shards"]) < len(whole.manifest["shards"])
    assert_same(harvest(model, examples, to=tmp_path / "s", **OPTIONS), whole)


def test_a_finished_harvest_is_returned_and_another_refused(
    model, examples, whole, tmp_path, monkeypatch
):
    shutil.copytree(whole.path, tmp_path / "s")
    monkeypatch.setattr(writers.Writer, "__init__", None)  # nothing is opened for writing
    assert_same(harvest(model, examples, to=tmp_path / "s", **OPTIONS), whole)
    with pytest.raises(
        StoreError,
        match=r"another harvest, which differs in tokens or positions, positions \(at\); write",
    ):
        harvest(model, examples, to=tmp_path / "s", **{**OPTIONS, "at": "last"})
    with pytest.raises(
        StoreError, match="which differs in weights; write to a new folder, or delete"
    ):
        harvest(llama(4), examples, to=tmp_path / "s", **OPTIONS)


def test_an_unfinished_harvest_is_not_gone_on_with_by_another(
    model, examples, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        die_at(patch, writers.Writer, "_commit", 3, False)
        with pytest.raises(Killed):
            harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    with pytest.raises(StoreError, match="which differs in weights;"):
        harvest(llama(4), examples, to=tmp_path / "s", **OPTIONS)
    with pytest.raises(StoreError, match="unfinished: .* rows of 2 shards are there"):
        Store.open(tmp_path / "s")


def test_a_folder_of_something_else_is_left_alone(model, examples, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(
        StoreError,
        match=r"is not a store and not empty \(it has thesis.txt\)\. Nothing there was touched; "
        r"name a new or empty folder",
    ):
        harvest(model, examples, to=tmp_path, **OPTIONS)
    with pytest.raises(
        StoreError, match=r"thesis.txt is a file, and a store is a folder; name a new folder"
    ):
        harvest(model, examples, to=tmp_path / "thesis.txt", **OPTIONS)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_two_writers_at_once(model, examples, tmp_path, whole):
    (tmp_path / "s").mkdir()
    said = f"is being written by process {os.getpid()} on .*wait for it to end"
    with WriterLock(tmp_path / "s"), pytest.raises(StoreError, match=said):
        harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    assert (tmp_path / "s" / "writer.lock").exists()  # stale now, and no obstacle
    assert_same(harvest(model, examples, to=tmp_path / "s", **OPTIONS), whole)
    with WriterLock(tmp_path / "s"), pytest.raises(StoreError, match="is being written by process"):
        Store.open(tmp_path / "s").add(model, examples, "mlp_out.0")


def test_a_lock_is_released_once_and_for_all(tmp_path):
    lock = WriterLock(tmp_path)
    lock.release()
    lock.release()
    WriterLock(tmp_path).release()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("where", ["mkdir", "write", "fsync", "manifest", "add"])
def test_disks_that_are_full_or_read_only(
    model, examples, whole, tmp_path, monkeypatch, code, where
):
    def fail(*_, **__):
        raise OSError(code, os.strerror(code), "a/file")

    path = tmp_path / "s"
    if where == "add":
        shutil.copytree(whole.path, path)
        with monkeypatch.context() as patch:
            patch.setattr(storage.LocalFolder, "put", fail)
            with pytest.raises(StoreError, match=f"cannot write to .*: {os.strerror(code)}"):
                Store.open(path).add(model, examples, "mlp_out.0")
        assert Store.open(path).verify() == []
        return
    with monkeypatch.context() as patch:
        if where == "mkdir":
            patch.setattr("pathlib.Path.mkdir", fail)
        elif where in ("write", "fsync"):
            calls = []
            real = getattr(storage.os, where)
            patch.setattr(
                storage.os,
                where,
                lambda *a, **k: (fail if calls.append(1) or len(calls) > 40 else real)(*a, **k),
            )
        else:
            patch.setattr(storage.os, "replace", fail)
        cure = {
            errno.ENOSPC: "free space",
            errno.EROFS: "have it mounted",
            errno.EACCES: "get the right",
        }[code]
        with pytest.raises(
            StoreError, match=f"cannot write to .*: {os.strerror(code)}. .*: {cure}"
        ) as error:
            harvest(model, examples, to=path, **OPTIONS)
    there = manifests.read(path) if (path / manifests.NAME).exists() else {"rows": 0}
    assert (where in ("write", "fsync")) == (there["rows"] > 0)
    kept = f"The {there['rows']} rows committed before are safe"
    assert (kept if there["rows"] else "Nothing was committed before") in str(error.value)
    assert_same(harvest(model, examples, to=path, **OPTIONS), whole)


@pytest.mark.parametrize(
    ("code", "cure"), [(errno.ENOENT, "see that its folder is there"), (errno.EIO, "mend the disk")]
)
def test_a_folder_that_is_gone_is_no_full_disk(tmp_path, code, cure):
    with (
        pytest.raises(
            StoreError, match=f"Nothing was committed before: {cure}.* and run the same command"
        ),
        writers.disk_errors(tmp_path, "finish"),
    ):
        raise OSError(code, os.strerror(code))


def _slowed(path):
    """A harvest that takes about a second, in a process of its own."""
    model = llama()
    run = model.run

    def slow(*a, **k):
        time.sleep(0.01)
        return run(*a, **k)

    model.run = slow
    harvest(model, sentences(), to=path, progress=False, **OPTIONS)


@pytest.mark.slow
def test_killed_fifty_times_at_random_points(whole, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.store.test_resume"])
    draw, kills, finished = random.Random(0), 0, 0
    path = tmp_path / "s"
    while kills < 50 or not finished:
        process = context.Process(target=_slowed, args=(path,))
        process.start()
        process.join(draw.uniform(0.05, 1.5))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
        elif process.exitcode == 0:
            finished += 1
            assert_same(Store.open(path), whole)
            shutil.rmtree(path)
        else:
            pytest.fail(f"the harvest ended with {process.exitcode}")
