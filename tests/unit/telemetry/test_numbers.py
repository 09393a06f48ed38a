import pytest
from prometheus_client import generate_latest

from holdfast.kernel.clock import ManualClock
from holdfast.node.happenings import NodeStarted
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.numbers import state_of


def made() -> Telemetry:
    return Telemetry(ManualClock(), lambda _: None)


def test_calls_with_other_labels_make_one_family() -> None:
    telemetry = made()
    telemetry.gauge("waiting_rows", "What waits.", lambda: 3.0, channel="ops")
    telemetry.gauge("waiting_rows", "What waits.", lambda: 4.0, channel="night")
    text = generate_latest(telemetry.registry).decode()
    assert text.count("# HELP holdfast_waiting_rows What waits.") == 1
    assert 'holdfast_waiting_rows{channel="night"} 4.0' in text


def test_one_name_cannot_mean_two_things() -> None:
    telemetry = made()
    telemetry.gauge("depth", "How deep.", lambda: 1.0)
    with pytest.raises(ValueError, match="holdfast_depth is there already"):
        telemetry.counter("depth", "How deep.", lambda: 1.0)


def test_a_number_that_cannot_be_read_hides_no_other() -> None:
    telemetry = made()
    telemetry.gauge("broken", "It fails.", lambda: 1 / 0)
    telemetry.counter("well", "It works.", lambda: 2.0)
    text = generate_latest(telemetry.registry).decode()
    assert "holdfast_well_total 2.0" in text
    assert "\nholdfast_broken " not in text
    assert telemetry.unreadable == 1


def test_a_state_is_one_for_the_current_one_only() -> None:
    assert state_of("b", ["a", "b"], "x") == [(("x", "a"), 0.0), (("x", "b"), 1.0)]


def test_what_never_happened_is_there_as_zero() -> None:
    telemetry = made()
    telemetry.declare()
    assert telemetry.registry.get_sample_value(f"holdfast_{NodeStarted.metric}_total") == 0.0
