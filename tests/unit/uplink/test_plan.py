from random import Random

import pytest
from msgspec.structs import replace

from holdfast.model.lane import Lane
from holdfast.uplink.breaker import Breaker, Phase
from holdfast.uplink.plan import (
    DIVERGED_PAUSE_S,
    Answered,
    Appended,
    Fact,
    Failed,
    Offer,
    Session,
    Tick,
    Turn,
    UplinkPlan,
    Welcomed,
)
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.messages import BatchReply, Mark, Welcome

SETTINGS = ParentSettings("https://hub:1", "ca.pem", "token", linger=0.5, min_rows=100, max_rows=1000, trip_after=2)


def plan() -> UplinkPlan:
    return UplinkPlan(SETTINGS, Breaker(SETTINGS.trip_after, 1.0, 30.0, Random(1)))


def welcome(*applied: int, session: int = 1) -> Welcomed:
    marks = tuple(Mark(wm) for wm in (applied or (0, 0, 0)))
    return Welcomed(Welcome("welcome", session=session, marks=marks, series_known=5))


def applied(lane: Lane, seq: int) -> Answered:
    return Answered(lane, BatchReply("applied", applied=seq, series_known=5))


def connected(*heads: int, now: float = 0.0) -> tuple[UplinkPlan, Turn]:
    made = plan()
    assert made.learn(Appended(heads or (0, 0, 0)), now).hello
    return made, made.learn(welcome(), now)


def lanes(turn: Turn) -> list[Lane]:
    return [offer.lane for offer in turn.offers]


def test_the_first_thing_said_is_a_hello_and_only_one() -> None:
    made = plan()
    assert made.learn(Tick(), 0.0) == Turn(hello=True)
    assert made.learn(Appended((9, 9, 9)), 0.0) == Turn()


def test_offers_start_behind_what_the_parent_has() -> None:
    made = plan()
    made.learn(Appended((7, 0, 0)), 0.0)
    assert made.learn(welcome(3, 0, 0), 0.0).offers == (Offer(Lane.CRITICAL, 3, 1000, 1, 5),)


def test_no_batch_is_larger_than_the_parent_takes() -> None:
    made = plan()
    made.learn(Appended((7, 0, 0)), 0.0)
    small = replace(welcome().welcome, max_rows=10)
    assert made.learn(Welcomed(small), 0.0).offers[0].max_rows == 10


def test_critical_rows_leave_at_once_and_before_all_others() -> None:
    _, turn = connected(1, 500, 500)
    assert lanes(turn) == [Lane.CRITICAL, Lane.NORMAL, Lane.BULK]


def test_critical_rows_never_wait_for_a_bulk_batch_in_flight() -> None:
    made, turn = connected(0, 0, 5000)
    assert lanes(turn) == [Lane.BULK]
    assert lanes(made.learn(Appended((1, 0, 5000)), 0.1)) == [Lane.CRITICAL]


def test_a_lane_has_one_batch_in_flight() -> None:
    made, _ = connected(0, 0, 5000)
    assert made.learn(Appended((0, 0, 9000)), 0.1).offers == ()
    assert made.learn(applied(Lane.BULK, 1000), 0.2).offers[0].after == 1000


def test_few_bulk_rows_linger_so_that_they_travel_together() -> None:
    made, _ = connected()
    turn = made.learn(Appended((0, 0, 10)), 1.0)
    assert turn == Turn(wake_at=1.5)
    assert made.learn(Appended((0, 0, 20)), 1.4) == Turn(wake_at=1.5)
    assert lanes(made.learn(Tick(), 1.5)) == [Lane.BULK]


def test_enough_bulk_rows_do_not_linger() -> None:
    made, _ = connected()
    assert lanes(made.learn(Appended((0, 0, 100)), 1.0)) == [Lane.BULK]


def test_nothing_lingers_when_the_node_is_about_to_stop() -> None:
    made, _ = connected()
    made.hurry = True
    assert lanes(made.learn(Appended((0, 1, 1)), 1.0)) == [Lane.NORMAL, Lane.BULK]


