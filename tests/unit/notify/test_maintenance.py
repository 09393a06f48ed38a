"""Planned works: alerts in them are recorded, marked and not told; what lasts at their end is told."""

from datetime import datetime
from pathlib import Path

import pytest
from tests.unit.notify.house import OPS, House, Parts, play

from holdfast.journal import maintenance
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.kernel.documents import parse
from holdfast.notify.errors import MaintenanceUnknown, RequestInvalid
from holdfast.notify.filters import Filter
from holdfast.notify.hours import Hours, parse_line
from holdfast.notify.planned import findings

NIGHTLY = (
    OPS % ""
    + "maintenance: {belt: {why: belt is cleaned, match: {devices: [d*]}, hours: {from: '02:00', to: '03:00'}}}\n"
)


def clock(text: str = "2026-11-20T02:30+00:00") -> ManualClock:
    return ManualClock(int(datetime.fromisoformat(text).timestamp()) * NS_PER_S)


def test_what_is_raised_in_works_is_marked_and_told_at_their_end_if_it_lasts(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1", "d2", "e1")
        await house.tell()
        assert house.lines() == [["e1 raised"]]
        assert {one.device: bool(one.maintenance) for one in house.alerts()} == {"d1": True, "d2": True, "e1": False}
        assert house.history(1) == [("planned", "ops", "1")]
        assert house.service.channels["ops"].status().backlog.held == 2
        await house.clear("d2")
        await house.pass_(1799)
        assert house.lines() == [["e1 raised"]]
        await house.pass_(1)
        assert house.lines() == [["e1 raised"], ["d1 raised"]]
        await house.raise_("d2")
        await house.tell()
        assert house.lines()[-1] == ["d2 raised"]  # the works are over
        await house.pass_(23 * 3600)
        await house.raise_("d3")
        await house.tell()
        assert house.lines()[-1] == ["d2 raised"]  # and they're there again

    play(tmp_path, body, text=NIGHTLY, clock=clock())


def test_what_came_and_went_in_works_is_told_to_nobody_however_fast_it_was(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d1")
        await house.clear("d1")  # before any channel could look
        await house.pass_(3600)
        assert (house.lines(), house.waiting()) == ([], 0)
        (one,) = house.alerts(state="closed")
        assert one.maintenance == 1

    play(tmp_path, body, text=NIGHTLY, clock=clock())


def test_people_plan_works_and_end_them_also_after_a_restart(tmp_path: Path) -> None:
    time = clock()
    now_ns = time.wall_ns()

    async def first(house: House) -> None:
        quieting = house.service.quieting
        made = await quieting.plan(Filter(labels=("hall-7",)), now_ns, now_ns + 86_400 * NS_PER_S, None, "ann", "belt")
        later = await quieting.plan(Filter(), now_ns, 0, parse_line("mon 10:00-11:00"), "ann", "every week")
        assert (made.id, later.id) == (1, 2)
        house.labels_of = {"d1": ("hall-7", "old")}
        await house.raise_("d1", "d2")
        await house.tell()
        assert house.lines() == [["d2 raised"]]

    async def second(house: House) -> None:
        house.labels_of = {"d1": ("hall-7", "old")}
        await house.pass_(60)
        assert house.lines() == []
        await house.service.quieting.end(1)
        await house.tell()
        assert house.lines() == [["d1 raised"]]
        with pytest.raises(MaintenanceUnknown, match="no maintenance window 1 that isn't over"):
            await house.service.quieting.end(1)
        assert [one.id for one in house.journal.look(lambda db: maintenance.page(db, house.clock.wall_ns()))] == [2]
        assert "MaintenanceChanged" in "".join(house.log)

    play(tmp_path, first, clock=time)
    play(tmp_path, second, clock=time)


def test_works_taken_out_of_the_settings_hold_nothing_any_more(tmp_path: Path) -> None:
    time = clock()

    async def first(house: House) -> None:
        await house.raise_("d1")
        await house.tell()
        assert house.lines() == []
        with pytest.raises(RequestInvalid, match=r"maintenance.belt"):
            await house.service.quieting.end(1)

    async def same(house: House) -> None:
        (one,) = house.journal.look(lambda db: maintenance.page(db, house.clock.wall_ns()))
        assert (one.id, one.name) == (1, "belt")  # no second one by a restart

    async def without(house: House) -> None:
        await house.tell()
        assert house.lines() == [["d1 raised"]]

    play(tmp_path, first, text=NIGHTLY, clock=time)
    play(tmp_path, same, text=NIGHTLY, clock=time)
    play(tmp_path, without, clock=time)


def test_works_that_cannot_be_are_refused(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        plan, now_ns = house.service.quieting.plan, house.clock.wall_ns()
        later_ns = now_ns + NS_PER_S
        for begin, end, hours, by, why, said in (
            (now_ns, now_ns, None, "ann", "x", "end before they begin"),
            (now_ns, 0, None, "ann", "x", "come once have an end"),
            (now_ns, later_ns, None, " ", "x", "`by` is empty"),
            (now_ns, later_ns, None, "ann", "", "`why` is empty"),
            (now_ns, 0, Hours(days=("noon",)), "ann", "x", "`hours` can't be"),
        ):
            with pytest.raises(RequestInvalid, match=said):
                await plan(Filter(), begin, end, hours, by, why)
        assert house.journal.look(maintenance.page) == []

    play(tmp_path, body)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{why: x}", "say when"),
        ("{why: x, from: 2026-12-01T06:00}", "say when"),
        ("{why: x, from: soon, to: 2026-12-01T06:00}", "expected a time"),
        ("{why: x, from: 2026-12-01T07:00, to: 2026-12-01T06:00}", "later than `from`"),
        ("{why: x, hours: {days: [noon]}}", "is no day"),
    ],
)
def test_works_in_the_settings_that_cannot_be_are_refused(text: str, said: str) -> None:
    parts = parse(OPS % "" + f"maintenance: {{belt: {text}}}\n", Parts, Path("node.yaml")).value
    assert any(said in words for _, words in findings(parts.maintenance))
