"""``inscape verify STORE``: check a store against its checksums."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.opening import Json
from inscape.cli.printing import emit, say

EPILOG = """Examples:

\b
  inscape verify mine.store
"""


def verify(
    path: Annotated[
        str, typer.Argument(metavar="STORE", help="A store's folder, or s3://BUCKET/PATH.")
    ],
    as_json: Json = False,
) -> None:
    """Check a store against its checksums.

    Every file is read and hashed again. The exit code is 1 if one differs; each is named.
    """
    from inscape.store.store import Store
    from inscape.store.verify import verify as problems

    found = problems(path)
    if as_json:
        emit({"store": path, "sound": not found, "problems": found})
    elif found:
        say(f"{path} is damaged: {' '.join(found)} Delete it and harvest again.")
    else:
        store = Store.open(path)
        say(
            f"{store.path} passes its checks: {len(store):,} rows, {len(store.sites)} sites, "
            f"{len(store.manifest['shards']):,} "
            "shards, all checksums match."
        )
    if found:
        raise typer.Exit(1)
