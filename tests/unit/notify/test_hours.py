"""Hours of the week: what is in them, when they begin next, across midnight and where clocks change."""

from datetime import datetime
from pathlib import Path

import pytest
from tests.unit.notify.house import House, Parts, play

from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.kernel.documents import SettingsInvalid, parse
from holdfast.notify.hours import Hours, parse_line
from holdfast.notify.settings import findings

BERLIN = "Europe/Berlin"


def at(text: str) -> int:
    """A time in Berlin, ns, by the offset that is written with it."""
    return int(datetime.fromisoformat(text).timestamp()) * NS_PER_S


@pytest.mark.parametrize(
    ("hours", "time", "is_in"),
    [
        ("mon-fri 06:00-22:00 Europe/Berlin", "2026-11-20T06:00+01:00", True),  # a Friday
        ("mon-fri 06:00-22:00 Europe/Berlin", "2026-11-20T05:59:59+01:00", False),
        ("mon-fri 06:00-22:00 Europe/Berlin", "2026-11-20T22:00+01:00", False),
        ("mon-fri 06:00-22:00 Europe/Berlin", "2026-11-21T12:00+01:00", False),
        ("fri 22:00-06:00 Europe/Berlin", "2026-11-21T05:59+01:00", True),  # Friday's night
        ("fri 22:00-06:00 Europe/Berlin", "2026-11-20T05:59+01:00", False),  # Thursday's
        ("sat-mon 00:00-24:00", "2026-11-23T23:59+00:00", True),  # over the week's end
        ("sat-mon 00:00-24:00", "2026-11-24T00:00+00:00", False),
        ("02:00-03:00 Europe/Berlin", "2026-07-01T02:30+02:00", True),
        ("02:00-03:00 Europe/Berlin", "2026-07-01T02:30+00:00", False),
    ],
)
def test_a_time_is_in_the_hours_of_its_zone(hours: str, time: str, is_in: bool) -> None:  # noqa: FBT001  # a case
    assert parse_line(hours).is_in(at(time)) is is_in


@pytest.mark.parametrize(
    ("hours", "time", "span"),
    [
        ("mon-fri 06:00-22:00 Europe/Berlin", "2026-11-20T23:00+01:00", ("2026-11-23T06:00+01:00", 16)),
        ("mon-fri 06:00-22:00 Europe/Berlin", "2026-11-20T12:00+01:00", ("2026-11-20T06:00+01:00", 16)),
        (
            "sun 00:00-06:00 Europe/Berlin",
            "2026-03-28T12:00+01:00",
            ("2026-03-29T00:00+01:00", 5),
        ),  # an hour is skipped
        ("sun 00:00-06:00 Europe/Berlin", "2026-10-24T12:00+02:00", ("2026-10-25T00:00+02:00", 7)),  # one comes twice
        ("wed 10:00-11:00", "2026-11-18T11:00+00:00", ("2026-11-25T10:00+00:00", 1)),
    ],
)
def test_the_next_span_is_known_and_as_long_as_clocks_make_it(hours: str, time: str, span: tuple[str, int]) -> None:
    begin, end = parse_line(hours).next(at(time))
    assert (begin, (end - begin) // (3600 * NS_PER_S)) == (at(span[0]), span[1])


@pytest.mark.parametrize(
    "text", ["", "mon-fri", "mon 06:00-22:00 Nowhere/City", "day 06:00-22:00", "06:00-06:00", "6-22", "mon 06:00-25:00"]
)
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|days|begins"):
        parse_line(text)


def test_hours_are_typed_as_they_are_shown() -> None:
    for text in ("mon-fri,sun 06:00-22:00 Europe/Berlin", "mon-sun 00:00-24:00 UTC"):
        assert str(parse_line(text)) == text
    assert str(Hours()) == "mon-sun 00:00-24:00 UTC"


CHANNEL = "channels: {a: {slack: {url: 'https://chat'}, %s}, b: {slack: {url: 'https://chat'}, hours: {}, outside: a}}"
STEP = "channels: {a: {slack: {url: 'https://chat'}}}\nescalations: {e: [{channel: a, %s}]}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CHANNEL % "outside: b", "outside of which `hours`?"),
        (CHANNEL % "hours: {}, outside: c", "there is no channel `c`"),
        (CHANNEL % "hours: {}, outside: b", "instead of itself"),
        (CHANNEL % "hours: {days: [noon]}", "`noon` is no day"),
        (CHANNEL % "hours: {from: '06:00', to: '06:00'}", "is none"),
        (STEP % "outside: b, hours: {}", "there is no channel `b`"),
        (STEP % "hours: {days: [mon-]}", ""),
        (STEP % "outside: a", "outside of which `hours`?"),
    ],
)
def test_hours_that_cannot_be_are_refused(text: str, said: str) -> None:
    parts = parse(text, Parts, Path("node.yaml")).value
    found = [words for _, words in findings(parts.channels, parts.escalations)]
    assert any(said in words for words in found) if said else found == []


