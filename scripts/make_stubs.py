"""Writes the type stubs of the packages whose names load on first use: ``make stubs``."""

from __future__ import annotations

import inscape
from inscape.core.exports import folder, offering, packages, public_names, stub


def stubs() -> dict[str, str]:
    """Package → the text of its stub."""
    names = {p.rpartition(".")[2]: "inscape" for p in packages()} | inscape._HOME
    found = {"inscape": stub(names) + "\n__version__: str\n"}
    return found | {p: stub(public_names(p)) for p in offering()}


if __name__ == "__main__":
    for package, text in stubs().items():
        (folder(package) / "__init__.pyi").write_text(text, encoding="utf-8")
