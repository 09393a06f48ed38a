"""What this node lets its parent look at: its own answers, without what residency keeps here or in the region.

The parent may stand anywhere, so a series is shown only when it may go anywhere, whatever region both are in. Left out
are: staying series, in lists and in answers about the past; devices with any such series; counts of the lanes that
stay; what the alerts' book doesn't hold anyway (alerts about what stays). Totals over everything (messages received,
bytes on disk) are shown: they name nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace as changed
from numpy.typing import NDArray

from holdfast.devices.errors import DeviceUnfit, DeviceUnknown
from holdfast.history.answers import Answer
from holdfast.history.query import History
from holdfast.journal.alerts import Alert
from holdfast.journal.ledger import Ledger
from holdfast.model.event import Event
from holdfast.model.lane import Lane, Stay
from holdfast.model.series import Catalogue
from holdfast.node.devices import Book
from holdfast.node.web import make_deps
from holdfast.storage.sqlite import Connection
from holdfast.uplink.levels import Level
from holdfast.web.answers import ClockStatus, Status
from holdfast.web.deps import Alerting, Past, WebDeps
from holdfast.web.device_answers import DeviceChange, DeviceChanged, DeviceDetail, DeviceRow
from holdfast.web.outlook import PACE_S, Outlook, build_outlook
from holdfast.web.settings import ApiSettings

if TYPE_CHECKING:
    from holdfast.node.node import Node

PATIENCE_S = 6.0
"""How long a look may take; the parent waits for a little longer."""
PACES = {Level.WIDE: PACE_S, Level.NARROW: 5.0, Level.TRICKLE: 15.0}
"""Seconds between two answers to somebody who goes on looking: lane 0 shares the link with them."""
_NOT_COUNTED = False
"""Counting every row takes too long for a look."""
_SECRET = [int(lane) for lane in Lane if lane.is_secret]


@dataclass(frozen=True, slots=True)
class _Devices:
    """(node, name) of devices at one moment. hidden: a series of theirs stays; known: they have series."""

    own: str
    hidden: frozenset[tuple[str, str]]
    known: frozenset[tuple[str, str]]
    keeps: bool

    def may_be_known(self, node: str, name: str) -> bool:
        """May it be known that there is this device? As `residency.leaving` has it, and for those of children, too."""
        if (node, name) in self.hidden:
            return False
        return node != self.own or not self.keeps or (node, name) in self.known


@dataclass(frozen=True, slots=True)
class Sight:
    """What may be known elsewhere. Any thread. has_rules: are there residency rules here?"""

    node: str
    catalogue: Catalogue
    has_rules: bool

    def series(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """Of these series those that may go anywhere."""
        found: NDArray[np.int32] = ids[self.catalogue.stay_of[ids] == Stay.ANYWHERE]
        return found

    def keeps(self) -> bool:
        """Is there anything here that must stay somewhere?"""
        return self.has_rules or bool(self.catalogue.stay_of.any())

    def devices(self) -> _Devices:
        """As it's now."""
        many = len(self.catalogue)
        device, stay, names = (
            self.catalogue.device_of[:many],
            self.catalogue.stay_of[:many],
            self.catalogue.device_names,
        )
        hidden = frozenset(names[i] for i in np.unique(device[stay != 0]).tolist())
        known = frozenset(names[i] for i in np.unique(device).tolist())
        return _Devices(self.node, hidden, known, self.has_rules)

    def names(self, names: list[str]) -> list[str]:
        """Of these series' names those that may go anywhere."""
        seen = self.series(np.arange(len(self.catalogue), dtype=np.int32)).tolist()
        open_names = {self.catalogue[i].name for i in seen}
        return [name for name in names if name in open_names]


class _SeenHistory(History):
    """The past without what stays. keeps: then it isn't said either how much was looked at, or is gone."""

    keeps: Callable[[], bool] = staticmethod(lambda: True)

    def query(self, *args: Any, **named: Any) -> Answer:
        """See `History`."""
        found = super().query(*args, **named)
        return changed(found, missing=[], sources=[]) if self.keeps() else found


