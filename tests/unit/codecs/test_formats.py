"""Each format, through the decoder, as a node uses it."""

import struct
from pathlib import Path
from typing import Any

import cbor2
import msgspec
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.reject import RejectReason
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.quality import Quality, Reason, quality_of, reason_of
from holdfast.model.series import Catalogue, Kind

BINARY = "topic: a/{device}\nformat: binary\nunknown: name\nbinary: "
NOW = 1_795_187_068 * NS_PER_S


class Bench:
    """A decoder of one profile."""

    def __init__(self, folder: Path, text: str) -> None:
        path = folder / "p.yaml"
        path.write_text("profiles:\n  p:\n" + "".join(f"    {line}\n" for line in text.strip().splitlines()))
        self.catalogue = Catalogue()
        self.decoder = Decoder(load_profiles([path]), self.catalogue, "gw")

    def decode(self, payload: bytes | str, topic: str = "a/d", at: int = NOW) -> Decoded:
        raw = payload.encode() if isinstance(payload, str) else payload
        return self.decoder.decode([Run(topic, [raw], at)])

    def values(self, payload: bytes | str, topic: str = "a/d", at: int = NOW) -> dict[str, Any]:
        """Values by `device/metric unit`, after a message that must be good."""
        decoded = self.decode(payload, topic, at)
        assert decoded.rejected == []
        return dict(self.rows(decoded))

    def rows(self, decoded: Decoded) -> list[tuple[str, Any]]:
        batch, out = decoded.batch, []
        for i in range(len(batch)):
            s = self.catalogue[int(batch.series[i])]
            value = float(batch.value[i])
            out.append(
                (f"{s.device}/{s.metric} {s.unit}".strip(), batch.texts[int(value)] if s.kind is Kind.TEXT else value)
            )
        return out

    def reason(self, payload: bytes | str, topic: str = "a/d") -> tuple[RejectReason, str]:
        decoded = self.decode(payload, topic)
        assert len(decoded.batch) == 0
        (refusal,) = decoded.rejected
        return refusal.reason, refusal.detail


@pytest.mark.parametrize(("format_", "encode"), [("cbor", cbor2.dumps), ("msgpack", msgspec.msgpack.encode)])
def test_packed_objects_fill_the_same_typed_columns_as_json(tmp_path: Path, format_: str, encode: Any) -> None:
    bench = Bench(
        tmp_path,
        f"""
topic: a/{{device}}
format: {format_}
time: {{field: ts, unit: s}}
id: id
fields:
  t: {{metric: air.temperature, unit: degF, to: Cel, missing: [-999]}}
  door.open: {{metric: door.open, type: bool, optional: true}}
""",
    )
    good = {"ts": 1_795_187_000.5, "id": 1, "t": 212, "door": {"open": True}, "more": [1, {"x": None}]}
    decoded = bench.decode(encode(good))
    assert bench.rows(decoded) == [("d/air.temperature Cel", 100.0), ("d/door.open", 1.0)]
    assert (decoded.keys[0] != 0, set(decoded.batch.ts)) == (True, {1_795_187_000_500_000_000})
    assert bench.values(encode(good | {"t": -999})) == {"d/door.open": 1.0}
    assert bench.reason(encode(good | {"t": "warm"}))[0] is RejectReason.WRONG_TYPE
    assert bench.reason(encode({"ts": 1.0}))[0] is RejectReason.MISSING_FIELD
    assert bench.reason(encode(good | {"t": float("nan")}))[0] is RejectReason.NOT_A_NUMBER
    assert bench.reason(encode(good | {"t": float("inf")}))[0] is RejectReason.NOT_A_NUMBER
    assert bench.reason(encode(good)[:-1])[0] is RejectReason.MALFORMED
    assert bench.reason(encode(good) + b"\0")[0] is RejectReason.MALFORMED
    assert bench.reason(b"")[0] is RejectReason.MALFORMED


