"""Real time, with ends that only note what they're shown."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.unit.sim.site.scenes import START_NS

from holdfast.kernel.clock import SystemClock
from holdfast.kernel.errors import HoldfastError
from holdfast.sim.ends.port import Faults, Scalar
from holdfast.sim.site.loading import load_scenario
from holdfast.sim.site.running import EndFailed, Pace, Stage


class Noted:
    """An end that notes."""

    def __init__(self, fails: HoldfastError | None = None) -> None:
        self.log: list[str] = []
        self.fails = fails

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        return [f"{device} {at_ns} {values}".encode()]

    async def start(self) -> None:
        self.log.append("start")
        if self.fails:
            raise self.fails

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
        del at_ns, frames, faults
        self.log.append(device)

    async def stop(self) -> None:
        self.log.append("stop")

    def map_yaml(self) -> str:
        return ""


def stage(folder: Path, ends: dict[str, Noted], every: str = "100ms") -> Stage:
    path = folder / "s.yaml"
    groups = "\n".join(f"  {name}: {{model: room, count: 3, protocol: mqtt, every: {every}}}" for name in ends)
    path.write_text(f"groups:\n{groups}\n")
    scenario = load_scenario(path)
    made = Stage(scenario, START_NS)
    made.ends = dict(ends)
    return made


def run(made: Stage, pace: Pace, stop_after_s: float | None = None) -> float:
    async def go() -> float:
        clock, stopping = SystemClock(), asyncio.Event()
        if stop_after_s is not None:
            asyncio.get_running_loop().call_later(stop_after_s, stopping.set)
        began = clock.monotonic()
        await made.run(pace, clock, stopping, lambda _: None)
        return clock.monotonic() - began

    return asyncio.run(go())


def test_it_takes_its_time_divided_by_the_speed_and_shows_everything(tmp_path: Path) -> None:
    end = Noted()
    made = stage(tmp_path, {"a": end})
    took = run(made, Pace(seconds=2.0, speed=10))
    assert 0.2 <= took < 30
    assert (end.log[0], end.log[-1]) == ("start", "stop")
    assert len(end.log) - 2 == 3 * 20 == made.tally.total.shown


def test_when_told_to_stop_it_stops_between_moments_and_closes(tmp_path: Path) -> None:
    end = Noted()
    made = stage(tmp_path, {"a": end})
    assert run(made, Pace(), 0.25) < 30
    assert end.log[-1] == "stop"
    again = stage(tmp_path, {"a": Noted()})
    again.hash(made.tally.until_ns / 1e9)
    assert again.tally.digest == made.tally.digest


def test_what_falls_behind_is_shown_late_and_whole(tmp_path: Path) -> None:
    class Slow(Noted):
        async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
            await asyncio.sleep(0.01)
            await super().show(device, at_ns, frames, faults)

    end = Slow()
    made = stage(tmp_path, {"a": end})
    run(made, Pace(seconds=1.0, speed=100))
    assert len(end.log) - 2 == 30
    assert made.late_s > 0.1


def test_an_end_that_cannot_be_opened_is_named_and_all_are_closed(tmp_path: Path) -> None:
    good, bad = Noted(), Noted(HoldfastError("address in use"))
    made = stage(tmp_path, {"a": good, "b": bad})
    with pytest.raises(EndFailed, match="b: address in use"):
        run(made, Pace(seconds=1))
    assert good.log == bad.log == ["start", "stop"]


def test_an_end_that_is_never_ready_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(Noted):
        async def start(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("holdfast.sim.site.running._START_S", 0.05)
    end = Never()
    with pytest.raises(EndFailed, match=r"a: it wasn't ready within 0.05 s"):
        run(stage(tmp_path, {"a": end}), Pace(seconds=1))
    assert end.log == ["stop"]


def test_an_end_that_never_closes_keeps_nobody_waiting_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stubborn(Noted):
        async def stop(self) -> None:
            await super().stop()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.sleep(0.5)  # and takes its time when it's told to hurry

    monkeypatch.setattr("holdfast.sim.site.running.STOP_S", 0.05)
    good, bad = Noted(), Stubborn()
    made = stage(tmp_path, {"a": good, "b": bad})
    assert run(made, Pace(seconds=0.1)) < 30
    assert made.left_open == ("b",)
    assert good.log[-1] == bad.log[-1] == "stop"


def test_now_is_when_everything_is_open(tmp_path: Path) -> None:
    class Sluggish(Noted):
        async def start(self) -> None:
            await asyncio.sleep(1.1)

    made = stage(tmp_path, {"a": Sluggish()})
    made.start_ns = None
    before = SystemClock().wall_ns()
    run(made, Pace(seconds=0.1))
    assert made.start_ns is not None
    assert made.start_ns > before


def test_a_play_without_a_socket_needs_its_start(tmp_path: Path) -> None:
    made = stage(tmp_path, {"a": Noted()})
    made.start_ns = None
    with pytest.raises(ValueError, match="needs its start"):
        made.hash(1)
