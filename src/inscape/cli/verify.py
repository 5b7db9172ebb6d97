"""``inscape verify STORE``: whether a store is still what was written, every hash recomputed."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.opening import Json
from inscape.cli.printing import emit, say


def verify(
    path: Annotated[
        str, typer.Argument(metavar="STORE", help="A store's folder, or s3://BUCKET/PATH.")
    ],
    as_json: Json = False,
) -> None:
    """Recompute a store's hashes and say whether it is sound.

    The exit code is 1 if it is not; then each thing that is wrong is named.
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
            f"{store.path} is sound: {len(store):,} rows, {len(store.sites)} sites, {len(store.manifest['shards']):,} "
            "shards, every byte as it was written."
        )
    if found:
        raise typer.Exit(1)
