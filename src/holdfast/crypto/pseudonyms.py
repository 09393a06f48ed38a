"""Keyed pseudonyms: the same for the same name and key, and without the key not to be told from chance."""

import hashlib
import hmac

_DIGITS = 20


def pseudonym(key: bytes, *facts: str) -> str:
    """`p-` and 80 bits of HMAC-SHA-256 over the facts.

    80 bits: among a million names two meet with a chance of 1 in 10**12. A plain hash would not do: names are few
    enough to be tried.
    """
    return "p-" + keyed_digest(key, *facts)[:_DIGITS]


def keyed_digest(key: bytes, *facts: str) -> str:
    """HMAC-SHA-256 over the facts, as 64 hex digits."""
    return hmac.new(key, "\0".join(facts).encode(), hashlib.sha256).hexdigest()


def fingerprint(key: bytes) -> str:
    """Tells keys apart without telling the key: 8 hex digits."""
    return keyed_digest(key, "fingerprint")[:8]
