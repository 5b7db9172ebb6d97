"""Which engine a name means: ``local``, ``ray``, or the address of a Ray cluster."""

from __future__ import annotations

from inscape.store.engines.local import Engine, Local
from inscape.store.engines.ray import Ray


def engine(on: str | Engine) -> Engine:
    """The engine that `on` names; an engine is itself.

    Args:
        on: ``"local"``; ``"ray"`` for the cluster of ``RAY_ADDRESS``, or one started here for the
            time of the call; ``"ray://HOST:PORT"`` for a cluster elsewhere.

    Raises:
        ValueError: another name.

    Example:
        >>> engine("ray://head:10001").address
        'ray://head:10001'
    """
    if not isinstance(on, str):
        return on
    if on == "local":
        return Local()
    if on == "ray" or (on.startswith("ray://") and on != "ray://"):
        return Ray(None if on == "ray" else on)
    raise ValueError(
        "harvest: on must be 'local', 'ray' or the address of a cluster such as "
        f"'ray://host:10001', got {on!r}"
    )
