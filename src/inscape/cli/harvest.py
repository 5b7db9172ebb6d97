"""``inscape harvest MODEL DATA``: store the activations of many sites on a table of examples."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

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
)
from inscape.cli.printing import columns, emit, say

On = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="WHERE",
        help="local, ray (the cluster of RAY_ADDRESS, or a new one here) or ray://HOST:PORT.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Workers of --on ray. Default: one for each GPU, or one for each machine."
    ),
]
StoreDtype = Annotated[str, typer.Option(help="Precision on disk: float32, bfloat16 or float16.")]

EPILOG = """Examples:

\b
  inscape harvest smollm2-135m cities --sites 'resid_post.*' --to cities.store
  inscape harvest smollm2-135m mine.csv --input text --labels year,place --group author --to mine.store
  inscape harvest ./my-model mine.jsonl --input text --sites 'resid_post.10:20,mlp_out.*' --at mean --to mine.store
  inscape harvest smollm2-135m cities --on ray --workers 2 --to cities.store
"""


def harvest(
    model: ModelName,
    examples: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A built-in set, a CSV, JSON Lines or Parquet file, or a folder of images or WAV "
            "files.",
        ),
    ],
    sites: Annotated[
        str, typer.Option(help="Sites to read, as patterns: 'resid_post.*', 'mlp_out.3:7'.")
    ] = ("resid_post.*"),
    at: Annotated[
        str, typer.Option(help="Which positions: last, first, all, mean, mean-all, span:NAME, -1.")
    ] = "last",
    to: Annotated[
        str | None,
        typer.Option(
            help="Where to put the store: a folder, or s3://BUCKET/PATH. Default: the cache."
        ),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--input", help="The column that the model reads.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Label columns, separated by commas.")] = None,
    group: Annotated[str | None, typer.Option(help="Grouping column for cross-validation.")] = None,
    spans: Annotated[
        list[str] | None,
        typer.Option(
            "--span",
            metavar="NAME=START,END",
            help="Two columns: first character of a span, and last + 1.",
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="A template with one {} in place of the text.")
    ] = None,
    chat: Chat = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N examples.")] = None,
    store_dtype: StoreDtype = "float32",
    nonfinite: Annotated[
        str,
        typer.Option(
            help="What to do with NaN or infinite activations: refuse, or keep and count them."
        ),
    ] = "refuse",
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    on: On = "local",
    workers: Workers = None,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Store the activations of many sites.

    The model runs once over the examples. The store also keeps their ids, groups and labels.
    """
    from inscape.data.load import load
    from inscape.store.harvest import harvest as harvest_store

    on_disk, where = stored(store_dtype), engine(on, workers, device)
    if nonfinite not in ("refuse", "keep"):
        raise typer.BadParameter(f"refuse or keep, not {nonfinite!r}", param_hint="'--nonfinite'")
    loaded = load(examples, limit=limit, **chosen_columns(column, labels, group, spans))
    # on Ray the workers have the devices; here the texts are prepared and the store is written
    opened = open_model(
        model, device if on == "local" else "cpu", dtype, trust_remote_code, compiled
    )
    try:
        store = harvest_store(
            opened,
            loaded,
            sites,
            at=at,
            to=to,
            dtype=on_disk,
            prompt=in_chat(opened, prompt, chat),
            nonfinite=nonfinite,
            on=where,
        )
    except KeyboardInterrupt as error:
        error.add_note("Finished shards are kept; the same command resumes.")
        raise
    rows = [(str(site), store.width(site)) for site in store.sites]
    if as_json:
        found = [{"site": site, "width": width} for site, width in rows]
        emit(
            {
                "store": str(store.path),
                "model": opened.name,
                "examples": len(loaded),
                "rows": len(store),
                "sites": found,
            }
        )
        return
    say(
        f"{store.path}: {len(store)} rows of {len(loaded)} examples, {len(rows)} sites of "
        f"{opened.name}"
    )
    columns(rows)
    say(f"\nRead it: inscape.Store({str(store.path)!r}).matrix({rows[-1][0]!r})")


def chosen_columns(
    column: str | None, labels: str | None, group: str | None, spans: list[str] | None
) -> dict[str, Any]:
    """Only what was typed, so that a built-in set keeps its own columns."""
    names = (
        None
        if labels is None
        else tuple(name.strip() for name in labels.split(",") if name.strip())
    )
    pairs = dict(_span(text) for text in spans) if spans else None
    given = {"input": column, "labels": names, "group": group, "spans": pairs}
    return {name: value for name, value in given.items() if value is not None}


def engine(on: str, workers: int | None, device: str) -> Any:
    """Where to compute, as it was typed."""
    from inscape.store.engines.choose import engine as named
    from inscape.store.engines.local import Local

    try:
        found = named(on)
    except ValueError:
        raise typer.BadParameter(
            f"local, ray or ray://HOST:PORT, not {on!r}", param_hint="'--on'"
        ) from None
    if not isinstance(found, Local):
        return replace(found, workers=workers, place=device)
    if workers is not None:
        raise typer.BadParameter(
            "only --on ray has workers; leave this option out", param_hint="'--workers'"
        )
    return found


def stored(dtype: str) -> str:
    """The dtype of the disk, if it is one."""
    if dtype not in ("float32", "bfloat16", "float16"):
        raise typer.BadParameter(
            f"float32, bfloat16 or float16, not {dtype!r}", param_hint="'--store-dtype'"
        )
    return dtype


def _span(text: str) -> tuple[str, tuple[str, str]]:
    name, _, ends = text.partition("=")
    start, comma, end = ends.partition(",")
    if not (name.strip() and comma and start.strip() and end.strip()):
        raise typer.BadParameter(
            f"write --span NAME=START,END with two columns, got {text!r}", param_hint="'--span'"
        )
    return name.strip(), (start.strip(), end.strip())
