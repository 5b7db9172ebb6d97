"""Where a run was made: Python, machine, package versions, the commit of the code, the command.

What is recorded is what changes numbers or time (versions, threads, memory), and nothing that names
a person or a machine: no host name, no user, no paths.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = (
    "inscape",
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "safetensors",
    "altair",
)


def environment() -> dict[str, Any]:
    """What a reader needs to judge whether their numbers should agree; memory in GiB."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cpu": _cpu(),
        "cores": _cores(),
        "memory_gib": _memory(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "accelerator": _accelerator(),
        "packages": _versions(),
        "git": _commit(Path(__file__).resolve()),
    }


def command_line() -> str:
    """The command that started this process, as it can be typed again."""
    program = (
        "inscape" if Path(sys.argv[0]).stem in ("inscape", "__main__") else Path(sys.argv[0]).name
    )
    return shlex.join([program or "python", *sys.argv[1:]])


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    # the cores this process may use, which a container can make fewer than the machine has
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _memory() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    return round(pages * size / 2**30, 1)


def _accelerator() -> str | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name(0))


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _commit(file: Path) -> dict[str, Any] | None:
    """The commit of the checkout that `file` is tracked in, and whether tracked files were changed
    since; or None.
    """
    if not any((parent / ".git").exists() for parent in file.parents):
        return None
    # an installation inside someone's own repository is not tracked there, and its commit would say
    # nothing of ours
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return None
    commit = _git(file.parent, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {
        "commit": commit,
        "dirty": bool(_git(file.parent, "status", "--porcelain", "--untracked-files=no")),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
