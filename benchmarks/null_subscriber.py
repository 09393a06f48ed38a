"""Subscribes to everything and reads it to nowhere: the cheapest possible consumer behind a broker.

python -m benchmarks.null_subscriber PORT [--qos 1 --keep] [--packet BYTES --tally FILE]

Above QoS 0 it acknowledges, which needs the size of a PUBLISH: all that come have the same. At QoS 0 it needn't look.
Prints `ready`, and the bytes read at SIGTERM; the tally counts messages.
"""

import argparse
import signal
import socket
from pathlib import Path

from benchmarks.messages import connect_packet
from benchmarks.tally import Tally

_PUBREL = 0x62


class Acknowledger:
    """Answers PUBLISHes of one size, and PUBRELs."""

    def __init__(self, packet: int) -> None:
        self.packet = packet
        self.rest = b""

    def answers(self, data: bytes) -> tuple[bytes, int]:
        """What to say, and how many PUBLISHes there were."""
        data, pos, messages, size = self.rest + data, 0, 0, self.packet
        said: list[bytes] = []
        while len(data) - pos >= 4:
            first = data[pos]
            if first == _PUBREL:
                said.append(b"\x70\x02" + data[pos + 2 : pos + 4])
                pos += 4
                continue
            if len(data) - pos < size:
                break
            at = pos + 4 + int.from_bytes(data[pos + 2 : pos + 4], "big")  # sizes are below 128: one byte of length
            said.append((b"\x50\x02" if first & 4 else b"\x40\x02") + data[at : at + 2])
            pos += size
            messages += 1
        self.rest = data[pos:]
        return b"".join(said), messages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--qos", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="a persistent session")
    parser.add_argument("--packet", type=int, default=0)
    parser.add_argument("--tally", type=Path)
    args = parser.parse_args()
    sock = socket.create_connection(("127.0.0.1", args.port), timeout=5)
    subscribe = b"\x82\x06\x00\x01\x00\x01#" + bytes((args.qos,))
    sock.sendall(connect_packet("null", clean=not args.keep))
    sock.recv(4, socket.MSG_WAITALL)
    sock.sendall(subscribe)
    sock.recv(5, socket.MSG_WAITALL)
    print("ready", flush=True)
    receive(sock, args)


def receive(sock: socket.socket, args: argparse.Namespace) -> None:
    sock.settimeout(0.2)
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    tally = Tally(args.tally) if args.tally else None
    acknowledger = Acknowledger(args.packet)
    buffer, total, counted = bytearray(1 << 20), 0, 0
    while not stop:
        try:
            n = sock.recv_into(buffer)
        except TimeoutError:
            continue
        if not n:
            break
        total += n
        if args.qos:
            said, messages = acknowledger.answers(bytes(buffer[:n]))
            sock.settimeout(None)
            sock.sendall(said)
            sock.settimeout(0.2)
        else:
            messages = total // args.packet - counted if args.packet else 0
        counted += messages
        if tally is not None:
            tally.add(messages)
    print(total, flush=True)


if __name__ == "__main__":
    main()
