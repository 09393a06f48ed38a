"""What a hub finds of its nodes' logs and traces in its own history."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from holdfast.history.last_values import LastValues
from holdfast.history.latest import Latest
from holdfast.history.query import History
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Origin, Transaction
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.reporting.questions import LinesWanted, TracesWanted
from holdfast.telemetry.spans import ALERT, APPLY, INGEST, READING, UPLINK, Span, span_id, trace_id
from holdfast.web import held_reports
from holdfast.web.deps import Past
from holdfast.web.held_reports import HeldReports
from holdfast.wire.reports import LOG, TRACES, SentLine, SentStep, encode_report, series_of

DAY = 86_400 * NS_PER_S
TRACE = trace_id("gw/press-1/temp", 5)
Told = tuple[str, str, int, str]
"""Node, metric, time, text."""


def hub(folder: Path, told: Callable[[int], Sequence[Told]], body: Callable[[HeldReports, int], None]) -> None:
    """Store what nodes below told by `told(now)`, and ask."""

    async def run() -> None:
        clock = ManualClock()
        journal = Journal(folder / FILE_NAME, "hub", JournalSettings(quota=100_000_000), clock)

        def write(tx: Transaction) -> None:
            for node, metric, ts_ns, text in told(clock.wall_ns()):
                series = np.array([tx.catalogue.intern(series_of(node, metric))], np.int32)
                one = Batch(series, np.array([ts_ns]), np.zeros(1), np.zeros(1, np.uint8), (text,))
                tx.append_readings(Lane.BULK, one, Origin(node, 0, 1, b"x"))

        try:
            await journal.submit(write)
            catalogue = journal.catalogue
            past = Past(History(journal, catalogue), Latest(journal, catalogue), LastValues(catalogue, heads={}))
            await asyncio.to_thread(body, HeldReports(past, clock), clock.wall_ns())
        finally:
            journal.close()

    asyncio.run(run())


def line(node: str, ts_ns: int, n: int, level: str = "INFO") -> Told:
    return node, LOG, ts_ns, encode_report(SentLine(level, f"Line{n}", n))


def step(node: str, ts_ns: int, name: str, parent: str = "", **facts: str) -> Told:
    return node, TRACES, ts_ns, encode_report(SentStep(TRACE, name, 100, parent, dict(facts)))


def test_the_newest_lines_of_one_node_are_found_however_old_and_whatever_else_is_there(tmp_path: Path) -> None:
    def told(now: int) -> Sequence[Told]:
        old = [line("gw", now - 20 * DAY + n, n, "WARNING" if n % 2 else "INFO") for n in range(6)]
        junk = [("gw", LOG, now - DAY, "21.5"), ("gw", LOG, now - DAY, "[]"), line("other", now, 9)]
        return [*old, *junk, line("gw", now - 5, 7), line("gw", now - 5, 6)]

    def body(held: HeldReports, now: int) -> None:
        assert [one.n for one in held.lines("gw", LinesWanted())] == [0, 1, 2, 3, 4, 5, 6, 7]
        assert [one.n for one in held.lines("gw", LinesWanted(limit=3))] == [5, 6, 7]
        assert [one.n for one in held.lines("gw", LinesWanted(level="warning"))] == [1, 3, 5]
        assert [one.n for one in held.lines("gw", LinesWanted(since_ns=now - DAY))] == [6, 7]
        assert held.lines("nobody", LinesWanted()) == []

    hub(tmp_path, told, body)


def test_a_span_with_more_rows_than_an_answer_holds_is_asked_in_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_reports, "MAX_POINTS", 10)

    def told(now: int) -> Sequence[Told]:
        return [line("gw", now - (100 - n) * 25 * NS_PER_S, n) for n in range(100)]

    def body(held: HeldReports, _: int) -> None:
        assert [one.n for one in held.lines("gw", LinesWanted(limit=1_000))] == list(range(100))

    hub(tmp_path, told, body)


def test_a_trace_is_followed_down_from_child_to_child(tmp_path: Path) -> None:
    def told(now: int) -> Sequence[Told]:
        up = span_id(TRACE, "gw", UPLINK)
        return [
            step("gw", now - 8 * DAY, READING, series="gw/press-1/temp"),
            step("gw", now - 3 * DAY, UPLINK, what="gw/press-1/temp"),
            step("region", now - DAY, INGEST, up, child="gw", what="gw/press-1/temp"),
            ("gw", TRACES, now - DAY, encode_report(SentStep("00" * 16, READING, 0))),
        ]

    def body(held: HeldReports, now: int) -> None:
        facts: dict[str, str | int | float | bool | None] = {"child": "region", "what": "gw/press-1/temp"}
        here = Span(TRACE, span_id(TRACE, "hub", INGEST), "hub", INGEST, now, now + 5, "", facts)
        wanted = {("gw", READING), ("gw", UPLINK), ("region", INGEST)}
        assert {(one.node, one.name) for one in held.trace(TRACE, [here])} == wanted
        assert {(one.node, one.name) for one in held.trace(TRACE, [])} == wanted
        assert held.trace("ff" * 16, []) == []
        (first,) = [one for one in held.trace(TRACE, [here]) if one.name == READING]
        assert (first.id, first.end_ns - first.start_ns) == (span_id(TRACE, "gw", READING), 100)
        listed = held.traces("gw", TracesWanted(series="press-1"))
        assert [(row.id, row.steps) for row in listed] == [(TRACE, [READING, UPLINK])]

    hub(tmp_path, told, body)


def test_of_an_alert_the_node_is_asked_that_it_is_about(tmp_path: Path) -> None:
    def told(now: int) -> Sequence[Told]:
        return [step("gw", now - DAY, ALERT, rule="overheat"), step("overheat on gw", now - DAY, ALERT)]

    def body(held: HeldReports, now: int) -> None:
        here = Span(TRACE, "", "hub", APPLY, now, now, "", {"what": "overheat on gw/press-1/temp", "kind": ALERT})
        assert [(one.node, one.name) for one in held.trace(TRACE, [here])] == [("gw", ALERT)]

    hub(tmp_path, told, body)
