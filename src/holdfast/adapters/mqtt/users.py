"""The users file: who may log in, one line a user, passwords as scrypt hashes (RFC 7914).

    # name:hash:groups
    press-07:scrypt$14$8$1$<salt>$<hash>:presses,line-2
    pump-3:!:            no password: known by its certificate only

Salt and hash are base64. The file is small, read as a whole and replaced atomically.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from holdfast.adapters.mqtt.errors import UsersUnusable
from holdfast.storage.files import read_bytes, write_atomic

NO_PASSWORD = "!"  # noqa: S105  # says that there is none
LOG_N, R, P = 14, 8, 1  # 16 MiB and about 40 ms a check: small gateways check one at a time
_MOST_LOG_N = 20
_SECRET = 0o600


class User(NamedTuple):
    """One line of the file."""

    name: str
    hash: str
    groups: tuple[str, ...] = ()


def hashed(password: bytes, salt: bytes = b"") -> str:
    """A password as the file keeps it; a salt of 16 random bytes unless given."""
    salt = salt or os.urandom(16)
    key = _scrypt(password, salt, LOG_N, R, P)
    return f"scrypt${LOG_N}${R}${P}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def is_right(password: bytes, kept: str) -> bool:
    """Whether a password has this hash. Takes tens of milliseconds on purpose; releases the GIL."""
    parts = _parts(kept)
    if parts is None:
        return False
    log_n, r, p, salt, key = parts
    return hmac.compare_digest(_scrypt(password, salt, log_n, r, p), key)


def read_users(path: Path) -> dict[str, User]:
    """The users of a file.

    Raises:
        UsersUnusable: when it can't be read or a line isn't a user; says which.
    """
    users: dict[str, User] = {}
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError:
        raise UsersUnusable(path, "isn't UTF-8 text") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        kept, _, groups = rest.partition(":")
        if not colon or name_problem(name) or (kept != NO_PASSWORD and _parts(kept) is None):
            raise UsersUnusable(path, f"line {number} isn't `name:hash:groups`")
        if name in users:
            raise UsersUnusable(path, f"line {number}: {name} stands twice")
        users[name] = User(name, kept, tuple(group for one in groups.split(",") if (group := one.strip())))
    return users


def write_users(path: Path, users: Mapping[str, User] | Iterable[User]) -> None:
    """Replace the file, readable by its owner only.

    Raises:
        StorageUnusable: when it can't be written.
    """
    found = users.values() if isinstance(users, Mapping) else users
    lines = [f"{user.name}:{user.hash}:{','.join(user.groups)}" for user in found]
    write_atomic(path, "\n".join(["# name:hash:groups; made by `holdfast mqtt user`", *lines, ""]).encode(), _SECRET)


def name_problem(name: str) -> str:
    """Why this can't be a user's name; empty when it can. It may stand in a topic, so it is one plain level of it."""
    if not name or len(name.encode()) > 128:
        return "a user name has 1 to 128 bytes"
    if not name.isprintable() or name != name.strip() or set(name) & set(":,/+#%") or name[0] in "#$":
        return "a user name is printable and has none of : , / + # %"
    return ""


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
