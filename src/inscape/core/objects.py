"""Object stores by URL: whole objects written at once, ranges of them read, what is there listed.

`inscape.core.urls` gives the objects under a URL. An object is written whole or not at all; a
conditional write (`over`) fails where somebody wrote in between, which is what commits are made of.

Cost: one request a call.
Reference: conditional requests, RFC 9110 §13.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

#: for `Objects.write`: whatever is there is replaced
ANY = "*"


class Objects(ABC):
    """The objects under one URL.

    Attributes:
        url: without a slash at its end.
        atomic: whether a conditional write is one step; else it is a look followed by a write.
    """

    url: str
    atomic: bool

    def __str__(self) -> str:
        return self.url

    @abstractmethod
    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """An object, or `length` bytes of it from `start` on; an empty name is the URL itself.

        Raises:
            FileNotFoundError: there is no such object.
            ObjectError: the store cannot be reached, or denies it.
        """

    @abstractmethod
    def stream(self, name: str, piece: int) -> Iterator[bytes]:
        """An object from its beginning, about `piece` bytes at a time, so that no more of it is
        held; raises as `read`.
        """

    @abstractmethod
    def write(self, name: str, data: bytes, over: str | None = ANY) -> str:
        """Write an object whole.

        Args:
            name: under the URL.
            data: all of it.
            over: `ANY`, or the tag that the object must still have, or None if it must not exist.

        Returns:
            Its new tag.

        Raises:
            FileExistsError: the object is not what `over` says.
            ObjectError: as in `read`.
        """

    @abstractmethod
    def tag(self, name: str) -> str | None:
        """What tells this content of an object from every other; None if there is no such
        object.
        """

    def names(self, under: str = "") -> list[str]:
        """Names of all objects under a prefix, sorted."""
        return sorted(self.sizes(under))

    @abstractmethod
    def sizes(self, under: str = "") -> dict[str, int]:
        """The length in bytes of each object under a prefix."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
