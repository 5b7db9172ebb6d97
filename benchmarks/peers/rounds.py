"""How a way of harvesting is timed in a process of its own, whatever its environment: a script
calls `serve`.

The script is given a model's folder, a JSON list of texts and the file to leave its values in. Each
line on its standard input asks for one round, each round is answered by one line of JSON with its
seconds; when the input ends, the values of the last round are left as safetensors, and the peak of
the process's resident memory since the model was loaded is told. Only this file and what every
environment has (numpy, safetensors) is imported here.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

#: texts of a batch in every way but ours, which makes its own
BATCH = 32


def serve(load: Callable[[str], Callable[[list[str]], np.ndarray]], package: str) -> None:
    """Answer rounds until the input ends.

    Args:
        load: from the model's folder to a function that gives the values of texts, (texts, sites,
            width) float32.
        package: whose version is told.
    """
    said = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(
        sys.stderr.fileno(), sys.stdout.fileno()
    )  # libraries print as they like; answers have a line of their own

    def say(**facts: Any) -> None:
        print(json.dumps(facts), file=said, flush=True)

    model, texts, out = sys.argv[1:]
    import torch

    harvest = load(model)
    asked = json.loads(Path(texts).read_text(encoding="utf-8"))
    _forget_peak()
    say(version=version(package), torch=torch.__version__, threads=torch.get_num_threads())
    values = None
    for _ in sys.stdin:
        start = time.perf_counter()
        values = harvest(asked)
        say(seconds=time.perf_counter() - start)
    say(peak=_peak())
    if values is not None:
        save_file({"values": np.ascontiguousarray(values, dtype=np.float32)}, out)


def _forget_peak() -> None:
    """Start the peak afresh, so that it is not that of loading; where the system cannot, it is of
    the whole process.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak() -> int:
    """The most bytes of memory that were resident at once."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10
