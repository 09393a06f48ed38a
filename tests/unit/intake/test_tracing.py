"""What is told of a followed reading is true: where it lies in the journal, what brought it, and what it raised."""

import asyncio
from pathlib import Path

import numpy as np

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoder
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.intake.commit import writing
from holdfast.intake.prepare import Prepared, Preparer
from holdfast.intake.seen import SeenKeys
from holdfast.intake.tracing import finished
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.lane import Lane
from holdfast.residency.leaving import Leaving
from holdfast.residency.rules import Policy
from holdfast.stream.engine import Engine
from holdfast.telemetry.spans import Span, Tracer, span_id, trace_id


class Taken:
    """A receipt that nobody waits for."""

    def settle(self) -> None:
        """Settled."""

    def refuse(self) -> None:
        """Refused."""


class House:
    """Intake's parts over a real journal; the readings of `kept` metrics stay in lane LOCAL."""

    def __init__(self, folder: Path, kept: str = "") -> None:
        self.clock = ManualClock()
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), self.clock)
        self.spans: list[Span] = []
        self.tracer = Tracer("gw", 1.0, self.clock, most_a_second=1_000)
        self.tracer.on_spans(self.spans.extend)
        catalogue = self.journal.catalogue
        if kept:
            catalogue.keep_by(lambda series: series.metric == kept)
        decoder = Decoder(load_profiles([BUILTIN / "rooms.yaml"]), catalogue, "gw")
        engine = Engine([], catalogue, "gw")
        self.preparer = Preparer(decoder, SeenKeys(100), engine, tracer=self.tracer)
        self.leaving = Leaving(Policy((), "gw"), catalogue)

    def arrive(self, *numbers: int, room: int = 1) -> Prepared:
        now = self.clock.wall_ns()
        payloads = [
            b'{"id":%d,"ts":%.3f,"temp_c":%d,"hum":40,"lux":1,"co2":5,"occ":false}' % (n, now / NS_PER_S + n / 1e3, n)
            for n in numbers
        ]
        topic = f"acme/room-{room}/telemetry"
        return self.preparer.prepare([Arrival(f"client-{room}", topic, payloads, now, Taken())])

    async def commit(self, *work: Prepared) -> None:
        await self.journal.submit(writing(work, self.leaving, self.journal.settings, None))
        finished(self.tracer, work, 0.001)

    def at(self, lane: Lane, seq: int) -> tuple[str, int]:
        """Series and time of the row that lies there."""
        group = next(g for g in self.journal.read(lane, 0, 10_000, 1 << 20) if g.first <= seq <= g.last)
        batch = decode_readings(group.blob)
        row = seq - group.first
        return self.journal.catalogue[int(batch.series[row])].name, int(batch.ts[row])

    def of(self, name: str) -> dict[str, Span]:
        return {span.trace: span for span in self.spans if span.name == name}


def test_each_followed_reading_is_told_to_lie_where_it_lies_over_two_lanes_and_several_batches(tmp_path: Path) -> None:
    async def scenario() -> None:
        house = House(tmp_path, kept="air.co2")
        await house.commit(house.arrive(1, 2, 3), house.arrive(4, room=2))
        await house.commit(house.arrive(5, 6))
        roots, commits = house.of("reading"), house.of("commit")
        assert len(roots) == 6 * 5
        lanes = set()
        for trace, root in roots.items():
            place = commits[trace].facts
            found = house.at(Lane(int(place["lane"] or 0)), int(place["seq"] or 0))
            assert found == (root.facts["series"], root.facts["ts_ns"])
            assert trace == trace_id(*found)
            lanes.add(place["lane"])
        assert lanes == {Lane.BULK, Lane.LOCAL}
        house.journal.close()

    asyncio.run(scenario())


def test_a_reading_is_told_to_come_from_its_own_message_when_repeats_before_it_were_left_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        house = House(tmp_path)
        await house.commit(house.arrive(1, 2))
        house.spans.clear()
        now = house.clock.wall_ns()
        both = [
            Arrival(f"client-{room}", f"acme/room-{room}/telemetry", payloads, now, Taken())
            for room, payloads in (
                (1, [b'{"id":2,"ts":%.3f,"temp_c":2,"hum":40,"lux":1,"co2":5,"occ":false}' % (now / NS_PER_S)]),
                (7, [b'{"id":9,"ts":%.3f,"temp_c":9,"hum":40,"lux":1,"co2":5,"occ":false}' % (now / NS_PER_S)]),
            )
        ]
        await house.commit(house.preparer.prepare(both))
        assert {span.facts["source"] for span in house.spans if span.name == "receive"} == {"client-7"}
        assert {str(span.facts["series"]).split("/")[1] for span in house.of("reading").values()} == {"room-7"}
        house.journal.close()

    asyncio.run(scenario())


def test_every_step_hangs_below_the_reading_and_none_begins_before_the_one_it_waits_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        house = House(tmp_path)
        prepared = house.arrive(1)
        house.clock.advance(0.25)
        await house.commit(prepared)
        for trace, root in house.of("reading").items():
            steps = [span for span in house.spans if span.trace == trace and span is not root]
            assert {span.parent for span in steps} == {root.id} == {span_id(trace, "gw", "reading")}
            assert [span.name for span in steps] == ["receive", "decode", "decide", "commit", "ack"]
            assert all(span.start_ns <= span.end_ns <= root.end_ns for span in steps)
            assert all(np.diff([span.start_ns for span in steps]) >= 0)
        house.journal.close()

    asyncio.run(scenario())
