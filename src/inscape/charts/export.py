"""Figures as files: PNG, SVG or PDF, drawn by vl-convert without a browser and without the network.

The look is the theme's; a PNG has two pixels to the point. Fonts that a machine lacks fall back to
those it has. Drawing happens in one child process with a limit on time and memory, however many
figures there are: a renderer that aborts or does not end is a sentence and nothing more. Cost:
about a second, and 0.1 s a figure.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inscape.charts import theme
from inscape.charts.specification import checked

FORMATS = ("png", "svg", "pdf")
#: seconds without a finished file after which the renderer is stopped
SECONDS = 20
_RENDERER = Path(__file__).with_name("renderer.py")


def save(
    spec: dict[str, Any],
    path: str | Path,
    *,
    scheme: str = "light",
    scale: float | int = 2,
    width: int = 720,
) -> Path:
    """Draw a specification into a file.

    Args:
        spec: a Vega-Lite specification with its data inlined (``chart.to_dict()``).
        path: where to; the suffix chooses the format.
        scheme: the theme's variant; the file gets its background.
        scale: pixels to the point of a PNG.
        width: points given to a figure that leaves its width to the page, and to the rows of its
            legend.

    Returns:
        The path.

    Raises:
        ValueError: the suffix is not .png, .svg or .pdf, or the specification cannot be drawn.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise ValueError(f"save: the suffix must be .png, .svg or .pdf, got {path.name!r}")
    try:
        drawn = draw({path.name: spec}, [kind], scheme=scheme, scale=scale, width=width)
        content = next(content for _, _, content in drawn)
    except ValueError as error:
        raise ValueError(f"save: {error}") from error
    path.write_bytes(content)
    return path


def draw(
    specs: Mapping[str, dict[str, Any]],
    kinds: Sequence[str] = FORMATS,
    *,
    scheme: str = "light",
    scale: float | int = 2,
    width: int = 720,
) -> Iterator[tuple[str, str, bytes]]:
    """Draw several specifications, in one child process.

    Args:
        specs: specifications by name.
        kinds: formats, of `FORMATS`.
        scheme: the theme's variant.
        scale: pixels to the point of a PNG.
        width: points given to a figure that leaves its width to the page.

    Yields:
        Name, format and content of each file, as it is drawn.

    Raises:
        ValueError: one cannot be drawn; the message names it.
    """
    names = list(specs)
    with tempfile.TemporaryFile() as asked:
        for name, spec in specs.items():
            line = {"kinds": list(kinds), "scale": scale, **_prepared(name, spec, scheme, width)}
            asked.write(json.dumps(line).encode() + b"\n")
        asked.seek(0)
        # -P: a file in the current folder must not be taken for a module
        child = subprocess.Popen(
            [sys.executable, "-P", str(_RENDERER)],
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield from _files(child, names, len(kinds))
        finally:
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()


def _prepared(name: str, spec: dict[str, Any], scheme: str, width: int) -> dict[str, Any]:
    try:
        spec = checked(spec)
    except ValueError as error:
        raise ValueError(f"{name} cannot be drawn: {error}") from error
    if spec.get("width") == "container":
        spec["width"] = width
    config = theme.config(scheme, theme.page(scheme))
    if entry := spec.get("usermeta", {}).get("inscape", {}).get("entry"):
        config["legend"]["columns"] = max(1, int(width // entry))
    return {"spec": spec, "config": config}


def _files(
    child: subprocess.Popen[bytes], names: Sequence[str], each: int
) -> Iterator[tuple[str, str, bytes]]:
    pipe = _Pipe(child)
    for number in range(len(names) * each):
        name = names[number // each]
        try:
            head = json.loads(pipe.line())
            if "error" in head:
                raise ValueError(f"{name} cannot be drawn: {head['error']}")
            content = pipe.bytes(head["size"])
        except (EOFError, TimeoutError) as error:
            raise ValueError(f"{name} cannot be drawn: {error}") from error
        yield name, head["kind"], content


class _Pipe:
    """What the child writes, with a limit on the time between two pieces."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._held = b""

    def line(self) -> bytes:
        """The next line."""
        deadline = time.monotonic() + SECONDS
        while b"\n" not in self._held:
            self._held += self._more(deadline)
        line, _, self._held = self._held.partition(b"\n")
        return line

    def bytes(self, size: int) -> bytes:
        """The next so many bytes."""
        deadline = time.monotonic() + SECONDS
        parts, held = [self._held], len(self._held)
        while held < size:
            parts.append(self._more(deadline))
            held += len(parts[-1])
        whole = b"".join(parts)
        self._held = whole[size:]
        return whole[:size]

    def _more(self, deadline: float) -> bytes:
        assert self._child.stdout is not None
        handle = self._child.stdout.fileno()
        ready, _, _ = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"the renderer was stopped after {SECONDS} seconds; show less data")
        more = os.read(handle, 1 << 20)
        if not more:
            raise EOFError(_ended(self._child.wait()))
        return more


def _ended(code: int) -> str:
    try:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        how = f"signal {-code}"
    return f"the renderer ended early ({how}), as it does when memory runs out; show less data"
