"""An environment for each peer, made once: their requirements exclude one another's, and ours.

``NAME.txt`` beside this file pins every package; the environment lies in the cache under the hash
of that file, so that other pins are another environment. Only pip is asked, which knows the user's
index and mirror.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from inscape.core.home import home

HERE = Path(__file__).parent


class Unavailable(Exception):
    """An environment that cannot be made here, and why."""


def environment(name: str) -> Path:
    """The Python of a peer's environment, made if need be.

    Args:
        name: of the requirements file beside this module.

    Raises:
        Unavailable: pip cannot install what the file names.
    """
    pins = HERE / f"{name}.txt"
    mark = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = home("peers", f"{name}-{mark}")
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)  # one that was interrupted
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        str(pins),
    ]
    for command in ([sys.executable, "-m", "venv", str(folder)], pip):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise Unavailable(f"its environment cannot be made ({_reason(error)})") from error
    (folder / "ready").touch()
    return python


def _reason(error: Exception) -> str:
    """The last line of what pip said, or what happened to it."""
    said = [line for line in (getattr(error, "stderr", None) or "").splitlines() if line.strip()]
    return said[-1].removeprefix("ERROR: ") if said else type(error).__name__
