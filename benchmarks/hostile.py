"""Hostile devices: a healthy device's PUBACK time in calm and under attack, and what an idle connection costs.

    python -m benchmarks.hostile [--seconds 5] [--idle 1000] [--only calm,storm,...]

The server settles at once (no journal), in a process of its own, so what is measured is the MQTT server alone. The
attackers are another process on the same machine: with two cores they take time from the server even when it refuses
them at once, so the calm figure is taken with a process of the same appetite that attacks nobody.

Times wander with what else the machine does. `busy` doesn't: CPU time of the loop's thread from one look, a millisecond
apart, to the next. Nobody is served meanwhile, so its p99 is what an attack costs a healthy device on a machine with
nothing else to do.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import psutil
import uvloop
from tests.unit.adapters.mqtt.doubles import SettlingInbox, connect, publish, text

from holdfast.adapters.mqtt.door_settings import ListenerSettings, ListenerTls, RateSettings
from holdfast.adapters.mqtt.server import MqttServer
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.users import User, write_users
from holdfast.crypto.passwords import hashed
from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.kernel.clock import SystemClock
from holdfast.node.running import tune
from holdfast.telemetry.happenings import Telemetry

PER_S = 2_000
Attack = Callable[[float, int], None]


class Forgetful(SettlingInbox):
    """Settles and keeps nothing."""

    def offer(self, arrival: object) -> bool:
        arrival.receipt.settle()  # type: ignore[attr-defined]
        return True


def serve(settings: MqttSettings, pipe: Pipe) -> None:
    async def run() -> None:
        clock = SystemClock()
        server = MqttServer(settings, Forgetful(), clock, Telemetry(clock, lambda _: None))
        await server.start()
        pipe.send(server.ports)
        laps: list[float] = []
        watch = asyncio.create_task(look(laps))
        while await asyncio.to_thread(pipe.recv) == "lap":
            pipe.send(sorted(laps))
            laps.clear()
        watch.cancel()
        await server.stop(0.1)

    tune()  # as a node does
    uvloop.run(run())


async def look(laps: list[float]) -> None:
    """Milliseconds of CPU that the loop took from each look to the next."""
    before = time.thread_time()
    while True:
        await asyncio.sleep(0.001)
        now = time.thread_time()
        laps.append((now - before) * 1e3)
        before = now


def paced(seconds: float, attack: Callable[[], None]) -> None:
    began, tried = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        with contextlib.suppress(OSError):
            attack()
        tried += 1
        time.sleep(max(0.0, began + tried / PER_S - time.monotonic()))


def dial(port: int, *frames: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 1) as sock:
        sock.sendall(b"".join(frames))


def guess(port: int) -> None:
    dial(port, connect("g", flags=0xC2, more=text("press") + text(str(time.monotonic()))))


def calm(seconds: float, _port: int) -> None:
    with socket.socket() as sink:
        sink.bind(("127.0.0.1", 0))
        sink.listen(1024)
        port = sink.getsockname()[1]

        def attack() -> None:
            dial(port, connect("x"))
            sink.accept()[0].close()

        paced(seconds, attack)


def storm(seconds: float, port: int) -> None:
    paced(seconds, lambda: dial(port, connect("s")))


def guessing(seconds: float, port: int) -> None:
    paced(seconds, lambda: guess(port))


def nonsense(seconds: float, port: int) -> None:
    paced(seconds, lambda: dial(port, connect("n"), b"\x36\x05oops!"))


def handshaking(seconds: float, port: int) -> None:
    """Whole TLS handshakes, each on a new connection; `port` is the TLS listener's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def attack() -> None:
        with socket.create_connection(("127.0.0.1", port), 1) as sock, context.wrap_socket(sock):
            pass

    paced(seconds, attack)


def flooding(seconds: float, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 1) as sock:
        sock.sendall(connect("f"))  # a stranger: the guessers have got this address refused
        window, began, at = publish("t/flood", b"x" * 60) * 200, time.monotonic(), 0
        sock.settimeout(0.2)
        while time.monotonic() - began < seconds:
            with contextlib.suppress(TimeoutError):
                at = (at + sock.send(window[at:])) % len(window)


ATTACKS: tuple[Attack, ...] = (calm, storm, guessing, nonsense, flooding, handshaking)


def healthy(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 5)
    sock.sendall(connect("healthy", flags=0xC2, more=text("press") + text("right")))
    assert sock.recv(4) == b"\x20\x02\0\0"
    return sock


