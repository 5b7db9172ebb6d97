"""Run the benchmarks: ``python -m benchmarks`` for all of them,
``python -m benchmarks sweep start`` for some.

Every module beside this one with a ``run() -> list[dict]`` is one; the folder is walked, no list is
kept. A row has

    name, ours, theirs, ratio, target, unit, note

`ratio` says how many times better ours is than theirs, in one run on one machine, and `target` is
its lower bound. Where there is nothing to compare with (`ratio` is None), `target` is an upper
bound on `ours`, in `unit`. Without a target, a row only informs. What cannot be measured here is a
row with a name and, under `skipped`, why. A run of all of them is written to ``docs/benchmarks.md``
with the machine that it was measured on; ``--renew`` before some names writes their rows anew in
that page, on the same machine, and says when.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import benchmarks

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
Row = dict[str, Any]


def available() -> dict[str, ModuleType]:
    """Every module of the folder that has a ``run``."""
    names = [
        m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_")
    ]
    found = {name: importlib.import_module(f"benchmarks.{name}") for name in sorted(names)}
    return {
        name: module for name, module in found.items() if callable(getattr(module, "run", None))
    }


def verdict(row: Row) -> str:
    """``met``, ``missed``, ``skipped``, or nothing where there is no target."""
    if "skipped" in row:
        return "skipped"
    if row["target"] is None:
        return ""
    met = row["ours"] <= row["target"] if row["ratio"] is None else row["ratio"] >= row["target"]
    return "met" if met else "missed"


def cells(row: Row) -> list[str]:
    """A row as the table prints it."""
    if "skipped" in row:
        return [row["name"], "", "", "", "", verdict(row)]
    bound = "" if row["target"] is None else f"≤ {row['target']:g} {row['unit']}"
    target = bound if row["ratio"] is None else bound and f"≥ {row['target']:g} ×"
    theirs = "" if row["theirs"] is None else f"{number(row['theirs'])} {row['unit']}"
    ratio = "" if row["ratio"] is None else f"{number(row['ratio'])} ×"
    return [
        row["name"],
        f"{number(row['ours'])} {row['unit']}",
        theirs,
        ratio,
        target,
        verdict(row),
    ]


def about(row: Row) -> str:
    """How it was measured, or why it was not."""
    return f"skipped: {row['skipped']}" if "skipped" in row else row["note"]


def number(x: float) -> str:
    """Three digits."""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def machine() -> dict[str, str]:
    """What it was measured on."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processor": f"{_processor()}, {_cores()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(
            f"{p} {version(p)}"
            for p in ("torch", "transformers", "numpy", "scikit-learn", "safetensors")
        ),
    }


def page(rows: list[Row], facts: dict[str, str]) -> str:
    """The table as Markdown."""
    head = ["what", "ours", "compared with", "ratio", "target", ""]
    lines = [
        " | ".join(head),
        " | ".join("---" for _ in head),
        *(" | ".join(cells(row)) for row in rows),
    ]
    parts = [
        "# Benchmarks",
        "Written by `make bench`, which runs ours and what it is compared with in turn, in one "
        "run; do not edit. Times move"
        " with the machine and its load, ratios much less. A target is a lower bound on a ratio, "
        "or an upper bound in"
        " seconds where there is nothing to compare with.",
        "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        "\n".join(f"| {line} |" for line in lines),
        "## How each was measured",
        "\n".join(f"- **{row['name']}**: {about(row)}" for row in rows),
    ]
    return "\n\n".join(parts) + "\n"


def renewed(text: str, rows: list[Row], names: list[str], facts: dict[str, str]) -> str:
    """The page with these rows measured anew, and a line that says which benchmarks, when and at
    which commit.

    Raises:
        ValueError: the page is of another processor, or has a row not at all or twice.
    """
    if f"- processor: {facts['processor']}\n" not in text:
        raise ValueError(f"the page is of another processor than {facts['processor']}: run all")
    for row in rows:
        table, note = f"| {' | '.join(cells(row))} |", f"- **{row['name']}**: {about(row)}"
        for before, line in ((f"| {row['name']} |", table), (f"- **{row['name']}**:", note)):
            found = re.findall(rf"^{re.escape(before)}.*$", text, flags=re.MULTILINE)
            if len(found) != 1:
                raise ValueError(f"{row['name']} is {len(found)} times in the page: run all")
            text = text.replace(found[0], line)
    again = f"- measured anew: {', '.join(names)}, {facts['date']}, at {facts['commit']}"
    return re.sub(r"^(- versions: .*)$", rf"\1\n{again}", text, count=1, flags=re.MULTILINE)


def show(rows: list[Row]) -> None:
    """The table on the terminal, columns aligned."""
    table = [["what", "ours", "compared with", "ratio", "target", ""], *map(cells, rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, or all; 1 where one failed, 2 for a name that is none."""
    known = available()
    renew = names[:1] == ["--renew"]
    if renew:
        names = names[1:]
    if renew and not names:
        print("benchmarks: --renew needs the names of those to measure anew", file=sys.stderr)
        return 2
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            print(
                f"benchmarks: there is no {name!r}; {hint}there are {', '.join(known)}",
                file=sys.stderr,
            )
            return 2
    if renew:
        try:  # before minutes are spent
            renewed(PAGE.read_text(encoding="utf-8"), [], names, machine())
        except (OSError, ValueError) as error:
            print(f"benchmarks: nothing was run: {error}", file=sys.stderr)
            return 1
    rows: list[Row] = []
    failed: list[str] = []
    for name in names or known:
        print(f"{name}: {(inspect.getdoc(known[name]) or '').splitlines()[0]}", flush=True)
        start = time.perf_counter()
        try:
            rows += known[name].run()
        except (
            Exception
        ) as error:  # one that fails hides no other, and the page is not written without it
            failed.append(name)
            print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
        print(f"  {time.perf_counter() - start:.0f} s", flush=True)
    print()
    show(rows)
    missed = [row["name"] for row in rows if verdict(row) == "missed"]
    skipped = [row for row in rows if verdict(row) == "skipped"]
    for row in skipped:
        print(f"\n{row['name']} {about(row)}")
    print(
        f"\n{len(rows) - len(skipped)} measured, {len(missed)} below "
        f"target{': ' + '; '.join(missed) if missed else ''}."
    )
    if failed:
        print(f"Not written, because these failed: {', '.join(failed)}.")
        return 1
    if renew:
        try:
            text = renewed(PAGE.read_text(encoding="utf-8"), rows, names, machine())
        except (OSError, ValueError) as error:
            print(f"Not written: {error}", file=sys.stderr)
            return 1
        PAGE.write_text(text, encoding="utf-8")
        print(f"These are written anew in {PAGE.relative_to(ROOT)}.")
    elif names:
        print(f"Only some were run: {PAGE.relative_to(ROOT)} is as it was.")
    else:
        PAGE.write_text(page(rows, machine()), encoding="utf-8")
        print(f"Written to {PAGE.relative_to(ROOT)}.")
    return 0


def _commit() -> str:
    def git(*arguments: str) -> str:
        ran = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
        )
        return ran.stdout.strip() if ran.returncode == 0 else ""

    commit = git("rev-parse", "--short", "HEAD")
    return (commit or "not under git") + (
        " with changes" if git("status", "--porcelain", "src", "benchmarks") else ""
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _cores() -> int:
    # what this process may use, which is not always what the machine has
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
