"""What `holdfast tail` makes of a frame."""

import json

from holdfast.cli.live_channel import Frame
from holdfast.cli.tail import Line, Wanted, lines_of
from holdfast.model.quality import Quality, Reason, encode_quality

AT = 1_700_000_000_123_000_000
BAD = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE)
TEMP, STATE = "gw/press-1/temp", "gw/press-1/state"


def lines(wanted: Wanted | None = None, first: set[str] | None = None, **data: object) -> list[Line]:
    frame = Frame(1, AT, dict(data))
    return list(lines_of(frame, wanted or Wanted(), {TEMP: "Cel"}, first or set()))


def event(device: str, ts: int = AT) -> dict[str, object]:
    return {
        "kind": "alert.raised",
        "ts": ts,
        "severity": "critical",
        "node": "gw",
        "device": device,
        "rule": "hot",
        "message": "it is hot",
    }


def test_readings_are_told_by_time_with_unit_and_doubt() -> None:
    series = {
        TEMP: {"ts": [AT + 2_000_000, AT], "value": [912.0, 81.4], "quality": [BAD, 0]},
        STATE: {"ts": [AT + 1_000_000], "value": ["\x1b[31midle"], "quality": [0]},
    }
    assert [line.said() for line in lines(r0={"series": series, "skipped": 0})] == [
        "2023-11-14T22:13:20.123Z  gw/press-1/temp  81.4 Cel",
        "2023-11-14T22:13:20.124Z  gw/press-1/state  \\x1b[31midle",
        "2023-11-14T22:13:20.125Z  gw/press-1/temp  912.0 Cel  (bad: out_of_range)",
    ]


def test_readings_left_out_are_told() -> None:
    (line,) = lines(r0={"series": {}, "skipped": 1200})
    assert "1,200 readings left out" in line.text
    assert json.loads(line.as_json()) == {"what": "skipped", "ts_ns": AT, "skipped": 1200}


def test_events_of_before_are_not_told_and_those_of_other_devices_neither() -> None:
    first = {"events"}
    assert lines(first=first, events={"events": [event("press-1")]}) == []
    told = lines(Wanted(device="press-*"), first, events={"events": [event("press-1"), event("oven")]})
    assert [line.text for line in told] == ["alert.raised  critical  gw/press-1  hot: it is hot"]


def test_log_lines_are_told_with_their_facts() -> None:
    row = {"ts_ns": AT, "level": "WARNING", "name": "LinkLost", "fields": {"url": "https://hub", "tries": 3}}
    (line,) = lines(logs={"lines": [row]})
    assert line.text == "WARNING  LinkLost  url=https://hub tries=3"
    assert json.loads(line.as_json())["name"] == "LinkLost"


def test_alerts_say_what_became_of_them() -> None:
    row = {**event("press-1"), "state": "open", "raised_ns": AT, "cleared_ns": 0, "acknowledged_ns": 0}
    told = lines(
        alerts={
            "changed": [
                row,
                {**row, "acknowledged_ns": AT + 1_000_000_000},
                {**row, "state": "closed", "cleared_ns": AT + 2_000_000_000},
            ]
        }
    )
    assert [line.text.split()[0] for line in told] == ["open", "acknowledged", "closed"]
