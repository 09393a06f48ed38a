"""The file of people: names, roles, passwords' hashes, and links. Read as a whole, replaced atomically, mode 0600.

It's the only truth: the command line and the node both change it, under one lock, and a node reads it again when it
was replaced. So whoever is removed there is out with the next request.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from holdfast.crypto.passwords import PEOPLE, hashed, is_hash
from holdfast.crypto.tokens import digest
from holdfast.identity.people.errors import PeopleUnusable, PersonThere, PersonUnfit, PersonUnknown
from holdfast.identity.people.roles import Role
from holdfast.storage.errors import InUse
from holdfast.storage.files import read_bytes, write_atomic
from holdfast.storage.lock import FileLock

FILE_NAME = "people.json"
MOST_PEOPLE, MOST_LINKS = 1_000, 1_000
LEAST_PASSWORD, MOST_PASSWORD = 8, 256
MOST_NAME = 60
_SECRET = 0o600
_TRIES, _PAUSE_S = 100, 0.02


class Person(Struct, frozen=True):
    """Somebody who may log in. changed_ns: when the password was set; older sessions are over."""

    name: str
    role: Role
    password: str
    made_ns: int
    changed_ns: int


class Link(Struct, frozen=True):
    """What lets in without a password: a kiosk's link, or a token for a person's scripts.

    name: of the link; owner: whose token it is, empty for a kiosk; digest: SHA-256 of its text, hex
    until_ns: 0 = until it's revoked
    """

    name: str
    kind: Literal["kiosk", "token"]
    owner: str
    digest: str
    made_ns: int
    until_ns: int

    def is_over(self, now_ns: int) -> bool:
        """Is its time over?"""
        return 0 < self.until_ns <= now_ns


class Book(Struct, frozen=True):
    """Everybody, and every link."""

    people: tuple[Person, ...] = ()
    links: tuple[Link, ...] = ()

    def person(self, name: str) -> Person | None:
        """Who is called so."""
        return next((one for one in self.people if one.name == name), None)

    def link(self, text: str) -> Link | None:
        """Which link a shown text is. Looked up by digest, so the time taken tells nothing of the text."""
        shown = digest(text).hex()
        return next((one for one in self.links if one.digest == shown), None)

    def add(self, name: str, role: Role, password: str, now_ns: int) -> "Book":
        """With one person more.

        Raises:
            PersonUnfit: when name or password can't be used.
            PersonThere: when the name is taken.
        """
        if self.person(name) is not None:
            raise PersonThere(f"there is a {name} already")
        if len(self.people) >= MOST_PEOPLE:
            raise PersonUnfit(f"there are {MOST_PEOPLE:,} people already")
        require_name(name)
        kept = password if is_hash(password) else hashed(fit(password), p=PEOPLE)
        return replace(self, people=(*self.people, Person(name, role, kept, now_ns, now_ns)))

    def change(self, name: str, now_ns: int, role: Role | None = None, password: str = "") -> "Book":
        """With another role or password; a new password ends the person's sessions.

        Raises:
            PersonUnknown, PersonUnfit: when there is nobody, or the password can't be used.
        """
        found = self._known(name)
        if password:
            found = replace(found, password=hashed(fit(password), p=PEOPLE), changed_ns=now_ns)
        found = replace(found, role=role or found.role)
        return replace(self, people=tuple(found if one.name == name else one for one in self.people))

    def without(self, name: str) -> "Book":
        """Without a person and the person's tokens.

        Raises:
            PersonUnknown: when there is nobody.
        """
        self._known(name)
        people = tuple(one for one in self.people if one.name != name)
        return Book(people, tuple(one for one in self.links if one.owner != name))

    def linked(self, link: Link, now_ns: int) -> "Book":
        """With one link more; those that are over go.

        Raises:
            PersonUnfit, PersonThere, PersonUnknown: when its name can't be used, is taken, or its owner isn't there.
        """
        require_name(link.name)
        kept = tuple(one for one in self.links if not one.is_over(now_ns))
        if any(one.name == link.name for one in kept):
            raise PersonThere(f"there is a link {link.name} already")
        if len(kept) >= MOST_LINKS:
            raise PersonUnfit(f"there are {MOST_LINKS:,} links already")
        if link.owner:
            self._known(link.owner)
        return replace(self, links=(*kept, link))

    def unlinked(self, name: str) -> "Book":
        """Without a link.

        Raises:
            PersonUnknown: when there is none.
        """
        if all(one.name != name for one in self.links):
            raise PersonUnknown(f"there is no link {name[:MOST_NAME]}")
        return replace(self, links=tuple(one for one in self.links if one.name != name))

    def _known(self, name: str) -> Person:
        found = self.person(name)
        if found is None:
            raise PersonUnknown(f"there is nobody called {name[:MOST_NAME]}")
        return found


class BookFile:
    """The file. Reads are cheap: only a replaced file is read again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._book = Book()

    def read(self) -> Book:
        """The book as it is now; empty when there's no file.

        Raises:
            PeopleUnusable, StorageUnusable: when it can't be read.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._seen, self._book = None, Book()
            return self._book
        mark = found.st_ino, found.st_mtime_ns, found.st_size
        if mark != self._seen:
            try:
                self._book = msgspec.json.decode(read_bytes(self.path), type=Book)
            except msgspec.MsgspecError as error:
                raise PeopleUnusable(f"{self.path} is no file of people: {error}") from error
            self._seen = mark
        return self._book

    def change(self, do: Callable[[Book], Book]) -> Book:
        """Replace the book by what `do` makes of it; one at a time, of all processes. Blocking.

        Raises:
            InUse: when another process holds the file for seconds.
            PeopleError, StorageUnusable: as `do` and files do.
        """
        lock = self._lock()
        try:
            book = do(self.read())
            write_atomic(self.path, msgspec.json.format(msgspec.json.encode(book), indent=1) + b"\n", _SECRET)
            if os.geteuid() == 0:  # what root adds must be readable by the user that the node runs as
                owner = self.path.parent.stat()
                os.chown(self.path, owner.st_uid, owner.st_gid)
        finally:
            lock.release()
        return self.read()

    def _lock(self) -> FileLock:
        for _ in range(_TRIES):
            try:
                return FileLock(self.path)
            except InUse:
                time.sleep(_PAUSE_S)
        return FileLock(self.path)


def require_name(name: str) -> None:
    """Refuse what can't be a name.

    Raises:
        PersonUnfit: it's empty, too long, or doesn't print as it is.
    """
    if not name or len(name) > MOST_NAME or not name.isprintable() or name != name.strip() or set(name) & set(":/#"):
        raise PersonUnfit(f"a name has 1 to {MOST_NAME} printable characters and none of : / #")


def fit(password: str) -> bytes:
    """A password as bytes.

    Raises:
        PersonUnfit: it's too short or too long.
    """
    found = password.encode()
    if len(password) < LEAST_PASSWORD or len(found) > MOST_PASSWORD:
        raise PersonUnfit(f"a password has {LEAST_PASSWORD} characters or more, up to {MOST_PASSWORD} bytes")
    return found
