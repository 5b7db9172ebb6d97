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
from inscape.cli.errors import Commands
from inscape.cli.printing import say, warned

EPILOG = """Examples:

\b
  inscape run space-time-neurons             where cities are encoded in a language model
  inscape show sentiment-direction           claims and settings of a study
  inscape harvest smollm2-135m mine.csv --input text --sites 'resid_post.*' --to mine.store

'inscape COMMAND --help' explains a command. An error is one sentence; --debug adds the traceback.
"""

ABOUT = (
    "A workbench for the inner representations of neural networks: open a model, store "
    "activations, "
    "test what they encode."
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
app.command("list")(list.list_studies)
app.command("show")(show.show)
app.command("methods")(methods.methods)
app.command("probe", epilog=probe.EPILOG)(probe.probe)
app.command("compare", epilog=compare.EPILOG)(compare.compare)
app.command("lens", epilog=lens.EPILOG)(lens.lens)
app.command("attention", epilog=attention.EPILOG)(attention.attention)
app.command("attribute", epilog=attribute.EPILOG)(attribute.attribute)
app.command("patch", epilog=patch.EPILOG)(patch.patch)
app.command("ablate", epilog=ablate.EPILOG)(ablate.ablate)
app.command("top", epilog=top.EPILOG)(top.top)
app.command("run", epilog=run.EPILOG)(run.run)
app.command("report")(report.report)
app.command("results")(results.results)
app.command("gallery")(results.gallery)
app.command("certify")(certify.certify)
app.command("sites")(sites.sites)
app.command("fetch")(fetch.fetch)
app.command("data")(data.data)
app.command("harvest", epilog=harvest.EPILOG)(harvest.harvest)
app.command("plan", epilog=plan.EPILOG)(plan.plan)
app.command("verify")(verify.verify)
app.command("vector", epilog=vector.EPILOG)(vector.vector)
app.command("steer", epilog=steer.EPILOG)(steer.steer)
app.command("audit", epilog=audit.EPILOG)(audit.audit)


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
