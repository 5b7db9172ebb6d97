"""What goes wrong outside: a full disk, a folder closed to us, a second writer, a dead thread. One
sentence, then on.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from inscape.core.errors import StoreError
from inscape.store import lock_waiting
from inscape.store import manifest as manifests
from inscape.store import writer as writers
from inscape.store.harvest import harvest
from inscape.store.moments import moments
from inscape.store.storage import LocalFolder
from inscape.store.store import Store

from .conftest import llama, sentences
from .test_resume import OPTIONS, assert_same


@pytest.fixture(scope="module")
def whole(model, examples, tmp_path_factory):
    store = harvest(model, examples, to=tmp_path_factory.mktemp("whole") / "s", **OPTIONS)
    assert len(store.manifest["shards"]) > 8
    return store


def one_sentence(error: BaseException) -> str:
    """What the user reads: one line, whatever a library had to say."""
    text = str(error)
    assert "\n" not in text
    for foreign in ("Errno", "SafetensorError", "Traceback"):
        assert foreign not in text
    return text


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for a part of the store."""
    place = tmp_path / "disk"
    place.mkdir()
    made = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if not made or made.returncode:
        pytest.skip("no file system can be mounted here; full disks are feigned in test_resume")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full(model, examples, whole, small_disk):
    (small_disk / "film.mp4").write_bytes(b"0" * 60_000)
    with pytest.raises(
        StoreError, match="cannot write to .*: No space left on device.* free space"
    ) as error:
        harvest(model, examples, to=small_disk / "s", **OPTIONS)
    one_sentence(error.value)
    done = len(manifests.read(small_disk / "s")["shards"])
    assert 0 < done < len(whole.manifest["shards"])
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert_same(harvest(model, examples, to=small_disk / "s", **OPTIONS), whole)


def test_moments_on_a_disk_that_is_really_full(model, examples, small_disk):
    (small_disk / "film.mp4").write_bytes(b"0" * 156_000)
    with pytest.raises(StoreError, match="cannot write to .*: No space left on device") as error:
        moments(
            model,
            examples,
            "resid_post.*",
            to=small_disk / "m",
            commit_seconds=0.0,
            shard_bytes=2000,
        )
    one_sentence(error.value)
    (small_disk / "film.mp4").unlink()
    found = moments(
        model, examples, "resid_post.*", to=small_disk / "m", commit_seconds=0.0, shard_bytes=2000
    )
    again = moments(model, examples, "resid_post.*", shard_bytes=2000)
    assert found.site("resid_post.1").mean.tobytes() == again.site("resid_post.1").mean.tobytes()


def _as_nobody(path: Path, pipe) -> None:
    """A harvest by a user whom the folder's permissions bind, which they do not bind root."""
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        harvest(llama(), sentences(), to=path, progress=False, **OPTIONS)
        pipe.send("finished")
    except BaseException as error:
        pipe.send(f"{type(error).__name__}: {error}")


def forked(target, *args):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.store.test_never_lost"])
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(*args, theirs))
    process.start()
    return process, ours


def test_a_folder_that_is_closed_to_us(whole, tmp_path):
    place = tmp_path / "shelf"
    place.mkdir()
    for parent in [tmp_path, *tmp_path.parents][
        :-1
    ]:  # another user must be able to get as far as the folder
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
    place.chmod(0o555)
    process, pipe = forked(_as_nobody, place / "s")
    said = pipe.recv()
    process.join()
    assert re.match(
        r"StoreError: cannot write to .*: Permission denied.*write to another folder", said
    ), said
    assert list(place.iterdir()) == []
    place.chmod(0o600)  # it cannot even be seen whether there is a store
    process, pipe = forked(_as_nobody, place / "s")
    assert re.match(r"StoreError: cannot write to .*: Permission denied", pipe.recv())
    process.join()
    place.chmod(0o777)
    process, pipe = forked(_as_nobody, place / "s")
    assert pipe.recv() == "finished"
    process.join()
    assert_same(Store.open(place / "s"), whole)


def _slowly(path: Path, pipe) -> None:
    model = llama()
    run = model.run

    def slow(*a, **k):
        time.sleep(0.05)
        return run(*a, **k)

    model.run = slow
    pipe.send("started")
    harvest(model, sentences(), to=path, progress=False, **OPTIONS)
    pipe.send("finished")


