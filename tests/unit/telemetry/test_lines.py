"""The log as a numbered ring, as text and as JSON."""

import msgspec

from holdfast.kernel.clock import ManualClock
from holdfast.telemetry.happenings import Happening, Level, Telemetry
from holdfast.telemetry.lines import Lines, as_json, as_text


class DoorSlammed(Happening, frozen=True):
    """Somebody left in anger."""

    level = Level.WARNING
    by: str
    times: int


def test_a_json_log_is_one_object_a_line() -> None:
    said: list[str] = []
    telemetry = Telemetry(ManualClock(), said.append, style="json")
    telemetry.emit(DoorSlammed(by="a\nstranger", times=2))
    assert said[0].count("\n") == 0
    assert msgspec.json.decode(said[0]) == {
        "ts": "2023-11-14T22:13:20.000+00:00",
        "level": "WARNING",
        "name": "DoorSlammed",
        "fields": {"by": "a\nstranger", "times": 2},
    }


def test_a_stranger_can_write_neither_a_line_nor_a_colour_of_his_own_into_the_log() -> None:
    said: list[str] = []
    Telemetry(ManualClock(), said.append).emit(DoorSlammed(by="x\r\n2026 INFO All is well\x1b[31m", times=1))
    assert said[0].isprintable()


def test_a_login_in_a_url_is_no_part_of_the_log() -> None:
    said: list[str] = []
    telemetry = Telemetry(ManualClock(), said.append)
    telemetry.emit(DoorSlammed(by="mqtts://user:hunter2@broker:8883/x", times=1))
    assert "hunter2" not in said[0]
    assert "broker:8883/x" in said[0]
    assert "hunter2" not in as_json(telemetry.lines.after(0)[0])


def test_a_reader_gets_each_line_once_and_knows_when_some_are_gone() -> None:
    lines = Lines(3)
    for n in range(5):
        lines.add(n, "INFO", f"L{n}", {})
    assert [line.n for line in lines.after(0)] == [3, 4, 5]
    assert [line.n for line in lines.after(4)] == [5]
    assert lines.after(5) == []
    assert lines.last == 5
    assert as_text(lines.after(4)[0]).endswith("INFO L4")
