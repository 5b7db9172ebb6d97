"""What a URL names: ``s3://bucket/path`` through `inscape.core.s3`, every other through fsspec.

Credentials come from the environment, as each store's own tools read them. Cost: botocore or fsspec
imported at first use.
"""

from __future__ import annotations

import re

from inscape.core.objects import Objects


def is_url(text: str) -> bool:
    """Whether a name is a URL and no path.

    Example:
        >>> is_url("s3://bucket/cities.csv"), is_url("hf:imdb:test"), is_url("C:/cities.csv")
        (True, False, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def objects(url: str) -> Objects:
    """The objects under a URL.

    Raises:
        ObjectError: a URL that nothing here can open; the message says what to install.
    """
    if url.startswith("s3://"):
        from inscape.core.s3 import Bucket

        return Bucket(url)
    from inscape.core.remote import Remote

    return Remote(url.rstrip("/"))