def test_what_was_acked_is_not_offered_again() -> None:
    made, _ = connected(4, 0, 0)
    assert made.backlog()[Lane.CRITICAL] == 4
    assert made.learn(applied(Lane.CRITICAL, 4), 0.1).offers == ()
    assert made.is_idle
    assert made.acked()[Lane.CRITICAL] == 4


def test_a_nack_makes_the_offer_start_where_the_parent_says() -> None:
    made, _ = connected(9, 0, 0)
    reply = BatchReply("expected", applied=2, expected=3, series_known=1)
    assert made.learn(Answered(Lane.CRITICAL, reply), 0.1).offers == (Offer(Lane.CRITICAL, 2, 1000, 1, 1),)


def test_a_failed_call_waits_and_then_asks_what_the_parent_has() -> None:
    made, _ = connected(9, 0, 0)
    turn = made.learn(Failed(Lane.CRITICAL), 10.0)
    assert turn.wake_at is not None
    assert made.session is Session.NONE
    assert made.learn(Tick(), turn.wake_at) == Turn(hello=True)
    assert made.learn(welcome(9, 0, 0, session=2), turn.wake_at).offers == ()
    assert made.is_idle


def test_the_next_hello_waits_for_all_answers_of_the_old_session() -> None:
    made, _ = connected(9, 0, 500)
    made.learn(Failed(Lane.CRITICAL), 0.0)
    assert made.learn(Tick(), 100.0) == Turn()
    assert made.learn(applied(Lane.BULK, 500), 100.0).hello


@pytest.mark.parametrize(
    ("fact", "pause"),
    [
        (Failed(None, asked_s=40.0), 40.0),
        (Failed(Lane.CRITICAL, asked_s=40.0), 40.0),
        (Answered(Lane.CRITICAL, BatchReply("busy", retry_after_s=40.0)), 40.0),
        (Answered(Lane.CRITICAL, BatchReply("diverged", detail="another history")), DIVERGED_PAUSE_S),
        (Welcomed(Welcome("diverged", detail="another history")), DIVERGED_PAUSE_S),
    ],
)
def test_the_pause_the_parent_asks_for_is_kept(fact: Fact, pause: float) -> None:
    made, _ = connected(9, 0, 0)
    made.learn(fact, 10.0)
    made.learn(Failed(Lane.CRITICAL), 10.0)
    turn = made.learn(Tick(), 10.0 + pause - 0.1)
    assert not turn.hello
    assert not turn.offers


def test_a_divergence_is_told_until_it_is_over() -> None:
    made, _ = connected()
    made.learn(Welcomed(Welcome("diverged", detail="another history")), 0.0)
    assert made.trouble == "another history"
    made.learn(welcome(), 100.0)
    assert made.trouble == ""


def test_two_nodes_that_fence_each_other_do_so_ever_more_slowly() -> None:
    made, _ = connected(9, 0, 0)
    hellos, now = 0, 0.0
    while now < 60.0:
        turn = made.learn(Answered(Lane.CRITICAL, BatchReply("fenced", session=99)), now)
        while not turn.hello:
            assert turn.wake_at is not None
            now = turn.wake_at
            turn = made.learn(Tick(), now)
        hellos += 1
        made.learn(welcome(session=hellos), now)
    assert hellos < 30


def test_an_open_breaker_lets_one_probe_through() -> None:
    made, _ = connected(0, 500, 500)
    made.learn(Failed(Lane.NORMAL), 0.0)
    made.learn(Failed(Lane.BULK), 0.0)
    assert made.breaker.phase is Phase.OPEN
    assert made.learn(Tick(), 100.0) == Turn(hello=True)
    assert made.breaker.phase is Phase.HALF_OPEN
    made.learn(Failed(None), 100.0)
    assert made.breaker.phase is Phase.OPEN
