"""A node's web app on plain values, and a client that speaks to it without a socket."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
from tests.events import alert
from tests.unit.history.stored import Row, StoredGroups, batch

from holdfast.devices.errors import DeviceNameTaken, DeviceUnknown
from holdfast.history.last_values import LastValues
from holdfast.history.latest import Latest
from holdfast.history.query import History
from holdfast.intake.replay import Replayed, Verdict
from holdfast.journal.accounts import Accounts, LaneAccount
from holdfast.journal.ledger import balance
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.journal.records import QuarantineRow
from holdfast.kernel.clock import ManualClock
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.residency.report import Day, Report
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.answers import ClockSkew, ClockStatus, JournalStatus, LinkStatus, Status
from holdfast.web.app import build_app
from holdfast.web.deps import Past, WebDeps
from holdfast.web.device_answers import DeviceChange, DeviceChanged, DeviceDetail, DeviceRow
from holdfast.web.flow_answers import Flow, Room

NOW_S = 1_700_000_000
NOW_NS = NOW_S * 10**9
COUNTERS = {
    "messages_received": 10,
    "messages_accepted": 7,
    "messages_rejected.stale": 2,
    "messages_rejected.duplicate": 1,
    "readings_accepted": 3,
    "rows_committed.lane2": 3,
}


def status() -> Status:
    link = LinkStatus("up", "https://hub:8443")
    journal = JournalStatus("ok", 4096, 2_000_000_000, [0, 0, 3])
    return Status("gw", "0", "inc", NOW_NS, NOW_NS, 1.0, link, [0, 0, 1], journal, 2, [], COUNTERS)


class Refused:
    """A quarantine with one message, which the profiles still refuse; keeps what replays were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[QuarantineFilter, bool]] = []
        self.looked: list[tuple[QuarantineFilter, int]] = []
        self.has_one_page = False

    def page(self, wanted: QuarantineFilter, limit: int, before: int) -> list[QuarantineRow]:
        self.looked.append((wanted, before))
        if self.has_one_page and before == 1:
            return []
        return [QuarantineRow(1, NOW_NS, "dev", "t", "malformed", "not JSON", b"\xff{")][:limit]

    def message(self, number: int) -> QuarantineRow | None:
        return self.page(QuarantineFilter(), 1, 2)[0] if number == 1 else None

    def verdict(self, message: QuarantineRow) -> Verdict:
        return Verdict(False, [], message.reason, message.detail)

    async def replay(self, wanted: QuarantineFilter, *, dry_run: bool) -> Replayed:
        self.asked.append((wanted, dry_run))
        return Replayed(dry_run, 2, 10, 0, {"malformed": 1})


class Book:
    """Two devices of this node and one of a child's; keeps what was to be done."""

    def __init__(self) -> None:
        self.done: list[DeviceChange] = []

    def rows(self) -> list[DeviceRow]:
        return [
            DeviceRow("press-1", "gw", "silent", "accepted", ("line-3",), messages=3),
            DeviceRow("press-2", "gw", "online", "new"),
            DeviceRow("mixer", "leaf", last_ns=NOW_NS),
        ]

    def children_series(self) -> list[int]:
        return []

    async def detail(self, name: str, node: str) -> DeviceDetail:
        for row in self.rows():
            if row.name == name and row.node == (node or "gw"):
                return DeviceDetail(row, [], [])
        raise DeviceUnknown(f"there is no device {name!r} at this node")

    async def change(self, wanted: DeviceChange) -> DeviceChanged:
        if wanted.to == "taken":
            raise DeviceNameTaken("taken is a name of the device press-2", "another name")
        self.done.append(wanted)
        return DeviceChanged(list(wanted.devices))


LANES = tuple(
    LaneAccount(lane, head, sent, 0)
    for lane, head, sent in zip(Lane, (0, 0, 3, 0, 0, 0), (0, 0, 2, 0, 0, 0), strict=True)
)


def timekeeping(limit: int) -> ClockStatus:
    devices = [ClockSkew("gw", f"press-{i}", 9.0 - i, 1) for i in range(3)]
    return ClockStatus("trusted", True, NOW_NS, "boot", 0, False, 0, None, len(devices), devices[:limit])


def make_deps(log: list[str] | None = None, **changes: Any) -> WebDeps:
    clock, catalogue, stored = ManualClock(NOW_NS), Catalogue(), StoredGroups()
    catalogue.intern(Series("gw", "press-1", "temperature", "Cel", Kind.FLOAT))
    catalogue.intern(Series("gw", "oven", "state", "", Kind.TEXT))
    rows = [Row(0, NOW_NS - 60 * 10**9, 20.0), Row(0, NOW_NS - 30 * 10**9, 22.0, 2 | 1 << 2)]
    stored.add(rows)
    last = LastValues(catalogue)
    last.update(batch(rows))
    deps = WebDeps(
        clock=clock,
        telemetry=Telemetry(clock, (log if log is not None else []).append),
        catalogue=catalogue,
        past=Past(History(stored, catalogue), Latest(stored, catalogue), last),
        status=status,
        ledger=lambda _: balance(Accounts(dict(COUNTERS), {}, LANES), has_parent=True),
        events=lambda limit: [alert(i, id=str(i), ts=NOW_NS) for i in range(limit)],
        residency=lambda first, last: Report(
            "gw",
            "eu-1",
            0,
            "",
            0,
            [],
            [Day(first, "badge-*/*", sealed=True, counts={"stayed": last})],
            [],
            0,
            [],
            {},
            [],
        ),
        quarantine=Refused(),
        readiness=list,
        counters=lambda: COUNTERS,
        flow=lambda: Flow([], []),
        storage=lambda: Room(5, 100, 10, 0, "green", {"yellow": 70}, "ok", 1000, 2000, []),
        timekeeping=timekeeping,
        devices=Book(),
    )
    return replace(deps, **changes)


def call(
    deps: WebDeps, method: str, path: str, *, content: Any = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(deps))
        async with httpx.AsyncClient(transport=transport, base_url="https://node") as client:
            return await client.request(method, path, content=content, headers=headers)

    return asyncio.run(run())


def get(path: str, headers: Mapping[str, str] | None = None, **changes: Any) -> httpx.Response:
    return call(make_deps(**changes), "GET", path, headers=headers)
