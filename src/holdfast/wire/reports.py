"""A node's log lines and steps of traces as they travel: texts of two series of the node's own, among its readings.

A row's time is the line's, or the step's end; its text is one of these as a JSON array. Append only: members keep
place, type and meaning, and what a reader doesn't know behind them it passes over. A parent that is older sees two
series of texts; a child that is older has none.
"""

import msgspec
from msgspec import Struct

from holdfast.model.series import Kind, Series

DEVICE, LOG, TRACES = "node", "node.log", "node.traces"
"""Under which device and metrics."""
Fact = str | int | float | bool | None
MAX_TEXT = 16 << 10
"""Characters; a longer text is none of ours."""


class SentLine(Struct, frozen=True, array_like=True):
    """A line of the log. n: its number since the node's start."""

    level: str
    name: str
    n: int
    fields: dict[str, Fact] = {}


class SentStep(Struct, frozen=True, array_like=True):
    """A step of a trace. took_ns: from its begin to the row's time; its id follows from trace, node and name."""

    trace: str
    name: str
    took_ns: int
    parent: str = ""
    facts: dict[str, Fact] = {}
    links: tuple[str, ...] = ()


Report = SentLine | SentStep
_lines = msgspec.json.Decoder(SentLine)
_steps = msgspec.json.Decoder(SentStep)


def series_of(node: str, metric: str) -> Series:
    """The series under which a node's lines or steps travel."""
    return Series(node, DEVICE, metric, "", Kind.TEXT)


def is_report(series: Series) -> bool:
    """Is it one of those?"""
    return series.device == DEVICE and series.metric in (LOG, TRACES) and series.kind is Kind.TEXT


def encode_report(report: Report) -> str:
    """A row's text."""
    return msgspec.json.encode(report).decode()


def decode_line(text: str) -> SentLine | None:
    """The line of a text; None = it's none: a device may have said anything under that name."""
    try:
        return _lines.decode(text) if len(text) <= MAX_TEXT else None
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None


def decode_step(text: str) -> SentStep | None:
    """The step of a text; None = it's none."""
    try:
        return _steps.decode(text) if len(text) <= MAX_TEXT else None
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None
