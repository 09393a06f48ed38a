"""What people say of detectors' alerts: stored once, told to the rule engine once, and to every node above."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.notify.house import House

from holdfast.journal import alert_labels
from holdfast.journal.alert_labels import Labelled
from holdfast.journal.alerts import Alert
from holdfast.journal.blobs import decode_events
from holdfast.kernel.clock import ManualClock
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.notify.acknowledging import labelled
from holdfast.notify.errors import AlertUnknown, NotifyError, RequestInvalid

TEXT = "channels: {}\n"
WHY: dict[str, object] = {"decided_on": "gw", "metric": "air.co2", "detector": {"name": "auto", "threshold": 0.5}}


def play(folder: Path, *lives: Callable[[House], Awaitable[None]]) -> None:
    """Tell a story, in several lives of one journal."""

    async def run() -> None:
        clock = ManualClock(1_795_187_068_000_000_000)
        for life in lives:
            house = House(folder, TEXT, {}, clock)
            await house.service.start()
            await life(house)
            house.journal.close()

    asyncio.run(run())


async def raised(house: House, metric: str = "air.co2", **other: Any) -> Alert:
    await house.put(house.event("d1", why={**WHY, "metric": metric, **other}))
    return next(one for one in house.alerts() if one.metric == metric)


def stored(house: House) -> list[Labelled]:
    return house.journal.look(lambda db: alert_labels.page(db, "", 9))


def events(house: House) -> list[Event]:
    return [e for group in house.journal.read(Lane.CRITICAL, 0, 99) for e in decode_events(group.blob)]


def test_alerts_of_two_series_of_one_device_are_two(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        one, other = await raised(house), await raised(house, "air.temperature")
        assert one.id != other.id
        await house.put(house.event("d1", "alert.cleared", why=WHY))
        assert [(a.metric, a.is_open) for a in house.alerts(state="all")] == [
            ("air.temperature", True),
            ("air.co2", False),
        ]

    play(tmp_path, body)


def test_a_label_is_stored_told_and_an_event_and_the_last_word_counts(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        alert = await raised(house)
        one = await house.service.label(alert.id, "rejected", "ann", "door was open")
        assert house.labels == stored(house) == [one]
        assert (one.place, one.label, one.known, one.by, one.comment) == (
            ("gw", "d1", "air.co2"), "rejected", "", "ann", "door was open",
        )  # fmt: skip
        assert await house.service.label(alert.id, "rejected", "bob", "") == one
        said = events(house)[-1]
        assert (said.kind, said.metric, said.message) == (
            "alert.labelled", "air.co2", "ann rejected hot at d1 air.co2: door was open",
        )  # fmt: skip
        assert said.why["label"] == "rejected"
        await house.service.once()
        assert stored(house) == [one], "its own event tells it nothing new"
        await house.journal.submit(alert_labels.settling(one))
        other = await house.service.label(alert.id, "confirmed", "bob", "")
        assert (other.label, other.known) == ("confirmed", "rejected")
        assert house.labels == [one, other]
        assert {e.id for e in events(house) if e.kind == "alert.labelled"} != {said.id}
        counters = house.journal.counters()
        assert (counters["alerts_rejected"], counters["alerts_confirmed"]) == (1, 1)

    play(tmp_path, body)


def test_a_label_that_the_rules_did_not_hear_before_the_end_is_told_at_the_next_start(tmp_path: Path) -> None:
    async def first(house: House) -> None:
        for metric in ("air.co2", "air.temperature"):
            await house.service.label((await raised(house, metric)).id, "rejected", "ann", "")
        await house.journal.submit(alert_labels.settling(house.labels[0]))

    async def second(house: House) -> None:
        assert [one.raised.metric for one in house.labels] == ["air.temperature"]
        await house.journal.submit(alert_labels.settling(house.labels[0]))

    async def third(house: House) -> None:
        assert house.labels == []

    play(tmp_path, first, second, third)


def test_an_alert_that_is_over_can_be_labelled_too(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        alert = await raised(house)
        await house.put(house.event("d1", "alert.cleared", why=WHY))
        one = await house.service.label(alert.id, "confirmed", "ann", "")
        assert one.cleared_ns > 0

    play(tmp_path, body)


def test_only_detectors_alerts_are_labelled_where_they_were_decided(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        await house.raise_("d2")
        plain = house.alerts()[0]
        below = await raised(house, "air.o2", decided_on="cell-7")
        cases: list[tuple[int, str, type[NotifyError], str]] = [
            (99, "ann", AlertUnknown, "there is no alert 99"),
            (plain.id, "ann", RequestInvalid, "is no detector's"),
            (below.id, "ann", RequestInvalid, "was decided on cell-7"),
            (below.id, " ", RequestInvalid, "`by` is empty"),
        ]
        for number, by, error, why in cases:
            with pytest.raises(error, match=why):
                await house.service.label(number, "rejected", by, "")
        assert (house.labels, stored(house)) == ([], [])

    play(tmp_path, body)


def test_a_label_made_below_is_known_above_and_not_told_to_its_rules(tmp_path: Path) -> None:
    async def body(house: House) -> None:
        alert = await raised(house, decided_on="cell-7")
        below = Labelled(alert.event, 4, alert.raised, 0, "confirmed", "", "ann", "bearing", house.clock.wall_ns())
        await house.put(labelled("cell-7", alert, below))
        (one,) = stored(house)
        assert (one.alert, one.label, one.known, one.by) == (alert.id, "confirmed", "confirmed", "ann")
        assert house.labels == []

    async def later(house: House) -> None:
        assert house.labels == []

    play(tmp_path, body, later)
