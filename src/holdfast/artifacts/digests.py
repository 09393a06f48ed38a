"""Digests as names: SHA-256 in 64 hex digits. Pure, but for `hashed`."""

import hashlib
import re
from typing import BinaryIO

from holdfast.artifacts.errors import DigestInvalid

PREFIX = "sha256:"
PIECE = 1 << 18
_HEX = re.compile(r"[0-9a-f]{64}")


def digest_of(text: str) -> str:
    """The digest that a person or a peer wrote, with or without `sha256:`.

    Raises:
        DigestInvalid: when it's none.
    """
    found = text.strip().removeprefix(PREFIX).lower()
    if not _HEX.fullmatch(found):
        raise DigestInvalid(f"{text[:80]!r} is no SHA-256")
    return found


def is_digest(text: str) -> bool:
    """Is it a digest exactly as files are named?"""
    return _HEX.fullmatch(text) is not None


def hashed(file: BinaryIO) -> str:
    """The digest of what is left to be read of a file."""
    found = hashlib.sha256()
    while piece := file.read(PIECE):
        found.update(piece)
    return found.hexdigest()
