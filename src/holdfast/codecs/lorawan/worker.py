"""The process in which scripts run: frames in, frames out, and no way to anything else.

A frame is a length (u32, big-endian) and a MessagePack value: `Request` in, one `Answer` per call out. The process
ends with its input. It's started by `runner`, as `python -m holdfast.codecs.lorawan.worker`.
"""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from holdfast.codecs.lorawan.calls import COSTLY, HEAD, Answer, Call, Request
from holdfast.codecs.lorawan.sandbox import run_call

_OWN_FILES = 3
_ROOM = 192 << 20
"""Bytes of address space beyond what the process has at its start."""


def confine() -> None:
    """Give up what a script's process doesn't need: more memory, files, core dumps."""
    os.closerange(_OWN_FILES, os.sysconf("SC_OPEN_MAX"))  # what the node's loop left open when it forked
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    room = pages * resource.getpagesize() + _ROOM
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OWN_FILES, _OWN_FILES))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the node, which then closes our input
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the input ends."""
    decode = msgspec.msgpack.Decoder(Request).decode
    encode = msgspec.msgpack.Encoder().encode
    while len(head := source.read(HEAD.size)) == HEAD.size:
        request = decode(source.read(HEAD.unpack(head)[0]))
        for call in request.calls:
            answer = _timed(request, call)
            frame = encode(answer)
            sink.write(HEAD.pack(len(frame)) + frame)
            sink.flush()
            if answer.fault in COSTLY:
                break


def _timed(request: Request, call: Call) -> Answer:
    # The kernel's timer ends the process inside of built-in functions too, and when nobody is left to do it.
    signal.setitimer(signal.ITIMER_PROF, request.limits.hard_s)
    try:
        return run_call(request.source, call, request.limits)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    confine()
    serve(sys.stdin.buffer, sys.stdout.buffer)
