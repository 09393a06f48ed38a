"""Encryption keys of files at rest: 32 random bytes, kept in a file that only its owner can read."""

import os
import secrets
import stat
from pathlib import Path

from holdfast.storage.errors import KeyUnusable
from holdfast.storage.files import write_atomic
from holdfast.storage.sqlite import KEY_BYTES

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def parse_hex_key(text: str) -> bytes:
    """The 32 bytes behind 64 hex digits; blanks around them don't matter.

    Raises:
        KeyUnusable: when it is anything else. The message never holds the text.
    """
    digits = text.strip()
    try:
        key = bytes.fromhex(digits)
    except ValueError as error:
        raise KeyUnusable("the encryption key has characters that are no hex digits") from error
    if len(key) != KEY_BYTES or len(digits) != 2 * KEY_BYTES:
        raise KeyUnusable(f"the encryption key needs {2 * KEY_BYTES} hex digits, and has {len(digits)}")
    return key


def read_key_file(path: Path) -> bytes:
    """The key in a file: 64 hex digits (a line end is fine) or 32 raw bytes.

    Raises:
        KeyUnusable: when the file can't be read, holds no key, or anyone but its owner may open it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(4 * KEY_BYTES)
    except OSError as error:
        raise KeyUnusable(f"the key file {path} can't be read: {error.strerror}") from error
    if mode & OTHERS:
        unsafe = KeyUnusable(f"the key file {path} is open to others than its owner (mode {mode & 0o777:o})")
        unsafe.hint = f"chmod 600 {path}"
        raise unsafe
    if len(content) == KEY_BYTES:
        return content
    try:
        return parse_hex_key(content.decode("ascii"))
    except UnicodeDecodeError as error:
        raise KeyUnusable(f"the key file {path} holds neither hex digits nor {KEY_BYTES} raw bytes") from error


def new_key_file(path: Path) -> bytes:
    """Make a random key and write it as hex digits, for its owner only.

    Raises:
        KeyUnusable: when the file is already there; a lost key is a lost database, so none is ever replaced.
        StorageUnusable: when it can't be written.
    """
    if path.exists():
        raise KeyUnusable(f"the key file {path} is already there and is not replaced")
    key = secrets.token_bytes(KEY_BYTES)
    write_atomic(path, key.hex().encode() + b"\n", mode=0o600)
    return key
