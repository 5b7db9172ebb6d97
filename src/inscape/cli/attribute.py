"""``inscape attribute MODEL PROMPT``: direct logit attribution by layer and head."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.grids import Prompt, To, hand_over
from inscape.cli.opening import Compiled, Device, Dtype, Json, ModelName, RemoteCode, open_model

EPILOG = """Examples:

\b
  inscape attribute smollm2-135m 'The capital of France is'
  inscape attribute smollm2-135m 'The capital of France is' --answer Paris --wrong Rome --to attribution.html
"""


def attribute(
    model: ModelName,
    prompt: Prompt,
    answer: Annotated[
        str | None, typer.Option(help="The next word. Default: the model's top prediction.")
    ] = None,
    wrong: Annotated[
        str | None,
        typer.Option(help="The word it is compared with. Default: the second prediction."),
    ] = None,
    to: To = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Show what each layer and head adds to the answer's logit.

    Direct logit attribution: the component's own output, with the scale of the final norm held
    constant.
    """
    from inscape.workbench.attribute import attribute as attributed

    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    found = attributed(opened, prompt, answer=answer, wrong=wrong)
    hand_over(found, to, as_json, found.said)
