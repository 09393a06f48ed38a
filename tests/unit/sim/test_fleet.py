import asyncio
import contextlib
import json
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.kernel.clock import SystemClock
from holdfast.model.series import Catalogue
from holdfast.sim.cut import CutProxy
from holdfast.sim.demo.alerts import packets
from holdfast.sim.demo.processes import Process, StillRunning
from holdfast.sim.demo.report import Latency, Report, problems_of
from holdfast.sim.demo.view import sparkline
from holdfast.sim.fleet.fleet import Fleet, FleetPlan
from holdfast.sim.fleet.payloads import SHAPES, fahrenheit, flat, nested, records
from holdfast.sim.fleet.record import Kind, Record
from holdfast.sim.fleet.recording import Row, load_recording
from holdfast.sim.fleet.script import DeviceScript, Message, Mix

ROW = Row(23.18, 27.27, 426.0, 721.25, occupied=True)
TS = 1_795_187_068_123


def test_the_three_shapes_are_what_the_vendors_send() -> None:
    assert flat(12345, TS, ROW) == (
        '{"id":12345,"ts":1795187068.123,"temp_c":23.18,"hum":27.27,"lux":426.0,"co2":721.25,"occ":true}'
    )
    assert json.loads(nested(12345, TS, ROW)) == {
        "meta": {"seq": 12345, "time": "2026-11-20T15:04:28.123Z"},
        "air": {
            "temperature": {"value": 73.72, "unit": "F"},
            "humidity": {"value": 27.27, "unit": "%"},
            "co2": {"value": 721.25, "unit": "ppm"},
        },
        "light": {"value": 426.0, "unit": "lx"},
        "presence": 1,
    }
    assert json.loads(records(1, TS, ROW))["e"][4] == {"n": "occ", "vb": True}


def test_the_built_in_profiles_read_every_shape_alike() -> None:
    decoder = Decoder(load_profiles([BUILTIN / "rooms.yaml"]), Catalogue(), "gw")
    for topic, encode in SHAPES:
        decoded = decoder.decode([Run(topic.format(device="room-1"), [encode(1, TS, ROW).encode()], TS * 1_000_000)])
        assert decoded.rejected == []
        assert sorted(decoded.batch.value) == sorted([23.18, 27.27, 426.0, 721.25, 1.0])
        assert set(decoded.batch.ts) == {TS * 1_000_000}


def test_hundredths_of_a_degree_survive_fahrenheit() -> None:
    for hundredths in range(-4000, 8500):
        celsius = hundredths / 100
        assert round((fahrenheit(celsius) - 32) / 1.8, 2) == celsius


def script(number: int, seed: int = 1, mix: Mix | None = None) -> list[Message]:
    device = DeviceScript(number, seed, load_recording(), mix or Mix(0.1, 0.1, 0.1))
    return [device.next(TS + 20 * n) for n in range(600)]


def test_a_seed_gives_the_same_messages_and_another_seed_others() -> None:
    assert [m.payload for m in script(5)] == [m.payload for m in script(5)]
    assert [m.payload for m in script(5)] != [m.payload for m in script(5, seed=2)]


def test_valid_messages_of_a_device_have_distinct_rising_times() -> None:
    times = [m.ts_ms for m in script(5) if m.kind is Kind.VALID]
    assert times == sorted(set(times))


def test_every_fifth_device_overheats_and_the_crossing_sample_is_known() -> None:
    crossings = [m for m in script(5, mix=Mix(0, 0, 0)) if m.crossing]
    assert crossings
    assert all(m.kind is Kind.VALID for m in crossings)
    assert not any(m.crossing for m in script(6))


def test_a_duplicate_repeats_the_last_valid_message_byte_for_byte() -> None:
    last = None
    for message in script(3):
        if message.kind is Kind.DUPLICATE:
            assert last is not None
            assert message.payload == last.payload
        elif message.kind is Kind.VALID:
            last = message


def test_every_bad_message_is_refused_by_the_codecs_and_every_valid_one_taken() -> None:
    now = TS
    for number in range(3):
        device = DeviceScript(number, 1, load_recording(), Mix(0.2, 0.2, 0.0))
        messages = [device.next(now) for _ in range(300)]
        decoder = Decoder(load_profiles([BUILTIN / "rooms.yaml"]), Catalogue(), "gw")
        decoded = decoder.decode([Run(device.topic, [m.payload for m in messages], now * 1_000_000)])
        refused = {r.message for r in decoded.rejected}
        assert refused == {i for i, m in enumerate(messages) if m.kind in (Kind.MALFORMED, Kind.STALE)}


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    n = 3
    record = Record(
        names=["a", "b"],
        device=np.arange(n),
        kind=np.zeros(n, np.int8),
        ts_ms=np.arange(n),
        readings=np.full(n, 5, np.int8),
        temperature=np.array([1.0, 2.0, np.nan]),
        crossing=np.array([True, False, False]),
        size=np.full(n, 100, np.int32),
        t_send=np.arange(n, dtype=np.float64),
        t_ack=np.array([1.0, np.nan, 2.0]),
    )
    record.save(tmp_path / "r.npz")
    again = Record.load(tmp_path / "r.npz")
    assert again.names == ["a", "b"]
    assert np.array_equal(again.t_ack, record.t_ack, equal_nan=True)


