"""A process that reads hostile inputs, one after the other, with at most 2 GB of memory, and tells
what each ended in.

    python -m benchmarks.torture.child READER SEED FIRST SAMPLE WORK CANARY

It writes a line of JSON before and after each input to the standard output it was given; whatever a
reader prints goes nowhere. The process that started it watches the time: an input that
takes 20 s of processor time is a hang.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.torture import hostile, payloads
from benchmarks.torture.bombs import BOMBS
from benchmarks.torture.samples import READERS, REPORT

#: bytes of memory that reading may take
MEMORY = 2 * 2**30
#: characters of the longest sentence
LONGEST = 1000
#: readers whose sentences name a column or a row of the table rather than the file
TABLES = ("CSV", "CSV, gzip", "JSON Lines", "JSON", "Parquet", "data set folder")


def generator(reader: str, seed: int, index: int) -> np.random.Generator:
    """The random numbers of one input; its name, the seed and its place make them."""
    return np.random.default_rng([seed, zlib.crc32(reader.encode()), index])


def prepare(reader: str, sample: Path, work: Path, seed: int, index: int, canary: Path) -> Path:
    """The folder of one hostile input."""
    folder = work / "input"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sample, folder)
    bombs = BOMBS.get(reader, ())
    if index < len(bombs):
        bombs[index](folder)
    elif reader == "reports":
        payloads.plant(folder / "run", generator(reader, seed, index))
    else:
        hostile.spoil(folder, generator(reader, seed, index), canary)
    return folder


def judge(read: Callable[[Path], Any], folder: Path, names: bool) -> tuple[str, str]:
    """What an input ended in: read, refused, or one of the ways it must not end."""
    from inscape.core.errors import InscapeError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read(folder)
    except InscapeError as error:
        text = str(error)
        if memory(error):
            return "memory", text
        if "\n" in text or len(text) > LONGEST or not all(c.isprintable() for c in text):
            return "unclear", text
        known = {p.name for p in folder.rglob("*")} | {folder.name}
        if names and not any(name in text for name in known):
            return "unclear", text
        return "refused", text
    except MemoryError as error:
        return "memory", repr(error)
    except BaseException as error:
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-4:]
        lines = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(where))
        return "traceback", f"{type(error).__name__}: {str(error)[:300]} at {lines}"
    if (told := payloads.escaped(found)) is not None:
        return "script", told
    return "read", ""


def memory(error: BaseException | None) -> bool:
    """Whether the limit of memory is behind an error."""
    while error is not None:
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def main(arguments: list[str]) -> None:
    """Read inputs until killed."""
    reader, seed, first, sample, work, canary = arguments
    out = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    make, read = REPORT if reader == "reports" else READERS[reader]
    if not Path(sample).is_dir():
        Path(sample).mkdir(parents=True)
        make(Path(sample))
    warm = Path(work) / "warm"
    shutil.rmtree(warm, ignore_errors=True)
    shutil.copytree(sample, warm)
    read(warm)  # the libraries are loaded before memory is limited, and the sound input can be read
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    index = int(first)
    while True:
        folder = prepare(reader, Path(sample), Path(work), int(seed), index, Path(canary))
        print(json.dumps({"begun": index}), file=out, flush=True)
        kind, text = judge(read, folder, reader not in (*TABLES, "reports"))
        if kind not in ("read", "refused"):
            shutil.move(folder, Path(work) / f"failed-{index}")
        print(json.dumps({"index": index, "kind": kind, "text": text[:600]}), file=out, flush=True)
        index += 1


if __name__ == "__main__":
    main(sys.argv[1:])
