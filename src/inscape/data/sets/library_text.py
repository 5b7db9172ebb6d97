"""Library text: what the modules of Python's standard library say of themselves, passage by
passage.

English prose in many hands that every machine with Python has, under one licence, without a
download. Modules are parsed, never imported. `library_code` reads the same modules' code.
"""

from __future__ import annotations

import ast
import inspect
import sysconfig
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from inscape.core import rng
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples

#: characters of a passage: shorter ones say little, longer ones are cut at the end of a paragraph
# or sentence
SHORTEST, LONGEST = 160, 700
#: a document gives at most so many passages, the first ones
MOST = 40

CARD = DatasetCard(
    name="library-text",
    what="Passages of the docstrings of Python's standard library: at least 160 characters, cut at "
    "700, examples at the prompt left out, at most 40 of a module.",
    source="the standard library of the Python that runs Inscape, parsed, not imported",
    licence="PSF-2.0",
    citation="Python Software Foundation, The Python Standard Library, https://docs.python.org",
    get="comes with Python",
    group="module: passages of one module share subject, names and author",
    beware="Passages change a little with the version of Python. It is technical English with "
    "names and signatures, and any model trained on code has seen it.",
    columns={
        "text": "the passage",
        "words": "how many words it has",
        "module": "the module it stands in",
    },
)


def load(limit: int | None = None) -> Examples:
    """The passages, in an order that says nothing.

    Args:
        limit: only the first so many.

    Returns:
        Examples with label words, group module.
    """
    frame = passages()
    return Examples(frame.iloc[:limit], "text", ("words",), "module", card=CARD)


@lru_cache(maxsize=1)
def passages() -> pd.DataFrame:
    """All passages, mixed."""
    rows = []
    for module, tree, _ in modules():
        found = [p for node in ast.walk(tree) if (p := _passage(node)) is not None]
        rows += [
            {"text": text, "words": len(text.split()), "module": module}
            for text in dict.fromkeys(found[:MOST])
        ]
    return mixed(pd.DataFrame(rows), "library text")


def mixed(frame: pd.DataFrame, stream: str) -> pd.DataFrame:
    """Rows in random order, each text once."""
    once = frame[~frame["text"].str.casefold().duplicated()]
    return once.iloc[rng.generator(0, stream).permutation(len(once))].reset_index(drop=True)


@lru_cache(maxsize=1)
def modules() -> list[tuple[str, ast.Module, str]]:
    """Name, syntax tree and source of modules that are neither tiny nor huge, those of packages
    under its name.
    """
    root = Path(sysconfig.get_path("stdlib"))
    packages = (
        "asyncio",
        "concurrent",
        "email",
        "http",
        "importlib",
        "json",
        "logging",
        "multiprocessing",
        "urllib",
    )
    files = sorted(root.glob("*.py")) + sorted(
        p for name in packages for p in (root / name).glob("*.py")
    )
    found = []
    for path in files:
        name = path.relative_to(root).parts[0].removesuffix(".py")
        if name.startswith(("_", "this", "antigravity")) or not 2000 < path.stat().st_size < 60_000:
            continue
        source = path.read_text(encoding="utf-8")
        found.append((name, ast.parse(source), source))
    return found


def _passage(node: ast.AST) -> str | None:
    if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
        return None
    text = inspect.cleandoc(ast.get_docstring(node, clean=False) or "").split(">>>")[0].strip()
    text = cut(text)
    prose = np.mean([c.isalpha() or c.isspace() for c in text]) if text else 0.0
    return text if len(text) >= SHORTEST and prose > 0.85 else None


def cut(text: str) -> str:
    """At most `LONGEST` characters, ending where a paragraph, a sentence or at least a word
    does.
    """
    if len(text) <= LONGEST:
        return text
    head = text[:LONGEST]
    for end in ("\n\n", ".\n", ". ", " "):
        if (at := head.rfind(end)) >= SHORTEST:
            return head[: at + 1].strip()
    return head.strip()
