"""Memory against the number of rows: a hundred thousand rows and a million of a small network, each
in a process of its own.

The rows lie in a memory-mapped file, so that the data itself is not counted; what is measured is
the peak of the process's anonymous memory (``RssAnon``, sampled every 5 ms by a thread) above what
it held before the call. Pages of files that are mapped can be dropped by the system at any moment
and are left out. A harvest that held its vectors would need 256 MB more for the million; what may
grow is a few columns of the table: hash, length, id. The target is an upper bound in MB.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

WIDTH = 64
FEW, MANY = 100_000, 1_000_000


def run(few: int = FEW, many: int = MANY) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    rows = []
    for verb, target in (("harvest", 200), ("moments", 200)):
        small, large = measured(verb, few), measured(verb, many)
        note = (
            f"growth of peak memory over {few:,} and {many:,} rows of width {WIDTH}: "
            f"{small['peak'] / 1e6:.0f} and {large['peak'] / 1e6:.0f} MB, "
            f"{(large['peak'] - small['peak']) / (many - few):.0f} bytes a row more; vectors take "
            f"{4 * WIDTH} bytes a row; {many / large['seconds']:,.0f} rows a second"
        )
        rows.append(
            {
                "name": f"memory of {verb} at {many:,} rows",
                "ours": large["peak"] / 1e6,
                "theirs": None,
                "ratio": None,
                "target": target,
                "unit": "MB",
                "note": note,
            }
        )
    return rows


def measured(verb: str, rows: int) -> dict[str, float]:
    """Peak growth of anonymous memory, bytes, and seconds of one call over so many rows, in a
    process of its own.

    Args:
        verb: ``harvest``, ``moments``, or ``hold``, which only holds the rows: what the others must
            stay below.
        rows: how many.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", verb, str(rows)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return json.loads(ran.stdout.splitlines()[-1])


def _anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


class _Watch:
    """The most anonymous memory there was inside the block."""

    def __enter__(self) -> _Watch:
        self.before = self.most = _anonymous()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.005):
            self.most = max(self.most, _anonymous())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def _child(verb: str, rows: int) -> None:
    import numpy as np
    import torch
    from torch import nn

    from inscape.model.model import Model
    from inscape.store.harvest import harvest
    from inscape.store.moments import moments

    torch.manual_seed(0)
    model = Model(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 8)).eval())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        x = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, WIDTH))
        rng = np.random.default_rng(0)
        for start in range(0, rows, 50_000):
            x[start : start + 50_000] = rng.standard_normal(
                (min(50_000, rows - start), WIDTH), dtype=np.float32
            )
        del x
        mapped = np.load(path, mmap_mode="r")
        options: dict[str, Any] = {"shard_bytes": 4 << 20, "budget": 4096, "progress": False}
        # everything that is loaded at the first call, and the pools of threads, are not the data's
        harvest(model, mapped[:20_000], "module:1:out", to=Path(folder) / "warm", **options)
        start_time = time.perf_counter()
        with _Watch() as watch:
            if verb == "harvest":
                harvest(model, mapped, "module:1:out", to=Path(folder) / "s", **options)
            elif verb == "moments":
                moments(model, mapped, "module:1:out", **options)
            else:  # what the watch must see: the rows held
                held = np.array(mapped)
                assert len(held) == rows
        print(
            json.dumps(
                {"peak": watch.most - watch.before, "seconds": time.perf_counter() - start_time}
            )
        )


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]))
