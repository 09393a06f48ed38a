"""Load of N CoAP devices, each with a window of confirmable messages that aren't answered 2.04 yet.

Plain sockets and datagrams made beforehand, so that it costs less than what it measures. Prints one JSON line.
A message without its answer in 3 s is sent again, as a device does. t0 and t1 are CLOCK_MONOTONIC.

python -m benchmarks.coap_load --port 5683 --devices 20 --window 8 --seconds 8 --warm 2
"""

import argparse
import json
import select
import socket
import time
from dataclasses import dataclass, field

from benchmarks.options import percentiles

AGAIN_S = 3.0
_ANSWERED = 0x44


@dataclass
class Device:
    number: int
    sock: socket.socket
    sent: int = 0
    again: int = 0
    open: dict[int, tuple[float, bytes]] = field(default_factory=dict)

    def message(self) -> tuple[int, bytes]:
        """The next reading as PUT /acme/device/telemetry, JSON; token and message id count on."""
        self.sent += 1
        number = self.sent & 0xFFFF
        path = b"".join(
            bytes([delta << 4 | len(part)]) + part
            for delta, part in ((11, b"acme"), (0, b"d%d" % self.number), (0, b"telemetry"))
        )
        body = b'{"id":%d,"ts":%.3f,"temp_c":21.5,"hum":40.25,"lux":426.0,"co2":612.5,"occ":true}' % (
            10**9 + self.sent,
            time.time(),
        )
        two = number.to_bytes(2, "big")
        return number, b"\x42\x03" + two + two + path + b"\x11\x32\xff" + body

    def push(self, window: int) -> None:
        while len(self.open) < window:
            number, data = self.message()
            self.open[number] = (time.perf_counter(), data)
            self.sock.send(data)

    def pull(self, took: list[float]) -> int:
        """Take answers; how many came."""
        done = 0
        try:
            while True:
                data = self.sock.recv(2_048)
                if data[0] >> 4 & 3 == 0:  # an answer of its own: acknowledge it
                    self.sock.send(b"\x60\x00" + data[2:4])
                if data[1] == _ANSWERED:
                    began = self.open.pop(int.from_bytes(data[4:6], "big"), None)
                    if began is not None:
                        took.append(1e3 * (time.perf_counter() - began[0]))
                        done += 1
        except BlockingIOError:
            return done

    def send_again(self) -> None:
        now = time.perf_counter()
        for number, (at, data) in self.open.items():
            if now - at > AGAIN_S:
                self.open[number] = (now, data)
                self.again += 1
                self.sock.send(data)


def run(args: argparse.Namespace) -> dict[str, float]:
    wait, devices = select.epoll(), {}
    for number in range(args.devices):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(("127.0.0.1", args.port))
        sock.setblocking(False)
        devices[sock.fileno()] = Device(number, sock)
        wait.register(sock.fileno(), select.EPOLLIN)
    took: list[float] = []
    start, t0, looked = time.monotonic(), 0.0, 0.0
    acked, cpu = 0, 0.0
    while (now := time.monotonic()) < start + args.warm + args.seconds:
        if not t0 and now >= start + args.warm:
            t0, cpu = now, time.process_time()
            acked, took = 0, []
        for device in devices.values():
            device.push(args.window)
        for fd, _ in wait.poll(0.05):
            acked += devices[fd].pull(took)
        if now - looked > 0.5:
            looked = now
            for device in devices.values():
                device.send_again()
    t1 = time.monotonic()
    found = {
        "per_s": round(acked / (t1 - t0), 1),
        "acked": acked,
        "again": sum(device.again for device in devices.values()),
        "load_share": round((time.process_time() - cpu) / (t1 - t0), 2),
        "t0": t0,
        "t1": t1,
    }
    return found | percentiles(took, "ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, default in (("port", 5683), ("devices", 20), ("window", 8), ("seconds", 8), ("warm", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    print(json.dumps(run(parser.parse_args())))
