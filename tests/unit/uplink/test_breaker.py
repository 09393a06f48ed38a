from random import Random

import pytest

from holdfast.uplink.breaker import Breaker, Phase


def breaker(phase: Phase, trip_after: int = 2) -> Breaker:
    made = Breaker(trip_after, 1.0, 30.0, Random(1))
    if phase is not Phase.CLOSED:
        for _ in range(trip_after):
            made.failed(0.0)
    if phase is Phase.HALF_OPEN:
        assert made.may_call(made.quiet_until)
    assert made.phase is phase
    return made


@pytest.mark.parametrize(
    ("start", "after_success", "after_failure", "after_pause"),
    [
        (Phase.CLOSED, Phase.CLOSED, Phase.CLOSED, Phase.CLOSED),
        (Phase.OPEN, Phase.CLOSED, Phase.OPEN, Phase.HALF_OPEN),
        (Phase.HALF_OPEN, Phase.CLOSED, Phase.OPEN, Phase.HALF_OPEN),
    ],
)
def test_every_phase_answers_every_happening(
    start: Phase, after_success: Phase, after_failure: Phase, after_pause: Phase
) -> None:
    good, bad, waited = breaker(start), breaker(start), breaker(start)
    good.succeeded()
    bad.failed(100.0)
    waited.may_call(1000.0)
    assert (good.phase, bad.phase, waited.phase) == (after_success, after_failure, after_pause)


def test_the_table_names_every_phase() -> None:
    assert set(Phase) == {Phase.CLOSED, Phase.OPEN, Phase.HALF_OPEN}


def test_enough_failures_in_a_row_open_it() -> None:
    made = breaker(Phase.CLOSED, trip_after=3)
    made.failed(0.0)
    made.failed(0.0)
    assert made.phase is Phase.CLOSED
    made.failed(0.0)
    assert made.phase is Phase.OPEN


def test_pauses_stay_between_their_bounds_and_grow() -> None:
    made = Breaker(1, 1.0, 30.0, Random(7))
    pauses = []
    for _ in range(200):
        made.failed(0.0)
        pauses.append(made.quiet_until)
    assert all(1.0 <= pause <= 30.0 for pause in pauses)
    assert max(pauses[:3]) < 28.0
    assert max(pauses) == 30.0
    assert len(set(pauses)) > 20  # jittered: a fleet does not come back in step


def test_the_pause_the_parent_asked_for_is_kept() -> None:
    made = Breaker(3, 1.0, 30.0, Random(1))
    made.failed(10.0, asked_s=50.0)
    assert not made.may_call(59.9)
    assert made.may_call(60.0)


def test_success_forgets_the_pauses() -> None:
    made = breaker(Phase.OPEN)
    made.succeeded()
    assert made.may_call(0.0)
