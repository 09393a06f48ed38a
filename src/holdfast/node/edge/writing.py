"""Commands that write: `write` with params {point: value, …}, or a command named as the point with {"value": …}.

Values are as they're stored (21.5 Cel); the device gets them as its map has them (scale, unit, whole numbers). Within
the map's limits, or nothing is written. The answer holds what was read back, as stored.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from holdfast.adapters.errors import DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.adapters.port import EdgeAdapter
from holdfast.codecs.profiles import Meaning, Profile
from holdfast.kernel.errors import HoldfastError
from holdfast.model.command import Answer, Command, State
from holdfast.model.points import PointMap, Scalar
from holdfast.model.series import Kind

Answered = Callable[[str, str, Answer], None]
"""(command's id, device, what became of it)."""
_WRITE = "write"
_params = msgspec.json.Decoder(dict[str, bool | int | float | str])


class EdgeLink:
    """Implements `commands.ports.DeviceLink` for devices of adapters that write."""

    def __init__(self, adapters: Sequence[EdgeAdapter], profiles: Sequence[Profile], answered: Answered) -> None:
        self._adapters, self._answered = adapters, answered
        self._meanings = {
            one.pattern.text: {".".join(field.path): field.meaning for field in one.fields} for one in profiles
        }
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def takes(self, address: str) -> bool:
        """See `DeviceLink`."""
        return self._adapter(address) is not None

    def hand(self, command: Command, address: str, left_s: float, heard: Callable[[], None]) -> bool:
        """See `DeviceLink`: the same command is written once at a time."""
        adapter = self._adapter(address)
        if adapter is None:
            return False
        if command.id not in self._under_way:
            task = asyncio.create_task(self._carry_out(adapter, command, address, left_s, heard))
            self._under_way[command.id] = task
            task.add_done_callback(lambda _: self._under_way.pop(command.id, None))
        return True

    def _adapter(self, address: str) -> EdgeAdapter | None:
        return next((one for one in self._adapters if one.writes(address)), None)

    async def _carry_out(
        self, adapter: EdgeAdapter, command: Command, address: str, left_s: float, heard: Callable[[], None]
    ) -> None:
        try:
            async with asyncio.timeout(left_s):
                answer = await self._write(adapter, command, address)
        except (DeviceUnreachable, TimeoutError):
            return  # it isn't marked as delivered, so it comes again until its deadline
        heard()
        self._answered(command.id, address, answer)

    async def _write(self, adapter: EdgeAdapter, command: Command, address: str) -> Answer:
        try:
            wanted = _wanted(command)
            meanings = self._of(adapter.map_of(address))
            raw = {name: _raw(name, value, meanings.get(name)) for name, value in wanted.items()}
            found = await adapter.write(address, raw)
        except DeviceUnreachable:
            raise
        except WriteFailed as error:
            return Answer(State.FAILED, str(error), doubt=True)
        except HoldfastError as error:
            return Answer(State.REFUSED, str(error))
        except Exception as error:  # noqa: BLE001  # whatever a library does: it was tried, and nobody knows
            return Answer(State.FAILED, f"{type(error).__name__}: {error}"[:300], doubt=True)
        stored = {name: _stored(value, meanings.get(name)) for name, value in found.items()}
        return Answer(State.DONE, result=msgspec.json.encode(stored))

    def _of(self, found: PointMap | None) -> Mapping[str, Meaning]:
        return {} if found is None else self._meanings.get(found.topic, {})


def _wanted(command: Command) -> dict[str, Scalar]:
    try:
        params: dict[str, Scalar] = _params.decode(command.params or b"{}")
    except msgspec.MsgspecError as error:
        raise WriteRefused(f"the parameters can't be written: {error}", 'as {"point": value}') from None
    if command.name == _WRITE:
        if not params:
            raise WriteRefused("nothing is to be written", 'name points: {"setpoint": 21.5}')
        return params
    if params.keys() != {"value"}:
        raise WriteRefused(f"`{command.name}` takes one parameter", 'as {"value": 21.5}')
    return {command.name: params["value"]}


def _raw(name: str, value: Scalar, meaning: Meaning | None) -> Scalar:
    """A stored value as the device has it."""
    if meaning is None or meaning.kind is Kind.TEXT:
        return value
    if meaning.kind is Kind.BOOL:
        if not isinstance(value, bool):
            raise WriteRefused(f"`{name}` is true or false, not {value!r}")
        return value
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise WriteRefused(f"`{name}` is a number, not {value!r}")
    if not meaning.low <= value <= meaning.high:
        raise WriteRefused(f"`{name}` = {value:g} {meaning.unit} is outside of {meaning.low:g} to {meaning.high:g}")
    a, b = meaning.line
    return _plain((value - b) / a)


def _stored(value: Scalar, meaning: Meaning | None) -> Scalar:
    if meaning is None or isinstance(value, bool | str):
        return value
    a, b = meaning.line
    stored = _plain(a * value + b)
    return stored if meaning.decimals is None else round(stored, meaning.decimals)


def _plain(number: float) -> float:
    """Without the noise of units there and back: 50, not 49.99999999999999."""
    return float(f"{number:.12g}")
