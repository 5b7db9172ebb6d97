"""Failures of other libraries' readers, as one sentence of ours.

A damaged or hostile file makes its reader raise whatever it meets (`KeyError`, `struct.error`,
`ArrowInvalid`, a panic of Rust code); `foreign` turns all of them into an `InscapeError` that names
the file, the reason and the cure. Advice that a library gives in its own message, such as to allow
pickles or a checkpoint's code, is never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from inscape.core.errors import InscapeError

#: characters of a reason that are passed on
LONGEST = 160
#: words of advice to run code that a file brings along, and what the reason is instead
_ADVICE = (
    (
        re.compile(r"weights_only|torch\.load|unpickl|pickle", re.I),
        "pickled data, which are never read",
    ),
    (
        re.compile(r"trust_remote_code|custom code|remote code", re.I),
        "code of its own, which is not run",
    ),
    (
        re.compile(r"ignore_mismatched_sizes"),
        "its weights have other shapes than its configuration asks for",
    ),
    (re.compile(r"kernel", re.I), "a compute kernel of its own, which is not fetched"),
)


def reason(error: BaseException) -> str:
    """The first line of an error's message without control characters and without advice, at most
    160 characters.

    Example:
        >>> reason(KeyError("rank"))
        "there is no 'rank'"
        >>> reason(ValueError("set weights_only=False to load it"))
        'pickled data, which are never read'
    """
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = str(error)
    for advice, instead in _ADVICE:
        if advice.search(text):
            return instead
    lines = [line for line in text.splitlines() if line.strip()]
    first = "".join(c if c.isprintable() else " " for c in lines[0]).strip() if lines else ""
    if isinstance(error, KeyError) and first:
        first = f"there is no {first}"
    first = first.rstrip(".;:, ") or f"its reader stopped with {type(error).__name__}"
    return first if len(first) <= LONGEST else first[: LONGEST - 1] + "…"


@contextmanager
def foreign(kind: type[InscapeError], what: str, cure: str) -> Iterator[None]:
    """Turn whatever is raised inside into `kind`: ``what (reason); cure.``

    Our own errors pass as they are, and so do interrupts.

    Args:
        kind: the error to raise.
        what: names the file and says what it is not, such as ``a.png cannot be read as an image``.
        cure: what to do.

    Example:
        >>> from inscape.core.errors import DataError
        >>> with foreign(DataError, "a.bin is not a table", "write it again"):
        ...     {}["rows"]
        Traceback (most recent call last):
        inscape.core.errors.DataError: a.bin is not a table (there is no 'rows'); write it again.
    """
    try:
        yield
    except (InscapeError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    # a panic in a library's Rust code is a BaseException and no Exception
    except BaseException as error:
        if isinstance(error, PermissionError):
            raise kind(
                f"{what}: there is no permission to read it. Get the right to read it, or name "
                "another."
            ) from error
        raise kind(f"{what} ({reason(error)}); {cure}.") from error
