"""``inscape patch MODEL CLEAN CORRUPTED``: activation patching between two prompts or many
pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from inscape.cli.grids import To, hand_over
from inscape.cli.opening import Compiled, Device, Dtype, Json, ModelName, RemoteCode, open_model

EPILOG = """Examples:

\b
  inscape patch smollm2-135m 'The capital of France is' 'The capital of Italy is'
  inscape patch smollm2-135m 'The capital of France is' 'The capital of Italy is' --sites 'attn_out.*' --to patch.html
  inscape patch smollm2-135m --pairs pairs.csv
"""


def patch(
    model: ModelName,
    clean: Annotated[
        str | None,
        typer.Argument(metavar="CLEAN", help="The prompt that activations are taken from."),
    ] = None,
    corrupted: Annotated[
        str | None,
        typer.Argument(
            metavar="CORRUPTED",
            help="The prompt that they are patched into, with as many tokens.",
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Instead of two prompts: a table with columns clean and corrupted."),
    ] = None,
    answer: Annotated[
        str | None, typer.Option(help="The word after CLEAN. Default: the top prediction.")
    ] = None,
    wrong: Annotated[
        str | None, typer.Option(help="The word after CORRUPTED. Default: the top prediction.")
    ] = None,
    sites: Annotated[
        str, typer.Option(help="Sites to patch: 'resid_pre.*', 'attn_out.*', 'mlp_out.*'.")
    ] = "resid_pre.*",
    to: To = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Patch every site and position from one prompt into another.

    An effect of 1 restores the answer of CLEAN, 0 leaves that of CORRUPTED. A table of pairs may
    also have columns answer and wrong; effects are averaged.
    """
    from inscape.study.progress import progress
    from inscape.workbench.patch import patch as patched

    if (pairs is None) == (clean is None) or (clean is None) != (corrupted is None):
        raise typer.BadParameter("give CLEAN and CORRUPTED, or --pairs FILE")
    asked: dict[str, Any] = {
        "clean": clean,
        "corrupted": corrupted,
        "answer": answer,
        "wrong": wrong,
    }
    if pairs is not None:
        from inscape.data.load import load

        frame = load(pairs, input="clean", labels=["corrupted"]).frame
        asked |= {k: list(frame[k].astype(str)) for k in asked if k in frame}
    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    with progress("patching", unit="runs") as bar:
        found = patched(opened, **asked, sites=sites, progress=bar.reach)
    hand_over(found, to, as_json, found.said)
