"""The users file: who may log in, one line a user, passwords as scrypt hashes (RFC 7914).

    # name:hash:groups
    press-07:scrypt$14$8$1$<salt>$<hash>:presses,line-2
    pump-3:!:            no password: known by its certificate only

Salt and hash are base64. The file is small, read as a whole and replaced atomically.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from holdfast.adapters.mqtt.errors import UsersUnusable
from holdfast.crypto.passwords import is_hash
from holdfast.storage.files import read_bytes, write_atomic

NO_PASSWORD = "!"  # noqa: S105  # says that there is none
_SECRET = 0o600


class User(NamedTuple):
    """One line of the file."""

    name: str
    hash: str
    groups: tuple[str, ...] = ()


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
        if not colon or name_problem(name) or (kept != NO_PASSWORD and not is_hash(kept)):
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
