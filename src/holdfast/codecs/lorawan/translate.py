"""The seam to the rest of the codecs: a batch of network servers' messages in, records that any profile reads out.

A record is `{n: name, v | vb | vs: value, t: µs}`, as in SenML; the message's own time stands in `t`, µs UTC, its id in
`id`. `plan.records_of` has the meanings.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from holdfast.codecs.lorawan.calls import Fault
from holdfast.codecs.lorawan.contract import Decoded, Failure, decode_uplinks
from holdfast.codecs.lorawan.normalise import measured, normalised
from holdfast.codecs.lorawan.plan import DATA, GATEWAY, RSSI, SNR, LorawanPlan
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import Script
from holdfast.codecs.lorawan.uplinks import NetworkUplink, UplinkInvalid, read_uplink
from holdfast.codecs.parsing import bounds_faults
from holdfast.codecs.profiles import Path
from holdfast.codecs.reject import RejectReason, shorten

_NS_PER_US = 1000
_NOTHING = b"{}"
Refusal = tuple[RejectReason, str]
Record = dict[str, Any]


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
        script = plan.script_for(uplink.models)
        if script is None or uplink.uplink is None:
            _put(out, i, plan, uplink, uplink.decoded or _undecoded(plan, uplink))
        else:
            waiting.setdefault(script, []).append((i, uplink))
    await asyncio.gather(*(_run(runner, plan, script, some, out) for script, some in waiting.items()))
    return out


async def _run(
    runner: ScriptRunner, plan: LorawanPlan, script: Script, some: list[tuple[int, NetworkUplink]], out: Translated
) -> None:
    outcomes = await decode_uplinks(runner, script, [u.uplink for _, u in some if u.uplink is not None])
    for (i, uplink), outcome in zip(some, outcomes, strict=True):
        _put(out, i, plan, uplink, outcome)


def _undecoded(plan: LorawanPlan, uplink: NetworkUplink) -> Decoded | Failure:
    if uplink.uplink is None:
        return Decoded({"data": {}})  # a bare acknowledgement or MAC commands: it tells of the link alone
    known = ", ".join(sorted(plan.scripts)) or "none"
    model = " or ".join(filter(None, uplink.models)) or "unnamed"
    detail = f"no codec for device type `{model}` (there are: {known}), and the network server decoded nothing"
    return Failure(Fault.SCRIPT, detail)


def _refused(invalid: UplinkInvalid) -> Refusal:
    return RejectReason.WRONG_TYPE if invalid.is_json else RejectReason.MALFORMED, shorten(str(invalid))


def _put(out: Translated, i: int, plan: LorawanPlan, uplink: NetworkUplink, outcome: Decoded | Failure) -> None:
    if isinstance(outcome, Failure):
        out.refusals[i] = RejectReason.SCRIPT, shorten(f"{outcome.fault}: {outcome.detail}")
        return
    if outcome.errors:
        out.refusals[i] = RejectReason.SCRIPT, shorten(f"the script refuses it: {'; '.join(outcome.errors)}")
        return
    if not isinstance(outcome.result.get("data"), dict):
        out.refusals[i] = RejectReason.SCRIPT, "the script returned neither data nor errors"
        return
    records = [*_values(outcome), *_own(outcome, plan.paths), *_link(uplink)]
    out.payloads[i] = msgspec.json.encode({"t": uplink.time_ns // _NS_PER_US, "id": uplink.id, "e": records})


def _values(decoded: Decoded) -> list[Record]:
    records = []
    for named in normalised(decoded):
        member = "vb" if isinstance(named.value, bool) else "v"
        record: Record = {"n": named.name, member: named.value}
        if named.time_ns is not None:
            record["t"] = named.time_ns // _NS_PER_US
        records.append(record)
    return records


def _own(decoded: Decoded, paths: Sequence[Path]) -> list[Record]:
    """The values that the profile names by their path in `data`; those that aren't there are left out."""
    records = []
    for path in paths:
        value: Any = decoded.data
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        name = DATA + ".".join(path)
        number, _ = measured(value)
        if isinstance(value, bool):
            records.append({"n": name, "vb": value, "v": float(value)})
        elif isinstance(value, str):
            records.append({"n": name, "vs": value} | ({} if number is None else {"v": number}))
        elif number is not None:
            records.append({"n": name, "v": number})
    return records


def _link(uplink: NetworkUplink) -> list[Record]:
    records: list[Record] = [{"n": n, "v": v} for n, v in ((RSSI, uplink.rssi), (SNR, uplink.snr)) if v is not None]
    if uplink.gateway:
        records.append({"n": GATEWAY, "vs": uplink.gateway})
    return records
