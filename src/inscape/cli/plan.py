"""``inscape plan MODEL DATA``: what a harvest will take, from a short measured sample, before
anything is spent."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from inscape.cli.harvest import StoreDtype, chosen_columns, stored
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
from inscape.cli.printing import columns, emit, paragraph, say

EPILOG = """Examples:

\b
  inscape plan smollm2-135m cities --sites 'resid_post.*'
  inscape plan smollm2-135m mine.csv --input text --at all --store-dtype bfloat16 --to /data/mine.store
"""


def plan(
    model: ModelName,
    examples: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A built-in set, or a CSV, JSON Lines or Parquet file."
        ),
    ],
    sites: Annotated[
        str, typer.Option(help="Sites to read, as patterns: 'resid_post.*', 'mlp_out.3:7'.")
    ] = ("resid_post.*"),
    at: Annotated[
        str, typer.Option(help="Which positions: last, first, all, mean, mean-all, span:NAME, -1.")
    ] = "last",
    to: Annotated[
        str | None, typer.Option(help="The folder where the store would go. Default: the cache.")
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
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Say what a harvest will take: bytes, memory, tokens, minutes.

    A few of its batches are run and timed, and a small store is written and removed. The exit code
    is 1 if disk or memory do not suffice; then it says what to ask for instead.
    """
    from inscape.data.load import load
    from inscape.store.forecast import forecast

    on_disk = stored(store_dtype)
    loaded = load(examples, limit=limit, **chosen_columns(column, labels, group, spans))
    opened = open_model(model, device, dtype, trust_remote_code, compiled)
    found = forecast(
        opened, loaded, sites, at=at, to=to, dtype=on_disk, prompt=in_chat(opened, prompt, chat)
    )
    if as_json:
        emit(found.to_dict())
    else:
        _print(found)
    if not found.fits:
        raise typer.Exit(1)


def _print(found: Any) -> None:
    measured = found.measured
    say(
        f"{found.model}: {len(found.sites)} sites, {found.rows:,} rows of {found.examples:,} "
        f"examples at {found.at}, {found.dtype}"
    )
    speed = found.padded_tokens / found.pass_seconds if found.pass_seconds else 0.0
    room = "unknown" if found.free_memory is None else _size(found.free_memory)
    columns(
        [
            (
                "tokens",
                f"{found.tokens:,} ({found.padded_tokens:,} computed, in {found.batches:,} "
                f"batch{'' if found.batches == 1 else 'es'})",
            ),
            ("disk", f"{_size(found.bytes)}; free: {_size(found.free_disk)} at {found.folder}"),
            (
                "memory",
                f"{_size(found.memory)} at its peak, {_size(found.more_memory)} more than now; "
                f"free: {room}",
            ),
            (
                "time",
                f"{_duration(found.seconds)}: {_duration(found.prepare_seconds)} to prepare, "
                f"{_duration(found.pass_seconds)} of passes ({speed:,.0f} tokens/s), beside them "
                f"{_duration(found.write_seconds)} of writing",
            ),
        ]
    )
    wrote = (
        f"; {_size(measured.written)} written and removed in {_duration(measured.write_seconds)}"
    )
    paragraph(
        f"Measured: {measured.batches} of {found.batches:,} batches, {measured.tokens:,} tokens "
        f"in {_duration(measured.seconds)}{wrote if measured.written else ''}. "
        "Time on a busy machine differs by as much as the machine is busy."
    )
    if found.problem:
        say(found.problem[0].upper() + found.problem[1:])
    if found.instead:
        what = " and ".join(
            name
            for name, enough in (("disk", found.disk_suffices), ("memory", found.memory_suffices))
            if not enough
        )
        say(f"Not enough {what}. Ask for less:")
        columns(
            [(o.ask, _size(o.bytes), "fits" if o.fits else "does not fit") for o in found.instead]
        )


def _size(count: float | int) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return (
                f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
            )
        count /= 1000
    return f"{count:.1f} TB"


def _duration(seconds: float | int) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
