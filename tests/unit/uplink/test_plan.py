from random import Random

from holdfast.model.lane import Lane
from holdfast.uplink.breaker import Breaker
from holdfast.uplink.plan import Answered, Appended, Failed, Offer, Session, Tick, UplinkPlan, Welcomed
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.messages import BatchReply, Mark, Welcome

SETTINGS = ParentSettings("https://hub", "ca.pem", "token", linger=0.5, min_rows=1000, max_rows=5000)


def plan() -> UplinkPlan:
    return UplinkPlan(SETTINGS, Breaker(3, 1.0, 30.0, Random(1)))


def welcome(*wms: int, session: int = 7, status: str = "welcome") -> Welcomed:
    marks = tuple(Mark(wm) for wm in wms)
    return Welcomed(Welcome(status, session=session, marks=marks, max_rows=2000, detail="why"))  # type: ignore[arg-type]


def opened(*heads: int) -> UplinkPlan:
    p = plan()
    assert p.learn(Appended((0, 0, 0)), 0.0).hello
    p.learn(welcome(0, 0, 0), 0.0)
    p.learn(Appended(heads or (0, 0, 0)), 10.0)
    return p


def applied(lane: Lane, upto: int) -> Answered:
    return Answered(lane, BatchReply("applied", applied=upto, series_known=3))


def test_the_first_thing_said_is_hello_and_only_once() -> None:
    p = plan()
    assert p.learn(Appended((1, 0, 0)), 0.0).hello
    assert not p.learn(Tick(), 0.1).hello


def test_critical_rows_leave_at_once_and_bulk_lingers() -> None:
    p = opened()
    turn = p.learn(Appended((2, 0, 50)), 20.0)
    assert turn.offers == (Offer(Lane.CRITICAL, 0, 80, 7, 0),)
    assert turn.wake_at == 20.5
    assert p.learn(Tick(), 20.5).offers == (Offer(Lane.BULK, 0, 500, 7, 0),)


def test_a_backlog_of_bulk_does_not_linger() -> None:
    p = opened()
    assert p.learn(Appended((0, 0, 500)), 20.0).offers == (Offer(Lane.BULK, 0, 500, 7, 0),)


def test_critical_rows_never_wait_for_a_bulk_batch_in_flight() -> None:
    p = opened()
    p.learn(Appended((0, 0, 5000)), 20.0)
    assert [o.lane for o in p.learn(Appended((1, 0, 5000)), 20.1).offers] == [Lane.CRITICAL]


def test_one_batch_a_lane_is_in_flight_and_the_next_follows_its_answer() -> None:
    p = opened()
    p.learn(Appended((0, 0, 5000)), 20.0)
    assert p.learn(Appended((0, 0, 9000)), 20.1).offers == ()
    turn = p.learn(applied(Lane.BULK, 2000), 20.2)
    assert turn.offers == (Offer(Lane.BULK, 2000, 500, 7, 3),)
    assert p.backlog() == {Lane.CRITICAL: 0, Lane.NORMAL: 0, Lane.BULK: 7000, Lane.REGION: 0}


def test_a_stopping_node_does_not_linger() -> None:
    p = opened()
    p.hurry = True
    assert p.learn(Appended((0, 0, 1)), 20.0).offers
    p.learn(applied(Lane.BULK, 1), 20.1)
    assert p.is_idle


def test_after_a_failure_comes_a_pause_then_hello_then_what_the_parent_does_not_have() -> None:
    p = opened()
    p.learn(Appended((0, 0, 5000)), 20.0)
    turn = p.learn(Failed(Lane.BULK), 21.0)
    assert turn.offers == ()
    assert not turn.hello
    assert turn.wake_at is not None
    assert p.learn(Tick(), turn.wake_at).hello
    turn = p.learn(welcome(0, 0, 1500, session=8), 30.0)  # the lost answer's batch had been applied
    assert turn.offers == (Offer(Lane.BULK, 1500, 500, 8, 0),)


def test_a_failure_waits_for_the_other_lanes_answer_before_a_new_session() -> None:
    p = opened()
    p.learn(Appended((1, 0, 5000)), 20.0)
    p.learn(Failed(Lane.CRITICAL), 20.1)
    assert not p.learn(Tick(), 60.0).hello
    assert p.learn(applied(Lane.BULK, 2000), 60.0).hello


def test_a_fenced_session_says_hello_again_at_once() -> None:
    p = opened()
    p.learn(Appended((1, 0, 0)), 20.0)
    assert p.learn(Answered(Lane.CRITICAL, BatchReply("fenced")), 20.1).hello


def test_an_expected_answer_rewinds() -> None:
    p = opened()
    p.learn(Appended((0, 0, 5000)), 20.0)
    turn = p.learn(Answered(Lane.BULK, BatchReply("expected", applied=100, expected=101, series_known=2)), 20.1)
    assert turn.offers == (Offer(Lane.BULK, 100, 500, 7, 2),)


def test_a_busy_parent_gets_the_pause_it_asked_for() -> None:
    p = opened()
    p.learn(Appended((1, 0, 0)), 20.0)
    turn = p.learn(Answered(Lane.CRITICAL, BatchReply("busy", retry_after_s=9.0)), 20.0)
    assert turn.wake_at == 29.0


def test_a_diverged_history_is_told_and_a_new_hello_sorts_it_out() -> None:
    p = opened()
    p.learn(Appended((1, 0, 0)), 20.0)
    turn = p.learn(Answered(Lane.CRITICAL, BatchReply("diverged", detail="another history")), 20.0)
    assert p.trouble == "another history"
    assert turn.hello
    p.learn(welcome(0, 0, 0, status="unsupported"), 100.0)
    assert (p.session, p.trouble) == (Session.NONE, "why")
    p.learn(Tick(), 200.0)
    p.learn(welcome(0, 0, 0), 200.0)
    assert p.trouble == ""


def test_a_half_open_breaker_sends_one_batch_at_a_time() -> None:
    p = plan()
    p.learn(Appended((5, 5, 5)), 0.0)
    turn = p.learn(Failed(None), 0.0)
    for _ in range(3):
        assert turn.wake_at is not None
        assert p.learn(Tick(), turn.wake_at).hello
        turn = p.learn(Failed(None), turn.wake_at)
    assert turn.wake_at is not None
    assert p.learn(Tick(), turn.wake_at).hello  # the one probe
    assert not p.learn(Tick(), turn.wake_at + 1).hello
