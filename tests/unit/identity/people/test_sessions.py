"""Sessions end when they should, and never become too many."""

from dataclasses import dataclass, field
from typing import Literal

from holdfast.identity.people.sessions import MOST_AGENT, MOST_EACH, Session, Sessions

S = 10**9


@dataclass
class Table:
    sessions: Sessions = field(default_factory=lambda: Sessions(idle_s=100, most=50))

    def open(
        self,
        digest: str,
        name: str = "ann",
        at: int = 0,
        lasts: int = 1000,
        kind: Literal["person", "kiosk"] = "person",
    ) -> None:
        agent = "x" * 500
        self.sessions.open(Session(digest, name, kind, at * S, at * S, (at + lasts) * S, "192.0.2.1", agent))

    def lives(self, digest: str, at: int) -> bool:
        return self.sessions.use(digest, at * S) is not None


def test_a_session_that_nobody_uses_is_over_and_use_keeps_it() -> None:
    table = Table()
    table.open("a")
    table.open("b")
    assert table.lives("a", 99)
    assert table.lives("a", 198)
    assert not table.lives("b", 100)
    assert not table.lives("b", 0), "what is over stays over, whatever the clock does"


def test_a_session_is_over_at_its_absolute_end_however_much_it_is_used() -> None:
    table = Table()
    table.open("a")
    assert all(table.lives("a", at) for at in range(50, 1000, 50))
    assert not table.lives("a", 1000)


def test_a_kiosk_may_be_idle_as_long_as_its_link_lasts() -> None:
    table = Table()
    table.open("wall", "hall", kind="kiosk")
    assert table.lives("wall", 999)
    assert not table.lives("wall", 1000)


def test_a_clock_that_is_set_back_makes_no_session_younger() -> None:
    table = Table()
    table.open("a", at=500)
    assert table.lives("a", 100)
    assert not table.lives("a", 600)


def test_one_person_has_so_many_sessions_and_the_one_unused_longest_goes() -> None:
    table = Table()
    for n in range(MOST_EACH):
        table.open(f"{n}", at=n)
    table.open("other", "bob", at=20)
    assert table.lives("0", 21)
    table.open("new", at=22)
    assert (table.lives("0", 23), table.lives("1", 23), table.lives("other", 23)) == (True, False, True)


def test_all_together_are_bounded_too() -> None:
    table = Table()
    for n in range(60):
        table.open(f"{n}", f"name-{n}", at=n)
    assert len(table.sessions) == 50
    assert not table.lives("9", 60)
    assert table.lives("10", 60)
    assert {len(one.agent) for one in table.sessions.all(60 * S)} == {MOST_AGENT}


def test_a_session_ends_by_logging_out() -> None:
    table = Table()
    table.open("a")
    ended = table.sessions.end("a")
    assert ended is not None
    assert ended.name == "ann"
    assert table.sessions.end("a") is None
    assert not table.lives("a", 0)
