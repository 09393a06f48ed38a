"""Devices at a steady pace: python -m benchmarks.pace PORT DEVICES RATE SECONDS; prints the PUBACKs as JSON.

SIGTERM ends them sooner.
"""

import json
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import cast

import numpy as np

from benchmarks.messages import connect_packet, make_device

_LAST_ACKS_S = 30.0  # a gateway that gathers commits takes its time


def pace(
    port: int, devices: int, rate: float, seconds: float, is_over: Callable[[], bool] = lambda: False
) -> tuple[int, int]:
    """Evenly spaced messages, the devices in turn, each on its own connection, QoS 1; returns (sent, acknowledged)."""
    rng = np.random.default_rng(1)
    fleet = [make_device(n) for n in range(devices)]
    sockets = [_dial(port, n) for n in range(devices)]
    wait = selectors.DefaultSelector()
    for sock in sockets:
        wait.register(sock, selectors.EVENT_READ)
    begun = time.monotonic()
    sent = acks = 0
    while (passed := time.monotonic() - begun) < seconds and not is_over():
        if sent < passed * rate:
            turn = sent % devices
            sockets[turn].sendall(fleet[turn].block(1, time.time_ns() // 1_000_000, rng).tobytes())
            sent += 1
        else:
            acks += _acks(wait, max(0.0005, sent / rate - passed))
    until = time.monotonic() + _LAST_ACKS_S
    while acks < 4 * sent and time.monotonic() < until:
        acks += _acks(wait, 0.1)
    return sent, acks // 4


def _dial(port: int, number: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(connect_packet(f"pace-{number}"))
    sock.recv(4, socket.MSG_WAITALL)
    return sock


def _acks(wait: selectors.BaseSelector, timeout: float) -> int:
    return sum(len(cast("socket.socket", key.fileobj).recv(65536)) for key, _ in wait.select(timeout))


def until_told() -> Callable[[], bool]:
    """Has somebody sent SIGTERM since?"""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    return over.is_set


if __name__ == "__main__":
    began = time.monotonic()
    sent, acked = pace(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), until_told())
    print(json.dumps({"sent": sent, "acked": acked, "seconds": round(time.monotonic() - began, 2)}))
