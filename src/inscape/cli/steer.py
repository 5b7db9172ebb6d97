"""``inscape steer MODEL VECTOR --prompt …``: what a model says with a steering vector, and without."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from inscape.cli.opening import (
    Chat,
    Device,
    Dtype,
    Json,
    ModelName,
    RemoteCode,
    in_chat,
    open_model,
)
from inscape.cli.printing import emit, table

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

PLAIN, RANDOM = "as it is", "random"


def steer(
    model: ModelName,
    vector: VectorFile,
    prompts: Annotated[
        list[str], typer.Option("--prompt", help="What the model goes on with; may be given often.")
    ],
    strength: Annotated[
        str, typer.Option(help="Strengths, separated by commas; write --strength=-4 below 0.")
    ] = "4,8",
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens to say at most.")] = 32,
    seed: Annotated[
        int, typer.Option(help="Of sampling and of the random vector; same seed, same words.")
    ] = 0,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 always takes the likeliest token.")
    ] = 0.8,
    phase: Annotated[
        str, typer.Option(help="Where the vector acts: all tokens, prompt, or generated ones.")
    ] = "all",
    random: Annotated[
        bool,
        typer.Option(
            "--random/--no-random", help="Show a random vector of the same length as well."
        ),
    ] = True,
    chat: Chat = False,
    device: Device = "cpu",
    dtype: Dtype = None,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Say what a model says with a steering vector and without.

    Below the vector's strengths stands a random vector as long as the vector on every block, at the largest strength: what
    it does, any push of that size does.
    """
    from inscape.control.matched_vectors import random_vectors
    from inscape.control.steering_vector import SteeringVector
    from inscape.core.rng import generator
    from inscape.workbench.steering import fitting

    doses = strengths(strength)
    if phase not in ("all", "prompt", "generated"):
        raise typer.BadParameter(f"all, prompt or generated, not {phase!r}", param_hint="'--phase'")
    loaded = SteeringVector.load(vector)
    opened = open_model(model, device, dtype, trust_remote_code)
    fitting(opened, loaded, vector.name)
    asked = [str(in_chat(opened, prompt, chat)) for prompt in prompts]
    conditions: dict[str, Any] = {PLAIN: []}
    conditions |= {f"strength {dose:g}": loaded.edits(dose, phase=phase) for dose in doses}
    if random:
        most = max(doses, key=abs)
        (drawn,) = random_vectors(loaded, 1, rng=generator(seed, "steer", "random"))
        conditions[f"{RANDOM}, {most:g}"] = drawn.edits(most, phase=phase)
    said = {
        name: opened.generate(
            asked, max_new_tokens, edits=edits, temperature=temperature, seed=seed
        )
        for name, edits in conditions.items()
    }
    if as_json:
        emit(
            [
                {"prompt": p, "said": {name: texts[i] for name, texts in said.items()}}
                for i, p in enumerate(prompts)
            ]
        )
        return
    for i, prompt in enumerate(prompts):
        _show(prompt, {name: texts[i] for name, texts in said.items()})


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


def _show(prompt: str, said: dict[str, str]) -> None:
    rows = [(name, " ".join(text.split()) or "(nothing)") for name, text in said.items()]
    table(prompt, ("", "goes on"), rows)
