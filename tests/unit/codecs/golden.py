"""Vendor messages with the readings they mean: JSON lines as ../shared/data/payloads describes them.

presets.jsonl beside this file are ours: documented shapes of each family, values invented, sources named per line.
"""

import asyncio
import base64
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.intake.uplinks import translated_run
from holdfast.kernel.clock import ManualClock
from holdfast.model.quality import quality_of
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.model.units import canonical, conversion, payload_unit

HERE = Path(__file__).parent
RECEIVED_NS = 1_795_187_068_123_000_000
PRESETS = {
    "zigbee2mqtt": "zigbee2mqtt",
    "tasmota": "tasmota",
    "shelly-gen1": "shelly",
    "shelly-gen2": "shelly",
    "sparkplug-b": "sparkplug",
    "homie-5": "homie",
    "homie-4": "homie",
    "senml-json": "senml",
    "senml-cbor": "senml",
    "opcua-pubsub-json": "opcua",
    "ruuvi-gateway-mqtt": "ruuvi",
    "esphome-mqtt": "esphome",
    "aws-shadow": "aws-iot",
    "azure-iot": "azure-iot",
    "cayenne-lpp": "cayenne",
    "tts-v3": "lorawan",
    "chirpstack-4": "lorawan",
    "chirpstack-3": "lorawan",
    "helium": "lorawan",
    "thingpark": "lorawan",
}
NOBODY = "pack"
"""The device of a case that names none."""
_SPELLED = {"g": "gn", "1": "/"}
"""Units of the file that are no SenML names."""


def shared() -> Path | None:
    """The folder of data that isn't in the repository."""
    for folder in HERE.parents:
        found = folder / "shared" / "data"
        if found.is_dir():
            return found
    return None


@dataclass
class Reading:
    series: Series
    ts: int
    value: float | bool | str | None
    quality: str


@dataclass
class Outcome:
    readings: list[Reading] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


class Desk:
    """A decoder of one preset, or a file of profiles, that reads message after message."""

    def __init__(self, preset: str | Path) -> None:
        self.catalogue = Catalogue()
        path = preset if isinstance(preset, Path) else BUILTIN / f"{preset}.yaml"
        self.decoder = Decoder(load_profiles([path]), self.catalogue, "gw")

    def read(self, topic: str, payload: bytes, received_ns: int = RECEIVED_NS) -> Outcome:
        decoded = self.decoder.decode([asyncio.run(self._translated(Run(topic, [payload], received_ns)))])
        outcome = Outcome(rejected=[f"{r.reason}: {r.detail}" for r in decoded.rejected])
        batch = decoded.batch
        for i in range(len(batch)):
            series = self.catalogue[int(batch.series[i])]
            value = float(batch.value[i])
            said: float | bool | str | None = value
            if math.isnan(value):
                said = None
            elif series.kind is Kind.TEXT:
                said = batch.texts[int(value)]
            elif series.kind is Kind.BOOL:
                said = bool(value)
            quality = quality_of(int(batch.quality[i])).name.lower()
            outcome.readings.append(Reading(series, int(batch.ts[i]), said, quality))
        return outcome

    async def _translated(self, run: Run) -> Run:
        runner = ScriptRunner(ManualClock())
        try:
            return await translated_run(self.decoder, runner, run)
        finally:
            await runner.close()


def payload_of(case: dict[str, Any]) -> bytes:
    if "payload_hex" in case:
        return bytes.fromhex(case["payload_hex"])
    if "payload_base64" in case:
        return base64.b64decode(case["payload_base64"])
    return str(case["payload"]).encode()


def topic_of(case: dict[str, Any]) -> str:
    """The case's topic, or one of the preset's where the case says in words how it came."""
    if " " not in case["topic"] or case["topic"].startswith("spBv1.0/"):
        return str(case["topic"])
    return f"{PRESETS[case['protocol']]}/{NOBODY}"


def lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


def fits(reading: Reading, wanted: dict[str, Any], device: str | None) -> bool:
    """Is this reading the wanted one: device, value in the wanted unit, time, quality, and the field in its name?"""
    name = unquote(reading.series.device)
    own = name.replace(":", "/")
    if device is not None and device not in (name, own):
        return False
    if device is None and name != NOBODY and not str(wanted["name"]).startswith(name):
        return False
    return _named(reading, wanted) and _valued(reading, wanted) and _timed(reading, wanted)


def _named(reading: Reading, wanted: dict[str, Any]) -> bool:
    spelled = {"".join(c for c in part.lower() if c.isalnum()) for part in reading.series.metric.split(".")}
    field_, name = str(wanted.get("field") or ""), str(wanted["name"])
    last = [part for part in field_.replace(".", "/").replace("_", "/").split("/") if part][-1:]
    words = [*last, *name.replace(":", "_").replace("/", "_").replace(".", "_").split("_"), *name.split("_")]
    return any("".join(c for c in word.lower() if c.isalnum()) in "".join(spelled) for word in words if word)


def _valued(reading: Reading, wanted: dict[str, Any]) -> bool:
    value, said = wanted["value"], reading.value
    if value is None or said is None:
        return value is said and reading.quality == wanted.get("quality", "good")
    if isinstance(value, bool | str):
        return said == value or (isinstance(value, bool) and said is value)
    if isinstance(said, bool | str):
        return False
    if wanted["unit"] is None:
        number = said
    else:
        have = canonical(reading.series.unit)
        unit = payload_unit(_SPELLED.get(wanted["unit"], wanted["unit"]), have)
        a, b = (float(x) for x in conversion(have, unit))
        number = said * a + b
    return math.isclose(number, value, rel_tol=1e-6, abs_tol=1e-9)


def _timed(reading: Reading, wanted: dict[str, Any]) -> bool:
    if wanted["time"] is None:
        return reading.ts == RECEIVED_NS
    text = wanted["time"].replace("Z", "+00:00")
    moment = datetime.fromisoformat(text)
    whole = round(moment.replace(microsecond=0).timestamp()) * 10**9
    return abs(reading.ts - whole - moment.microsecond * 1000) < 1000


def judge(case: dict[str, Any], outcome: Outcome) -> list[str]:
    """What differs from what the case wants; nothing when all is right."""
    if case.get("reject"):
        return [] if outcome.rejected and not outcome.readings else [f"not refused: {outcome.readings}"]
    faults = [f"refused: {r}" for r in outcome.rejected]
    left = list(outcome.readings)
    for wanted in case["readings"]:
        device = wanted.get("device", case.get("device"))
        found = next((r for r in left if fits(r, wanted, device)), None)
        if found is None:
            faults.append(f"missing: {wanted}")
        else:
            left.remove(found)
    if not case.get("partial"):
        faults.extend(f"too much: {r}" for r in left)
    names = [(r.series, r.ts) for r in outcome.readings]
    if len(set(names)) != len(names):
        faults.append("two readings of one series at one time")
    return faults
