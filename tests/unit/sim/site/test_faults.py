from collections import Counter
from collections.abc import Sequence

import pytest

from holdfast.kernel.clock import NS_PER_S
from holdfast.sim.ends.port import SOUND, Faults, PointPlan, Scalar
from holdfast.sim.site.faults import MOST_TIMES, DeviceFaults
from holdfast.sim.site.settings import (
    ClockSkew,
    Drift,
    Dropout,
    Duplicates,
    FaultSettings,
    Garbage,
    HalfOpen,
    Noise,
    Reordered,
    Slow,
    Storm,
    Stuck,
)

POINTS = {
    "temperature": PointPlan("air.temperature", "Cel"),
    "parts": PointPlan("press.parts", "", "int"),
    "occupied": PointPlan("room.occupied", "", "bool"),
    "state": PointPlan("press.state", "", "text"),
}


def device(*faults: FaultSettings, name: str = "room-1", seed: int = 1, pushed: bool = True) -> DeviceFaults:
    return DeviceFaults(seed, name, POINTS, faults, pushed=pushed)


def said(faults: DeviceFaults, at_s: float, **values: Scalar) -> dict[str, Scalar]:
    true: dict[str, Scalar] = {"temperature": 20.0, "parts": 5, "occupied": True, "state": "running"}
    true |= values
    faults.spoil(round(at_s * NS_PER_S), true)
    return true


def on(faults: DeviceFaults, seconds: Sequence[float]) -> list[bool]:
    return [faults.on_wire(round(s * NS_PER_S)) is not SOUND for s in seconds]


def test_a_fault_lasts_from_its_beginning_to_just_before_its_end() -> None:
    faults = device(Dropout(from_=10, for_=5))
    assert on(faults, [9.999, 10, 14.999, 15, 100]) == [False, True, True, False, False]


def test_without_an_end_it_lasts_for_ever() -> None:
    assert on(device(HalfOpen(from_=3)), [2, 3, 1e6]) == [False, True, True]


def test_only_devices_of_the_pattern_have_it() -> None:
    assert not device(Dropout(devices="meter-*")).any
    assert device(Dropout(devices="room-?")).any


def test_each_comes_once_in_so_long_and_lasts_so_long() -> None:
    faults = device(Dropout(each=100, for_=10))
    times = [s / 10 for s in range(50_000)]
    is_on = on(faults, times)
    begins = [t for t, before, now in zip(times[1:], is_on, is_on[1:], strict=False) if now and not before]
    assert 45 <= len(begins) <= 50  # two may touch
    assert [int(t // 100) for t in begins] == sorted({int(t // 100) for t in begins})
    assert sum(is_on) / 10 == pytest.approx(500, abs=20)


def test_each_device_and_seed_has_its_own_moments() -> None:
    times = [float(s) for s in range(1000)]
    fault = Dropout(each=100, for_=10)
    runs = [on(device(fault, name=n, seed=s), times) for n, s in (("a", 1), ("b", 1), ("a", 2), ("a", 1))]
    assert runs[0] == runs[3]
    assert runs[0] != runs[1]
    assert runs[0] != runs[2]


def test_a_share_befalls_about_so_many_messages() -> None:
    faults = device(Dropout(share=0.05))
    assert sum(on(faults, range(10_000))) == pytest.approx(500, abs=100)


def test_what_is_wrong_on_the_wire_adds_up() -> None:
    faults = device(Slow(by=1.5), Slow(by=0.5), HalfOpen(from_=1), Garbage(), Dropout(from_=2))
    assert faults.on_wire(0) == Faults(slow_s=2.0, garbage=True)
    assert faults.on_wire(2 * NS_PER_S) == Faults(dropout=True, slow_s=2.0, half_open=True, garbage=True)
    assert device(Stuck()).on_wire(0) is SOUND


def test_drift_goes_by_the_hour_from_its_beginning() -> None:
    faults = device(Drift(points="temperature", per_hour=2.0, from_=3600))
    assert [said(faults, s)["temperature"] for s in (0, 3600, 5400, 7200)] == [20.0, 20.0, 21.0, 22.0]


def test_a_step_is_there_at_once_and_whole_numbers_stay_whole() -> None:
    wrong = said(device(Drift(step=1.6)), 5)
    assert wrong == {"temperature": 21.6, "parts": 7, "occupied": True, "state": "running"}
    assert isinstance(wrong["parts"], int)


def test_stuck_holds_the_first_value_of_its_time_of_every_type() -> None:
    faults = device(Stuck(from_=10, for_=10))
    assert said(faults, 9, temperature=1.0)["temperature"] == 1.0
    first = said(faults, 10, temperature=2.0, occupied=False, state="setup")
    assert said(faults, 15, temperature=3.0, occupied=True, state="fault", parts=9) == first
    assert said(faults, 20, temperature=4.0)["temperature"] == 4.0


def test_each_time_it_sticks_anew() -> None:
    faults = device(Stuck(each=10, for_=5, points="temperature"))
    values = [said(faults, s / 10, temperature=float(s))["temperature"] for s in range(1000)]
    held = {value for value, count in Counter(values).items() if count > 10}
    assert len(held) == 10
    assert {int(float(value) // 100) for value in held} == set(range(10))


def test_noise_has_its_deviation_and_spares_flags_and_texts() -> None:
    faults = device(Noise(deviation=0.5))
    found = [said(faults, s) for s in range(3000)]
    wrong = [float(f["temperature"]) - 20.0 for f in found]
    assert sum(wrong) / 3000 == pytest.approx(0, abs=0.05)
    assert (sum(w * w for w in wrong) / 3000) ** 0.5 == pytest.approx(0.5, rel=0.1)
    assert {f["occupied"] for f in found} == {True}
    assert {f["state"] for f in found} == {"running"}


def test_a_clock_is_off_and_goes_too_fast_by_millionths() -> None:
    faults = device(ClockSkew(seconds=-90, ppm=100, from_=100))
    assert faults.clock_off_ns(0) == 0
    assert faults.clock_off_ns(100 * NS_PER_S) == -90 * NS_PER_S
    assert faults.clock_off_ns(1100 * NS_PER_S) == -90 * NS_PER_S + 100_000_000


def test_a_storm_multiplies_messages_up_to_a_bound() -> None:
    faults = device(Storm(times=20, from_=1), Storm(times=900, from_=2))
    assert [faults.messages(s * NS_PER_S) for s in (0, 1, 2)] == [1, 20, MOST_TIMES]


def test_messages_are_copied_and_come_late() -> None:
    assert device(Duplicates(times=2)).sending(0) == (3, False)
    assert device(Reordered()).sending(0) == (1, True)
    late = [device(Reordered(share=0.1)).sending(s * NS_PER_S).is_late for s in range(2000)]
    assert sum(late) == pytest.approx(200, abs=60)


def test_who_is_asked_sends_no_copies_and_no_storms() -> None:
    assert not device(Duplicates(), Reordered(), Storm(), pushed=False).any
