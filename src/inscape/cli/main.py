"""``inscape``: the command line. Every command is a thin file beside this one."""

from __future__ import annotations

import importlib.metadata
import sys
import warnings
from contextlib import suppress
from typing import Annotated

import typer

from inscape.cli import (
    ablate,
    attention,
    attribute,
    audit,
    certify,
    compare,
    data,
    fetch,
    harvest,
    lens,
    list,
    methods,
    patch,
    plan,
    probe,
    report,
    results,
    run,
    show,
    sites,
    steer,
    top,
    vector,
    verify,
)
from inscape.cli.errors import Command, Commands
from inscape.cli.printing import say, warned

EPILOG = """Examples:

\b
  inscape probe smollm2-135m mine.csv --input text --labels score --group author
  inscape lens smollm2-135m 'The capital of France is' --to lens.html
  inscape run space-time-neurons

'inscape COMMAND --help' explains a command. An error is one sentence; --debug adds the traceback.
"""

ABOUT = (
    "A workbench for the inner representations of neural networks: open a model, store "
    "activations, test what they encode."
)

app = typer.Typer(
    name="inscape",
    cls=Commands,
    help=ABOUT,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    # plain help costs half the start time of rich help, and copies cleanly
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 110},
)
#: the headings of the help, with the commands under each
PANELS = {
    "Your own question": (probe.probe, compare.compare),
    "Look inside": (
        lens.lens,
        attention.attention,
        attribute.attribute,
        patch.patch,
        ablate.ablate,
        top.top,
    ),
    "Steer": (vector.vector, steer.steer, audit.audit),
    "Studies of papers": (
        list.list_studies,
        show.show,
        run.run,
        report.report,
        results.results,
        results.gallery,
    ),
    "Models, data and stores": (
        certify.certify,
        sites.sites,
        methods.methods,
        fetch.fetch,
        data.data,
        harvest.harvest,
        plan.plan,
        verify.verify,
    ),
}
for _panel, _commands in PANELS.items():
    for _command in _commands:
        app.command(
            _command.__name__.partition("_")[0],
            cls=Command,
            epilog=getattr(sys.modules[_command.__module__], "EPILOG", None),
            rich_help_panel=_panel,
        )(_command)


def _version(asked: bool | None) -> None:
    if asked:
        say(importlib.metadata.version("inscape"))
        raise typer.Exit


@app.callback(help=ABOUT)
def options(
    # without the option, typer calls the function with None whatever the default says
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """The options before a command."""


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        # a terminal that lacks a character such as ² prints a mark instead of ending the run
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    # a warning names what it warns of, which may be any text
    warnings.formatwarning = warned
    app(prog_name="inscape")


if __name__ == "__main__":
    main()
