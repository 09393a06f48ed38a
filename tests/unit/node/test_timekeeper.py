"""Intake on a machine whose clock is wrong at first: real journal, decoder and engine; the clock is ours."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.unit.journal.test_restamp import assert_sound

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoder
from holdfast.codecs.loading import load_profiles
from holdfast.intake.prepare import Preparer
from holdfast.intake.seen import SeenKeys
from holdfast.intake.service import IntakeService
from holdfast.intake.settings import IntakeSettings
from holdfast.intake.skew import SkewTable
from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.kernel.trust import PROGRAM_MADE_NS, Trust
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.quality import Quality, Reason, quality_of, reason_of
from holdfast.node.clock_settings import ClockSettings
from holdfast.node.clock_status import clock_status
from holdfast.node.timekeeper import CONFIRM_NS, Timekeeper
from holdfast.stream.engine import Engine
from holdfast.telemetry.happenings import Telemetry

PROFILES = """
profiles:
  plain: {topic: "plain/{device}", version: 1, id: n, fields: {t: {metric: air.temperature, unit: Cel, max: 50}}}
  timed:
    {topic: "timed/{device}", version: 1, time: {field: ts}, fields: {t: {metric: air.temperature, unit: Cel}}}
"""
S = NS_PER_S
NOW = PROGRAM_MADE_NS + 2 * 365 * 86400 * S
WEEK = 7 * 86400 * S


class Slip:
    """Nobody waits for this receipt."""

    def settle(self) -> None:
        pass

    def refuse(self) -> None:
        pass


class Site:
    """A gateway's intake and timekeeper on a machine that can be set."""

    def __init__(self, folder: Path, machine: ManualClock, *, has_parent: bool, settings: ClockSettings) -> None:
        self.machine, self.kernel = machine, False
        self.log: list[str] = []
        telemetry = Telemetry(machine, self.log.append)
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), machine)
        self.keeper = Timekeeper(settings, self.journal, machine, telemetry, lambda: self.kernel, has_parent=has_parent)
        catalogue = self.journal.catalogue
        engine = Engine([], catalogue, "gw")
        self.skew = SkewTable(catalogue)
        decoder = Decoder(load_profiles([folder / "profiles.yaml"]), catalogue, "gw")
        preparer = Preparer(decoder, SeenKeys(1000), engine, self.keeper.doubt, self.skew)
        self.intake = IntakeService(IntakeSettings(), self.journal, preparer, engine, self.keeper.clock)
        self.offered: Mapping[Lane, int] | None = {}
        self.keeper.attach(self.intake.everything_stored, lambda: self.offered)
        self.keeper.on_step(self.skew.forget)
        self.sent = 0

    def arrive(self, value: float = 20.0, topic: str = "plain/a", payload: bytes | None = None) -> int:
        """A reading comes now; returns the time it is given."""
        self.sent += 1
        body = payload or b'{"n":%d,"t":%g}' % (self.sent, value)
        now = self.keeper.clock.wall_ns()
        self.intake.inbox.offer(Arrival("c", topic, [body], now, Slip()))
        return now

    async def live(self, seconds: int) -> None:
        """A reading and a look every second."""
        for _ in range(seconds):
            self.machine.advance(1)
            self.arrive()
            await self.intake.drain()
            await self.keeper.once()

    def rows(self) -> list[tuple[int, Quality, Reason]]:
        groups = self.journal.read(Lane.BULK, 0, 10**6)
        batches = [decode_readings(g.blob) for g in groups]
        return [(int(t), quality_of(q), reason_of(q)) for b in batches for t, q in zip(b.ts, b.quality, strict=True)]

    def reasons(self) -> set[Reason]:
        return {reason for _, _, reason in self.rows()}

    def events(self) -> list[Event]:
        return [e for g in self.journal.read(Lane.NORMAL, 0, 10**6) for e in decode_events(g.blob)]

    def assert_sound(self) -> None:
        assert_sound(self.journal)
        ledger = balance(self.journal.accounts(CONSUMER, count=True), has_parent=False)
        assert ledger.balanced


Body = Callable[[Site], Awaitable[None]]


def on(
    folder: Path,
    machine: ManualClock,
    body: Body,
    *,
    has_parent: bool = True,
    settings: ClockSettings | None = None,
) -> None:
    (folder / "profiles.yaml").write_text(PROFILES)

    async def run() -> None:
        site = Site(folder, machine, has_parent=has_parent, settings=settings or ClockSettings())
        try:
            await body(site)
            await site.intake.drain()
            site.assert_sound()
        finally:
            site.journal.close()

    asyncio.run(run())


def booted(wall_ns: int = 0, uptime_s: float = 10.0, boot: str = "boot-1") -> ManualClock:
    return ManualClock(wall_ns, uptime_s, boot)


