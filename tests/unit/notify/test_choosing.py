"""What a channel tells next: pure, so time is a number."""

from tests.events import alert

from holdfast.journal.alerts import Alert
from holdfast.journal.dispatches import Dispatch, What
from holdfast.model.event import Severity
from holdfast.notify.choosing import Choice, Pace, Silencer, choose, pause_s
from holdfast.notify.settings import GroupSettings, RateSettings

Waiting = tuple[Dispatch, Alert]
S = 1_000_000_000


def one(
    number: int,
    due_s: float = 0,
    wait_s: float = 0,
    severity: Severity = "warning",
    what: What = "raised",
    **other: str,
) -> Waiting:
    event = alert(number, severity=severity, **other)
    about = event.node, event.device, event.rule, severity, event.id
    stored = Alert(number, *about, 0, 0, event, 0, None, 0, "", "")
    dispatch = Dispatch("ops", number, event.id, what, 0, round(due_s * S), round(wait_s * S), id=number)
    return dispatch, stored


def sent(choice: Choice) -> list[int]:
    return [dispatch.id for dispatch, _ in choice.send]


def test_nothing_is_due_before_its_time_and_the_next_look_is_then() -> None:
    choice = choose([one(1, 30, 10), one(2, 25)], [], GroupSettings(), 21 * S)
    assert (sent(choice), choice.wake_ns) == ([], 25 * S)
    assert sent(choose([one(1, 30, 10), one(2, 25)], [], GroupSettings(), 25 * S)) == [1, 2]


def test_what_has_not_begun_to_wait_is_not_taken_along() -> None:
    """A reminder in an hour is no part of a message now."""
    choice = choose([one(1), one(2, 3_600)], [], GroupSettings(), 0)
    assert (sent(choice), choice.wake_ns) == ([1], 3_600 * S)


def test_the_group_with_the_most_severe_alert_goes_first_then_the_one_that_waits_longest() -> None:
    waiting = [one(1, 1, rule="a"), one(2, 2, rule="b", severity="critical"), one(3, 0, rule="c")]
    order = []
    while waiting:
        choice = choose(waiting, [], GroupSettings(), 5 * S)
        order += sent(choice)
        waiting = [each for each in waiting if each[0].id not in sent(choice)]
    assert order == [2, 3, 1]


def test_while_more_is_due_the_next_look_is_at_once() -> None:
    assert choose([one(1, rule="a"), one(2, rule="b")], [], GroupSettings(), 7 * S).wake_ns == 7 * S


def test_a_silence_holds_what_it_means_and_nothing_else() -> None:
    silencer = Silencer(4, 99 * S, lambda event: event.device == "d1")
    choice = choose([one(1, device="d1"), one(2, device="d2"), one(3, device="d1")], [silencer], GroupSettings(), 0)
    assert sent(choice) == [2]
    assert choice.hold == ((silencer, (1, 3)),)


def test_what_was_refused_with_others_goes_alone() -> None:
    waiting = [one(1), one(2), one(3)]
    assert sent(choose(waiting, [], GroupSettings(), 0, {1, 2})) == [1]
    assert sent(choose(waiting[2:], [], GroupSettings(), 0, {1, 2})) == [3]


def test_the_pace_lets_so_many_go_in_any_span_of_its_length() -> None:
    pace = Pace(RateSettings(2, 60.0))
    for now in (0.0, 10.0):
        assert pace.wait_s(now) == 0.0
        pace.sent(now)
    assert pace.wait_s(15.0) == 45.0
    assert pace.wait_s(60.0) == 0.0
    pace.sent(60.0)
    assert pace.wait_s(60.0) == 10.0


def test_a_rest_lasts_until_something_is_due_but_never_too_long() -> None:
    assert [pause_s(at, 10 * S, 30.0) for at in (None, 12 * S, 5 * S, 500 * S)] == [30.0, 2.0, 0.0, 30.0]
