"""`modbus:` in node.yaml: links to Modbus devices."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from holdfast.adapters.polling.settings import PollSettings
from holdfast.kernel.scalars import Duration
from holdfast.transport.addresses import Address, parse_listen
from holdfast.transport.errors import AddressInvalid

Transport = Literal["tcp", "rtu-over-tcp"]
Unit = Annotated[int, Meta(ge=0, le=255)]
MOST_DEVICES = 10_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SPAN = re.compile(r"\{(\d{1,5})\.\.(\d{1,5})\}", re.ASCII)
_ONE_IN_A_SPAN = "a name with {a..b} stands for as many devices: write {a..b} as long, or the same for all"


class ModbusDevice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device. A name with `{001..100}` stands for as many devices; `address` and `unit` may count along.

    unit:     1 to 247 on a serial line; of devices with an address of their own often 1 or 255
    map:      file of its registers, beside node.yaml, or `builtin:NAME`
    address:  when it has one of its own
    """

    map: str
    unit: Unit | str = 1
    address: str | None = None
    every: Duration | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] = 1


class ModbusSettings(PollSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Devices that are asked the same way.

    address:   of the gateway or device, `host:502`; devices may have their own
    transport: `tcp`, or `rtu-over-tcp`: serial frames through a transparent serial server
    carries:   questions that an address takes at once; more than 1 only where its manual says so
    """

    devices: dict[str, ModbusDevice]
    address: str | None = None
    transport: Transport = "tcp"
    carries: Annotated[int, Meta(ge=1, le=16)] = 1

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself: (key, what to do)."""
        if not self.devices:
            yield ("devices",), "there is no device: name at least one"
        if not self.every:
            yield ("every",), "devices are asked at intervals: at least 1ms"
        if self.transport == "rtu-over-tcp" and self.carries > 1:
            yield ("carries",), "serial frames have no number: a line takes one question at a time"
        yield from self._device_findings()

    def _device_findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        seen: dict[str, str] = {}
        for key, device in self.devices.items():
            where = ("devices", key)
            if device.every == 0:
                yield (*where, "every"), "a device is asked at intervals: at least 1ms"
            try:
                made = [one.name for one in self._expanded(key, device)]
            except _Wrong as wrong:
                yield (*where, *wrong.where), wrong.said
                continue
            twice = next((name for name in made if name in seen), None)
            if twice is not None:
                yield where, f"`{twice}` is also in `{seen[twice]}`"
            seen |= dict.fromkeys(made, key)
        if len(seen) > MOST_DEVICES:
            yield ("devices",), f"{len(seen):,} devices: a link takes at most {MOST_DEVICES:,}"

    def all(self) -> list["Placed"]:
        """Its devices, one by one. Only of settings without findings."""
        return [one for key, device in self.devices.items() for one in self._expanded(key, device)]

    def _expanded(self, key: str, device: ModbusDevice) -> Iterator["Placed"]:
        names = list(_span(key, 0, ()))
        many = len(names)
        address = device.address or self.address
        if address is None:
            raise _Wrong((), "`address` is missing: the device's, or the link's")
        at = ("address",) if device.address is not None else ()
        addresses = list(_span(address, many, at))
        units = list(_span(str(device.unit), many, ("unit",)))
        for name, where, unit in zip(names, addresses, units, strict=True):
            if _NAME.fullmatch(name) is None:
                raise _Wrong((), f"`{name[:80]}` is no name: letters, digits, `.`, `_`, `-`")
            yield Placed(name, _address(where, at), _unit(unit), device)


class Placed(NamedTuple):
    """A device, and where it is."""

    name: str
    address: Address
    unit: int
    settings: ModbusDevice


class _Wrong(Exception):
    def __init__(self, where: tuple[str, ...], said: str) -> None:
        super().__init__(said)
        self.where, self.said = where, said


def _span(text: str, many: int, where: tuple[str, ...]) -> Iterator[str]:
    """The texts that `text` with at most one {a..b} stands for. many: how many they must be, 0 = any."""
    found = _SPAN.findall(text)
    if not found:
        return iter([text] * (many or 1))
    if len(found) > 1:
        raise _Wrong(where, f"`{text}` counts twice: one {{a..b}} each")
    first, last = (int(edge) for edge in found[0])
    size, width = last - first + 1, len(found[0][0]) if found[0][0].startswith("0") else 0
    if size < 1 or size > MOST_DEVICES:
        raise _Wrong(where, f"`{text}` stands for {max(0, size):,} devices: 1 to {MOST_DEVICES:,}, upwards")
    if many and size != many:
        raise _Wrong(where, f"`{text}` stands for {size:,}, the name for {many:,}; {_ONE_IN_A_SPAN}")
    return (_SPAN.sub(f"{number:0{width}}", text) for number in range(first, last + 1))


def _address(text: str, where: tuple[str, ...]) -> Address:
    try:
        found = parse_listen(text)
    except AddressInvalid:
        raise _Wrong(where, f"expected an address such as 10.0.0.5:502 or plc-1.lan:502, not {text!r}") from None
    if not found.port:
        raise _Wrong(where, "port 0 is none: Modbus' own is 502")
    return found


def _unit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 255:
        raise _Wrong(("unit",), f"a unit is 0 to 255, or counts along as {{1..30}}, not {text!r}")
    return int(text)
