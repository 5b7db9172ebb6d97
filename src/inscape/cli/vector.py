"""``inscape vector MODEL DATA --to FILE``: make a steering vector from texts of two classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inscape.cli.harvest import chosen_columns
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
from inscape.cli.printing import columns, emit, say

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Labelled texts: a built-in set ('inscape data'), or a CSV or JSON file.",
    ),
]
Label = Annotated[
    str | None,
    typer.Option(help="The column of two classes. Default: the first label that has two."),
]
At = Annotated[
    str,
    typer.Option(help="Token position to read: last, first, mean, mean-all, span:NAME, -2."),
]

EPILOG = """Examples:

\b
  inscape vector smollm2-135m templated-sentiment --to cheer.gguf
  inscape vector smollm2-135m mine.csv --input text --label formal --group author --method logistic --to formal.gguf
  inscape steer smollm2-135m cheer.gguf --prompt 'My holiday was'
  inscape audit smollm2-135m cheer.gguf --data templated-sentiment
"""


def vector(
    model: ModelName,
    examples: Data,
    to: Annotated[
        Path, typer.Option(help="The file to write: .gguf (llama.cpp reads it) or .safetensors.")
    ],
    label: Label = None,
    layers: Annotated[
        str | None,
        typer.Option(help="Blocks, such as 10:20, 12 or '*'. Default: the middle third."),
    ] = None,
    at: At = "last",
    method: Annotated[
        str, typer.Option(help="difference (of means), pca (of pairs), logistic or lda.")
    ] = "difference",
    column: Annotated[
        str | None, typer.Option("--input", help="The column that the model reads.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Grouping column for cross-validation.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="A template with one {} in place of the text.")
    ] = None,
    chat: Chat = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N texts.")] = None,
    seed: Annotated[
        int, typer.Option(callback=sized_seed, help="Seed of the folds and shuffles of its test.")
    ] = 0,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Make a steering vector from texts of two classes.

    The vector points from the first class to the second, in order of their names (from 0 to 1).
    Strength 1 adds the distance between the two class means, shared between its blocks. The last
    lines give the AUC along the vector on held-out groups.
    """
    from inscape.control.steering_vector import ENDINGS, MARK
    from inscape.core.errors import DataError
    from inscape.core.overwriting import refuse_foreign
    from inscape.data.load import load
    from inscape.workbench.steering import METHODS, make_vector

    if method not in METHODS:
        raise typer.BadParameter(
            f"{', '.join(METHODS[:-1])} or {METHODS[-1]}, not {method!r}", param_hint="'--method'"
        )
    if to.suffix not in ENDINGS:
        raise typer.BadParameter(
            f"name a file that ends in {' or '.join(ENDINGS)}, not {to.name!r}", param_hint="'--to'"
        )
    refuse_foreign(to, MARK, DataError)  # before anything is computed
    loaded = load(examples, limit=limit, **chosen_columns(column, None, group, None))
    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    template = in_chat(opened, prompt, chat)
    loaded = loaded if template is None else loaded.with_prompt(template)
    made = make_vector(opened, loaded, label, layers=layers, at=at, method=method, seed=seed)
    made.vector.save(to)
    blocks = list(made.vector.vectors)
    if as_json:
        emit(
            {
                "path": str(to),
                "model": opened.name,
                "blocks": blocks,
                "card": made.vector.card,
                **made.evidence.row(),
            }
        )
        return
    card = made.vector.card
    say(f"{to}: a steering vector for {opened.name}, {card['what']}")
    facts = [
        ("blocks", f"{blocks[0]} to {blocks[-1]}" if len(blocks) > 1 else str(blocks[0])),
        ("method", f"{method}, {card['texts']} texts of {card['data']}, token position {at}"),
        ("held out", str(made.evidence)),
        ("strength", str(card["unit"])),
    ]
    columns(facts)
    for warning in made.evidence.warnings:
        say(f"Warning: {warning}")
    say(f"\nTry it: inscape steer {model} {to} --prompt '…'")
