"""Objects in an S3 bucket, through obstore (the extra `s3`)."""

import configparser
import hashlib
import importlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from holdfast.storage.errors import KeyUnusable, ObjectsUnreachable, StorageUnusable
from holdfast.storage.keys import OTHERS

PART = 8 << 20
"""Bytes sent at once: also what a put takes in memory, twice."""
_RETRIES = 2


class ExtraMissing(StorageUnusable):
    """A package that only this needs isn't installed."""

    hint = "pip install 'holdfast[s3]'"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects lie. endpoint: empty = AWS; key: (id, secret), None = the environment's or machine's."""

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    key: tuple[str, str] | None = None


class S3Objects:
    """Objects in a bucket. Making one opens no connection."""

    def __init__(self, bucket: Bucket, timeout_s: float) -> None:
        """timeout_s: for one request, its answer included.

        Raises:
            ExtraMissing: when obstore isn't installed.
            StorageUnusable: when the settings can't be used.
        """
        self._bucket = bucket
        self._obstore: ModuleType = _module("obstore")
        options: dict[str, Any] = {"endpoint": bucket.endpoint} if bucket.endpoint else {}
        if bucket.key is not None:
            options["access_key_id"], options["secret_access_key"] = bucket.key
        try:
            self._store = _module("obstore.store").S3Store(
                bucket.name,
                prefix=bucket.prefix or None,
                region=bucket.region,
                virtual_hosted_style_request=not bucket.endpoint,
                client_options={
                    "allow_http": bucket.endpoint.startswith("http://"),
                    "timeout": timedelta(seconds=timeout_s),
                    "connect_timeout": timedelta(seconds=min(5.0, timeout_s)),
                },
                retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=timeout_s)},
                **options,
            )
        except Exception as error:
            raise StorageUnusable(f"the bucket {bucket.name} can't be used: {_first_line(error)}") from error

    def put(self, name: str, parts: Iterable[bytes]) -> bool:
        """See `ObjectStore.put`; S3 confirms by the ETag where it is an MD5, as it is without KMS."""
        summed = _Summing(parts)
        try:
            found = self._obstore.put(self._store, name, iter(summed), chunk_size=PART, max_concurrency=1)
        except self._errors as error:
            raise self._unreachable(error) from error
        return (found.get("e_tag") or "").strip('"') in summed.etags()

    def get(self, name: str, start: int, end: int) -> bytes:
        """See `ObjectStore.get`."""
        try:
            return bytes(self._obstore.get_range(self._store, name, start=start, end=end))
        except FileNotFoundError:
            raise
        except self._errors as error:
            raise self._unreachable(error) from error

    def remove(self, name: str) -> None:
        """See `ObjectStore.remove`."""
        try:
            self._obstore.delete(self._store, name)
        except FileNotFoundError:
            return
        except self._errors as error:
            raise self._unreachable(error) from error

    def names(self) -> Iterator[tuple[str, int]]:
        """See `ObjectStore.names`."""
        try:
            found = [(one["path"], one["size"]) for part in self._obstore.list(self._store) for one in part]
        except self._errors as error:
            raise self._unreachable(error) from error
        yield from sorted(found)

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        return (self._obstore.exceptions.BaseError, OSError, ValueError)

    def _unreachable(self, error: Exception) -> ObjectsUnreachable:
        return ObjectsUnreachable(f"the bucket {self._bucket.name}: {_first_line(error)}")


class _Summing:
    """Parts on their way, with the sums that S3 makes of them."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts
        self._whole = hashlib.md5(usedforsecurity=False)
        self._part, self._left = hashlib.md5(usedforsecurity=False), PART
        self._digests: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self._whole.update(part)
            at = 0
            while at < len(part):
                piece = part[at : at + self._left]
                self._part.update(piece)
                at, self._left = at + len(piece), self._left - len(piece)
                if not self._left:
                    self._digests.append(self._part.digest())
                    self._part, self._left = hashlib.md5(usedforsecurity=False), PART
            yield part

    def etags(self) -> tuple[str, str]:
        """Of an object sent at once, and of one sent in parts."""
        digests = [*self._digests, self._part.digest()] if self._left < PART else self._digests
        joined = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
        return self._whole.hexdigest(), f"{joined}-{len(digests)}"


def read_credentials(path: Path) -> tuple[str, str]:
    """Id and secret of an AWS credentials file: its section `default`, or its only one.

    Raises:
        KeyUnusable: when it can't be read, anyone but its owner may open it, or it has no such keys.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & OTHERS:
                unsafe = KeyUnusable(f"the key file {path} is open to others than its owner")
                unsafe.hint = f"chmod 600 {path}"
                raise unsafe
            parser.read_file(file)
    except OSError as error:
        raise KeyUnusable(f"the key file {path} can't be read: {error.strerror}") from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise _no_credentials(path) from error
    names = parser.sections()
    section = "default" if "default" in names else names[0] if len(names) == 1 else ""
    try:
        return parser[section]["aws_access_key_id"], parser[section]["aws_secret_access_key"]
    except KeyError as error:
        raise _no_credentials(path) from error


def _no_credentials(path: Path) -> KeyUnusable:
    wrong = KeyUnusable(f"the key file {path} is no AWS credentials file")
    wrong.hint = "it has a section [default] with aws_access_key_id and aws_secret_access_key"
    return wrong


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ExtraMissing("history.cold.s3 needs the package obstore, which isn't installed") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
