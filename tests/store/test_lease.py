"""Writers of an object store: a second one waits for the first, and goes on where that one died."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from inscape.core.errors import ObjectError, StoreError
from inscape.core.urls import objects
from inscape.store import lease, lock_waiting
from inscape.store.harvest import harvest
from inscape.store.lease import NAME, Lease, Watch
from inscape.store.lock import Busy
from inscape.store.storage import ObjectPrefix, storage_at

URL = "memory://leases/one"
OPTIONS = {"sites": "embed", "at": "all", "shard_bytes": 40_000, "progress": False}


@pytest.fixture(autouse=True)
def there(monkeypatch):
    monkeypatch.setattr(ObjectPrefix, "often", 0.01)
    found = objects(URL)
    yield found
    for name in found.names():
        found.remove(name)


def _left(there, host="elsewhere", process=4711):
    said = {"holder": f"process {process} on {host}", "host": host, "process": process, "beat": 3}
    there.write(NAME, json.dumps(said).encode())


def test_it_is_renewed_while_it_is_held_and_gone_afterwards(there, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.01)
    held = Lease(there, Watch())
    seen, end = {there.tag(NAME)}, time.monotonic() + 60
    while len(seen) < 3 and time.monotonic() < end:
        seen.add(there.tag(NAME))
    assert len(seen) == 3
    with pytest.raises(Busy, match=f"{URL} is being written by process .* wait for it") as told:
        Lease(there, Watch())
    assert told.value.ours
    held.release()
    held.release()
    assert there.names() == []
    Lease(there, Watch()).release()


def test_one_that_is_not_renewed_is_taken_over(there, monkeypatch, caplog):
    _left(there)
    where = storage_at(URL)
    with pytest.raises(Busy, match="is being written by process 4711 on elsewhere"):
        where.lock()
    monkeypatch.setattr(lease, "STALE", 0.05)
    with caplog.at_level("WARNING"):
        where = lock_waiting.acquire_lock(where, False)
    assert "process 4711 on elsewhere left the lease, which is taken over" in caplog.text
    assert json.loads(there.read(NAME))["host"] == socket.gethostname()
    where.release()
    assert there.names() == []


def test_one_of_a_process_of_this_machine_that_ended_is_taken_over_at_once(there):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    _left(there, socket.gethostname(), ended.pid)
    Lease(there, Watch()).release()
    lives = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    _left(there, socket.gethostname(), lives.pid)
    with pytest.raises(Busy):
        Lease(there, Watch())
    lives.communicate(b"\n")


def test_one_that_was_taken_is_left_to_who_took_it(there, monkeypatch, caplog):
    monkeypatch.setattr(lease, "BEAT", 0.01)
    held = Lease(there, Watch())
    with caplog.at_level("WARNING"):
        _left(there)
        held._thread.join(60)
    assert "another writer took over" in caplog.text
    held.release()
    assert json.loads(there.read(NAME))["process"] == 4711


def test_a_store_that_cannot_be_reached_for_a_while_is_no_end(there, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.01)
    held, calls = Lease(there, Watch()), []
    original = there.write

    def write(*arguments, **options):
        calls.append(1)
        if len(calls) == 1:
            raise ObjectError("the network is down")
        return original(*arguments, **options)

    monkeypatch.setattr(there, "write", write)
    end = time.monotonic() + 60
    while len(calls) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert json.loads(there.read(NAME))["beat"] > 1
    held.release()
    assert there.names() == []


@pytest.mark.parametrize("data", [b"mine", b"{}", b'{"holder": 1}', b"\xff" * 20])
def test_an_object_that_is_no_lease_is_left_as_it_is(there, data):
    there.write(NAME, data)
    with pytest.raises(
        StoreError, match=f"{URL}/{NAME} is not a lease of Inscape's, and it is left"
    ):
        Lease(there, Watch())
    assert there.read(NAME) == data


def test_the_second_of_two_harvests_finds_what_the_first_finished(
    model, examples, there, tmp_path, monkeypatch, caplog
):
    whole = harvest(model, examples, to=tmp_path / "whole", **OPTIONS)
    _left(there)
    original, told = ObjectPrefix.lock, threading.Event()

    def lock(self):
        told.set()
        return original(self)

    def finish():
        told.wait(60)
        for name in whole.place.names() + whole.place.names("data/"):
            if name != "data":
                there.write(name, whole.place.read(name))
        there.remove(NAME)

    monkeypatch.setattr(ObjectPrefix, "lock", lock)
    monkeypatch.setattr("inscape.store.writer.Writer.put", None)  # nothing is computed twice
    first = threading.Thread(target=finish)
    first.start()
    with caplog.at_level("WARNING"):
        found = harvest(model, examples, to=URL, **OPTIONS)
    first.join()
    assert "is being written by process 4711 on elsewhere; waiting for it to end" in caplog.text
    assert found.matrix("embed").tobytes() == whole.matrix("embed").tobytes()
    assert NAME not in there.names()
