"""Fenced blocks of a Markdown file, and the ``# ->`` lines that say what a statement of one
prints.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
MARK = "# -> "
#: what a number with a decimal point may differ by: nets are trained on the spot, and machines
# round differently
SLACK = 0.15


class Statement(NamedTuple):
    """A top-level statement of a block: its source, the line it is on in the file, and what it must
    print.
    """

    source: str
    line: int
    expected: str | None


def fenced(text: str, language: str) -> list[tuple[int, str]]:
    """The blocks of one language, each with the line on which its content begins, from 1."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, m.start(1)) + 1, m[1]) for m in found]


def statements(block: str, first: int = 1) -> Iterator[Statement]:
    """The statements of a Python block, each with the ``# ->`` lines directly below it."""
    lines = block.splitlines()
    for node in ast.parse(block).body:
        assert node.end_lineno is not None
        below = []
        for line in lines[node.end_lineno :]:
            if not line.startswith(MARK):
                break
            below.append(line.removeprefix(MARK))
        # padded with empty lines so that a traceback names the line of the file
        source = "\n" * (first + node.lineno - 2) + "\n".join(
            lines[node.lineno - 1 : node.end_lineno]
        )
        yield Statement(source, first + node.lineno - 1, "\n".join(below) if below else None)


def execute(statement: Statement, names: dict[str, Any], file: str) -> str:
    """Run one statement in a namespace; what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(statement.source, file, "exec"), names)
    return printed.getvalue().rstrip("\n")


def agrees(expected: str, printed: str, slack: float = SLACK) -> bool:
    """Whether what was printed is what was promised: word for word, ``…`` anything, decimals within
    `slack`.
    """
    number = r"(-?\d+\.\d+|-?\d+\.(?!\w))"
    parts = re.split(rf"{number}|(…)", expected)
    pattern, numbers = "", []
    for text, decimal, gap in zip(
        parts[::3], [*parts[1::3], None], [*parts[2::3], None], strict=True
    ):
        pattern += re.escape(text)
        if decimal is not None:
            numbers.append(float(decimal))
            pattern += number
        elif gap is not None:
            pattern += ".*?"
    # read back without the capture of gaps, whose text may hold numbers of its own
    match = re.fullmatch(pattern, printed, re.DOTALL)
    return match is not None and all(
        abs(float(g) - n) <= slack for g, n in zip(match.groups(), numbers, strict=True)
    )


def run_page(page: Path) -> int:
    """Run a page's Python blocks in order, as one program; how many promises it keeps.

    Raises:
        AssertionError: a statement prints something else than promised, or something where nothing
            was.
    """
    names: dict[str, Any] = {}
    kept, wrong = 0, []
    for line, block in fenced(page.read_text(encoding="utf-8"), "python"):
        for statement in statements(block, line):
            printed = execute(statement, names, str(page))
            if statement.expected is None:
                assert printed == "", (
                    f"line {statement.line} prints and the page does not say what: {printed}"
                )
                continue
            kept += 1
            if not agrees(statement.expected, printed):
                wrong.append(
                    f"line {statement.line} promises\n{statement.expected}\nand prints\n{printed}"
                )
    assert not wrong, "\n\n".join(wrong)
    return kept
