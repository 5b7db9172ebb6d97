"""``inscape attention MODEL PROMPT --layer L``: attention weights of a layer or a head."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.grids import Prompt, To, hand_over
from inscape.cli.opening import Compiled, Device, Dtype, Json, ModelName, RemoteCode, open_model

EPILOG = """Examples:

\b
  inscape attention smollm2-135m 'The capital of France is' --layer 23
  inscape attention smollm2-135m 'The capital of France is' --layer 23 --head 4 --to head.html
"""


def attention(
    model: ModelName,
    prompt: Prompt,
    layer: Annotated[int, typer.Option(help="The layer, from 0; --layer=-1 is the last.")],
    head: Annotated[
        int | None, typer.Option(help="One head. Default: all heads of the layer.")
    ] = None,
    weighted: Annotated[
        bool,
        typer.Option("--weighted", help="Weights times the lengths of the values found there."),
    ] = False,
    to: To = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Show the attention weights of a layer or of one head.

    Without --head, the weights of every head at the last token; the page (--to) has every head in
    full.
    """
    from inscape.workbench.attention import attention as patterns

    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    found = patterns(opened, prompt, layer, head, weighted=weighted)
    hand_over(found, to, as_json, found.said)
