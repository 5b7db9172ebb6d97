"""A text file as a stream that is read more than once: plain or gzip, UTF-8 and nothing else.

What is wrong with its bytes is one sentence that names the line: UTF-16, a byte that is not UTF-8,
a gzip file that is cut off or that would unfold to far more than tables do, a line that has no end.
Nothing is read whole: what a URL names is fetched once, piece by piece, into a file without a name
(`inscape.core.scratch`).

Cost: one reading of the file each time; memory of a block.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from inscape.core.errors import DataError
from inscape.core.scratch import Scratch
from inscape.core.urls import is_url, objects

#: bytes that a gzip file may always unfold to, and how many times its own size beyond that
UNFOLDED, RATIO = 64 << 20, 30
#: characters of the longest line, or record of a JSON array, that is read
LONGEST = 64 << 20
#: of the free disk space, how much what a URL names may take
SHARE = 0.9
_BLOCK = 1 << 20
_FETCHED = 8 << 20  # bytes of an object at a time


class Source:
    """A file of text.

    Args:
        path: the file, or the URL of an object.
        shown: what messages call it.
        zipped: whether it is gzip.
    """

    def __init__(self, path: Path | str, shown: str, zipped: bool) -> None:
        self.shown, self._path, self._zipped = shown, path, zipped
        self._fetched = fetched(path, shown) if isinstance(path, str) and is_url(path) else None

    @contextmanager
    def text(self, newline: str) -> Iterator[TextIO]:
        """Its text from the beginning.

        Args:
            newline: as `open` takes it.

        Raises:
            DataError: it cannot be read, or is not UTF-8; also while it is read inside the block.
        """
        try:
            with self._bytes() as file:
                if file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                    raise DataError(
                        f"{self.shown} is UTF-16, not UTF-8; save it as UTF-8, such as: iconv -f "
                        "UTF-16 -t UTF-8."
                    )
                with io.TextIOWrapper(file, encoding="utf-8-sig", newline=newline) as stream:
                    yield stream
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise DataError(f"{self.shown} is not a whole gzip file; write it again.") from None
        except OSError as error:
            raise DataError(f"{self.shown} cannot be read: {error.strerror or error}.") from error
        except UnicodeDecodeError:
            raise self._not_utf8() from None

    @contextmanager
    def _bytes(self) -> Iterator[io.BufferedReader]:
        raw: Any = (
            open(self._path, "rb", 0)  # noqa: SIM115
            if self._fetched is None
            else self._fetched.stream()
        )
        with io.BufferedReader(raw, _BLOCK) as file:
            if not self._zipped:
                yield file
                return
            kept = self._fetched
            size = os.fstat(file.fileno()).st_size if kept is None else kept.size
            with gzip.GzipFile(fileobj=file) as inner:
                yield io.BufferedReader(_Unfolded(inner, self.shown, size), _BLOCK)

    def lines(self, newline: str) -> Iterator[str]:
        """Its lines, with their ends.

        Raises:
            DataError: as `text`, and where a line is longer than any that a table has.
        """
        with self.text(newline) as stream:
            number = 0
            while line := stream.readline(LONGEST):
                number += 1
                if len(line) == LONGEST:
                    raise DataError(
                        f"{self.shown}, line {number} is longer than {LONGEST:,} characters; put "
                        "each example on a line of its own."
                    )
                yield line

    def first(self) -> str:
        """The first character that is no white space; empty if there is none."""
        with self.text("") as stream:
            while block := stream.read(_BLOCK):
                if found := block.lstrip():
                    return found[0]
        return ""

    def _not_utf8(self) -> DataError:
        """Where the first byte is that is not UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        lines, held = 1, b""
        with self._bytes() as file:
            while True:
                block = file.read(_BLOCK)
                try:
                    decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    before = error.object[: error.start].count(b"\n") - held.count(b"\n")
                    return DataError(
                        f"{self.shown} is not UTF-8: byte 0x{error.object[error.start]:02x} on "
                        f"line {lines + before}; save it as UTF-8, such as: iconv -f LATIN1 -t "
                        "UTF-8."
                    )
                if not block:
                    return DataError(f"{self.shown} changed while it was read; read it again.")
                held = decoder.getstate()[0]  # a character that goes on in the next block
                lines += block.count(b"\n")


class _Unfolded(io.RawIOBase):
    """What is in a gzip file; one that would unfold to far more than tables do is refused."""

    def __init__(self, file: gzip.GzipFile, shown: str, size: int) -> None:
        self._file, self._shown, self._size, self._read = file, shown, size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = self._file.readinto(buffer)
        self._read += count
        most = max(UNFOLDED, RATIO * self._size)
        if self._read > most:
            raise DataError(
                f"{self._shown} has {self._size:,} bytes and decompresses to more than {most:,}, "
                "too much for a table of text; decompress it yourself if it is right."
            )
        return count


def fetched(url: str, shown: str) -> Scratch:
    """What a URL names, in a file without a name.

    Raises:
        DataError: it cannot be read, or the disk has no room for it.
    """
    kept = Scratch()
    most = int(SHARE * kept.room)
    try:
        for piece in objects(url).stream("", _FETCHED):
            if kept.size + len(piece) > most:
                raise DataError(
                    f"{shown} has more than {most:,} bytes, for which {kept.folder} has no room; "
                    "free space there, set INSCAPE_HOME to a folder on a larger disk, or fetch a "
                    "part of it."
                )
            kept.write(piece)
    except OSError as error:
        raise DataError(f"{shown} cannot be read: {error.strerror or error}.") from error
    return kept