def test_a_time_that_is_none_is_refused_where_it_stands() -> None:
    with pytest.raises(SettingsInvalid, match=r"hours"):
        parse(CHANNEL % "hours: {from: '26:00'}", Parts, Path("node.yaml"))


NIGHT = """
channels:
  day:
    slack: {url: 'https://chat'}
    takes: {}
    hours: {days: [mon-fri], from: "06:00", to: "22:00", zone: Europe/Berlin}
    %s
  night: {slack: {url: 'https://chat'}}
"""


def clock(text: str) -> ManualClock:
    return ManualClock(at(text))


def test_outside_its_hours_a_channel_waits_and_tells_what_still_lasts_when_they_begin(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1", "d2")
        await house.tell()
        assert (house.lines("day"), house.waiting("day")) == ([], 2)
        status = house.service.channels["day"].status()
        assert (status.rests_until_ns, status.instead) == (at("2026-11-23T06:00+01:00"), "")
        await house.clear("d2")
        await house.pass_(at("2026-11-23T05:59:59+01:00") / NS_PER_S - house.clock.wall_ns() / NS_PER_S)
        assert house.lines("day") == []
        await house.pass_(1)
        assert house.lines("day") == [["d1 raised", "d2 raised and cleared"]]
        assert house.service.channels["day"].status().rests_until_ns == 0

    play(tmp_path, body, text=NIGHT % "", clock=clock("2026-11-20T23:00+01:00"))


def test_or_another_channel_tells_and_who_was_told_by_day_hears_of_the_end_by_day(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.tell()
        assert house.lines("day") == [["d1 raised"]]
        await house.pass_(3600)
        await house.raise_("d2")
        await house.tell()
        await house.clear("d1", "d2")
        await house.tell()
        assert house.lines("night") == [["d2 raised"], ["d2 cleared"]]
        assert (house.lines("day"), house.waiting("day")) == ([["d1 raised"]], 1)
        assert house.history(2) == [
            ("elsewhere", "day", "night"),
            ("told", "night", "raised"),
            ("ended", "night", "cleared"),
        ]
        await house.pass_(9 * 3600)
        assert house.lines("day") == [["d1 raised"], ["d1 cleared"]]

    play(tmp_path, body, text=NIGHT % "outside: night", clock=clock("2026-11-19T21:30+01:00"))


def test_a_reminder_that_falls_into_the_night_goes_to_who_is_there(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(0)
        await house.pass_(3600)
        assert (house.lines("day"), house.lines("night")) == ([["d1 raised"]], [["d1 still open"]])

    play(tmp_path, body, text=NIGHT % "outside: night\n    repeat: 1h", clock=clock("2026-11-19T21:30+01:00"))


LADDER = """
channels: {ops: {slack: {url: 'https://chat'}}, night: {slack: {url: 'https://chat'}}, boss: {slack: {url: 'https://c'}}}
escalations:
  hard:
    takes: {}
    steps:
    - {channel: ops, hours: {from: "06:00", to: "22:00"}%s}
    - {channel: boss, after: 10m}
"""


def test_a_step_outside_its_hours_waits_and_the_next_counts_from_there(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(1800)
        assert (house.lines("ops"), house.lines("boss")) == ([], [])
        await house.pass_(6.5 * 3600)
        assert (house.lines("ops"), house.lines("boss")) == ([["d1 raised"]], [])
        await house.pass_(600)
        assert house.lines("boss") == [["d1 raised"]]
        assert [one for one in house.history(1) if one[0] == "escalated"] == [
            ("escalated", "ops", "hard 1"),
            ("escalated", "boss", "hard 2"),
        ]

    play(tmp_path, body, text=LADDER % "", clock=clock("2026-11-20T23:00+00:00"))


def test_or_goes_to_another_channel_at_once(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.pass_(0)
        assert (house.lines("ops"), house.lines("night"), house.lines("boss")) == ([], [["d1 raised"]], [])
        await house.pass_(600)
        assert house.lines("boss") == [["d1 raised"]]

    play(tmp_path, body, text=LADDER % ", outside: night", clock=clock("2026-11-20T23:00+00:00"))
