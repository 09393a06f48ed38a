"""What reaches a collector, in its own words, and what becomes of it when that is away."""

import asyncio
import gzip
from collections.abc import Mapping
from pathlib import Path

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.unit.reporting.collector import with_base64_ids

from holdfast.kernel.clock import ManualClock
from holdfast.reporting.exporting import Export
from holdfast.reporting.otlp import encode_logs, encode_traces
from holdfast.reporting.service import ReportService
from holdfast.telemetry.happenings import Happening, Telemetry
from holdfast.telemetry.lines import LogLine
from holdfast.telemetry.spans import Span, Tracer, span_id, trace_id
from holdfast.transport.errors import CallFailed
from holdfast.transport.https import Response

TRACE = trace_id("gw/press-1/temp", 5)
SPAN = Span(
    TRACE, span_id(TRACE, "gw", "uplink"), "gw", "uplink", 1_000, 2_000, span_id(TRACE, "gw", "reading"),
    {"seq": 2**60, "rtt_ms": 1.5, "ok": True, "what": "gw/press-1/temp", "none": None, "nan": float("nan")},
    (trace_id("gw/press-1/temp", 4),),
)  # fmt: skip


class Woke(Happening, frozen=True):
    """Something to log."""

    n: int


class FarAway:
    """A collector that can be away, or answer as told."""

    url = "https://otel.example.com"

    def __init__(self) -> None:
        self.is_away = False
        self.answers: list[Response] = []
        self.got: list[tuple[str, bytes]] = []

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        assert headers["Content-Type"] == "application/json"
        if self.is_away:
            raise CallFailed("otel.example.com: no answer in time")
        answer = self.answers.pop(0) if self.answers else Response(200, b"{}")
        if answer.status == 200:
            self.got.append((path, gzip.decompress(body)))
        return answer

    async def close(self) -> None:
        """Nothing is open."""

    def names(self) -> list[str]:
        found = []
        for path, body in self.got:
            if path == "/v1/logs":
                request = json_format.Parse(with_base64_ids(body), ExportLogsServiceRequest())
                records = [r for one in request.resource_logs for s in one.scope_logs for r in s.log_records]
                found += [f"log {r.attributes[0].value.int_value}" for r in records]
            else:
                traces = json_format.Parse(with_base64_ids(body), ExportTraceServiceRequest())
                found += [s.name for one in traces.resource_spans for c in one.scope_spans for s in c.spans]
        return found


class House:
    """A node's reports over one folder."""

    def __init__(self, folder: Path, collector: FarAway, *, logs: bool = True) -> None:
        self.clock, self.said = ManualClock(), list[str]()
        self.tracer = Tracer("gw", 1.0, self.clock)
        self.telemetry = Telemetry(self.clock, self.said.append, tracer=self.tracer)
        self.export = Export(collector, folder, ("gw", "1.2.3"), 10.0, self.clock, self.telemetry, logs=logs)
        self.service = ReportService(folder, (1 << 20, 1 << 20), self.telemetry, self.export)

    async def settle(self) -> None:
        await self.service.store()
        while await self.export.turn() == 0.0:
            pass


def test_a_span_is_what_the_protocols_own_classes_read() -> None:
    request = json_format.Parse(with_base64_ids(encode_traces([SPAN], "1.2.3")), ExportTraceServiceRequest())
    resource = request.resource_spans[0]
    facts = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert facts == {"service.name": "holdfast", "service.instance.id": "gw", "service.version": "1.2.3"}
    span = resource.scope_spans[0].spans[0]
    assert span.trace_id.hex() == TRACE
    assert (span.name, span.kind, span.start_time_unix_nano, span.end_time_unix_nano) == ("uplink", 3, 1_000, 2_000)
    assert span.parent_span_id.hex() == span_id(TRACE, "gw", "reading")
    assert span.links[0].trace_id.hex() == trace_id("gw/press-1/temp", 4)
    values = {a.key: a.value for a in span.attributes}
    assert values["holdfast.seq"].int_value == 2**60
    assert values["holdfast.rtt_ms"].double_value == 1.5
    assert values["holdfast.ok"].bool_value is True
    assert values["holdfast.nan"].string_value == "nan"
    assert "holdfast.none" not in values


def test_a_log_line_is_what_the_protocols_own_classes_read() -> None:
    line = LogLine(7, 5_000, "WARNING", "LinkLost", {"cause": "timeout"})
    request = json_format.Parse(with_base64_ids(encode_logs([line], "gw", "1")), ExportLogsServiceRequest())
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    assert (record.severity_number, record.severity_text, record.body.string_value) == (13, "WARNING", "LinkLost")
    assert record.time_unix_nano == 5_000


def test_what_waits_reaches_the_collector_when_it_is_back_once_and_in_order_over_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        collector = FarAway()
        collector.is_away = True
        house = House(tmp_path, collector)
        house.telemetry.emit(Woke(n=1))
        house.tracer.keep([SPAN])
        await house.service.store()
        assert await house.export.turn() > 0
        assert await house.export.turn() > 0
        assert sum("ExportFailed" in line for line in house.said) == 1  # it speaks on change
        await house.service.close()
        collector.is_away = False
        again = House(tmp_path, collector)
        again.telemetry.emit(Woke(n=2))
        await again.settle()
        names = collector.names()
        assert [name for name in names if name == "uplink"] == ["uplink"]
        assert [name for name in names if name in ("log 1", "log 2")] == ["log 1", "log 2"]
        await again.service.close()
        before = len(collector.got)
        third = House(tmp_path, collector)
        await third.settle()
        assert len(collector.got) == before  # nothing twice

    asyncio.run(scenario())


def test_what_a_collector_refuses_for_good_is_counted_and_what_it_cannot_take_now_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        collector = FarAway()
        house = House(tmp_path, collector, logs=False)
        house.tracer.keep([SPAN])
        collector.answers = [Response(503, b"", 42.0)]
        await house.service.store()
        assert await house.export.turn() >= 42.0
        collector.answers = [Response(400, b"bad span")]
        await house.export.turn()
        assert house.service.lost == 1
        assert any("ExportRefused" in line and "bad span" in line for line in house.said)
        house.tracer.keep([SPAN, SPAN])
        partial = b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"one is odd"}}'
        collector.answers = [Response(200, partial)]
        await house.settle()
        assert house.service.lost == 2
        assert house.export.exported == 1
        assert any("one is odd" in line for line in house.said)

    asyncio.run(scenario())