def test_a_map_names_converts_and_leaves_out(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        """
topic: a/{device}/{line}
map:
  "{room}.temp":
    {metric: "{line}.{room}.temperature", unit: Cel, unit_field: "{room}.unit", missing: [-127, n/a], min: -40, max: 85}
  "{room}.temp_f": {metric: "{line}.{room}.temperature", unit: degF, unless: "{room}.temp"}
  mode: {metric: mode, type: int, values: {"OFF": 0, eco: 1}}
""",
    )
    told = (
        '{"hall":{"temp":50,"unit":"F","temp_f":50},"attic":{"temp_f":32},"cellar":{"temp":"n/a"},"mode":"eco","x":1}'
    )
    assert bench.values(told, "a/d/l1") == {
        "d/l1.hall.temperature Cel": pytest.approx(10),
        "d/l1.attic.temperature Cel": pytest.approx(0),
        "d/mode": 1.0,
    }
    assert bench.values('{"hall":{"temp":"21.5"},"cellar":{"temp":-127}}', "a/d/l2") == {
        "d/l2.hall.temperature Cel": 21.5
    }
    hot = bench.decode('{"hall":{"temp":99}}', "a/d/l1").batch
    assert (quality_of(int(hot.quality[0])), reason_of(int(hot.quality[0]))) == (Quality.BAD, Reason.OUT_OF_RANGE)
    for bad in (
        '{"hall":{"temp":1,"unit":"kPa"}}',
        '{"mode":"party"}',
        '{"hall":{"temp":"warm"}}',
        '{"hall":{"temp":true}}',
        "7",
    ):
        assert bench.reason(bad, "a/d/l1")[0] is RejectReason.WRONG_TYPE, bad


def test_a_device_ahead_is_moved_back_with_the_distances_between_its_readings(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "topic: a/#\nformat: senml\nstale_after: 1h")
    pack = '[{"bn":"urn:dev:ow:1:","bt":1795190000,"n":"t","t":-10,"v":1},{"n":"t","v":2}]'
    decoded = bench.decode(pack)
    assert [int(t) for t in decoded.batch.ts] == [NOW - 10 * NS_PER_S, NOW]
    assert {reason_of(int(q)) for q in decoded.batch.quality} == {Reason.CLOCK_AHEAD}
    assert bench.reason('[{"bn":"urn:dev:ow:1:","bt":1795180000,"n":"t","v":1}]')[0] is RejectReason.STALE


