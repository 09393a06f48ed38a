"""Passwords as scrypt hashes (RFC 7914), as text that says how it was made: `scrypt$14$8$5$<salt>$<hash>`, in base64.

Checking one takes tens to hundreds of milliseconds on purpose, and 16 MiB; it releases the GIL, so threads do it.
"""

import base64
import hashlib
import hmac
import os

LOG_N, R = 14, 8
DEVICES, PEOPLE = 1, 5
"""scrypt's p. Devices' passwords are long and random, and small gateways check many; people's are neither (OWASP)."""
_MOST_LOG_N = 20
NOBODY = f"scrypt${LOG_N}${R}${PEOPLE}${base64.b64encode(bytes(16)).decode()}${base64.b64encode(bytes(32)).decode()}"
"""What no password fits: checked for unknown names, so that the time taken tells nothing."""


def hashed(password: bytes, salt: bytes = b"", p: int = DEVICES) -> str:
    """A password as a file keeps it; a salt of 16 random bytes unless given."""
    salt = salt or os.urandom(16)
    key = _scrypt(password, salt, LOG_N, R, p)
    return f"scrypt${LOG_N}${R}${p}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def is_right(password: bytes, kept: str) -> bool:
    """Whether a password has this hash."""
    parts = _parts(kept)
    if parts is None:
        return False
    log_n, r, p, salt, key = parts
    return hmac.compare_digest(_scrypt(password, salt, log_n, r, p), key)


def is_hash(text: str) -> bool:
    """Could it be checked?"""
    return _parts(text) is not None


def _parts(kept: str) -> tuple[int, int, int, bytes, bytes] | None:
    try:
        kind, log_n, r, p, salt, key = kept.split("$")
        numbers = int(log_n), int(r), int(p)
        found = (*numbers, base64.b64decode(salt, validate=True), base64.b64decode(key, validate=True))
    except ValueError:
        return None
    in_bounds = 1 <= numbers[0] <= _MOST_LOG_N and 1 <= numbers[1] <= 16 and 1 <= numbers[2] <= 16
    return found if kind == "scrypt" and in_bounds and len(found[4]) == 32 else None


def _scrypt(password: bytes, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    memory = 128 * r * (2**log_n + p + 2) + 65_536
    return hashlib.scrypt(password, salt=salt, n=2**log_n, r=r, p=p, maxmem=memory, dklen=32)
