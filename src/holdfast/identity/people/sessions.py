"""Who is logged in. Pure: times are wall time, ns UTC; ids are kept as digests only.

A session ends by logging out, when nobody used it for `idle`, when it's older than `longest`, or when room is needed.
A kiosk's session ends with its link. Invariant: len(sessions) <= most, and <= MOST_EACH for one name.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from holdfast.kernel.clock import NS_PER_S

MOST_EACH = 20
MOST_AGENT = 120


class Session(Struct, frozen=True):
    """A browser that is believed. digest: SHA-256 of its id, hex; link: of a kiosk, its link's digest.

    until_ns: its absolute end
    """

    digest: str
    name: str
    kind: Literal["person", "kiosk"]
    made_ns: int
    seen_ns: int
    until_ns: int
    address: str
    agent: str
    link: str = ""


class Sessions:
    """All sessions of one node."""

    def __init__(self, idle_s: float, most: int, known: Iterable[Session] = ()) -> None:
        self._idle_ns, self._most = round(idle_s * NS_PER_S), most
        self._by_digest = {one.digest: one for one in known}

    def __len__(self) -> int:
        return len(self._by_digest)

    def all(self, now_ns: int) -> list[Session]:
        """Those that last, the one used last first."""
        self._forget(now_ns)
        return sorted(self._by_digest.values(), key=lambda one: -one.seen_ns)

    def open(self, session: Session) -> None:
        """A new one; where there are too many, the one unused longest makes room."""
        self._forget(session.made_ns)
        mine = [one for one in self._by_digest.values() if one.name == session.name and one.kind == session.kind]
        if len(mine) >= MOST_EACH:
            self._end_oldest(mine)
        if len(self._by_digest) >= self._most:
            self._end_oldest(list(self._by_digest.values()))
        self._by_digest[session.digest] = replace(session, agent=session.agent[:MOST_AGENT])

    def use(self, digest: str, now_ns: int) -> Session | None:
        """The session with this digest, which is used now; None when there is none, or it's over."""
        found = self._by_digest.get(digest)
        if found is None:
            return None
        if self._is_over(found, now_ns):
            del self._by_digest[digest]
            return None
        if now_ns > found.seen_ns:  # a clock that was set back makes no session younger
            found = self._by_digest[digest] = replace(found, seen_ns=now_ns)
        return found

    def end(self, digest: str) -> Session | None:
        """Log out; returns what ended."""
        return self._by_digest.pop(digest, None)

    def _is_over(self, one: Session, now_ns: int) -> bool:
        is_idle = one.kind == "person" and now_ns - one.seen_ns >= self._idle_ns  # nobody touches a wall screen
        return is_idle or now_ns >= one.until_ns

    def _forget(self, now_ns: int) -> None:
        for one in [one for one in self._by_digest.values() if self._is_over(one, now_ns)]:
            del self._by_digest[one.digest]

    def _end_oldest(self, among: list[Session]) -> None:
        del self._by_digest[min(among, key=lambda one: one.seen_ns).digest]
