"""``inscape ablate MODEL PROMPT…``: effect of ablating each layer's attention and MLP, each head,
or neurons."""

from __future__ import annotations

from typing import Annotated

import typer

from inscape.cli.grids import To, hand_over
from inscape.cli.opening import Compiled, Device, Dtype, Json, ModelName, RemoteCode, open_model

EPILOG = """Examples:

\b
  inscape ablate smollm2-135m 'The capital of France is'
  inscape ablate smollm2-135m 'The capital of France is' --what neurons
  inscape ablate smollm2-135m 'The capital of France is' 'The capital of Italy is' --what heads --to heads.html
"""


def ablate(
    model: ModelName,
    prompts: Annotated[
        list[str],
        typer.Argument(metavar="PROMPT", help="One or more texts; effects are averaged."),
    ],
    what: Annotated[
        str, typer.Option(help="layers (attention, MLP, both), heads or neurons.")
    ] = "layers",
    answer: Annotated[
        str | None,
        typer.Option(help="The word after every prompt. Default: the model's own for each."),
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="mean (over the prompts) or zero ablation.")
    ] = "mean",
    count: Annotated[
        int, typer.Option(min=1, help="How many neurons: those that a gradient names first.")
    ] = 20,
    to: To = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Ablate each component and measure the effect on the answer.

    The effect is the change of the answer's log-probability at the last token; below zero, the
    component helps the answer.
    """
    from inscape.study.progress import progress
    from inscape.workbench.ablate import BASELINES, KINDS
    from inscape.workbench.ablate import ablate as ablated

    for option, value, choices in (("what", what, KINDS), ("baseline", baseline, BASELINES)):
        if value not in choices:
            raise typer.BadParameter(
                f"{', '.join(choices[:-1])} or {choices[-1]}, not {value!r}",
                param_hint=f"'--{option}'",
            )
    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    with progress(f"ablating {what}", unit="components") as bar:
        found = ablated(
            opened,
            prompts,
            answer=answer,
            what=what,
            to=baseline,
            count=count,
            progress=bar.reach,
        )
    hand_over(found, to, as_json, found.said)
