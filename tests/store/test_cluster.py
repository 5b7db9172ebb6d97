"""A cluster of our own is for this machine alone."""

from __future__ import annotations

import os
import sys
import types
from contextlib import suppress
from pathlib import Path

import pytest

from inscape.core.errors import ClusterError
from inscape.store.engines import cluster


def _listening(process: int) -> dict[int, str]:
    """Ports that a process and its children listen on, by the address in hexadecimal; of Linux."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    family = {process}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    sockets = set()
    for link in (link for one in family for link in Path(f"/proc/{one}/fd").glob("*")):
        with suppress(OSError):
            sockets.add(os.readlink(link))
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                address, _, port = words[1].partition(":")
                found[int(port, 16)] = address
    return found


def test_a_cluster_of_our_own_listens_on_the_loopback_interface_alone():
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    if not Path("/proc/net/tcp").exists():
        pytest.skip("which ports are open is read from /proc")
    with cluster.connected(None, 1, 1) as ray:
        remote = ray.remote(num_cpus=1)(lambda: os.getpid()).remote()
        assert ray.get(remote) != os.getpid()  # a worker is up
        found = _listening(os.getpid())
    assert len(found) > 3
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert set(found.values()) <= loopback


def test_a_cluster_that_others_can_reach_is_refused(monkeypatch):
    ended = []
    ray = types.SimpleNamespace(
        __version__="9",
        is_initialized=lambda: False,
        init=lambda *_, **__: None,
        nodes=lambda: [{"NodeManagerAddress": "192.0.2.7"}],
        shutdown=lambda: ended.append(1),
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with (
        pytest.raises(ClusterError, match=r"Ray 9 listens on 192.0.2.7, where other machines"),
        cluster.connected(None, 1, 1),
    ):
        pass
    assert ended == [1]
