"""Subscribes to everything at QoS 0 and reads it to nowhere: the cheapest possible consumer behind a broker.

python -m benchmarks.null_subscriber PORT; prints the bytes read at SIGTERM.
"""

import signal
import socket
import sys

from benchmarks.messages import connect_packet


def main() -> None:
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
    sock.sendall(connect_packet("null") + b"\x82\x06\x00\x01\x00\x01#\x00")
    sock.recv(9, socket.MSG_WAITALL)
    print("ready", flush=True)
    sock.settimeout(0.2)
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    buffer, total = bytearray(1 << 20), 0
    while not stop:
        try:
            n = sock.recv_into(buffer)
        except TimeoutError:
            continue
        if not n:
            break
        total += n
    print(total, flush=True)


if __name__ == "__main__":
    main()
