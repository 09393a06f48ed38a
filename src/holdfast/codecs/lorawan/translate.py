"""The seam to the rest of the codecs: a batch of network servers' messages in, records that any profile reads out.

`records` says what a record is, `plan.open_of` what it means.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.codecs.formats import cayenne
from holdfast.codecs.lorawan.calls import Fault
from holdfast.codecs.lorawan.contract import Decoded, Failure, decode_uplinks
from holdfast.codecs.lorawan.normalise import measured, normalised
from holdfast.codecs.lorawan.plan import DATA, GATEWAY, RSSI, SNR, WARNINGS, Codec, LorawanPlan
from holdfast.codecs.lorawan.records import Record, encode
from holdfast.codecs.lorawan.records import Translated as Records
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import Script
from holdfast.codecs.lorawan.uplinks import NetworkUplink, UplinkInvalid, read_uplink
from holdfast.codecs.parsing import bounds_faults
from holdfast.codecs.profiles import Path
from holdfast.codecs.refused import Refused
from holdfast.codecs.reject import RejectReason, shorten
from holdfast.codecs.topics import joined
from holdfast.model.series import Kind

_NOTHING = b"{}"
Refusal = tuple[RejectReason, str]


@dataclass(frozen=True, slots=True)
class _Lpp:
    """What a Cayenne LPP payload holds."""

    values: list[cayenne.Value]


Outcome = Decoded | Failure | _Lpp | Refused


@dataclass(slots=True)
class Translated:
    """payloads: one per message, in order; refusals: by place, of messages that give no readings."""

    payloads: list[bytes]
    refusals: dict[int, Refusal] = field(default_factory=dict)


async def translate(runner: ScriptRunner, plan: LorawanPlan, messages: Sequence[bytes], received_ns: int) -> Translated:
    """Network servers' uplinks as records; scripts of several device types run side by side. Raises on no message."""
    out = Translated([_NOTHING] * len(messages))
    for fault in bounds_faults(messages):
        out.refusals[fault.at] = fault.reason, fault.detail
    waiting: dict[Script, list[tuple[int, NetworkUplink]]] = {}
    for i, message in enumerate(messages):
        if i in out.refusals:
            continue
        try:
            uplink = read_uplink(message, received_ns)
        except UplinkInvalid as invalid:
            out.refusals[i] = _refused(invalid)
            continue
        codec = None if uplink.uplink is None else plan.codec_for(uplink.models, uplink.uplink.port)
        if isinstance(codec, Script):
            waiting.setdefault(codec, []).append((i, uplink))
        else:
            outcome = _without_script(plan, codec, uplink)
            _warn(runner, uplink, outcome)
            _put(out, i, plan, uplink, outcome)
    await asyncio.gather(*(_run(runner, plan, script, some, out) for script, some in waiting.items()))
    return out


async def _run(
    runner: ScriptRunner, plan: LorawanPlan, script: Script, some: list[tuple[int, NetworkUplink]], out: Translated
) -> None:
    outcomes = await decode_uplinks(runner, script, [u.uplink for _, u in some if u.uplink is not None])
    for (i, uplink), outcome in zip(some, outcomes, strict=True):
        _warn(runner, uplink, outcome)
        _put(out, i, plan, uplink, outcome)


def _warn(runner: ScriptRunner, uplink: NetworkUplink, outcome: Outcome) -> None:
    if isinstance(outcome, Decoded) and outcome.warnings:
        runner.warned(uplink.eui or uplink.device, outcome.warnings)


def _without_script(plan: LorawanPlan, codec: Codec | None, uplink: NetworkUplink) -> Outcome:
    if uplink.uplink is None:
        # a bare acknowledgement or MAC commands tell of the link alone; some servers leave out what they decoded
        return uplink.decoded or Decoded({"data": {}})
    if codec is None:
        return uplink.decoded or _undecoded(plan, uplink)
    try:
        return _Lpp(cayenne.values_of(uplink.uplink.payload))
    except Refused as refusal:
        return refusal


