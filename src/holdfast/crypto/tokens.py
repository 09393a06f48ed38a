"""Bearer tokens: 256 random bits, shown once; a server keeps only their SHA-256.

A token reads `hf1.<expiry>.<secret>`: expiry in whole seconds since 1970 (0 = never), secret 43 base64url characters.
The digest covers the whole text, so nobody but the issuer can move the expiry.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from holdfast.crypto.errors import TokenMalformed

SECRET_BYTES = 32
DIGEST_BYTES = hashlib.sha256().digest_size
_TOKEN = re.compile(r"hf1\.(\d{1,12})\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Token:
    """A well-formed token; `text` is the secret, so it never shows in a repr."""

    text: str
    expires_s: int

    def __repr__(self) -> str:
        return f"Token(expires_s={self.expires_s})"

    def is_expired(self, now_s: float) -> bool:
        """Is its time over?"""
        return 0 < self.expires_s <= now_s


def mint_token(expires_s: int = 0) -> Token:
    """A new token. expires_s: seconds since 1970, 0 = never."""
    return Token(f"hf1.{expires_s}.{secrets.token_urlsafe(SECRET_BYTES)}", expires_s)


def parse_token(text: str) -> Token:
    """A token from its text.

    Raises:
        TokenMalformed: when it isn't one; the message never quotes the text.
    """
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise TokenMalformed("this is not a Holdfast token (hf1.<expiry>.<secret>)")
    return Token(text, int(found[1]))


def digest(text: str) -> bytes:
    """What a server keeps of a token. The secret has 256 random bits, so a plain hash can't be searched."""
    return hashlib.sha256(text.encode()).digest()


def is_same(left: bytes, right: bytes) -> bool:
    """Are two digests equal? In time that does not depend on where they differ."""
    return hmac.compare_digest(left, right)
