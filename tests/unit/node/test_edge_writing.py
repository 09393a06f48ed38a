"""Commands that write: units and limits on the way down and up, outcomes, and one write at a time for each command."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from holdfast.adapters.errors import DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.adapters.port import DeviceState
from holdfast.adapters.supervised import AdapterStatus
from holdfast.codecs.generating import profiles_of
from holdfast.kernel.documents import Document
from holdfast.model.command import Answer, Command, State
from holdfast.model.points import PointMap, PointSettings, Scalar
from holdfast.node.edge.writing import EdgeLink

MAP = PointMap(
    "modbus",
    "boiler",
    {
        "setpoint": PointSettings(metric="setpoint", unit="degF", to="Cel", scale=0.1, min=5, max=80, writable=True),
        "run": PointSettings(metric="run", type="bool", writable=True),
    },
)


class Registers:
    """An adapter whose device is a dictionary."""

    name = "modbus:hall"

    def __init__(self) -> None:
        self.holds: dict[str, Scalar] = {}
        self.trouble: Exception | None = None
        self.writes_made = 0

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def stop(self, deadline_s: float) -> None:
        """Nothing is under way."""

    def status(self) -> AdapterStatus:
        return AdapterStatus(self.name, "modbus", "", "working", 0)

    def devices(self) -> list[DeviceState]:
        return []

    async def try_once(self) -> str:
        return "here"

    def writes(self, device: str) -> bool:
        return device == "boiler-1"

    def map_of(self, device: str) -> PointMap | None:
        return MAP if self.writes(device) else None

    async def write(self, device: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        assert self.writes(device)
        self.writes_made += 1
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        self.holds.update(values)
        return {name: self.holds[name] for name in values}


def commanded(adapter: Registers, name: str, params: bytes, times: int = 1) -> tuple[list[Answer], int]:
    """The answers, and how often the device's end was said to have it."""
    profiles = profiles_of(MAP, Document(Path("m.yaml"), None), (), [])
    answers: list[Answer] = []
    heard = 0

    def hear() -> None:
        nonlocal heard
        heard += 1

    async def run() -> None:
        link = EdgeLink([adapter], profiles, lambda _, __, answer: answers.append(answer))
        command = Command("c1", "gw", "boiler-1", name, params, "local", 0, 10**18)
        assert link.takes("boiler-1")
        assert not link.takes("pump-1")
        for _ in range(times):
            assert link.hand(command, "boiler-1", 5.0, hear)
        await asyncio.sleep(0.05)

    asyncio.run(run())
    return answers, heard


def test_a_value_is_written_as_the_device_has_it_and_answered_as_it_is_stored() -> None:
    adapter = Registers()
    answers, heard = commanded(adapter, "write", b'{"setpoint": 50, "run": true}')
    assert adapter.holds == {"setpoint": pytest.approx(1220.0), "run": True}  # 122.0 degF in tenths
    assert answers[0].state is State.DONE
    assert b'"setpoint":50' in answers[0].result
    assert heard == 1


def test_a_command_may_be_called_as_its_point() -> None:
    adapter = Registers()
    assert commanded(adapter, "run", b'{"value": false}')[0][0].state is State.DONE
    assert adapter.holds == {"run": False}


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("write", b"{}", "nothing is to be written"),
        ("write", b'{"setpoint": 81}', "outside of 5 to 80"),
        ("write", b'{"setpoint": true}', "is a number"),
        ("write", b'{"run": 1}', "is true or false"),
        ("write", b'{"setpoint": {"a": 1}}', "can't be written"),
        ("run", b'{"on": true}', "takes one parameter"),
    ],
)
def test_what_can_not_be_written_is_refused_before_anything_is(name: str, params: bytes, words: str) -> None:
    adapter = Registers()
    answers, _ = commanded(adapter, name, params)
    assert answers[0].state is State.REFUSED
    assert words in answers[0].detail
    assert not adapter.writes_made


@pytest.mark.parametrize(
    ("trouble", "state", "doubt"),
    [
        (WriteRefused("illegal data value"), State.REFUSED, False),
        (WriteFailed("reads back 3"), State.FAILED, True),
        (ValueError("a library's own"), State.FAILED, True),
    ],
)
def test_outcomes_are_told_apart(trouble: Exception, state: State, *, doubt: bool) -> None:
    adapter = Registers()
    adapter.trouble = trouble
    answers, _ = commanded(adapter, "write", b'{"run": true}')
    assert (answers[0].state, answers[0].doubt) == (state, doubt)


def test_a_device_that_is_away_leaves_the_command_open_and_it_is_given_again() -> None:
    adapter = Registers()
    adapter.trouble = DeviceUnreachable("connection refused")
    assert commanded(adapter, "write", b'{"run": true}') == ([], 0)
    assert adapter.writes_made == 1


def test_the_same_command_given_twice_is_written_once_at_a_time() -> None:
    adapter = Registers()
    answers, heard = commanded(adapter, "write", b'{"run": true}', times=3)
    assert (len(answers), heard, adapter.writes_made) == (1, 1, 1)