def _undecoded(plan: LorawanPlan, uplink: NetworkUplink) -> Failure:
    known = ", ".join(sorted(plan.codecs)) or "none"
    model = " or ".join(filter(None, uplink.models)) or "unnamed"
    detail = f"no codec for device type `{model}` (there are: {known}), and the network server decoded nothing"
    return Failure(Fault.SCRIPT, detail)


def _refused(invalid: UplinkInvalid) -> Refusal:
    return RejectReason.WRONG_TYPE if invalid.is_json else RejectReason.MALFORMED, shorten(str(invalid))


def _put(out: Translated, i: int, plan: LorawanPlan, uplink: NetworkUplink, outcome: Outcome) -> None:
    device = _device(plan, uplink)
    refusal = _refusal(outcome)
    if refusal is not None or isinstance(outcome, Failure | Refused):
        out.refusals[i] = refusal or (RejectReason.SCRIPT, "")
        out.payloads[i] = encode(Records(device))
        return
    if isinstance(outcome, _Lpp):
        values = list(_lpp(outcome.values, plan))
    else:
        values = [*_values(outcome), *_own(outcome, plan), *_beside(outcome, uplink, plan)]
    records = Records(device, uplink.time_ns, uplink.id, (*values, *_link(uplink)))
    out.payloads[i] = encode(records)


def _refusal(outcome: Outcome) -> Refusal | None:
    if isinstance(outcome, Failure):
        return RejectReason.SCRIPT, shorten(f"{outcome.fault}: {outcome.detail}")
    if isinstance(outcome, Refused):
        return outcome.reason, outcome.detail
    if isinstance(outcome, _Lpp):
        return None
    if outcome.errors:
        return RejectReason.SCRIPT, shorten(f"the script refuses it: {'; '.join(outcome.errors)}")
    if not isinstance(outcome.result.get("data"), dict):
        return RejectReason.SCRIPT, "the script returned neither data nor errors"
    return None


def _device(plan: LorawanPlan, uplink: NetworkUplink) -> str:
    """What the device is called; "" = by the topic."""
    match plan.device:
        case "eui":
            return joined(uplink.eui or uplink.device)
        case "name":
            return joined(uplink.device or uplink.eui)
        case "topic":
            return ""


def _values(decoded: Decoded) -> Iterator[Record]:
    for named in normalised(decoded):
        yield Record(named.name, named.value, named.time_ns)


def _own(decoded: Decoded, plan: LorawanPlan) -> Iterator[Record]:
    """The values that the profile names by their path in `data`; those that aren't there are left out."""
    for path, kind in plan.kinds.items():
        value: Any = decoded.data
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        name = DATA + ".".join(path)
        number, _ = measured(value)
        if kind in (Kind.TEXT, Kind.BOOL):
            if isinstance(value, bool | str) or number is not None:
                yield Record(name, value if isinstance(value, bool | str) else number or 0.0)
        elif isinstance(value, bool):
            yield Record(name, float(value))
        elif number is not None:
            yield Record(name, number)
        elif isinstance(value, str):
            yield Record(name, value)  # which refuses the message: the profile says that it's a number


def _beside(decoded: Decoded, uplink: NetworkUplink, plan: LorawanPlan) -> Iterator[Record]:
    """What the profile wants of what isn't in `data`."""
    if (GATEWAY,) in plan.kinds and uplink.gateway:
        yield Record(DATA + GATEWAY, uplink.gateway)
    if (WARNINGS,) in plan.kinds and decoded.warnings:
        yield Record(DATA + WARNINGS, "; ".join(decoded.warnings))


def _lpp(values: Sequence[cayenne.Value], plan: LorawanPlan) -> Iterator[Record]:
    """Cayenne's values under their own names, and those that the profile names under the profile's."""
    for value in values:
        path: Path = tuple(value.name.split("."))
        name = DATA + value.name if path in plan.kinds else value.name
        yield Record(name, value.value, None, value.unit, value.kind is Kind.INT)


def _link(uplink: NetworkUplink) -> Iterator[Record]:
    for name, value in ((RSSI, uplink.rssi), (SNR, uplink.snr)):
        if value is not None:
            yield Record(name, value)
