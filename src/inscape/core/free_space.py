"""How many bytes the disk and the memory have left, before anything is spent.

Memory is what the system can give without swapping, and no more than the control group allows (a
container sees the machine's memory and is stopped at its own limit).
"""

from __future__ import annotations

import shutil
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def free_disk(path: Path) -> int:
    """Bytes free where `path` is or would be made."""
    return shutil.disk_usage(existing(path)).free


def existing(path: Path) -> Path:
    """The nearest folder of `path` that exists, itself included."""
    path = path.absolute()
    return next(p for p in (path, *path.parents) if p.is_dir())


def free_memory(meminfo: Path = _MEMINFO, group: Path = _GROUP) -> int | None:
    """Bytes of memory that can still be had; None where the system does not say."""
    try:
        lines = (line.split() for line in meminfo.read_text().splitlines())
        free = next(int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:")
    except (OSError, StopIteration):
        return None
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        # pages of files are given back when asked for
        pages = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return (
            free
            if limit == "max"
            else max(0, min(free, int(limit) - used + int(pages.get("inactive_file", 0))))
        )
    except (OSError, ValueError):
        return free
