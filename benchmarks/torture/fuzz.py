"""One reader fed with hostile inputs for some seconds, in child processes that may die.

A child that computes for 20 s without a word is ended, and counts as a hang
(`benchmarks.torture.cpu_time`); one that dies counts as a death. Either way the next child
goes on with the next input. The folder of every input that failed is kept.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any

from benchmarks.torture.cpu_time import Hang

#: seconds of processor time that an input may take
LIMIT = 20.0
#: the same for a child that loads its libraries
START = 120.0
_LOOK = 1.0  # seconds between two looks at a child that says nothing
#: endings that are as they should be
FINE = ("read", "refused")


@dataclass
class Tally:
    """What became of the inputs of one reader.

    Attributes:
        reader: its name.
        counts: ending → how many inputs.
        failures: what failed: the input's place, its ending, the text, the folder where it is kept.
        slowest: seconds of the slowest input.
    """

    reader: str
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def inputs(self) -> int:
        """How many inputs were read."""
        return sum(self.counts.values())


def fuzz(reader: str, seconds: float, seed: int, work: Path, keep: Path, canary: Path) -> Tally:
    """Feed a reader for so many seconds.

    Args:
        reader: of `benchmarks.torture.samples.READERS`, or ``"reports"``.
        seconds: how long.
        seed: makes the inputs, together with their places.
        work: a folder to work in.
        keep: where the inputs that fail are kept.
        canary: a file that is made by code that runs and must not.
    """
    tally = Tally(reader)
    place = work / reader.replace(", ", "-").replace(" ", "-")
    place.mkdir(parents=True, exist_ok=True)
    begun, end = time.monotonic(), None
    index, idle = 0, 0
    while (end is None or time.monotonic() < end) and idle < 3:
        with _Child(
            [reader, str(seed), str(index), str(place / "sample"), str(place), str(canary)]
        ) as child:
            before = index
            while end is None or time.monotonic() < end:
                line = child.line(START if child.begun is None else LIMIT)
                if line is None:
                    break
                if "begun" in line:
                    # a second at least, however long the libraries took
                    end = max(begun + seconds, time.monotonic() + 1) if end is None else end
                    continue
                tally.counts[line["kind"]] += 1
                tally.slowest = max(tally.slowest, child.seconds)
                index = line["index"] + 1
                if line["kind"] not in FINE:
                    _keep(tally, line["index"], line["kind"], line["text"], place, keep, seed)
                if canary.exists():
                    canary.unlink()
                    tally.counts["code"] += 1
                    _keep(
                        tally, line["index"], "code", "code of the input was run", place, keep, seed
                    )
            else:
                return tally
            ending, told = child.ending()
        if child.begun is None:
            tally.counts["death"] += 1
            tally.failures.append(
                {"index": index, "kind": "death", "text": f"no start: {told}", "kept": ""}
            )
            return tally
        tally.counts[ending] += 1
        _keep(tally, child.begun, ending, told, place, keep, seed)
        index, idle = child.begun + 1, idle + 1 if index == before else 0
    return tally


class _Child:
    """A reading process and the lines that it writes."""

    def __init__(self, arguments: list[str]) -> None:
        self.begun: int | None = None
        self.seconds = 0.0
        self._late = False
        self._start = time.monotonic()
        self._rest = b""
        environment = {**os.environ, "PYTHONFAULTHANDLER": "", "OMP_NUM_THREADS": "1"}
        environment |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        environment["INSCAPE_HOME"] = str(Path(arguments[4]) / "home")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.torture.child", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def line(self, limit: float) -> dict[str, Any] | None:
        """The next line; None when the child died or is late."""
        assert self._process.stdout is not None
        watched: Hang | None = None
        while b"\n" not in self._rest:
            if not select([self._process.stdout], [], [], _LOOK)[0]:
                watched = watched or Hang(self._process.pid, limit - _LOOK)
                if watched.over():
                    self._late = True
                    return None
                continue
            some = os.read(self._process.stdout.fileno(), 65536)
            if not some:
                return None
            self._rest += some
        first, self._rest = self._rest.split(b"\n", 1)
        found = json.loads(first)
        if "begun" in found:
            self.begun, self._start = found["begun"], time.monotonic()
        else:
            self.seconds = time.monotonic() - self._start
        return found

    def ending(self) -> tuple[str, str]:
        """How a child ended that gave no more lines."""
        if self._late:
            return "hang", f"nothing in {LIMIT:.0f} s of processor time"
        code = self._process.wait()
        return "death", f"the process ended with {code}"


def _keep(
    tally: Tally, index: int, kind: str, text: str, place: Path, keep: Path, seed: int
) -> None:
    """Copy the input that failed, while it is still there, and say how it is made again."""
    folder = keep / f"{place.name}-{seed}-{index}"
    # the child that ended left its input where it was; one that goes on has put it aside
    aside = place / f"failed-{index}"
    found = aside if aside.is_dir() else place / "input"
    kept = ""
    if sum(bool(f["kept"]) for f in tally.failures) < 20 and found.is_dir():
        keep.mkdir(parents=True, exist_ok=True)
        clear(folder)
        shutil.move(found, folder)
        kept = str(folder)
    clear(aside)
    tally.failures.append({"index": index, "kind": kind, "text": text, "kept": kept})


def clear(path: Path) -> None:
    """Remove a folder that was made here."""
    shutil.rmtree(path, ignore_errors=True)