def test_readings_taken_in_1970_come_out_with_the_right_time_and_a_reason(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.live(5)
        site.arrive(99.0)  # out of range
        site.arrive(topic="timed/b", payload=b'{"ts":%d,"t":20}' % (NOW // S))
        await site.intake.drain()
        assert not site.keeper.may_sync()
        assert site.keeper.watch.trust is Trust.UNSET
        assert all(ts < 10**11 for ts, _, reason in site.rows() if reason is not Reason.NONE)
        site.machine.set_wall(NOW)
        site.kernel = True
        await site.keeper.once()
        assert site.keeper.may_sync()
        assert [ts for ts, _, _ in site.rows()] == [NOW - 4 * S, NOW - 3 * S, NOW - 2 * S, NOW - S, NOW, NOW, NOW]
        assert [(q, r) for _, q, r in site.rows()[-3:]] == [
            (Quality.GOOD, Reason.CLOCK_RESTAMPED),
            (Quality.BAD, Reason.OUT_OF_RANGE),
            (Quality.GOOD, Reason.NONE),
        ]
        (event,) = site.events()
        assert (event.kind, event.severity, event.lane, event.why["rows"]) == (
            "clock.stepped",
            "info",
            Lane.NORMAL,
            {"lane2": 6},
        )
        status = clock_status(site.keeper, site.skew, 10)
        assert (status.trust, status.holds_sync, status.steps) == ("trusted", False, 1)
        assert status.last_step is not None
        assert status.last_step.rows == {"lane2": 6}
        assert sum("ClockStepped" in line for line in site.log) == 1
        await site.live(3)
        assert [(q, r) for _, q, r in site.rows()[-3:]] == [(Quality.GOOD, Reason.NONE)] * 3

    on(tmp_path, booted(), body)


def test_a_reading_that_was_on_its_way_when_the_clock_was_set_is_moved_too(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.kernel = True
        site.arrive()  # stamped in 1970, neither decided nor stored
        site.machine.set_wall(NOW)
        site.arrive()
        await site.keeper.once()
        await site.intake.drain()
        assert site.rows() == [
            (NOW, Quality.GOOD, Reason.CLOCK_RESTAMPED),
            (NOW, Quality.GOOD, Reason.NONE),
        ]

    on(tmp_path, booted(), body)


def test_while_the_kernel_has_not_confirmed_it_is_waited_for_a_little(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.live(1)
        site.machine.set_wall(NOW)
        await site.live(CONFIRM_NS // S - 1)
        assert not site.keeper.may_sync()
        assert Reason.CLOCK_UNSET in site.reasons()
        await site.live(2)
        assert site.keeper.may_sync()
        assert site.rows()[0] == (NOW, Quality.UNCERTAIN, Reason.CLOCK_RESTAMPED)

    on(tmp_path, booted(), body)


@pytest.mark.parametrize("has_parent", [True, False])
def test_a_process_that_starts_again_in_the_same_boot_mends_what_the_last_one_stored(
    tmp_path: Path,
    has_parent: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    machine = booted()

    async def first(site: Site) -> None:
        await site.live(3)

    async def second(site: Site) -> None:
        assert not site.keeper.may_sync()
        await site.live(2)
        site.machine.set_wall(NOW)

    async def third(site: Site) -> None:
        assert not site.keeper.may_sync()
        site.kernel = True
        await site.keeper.once()
        assert [ts for ts, _, _ in site.rows()] == [NOW - k * S for k in (4, 3, 2, 1, 0)]
        assert site.reasons() == {Reason.CLOCK_RESTAMPED}
        assert len(site.events()) == 1

    async def fourth(site: Site) -> None:
        await site.keeper.once()
        assert len(site.events()) == 1
        assert site.keeper.may_sync()

    for body in (first, second, third, fourth):
        on(tmp_path, machine, body, has_parent=has_parent)


def test_rows_of_an_earlier_boot_can_not_be_moved_and_do_not_hold_anything_up(tmp_path: Path) -> None:
    async def first(site: Site) -> None:
        await site.live(3)

    async def second(site: Site) -> None:
        site.kernel = True
        await site.live(1)
        assert site.keeper.may_sync()
        assert [r for _, _, r in site.rows()][:3] == [Reason.CLOCK_UNSET] * 3
        assert site.events() == []

    on(tmp_path, booted(), first)
    on(tmp_path, booted(NOW, boot="boot-2"), second)


def test_a_boot_before_the_last_confirmed_time_is_unset(tmp_path: Path) -> None:
    async def first(site: Site) -> None:
        site.kernel = True
        await site.live(3)

    async def second(site: Site) -> None:
        assert site.keeper.watch.trust is Trust.UNSET
        await site.live(2)
        site.machine.set_wall(NOW + WEEK)
        site.kernel = True
        await site.keeper.once()
        assert [ts for ts, _, _ in site.rows()[-2:]] == [NOW + WEEK - S, NOW + WEEK]

    on(tmp_path, booted(NOW), first)
    on(tmp_path, booted(NOW - 600 * S, boot="boot-2"), second)


def test_a_clock_at_its_last_shutdown_is_used_and_what_was_not_offered_is_moved_when_it_is_set(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.live(4)
        assert site.keeper.may_sync()
        assert {(q, r) for _, q, r in site.rows()} == {(Quality.GOOD, Reason.CLOCK_UNVERIFIED)}
        site.offered = None  # a call is under way
        site.machine.set_wall(NOW + WEEK)
        site.kernel = True
        await site.keeper.once()
        assert not site.keeper.may_sync()
        site.offered = {Lane.BULK: 2}
        await site.keeper.once()
        assert [ts for ts, _, _ in site.rows()] == [NOW + S, NOW + 2 * S, NOW + WEEK - S, NOW + WEEK]
        assert site.keeper.may_sync()

    on(tmp_path, booted(NOW), body)


def test_where_restamping_is_off_rows_stay_and_leave_at_once(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.live(2)
        assert site.keeper.may_sync()
        site.machine.set_wall(NOW)
        site.kernel = True
        await site.keeper.once()
        assert site.reasons() == {Reason.CLOCK_UNSET}
        assert len(site.events()) == 1

    on(tmp_path, booted(), body, settings=ClockSettings(restamp=False))


def test_more_rows_than_allowed_stay_and_the_event_warns(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.live(3)
        site.machine.set_wall(NOW)
        site.kernel = True
        await site.keeper.once()
        (event,) = site.events()
        assert (event.severity, event.why["left_alone"]) == ("warning", {"lane2": "more than 2 rows wait"})
        assert site.keeper.may_sync()

    on(tmp_path, booted(), body, settings=ClockSettings(restamp_rows=2))


def test_a_clock_that_is_set_back_every_few_seconds_makes_one_event_a_minute(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.kernel = True
        await site.live(1)
        for _ in range(40):
            site.machine.set_wall(site.machine.wall_ns() - 10 * S)
            await site.live(3)
        first, second, *more = site.events()
        assert (first.why["steps"], second.why["steps"], more) == (1, 20, [])
        assert site.keeper.watch.steps == 40

    on(tmp_path, booted(NOW), body)


def test_the_skew_of_a_device_is_shown_and_forgotten_when_our_clock_is_set(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.kernel = True
        await site.keeper.once()
        site.arrive(topic="timed/b", payload=b'{"ts":%d,"t":20}' % (NOW // S - 90))
        await site.intake.drain()
        (row,) = clock_status(site.keeper, site.skew, 10).devices
        assert (row.device, row.skew_s) == ("b", -90.0)
        site.machine.set_wall(NOW + WEEK)
        await site.keeper.once()
        assert clock_status(site.keeper, site.skew, 10).devices == []

    on(tmp_path, booted(NOW), body)


YEAR_S = 365 * 86400


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([0, NOW]),
    st.lists(
        st.tuples(
            st.one_of(st.just(0), st.integers(-10 * YEAR_S, 10 * YEAR_S), st.just(-60)),  # jump
            st.sampled_from([0, 1, 60]),  # 0 = frozen
            st.booleans(),  # kernel
            st.booleans(),  # repeat the message
        ),
        max_size=12,
    ),
)
def test_whatever_is_done_to_the_clock_order_dedupe_and_retention_stay(
    tmp_path_factory: pytest.TempPathFactory, start: int, moves: list[tuple[int, int, bool, bool]]
) -> None:
    async def body(site: Site) -> None:
        wanted = []
        for jump_s, pause_s, kernel, repeats in moves:
            site.kernel = kernel
            site.machine.set_wall(max(0, site.machine.wall_ns() + jump_s * S))
            site.machine.advance(pause_s)
            value = float(site.sent % 50)
            site.arrive(value)
            if repeats:
                site.arrive(payload=b'{"n":%d,"t":%g}' % (site.sent, value))
                site.sent -= 1
            wanted.append(value)
            await site.keeper.once()
        await site.intake.drain()
        got = [float(v) for g in site.journal.read(Lane.BULK, 0, 10**6) for v in decode_readings(g.blob).value]
        assert got == wanted
        counters = site.journal.counters()
        assert counters.get("messages_rejected.duplicate", 0) == sum(move[3] for move in moves)

    on(tmp_path_factory.mktemp("g16"), booted(start), body)
