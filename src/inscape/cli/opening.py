"""The options of every command that opens a model, and the progress bar of a download."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model: a name from 'inscape fetch', a Hub id, a folder or GGUF file; of a network "
        "of several stacks, #decoder or #text behind it names another than the first.",
    ),
]
Device = Annotated[str, typer.Option(help="Device: cpu, cuda or mps.")]
Dtype = Annotated[
    str | None, typer.Option(help="float32, bfloat16, float16 or float64; default: float32.")
]
Compiled = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the blocks by torch.compile: for passes that do not look inside them, after "
        "a minute or so.",
    ),
]
RemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code", help="Allow code that comes with the model to run on this machine."
    ),
]
Chat = Annotated[
    bool,
    typer.Option(
        "--chat", help="Put each text into the model's chat template, as a message of the user."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def sized_seed(seed: int) -> int:
    """The seed, where it fits 64 bits: said before anything is computed."""
    if not -(2**63) <= seed < 2**63:
        raise typer.BadParameter("a seed lies between −2^63 and 2^63 − 1")
    return seed


def open_model(
    model: str,
    device: str,
    dtype: str | None,
    trust_remote_code: bool,
    compiled: bool = False,
) -> Any:
    """`inscape.model.open.open` with the options as they were typed; ``NAME#TOWER`` names one of
    several stacks.
    """
    from inscape.model.open import open

    name, _, tower = model.partition("#")
    if Path(model).exists():
        name, tower = model, ""
    with fetching(name) as arrived:
        return open(
            name,
            device=device,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            progress=arrived,
            **({"compile": True} if compiled else {}),
            **({"tower": tower} if tower else {}),
        )


def in_chat(model: Any, prompt: str | None, chat: bool) -> str | None:
    """A template of a prompt, set into the model's chat template if that was asked for."""
    from inscape.model.chat import chat as as_text

    return as_text(model, prompt or "{}") if chat else prompt


@contextmanager
def fetching(name: str) -> Iterator[Any]:
    """A callable of bytes done and in all, that draws a bar from its first call on; nothing
    fetched, nothing drawn."""
    from inscape.study.progress import progress

    with ExitStack() as stack:
        bars: list[Any] = []

        def arrived(done: int, total: int) -> None:
            if not bars:
                bars.append(
                    stack.enter_context(progress(f"fetching {name}", total=total, unit="bytes"))
                )
            bars[0].advance(done - bars[0].done)

        yield arrived