class _SeenBook:
    """Implements `web.deps.DeviceBook` without devices that may not be known."""

    def __init__(self, book: Book, sight: Sight) -> None:
        self._book, self._sight = book, sight

    def rows(self) -> list[DeviceRow]:
        """See `DeviceBook`."""
        devices = self._sight.devices()
        return [row for row in self._book.rows() if _is_seen(row, devices)]

    def children_series(self) -> list[int]:
        """See `DeviceBook`."""
        found: list[int] = self._sight.series(np.array(self._book.children_series(), np.int32)).tolist()
        return found

    async def detail(self, name: str, node: str) -> DeviceDetail:
        """See `DeviceBook`."""
        found = await self._book.detail(name, node)
        if not _is_seen(found.device, self._sight.devices()):
            raise DeviceUnknown(f"there is no device {name[:80]!r} at this node")
        if self._sight.keeps():  # topics and fields may name what stays
            found = changed(found, sources=[], profiles=[])
        return changed(found, series=self._sight.names(found.series))

    async def change(self, wanted: DeviceChange) -> DeviceChanged:
        """Looks only: a device is changed at its own node."""
        raise DeviceUnfit(f"a hub looks on and can't {wanted.do} devices here", "ask the node that has them")


def _is_seen(row: DeviceRow, devices: _Devices) -> bool:
    if any((row.node, name) in devices.hidden for name in row.former):
        return False
    return devices.may_be_known(row.node, row.name)


def outlook_of(node: "Node") -> Outlook:
    """Made once, when the parent looks for the first time."""
    sight = Sight(node.journal.node, node.journal.catalogue, bool(node.leaving.policy))
    deps = make_deps(node, node.plan.settings.api or ApiSettings())
    return Outlook(build_outlook(_restricted(node, deps, sight)), sight.keeps, lambda: _pace_s(node))


def _pace_s(node: "Node") -> float:
    """Between two answers to somebody who goes on looking."""
    return PACE_S if node.uplink is None else PACES[node.uplink.plan.pacing.level]


def _restricted(node: "Node", deps: WebDeps, sight: Sight) -> WebDeps:
    history = _SeenHistory(node.journal, node.journal.catalogue, node.surroundings.memory, sees=sight.series)
    history.keeps = sight.keeps
    look = node.journal.look

    def alerts(read: Callable[[Connection], Any]) -> Any:
        return _seen_alerts(look(read), sight)

    return replace(
        deps,
        past=Past(history, deps.past.latest, deps.past.known, PATIENCE_S),
        status=lambda: _status(deps.status(), keeps=sight.keeps()),
        ledger=lambda _: _ledger(deps.ledger(_NOT_COUNTED)),
        events=lambda limit: _events(deps.events(limit), sight),
        timekeeping=lambda limit: _clock(deps.timekeeping(limit), sight),
        devices=_SeenBook(Book(node), sight),
        alerting=None if deps.alerting is None else Alerting(deps.alerting.service, alerts),
        sees=sight.series,
    )


def _status(said: Status, *, keeps: bool) -> Status:
    if keeps:  # words may name what they are about
        if said.rules is not None:
            rules = changed(said.rules, problems=["a rules file has one"] * bool(said.rules.problems), throttled=[])
            said = changed(said, rules=rules)
        if said.documents is not None:
            said = changed(said, documents=changed(said.documents, stuck={}, detail=""))
    backlog = [0 if lane in _SECRET else n for lane, n in enumerate(said.backlog)]
    heads = [0 if lane in _SECRET else n for lane, n in enumerate(said.journal.heads)]
    counters = {name: n for name, n in said.counters.items() if not _is_secret(name)}
    return changed(said, backlog=backlog, journal=changed(said.journal, heads=heads), counters=counters)


def _is_secret(counter: str) -> bool:
    return counter.startswith("residency") or any(counter.endswith(f"lane{lane}") for lane in _SECRET)


def _ledger(said: Ledger) -> Ledger:
    return changed(
        said,
        lanes=[one for one in said.lanes if one.lane not in _SECRET],
        gaps=[one for one in said.gaps if one.lane not in _SECRET],
        children=[one for one in said.children if one.lane not in _SECRET],
    )


def _clock(said: ClockStatus, sight: Sight) -> ClockStatus:
    devices = sight.devices()
    return changed(said, devices=[one for one in said.devices if devices.may_be_known(one.node, one.device)])


def _events(found: Sequence[Event], sight: Sight) -> list[Event]:
    """Those of open lanes, about devices that may be known."""
    hidden = sight.devices().hidden
    return [one for one in found if not one.lane.stays and (one.node, one.device) not in hidden]


def _seen_alerts(found: Any, sight: Sight) -> Any:
    """The book holds open lanes only. A device that stays may still be in it, from before its rule came."""
    hidden = sight.devices().hidden
    if isinstance(found, Alert):
        return None if (found.node, found.device) in hidden else found
    if isinstance(found, tuple):  # a page, and what belongs to it
        return tuple(_seen_alerts(part, sight) for part in found)
    if isinstance(one := getattr(found, "alert", None), Alert):  # an alert with its story
        return None if (one.node, one.device) in hidden else found
    if isinstance(found, list):
        return [one for one in found if not isinstance(one, Alert) or (one.node, one.device) not in hidden]
    return found
