"""Objects through fsspec: whatever URL it, or a package that it names, can open.

Cost: one request a call; a conditional write is a reading and a writing.
Reference: fsspec, https://filesystem-spec.readthedocs.io.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from inscape.core.errors import InscapeError, ObjectError
from inscape.core.foreign import reason
from inscape.core.objects import ANY, Objects


class Remote(Objects):
    """Objects through fsspec. A conditional write is not one step here: two writers in the same
    instant may both succeed.
    """

    atomic = False

    def __init__(self, url: str):
        import fsspec

        self.url = url
        try:
            self._fs, self._root = fsspec.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ObjectError(
                f"{url} cannot be opened: {str(error).rstrip('.')}; install the package that "
                f"fsspec names for {url.split('://')[0]}:// or use a local path."
            ) from error

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        with _said(self.url):
            return self._fs.cat_file(
                self._at(name), start=start, end=None if length is None else start + length
            )

    def stream(self, name: str, piece: int) -> Iterator[bytes]:
        with _said(self.url), self._fs.open(self._at(name), "rb", block_size=piece) as file:
            while data := file.read(piece):
                yield data

    def write(self, name: str, data: bytes, over: str | None = ANY) -> str:
        if over != ANY and self.tag(name) != over:
            raise FileExistsError(f"{self.url}/{name} was written by somebody else")
        path = self._at(name)
        with _said(self.url):
            self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            self._fs.pipe_file(path, data)
        return hashlib.sha256(data).hexdigest()

    def tag(self, name: str) -> str | None:
        try:
            return hashlib.sha256(self.read(name)).hexdigest()
        except FileNotFoundError:
            return None

    def sizes(self, under: str = "") -> dict[str, int]:
        with _said(self.url):
            found: Any = self._fs.find(self._root, detail=True)
        sizes = {
            str(path).removeprefix(self._root).lstrip("/"): int(entry.get("size") or 0)
            for path, entry in found.items()
        }
        return {name: size for name, size in sizes.items() if name.startswith(under)}

    def remove(self, name: str) -> None:
        with _said(self.url):
            if self._fs.exists(self._at(name)):
                self._fs.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root


@contextmanager
def _said(url: str) -> Iterator[None]:
    """What a package behind fsspec raises, as one sentence; an operating system's error stays
    one.
    """
    try:
        yield
    except (InscapeError, OSError):
        raise
    except Exception as error:
        raise ObjectError(
            f"{url} cannot be used ({reason(error)}); check the address and the network."
        ) from error
