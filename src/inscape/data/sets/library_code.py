"""Library code: functions of Python's standard library, as source.

The same modules as `library_text`, of which this is the code.
"""

from __future__ import annotations

import ast
import textwrap
from functools import lru_cache

import pandas as pd

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.sets.library_text import LONGEST, MOST, SHORTEST, mixed, modules

CARD = DatasetCard(
    name="library-code",
    what="Functions and methods of Python's standard library as source, their docstrings cut out: "
    "160 to 700 characters, at most 40 of a module.",
    source="the standard library of the Python that runs Inscape, parsed, not imported",
    licence="PSF-2.0",
    citation="Python Software Foundation, The Python Standard Library, https://docs.python.org",
    get="comes with Python",
    group="module: functions of one module share names, idioms and author",
    beware="Functions change a little with the version of Python, and any model trained on code "
    "has seen them.",
    columns={
        "text": "the function",
        "lines": "how many lines it has",
        "module": "the module it stands in",
    },
)


def load(limit: int | None = None) -> Examples:
    """The functions, in an order that says nothing.

    Args:
        limit: only the first so many.

    Returns:
        Examples with label lines, group module.
    """
    return Examples(functions().iloc[:limit], "text", ("lines",), "module", card=CARD)


@lru_cache(maxsize=1)
def functions() -> pd.DataFrame:
    """All functions, mixed."""
    rows = []
    for module, tree, source in modules():
        # not splitlines, which counts a form feed as the end of a line; Python's parser does not
        lines = source.split("\n")
        texts = [
            _source(node, lines)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and (len(node.body) > 1 or ast.get_docstring(node) is None)
        ]
        kept = [text for text in texts if SHORTEST <= len(text) <= LONGEST][:MOST]
        rows += [{"text": text, "lines": text.count("\n") + 1, "module": module} for text in kept]
    return mixed(pd.DataFrame(rows), "library code")


def _source(node: ast.FunctionDef, lines: list[str]) -> str:
    own = list(range(node.lineno - 1, node.end_lineno or node.lineno))
    if ast.get_docstring(node) is not None:
        said = node.body[0]
        own = [i for i in own if not said.lineno - 1 <= i <= (said.end_lineno or said.lineno) - 1]
    return textwrap.dedent("\n".join(lines[i] for i in own)).strip()
