"""Files of BTHome bind keys."""

from pathlib import Path

_LARGEST = 1 << 20


class KeysUnusable(ValueError):
    """A file of bind keys can't be used; the text says why."""


def read_keys(path: Path) -> dict[bytes, bytes]:
    """Bind keys by MAC from a file: `54:48:E6:8F:80:A5 231d39c1d7cc1ab1aee224cd096db932`, a device a line.

    Raises:
        KeysUnusable: when it can't be read or a line is neither a key nor a comment (`#`).
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1).decode()
    except OSError as error:
        raise KeysUnusable(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeysUnusable(f"{path} is no UTF-8") from None
    keys: dict[bytes, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        mac, key = (hex_bytes(words[0]), hex_bytes(words[1])) if len(words) == 2 else (b"", b"")
        if len(mac) != 6 or len(key) != 16:
            raise KeysUnusable(f"{path}:{number}: a line is a MAC and a key of 32 hex digits")  # never the key itself
        keys[mac] = key
    return keys


def hex_bytes(text: str) -> bytes:
    """The bytes behind hex digits, with colons or dashes between them or not; b"" where this is none."""
    try:
        return bytes.fromhex(text.replace(":", "").replace("-", ""))
    except ValueError:
        return b""
