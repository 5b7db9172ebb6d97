"""``inscape list``: every study that is installed, read from the cards without importing one."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.printing import columns, emit, say

EPILOG = """Examples:

\b
  inscape list
  inscape list --room control
"""


def list_studies(
    room: Annotated[
        str | None,
        typer.Option(help="Only studies of this part of the library (read, control, …)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False,
) -> None:
    """List the studies: papers whose claims can be tested here."""
    from inscape.core.errors import StudyError, suggest
    from inscape.study.discover import find

    found = find()
    for problem in found.problems:
        say(f"inscape: left out: {problem.sentence}", err=True)
    cards = sorted((e.card for e in found.entries.values()), key=lambda c: (c.room, c.slug))
    rooms = {c.room for c in cards}
    if room is not None and room not in rooms:
        raise StudyError(f"There are no studies in {room!r}. {suggest(room, rooms)}")
    cards = [c for c in cards if room in (None, c.room)]
    if as_json:
        emit([c.to_dict() for c in cards])
        return
    longest = max((len(c.slug) for c in cards), default=0)
    for name in sorted({c.room for c in cards}):
        say(name)
        columns([(f"{c.slug:<{longest}}", c.year, c.title) for c in cards if c.room == name])
    say(
        f"\n{len(cards)} {'study' if len(cards) == 1 else 'studies'}. 'inscape show STUDY' "
        "describes one."
    )
