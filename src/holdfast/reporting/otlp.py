"""Spans and log lines as OTLP/JSON (OpenTelemetry Protocol 1.x, "OTLP/HTTP", JSON Protobuf Encoding).

By that encoding, ids are hex, 64-bit integers are decimal strings, enums are numbers and names are lowerCamelCase.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from holdfast.telemetry.lines import Fact, LogLine
from holdfast.telemetry.spans import INGEST, READING, RECEIVE, UPLINK, Span, span_id

TRACES_PATH, LOGS_PATH = "/v1/traces", "/v1/logs"
SCOPE = "holdfast"
# opentelemetry-proto: trace.v1.Span.SpanKind, logs.v1.SeverityNumber
_INTERNAL, _SERVER, _CLIENT, _CONSUMER = 1, 2, 3, 5
_KINDS = {RECEIVE: _CONSUMER, UPLINK: _CLIENT, INGEST: _SERVER}
_SEVERITIES = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17}


class Rejected(msgspec.Struct, rename="camel"):
    """`partialSuccess` of an answer: how many items weren't taken, and why. The counts may come as text or number."""

    rejected_spans: int | str = 0
    rejected_log_records: int | str = 0
    error_message: str = ""

    @property
    def items(self) -> int:
        """How many."""
        return int(self.rejected_spans or 0) + int(self.rejected_log_records or 0)


class Answer(msgspec.Struct, rename="camel"):
    """What a collector answers."""

    partial_success: Rejected | None = None


def encode_traces(spans: Sequence[Span], version: str) -> bytes:
    """The body for /v1/traces; one resource a node."""
    by_node: dict[str, list[Any]] = {}
    for span in spans:
        by_node.setdefault(span.node, []).append(_span(span))
    scope = {"name": SCOPE, "version": version}
    return msgspec.json.encode(
        {
            "resourceSpans": [
                {"resource": _resource(node, version), "scopeSpans": [{"scope": scope, "spans": some}]}
                for node, some in by_node.items()
            ]
        }
    )


def encode_logs(lines: Sequence[LogLine], node: str, version: str) -> bytes:
    """The body for /v1/logs."""
    scope = {"name": SCOPE, "version": version}
    records = [_record(line) for line in lines]
    return msgspec.json.encode(
        {
            "resourceLogs": [
                {"resource": _resource(node, version), "scopeLogs": [{"scope": scope, "logRecords": records}]}
            ]
        }
    )


def _span(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {
        "traceId": span.trace,
        "spanId": span.id,
        "name": span.name,
        "kind": _KINDS.get(span.name, _INTERNAL),
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.facts, "holdfast."),
    }
    if span.parent:
        found["parentSpanId"] = span.parent
    if span.links:  # a link must name a span, too: the linked trace's reading, at the node of this one
        found["links"] = [{"traceId": one, "spanId": span_id(one, span.node, READING)} for one in span.links]
    return found


def _record(line: LogLine) -> dict[str, Any]:
    return {
        "timeUnixNano": str(line.ts_ns),
        "observedTimeUnixNano": str(line.ts_ns),
        "severityNumber": _SEVERITIES.get(line.level, 0),
        "severityText": line.level,
        "body": {"stringValue": line.name},
        "attributes": _attributes(line.fields, "holdfast."),
    }


def _resource(node: str, version: str) -> dict[str, Any]:
    facts = {"service.name": "holdfast", "service.instance.id": node, "service.version": version}
    return {"attributes": _attributes(facts, "")}


def _attributes(facts: Mapping[str, Fact], prefix: str) -> list[dict[str, Any]]:
    return [{"key": prefix + name, "value": _value(value)} for name, value in facts.items() if value is not None]


def _value(value: Fact) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float) and math.isfinite(value):
        return {"doubleValue": value}
    return {"stringValue": str(value)}
