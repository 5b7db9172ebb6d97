"""``inscape methods [WORD]``: every method of the library, with its purpose, paper and
signature."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.opening import Json
from inscape.cli.printing import columns, emit, say

EPILOG = """Examples:

\b
  inscape methods
  inscape methods probe
"""


def methods(
    word: Annotated[
        str | None,
        typer.Argument(
            metavar="WORD",
            help="Only methods that contain this word: probe, LEACE, 2306.03819.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the methods: what each answers, its paper, its signature."""
    from inscape.core.errors import InscapeError
    from inscape.core.methods import methods as catalogue

    found = catalogue(word or "")
    if not found:
        raise InscapeError(
            f"No method contains {word!r}. 'inscape methods' lists all; try a shorter word or an "
            "author."
        )
    if as_json:
        emit([m.to_dict() for m in found])
        return
    for method in found:
        say(bold=f"inscape.{method.name}")
        paper = f" [{method.paper}]" if method.paper else ""
        columns([(f"{method.answers}{paper}",), (method.signature,)])
    say(
        f"\n{len(found)} {'method' if len(found) == 1 else 'methods'}. 'help(NAME)' in Python "
        "explains one."
    )