def test_csv_has_a_header_or_named_columns(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        """
topic: a/{device}
format: csv
time: {field: when, unit: iso8601, zone: Europe/Berlin}
map:
  temp: {metric: t, unit: Cel}
""",
    )
    decoded = bench.decode(
        'when,temp,note\r\n2026-07-01T12:00:00,21.5,"a,b"\r\n2026-07-01 12:00:10,,x\r\n2026-07-01T12:00:20Z,-3,\r\n'
    )
    assert bench.rows(decoded) == [("d/t Cel", 21.5), ("d/t Cel", -3.0)]
    assert [int(t) // NS_PER_S for t in decoded.batch.ts] == [1_782_900_000, 1_782_907_220]
    assert bench.reason("when,temp\n2026-07-01T12:00:00")[0] is RejectReason.MALFORMED
    assert bench.reason("when,temp\n")[0] is RejectReason.MALFORMED
    assert bench.reason('when,temp\n"2026')[0] is RejectReason.MALFORMED
    named = Bench(
        tmp_path,
        "topic: a/{device}\nformat: csv\ncsv: {delimiter: ';', columns: [t, h]}\nunknown: name\nmap:\n"
        "  t: {metric: t, unit: K, to: Cel}",
    )
    assert named.values("273.15;40\n") == {"d/t Cel": 0.0} | {"d/h": 40.0}


def test_binary_layouts_have_offsets_orders_bits_and_sentinels(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        """
topic: a/{device}
format: binary
binary:
  - match: "01"
    length: 12
    fields:
      temp: {at: 1, type: i16, order: little, missing: [-32768]}
      state: {at: 3, type: u8, bits: "0-1"}
      alarm: {at: 3, type: u8, bits: "7"}
      count: {at: 4, type: u24}
      level: {at: 7, type: f32}
      last: {at: -1, type: i8}
  - match: "02"
    fields: {name: {at: 1, type: text, length: 3}}
map:
  temp: {metric: t, unit: Cel, scale: 0.1}
  state: {metric: state, type: int}
  alarm: {metric: alarm, type: bool}
  count: {metric: count, type: int}
  level: {metric: level, unit: m}
  last: {metric: last}
  name: {metric: name, type: text}
""",
    )
    raw = b"\x01" + struct.pack("<h", -55) + bytes((0b1000_0010,)) + b"\x01\x00\x00" + struct.pack(">f", 1.5) + b"\xff"
    assert bench.values(raw) == {
        "d/t Cel": -5.5, "d/state": 2.0, "d/alarm": 1.0, "d/count": 65_536.0, "d/level m": 1.5, "d/last": -1.0
    }  # fmt: skip
    assert "d/t Cel" not in bench.values(raw[:1] + b"\x00\x80" + raw[3:])
    assert bench.values(b"\x02ab\0") == {"d/name": "ab"}
    assert bench.reason(raw[:-1])[0] is RejectReason.MALFORMED
    assert bench.reason(b"\x02a")[0] is RejectReason.MALFORMED
    assert bench.reason(raw[:7] + struct.pack(">f", float("nan")) + b"\0")[0] is RejectReason.NOT_A_NUMBER


def test_influx_lines_have_tags_types_escapes_and_a_precision(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        "topic: a/#\nformat: influx\ndevice: host\nprecision: ms\nmap:\n"
        "  cpu,core=0.temp: {metric: cpu.temperature, unit: degF, to: Cel}",
    )
    decoded = bench.decode(
        "# a comment\n\ncpu,core=0,host=pi temp=212,load=-1.5e-1,n=3i,u=7u,on=T,off=false,"
        's="a \\"b\\", c" 1795187068123\r\n'
        "my\\ disk,host=p\\,i,path=\\=x free\\ space=1\n"
    )
    assert decoded.rejected == []
    assert bench.rows(decoded) == [
        ("pi/cpu.temperature Cel", 100.0), ("pi/cpu,core=0.load", -0.15), ("pi/cpu,core=0.n", 3.0),
        ("pi/cpu,core=0.u", 7.0),
        ("pi/cpu,core=0.on", 1.0), ("pi/cpu,core=0.off", 0.0), ("pi/cpu,core=0.s", 'a "b", c'),
        ("p,i/my disk,path==x.free space", 1.0),
    ]  # fmt: skip
    kinds = {bench.catalogue[int(s)].metric: bench.catalogue[int(s)].kind for s in decoded.batch.series}
    assert (kinds["cpu,core=0.n"], kinds["cpu,core=0.on"]) == (Kind.INT, Kind.BOOL)
    assert [int(t) for t in decoded.batch.ts][::7] == [1_795_187_068_123_000_000, NOW]


@pytest.mark.parametrize(
    "line",
    ["m", "m ", "m a", "m a=", "m a=1,", "m a=x", "m a=1 x", "m a=1 1 1", ",t=1 a=1", "m,=1 a=1", "m,t= a=1", "m,t a=1",
     'm a="x', "m a=99999999999999999999i", "m a=-1u", "m a=1.5i", "m a=nan", "m a=1e999", "m a=1_0", "m a=\u0661"],
)  # fmt: skip
def test_an_influx_line_that_is_wrong_refuses_the_message_with_its_number(tmp_path: Path, line: str) -> None:
    bench = Bench(tmp_path, "topic: a/{device}\nformat: influx")
    reason, detail = bench.reason(f"good a=1\n{line}")
    assert reason in (RejectReason.MALFORMED, RejectReason.NOT_A_NUMBER)
    assert detail.startswith("line 2: ")


def test_a_whole_number_beyond_2_to_the_53_is_kept_and_said_to_be_inexact(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "topic: a/{device}\nformat: influx")
    batch = bench.decode("m a=9007199254740993i").batch
    assert (quality_of(int(batch.quality[0])), reason_of(int(batch.quality[0]))) == (Quality.UNCERTAIN, Reason.INEXACT)


def test_protobuf_messages_are_read_by_their_descriptors(tmp_path: Path) -> None:
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="acme", syntax="proto3")
    colour = file.enum_type.add(name="Colour")
    colour.value.add(name="RED", number=0)
    colour.value.add(name="BLUE", number=1)
    inner = file.message_type.add(name="Air")
    inner.field.add(name="temperature", number=1, type=1, label=1)
    outer = file.message_type.add(name="Reading")
    outer.field.add(name="count", number=1, type=13, label=1)
    outer.field.add(name="air", number=2, type=11, type_name=".acme.Air", label=1)
    outer.field.add(name="colour", number=3, type=14, type_name=".acme.Colour", label=1)
    (tmp_path / "t.pb").write_bytes(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString())
    text = """
topic: a/{device}
format: protobuf
protobuf: {descriptors: t.pb, message: acme.Reading}
fields:
  count: {metric: count, type: int}
  air.temperature: {metric: t, unit: Cel, optional: true}
  colour: {metric: colour, type: text}
"""
    bench = Bench(tmp_path, text)
    pool = DescriptorPool()
    pool.Add(file)
    reading = GetMessageClass(pool.FindMessageTypeByName("acme.Reading"))
    assert bench.values(reading().SerializeToString()) == {"d/count": 0.0, "d/colour": "RED"}
    said = reading(count=3, air={"temperature": -2.5}, colour=1).SerializeToString()
    assert bench.values(said) == {"d/count": 3.0, "d/t Cel": -2.5, "d/colour": "BLUE"}
    assert bench.reason(said[:-1] + b"\xff")[0] is RejectReason.MALFORMED
    with pytest.raises(SettingsInvalid, match=r"no message `acme.Writing`.*acme.Reading"):
        Bench(tmp_path, text.replace("acme.Reading", "acme.Writing"))
    with pytest.raises(SettingsInvalid, match=r"can't be read"):
        Bench(tmp_path, text.replace("t.pb", "u.pb"))


