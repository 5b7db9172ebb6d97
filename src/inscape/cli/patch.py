"""``inscape patch MODEL CLEAN CORRUPTED``: which activation carries what makes two prompts answer differently."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.grids import To, hand_over
from inscape.cli.opening import Device, Dtype, Json, ModelName, RemoteCode, open_model

EPILOG = """Examples:

\b
  inscape patch smollm2-135m 'The capital of France is' 'The capital of Italy is'
  inscape patch smollm2-135m 'The capital of France is' 'The capital of Italy is' --sites 'attn_out.*' --to patch.html
"""


def patch(
    model: ModelName,
    clean: Annotated[
        str, typer.Argument(metavar="CLEAN", help="The prompt whose activations are put in.")
    ],
    corrupted: Annotated[
        str,
        typer.Argument(metavar="CORRUPTED", help="The prompt that is run, of as many tokens."),
    ],
    answer: Annotated[
        str | None, typer.Option(help="The word after CLEAN. Default: the likeliest.")
    ] = None,
    wrong: Annotated[
        str | None, typer.Option(help="The word after CORRUPTED. Default: the likeliest.")
    ] = None,
    sites: Annotated[
        str, typer.Option(help="What is patched: 'resid_pre.*', 'attn_out.*', 'mlp_out.*'.")
    ] = "resid_pre.*",
    to: To = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Patch every site and position of one prompt from another.

    Effect 1: the answer is as after CLEAN; 0: as after CORRUPTED.
    """
    from inscape.study.prompt_patching import patch as patched

    opened = open_model(model, device, dtype, trust_remote_code)
    found = patched(opened, clean, corrupted, answer=answer, wrong=wrong, sites=sites)
    hand_over(found, to, as_json, found.said)