def test_a_second_process_waits_and_finds_what_the_first_made(
    model, examples, whole, tmp_path, monkeypatch, capsys
):
    process, pipe = forked(_slowly, tmp_path / "s")
    assert pipe.recv() == "started"
    while not (tmp_path / "s" / manifests.NAME).exists():
        time.sleep(0.01)
    ran = []
    monkeypatch.setattr(writers.Writer, "put", lambda *_: ran.append(1))
    store = harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    assert pipe.recv() == "finished"  # and the first was not disturbed
    process.join()
    assert not ran
    said = " ".join(capsys.readouterr().err.split())
    assert f"is being written by process {process.pid} on " in said
    assert "waiting for it to end (Ctrl-C stops the waiting, not the other)" in said
    monkeypatch.undo()
    assert_same(store, whole)


def test_a_second_process_goes_on_where_the_first_died(model, examples, whole, tmp_path, caplog):
    process, pipe = forked(_slowly, tmp_path / "s")
    assert pipe.recv() == "started"
    while not (tmp_path / "s" / "data").exists():
        time.sleep(0.01)
    seen = []
    looked = lock_waiting._committed

    def kill(where):
        seen.append(looked(where))
        process.kill()
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock_waiting, "_committed", kill)
        store = harvest(model, examples, to=tmp_path / "s", progress=False, **OPTIONS)
    process.join()
    assert process.exitcode < 0
    assert seen
    assert "is being written by process" in caplog.text  # not on standard error: progress=False
    assert_same(store, whole)


def _adds_slowly(path: Path, pipe) -> None:
    model = llama()
    run = model.run

    def slow(*a, **k):
        pipe.send("started")
        time.sleep(0.3)
        return run(*a, **k)

    model.run = slow
    Store.open(path).add(model, sentences(), "mlp_out.0", progress=False)


def test_a_second_addition_waits_and_adds_the_rest(model, examples, tmp_path):
    harvest(model, examples, "embed", to=tmp_path / "s")
    process, pipe = forked(_adds_slowly, tmp_path / "s")
    assert pipe.recv() == "started"
    Store.open(tmp_path / "s").add(model, examples, "mlp_out.0:2", progress=False)
    process.join()
    assert process.exitcode == 0
    assert {"embed", "mlp_out.0", "mlp_out.1"} <= {str(s) for s in Store.open(tmp_path / "s").sites}


@pytest.mark.parametrize("place", ["_write", "_commit", "put"])
@pytest.mark.parametrize("kind", [RuntimeError, MemoryError, SystemExit])
def test_a_writer_that_dies_is_heard_of(model, examples, whole, tmp_path, monkeypatch, place, kind):
    """Whatever ends the thread reaches the caller, who would else wait for a queue that nobody
    empties.
    """
    owner = LocalFolder if place == "put" else writers.Writer
    original, calls = getattr(owner, place), []

    def dies(*args, **kwargs):
        calls.append(threading.current_thread().name)
        if len(calls) == 4:
            raise kind("the writer is gone")
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, place, dies)
        with pytest.raises(kind, match="the writer is gone"):
            harvest(model, examples, to=tmp_path / "s", **OPTIONS)
    assert all(
        name.startswith("inscape-store") for name in calls[1:]
    )  # the first is that of the examples
    assert not [t for t in threading.enumerate() if t.name.startswith("inscape-store")]
    assert_same(harvest(model, examples, to=tmp_path / "s", **OPTIONS), whole)


def test_what_was_refused_leaves_its_folder_free(tmp_path):
    """The cure of a refused value is to ask again in another way, in the same folder."""
    from .test_harvest import broken

    model, texts = broken(7e4), ["w1 w2", "w3 w4"]
    with pytest.raises(
        StoreError, match="embed reaches 70000, and float16 ends at 65504; harvest with dtype"
    ) as error:
        harvest(model, texts, "embed", at="all", to=tmp_path / "s", dtype="float16")
    one_sentence(error.value)
    store = harvest(model, texts, "embed", at="all", to=tmp_path / "s", dtype="float32")
    assert store.matrix("embed").max() == 70000
    with pytest.raises(
        StoreError, match="another harvest, which differs in"
    ):  # a finished one is never taken over
        harvest(model, texts, "embed", at="first", to=tmp_path / "s")
