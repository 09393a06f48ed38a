"""The power goes at every write and sync while people change things: never a change without its line, none left open.

The real door, trail and journal, on a disk that is written down. A handler marks that it begins to act: from then on
anything may have been changed, in the journal or outside it, so its line must be on disk.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.powerloss.images import Image, check_all
from tests.powerloss.vfs import Kind, Log, RecordingVfs

from holdfast.identity.people.trail import Act, JournalTrail
from holdfast.journal import audit_log
from holdfast.journal.audit_log import ASKED, DONE, UNKNOWN, Wanted
from holdfast.journal.journal import Journal
from holdfast.journal.opening import Access
from holdfast.journal.settings import JournalSettings
from holdfast.journal.store import Store
from holdfast.journal.writer import InlineWriter
from holdfast.kernel.clock import ManualClock
from holdfast.storage.sqlite import rows
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.door import OPERATOR, needs
from holdfast.web.guard import Door

NOW = 1_700_000_000_000_000_000
NAME = "gw.db"


class Hasty(JournalTrail):
    """A build that lets a change begin while its line is on the way."""

    async def ask(self, who: str, what: str, address: str, **more: Any) -> Act:
        asked = asyncio.ensure_future(super().ask(who, what, address, **more))
        asked.add_done_callback(lambda done: done.exception())
        return Act(0, who, what, address)


class Site:
    """Two routes: one changes the journal, one something that no journal knows."""

    def __init__(self, journal: Journal, log: Log) -> None:
        self.journal, self.log = journal, log

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/inside/{n}", self.inside, methods=["POST"]),
            Route("/api/v1/outside/{n}", self.outside, methods=["DELETE"]),
        ]

    @needs(OPERATOR)
    async def inside(self, request: Request) -> Response:
        n = str(request.path_params["n"])
        self.log.mark(("acting", n))
        await self.journal.submit(lambda tx: tx.set_meta(f"changed.{n}", "1"))
        return Response(b"{}", 201)

    @needs(OPERATOR)
    async def outside(self, request: Request) -> Response:
        self.log.mark(("acting", request.path_params["n"]))
        return Response(b"{}", 200)


async def work(log: Log, home: Path, vfs: str, kind: type[JournalTrail], changes: int) -> None:
    clock = ManualClock(NOW)
    journal = Journal(Access(home / NAME, None, vfs), "gw", JournalSettings(), clock, writer=InlineWriter)
    telemetry = Telemetry(clock, lambda _line: None)
    door, site = Door("gw", telemetry, None, kind(journal, clock, telemetry)), Site(journal, log)
    routes = site.routes()
    door.before(routes)
    sent = httpx.ASGITransport(Starlette(routes=routes), client=("127.0.0.1", 1))

    async def change(n: int) -> None:
        async with httpx.AsyncClient(transport=sent, base_url="http://127.0.0.1") as client:
            body = {"why": "w" * 40 * (n % 3)}
            said = await (
                client.delete(f"/api/v1/outside/{n}") if n % 2 else client.post(f"/api/v1/inside/{n}", json=body)
            )
        log.mark(("answered", f"{n}"))
        assert said.status_code == 200 + (n + 1) % 2

    log.mark(("began", ""))
    for n in range(0, changes, 2):
        await asyncio.gather(change(n), change(n + 1))
    journal.close()


def record(home: Path, kind: type[JournalTrail] = JournalTrail, changes: int = 4) -> Log:
    log = Log()
    home.mkdir()
    with RecordingVfs(log) as vfs:
        asyncio.run(work(log, home, vfs.plain_name, kind, changes))
    return log


def check(home: Path, image: Image) -> None:
    """What the next start finds."""
    told = [mark for mark in image.marks if mark[0] != "began"]
    store = Store(Access(home / NAME), "gw", JournalSettings(), ManualClock(NOW))
    try:
        before = lines(store)
        changed = {
            key.removeprefix("changed.") for (key,) in rows(store.db, "SELECT key FROM meta WHERE key GLOB 'changed.*'")
        }
        acted = changed | {n for what, n in told if what == "acting"}
        assert acted <= before.keys(), f"changed without a line: {acted - before.keys()}"
        for what, n in told:
            assert what != "answered" or before[n] == DONE, f"{n} was answered, its line says {before[n]!r}"
        store.commit([lambda tx: audit_log.settle(tx, NOW)])
        assert lines(store) == {n: UNKNOWN if step == ASKED else step for n, step in before.items()}
        assert audit_log.broken_at(store.db) == 0
    finally:
        store.close()


def lines(store: Store) -> dict[str, str]:
    return {str(one.body["what"]).rpartition("/")[2]: one.step for one in audit_log.page(store.db, Wanted(), 99)}


def at_work(log: Log, after: Callable[[Any], bool]) -> range:
    first = next(i for i, event in enumerate(log.events) if event.kind is Kind.MARK and after(event.value))
    return range(first, len(log.events) + 1)


def test_no_power_cut_leaves_a_change_without_its_line(ram: Path) -> None:
    log = record(ram / "work")
    (ram / "image").mkdir()
    images = check_all(log, ram / "image", check, range(2), at_work(log, lambda mark: mark[0] == "began")).images
    print(f"{images} images: 0 violations")
    assert images > 250


def test_the_check_finds_a_build_that_acts_while_the_line_is_on_its_way(ram: Path) -> None:
    log = record(ram / "work", Hasty, 2)
    (ram / "image").mkdir()
    with pytest.raises(AssertionError, match="changed without a line"):
        check_all(log, ram / "image", check, range(1), at_work(log, lambda mark: mark[0] == "began"))
