"""What taps hold is settled once both have stored their part, whoever is first."""

import itertools
from collections.abc import Callable
from functools import partial

import pytest

from holdfast.adapters.port import Arrival
from holdfast.intake.taps import Hold, TapInbox


class Kept:
    """A receipt, and an inbox that keeps what it's offered."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.offered: list[Arrival] = []

    def settle(self) -> None:
        self.said.append("settled")

    def refuse(self) -> None:
        self.said.append("refused")

    def offer(self, arrival: Arrival) -> bool:
        self.offered.append(arrival)
        return False

    def when_drained(self, callback: Callable[[], None]) -> None:
        callback()


class Holding:
    def __init__(self, hold: Hold | None) -> None:
        self.hold = hold

    def look(self, arrival: Arrival) -> Hold | None:
        return self.hold if arrival.topic == "a" else None


@pytest.mark.parametrize("order", list(itertools.permutations(("intake", "first", "second"))))
def test_a_receipt_is_settled_when_the_last_part_is_on_disk(order: tuple[str, ...]) -> None:
    kept, hold = Kept(), Hold(2)
    inbox = TapInbox(kept)
    inbox.tap(Holding(hold))
    assert not inbox.offer(Arrival("s", "a", [b"1"], 0, kept))
    for step in order:
        assert kept.said == []
        if step == "intake":
            kept.offered[0].receipt.settle()
        else:
            hold.over()
    assert kept.said == ["settled"]


def test_what_the_intake_refuses_is_refused_once_and_never_settled() -> None:
    kept, hold = Kept(), Hold(1)
    inbox = TapInbox(kept)
    inbox.tap(Holding(None))
    inbox.tap(Holding(hold))
    inbox.offer(Arrival("s", "a", [b"1"], 0, kept))
    kept.offered[0].receipt.refuse()
    hold.over()
    hold.settle()
    assert kept.said == ["refused"]


def test_what_no_tap_holds_goes_on_as_it_is() -> None:
    kept = Kept()
    inbox = TapInbox(kept)
    inbox.tap(Holding(Hold(1)))
    arrival = Arrival("s", "b", [b"1"], 0, kept)
    inbox.offer(arrival)
    inbox.when_drained(partial(kept.said.append, "asked"))
    assert kept.offered == [arrival]
    assert kept.offered[0].receipt is kept
    assert kept.said == ["asked"]
