"""``inscape steer MODEL VECTOR --prompt …``: generate with and without a steering vector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inscape.cli.grids import To
from inscape.cli.opening import (
    Chat,
    Compiled,
    Device,
    Dtype,
    Json,
    ModelName,
    RemoteCode,
    in_chat,
    open_model,
    sized_seed,
)
from inscape.cli.printing import emit, say, table

VectorFile = Annotated[
    Path,
    typer.Argument(
        metavar="VECTOR",
        help="A .gguf or .safetensors steering vector; 'inscape vector' makes one.",
    ),
]

EPILOG = """Examples:

\b
  inscape steer smollm2-135m cheer.gguf --prompt 'My holiday was'
  inscape steer smollm2-135m cheer.gguf --prompt 'My holiday was' --prompt 'The soup' --strength=-8,8
  inscape steer smollm2-135m cheer.gguf --prompt 'My holiday was' --temperature 0 --phase generated
"""


def steer(
    model: ModelName,
    vector: VectorFile,
    prompts: Annotated[
        list[str], typer.Option("--prompt", help="A prompt to complete; repeat it for several.")
    ],
    strength: Annotated[
        str, typer.Option(help="Steering strengths, separated by commas; negative: --strength=-4.")
    ] = "4,8",
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens to generate.")] = 32,
    seed: Annotated[
        int,
        typer.Option(callback=sized_seed, help="Seed of the sampling and of the random vector."),
    ] = 0,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="Sampling temperature; 0 is greedy decoding.")
    ] = 0.8,
    phase: Annotated[
        str, typer.Option(help="Which tokens are steered: all, prompt or generated.")
    ] = "all",
    random: Annotated[
        bool,
        typer.Option(
            "--random/--no-random", help="Also generate with a random vector of the same norm."
        ),
    ] = True,
    chat: Chat = False,
    to: To = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Generate with and without a steering vector.

    The last row is a control: a random vector with the same norm on every block, at the largest
    strength. What it changes, any vector of that norm would change.
    """
    from dataclasses import replace

    from inscape.control.steering_vector import SteeringVector
    from inscape.study.progress import progress
    from inscape.workbench.steer import steer as completed
    from inscape.workbench.steering import fitting

    doses = strengths(strength)
    if phase not in ("all", "prompt", "generated"):
        raise typer.BadParameter(f"all, prompt or generated, not {phase!r}", param_hint="'--phase'")
    loaded = SteeringVector.load(vector)
    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    fitting(opened, loaded, vector.name)
    with progress("generating", unit="conditions") as bar:
        found = completed(
            opened,
            loaded,
            [str(in_chat(opened, prompt, chat)) for prompt in prompts],
            strengths=doses,
            phase=phase,
            random=random,
            seed=seed,
            progress=bar.reach,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
        )
    found = replace(found, vector=vector.name, prompts=tuple(prompts))
    path = None if to is None else found.save(to)
    if as_json:
        emit(found.to_dict()["prompts"])
        return
    for warning in loaded.warnings:
        say(f"Warning: {warning}")
    for i, prompt in enumerate(prompts):
        _show(prompt, {name: texts[i] for name, texts in found.completions.items()})
    if path is not None:
        say(f"\nPage: {path}")


def strengths(text: str) -> list[float]:
    """Numbers separated by commas."""
    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = []
    if not found or any(x == 0 or x != x or abs(x) == float("inf") for x in found):
        raise typer.BadParameter(
            f"write numbers other than 0, such as 4,8; got {text!r}", param_hint="'--strength'"
        )
    return found


def _show(prompt: str, completions: dict[str, str]) -> None:
    rows = [(name, " ".join(text.split()) or "(nothing)") for name, text in completions.items()]
    table(prompt, ("", "completion"), rows)
