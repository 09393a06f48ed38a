"""One reading's way from its device to the hub, under one trace id, over real processes; and what a collector gets."""

import gzip
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.ports import free_port
from tests.system.chain import METRICS, Chain, chain
from tests.unit.reporting.collector import with_base64_ids

from holdfast.telemetry.spans import trace_id

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
ALL = "telemetry: {traces: {sample: 1}}\n"
SERIES = "gw/room-1/air.temperature"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Chain]:
    made = chain(tmp_path)
    for name in ("hub", "region"):
        with (tmp_path / f"{name}.yaml").open("a") as file:
            file.write(ALL)
    made.configure(more=ALL)
    try:
        yield made
    finally:
        made.stop()


def holdfast(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)


def test_one_reading_is_followed_from_its_device_to_the_hub_under_one_trace_id(site: Chain) -> None:
    site.bring_up(["hub", "region", "gw"])
    site.publish(1)
    site.until("hub", [1])
    ts = site.ask("hub")["series"][0]["ts"][0]
    trace = trace_id(SERIES, ts)
    said = until_it_holds(lambda: holdfast(site.folder, "trace", "hub.yaml", trace).stdout, ("gw", "device"))
    assert f"trace {trace}" in said
    assert SERIES in said
    steps = [one for one in steps_in(said) if one[0] in ("gw", "region", "hub")]
    assert [one for one in steps if one[0] == "gw"] == [
        ("gw", step) for step in ("reading", "device", "receive", "decode", "decide", "commit", "ack", "uplink")
    ]
    assert [one for one in steps if one[0] == "region"] == [("region", one) for one in ("ingest", "apply", "uplink")]
    assert [one for one in steps if one[0] == "hub"] == [("hub", "ingest"), ("hub", "apply")]
    at_the_gateway = holdfast(site.folder, "trace", "gw.yaml", trace).stdout
    assert "hub" not in at_the_gateway.split("in all, seen at")[1].splitlines()[0]
    listed = holdfast(site.folder, "trace", "gw.yaml", "--series", "air.temperature").stdout
    assert trace in listed


def test_a_reading_that_waited_for_the_link_keeps_its_trace_over_a_restart(site: Chain) -> None:
    site.bring_up(["hub", "region", "gw"])
    site.cable.cut()
    site.publish(1)
    site.restart("gw")
    site.cable.restore()
    site.until("hub", [1], 60)
    trace = trace_id(SERIES, site.ask("hub")["series"][0]["ts"][0])
    said = until_it_holds(
        lambda: holdfast(site.folder, "trace", "hub.yaml", "--with", "gw.yaml", trace).stdout, ("gw", "uplink")
    )
    assert ("gw", "ack") in steps_in(said)
    assert ("hub", "apply") in steps_in(said)


def steps_in(said: str) -> list[tuple[str, ...]]:
    """(node, step) of each line."""
    return [tuple(line.split()[:2]) for line in said.splitlines() if line.strip()]


def until_it_holds(ask: Any, wanted: tuple[str, str], seconds: float = 20) -> str:
    end = time.monotonic() + seconds
    while wanted not in steps_in(said := ask()):
        assert time.monotonic() < end, said
        time.sleep(0.3)
    return str(said)


class Collector:
    """An OTLP/HTTP receiver that reads what it gets with the classes of opentelemetry-proto, strictly."""

    def __init__(self, port: int) -> None:
        self.spans: list[Any] = []
        self.lines: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                traces = self.path == "/v1/traces"
                request = ExportTraceServiceRequest() if traces else ExportLogsServiceRequest()
                json_format.Parse(with_base64_ids(body), request)  # an unknown field is an error
                if isinstance(request, ExportTraceServiceRequest):
                    collector.spans += [s for r in request.resource_spans for c in r.scope_spans for s in c.spans]
                else:
                    collector.lines += [s for r in request.resource_logs for c in r.scope_logs for s in c.log_records]
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_what_happened_while_the_collector_was_away_reaches_it_later(site: Chain) -> None:
    port = free_port()
    otlp = f"otlp: {{url: 'http://127.0.0.1:{port}', every: 1s}}"
    site.configure(more=f"telemetry: {{log: {{format: json}}, traces: {{sample: 1}}, {otlp}}}\n")
    site.bring_up(["hub", "region", "gw"])
    site.publish(2)
    site.restart("gw")  # what waits survives it
    collector = Collector(port)
    try:
        wanted = {trace_id(SERIES, ts) for ts in site.ask("gw")["series"][0]["ts"]}
        end = time.monotonic() + 40
        while {one.trace_id.hex() for one in collector.spans if one.name == "ack"} < wanted or not collector.lines:
            assert time.monotonic() < end, (len(collector.spans), len(collector.lines))
            time.sleep(0.3)
        reading = [one for one in collector.spans if one.name == "reading"]
        assert len({one.span_id for one in reading}) == len(reading) == 2 * METRICS
        assert {one.body.string_value for one in collector.lines} >= {"NodeStarted", "NodeStopped"}
    finally:
        collector.close()
