"""When a script may run, as time goes by."""

from pathlib import Path

import pytest
from tests.unit.codecs.lorawan.at_work import HONEST, call, with_runner

from holdfast.codecs.lorawan.breaker import (
    COSTLY_IN_A_ROW,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    THROWN_IN_A_ROW,
    Breaker,
)
from holdfast.codecs.lorawan.calls import Fault
from holdfast.codecs.lorawan.happenings import CodecScriptFailed, CodecSwitchedOff, CodecSwitchedOn
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import Script
from holdfast.kernel.clock import ManualClock
from holdfast.telemetry.happenings import Happening


def failing(times: int, fault: Fault, now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.failed(fault, "why", now)
    return breaker


def test_a_newcomer_may_run_but_is_not_proven() -> None:
    breaker = Breaker()
    assert breaker.allowed(5, 0.0) == 5
    assert not breaker.is_proven
    breaker.succeeded()
    assert breaker.is_proven


@pytest.mark.parametrize(("fault", "most"), [(Fault.TIME, COSTLY_IN_A_ROW), (Fault.SCRIPT, THROWN_IN_A_ROW)])
def test_failures_in_a_row_switch_it_off_and_one_call_tries_it_later(fault: Fault, most: int) -> None:
    assert failing(most - 1, fault).allowed(9, 0.0) == 9
    breaker = failing(most, fault)
    assert (breaker.allowed(9, FIRST_PAUSE_S - 1), breaker.allowed(9, FIRST_PAUSE_S)) == (0, 1)
    assert "why" in breaker.reason


def test_a_good_call_between_failures_keeps_it_on() -> None:
    breaker = failing(COSTLY_IN_A_ROW - 1, Fault.MEMORY)
    breaker.succeeded()
    assert not breaker.failed(Fault.MEMORY, "why", 0.0)
    assert breaker.allowed(3, 0.0) == 3


def test_each_failed_trial_doubles_the_pause_up_to_an_hour() -> None:
    breaker = failing(COSTLY_IN_A_ROW, Fault.TIME)
    pauses, now = [], 0.0
    for _ in range(8):
        pauses.append(breaker.until - now)
        now = breaker.until
        breaker.failed(Fault.TIME, "why", now)
    assert pauses == [60, 120, 240, 480, 960, 1920, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_a_good_trial_switches_it_on_but_trust_is_earned_slowly() -> None:
    breaker = failing(COSTLY_IN_A_ROW, Fault.CRASH)
    assert breaker.succeeded()
    assert breaker.allowed(4, 0.0) == 4
    assert not breaker.is_proven
    for _ in range(20):
        breaker.succeeded()
    assert breaker.is_proven


def test_a_runner_stops_running_a_script_that_keeps_failing_and_says_why(tmp_path: Path) -> None:
    told: list[Happening] = []
    clock = ManualClock()
    mood = tmp_path / "x.js"
    mood.write_text("function decodeUplink(input) { if (input.bytes[0]) for (;;); return { data: {} }; }")
    script = Script(str(mood), mood.read_text())

    async def scenario(runner: ScriptRunner) -> None:
        found = await runner.run(script, [call(1)] * 5)
        assert [a.fault for a in found] == [Fault.TIME] * 3 + [Fault.OFF] * 2
        assert "switched off for 60 s more: 3 failures in a row, the last: it ran longer" in found[-1].text
        assert runner.switched_off == 1
        (other,) = await runner.run(Script("y.js", HONEST), [call(1)])
        assert other.fault is None
        clock.advance(FIRST_PAUSE_S)
        assert [a.fault for a in await runner.run(script, [call(0), call(0)])] == [None, None]
        assert runner.switched_off == 0

    with_runner(scenario, clock, told)
    assert [type(h) for h in told] == [
        *[CodecScriptFailed] * 3,
        CodecSwitchedOff,
        CodecScriptFailed,
        CodecSwitchedOn,
    ]