def ack_times_ms(sock: socket.socket, seconds: float) -> list[float]:
    took = []
    began, pid = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        pid = pid % 65_535 + 1
        at = time.monotonic()
        sock.sendall(publish("site/healthy", b"21.5", pid=pid))
        sock.recv(4)
        took.append((time.monotonic() - at) * 1e3)
        time.sleep(0.002)
    return sorted(took)


def started(settings: MqttSettings) -> tuple[multiprocessing.Process, Pipe, list[int]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(settings, theirs))
    process.start()
    return process, ours, ours.recv()


def attacks(folder: Path, seconds: float, chosen: Sequence[Attack]) -> None:
    write_users(folder / "users", [User("press", hashed(b"right"))])
    rates = RateSettings(connects=100.0, messages=5_000.0)
    settings = MqttSettings(
        listen="127.0.0.1:0",
        listeners=(ListenerSettings("127.0.0.1:0", certificate(folder)),),
        anonymous=True,
        users_file=str(folder / "users"),
        rates=rates,
    )
    process, pipe, ports = started(settings)
    try:
        normal, device = 0.0, healthy(ports[0])
        for attack in chosen:
            attacker = multiprocessing.Process(target=attack, args=(seconds + 0.5, ports[attack is handshaking]))
            attacker.start()
            time.sleep(0.3)
            pipe.send("lap")
            pipe.recv()
            took = ack_times_ms(device, seconds)
            pipe.send("lap")
            busy = pipe.recv()
            attacker.join()
            time.sleep(1.2)  # the connect rate's credit comes back
            p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
            normal = normal or p99
            lap = f"mean {sum(busy) / len(busy):5.3f} p99 {busy[len(busy) * 99 // 100]:5.2f} max {busy[-1]:5.2f} ms"
            times = f"p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   {p99 / normal:4.1f}x   of {len(took):>5}"
            print(f"{attack.__name__:<11} {times}   busy: {lap}", flush=True)
    finally:
        pipe.send("stop")
        process.join()


def certificate(folder: Path) -> ListenerTls:
    if not (folder / "ca.pem").exists():
        create_authority(folder)
        issue_certificate(folder, "gw", ["127.0.0.1"])
    return ListenerTls(str(folder / "gw.pem"), str(folder / "gw.key"))


def idle(folder: Path, count: int) -> None:
    doors = (ListenerSettings("127.0.0.1:0", websocket=True), ListenerSettings("127.0.0.1:0", certificate(folder)))
    settings = MqttSettings(listen="127.0.0.1:0", listeners=doors, anonymous=True, max_connections=count + 100)
    for name, place in (("plain", 0), ("websocket", 1), ("tls", 2)):
        process, pipe, ports = started(settings)
        asyncio.run(fill(ports[place], name, 50))  # what the first ones make once
        measured = psutil.Process(process.pid)
        before = measured.memory_info().rss
        keep = asyncio.run(fill(ports[place], name, count, measured))
        print(f"{name:<10} {(keep - before) / count / 1e3:6.1f} kB an idle connection ({count} of them)")
        pipe.send("stop")
        process.join()


async def fill(port: int, kind: str, count: int, measured: psutil.Process | None = None) -> int:
    context = None
    if kind == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    ends = []
    for i in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        hello = connect(f"idle-{i}", keep_alive=600)
        if kind == "websocket":
            key = "dGhlIHNhbXBsZSBub25jZQ=="
            head = "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            head += f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n"
            writer.write(head.encode())
            await reader.readuntil(b"\r\n\r\n")
            hello = bytes((0x82, 0x80 | len(hello), 0, 0, 0, 0)) + hello
        writer.write(hello)
        await reader.readexactly(4)
        ends.append(writer)
    found = 0 if measured is None else int(measured.memory_info().rss)
    for writer in ends:
        writer.transport.abort()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="MQTT under attack")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--idle", type=int, default=1_000)
    parser.add_argument("--only", default=",".join([*(one.__name__ for one in ATTACKS), "idle"]))
    chosen = parser.parse_args()
    only = chosen.only.split(",")
    print(f"{os.cpu_count()} cores; attackers try {PER_S} connections/s each")
    with tempfile.TemporaryDirectory() as folder:
        if kinds := [one for one in ATTACKS if one.__name__ in only]:
            attacks(Path(folder), chosen.seconds, kinds)
        if "idle" in only:
            idle(Path(folder), chosen.idle)


if __name__ == "__main__":
    main()