def test_a_value_that_does_not_change_is_stuck_until_it_does(tmp_path: Path) -> None:
    for text in (
        "topic: a/{device}\ntime: {field: ts, unit: s}\nfields:\n  t: {metric: t, stuck_after: 1h}\n  u: {metric: u}",
        "topic: a/{device}\ntime: {field: ts, unit: s}\nmap:\n  t: {metric: t, stuck_after: 1h}\n  u: {metric: u}",
    ):
        bench = Bench(tmp_path, text)

        def quality(minutes: int, value: float, bench: Bench = bench) -> list[Reason]:
            ts = 1_795_187_068 + 60 * minutes
            batch = bench.decode(f'{{"ts":{ts},"t":{value},"u":1}}', at=ts * NS_PER_S).batch
            return [reason_of(int(q)) for q in batch.quality]

        assert quality(0, 5) == quality(59, 5) == [Reason.NONE, Reason.NONE]
        assert quality(60, 5) == quality(600, 5) == [Reason.STUCK, Reason.NONE]
        assert quality(601, 5.5) == quality(602, 5) == [Reason.NONE, Reason.NONE]
        assert quality(661, 5)[0] is Reason.NONE
        assert quality(662, 5)[0] is Reason.STUCK


def test_stuck_is_the_same_in_one_batch_and_in_many(tmp_path: Path) -> None:
    text = "topic: a/{device}\ntime: {field: ts, unit: s}\nfields:\n  t: {metric: t, stuck_after: 10s}"
    told = [(n % 7, n // 40) for n in range(600)]
    payloads = [f'{{"ts":{1_795_187_068 + i},"t":{value}}}'.encode() for i, (_, value) in enumerate(told)]
    one, many = Bench(tmp_path, text), Bench(tmp_path, text)
    runs = [Run(f"a/{device}", [p], NOW + 700 * NS_PER_S) for (device, _), p in zip(told, payloads, strict=True)]
    whole = one.decoder.decode(runs).batch.quality.tolist()
    assert whole == [q for run in runs for q in many.decoder.decode([run]).batch.quality.tolist()]
    assert 100 < sum(map(bool, whole)) < 600


def test_what_retained_messages_say_is_known_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'topic: "homie/{device}/#"\nformat: homie')
    assert bench.reason("212", "homie/d/n/p")[0] is RejectReason.NO_BIRTH
    bench.decoder.learn(
        {"homie/d/n/p/$datatype": b"float", "homie/d/n/p/$unit": "°F".encode(), "homie/d/n/p": b"1", "x": b""}
    )
    assert bench.values("212", "homie/d/n/p") == {"d/n.p Cel": pytest.approx(100)}
    assert len(bench.catalogue) == 1


def test_a_profile_may_extend_a_built_in_one_and_takes_its_place(tmp_path: Path) -> None:
    builtin = Path(load_profiles.__code__.co_filename).parent / "builtin" / "tasmota.yaml"
    own = tmp_path / "own.yaml"
    own.write_text(
        "profiles:\n  ours:\n    extends: tasmota-sensor\n    time: {field: Time, unit: iso8601, zone: Europe/Berlin}\n"
        "    map: {MYPROBE.Level: {metric: tank.level, unit: cm}}\n"
    )
    profiles = load_profiles([builtin, own])
    assert "tasmota-sensor" not in [p.name for p in profiles]
    decoder = Decoder(profiles, Catalogue(), "gw")
    told = b'{"Time":"2026-07-01T12:00:00","MYPROBE":{"Level":150},"DHT11":{"Temperature":20}}'
    batch = decoder.decode([Run("tele/d/SENSOR", [told], NOW)]).batch
    assert sorted(batch.value.tolist()) == [1.5, 20.0]
    assert set(batch.ts.tolist()) == {1_782_900_000 * NS_PER_S}
    own.write_text("profiles: {ours: {extends: tasmota-sensr}}\n")
    with pytest.raises(SettingsInvalid, match="no built-in profile is called `tasmota-sensr`"):
        load_profiles([own])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("topic: a/{device}\nformat: text", "`name` is missing"),
        ("topic: a/b\nformat: csv", "the device's name is missing"),
        ("topic: a/{device}\nformat: homie", "its topic ends in `/#`"),
        ("topic: a/{device}\nformat: binary\nunknown: name", "needs `binary`"),
        ("topic: a/{device}\nformat: binary\nunknown: name\nbinary: [{match: xx, fields: {t: {at: 0}}}]", "is no hex"),
        (BINARY + "[{fields: {t: {at: 0, bits: 3-9}}}]", "aren't in 8 bits"),
        (BINARY + "[{fields: {t: {at: 0, type: hex}}}]", "needs a `length`"),
        ("topic: a/{device}\nformat: protobuf\nunknown: name", "needs `protobuf:"),
        ("topic: a/{device}\nmap: {t: {metric: Temp}}", "is no metric"),
        ("topic: a/{device}\nmap: {t: {metric: 'x.{room}'}}", "`{room}` is no capture"),
        ("topic: a/{device}\nmap: {'{device}.t': {metric: x}}", "is a capture of the topic already"),
        ("topic: a/{device}\nmap: {t: {metric: x, unit: Cel, unit_when: {f: kPa}}}", "`kPa` is no unit for Cel"),
        ("topic: a/{device}\nmap: {t: {metric: x, unit: Cell}}", "unknown unit `Cell`"),
        ("topic: a/{device}\nmap: {t: {metric: x}}\nfields: {t: {metric: y}}", "exclude `fields`"),
        ("topic: a/{device}\nmap: {t: {metric: x, type: text, stuck_after: 1h}}", "a text can't be stuck"),
        ("topic: a/{device}\nfields: {t: {metric: x, missing: [n/a]}}", "need a `map`"),
        ("topic: a/{device}\nfields: {t: {metric: x}}\ntime: {field: ts, zone: UTC}", "need a `map`"),
        ("format: senml", "`topic` is missing"),
    ],
)  # fmt: skip
def test_a_profile_that_contradicts_itself_is_refused_at_load(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        Bench(tmp_path, text)
    assert said in str(caught.value)


def test_names_that_payloads_invent_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.codecs.naming.MAX_INVENTED", 10)
    bench = Bench(tmp_path, "topic: a/{device}\nformat: influx")
    assert len(bench.values(f"m {','.join(f'a{i}=1' for i in range(10))}")) == 10
    assert bench.reason("m a10=1")[0] is RejectReason.TOO_LARGE
    assert bench.values("m a9=2") == {"d/m.a9": 2.0}
