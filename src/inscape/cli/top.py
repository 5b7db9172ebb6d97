"""``inscape top MODEL DATA UNIT``: maximally activating examples of a neuron, a head or a site."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.grids import To
from inscape.cli.opening import Compiled, Device, Dtype, Json, ModelName, RemoteCode, open_model
from inscape.cli.printing import columns, emit, say

EPILOG = """Examples:

\b
  inscape top smollm2-135m reviews mlp_act.12:345
  inscape top smollm2-135m mine.csv z.23.4 --input text -k 20 --to head.html
"""


def top(
    model: ModelName,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Texts: a built-in set or a file.")],
    unit: Annotated[
        str,
        typer.Argument(
            metavar="UNIT",
            help="mlp_act.12:345 (one coordinate of a site) or z.5.7 (the norm of a head).",
        ),
    ],
    column: Annotated[
        str | None, typer.Option("--input", help="The column that the model reads.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many texts.")] = 10,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N examples.")] = None,
    to: To = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Show the maximally activating examples of a unit.

    Texts are ranked by their most active token, in brackets. The page (--to) colours every token.
    """
    from inscape.data.load import load
    from inscape.study.progress import progress
    from inscape.workbench.top import top as most_active

    examples = load(data, input=column, limit=limit)
    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    with progress("reading", total=len(examples), unit="texts") as bar:
        found = most_active(opened, examples, unit, k=k, progress=bar.reach)
    path = None if to is None else found.save(to)
    if as_json:
        emit(found.to_dict() | ({} if path is None else {"page": str(path)}))
        return
    say(f" of {found.model}, most active first", bold=found.unit)
    columns(found.rows())
    say(f"\n{found.said}")
    if path is not None:
        say(f"\nPage: {path}")
