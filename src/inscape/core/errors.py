"""Errors a user can act on: one sentence saying what is wrong and one naming the cure.

`InscapeError` and its subclasses are printed by the command line without a traceback. Callers' own
mistakes in plain functions (a wrong shape, an unknown option) are `ValueError` and `TypeError`, as
everywhere in Python.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InscapeError(Exception):
    """Base of every error that the command line prints as one sentence.

    Names from files may hold anything: characters that a terminal would obey, or that cannot be
    written, become a mark.

    Example:
        >>> str(InscapeError("no column '\\x1b[2J'"))
        "no column '�[2J'"
    """

    def __init__(self, *values: object) -> None:
        super().__init__(*(plain(v) if isinstance(v, str) else v for v in values))


class ModelError(InscapeError):
    """A model cannot be opened, or cannot do what was asked."""


class SiteError(InscapeError):
    """A site does not exist in this model, or is not what its name promises."""


class CertificateError(InscapeError):
    """A certificate item failed, and the sites it concerns were asked for."""


class FetchError(InscapeError):
    """A model or data set cannot be fetched; the message says which ways remain."""


class DataError(InscapeError):
    """Examples are missing, malformed, or cannot answer the question asked of them."""


class ObjectError(InscapeError):
    """A bucket or an object cannot be reached, or denies what was asked."""


class ClusterError(InscapeError):
    """A cluster of workers cannot be reached or used."""


class StoreError(InscapeError):
    """A store is damaged, half-written, or belongs to another model or data set."""


class StudyError(InscapeError):
    """A study, preset or setting is unknown or cannot run."""


class RunError(InscapeError):
    """A run folder is missing, unfinished or unreadable."""


def plain(text: str) -> str:
    """Text without characters that a terminal would obey; lines are kept."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def suggest(name: str, choices: Iterable[str], limit: int = 12) -> str:
    """A tail for an error message: close names if there are any, else the choices.

    Args:
        name: what the user typed.
        choices: what exists.
        limit: how many choices to list before "…".

    Returns:
        A sentence such as ``Did you mean 'cities'?`` or ``Choices: a, b, c.``

    Example:
        >>> suggest("citis", ["cities", "people"])
        "Did you mean 'cities'? Choices: cities, people."
    """
    names = sorted({c if len(c) <= 80 else f"{c[:79]}…" for c in map(str, choices)})
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    listed = ", ".join(names[:limit]) + (f", … ({len(names)} in all)" if len(names) > limit else "")
    hint = f"Did you mean {' or '.join(repr(c) for c in close)}? " if close else ""
    return f"{hint}Choices: {listed}." if listed else "There is none to choose from."
