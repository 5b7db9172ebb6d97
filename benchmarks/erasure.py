"""LEACE against concept-erasure: the same rows, float64, each in its own process, rounds in turn.

n = 100,000 rows of width 576 and a label of ten classes. *Solve*: from moments that a stream has
left to the eraser. *Fold and solve*: rows in batches of 1,024, from the first to the eraser. Theirs
is asked for no shrinkage of the covariance and for the cut-off that ours has, so that both are the
same map; the maps' matrices are compared. Theirs caps the trace of what is left, which rows that
erasure does not inflate never meet. Both have torch's or BLAS's own number of threads.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from benchmarks.peers.environments import HERE, Unavailable, environment
from inscape.control.leace import LeaceEraser
from inscape.core.centred import Centred
from inscape.core.joint import Joint

ROWS, WIDTH, CLASSES, BATCH, SEED = 100_000, 576, 10, 1024, 0
FOLDS, SOLVES = 3, 9
Row = dict[str, Any]


def run(rows: int = ROWS, folds: int = FOLDS, solves: int = SOLVES) -> list[Row]:
    """Two rows of the benchmark table, or two that say why there are none."""
    names = (
        "LEACE from moments against concept-erasure",
        "LEACE from rows against concept-erasure",
    )
    try:
        python = environment("concept_erasure")
        with tempfile.TemporaryDirectory() as folder:
            return _compared(names, python, Path(folder), rows, folds, solves)
    except Unavailable as why:
        return [{"name": name, "skipped": str(why)} for name in names]


def _compared(
    names: tuple[str, str], python: Path, folder: Path, rows: int, folds: int, solves: int
) -> list[Row]:
    x, z = drawn(rows)
    save_file({"x": x, "z": z}, folder / "rows.safetensors")
    command = [
        str(python),
        str(HERE / "leace_there.py"),
        str(folder / "rows.safetensors"),
        str(folder / "out"),
    ]
    moments, joint = Centred.of(x), Joint.of(x, z)
    codes = z.argmax(axis=1)
    seconds: dict[str, dict[str, list[float]]] = {
        task: {"ours": [], "theirs": []} for task in ("solve", "fold")
    }
    ours: dict[str, Callable[[], LeaceEraser]] = {
        "solve": lambda: LeaceEraser.from_moments(moments, joint),
        "fold": lambda: streamed(x, codes),
    }
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            facts = _answer(process)
            for task, count in (("solve", solves), ("fold", folds)):
                for number in range(count + 1):  # the first of each is thrown away
                    start = time.perf_counter()
                    made = ours[task]()
                    spent = time.perf_counter() - start
                    assert process.stdin is not None
                    print(task, file=process.stdin, flush=True)
                    there = _answer(process)["seconds"]
                    if number:
                        seconds[task]["ours"].append(spent)
                        seconds[task]["theirs"].append(there)
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
        finally:
            process.kill()
    held = load_file(folder / "out")
    apart = max(
        float(np.abs(matrix(eraser) - held["P"]).max())
        for eraser in (made, LeaceEraser.from_moments(moments, joint))
    )
    if apart > 1e-6:
        raise AssertionError(f"the two erasers differ by {apart:.2g}")
    note = (
        f"concept-erasure {facts['version']} without shrinkage, n = {rows}, d = {WIDTH}, k = "
        f"{CLASSES}, float64; medians of "
        f"{{}} rounds in turn, {facts['threads']} threads there; the erasers differ by at most "
        f"{apart:.1e}"
    )
    return [
        _row(names[0], seconds["solve"], 3.0, note.format(solves)),
        _row(
            names[1],
            seconds["fold"],
            None,
            f"{note.format(folds)}; the moments are folded in batches of {BATCH} rows",
        ),
    ]


def drawn(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated rows whose means differ between classes, and the classes as columns."""
    rng = np.random.default_rng(SEED)
    codes = rng.integers(CLASSES, size=rows)
    mix = rng.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH)
    x = rng.normal(size=(rows, WIDTH)) @ mix + rng.normal(size=(CLASSES, WIDTH))[codes] + 1.0
    return x, np.eye(CLASSES)[codes]


def streamed(x: np.ndarray, codes: np.ndarray) -> LeaceEraser:
    """Rows in batches, then the eraser."""
    made = LeaceEraser()
    for start in range(0, len(x), BATCH):
        made.partial_fit(
            x[start : start + BATCH], codes[start : start + BATCH], classes=np.arange(CLASSES)
        )
    assert made.rank_ == CLASSES - 1
    return made


def matrix(eraser: LeaceEraser) -> np.ndarray:
    """What the eraser does to a centred row, (d, d)."""
    return np.eye(WIDTH) - eraser.proj_left_ @ eraser.proj_right_


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Unavailable(f"it ended with {process.wait()}")
    return json.loads(line)


def _row(name: str, seconds: dict[str, list[float]], target: float | None, note: str) -> Row:
    ours, theirs = median(seconds["ours"]), median(seconds["theirs"])
    return {
        "name": name,
        "ours": ours,
        "theirs": theirs,
        "ratio": theirs / ours,
        "target": target,
        "unit": "s",
        "note": note,
    }
