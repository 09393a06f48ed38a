"""What becomes rows, when, how much of it, and what is said of the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from holdfast.journal.errors import JournalError
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.reporting.redacting import Redactor
from holdfast.reporting.sending import CALM_S, MOST_WAITING, Row, Sender, Wanted, Ways
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.lines import LogLine
from holdfast.telemetry.spans import Span
from holdfast.wire.reports import LOG, TRACES, decode_line

EVERYTHING = Wanted("info", traces=True, per_day=1_000_000)
SPAN = Span("ab" * 16, "cd" * 8, "gw", "ack", 10, 30)


@dataclass
class Store:
    """A journal as the sender sees it; refuses while `broken`."""

    rows: list[Row] = field(default_factory=list)
    commits: int = 0
    allowance: str = ""
    broken: bool = False
    faults: int = 0
    stays: frozenset[str] = frozenset()

    async def store(self, rows: Sequence[Row], allowance: str) -> frozenset[str]:
        if self.faults:
            self.faults -= 1
            raise ZeroDivisionError
        if self.broken:
            raise JournalError("poisoned")
        self.rows += [row for row in rows if row.metric not in self.stays]
        self.allowance, self.commits = allowance, self.commits + 1
        return self.stays

    async def recall(self) -> str:
        return self.allowance

    def names(self) -> list[str]:
        found = [decode_line(row.text) for row in self.rows if row.metric == LOG]
        return [one.name for one in found if one is not None]


def line(n: int, level: str = "WARNING", text: str = "") -> LogLine:
    return LogLine(n, n, level, f"Line{n}", {"text": text} if text else {})


def scene(
    body: Callable[[Sender, Store, ManualClock, Telemetry], Awaitable[None]],
    wanted: Wanted = EVERYTHING,
) -> None:
    async def run() -> None:
        clock, store = ManualClock(), Store()
        telemetry = Telemetry(clock, lambda _: None)
        sender = Sender(wanted, Ways(store.store, store.recall, lambda: False), Redactor(), clock, telemetry)
        await body(sender, store, clock, telemetry)

    asyncio.run(run())


def test_lines_of_the_wanted_level_and_steps_become_rows_in_order_in_one_commit() -> None:
    async def body(sender: Sender, store: Store, _: ManualClock, __: Telemetry) -> None:
        for n, level in enumerate(("DEBUG", "INFO", "ERROR", "WARNING"), 1):
            sender.take_line(line(n, level))
        sender.take_spans([SPAN])
        await sender.send()
        assert store.names() == ["Line3", "Line4"]
        assert [row.metric for row in store.rows] == [LOG, LOG, TRACES]
        assert [row.ts_ns for row in store.rows] == [3, 4, 30]
        assert (store.commits, dict(sender.sent)) == (1, {"logs": 2, "traces": 1})
        await sender.send()
        assert store.commits == 1

    scene(body, Wanted("warning", traces=True, per_day=1_000_000))


def test_steps_stay_where_only_lines_are_wanted() -> None:
    async def body(sender: Sender, store: Store, _: ManualClock, __: Telemetry) -> None:
        sender.take_spans([SPAN])
        sender.take_line(line(1))
        await sender.send()
        assert [row.metric for row in store.rows] == [LOG]

    scene(body, Wanted("info", traces=False, per_day=1_000_000))


def test_a_flood_doesnt_fill_the_lane_and_it_is_said_when_it_is_over_how_much_is_missing() -> None:
    async def body(sender: Sender, store: Store, clock: ManualClock, telemetry: Telemetry) -> None:
        for n in range(1, 1_001):
            sender.take_line(line(n, text="x" * 80))
        await sender.send()
        stored = len(store.rows)
        assert 8_000 < sum(len(row.text) for row in store.rows) <= 100_000 / 8
        assert (sender.left_out["logs"], sender.sent["logs"]) == (1_000 - stored, stored)
        assert [one.name for one in telemetry.lines.after(0)] == ["ReportsHeldBack"]
        clock.advance(CALM_S)
        await sender.send()
        said = telemetry.lines.after(1)[0]
        assert (said.name, said.fields) == ("ReportsSentAgain", {"lines": 1_000 - stored, "steps": 0})

    scene(body, Wanted("info", traces=False, per_day=100_000))


def test_more_than_may_wait_is_left_out_oldest_first_before_it_is_even_made_a_row() -> None:
    async def body(sender: Sender, store: Store, _: ManualClock, __: Telemetry) -> None:
        for n in range(1, MOST_WAITING + 11):
            sender.take_line(line(n))
        await sender.send()
        assert sender.left_out["logs"] == 10
        assert store.names()[0] == "Line11"

    scene(body, Wanted("info", traces=False, per_day=100_000_000))


def test_a_journal_that_takes_nothing_holds_nobody_up_and_what_is_lost_is_counted() -> None:
    async def body(sender: Sender, store: Store, _: ManualClock, __: Telemetry) -> None:
        store.broken = True
        sender.take_line(line(1))
        await sender.send()
        store.broken = False
        sender.take_line(line(2))
        await sender.send()
        assert store.names() == ["Line2"]
        assert sender.left_out["logs"] == 1

    scene(body)


def test_a_fault_of_ours_is_said_once_and_ends_neither_sending_nor_the_nodes_stop() -> None:
    async def body(sender: Sender, store: Store, _: ManualClock, telemetry: Telemetry) -> None:
        store.faults = 2
        for n in (1, 2, 3):
            sender.take_line(line(n))
            await sender.send()
        assert [one.name for one in telemetry.lines.after(0)] == ["ReportsLost"]
        assert store.names() == ["Line3"]

    scene(body)


def test_what_a_residency_rule_keeps_is_counted_as_left_out() -> None:
    async def body(sender: Sender, store: Store, _: ManualClock, __: Telemetry) -> None:
        store.stays = frozenset((TRACES,))
        sender.take_line(line(1))
        sender.take_spans([SPAN])
        await sender.send()
        assert (dict(sender.sent), dict(sender.left_out)) == ({"logs": 1, "traces": 0}, {"logs": 0, "traces": 1})

    scene(body)


def test_a_restart_goes_on_with_the_allowance_as_it_was() -> None:
    async def body(sender: Sender, store: Store, clock: ManualClock, telemetry: Telemetry) -> None:
        store.allowance = f"0 {clock.wall_ns()}"
        sender.take_line(line(1))
        await sender.send()
        assert store.rows == []
        clock.advance(86_400 / 8)
        sender.take_line(line(2))
        await sender.send()
        assert store.names() == ["Line2"]
        assert int(store.allowance.split()[1]) == clock.wall_ns()
        assert clock.wall_ns() > NS_PER_S
        assert telemetry.lines.last >= 1

    scene(body)
