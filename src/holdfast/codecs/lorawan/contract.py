"""The codec contract of The Things Network's device repository, as calls and their results.

`decodeUplink({fPort, bytes, recvTime})` -> `{data, warnings, errors}`, then `normalizeUplink({data})` if the script has
it; `encodeDownlink({data})` -> `{fPort, bytes}`; `decodeDownlink({fPort, bytes})` -> `{data}`.
Source: TheThingsNetwork/lorawan-devices, README, section "Payload codecs".
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from holdfast.codecs.lorawan.calls import Answer, Call, Fault
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import Script
from holdfast.kernel.clock import NS_PER_MS

_TEXTS = 20
_TEXT = 200


class Uplink(Struct, frozen=True):
    """One uplink's payload. received_ns: ns UTC."""

    port: int
    payload: bytes
    received_ns: int


class Decoded(Struct, frozen=True):
    """What a script made of an uplink or a downlink's bytes.

    result:     the object it returned, as JSON has it
    normalized: measurements in normalised names; None where the script has no `normalizeUplink`
    """

    result: dict[str, Any]
    normalized: list[Any] | None = None
    normalize_fault: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """The decoded values; empty when there are none."""
        data = self.result.get("data")
        return data if isinstance(data, dict) else {}

    @property
    def errors(self) -> list[str]:
        """Why the script refuses the message; empty when it doesn't."""
        return _texts(self.result.get("errors"))

    @property
    def warnings(self) -> list[str]:
        """What the script wants said beside its values."""
        return _texts(self.result.get("warnings"))


class Failure(Struct, frozen=True):
    """Why there's no result."""

    fault: Fault
    detail: str


class _Returned(Struct):
    is_object: bool = False
    result: Any = None
    normalized: Any | UnsetType = UNSET
    normalize_threw: str = ""


_read = msgspec.json.Decoder(_Returned).decode


async def decode_uplinks(runner: ScriptRunner, script: Script, uplinks: Sequence[Uplink]) -> list[Decoded | Failure]:
    """What `script` makes of each uplink, in order."""
    calls = [Call("decodeUplink", _uplink_input(uplink)) for uplink in uplinks]
    return list(map(understood, await runner.run(script, calls)))


async def call_once(runner: ScriptRunner, script: Script, call: Call) -> Decoded | Failure:
    """The result of one call of any of the contract's functions."""
    return understood((await runner.run(script, [call]))[0])


def understood(answer: Answer) -> Decoded | Failure:
    """A sandbox's answer as the contract reads it."""
    if answer.fault is not None:
        return Failure(answer.fault, answer.text)
    try:
        returned = _read(answer.text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return Failure(Fault.SCRIPT, f"its result is no JSON that can be read: {error}"[:_TEXT])
    if not returned.is_object or not isinstance(returned.result, dict):
        return Failure(Fault.SCRIPT, "it returned no object; the contract asks for {data, warnings, errors}")
    decoded = Decoded(returned.result)
    if returned.normalize_threw:
        return Decoded(decoded.result, None, returned.normalize_threw.partition("\n")[0][:_TEXT])
    if returned.normalized is UNSET:
        return decoded
    return _normalized(decoded, returned.normalized)


def _normalized(decoded: Decoded, returned: Any) -> Decoded:
    if not isinstance(returned, dict):
        return Decoded(decoded.result, None, "normalizeUplink returned no object")
    if errors := _texts(returned.get("errors")):
        return Decoded(decoded.result, None, f"normalizeUplink: {'; '.join(errors)}"[:_TEXT])
    data = returned.get("data")
    return Decoded(decoded.result, data if isinstance(data, list) else [data])


def _uplink_input(uplink: Uplink) -> bytes:
    ms = uplink.received_ns // NS_PER_MS
    return msgspec.json.encode({"fPort": uplink.port, "bytes": list(uplink.payload), "recvTime": ms})


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        return []
    return [str(text)[:_TEXT] for text in value[:_TEXTS]]
