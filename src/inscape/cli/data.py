"""``inscape data [NAME]``: the built-in example sets, with source and licence; a few rows of
one."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.opening import Json
from inscape.cli.printing import columns, emit, say

EPILOG = """Examples:

\b
  inscape data
  inscape data cities --rows 3
  inscape data mine.csv
"""


def data(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A built-in set or a file. Without a name, lists the sets."
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=0, help="How many rows to show.")] = 5,
    as_json: Json = False,
) -> None:
    """List the built-in example sets, or show one."""
    from inscape.data.load import available, look

    if name is None:
        cards = available()
        if as_json:
            emit([card.to_dict() for card in cards.values()])
            return
        columns([(n, f"{card.what} Licence: {card.licence}.") for n, card in cards.items()])
        say(
            "\n'inscape data NAME' shows one. Your own CSV, JSON Lines or Parquet file is loaded "
            "by its path."
        )
        return
    found = look(name, rows)
    card, first = found.card, found.first
    if as_json:
        emit({"card": card.to_dict(), "examples": found.examples, "rows": first.to_dict("records")})
        return
    say(f": {found.examples} examples", bold=card.name)
    facts = [
        ("what", card.what),
        ("source", card.source),
        ("licence", card.licence),
        ("group", card.group),
    ]
    columns([(label, text) for label, text in facts if text])
    columns([("input", found.input), ("labels", ", ".join(found.labels) or "none")])
    say("\n" + first.to_string(index=False, max_colwidth=40))
