"""Names that a store or moments generate: nothing under another name is ever removed or written
over.

    data/000012-0123456789abcdef.safetensors       a shard: its number and the start of its SHA-256
    examples-0123456789abcdef.arrow                the table of the examples
    moments-0123456789abcdef.safetensors           the arrays of moments
    STEM.4711-139872-3.new                         one of these, or a manifest, while it is being written

A place is begun only if it is absent, empty, or holds a manifest that Inscape signed; what a first
attempt leaves that ended before its manifest is recognised by its name too. Everything else there
is the user's: it is named and left alone.

Cost: one listing of the place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from inscape.core.errors import StoreError
from inscape.store.lock import NAME as LOCK
from inscape.store.storage import Storage

_HASH = "[0-9a-f]{16}"
_NEW = r"\.\d+-\d+-\d+\.new"
#: what a harvest or an addition of sites writes beside its manifest
STORE = re.compile(
    rf"data/\d{{6,}}(-{_HASH}\.safetensors|{_NEW})"
    rf"|examples(-{_HASH}\.arrow|{_NEW})"
    rf"|(manifest|adding)\.json{_NEW}"
)
#: what a stream of moments writes beside its manifest
MOMENTS = re.compile(rf"moments(-{_HASH}\.safetensors|{_NEW})|moments\.json{_NEW}")


def leftovers(where: Storage, kind: re.Pattern[str], named: Sequence[str]) -> list[str]:
    """Generated names in a place that no manifest names: what an interruption left."""
    found = {*where.names(), *where.names("data/")} if kind is STORE else set(where.names())
    return sorted(name for name in found - set(named) if kind.fullmatch(name))


def refuse_foreign(
    where: Storage, kind: re.Pattern[str], what: str = "is not a store and not empty"
) -> None:
    """Refuse a place without a manifest that holds anything but what a first attempt leaves.

    Args:
        where: the place.
        kind: `STORE` or `MOMENTS`.
        what: what the message says of the place.

    Raises:
        StoreError: it holds files of somebody else; the message names them.
    """
    where.refuse_links()
    foreign = [
        name
        for name in where.names()
        # shards come after the manifest, so without one there is none of ours
        if name.startswith("data/") or not (name == LOCK or kind.fullmatch(name))
    ]
    if foreign:
        listed = ", ".join(foreign[:3]) + (
            f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        )
        raise StoreError(
            f"{where} {what} (it has {listed}). Nothing there was touched; name a new or empty "
            "folder."
        )
