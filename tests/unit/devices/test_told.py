"""What a child tells of its devices: everything once, then what changed; and anew when the parent lacks a page."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random

from holdfast.devices.below import HEARD_WITHIN_S, UNKNOWN, Below
from holdfast.devices.telling import Key, Telling
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import ManualClock
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.breaker import Breaker
from holdfast.wire.devices import MOST_ROWS, DeviceReceipt, DeviceReport, Told
from holdfast.wire.errors import LinkDown


class Two:
    """A child and its parent. devices: state by name at the child; cut: the parent's answers are lost."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.path = folder / FILE_NAME
        self.devices = {"press-1": "online", "press-2": "online"}
        self.log: list[str] = []
        self.reports: list[DeviceReport] = []
        self.is_cut = False
        self.meanwhile: Callable[[], None] = lambda: None
        self.start_parent()
        self.start_child("life-1")

    def start_parent(self) -> None:
        self.journal = Journal(self.path, "hub", JournalSettings(ballast=0), self.clock)
        self.below = Below(self.journal, self.clock)

    def start_child(self, life: str) -> None:
        telemetry = Telemetry(self.clock, self.log.append)
        breaker = Breaker(3, 0.1, 0.2, Random(1))
        self.telling = Telling(life, self.everything, self.look, self, breaker, self.clock, telemetry)

    def everything(self) -> list[Key]:
        return [("gw", name) for name in self.devices]

    async def look(self, keys: Sequence[Key]) -> dict[Key, Told]:
        at_ns = self.clock.wall_ns()
        found = {k: self.devices[k[1]] for k in keys if k[1] in self.devices}
        return {k: Told(*k, at_ns, state=state, labels=(f"of {k[1]}",)) for k, state in found.items()}

    async def tell(self, report: DeviceReport) -> DeviceReceipt:
        self.reports.append(report)
        receipt = await self.below.take("gw", report)
        self.meanwhile()
        if self.is_cut:
            raise LinkDown("cut")
        return receipt

    @property
    def known(self) -> dict[str, str]:
        return {one.name: one.state for one in self.below}


def in_two(folder: Path, body: Callable[[Two], Awaitable[None]]) -> None:
    async def run() -> None:
        two = Two(folder)
        await body(two)
        two.journal.close()

    asyncio.run(run())


def test_what_changes_while_a_page_is_on_its_way_is_told_again(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        def change() -> None:
            two.devices["press-1"] = "silent"
            two.telling.news([("gw", "press-1")])
            two.meanwhile = lambda: None

        two.meanwhile = change
        await two.telling.once()
        assert two.known == {"press-1": "silent", "press-2": "online"}

    in_two(tmp_path, body)


def test_everything_is_told_once_then_what_changed(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.telling.once()
        assert two.known == two.devices
        two.devices["press-1"] = "silent"
        two.devices.pop("press-2")
        two.devices["north"] = "online"
        two.telling.news([("gw", name) for name in ("press-1", "press-2", "north")])
        await two.telling.once()
        assert two.known == {"press-1": "silent", "north": "online"}
        assert [len(one.rows) for one in two.reports] == [2, 2]
        assert two.reports[1].gone == (("gw", "press-2"),)

    in_two(tmp_path, body)


def test_a_parent_that_was_killed_knows_the_devices_and_not_how_they_are_until_it_hears_of_them(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.telling.once()
        two.journal.abandon()
        two.start_parent()
        assert two.known == dict.fromkeys(two.devices, UNKNOWN)
        await two.telling.once()
        assert two.known == two.devices
        assert two.reports[-1].n == 0  # a sign of life was enough
        two.clock.advance(HEARD_WITHIN_S + 1)
        assert set(two.known.values()) == {UNKNOWN}

    in_two(tmp_path, body)


def test_labels_of_a_device_below_are_known_until_it_is_gone(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.telling.once()
        assert two.below.labels("gw", "press-1") == ("of press-1",)
        assert two.below.labels("gw", "press-9") == two.below.labels("hub", "press-1") == ()
        two.devices.pop("press-1")
        two.telling.news([("gw", "press-1")])
        await two.telling.once()
        assert two.below.labels("gw", "press-1") == ()

    in_two(tmp_path, body)


def test_an_answer_that_was_lost_and_a_new_life_leave_nothing_old_behind(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        await two.telling.once()
        two.is_cut = True
        two.devices["press-3"] = "online"
        two.telling.news([("gw", "press-3")])
        await two.telling.once()
        two.is_cut = False
        two.clock.advance(10)
        two.devices.pop("press-1")  # in the next life nobody remembers that it was told
        two.start_child("life-2")
        await two.telling.once()
        assert two.known == {"press-2": "online", "press-3": "online"}

    in_two(tmp_path, body)


def test_a_parent_that_came_back_from_an_older_image_is_told_everything(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        two.journal.close()
        image = two.path.read_bytes()
        two.start_parent()
        await two.telling.once()
        two.journal.close()
        two.path.write_bytes(image)
        two.start_parent()
        two.devices["press-1"] = "late"
        two.telling.news([("gw", "press-1")])
        await two.telling.once()
        assert two.known == {"press-1": "late", "press-2": "online"}

    in_two(tmp_path, body)


def test_many_devices_come_in_pages_and_none_may_be_the_parents_own(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        two.devices = {f"d{n}": "online" for n in range(2 * MOST_ROWS + 3)}
        two.start_child("life-1")
        await two.telling.once()
        assert [len(one.rows) for one in two.reports] == [MOST_ROWS, MOST_ROWS, 3]
        assert two.known == two.devices
        await two.below.take("gw", DeviceReport("life-1", 4, rows=(Told("hub", "mine", 1),)))
        assert "mine" not in two.known

    in_two(tmp_path, body)


def test_what_a_region_hears_is_news_for_the_hub_and_so_is_a_child_that_fell_silent(tmp_path: Path) -> None:
    async def body(two: Two) -> None:
        heard: list[Key] = []
        two.below.on_news(heard.extend)
        await two.telling.once()
        assert sorted(heard) == [("gw", "press-1"), ("gw", "press-2")]
        heard.clear()
        two.clock.advance(HEARD_WITHIN_S + 1)
        two.below.turn()
        assert sorted(heard) == [("gw", "press-1"), ("gw", "press-2")]

    in_two(tmp_path, body)
