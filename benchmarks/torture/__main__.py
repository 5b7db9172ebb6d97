"""Torture Inscape for some minutes and write what happened to docs/reliability.md.

    make torture MINUTES=10
    python -m benchmarks.torture 10 [--seed 1] [--only READER_OR_OPERATION …]

Hostile inputs are read and reports are built from hostile runs in child processes with 2 GB of
memory and 20 s of processor time an input, while another process kills operations at random
moments. What failed is kept in ``.torture``, each in a folder that is named by its reader, its seed
and its place. Ends with 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.__main__ import machine
from benchmarks.torture.fuzz import Tally, clear, fuzz
from benchmarks.torture.kills import OPERATIONS
from benchmarks.torture.samples import READERS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
KEEP = ROOT / ".torture"
ALL = (*READERS, "reports")
#: ending → heading
ENDINGS = {
    "read": "read",
    "refused": "refused in one sentence",
    "traceback": "foreign errors",
    "unclear": "unclear sentences",
    "hang": "hangs",
    "memory": "over 2 GB",
    "death": "deaths",
    "code": "code run",
    "script": "escaped into the page",
}


def torture(
    seconds: float, seed: int, names: Sequence[str], work: Path, keep: Path
) -> tuple[list[Tally], list[dict[str, Any]]]:
    """Readers one after the other, and operations beside them, for so many seconds together."""
    end = time.monotonic() + seconds
    chosen = [name for name in OPERATIONS if name in names]
    killer = _killer(seconds, seed, chosen, work / "kills", keep) if chosen else None
    tallies = []
    readers = [name for name in ALL if name in names]
    try:
        for i, name in enumerate(readers):
            share = max((end - time.monotonic()) / (len(readers) - i), 1.0)
            tallies.append(fuzz(name, share, seed, work, keep, work / "canary"))
            _say(f"{name}: {dict(tallies[-1].counts)}")
        killed = [] if killer is None else _killed(killer)
    finally:
        if killer is not None and killer.poll() is None:
            killer.kill()
            killer.wait()
    for one in killed:
        _say(f"{one['operation']}: {one['kills']} kills in {one['sequences']} sequences")
    return tallies, killed


def _killer(
    seconds: float, seed: int, names: Sequence[str], work: Path, keep: Path
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.torture.kills", str(seconds), str(seed)]
    return subprocess.Popen(
        [*command, str(work), str(keep), *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def _killed(killer: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, told = killer.communicate()
    if killer.returncode:
        last = (told.strip().splitlines() or ["no reason given"])[-1]
        raise RuntimeError(f"the process that kills ended with {killer.returncode}: {last}")
    found: list[dict[str, Any]] = json.loads(out.splitlines()[-1])
    return found


def _say(text: str) -> None:
    print(text, flush=True)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def page(
    tallies: Sequence[Tally],
    killed: Sequence[dict[str, Any]],
    facts: dict[str, str],
    minutes: float,
    seed: int,
) -> str:
    """The counts as Markdown."""
    rows = [
        [t.reader, f"{t.inputs:,}", *(f"{t.counts[e]:,}" for e in ENDINGS), f"{t.slowest:.1f}"]
        for t in tallies
    ]
    sums = [sum(t.counts[e] for t in tallies) for e in ENDINGS]
    rows.append(["**all**", f"{sum(sums):,}", *(f"{n:,}" for n in sums), ""])
    kills = [
        [k["operation"], k["sequences"], k["kills"], len(k["lost"]), len(k["left"])] for k in killed
    ]
    kills.append(["**all**", *(sum(row[i] for row in kills) for i in range(1, 5))])
    failures = _failures(tallies, killed)
    parts = [
        "# Reliability",
        (
            f"Written by `make torture MINUTES={minutes:g}` with seed {seed}; do not edit. "
            "`SECURITY.md` says what is promised."
        ),
        "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        "## Hostile inputs",
        "Each is a sound input with flipped bytes, cuts, confused types, huge numbers, deep "
        "nesting, links, pipes or names that lead out; *reports* are built from runs with scripts, "
        "addresses and expressions in every text. An input is read in a child process with 2 GB of "
        "memory and 20 seconds of processor time. A pickle that makes a file lies beside them: "
        "*code run* counts whether it did.",
        _table(["reader", "inputs", *ENDINGS.values(), "slowest, s"], rows),
        "## Kills",
        "Each sequence kills an operation (SIGKILL) up to fifteen times at random moments and then "
        "carries it to its end. *Lost*: a user's file, finished work or a committed part that is "
        "missing or changed, or an end that differs from an undisturbed one. *Left behind*: names "
        "that an undisturbed one does not leave.",
        _table(["operation", "sequences", "kills", "lost", "left behind"], kills),
        "## What failed",
        "\n".join(failures) or "Nothing.",
    ]
    return "\n\n".join(parts) + "\n"


def _failures(tallies: Sequence[Tally], killed: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each kind of failure."""
    found: dict[str, tuple[int, str]] = {}
    for tally in tallies:
        for one in tally.failures:
            text = "".join(c if c.isprintable() else " " for c in one["text"])[:200]
            kind = f"- **{tally.reader}**, {one['kind']}: `{text.replace('`', '')}`"
            key = f"{tally.reader} {one['kind']} {text.rpartition(' at ')[2][:60]}"
            count, first = found.get(key, (0, f"{kind} (input {one['index']})"))
            found[key] = (count + 1, first)
    lines = [f"{first}, {count} in all" for count, first in found.values()]
    for one in killed:
        lines += [f"- **{one['operation']}**, lost: {text}" for text in one["lost"][:5]]
        lines += [f"- **{one['operation']}**, left behind: `{text}`" for text in one["left"][:5]]
    return lines


def main(arguments: list[str]) -> int:
    """Torture, show, write."""
    parser = argparse.ArgumentParser(prog="benchmarks.torture", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=[*ALL, *OPERATIONS], default=None)
    given = parser.parse_args(arguments)
    if not 0 < given.minutes <= 24 * 60:
        parser.error("minutes must be more than 0 and at most a day")
    names = given.only or [*ALL, *OPERATIONS]
    clear(KEEP)
    with tempfile.TemporaryDirectory(prefix="inscape-torture-", ignore_cleanup_errors=True) as work:
        tallies, killed = torture(60 * given.minutes, given.seed, names, Path(work), KEEP)
    failures = _failures(tallies, killed)
    _say("\n".join(failures) or "Nothing failed.")
    if failures:
        _say(f"Kept in {KEEP.relative_to(ROOT)}.")
    if given.only:
        _say(f"Only some were run: {PAGE.relative_to(ROOT)} is as it was.")
    else:
        text = page(tallies, killed, machine(), given.minutes, given.seed)
        PAGE.write_text(text, encoding="utf-8")
        _say(f"Written to {PAGE.relative_to(ROOT)}.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
