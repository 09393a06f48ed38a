"""People at a running node: login, sessions, kiosks' links, tokens. The room's only awaits.

Sessions outlive a restart: they're a small file of digests, `sessions.json`, written when one begins or ends and, as
somebody uses it, every few minutes.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from holdfast.crypto.errors import TokenMalformed
from holdfast.crypto.passwords import NOBODY, is_right
from holdfast.crypto.tokens import Token, digest, is_same, mint_token, parse_token
from holdfast.identity.people.book import FILE_NAME, MOST_NAME, MOST_PASSWORD, Book, BookFile, Link, Person
from holdfast.identity.people.errors import LoginRefused, LoginThrottled
from holdfast.identity.people.happenings import PersonLoggedIn, PersonLoginRefused
from holdfast.identity.people.local import LOCAL_FILE
from holdfast.identity.people.roles import Role
from holdfast.identity.people.sessions import Session, Sessions
from holdfast.identity.people.settings import PeopleSettings
from holdfast.identity.people.throttle import Throttle
from holdfast.identity.people.trail import Trail
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.storage.files import read_bytes, write_atomic
from holdfast.telemetry.happenings import Telemetry

SESSIONS_FILE = "sessions.json"
KIOSK_S = 365 * 86_400.0
"""A kiosk's session, of a link that has no end."""
STORE_NS = 300 * NS_PER_S
CHECKS = 8
"""Passwords in line to be checked, one at a time: each takes a core and 16 MiB for a while."""
_SECRET = 0o600
Via = Literal["local", "open", "session", "kiosk", "token"]


class Caller(NamedTuple):
    """Who asks. name: empty where nobody logs in; via: how that is known; session: its digest, hex."""

    name: str
    role: Role
    via: Via
    session: str = ""


class Opened(Struct, frozen=True):
    """A new session. id: the secret, for the cookie alone; lasts_s: until its absolute end."""

    id: str
    caller: Caller
    lasts_s: int


