from typing import Literal

from prometheus_client import generate_latest

from holdfast.kernel.clock import ManualClock
from holdfast.telemetry.happenings import Happening, Level, Telemetry


class LinkLost(Happening, frozen=True):
    """The parent stopped answering."""

    level = Level.WARNING
    metric = "links_lost"
    cause: Literal["refused", "timeout"]
    detail: str


class Whisper(Happening, frozen=True):
    """Something only a developer wants to know."""

    level = Level.DEBUG


def test_one_happening_is_one_line_and_one_metric() -> None:
    lines: list[str] = []
    telemetry = Telemetry(ManualClock(), lines.append)
    telemetry.emit(LinkLost(cause="refused", detail="connection refused by 127.0.0.1"))
    telemetry.emit(Whisper())
    assert lines == [
        '2023-11-14T22:13:20.000+00:00 WARNING LinkLost cause=refused detail="connection refused by 127.0.0.1"'
    ]
    assert b'holdfast_links_lost_total{cause="refused"} 1.0' in generate_latest(telemetry.registry)


def test_gauges_are_read_when_scraped() -> None:
    telemetry = Telemetry(ManualClock(), lambda _: None)
    values = iter([3.0, 4.0])
    telemetry.gauge("depth", "How deep.", lambda: next(values))
    assert b"holdfast_depth 3.0" in generate_latest(telemetry.registry)
    assert b"holdfast_depth 4.0" in generate_latest(telemetry.registry)
