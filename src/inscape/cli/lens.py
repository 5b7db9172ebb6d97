"""``inscape lens MODEL PROMPT``: the next token predicted from each layer, at every position
(logit lens)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inscape.cli.grids import Prompt, To, hand_over
from inscape.cli.opening import Compiled, Device, Dtype, Json, ModelName, RemoteCode, open_model

EPILOG = """Examples:

\b
  inscape lens smollm2-135m 'The capital of France is'
  inscape lens smollm2-135m 'The capital of France is' --sites 'resid_post.20:30' --to lens.html
"""


def lens(
    model: ModelName,
    prompt: Prompt,
    sites: Annotated[
        str, typer.Option(help="Sites of the residual stream: 'resid_post.10:20'.")
    ] = "resid_post.*",
    k: Annotated[int, typer.Option("-k", min=1, help="Number of top tokens in each cell.")] = 5,
    by: Annotated[
        Path | None,
        typer.Option(
            "--lens", help="A tuned lens' folder or a Jacobian lens' file; else the logit lens."
        ),
    ] = None,
    to: To = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Show the next token predicted from each layer (logit lens).

    Each state goes through the model's final norm and unembedding. The last layer is at the top.
    """
    from inscape.workbench.lens import lens as read_layers

    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    found = read_layers(opened, prompt, sites=sites, k=k, by=by)
    last = ", ".join(
        f"{word!r} {p:.1%}"
        for word, p in zip(found.words[-1, -1], found.probabilities[-1, -1], strict=True)
    )
    hand_over(found, to, as_json, f"After the prompt: {last}.")