def test_a_cut_proxy_refuses_and_a_restored_one_forwards_and_counts() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(100):
                writer.write(data)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = CutProxy("127.0.0.1", server.sockets[0].getsockname()[1])
        await proxy.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        await proxy.cut()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        await closed(writer)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.restore()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"again")
        assert await reader.readexactly(5) == b"again"
        assert (proxy.up_bytes, proxy.down_bytes) == (10, 10)
        await closed(writer)
        await proxy.stop()
        server.close()
        await asyncio.sleep(0.05)  # the server's own tasks end

    asyncio.run(run())


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def report(**changes: object) -> Report:
    good: dict[str, object] = {
        "seconds": 1.0,
        "devices": 1,
        "rate": 1,
        "published": 10,
        "acked": 10,
        "gateway_committed": 8,
        "hub_committed": 8,
        "quarantined": {"duplicate": 1, "wrong_type": 1},
        "injected": {"malformed": 1, "stale": 0, "duplicate": 1},
        "duplicates": 0,
        "lost": 0,
        "gateway_readings": 40,
        "hub_readings": 40,
        "alerts": 1,
        "alerts_expected": 1,
        "alerts_at_hub": 1,
        "alert_latency_ms": Latency(),
        "outage_s": 0.0,
        "backlog_max": 0,
        "drain_s": 0.0,
        "raw_bytes": 0,
        "uplink_bytes": 0,
        "raw_bytes_per_reading": 0.0,
        "uplink_bytes_per_reading": 0.0,
        "times_smaller": 0.0,
        "gateway_rss_mb": 0.0,
        "hub_rss_mb": 0.0,
        "clean_exits": True,
    }
    return Report(**{**good, **changes})  # type: ignore[arg-type]  # one value of the wrong kind is not what's tested


def test_the_ledger_balances_only_when_every_line_does() -> None:
    assert problems_of(report()) == []
    for changes in (
        {"acked": 9},
        {"hub_committed": 7},
        {"hub_readings": 41},
        {"lost": 1},
        {"duplicates": 1},
        {"injected": {"malformed": 2, "stale": 0, "duplicate": 1}},
        {"injected": {"malformed": 1, "stale": 1, "duplicate": 1}},
        {"alerts": 0},
        {"alerts_at_hub": 0},
        {"clean_exits": False},
        {"published": 0},
    ):
        assert problems_of(report(**changes)), changes


def test_packets_are_cut_out_of_a_stream_wherever_it_breaks() -> None:
    stream = b"\x30\x03abc" + b"\x90\x80\x01" + b"x" * 128 + b"\x30\x00"
    for cut in range(len(stream)):
        first, rest = packets(stream[:cut])
        more, left = packets(rest + stream[cut:])
        assert [kind for kind, _ in first + more] == [0x30, 0x90, 0x30]
        assert left == b""


def test_a_sparkline_is_as_tall_as_its_largest_value() -> None:
    assert sparkline([0, 4, 8], 10) == "▁▅█"
    assert sparkline([0, 0], 10) == "▁▁"


def fleet(port: int, devices: int, seconds: float, rate: float) -> Fleet:
    return Fleet(FleetPlan("127.0.0.1", port, devices, rate, seconds), SystemClock())


def test_a_broker_that_never_answers_holds_the_fleet_up_for_its_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.sim.fleet.client._CONNECT_S", 0.1)
    monkeypatch.setattr("holdfast.sim.fleet.fleet._CONNECTING_S", 0.1)
    monkeypatch.setattr("holdfast.sim.fleet.fleet.SETTLE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=500) as mute:
        devices = fleet(mute.getsockname()[1], devices=100, seconds=0.1, rate=100)
        record = devices.run(lambda: False, lambda _: None)
        mute.setblocking(False)
        tries = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                mute.accept()[0].close()
                tries += 1
    assert np.isnan(record.t_ack).all()
    assert 0 < tries < 100  # each lasts 0.1 s: not even all of the devices had a turn


def test_a_broker_that_resets_connections_as_they_write_loses_nothing() -> None:
    resets = 20

    def serve(door: socket.socket) -> None:
        for n in range(resets + 1):
            one, _ = door.accept()
            with one:
                one.recv(1000)
                one.sendall(b"\x20\x02\x00\x00")
                if n < resets:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
                    continue
                tail = b""
                while data := one.recv(65536):
                    tail += data
                    while len(tail) > 3 and tail[0] & 0xF0 == 0x30:
                        head = 2 if tail[1] < 128 else 3
                        size = head + (tail[1] & 127) + (tail[2] * 128 if head == 3 else 0)
                        if len(tail) < size:
                            break
                        pid = head + 2 + int.from_bytes(tail[head : head + 2], "big")
                        one.sendall(b"\x40\x02" + tail[pid : pid + 2])
                        tail = tail[size:]

    with socket.create_server(("127.0.0.1", 0)) as door:
        broker = threading.Thread(target=serve, args=(door,), daemon=True)
        broker.start()
        devices = fleet(door.getsockname()[1], devices=1, seconds=0.5, rate=200)
        record = devices.run(lambda: False, lambda _: None)
        broker.join(20)
    assert not broker.is_alive()
    assert devices.reconnects >= 1
    assert len(record.kind) == 100
    assert not np.isnan(record.t_ack).any()


def test_a_process_that_should_have_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    async def go() -> None:
        process = await Process.start("fleet", ["http.server", "--bind", "127.0.0.1", "0"], tmp_path)
        try:
            process.demand_ended(59.0, 60.0)
            with (tmp_path / "fleet.log").open("a") as log:
                log.write("waiting for Godot\n")
            with pytest.raises(StillRunning, match=r"fleet still runs after 61 s .*\n(.*\n)*waiting for Godot"):
                process.demand_ended(61.0, 60.0)
        finally:
            await process.stop()
        process.demand_ended(61.0, 60.0)

    asyncio.run(go())
