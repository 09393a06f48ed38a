# ruff: noqa: A005  # named for the room it measures; nothing here wants the standard codecs
"""How many messages and readings a second each format is decoded at: one core, five readings a message, 100 devices.

python -m benchmarks.codecs [--messages 2000] [--rounds 15] [--only senml-cbor,influx]

Decoding only: no broker, no journal. The best of the rounds counts, in CPU time, because this machine has neighbours.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import cbor2
import msgspec

from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.series import Catalogue

NOW_S = 1_795_187_068
DEVICES = 100
FIELDS = """fields: {t: {metric: t, unit: Cel}, h: {metric: h, unit: '%RH'}, l: {metric: l, unit: lx},
      c: {metric: c, unit: ppm, to: ppm}, o: {metric: o, type: bool}}"""
MAP = FIELDS.replace("fields:", "map:")
OWN = f"""
profiles:
  json: {{topic: 'json/{{device}}', time: {{field: ts, unit: s}}, {FIELDS}}}
  json-map: {{topic: 'jsonmap/{{device}}', time: {{field: ts, unit: s}}, {MAP}}}
  msgpack: {{topic: 'msgpack/{{device}}', format: msgpack, time: {{field: ts, unit: s}}, {FIELDS}}}
  cbor: {{topic: 'cbor/{{device}}', format: cbor, time: {{field: ts, unit: s}}, {FIELDS}}}
  csv: {{topic: 'csv/{{device}}', format: csv, time: {{field: ts, unit: s}}, {MAP}}}
  influx: {{topic: 'influx/{{device}}', format: influx}}
  binary:
    topic: binary/{{device}}
    format: binary
    binary: [{{fields: {{t: {{at: 0, type: i16}}, h: {{at: 2, type: u16}}, l: {{at: 4, type: u16}},
      c: {{at: 6, type: u16}}, o: {{at: 8, type: bool}}}}}}]
    {MAP.replace("t: {", "t: {scale: 0.01, ", 1)}
"""
VALUES = {"t": 23.18, "h": 27.27, "l": 426.0, "c": 721.25, "o": True}
UNITS = {"t": "Cel", "h": "%RH", "l": "lx", "c": "ppm"}


def _object(i: int) -> dict[str, float | bool]:
    return {"ts": NOW_S + i * 1e-3, **VALUES}


def _senml(i: int, *, is_cbor: bool) -> bytes:
    names = {"bn": -2, "bt": -3, "n": 0, "u": 1, "v": 2, "vb": 4}
    pack: list[dict[str, object]] = [{"n": n, "u": UNITS[n], "v": v} for n, v in VALUES.items() if n != "o"]
    pack.append({"n": "o", "vb": True})
    pack[0] = {"bn": "urn:dev:ow:10e2073a01080063:", "bt": NOW_S + i * 1e-3, **pack[0]}
    if not is_cbor:
        return json.dumps(pack, separators=(",", ":")).encode()
    return cbor2.dumps([{names[key]: value for key, value in record.items()} for record in pack])


def _sparkplug(i: int, *, is_birth: bool) -> bytes:
    payload = PAYLOAD(timestamp=NOW_S * 1000 + i, seq=i % 256)
    for alias, (name, value) in enumerate(VALUES.items()):
        metric = payload.metrics.add(alias=alias)
        if is_birth:
            metric.name, metric.datatype = name, 11 if name == "o" else 10
        if name == "o":
            metric.boolean_value = value
        else:
            metric.double_value = value
    return bytes(payload.SerializeToString())


def _csv(i: int) -> bytes:
    return b"ts,t,h,l,c,o\n%.3f,23.18,27.27,426.0,721.25,true\n" % (NOW_S + i * 1e-3)


def _influx(i: int) -> bytes:
    return b"room t=23.18,h=27.27,l=426.0,c=721.25,o=t %d\n" % (NOW_S * NS_PER_S + i * 1_000_000)


def _tasmota(_: int) -> bytes:
    return b"""{"Time":"2026-11-20T15:04:28","BME280":{"Temperature":21.7,"Humidity":66.6,"Pressure":988.6},
        "ENERGY":{"Power":0,"Voltage":221},"PressureUnit":"hPa","TempUnit":"C"}"""


CASES: Mapping[str, tuple[str, Callable[[int], bytes]]] = {
    "json": ("json/d%d", lambda i: json.dumps(_object(i), separators=(",", ":")).encode()),
    "msgpack": ("msgpack/d%d", lambda i: msgspec.msgpack.encode(_object(i))),
    "cbor": ("cbor/d%d", lambda i: cbor2.dumps(_object(i))),
    "json by map": ("jsonmap/d%d", lambda i: json.dumps(_object(i), separators=(",", ":")).encode()),
    "binary": ("binary/d%d", lambda _: bytes.fromhex("090e0aa701aa02d101")),
    "csv": ("csv/d%d", _csv),
    "influx": ("influx/d%d", _influx),
    "senml-json": ("senml/p%d/x", lambda i: _senml(i, is_cbor=False)),
    "senml-cbor": ("senml/p%d/x", lambda i: _senml(i, is_cbor=True)),
    "sparkplug": ("spBv1.0/g/NDATA/n%d", lambda i: _sparkplug(i, is_birth=False)),
    "tasmota": ("tele/d%d/SENSOR", _tasmota),
    "text (1 reading)": ("shellies/d%d/relay/0/power", lambda _: b"12.5"),
}


def measure(decoder: Decoder, case: str, messages: int, rounds: int) -> tuple[float, float]:
    """(messages, readings) per second of CPU time, best of the rounds."""
    topic, payload = CASES[case]
    each = messages // DEVICES
    runs = [Run(topic % d, [payload(i) for i in range(each)], NOW_S * NS_PER_S) for d in range(DEVICES)]
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        decoded = decoder.decode(runs)
        best = min(best, time.process_time() - start)
        assert not decoded.rejected, (case, decoded.rejected[0])
    return each * DEVICES / best, len(decoded.batch) / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        own = Path(folder) / "own.yaml"
        own.write_text(OWN)
        shipped = [BUILTIN / f"{name}.yaml" for name in ("senml", "sparkplug", "tasmota", "shelly")]
        decoder = Decoder(load_profiles([own, *shipped]), Catalogue(), "gw")
    births = [Run(f"spBv1.0/g/NBIRTH/n{d}", [_sparkplug(0, is_birth=True)], NOW_S * NS_PER_S) for d in range(DEVICES)]
    assert not decoder.decode(births).rejected
    print(f"{'format':<18}{'messages/s':>12}{'readings/s':>12}{'us/message':>12}")
    for case in options.only.split(",") if options.only else CASES:
        per_s, readings = measure(decoder, case, options.messages, options.rounds)
        print(f"{case:<18}{per_s:>12,.0f}{readings:>12,.0f}{1e6 / per_s:>12.2f}")


if __name__ == "__main__":
    main()
