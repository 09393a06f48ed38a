"""A separate alert subscriber, its own process: one JSON line per alert with the moment it arrived.

python -m holdfast.sim.demo.alerts PORT TOPIC; MQTT 3.1.1 at QoS 0 over a blocking socket, nothing else in the process,
so that what is measured is the gateway and not the subscriber.
"""

import socket
import sys

import msgspec

from holdfast.kernel.clock import SystemClock

_CONNECT = b"\x00\x04MQTT\x04\x02\x00\x00\x00\x0bdemo-alerts"


class SeenAlert(msgspec.Struct, frozen=True):
    """An alert as the subscriber got it. ts: event time in ns; t: CLOCK_MONOTONIC s; wall_ns: UTC at receipt."""

    device: str
    rule: str
    kind: str
    severity: str
    message: str
    ts: int
    t: float = 0.0
    wall_ns: int = 0


def packets(buffer: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Whole MQTT packets in `buffer` as (first byte, body), and what is left over."""
    found, at = [], 0
    while len(buffer) - at >= 2:
        length, shift, start = 0, 0, at + 1
        while start < len(buffer):
            byte = buffer[start]
            length |= (byte & 127) << shift
            start, shift = start + 1, shift + 7
            if byte < 128:
                break
        else:
            break
        if start + length > len(buffer):
            break
        found.append((buffer[at], buffer[start : start + length]))
        at = start + length
    return found, buffer[at:]


def main(port: int, topic: str) -> None:
    """Subscribe and print until the gateway goes away."""
    clock = SystemClock()
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name = topic.encode()
    subscribe = b"\x00\x01" + len(name).to_bytes(2, "big") + name + b"\x00"
    sock.sendall(b"\x10" + bytes([len(_CONNECT)]) + _CONNECT + b"\x82" + bytes([len(subscribe)]) + subscribe)
    sock.settimeout(None)
    decoder, rest = msgspec.json.Decoder(SeenAlert), b""
    while data := sock.recv(65536):
        t, wall_ns = clock.monotonic(), clock.wall_ns()
        found, rest = packets(rest + data)
        for first, body in found:
            if first >> 4 == 3:
                alert = decoder.decode(body[2 + int.from_bytes(body[:2], "big") :])
                line = msgspec.json.encode(msgspec.structs.replace(alert, t=t, wall_ns=wall_ns))
                sys.stdout.write(line.decode() + "\n")
            elif first >> 4 == 9:
                sys.stdout.write('"ready"\n')
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
