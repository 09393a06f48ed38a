"""Tokens as files: the child keeps the token (0600), the parent only its digest.

A parent's token file may hold either the digest line `sha256:<hex>` (what `issue_token` writes beside the token) or
the token itself, for the small site where both nodes live on one machine; in memory there's only the digest.
"""

from collections.abc import Mapping
from pathlib import Path

from holdfast.crypto.errors import TokenMalformed
from holdfast.crypto.tokens import DIGEST_BYTES, Token, digest, is_same, mint_token, parse_token
from holdfast.identity.errors import KeyExists, TokenUnusable
from holdfast.storage.files import read_bytes, write_atomic

_SECRET = 0o600
_DIGEST = "sha256:"


def issue_token(path: Path, expires_s: int = 0) -> Path:
    """Write a new token to `path` (0600) and its digest beside it; returns the digest's path, for the parent.

    expires_s: seconds since 1970, 0 = never.

    Raises:
        KeyExists: when there's a token already.
        StorageUnusable: when it can't be written.
    """
    beside = digest_path(path)
    for taken in (path, beside):
        if taken.exists():
            raise KeyExists(f"{taken} exists and is not overwritten")
    token = mint_token(expires_s)
    write_atomic(path, (token.text + "\n").encode(), _SECRET)
    write_atomic(beside, f"{_DIGEST}{digest(token.text).hex()}\n".encode())
    return beside


def digest_path(path: Path) -> Path:
    """Where the digest of the token at `path` lies."""
    return path.with_name(path.name + ".sha256")


def read_token(path: Path) -> Token:
    """The token in a file, for the one who shows it.

    Raises:
        StorageUnusable: when the file can't be read.
        TokenUnusable: when it holds no token.
    """
    try:
        return parse_token(_text(path))
    except TokenMalformed as error:
        raise TokenUnusable(f"{path} holds no Holdfast token") from error


class TokenBook:
    """Whom a token stands for. Holds digests only."""

    def __init__(self, digests: Mapping[str, bytes]) -> None:
        self._digests = dict(digests)

    @staticmethod
    def load(files: Mapping[str, Path]) -> "TokenBook":
        """The book of `name of a child or an application -> token or digest file`.

        Raises:
            StorageUnusable: when a file can't be read.
            TokenUnusable: when one holds neither a token nor a digest, or two names share one.
        """
        digests = {name: _read_digest(path) for name, path in files.items()}
        if len(set(digests.values())) < len(digests):
            raise TokenUnusable("two names share one token; give each its own")
        return TokenBook(digests)

    def names(self) -> list[str]:
        """Everyone in the book."""
        return sorted(self._digests)

    def who(self, text: str, now_s: float) -> str | None:
        """Whom a shown token stands for; None when nobody, or when its time is over.

        Compares with every entry whatever the outcome, so the time taken tells nothing.
        """
        shown = digest(text)
        found: str | None = None
        for name, kept in self._digests.items():
            if is_same(kept, shown):
                found = name
        return None if found is None or parse_token(text).is_expired(now_s) else found


def _read_digest(path: Path) -> bytes:
    text = _text(path)
    try:
        if text.startswith(_DIGEST):
            kept = bytes.fromhex(text.removeprefix(_DIGEST))
            if len(kept) == DIGEST_BYTES:
                return kept
            raise TokenUnusable(f"{path} holds a digest of {len(kept)} bytes; SHA-256 has {DIGEST_BYTES}")
        return digest(parse_token(text).text)
    except (ValueError, TokenMalformed) as error:
        raise TokenUnusable(f"{path} holds neither a token nor `{_DIGEST}<hex>`") from error


def _text(path: Path) -> str:
    return read_bytes(path).decode("ascii", "replace").strip()
