"""``inscape sites MODEL``: the sites at which a model can be read and edited."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from inscape.cli.opening import Compiled, Device, Dtype, Json, ModelName, RemoteCode, open_model
from inscape.cli.printing import columns, emit, say

EPILOG = """Examples:

\b
  inscape sites smollm2-135m
  inscape sites smollm2-135m --sites 'resid_post.*, z.5.*'
"""


def sites(
    model: ModelName,
    pattern: Annotated[
        str, typer.Option("--sites", help="Only these, such as 'resid_post.*'.")
    ] = "*",
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """List the sites at which a model can be read and edited.

    In order of computation, with their widths.
    """
    from inscape.core.site import select

    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    chosen = list(opened.sites) if pattern == "*" else select(pattern, opened.sites)
    # the widths of a network of no family are known once it runs on something of the user's
    rows = [
        (str(site), None if opened.kind == "array" else _width(opened, site)) for site in chosen
    ]
    if as_json:
        emit([{"site": site, "width": width} for site, width in rows])
        return
    columns([(site, "" if width is None else width) for site, width in rows])
    say(f"\n{len(rows)} sites of {opened.name}.")
    if len(opened.towers) > 1:
        name = model.partition("#")[0]
        say(f"Its stacks of blocks: {', '.join(f'{name}#{tower}' for tower in opened.towers)}.")


def _width(model: Any, site: Any) -> int | None:
    """The width of a site; None where a plain pass does not compute it."""
    from inscape.core.errors import SiteError

    try:
        return int(model.width(site))
    except SiteError:
        return None