class People:
    """Who is believed at one node. Lookups are quick and made on the loop; changes of the book block."""

    def __init__(
        self, settings: PeopleSettings, folder: Path, clock: Clock, telemetry: Telemetry, trail: Trail
    ) -> None:
        """Read what there is, and make the token of this machine.

        Raises:
            PeopleError, StorageUnusable: when a file can't be read or written.
        """
        self.settings, self.file, self.trail = settings, BookFile(folder / FILE_NAME), trail
        self._clock, self._telemetry = clock, telemetry
        self._stored = folder / SESSIONS_FILE
        self.file.read()
        self._sessions = Sessions(settings.idle, settings.sessions, _read(self._stored))
        self._throttle = Throttle()
        self._checking, self._waiting = asyncio.Lock(), 0
        self._stored_ns = clock.wall_ns()
        local = mint_token()
        self._local = digest(local.text)
        write_atomic(folder / LOCAL_FILE, f"{local.text}\n".encode(), _SECRET)

    def by_token(self, text: str, *, is_here: bool) -> Caller | None:
        """Whom a bearer token stands for; None: nobody. is_here: was it shown on this machine?"""
        if is_here and is_same(digest(text), self._local):
            return Caller("", Role.ADMIN, "local")
        link = self._link(text, "token")
        person = None if link is None else self.file.read().person(link.owner)
        return None if person is None else Caller(person.name, person.role, "token")

    def by_session(self, text: str) -> Caller | None:
        """Whom a cookie stands for; None: nobody."""
        now_ns = self._clock.wall_ns()
        found = self._sessions.use(digest(text).hex(), now_ns)
        if found is None:
            return None
        caller = self._believed(found, now_ns)
        if caller is None:
            self._sessions.end(found.digest)
        return caller

    async def login(self, name: str, password: str, address: str, agent: str) -> Opened:
        """Let a person in.

        Raises:
            LoginThrottled: too many failed, or wait in line.
            LoginRefused: name and password don't fit.
        """
        person = await self.prove(name, password, address)
        caller = Caller(person.name, person.role, "session")
        return await self._open(caller, "person", self.settings.longest, address, agent)

    async def prove(self, name: str, password: str, address: str) -> Person:
        """Who has this name and password; errors as `login`."""
        name = name[: MOST_NAME + 1]
        self._require_patience(name, address)
        person = self.file.read().person(name)
        kept = NOBODY if person is None else person.password
        fits = await self._checked(password.encode("utf-8", "replace")[: MOST_PASSWORD + 1], kept)
        self._require_patience(name, address)  # of many guesses at once only so many are answered
        if person is None or not fits:
            self._throttle.failed(name, address, self._clock.monotonic())
            await self._refused("wrong", name, "login", address)
            raise LoginRefused("name and password don't fit")
        self._throttle.passed(name)
        return person

    async def enter(self, text: str, address: str, agent: str) -> Opened:
        """Let a wall screen in by its link.

        Raises:
            LoginThrottled: too many failed.
            LoginRefused: the link is unknown, over or revoked.
        """
        self._require_patience(f"kiosk {address}", address)
        link = self._link(text, "kiosk")
        if link is None:
            self._throttle.failed(f"kiosk {address}", address, self._clock.monotonic())
            await self._refused("link", "", "kiosk", address)
            raise LoginRefused("this link is unknown, over or revoked")
        lasts_s = (link.until_ns - self._clock.wall_ns()) / NS_PER_S if link.until_ns else KIOSK_S
        caller = Caller(link.name, Role.VIEWER, "kiosk")
        return await self._open(caller, "kiosk", lasts_s, address, agent, link.digest)

    async def logout(self, caller: Caller, address: str) -> None:
        """End the caller's session."""
        if caller.session:
            await self.trail.write(caller.name, "logout", 200, address)
            self._sessions.end(caller.session)
            await self.store()

    async def end(self, digest_start: str) -> Session | None:
        """End the session whose digest begins so; None when there is none."""
        for one in self.sessions():
            if len(digest_start) >= 12 and one.digest.startswith(digest_start):
                self._sessions.end(one.digest)
                await self.store()
                return one
        return None

    def sessions(self) -> list[Session]:
        """Those that last, the one used last first."""
        now_ns = self._clock.wall_ns()
        return [one for one in self._sessions.all(now_ns) if self._believed(one, now_ns) is not None]

    async def change(self, do: Callable[[Book], Book]) -> Book:
        """Change the book; errors as `BookFile.change`."""
        return await asyncio.to_thread(self.file.change, do)

    def now_ns(self) -> int:
        """Wall time, as the book has it."""
        return self._clock.wall_ns()

    async def keep(self) -> None:
        """Called after requests: store the sessions now and then, so that a restart finds them used."""
        if abs(self._clock.wall_ns() - self._stored_ns) >= STORE_NS:
            await self.store()

    async def store(self) -> None:
        """Write the sessions down."""
        self._stored_ns = self._clock.wall_ns()
        await asyncio.to_thread(
            write_atomic, self._stored, msgspec.json.encode(self._sessions.all(self._stored_ns)), _SECRET
        )

    def new_link(self, name: str, kind: Literal["kiosk", "token"], owner: str, for_s: float) -> tuple[Token, Link]:
        """A link that isn't in the book yet. for_s: 0 = until it's revoked."""
        return make_link(name, kind, owner, for_s, self._clock.wall_ns())

    def _believed(self, one: Session, now_ns: int) -> Caller | None:
        """A session is worth what the book says now."""
        book = self.file.read()
        if one.kind == "kiosk":
            is_linked = any(link.digest == one.link and not link.is_over(now_ns) for link in book.links)
            return Caller(one.name, Role.VIEWER, "kiosk", one.digest) if is_linked else None
        person = book.person(one.name)
        if person is None or person.changed_ns > one.made_ns:
            return None
        return Caller(person.name, person.role, "session", one.digest)

    def _link(self, text: str, kind: Literal["kiosk", "token"]) -> Link | None:
        try:
            parse_token(text)
        except TokenMalformed:
            return None
        found = self.file.read().link(text)
        return found if found is not None and found.kind == kind and not found.is_over(self._clock.wall_ns()) else None

    def _require_patience(self, name: str, address: str) -> None:
        wait_s = self._throttle.wait_s(name, address, self._clock.monotonic())
        if wait_s > 0 or self._waiting >= CHECKS:
            self._telemetry.emit(PersonLoginRefused(reason="throttled", address=address))
            raise LoginThrottled(max(wait_s, 1.0))

    async def _checked(self, password: bytes, kept: str) -> bool:
        self._waiting += 1
        try:
            async with self._checking:
                return await asyncio.to_thread(is_right, password, kept)
        finally:
            self._waiting -= 1

    async def _refused(self, reason: Literal["wrong", "link"], name: str, what: str, address: str) -> None:
        self._telemetry.emit(PersonLoginRefused(reason=reason, address=address))
        await self.trail.failed(name[:MOST_NAME], f"{what} refused", address)

    async def _open(
        self,
        caller: Caller,
        kind: Literal["person", "kiosk"],
        lasts_s: float,
        address: str,
        agent: str,
        link: str = "",
    ) -> Opened:
        token, now_ns = mint_token(), self._clock.wall_ns()
        kept = digest(token.text).hex()
        until_ns = now_ns + round(lasts_s * NS_PER_S)
        # The line first: nobody is in who isn't on record, whenever the power goes.
        await self.trail.write(caller.name, "login" if kind == "person" else "kiosk login", 200, address)
        self._sessions.open(Session(kept, caller.name, kind, now_ns, now_ns, until_ns, address, agent, link))
        await self.store()
        how: Literal["password", "kiosk"] = "kiosk" if kind == "kiosk" else "password"
        self._telemetry.emit(PersonLoggedIn(how=how, who=caller.name, address=address))
        return Opened(token.text, caller._replace(session=kept), round(lasts_s))


def make_link(name: str, kind: Literal["kiosk", "token"], owner: str, for_s: float, now_ns: int) -> tuple[Token, Link]:
    """A new link and its secret text. for_s: 0 = until it's revoked."""
    until_ns = now_ns + round(for_s * NS_PER_S) if for_s else 0
    token = mint_token(until_ns // NS_PER_S)
    return token, Link(name, kind, owner, digest(token.text).hex(), now_ns, until_ns)


def _read(path: Path) -> list[Session]:
    """What a former life wrote down; a file that can't be read means that people log in again, no more."""
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(read_bytes(path), type=list[Session])
    except msgspec.MsgspecError:
        return []
