"""What windows cut by time promise, one by one; some of it is what other engines get wrong (PEERS §4.4)."""

import numpy as np
import pytest
from tests.unit.stream.windows.results import BASE, Result, Row, S, Site, batch_of, hopping, plan_of, tumbling

from holdfast.stream.evaluations import EVIDENCE
from holdfast.stream.plans import Call
from holdfast.stream.rows import arrive

SUM = [Call("sum", 0), Call("count", 0)]


def rows_at(*seconds: float, device: str = "d", value: float = 1.0) -> list[Row]:
    return [(device, "m0", BASE + int(s * S), value, 0) for s in seconds]


def spans(found: list[Result]) -> list[tuple[int, int, float]]:
    return [((r.start - BASE) // S, (r.end - BASE) // S, r.values[0]) for r in found]


def test_the_first_window_begins_where_event_time_says() -> None:  # ekuiper#1976
    site = Site(plan_of(tumbling(10), [Call("window_start", -1), Call("window_end", -1)]))
    (first,) = site.feed(rows_at(7, 12))
    assert first.values == (BASE / S, BASE / S + 10)


def test_a_device_in_the_future_or_the_past_keeps_no_other_from_its_windows() -> None:  # ekuiper#530
    site = Site(plan_of(tumbling(10), SUM))
    assert site.feed(rows_at(100_000, device="ahead")) == []
    assert spans(site.feed(rows_at(1, 2, 11, device="d"))) == [(0, 10, 2.0)]
    assert spans(site.feed(rows_at(-50_000, -49_980, device="behind"))) == [(-50_000, -49_990, 1.0)]
    assert spans(site.feed(rows_at(100_010, device="ahead"))) == [(100_000, 100_010, 1.0)]


def test_a_device_whose_clock_was_put_right_goes_on_when_time_has_caught_up() -> None:  # ekuiper#530
    site = Site(plan_of(tumbling(10), SUM))
    assert spans(site.feed(rows_at(1, 60))) == [(0, 10, 1.0)]
    assert site.feed(rows_at(12, 25)) == []
    assert site.late == {"d": 2}
    assert spans(site.feed(rows_at(65, 71))) == [(60, 70, 2.0)]


def test_the_end_of_a_replay_closes_what_is_open() -> None:  # connect#1581
    site = Site(plan_of(hopping(10, 5), SUM))
    assert site.feed(rows_at(7, 8)) == []
    assert spans(site.tick(BASE + 10**6 * S)) == [(0, 10, 2.0), (5, 15, 2.0)]
    assert site.tick(BASE + 10**7 * S) == []


def test_silence_closes_past_windows_and_leaves_future_ones_open() -> None:  # sql-flow#358
    site = Site(plan_of(tumbling(10), SUM))
    batch = batch_of(rows_at(1, 35), site.catalogue)
    site.engine.evaluate(batch, BASE + 2 * S)  # the device's clock is 33 s ahead of the node's
    assert site.tick(BASE + 7 * S) == []
    assert spans(site.tick(BASE + 8 * S)) == [(30, 40, 1.0)]  # 5 s after the row, and 1 s for what is on its way


def test_the_backlog_of_a_device_that_was_cut_off_finds_its_windows_open() -> None:
    site = Site(plan_of(tumbling(10), SUM))
    site.engine.evaluate(batch_of(rows_at(1, 12), site.catalogue), BASE + 12 * S)
    assert spans(site.tick(BASE + 3_600 * S)) == [(10, 20, 1.0)]
    got = site.feed(rows_at(*range(20, 3_600)))
    assert spans(got) == [(s, s + 10, 10.0) for s in range(20, 3_590, 10)]
    assert site.late == {}


def test_sparse_output_is_not_held_back_by_what_may_be_revised() -> None:  # Stream Analytics: delay = late tolerance
    site = Site(plan_of(tumbling(10, late=3_600), [Call("sum", 0), Call("revision"), Call("final")]))
    (first,) = site.feed(rows_at(1, 12))
    assert (first.values, first.revision, first.final) == ((1.0, 0.0, 0.0), 0, False)
    again, more = site.feed(rows_at(2, 3))
    assert (again.values, more.values, more.revision) == ((2.0, 1.0, 0.0), (3.0, 2.0, 0.0), 2)
    (last,) = [r for r in site.feed(rows_at(3_610)) if r.start == BASE]
    assert (last.values, last.revision, last.final) == ((3.0, 3.0, 1.0), 3, True)
    assert site.feed(rows_at(4)) == []
    assert site.late == {"d": 1}


def test_windows_that_silence_closed_are_counted_on_when_a_late_message_revises_them() -> None:
    site = Site(plan_of(hopping(9, 3, late=20), SUM))
    closed = [*site.feed(rows_at(*range(30))), *site.tick(BASE + 500 * S)]
    again = [r for s in range(12, 30) for r in site.feed(rows_at(s))]
    assert {r.key for r in again} < {r.key for r in closed}
    assert [r.revision for r in again if r.start == BASE + 12 * S] == list(range(1, 10))
    assert [r.revision for r in again if r.start == BASE + 27 * S] == [1, 2, 3]


def test_without_asking_for_final_no_window_is_told_twice() -> None:
    site = Site(plan_of(tumbling(10, late=60), SUM))
    assert len(site.feed(rows_at(1, 12, 500))) == 2
    assert len(site.tick(BASE + 10**6 * S)) == 1


def test_messages_between_windows_that_leave_gaps_are_in_none_and_not_late() -> None:
    site = Site(plan_of(hopping(4, 10), SUM))
    assert spans(site.feed(rows_at(1, 5, 12, 8, 21))) == [(0, 4, 1.0), (10, 14, 1.0)]
    assert site.late == {}


def test_messages_are_counted_by_quality_and_bad_ones_are_no_samples() -> None:
    calls = [Call(k, 0) for k in ("good", "uncertain", "bad", "count", "sum")]
    site = Site(plan_of(tumbling(10), calls))
    qualities = [0, 1, 2, 2, 0, 2]
    rows: list[Row] = [("d", "m0", BASE + i * S, 5.0, q) for i, q in enumerate(qualities)]
    rows += [("d", "m0", BASE + 15 * S, 5.0, 2), ("d", "m0", BASE + 25 * S, 5.0, 0)]
    first, second = site.feed(rows)
    assert first.values == (2.0, 1.0, 3.0, 3.0, 15.0)
    assert second.values[:4] == (0.0, 0.0, 1.0, 0.0)  # nothing but bad ones: that's worth knowing


def test_where_keeps_messages_out_which_still_move_time() -> None:
    site = Site(plan_of(tumbling(10), SUM, where=lambda columns: columns[0] > 0))
    rows = [*rows_at(1, 2, value=3.0), *rows_at(3, value=-9.0), *rows_at(12, value=-1.0), *rows_at(25)]
    assert spans(site.feed(rows)) == [(0, 10, 6.0)]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_evidence_is_the_windows_own_last_samples_whatever_the_batches(size: int) -> None:
    site = Site(plan_of(tumbling(10), SUM))
    times = [float(t) for t in np.arange(0, 30, 0.25)]
    rows = [("d", "m0", BASE + int(t * S), t, 0) for t in times]
    shown = []
    for i in range(0, len(rows), size):
        stage = site.engine.lines[0].stage
        batch = batch_of(rows[i : i + size], site.catalogue)
        site.engine.routes.refresh()
        arrived = arrive(batch, site.engine.routes.wanted, site.catalogue)
        assert arrived is not None
        made, _, _ = stage.feed(arrived, 0)
        if made is not None:
            shown += [made.evidence.samples(e, 0) for e in range(len(made.row))]
    assert [values for _, values in shown] == [
        [float(v) for v in np.arange(end - EVIDENCE / 4, end, 0.25)] for end in (10, 20)
    ]
    assert [ts for ts, _ in shown] == [[BASE + int(v * S) for v in values] for _, values in shown]


def test_many_keys_take_the_memory_of_their_panes_however_long_it_goes_on() -> None:
    site = Site(plan_of(hopping(60, 10), [Call("avg", 0), Call("max", 0)]))
    rows = [("d" + str(i), "m0", BASE + (i % 50) * S, 1.0, 0) for i in range(1_000)]
    site.feed(rows)
    before = site.engine.lines[0].stage.state.nbytes
    for turn in range(1, 6):
        site.feed([(d, m, ts + turn * 60 * S, v, q) for d, m, ts, v, q in rows])
    assert site.engine.lines[0].stage.state.nbytes == before < 1_024 * 1_000
