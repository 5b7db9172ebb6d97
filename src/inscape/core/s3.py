"""Objects of an S3 bucket, or of any server that speaks S3, through botocore.

Credentials, region and endpoint are read from where every S3 tool reads them: ``AWS_ACCESS_KEY_ID``
and ``AWS_SECRET_ACCESS_KEY`` (or ``AWS_PROFILE``, or the machine's role), ``AWS_REGION``,
``AWS_ENDPOINT_URL``. One PUT is atomic; a conditional one (``If-Match``, ``If-None-Match: *``)
succeeds for one of any number of writers. A server that does not know the condition is asked to
write without it, after a look.

Cost: one request a call; an object is in memory while it is written (at most 5 GB).
Reference: Amazon S3 API, PutObject, conditional writes (2024).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from inscape.core.errors import ObjectError
from inscape.core.objects import ANY, Objects

log = logging.getLogger(__name__)

_MISSING = {"NoSuchKey", "404", "NotFound"}
_OTHER_WRITER = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_DENIED = {
    "AccessDenied",
    "403",
    "Forbidden",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
}
_THREADS = 32  # connections kept open


@cache
def _descriptions() -> Any:
    """The descriptions of Amazon's services, read once a process: read anew, they are most of the
    time that opening a bucket takes.
    """
    from botocore.loaders import create_loader

    return create_loader()


class Bucket(Objects):
    """Objects under ``s3://BUCKET/PREFIX``; see `inscape.core.objects.Objects`."""

    atomic = True

    def __init__(self, url: str):
        self.url = "s3://" + url.removeprefix("s3://").rstrip("/")
        self.bucket, _, self._prefix = self.url.removeprefix("s3://").partition("/")
        if not self.bucket:
            raise ObjectError(f"{url!r} names no bucket; write s3://BUCKET/PATH.")
        try:
            import botocore.session
            from botocore.config import Config
        except ImportError:
            raise ObjectError(
                f"{url} needs botocore; install it with: pip install 'inscape[s3]'."
            ) from None
        settings = Config(
            connect_timeout=10, retries={"mode": "standard"}, max_pool_connections=_THREADS
        )
        with _said(self):
            session = botocore.session.get_session()  # credentials and region as they are now
            session.register_component("data_loader", _descriptions())
            self._client: Any = session.create_client("s3", config=settings)

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if length == 0:
            return b""
        part = (
            {}
            if start == 0 and length is None
            else {"Range": f"bytes={start}-{'' if length is None else start + length - 1}"}
        )
        with _said(self, name):
            return self._client.get_object(Bucket=self.bucket, Key=self._key(name), **part)[
                "Body"
            ].read()

    def stream(self, name: str, piece: int) -> Iterator[bytes]:
        with _said(self, name):
            body = self._client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"]
            yield from body.iter_chunks(piece)

    def write(self, name: str, data: bytes, over: str | None = ANY) -> str:
        asked = {"Bucket": self.bucket, "Key": self._key(name), "Body": data}
        condition = (
            {} if over == ANY else ({"IfNoneMatch": "*"} if over is None else {"IfMatch": over})
        )
        try:
            with _said(self, name):
                return self._client.put_object(**asked, **condition)["ETag"]
        except NotImplementedError:
            log.warning(
                "%s does not know conditional writes: one writer at a time is not enforced there",
                self.url,
            )
            if self.tag(name) != over:
                raise FileExistsError(f"{self.url}/{name} was written by somebody else") from None
            with _said(self, name):
                return self._client.put_object(**asked)["ETag"]

    def tag(self, name: str) -> str | None:
        try:
            with _said(self, name):
                return self._client.head_object(Bucket=self.bucket, Key=self._key(name))["ETag"]
        except FileNotFoundError:
            return None

    def sizes(self, under: str = "") -> dict[str, int]:
        root = f"{self._prefix}/" if self._prefix else ""
        found = {}
        with _said(self):
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=root + under
            ):
                for entry in page.get("Contents", []):
                    found[entry["Key"].removeprefix(root)] = int(entry["Size"])
        return found

    def remove(self, name: str) -> None:
        with _said(self, name):
            self._client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def _key(self, name: str) -> str:
        return "/".join(part for part in (self._prefix, name) if part)


@contextmanager
def _said(place: Bucket, name: str = "") -> Iterator[None]:
    """What botocore raises, as one sentence with its cure."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    where = f"{place.url}/{name}" if name else place.url
    keys = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    try:
        yield
    except NoCredentialsError:
        raise ObjectError(f"there are no credentials for {where}; set {keys}.") from None
    except ClientError as error:
        code, said = (
            error.response["Error"].get("Code", ""),
            error.response["Error"].get("Message", ""),
        )
        if code in _MISSING:
            raise FileNotFoundError(f"there is no object {where}") from None
        if code in _OTHER_WRITER:
            raise FileExistsError(f"{where} was written by somebody else") from None
        if code in ("NotImplemented", "501"):
            raise NotImplementedError(said) from None
        if code == "NoSuchBucket":
            raise ObjectError(
                f"there is no bucket {place.bucket!r}; check the name in {where}, or make it first."
            ) from None
        if code in _DENIED:
            raise ObjectError(
                f"access to {where} is denied ({code}); check {keys}, and what they may do with "
                "the bucket."
            ) from None
        raise ObjectError(
            f"{where} cannot be used: {said or code}; try again, or use another place."
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise ObjectError(
            f"{where} cannot be reached: {str(error).rstrip('.')}; check the network, "
            "AWS_ENDPOINT_URL and AWS_REGION."
        ) from error
