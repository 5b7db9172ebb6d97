"""``inscape patch MODEL CLEAN CORRUPTED``: which activation carries what makes two prompts answer differently."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from inscape.cli.grids import To, hand_over
from inscape.cli.opening import Device, Dtype, Json, ModelName, RemoteCode, open_model

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
        typer.Argument(metavar="[CLEAN]", help="The prompt whose activations are put in."),
    ] = None,
    corrupted: Annotated[
        str | None,
        typer.Argument(metavar="[CORRUPTED]", help="The prompt that is run, of as many tokens."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="In place of two prompts: a table with the columns clean and corrupted."),
    ] = None,
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

    Effect 1: the answer is as after CLEAN; 0: as after CORRUPTED. A table of pairs may name answers too (columns answer,
    wrong); effects are averaged.
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
    opened = open_model(model, device, dtype, trust_remote_code)
    with progress("patching", unit="runs") as bar:
        found = patched(opened, **asked, sites=sites, progress=bar.reach)
    hand_over(found, to, as_json, found.said)
