"""How the nodes below are, as children tell of them. Loop thread only.

A state, not a log. It's in memory; what is needed to show a site that is silent when this node comes back (where it
is, when it was last heard, how it was then) goes to disk when a child's `about` changes, when it falls silent, and
otherwise every `STORE_EVERY_S`: a commit every 15 s for a few hundred bytes would wear the flash for nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from holdfast.journal.journal import Journal
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.wire.sites import SiteAbout, SiteHealth, SiteTold

ONLINE_S = 45.0
"""Three signs of life; a child is `late` after it, and `silent` after the next."""
LATE_S = 180.0
MOST_HELD = 5_000
"""Nodes that one child tells of; more are not kept."""
STORE_EVERY_S = 600.0
_META = "sites."


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """One node as it was told. told_ns: when the health came; via: from this node's child down."""

    node: str
    via: tuple[str, ...] = ()
    about: SiteAbout | None = None
    health: SiteHealth | None = None
    heard_ns: int = 0
    told_ns: int = 0
    state: str = ""


_stored = msgspec.json.Decoder(list[Known])


@dataclass(slots=True)
class _Child:
    """What one child told. heard: monotonic, None = not since this node started."""

    sites: dict[str, Known]
    heard: float | None = None
    stored: float = 0.0
    is_new: bool = False
    was_online: bool = False


class SitesBelow:
    """What was told."""

    def __init__(self, journal: Journal, clock: Clock, children: Iterable[str]) -> None:
        """Read what is stored of these children. Blocking."""
        self._journal, self._clock = journal, clock
        self._children: dict[str, _Child] = {}
        for child in children:
            found = journal.meta(f"{_META}{child}")
            sites = {} if found is None else {one.node: one for one in _stored.decode(found)}
            self._children[child] = _Child(sites)

    def __iter__(self) -> Iterator[Known]:
        """Every node once, as of now; children first."""
        mine = self._children
        for name, child in mine.items():
            yield self._own(name, child)
        seen = set(mine)
        for name, child in mine.items():
            for one in child.sites.values():
                if one.node not in seen:
                    seen.add(one.node)
                    yield self._far(name, child, one)

    def get(self, node: str) -> Known | None:
        """One node."""
        child = self._children.get(node)
        if child is not None:
            return self._own(node, child)
        for name, child in self._children.items():
            if node in child.sites:
                return self._far(name, child, child.sites[node])
        return None

    def take(self, teller: str, rows: Sequence[SiteTold]) -> bool:
        """A child tells; does this node lack something that the rows build on?"""
        child = self._children.setdefault(teller, _Child({}))
        child.heard, now_ns, lacks = self._clock.monotonic(), self._clock.wall_ns(), False
        for row in rows:
            if not self._is_welcome(teller, child, row):
                continue
            was = child.sites.get(row.node)
            about = row.about if row.about is not None else None if was is None else was.about
            lacks |= about is None
            is_own = row.node == teller
            child.is_new |= row.about is not None
            child.sites[row.node] = Known(
                row.node,
                () if is_own else (teller, *row.via),
                about,
                row.health if row.health is not None else None if was is None else was.health,
                now_ns if is_own else row.heard_ns,
                now_ns if row.health is not None else 0 if was is None else was.told_ns,
                "" if is_own else row.state,
            )
        if teller in child.sites:
            child.sites[teller] = msgspec.structs.replace(child.sites[teller], heard_ns=now_ns)
        else:  # an older one: it tells of its devices only
            child.sites[teller] = Known(teller, heard_ns=now_ns)
        return lacks

    def turn(self) -> None:
        """Store what is due."""
        now = self._clock.monotonic()
        for name, child in self._children.items():
            if child.heard is None:
                continue
            online = now - child.heard < ONLINE_S
            fell = child.was_online and not online
            child.was_online = online
            if child.is_new or fell or (online and now - child.stored >= STORE_EVERY_S):
                child.is_new, child.stored = False, now
                self._store(f"{_META}{name}", msgspec.json.encode(list(child.sites.values())).decode())

    def _store(self, key: str, text: str) -> None:
        self._journal.submit(lambda tx: tx.set_meta(key, text))

    def _is_welcome(self, teller: str, child: _Child, row: SiteTold) -> bool:
        if row.node == self._journal.node or self._journal.node in row.via:
            return False  # nobody below may speak for this node
        if row.node != teller and row.node in self._children:
            return False  # a child speaks for itself
        return row.node in child.sites or len(child.sites) < MOST_HELD

    def _own(self, name: str, child: _Child) -> Known:
        known = child.sites.get(name) or Known(name)
        return msgspec.structs.replace(known, state=self._state(child, known))

    def _far(self, name: str, child: _Child, one: Known) -> Known:
        """A node further down is as its parent says, while that one is heard."""
        teller = child.sites.get(name) or Known(name)
        state = one.state if self._state(child, teller) == "online" else "unknown"
        return msgspec.structs.replace(one, state=state or "unknown")

    def _state(self, child: _Child, known: Known) -> str:
        if child.heard is None:
            gone_s = (self._clock.wall_ns() - known.heard_ns) / NS_PER_S if known.heard_ns else None
            if gone_s is None:
                return "never"
            return "late" if 0 <= gone_s < LATE_S else "silent"
        silent_s = self._clock.monotonic() - child.heard
        return "online" if silent_s < ONLINE_S else "late" if silent_s < LATE_S else "silent"
