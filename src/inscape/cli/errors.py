"""Every failure of the command line ends as one sentence on standard error and an exit code.

A wrong option or command: 2. An `InscapeError`, a disk that is full or closed to us, anything
unexpected: 1. Ctrl-C: 130. ``--debug`` anywhere on the line, or ``INSCAPE_DEBUG=1``, shows the
traceback as well.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from inscape.cli.printing import StandardError, say
from inscape.core.errors import InscapeError


class Interrupted(Exception):
    """Ctrl-C, carried past typer, which would drop what the run had to say about it."""


class Command(TyperCommand):
    """A command whose help names what is given, and not how it is held: ``<path>``, ``<int>``."""

    def get_help(self, ctx: Any) -> str:
        """The help as text; what becomes shorter keeps its place in its column."""
        text = super().get_help(ctx)
        return re.sub(r"<list\[(\w+)\]>|<(\w+) range>", _plain, text)


def _plain(found: re.Match[str]) -> str:
    return f"<{(found[1] or found[2]).lower()}>".ljust(len(found[0]))


class Commands(TyperGroup):
    """The group of all commands: help in sections, and failures turned into sentences."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the panel that each was registered with, in order of
        registration.
        """
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, command in commands.items():
            rows = panels.setdefault(command.rich_help_panel, [])
            rows.append((name.ljust(max(map(len, commands))), command.get_short_help_str(200)))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run the command line and leave the process with its exit code."""
        given = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in given or os.environ.get("INSCAPE_DEBUG", "") not in ("", "0")
        extra["standalone_mode"] = False
        # with no handler at all, Python would put log records beside the sentences on standard
        # error
        log, silent = logging.getLogger("inscape"), logging.NullHandler()
        log.addHandler(silent)
        lines, shown = logging.getLogger("inscape.progress"), StandardError()
        lines.addHandler(shown)
        lines.setLevel(logging.INFO)
        lines.propagate = False
        try:
            code = super().main([a for a in given if a != "--debug"], *rest, **extra)
        except Exception as error:
            if debug:
                say(traceback.format_exc().rstrip("\n"), err=True)
            sentence, code = explain(error)
            say(f"inscape: {sentence}", err=True)
        finally:
            log.removeHandler(silent)
            lines.removeHandler(shown)
            lines.setLevel(logging.NOTSET)
            lines.propagate = True
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run one command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted("Interrupted." + _notes(error)) from error


def explain(error: Exception) -> tuple[str, int]:
    """The sentence to print and the exit code for whatever a command raised."""
    if isinstance(error, Interrupted):
        return str(error), 130
    if isinstance(error, InscapeError):
        return _ended(_one_line(error)) + _notes(error), 1
    # typer carries its own copy of click in some versions and imports it in others; both name this method
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        hint = f" Try '{context.command_path} --help'." if context is not None else ""
        return _usage(error.format_message()) + hint, getattr(error, "exit_code", 2)
    if isinstance(error, OSError) and (sentence := _disk(error)):
        return sentence + _notes(error), 1
    described = f"{type(error).__name__}: {_one_line(error)}".rstrip(": .") + "."
    return f"{described}{_notes(error)} Add --debug to see where it happened.", 1


def _ended(sentence: str) -> str:
    """The sentence with its full stop; a command at its end stays as it is typed."""
    command = re.search(r": inscape [^.]*$", sentence)
    bare = sentence[-1:].isalnum() or sentence[-1:] in ("'", '"', ")", "]")
    return f"{sentence}." if bare and not command else sentence


def _usage(message: str) -> str:
    return message if message.endswith((".", "?", ")")) else f"{message}."


def _disk(error: OSError) -> str | None:
    # imported here: the folder's sentences are needed only once something has failed
    from inscape.study.folder import explain as explain_disk

    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return explain_disk(error)
    if error.filename is None or error.strerror is None:
        return None
    return (
        f"{error.strerror}: {error.filename}. Check the path, and that you may read and write "
        "there."
    )


def _one_line(error: Exception) -> str:
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())


def _notes(error: BaseException) -> str:
    return "".join(f" {note}" for note in getattr(error, "__notes__", ()))
