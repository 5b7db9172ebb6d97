"""Writing and reading a store, against a raw memory-mapped array of the same vectors on the same
disk.

Writing is timed until the data are on the disk itself (both sides flush); ours also hashes every
byte. Reading is from the page cache on both sides. Rounds are interleaved and figures are medians.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from inscape.core.rng import generator
from inscape.core.site import Site
from inscape.store.array_inputs import ArrayInputs
from inscape.store.capture import Shard
from inscape.store.disk_dtypes import site_entry
from inscape.store.rows import example_columns, shard_table, store_schema
from inscape.store.store import Store
from inscape.store.writer import Writer

WIDTH, SITES, SHARD = 576, 31, 450


def write_ours(folder: Path, x: np.ndarray) -> Store:
    """Rows of every site through the store's own writer, a shard at a time."""
    sites = [Site("resid_post", i) for i in range(SITES)]
    entries = {str(site): site_entry(site, WIDTH, "float32") for site in sites}
    inputs = ArrayInputs(np.zeros((len(x), 1), dtype=np.float32), "last")
    side = example_columns(inputs)
    head = {
        "model": "none",
        "examples": len(x),
        "sites": entries,
        "columns": side.names,
        "certificate": None,
    }
    with Writer(
        folder, {"dtype": "float32", "at": "last"}, store_schema(side, entries), head
    ) as writer:
        for start in range(0, len(x), SHARD):
            rows = np.arange(start, min(start + SHARD, len(x)))
            zeros = np.zeros(len(rows), dtype=np.int32)
            vectors = {
                site: torch.from_numpy(np.ascontiguousarray(x[rows[0] : rows[-1] + 1, i]))
                for i, site in enumerate(sites)
            }
            shard = Shard(rows, zeros, zeros, vectors)
            writer.put(
                shard_table(shard, side, writer.schema),
                {"examples": (int(rows[0]), int(rows[-1]) + 1), "nonfinite": {}},
            )
        writer.finish()
    return Store.open(folder)


def write_raw(file: Path, x: np.ndarray) -> np.memmap:
    """The same rows into a memory-mapped array, site by site as columns are, flushed at the end."""
    out = np.memmap(file, dtype=np.float32, mode="w+", shape=(SITES, len(x), WIDTH))
    for start in range(0, len(x), SHARD):
        for i in range(SITES):
            out[i, start : start + SHARD] = x[start : start + SHARD, i]
    out.flush()
    return out


def timed(way: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def run(rows: int = 4500, rounds: int = 5) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    rng = generator(0, "benchmark", "store")
    x = rng.standard_normal((rows, SITES, WIDTH), dtype=np.float32)
    picked = rng.integers(0, rows, 20_000)
    seconds: dict[str, list[float]] = {}

    def note(name: str, way: Callable[[], Any]) -> None:
        seconds.setdefault(name, []).append(timed(way))

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for _ in range(rounds):
            shutil.rmtree(
                folder / "s", ignore_errors=True
            )  # pages of earlier rounds would be written back during later
            (folder / "m").unlink(missing_ok=True)
            note("write ours", lambda: write_ours(folder / "s", x))
            note("write raw", lambda: write_raw(folder / "m", x))
        store = Store.open(folder / "s")
        raw = np.memmap(folder / "m", dtype=np.float32, mode="r", shape=(SITES, rows, WIDTH))
        site = str(store.sites[3])
        assert np.array_equal(store.matrix(site), raw[3])
        for number in range(rounds):
            note("scan ours", lambda: [store.matrix(s) for s in store.sites])
            note("scan raw", lambda: [np.array(raw[i]) for i in range(SITES)])
            note("stream", lambda: [list(store.batches(s, 256)) for s in store.sites])
            draw = generator(number, "benchmark", "shuffle")
            note("shuffle", lambda: [list(store.batches(s, 256, draw)) for s in store.sites])  # noqa: B023
            note("random ours", lambda: store.take(site, picked))
            note("random raw", lambda: raw[3][picked])
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    bytes_, many = x.nbytes / 1e6, len(picked)
    size = f"{rows} rows × {SITES} sites × {WIDTH} float32, {bytes_:.0f} MB, {rounds} rounds"
    return [
        _row(
            "store: write",
            bytes_ / middle["write ours"],
            bytes_ / middle["write raw"],
            1.0,
            "MB/s",
            f"{size}; both flushed, ours hashed",
        ),
        _row(
            "store: read whole columns",
            bytes_ / middle["scan ours"],
            bytes_ / middle["scan raw"],
            None,
            "MB/s",
            size,
        ),
        _row(
            "store: block-shuffled against sequential batches",
            bytes_ / middle["shuffle"],
            bytes_ / middle["stream"],
            0.65,
            "MB/s",
            f"{size}; both ours",
        ),
        _row(
            "store: random rows",
            many / middle["random ours"],
            many / middle["random raw"],
            None,
            "rows/s",
            f"{many} rows of width {WIDTH}; target 50,000 rows/s",
        ),
    ]


def _row(
    name: str, ours: float, theirs: float, target: float | None, unit: str, note: str
) -> dict[str, Any]:
    return {
        "name": name,
        "ours": ours,
        "theirs": theirs,
        "ratio": ours / theirs,
        "target": target,
        "unit": unit,
        "note": note,
    }


if __name__ == "__main__":
    print(pd.DataFrame(run()).to_string())
