"""A Ray cluster for the time of a harvest: the one this process is in, the one at an address, or
one started here.

One that is started here has no dashboard and reports no usage; it listens on the loopback interface
alone, and asks for a secret that only this process and its children know. It ends with the harvest.

Cost: two seconds to start one.
Reference: Moritz et al. 2018, arXiv:1712.05889.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from inscape.core.errors import ClusterError

log = logging.getLogger(__name__)

_MEMORY = 100 << 20  # the least that Ray takes for its object store, and some more
#: Ray keeps the first secret that a process gave it
_SECRET = secrets.token_hex(32)
_OURS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_TOKEN": _SECRET,  # asked for by default where Ray starts a cluster itself
    # Ray takes this machine's own address for 127.0.0.1, and then listens on every interface,
    # unless it is told that there are no other machines, as it is on systems whose firewall asks
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # what Ray will do one day about accelerators of workers that ask for none; it warns where it is
    # not told
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class Room(NamedTuple):
    """What a cluster has.

    Attributes:
        nodes: machines that are up.
        cpus: processors of the smallest of them.
        gpus: accelerators in all.
    """

    nodes: int
    cpus: int
    gpus: int


@contextmanager
def connected(address: str | None, cpus: int, memory: int) -> Iterator[Any]:
    """The module ``ray``, connected; what was connected or started here is left or ended
    afterwards.

    Args:
        address: ``ray://HOST:PORT``, or None for ``RAY_ADDRESS`` or else a cluster of one's own.
        cpus: that one's own cluster offers to workers.
        memory: bytes of its object store.

    Raises:
        ClusterError: ray is not installed, or there is no cluster at that address.
    """
    try:
        import ray
    except ImportError:
        raise ClusterError(
            "harvesting on Ray needs the package ray; install it with: pip install 'inscape[ray]'."
        ) from None
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = address is None
    if own:
        options = {"include_dashboard": False, "_node_ip_address": "127.0.0.1", "num_cpus": cpus}
        options["object_store_memory"] = max(memory, _MEMORY)
        with _environment(_OURS), _alone():
            ray.init("local", **options, **quiet)
    else:
        try:
            ray.init(address, **quiet)
        except Exception as error:  # of many kinds, by what of the address is wrong
            first = (str(error) or type(error).__name__).splitlines()[0]
            raise ClusterError(
                f"no Ray cluster can be reached at {address} ({first}); check it."
            ) from error
    try:
        if own:
            _refuse_open(ray)
        yield ray
    finally:
        ray.shutdown()


def room(ray: Any) -> Room:
    """What the cluster has now."""
    nodes = [n["Resources"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU")]
    if not nodes:
        raise ClusterError(
            "no machine of the Ray cluster has a free processor for workers; add one."
        )
    return Room(
        len(nodes), int(min(n["CPU"] for n in nodes)), int(sum(n.get("GPU", 0) for n in nodes))
    )


def _refuse_open(ray: Any) -> None:
    """Refuse a cluster of one's own that can be reached from other machines."""
    found = {node["NodeManagerAddress"] for node in ray.nodes()}
    if not found <= {"127.0.0.1", "::1"}:
        raise ClusterError(
            f"Ray {ray.__version__} listens on {', '.join(sorted(found))}, where other machines "
            "reach it; start a cluster yourself and give its address, as in: --on ray://HOST:PORT."
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Tell a Ray that was imported before what `_OURS` tells one that is imported now: there are no
    other machines.
    """
    constants = getattr(sys.modules.get("ray"), "_private", None)
    constants = getattr(constants, "ray_constants", None)
    before = getattr(constants, "ENABLE_RAY_CLUSTER", None)
    if before is not None:
        constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        if before is not None:
            constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables set for those started meanwhile; what a user has set stays."""
    fresh = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in fresh})
    try:
        yield
    finally:
        for name in fresh:
            os.environ.pop(name, None)
