"""Which readings are followed, and that every node comes to the same ids by itself."""

import numpy as np

from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Stay
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.telemetry.spans import ALERT, Sampler, Span, Tracer, span_id, trace_id

START = 1_795_000_000 * NS_PER_S


def catalogue_of(count: int, *, backwards: bool = False) -> Catalogue:
    catalogue = Catalogue()
    numbers = range(count)
    for i in reversed(numbers) if backwards else numbers:
        catalogue.intern(Series("gw", f"press-{i}", "temp", "Cel", Kind.FLOAT))
    return catalogue


def rows(series: int, count: int) -> Batch:
    ids = np.tile(np.arange(series, dtype=np.int32), count)
    ts = START + np.repeat(np.arange(count, dtype=np.int64) * NS_PER_S, series)
    return Batch(ids, ts, np.zeros(len(ids)), np.zeros(len(ids), np.uint8))


def names(batch: Batch, catalogue: Catalogue, picked: list[int]) -> set[tuple[str, int]]:
    return {(catalogue[int(batch.series[row])].name, int(batch.ts[row])) for row in picked}


def test_the_wanted_share_of_readings_is_followed_although_devices_send_on_the_second() -> None:
    catalogue, batch = catalogue_of(50), rows(50, 4_000)
    for share in (0.001, 0.01, 0.2):
        picked = len(Sampler(share).pick(batch, catalogue))
        expected = share * len(batch)
        assert abs(picked - expected) < 5 * np.sqrt(expected), (share, picked)
    assert len(Sampler(1.0).pick(batch, catalogue)) == len(batch)
    assert Sampler(0.0).pick(batch, catalogue) == []


def test_no_series_is_left_out_for_good() -> None:
    catalogue, batch = catalogue_of(50), rows(50, 4_000)
    assert len(np.unique(batch.series[Sampler(0.01).pick(batch, catalogue)])) == 50


def test_two_nodes_that_number_series_differently_follow_the_same_readings() -> None:
    below, above = catalogue_of(20), catalogue_of(20, backwards=True)
    sent = rows(20, 500)
    own = np.array([above.find(below[i]) for i in range(20)], np.int32)
    taken = Batch(own[sent.series], sent.ts, sent.value, sent.quality)
    at_the_child = names(sent, below, Sampler(0.01).pick(sent, below))
    assert at_the_child
    assert names(taken, above, Sampler(0.01).pick(taken, above)) == at_the_child
    assert names(taken, above, Sampler(0.001).pick(taken, above)) < at_the_child


def test_series_that_come_later_are_followed_too() -> None:
    catalogue, sampler = catalogue_of(2), Sampler(1.0)
    assert len(sampler.pick(rows(2, 1), catalogue)) == 2
    catalogue.intern(Series("gw", "new", "temp", "Cel", Kind.FLOAT))
    assert len(sampler.pick(rows(3, 1), catalogue)) == 3


def test_a_series_that_must_stay_is_never_followed() -> None:
    catalogue = catalogue_of(2)
    catalogue.set_stay(1, Stay.SITE)
    assert Sampler(1.0).pick(rows(2, 3), catalogue) == [0, 2, 4]


def test_ids_are_what_other_tools_expect_and_never_change() -> None:
    trace = trace_id("gw/press-1/temp", START)
    assert len(bytes.fromhex(trace)) == 16
    assert len(bytes.fromhex(span_id(trace, "gw", "commit"))) == 8
    assert trace_id("gw/press-1/temp", START + 1) != trace
    assert span_id(trace, "hub", "commit") != span_id(trace, "gw", "commit")


def test_more_traces_than_there_is_room_for_are_counted_and_let_go() -> None:
    clock = ManualClock()
    tracer = Tracer("gw", 1.0, clock, most_a_second=5)
    catalogue = catalogue_of(8)
    assert len(tracer.pick(rows(8, 1), catalogue)) == 5
    assert (tracer.taken, tracer.let_go) == (5, 3)
    clock.advance(0.4)
    assert len(tracer.pick(rows(8, 1), catalogue)) == 2
    assert tracer.room(3, ALERT) == 3  # readings leave room for alerts


def test_a_clock_that_is_set_back_makes_no_step_end_before_it_began() -> None:
    kept: list[Span] = []
    tracer = Tracer("gw", 1.0, ManualClock())
    tracer.on_spans(kept.extend)
    tracer.keep([tracer.span("a" * 32, "commit", (START, START - 5), "")])
    assert kept[0].end_ns == START
