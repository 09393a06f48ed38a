"""What goes into the sandbox and what comes out of it: the words between a node and its worker processes."""

import struct
from enum import StrEnum
from typing import Literal

from msgspec import Struct

HEAD = struct.Struct(">I")
"""What stands before every frame between a node and its workers: its length."""
CallKind = Literal["decodeUplink", "encodeDownlink", "decodeDownlink"]


class Fault(StrEnum):
    """Why a call brought nothing. The first two are cheap, the others cost the machine something.

    script: it threw, it doesn't load, or what it returned isn't what the contract asks for
    off:    not run, as the script failed too often; see `breaker`
    time:   it ran longer than its limit
    memory: it wanted more memory or stack than its limit
    output: it returned more than its limit
    crash:  its worker process died
    """

    SCRIPT = "script"
    OFF = "off"
    TIME = "time"
    MEMORY = "memory"
    OUTPUT = "output"
    CRASH = "crash"


COSTLY = frozenset({Fault.TIME, Fault.MEMORY, Fault.OUTPUT, Fault.CRASH})


class Limits(Struct, frozen=True):
    """What one call may use.

    cpu_s:     CPU seconds, for loading the script and for the call; the interpreter stops it there
    hard_s:    CPU seconds after which the kernel ends the worker: built-in functions don't look at `cpu_s`
    wall_s:    seconds after which the node ends a worker that doesn't answer, whatever it is doing
    memory:    bytes of the interpreter's heap
    stack:     bytes of its stack
    output:    characters of the result as JSON
    """

    cpu_s: float = 0.25
    hard_s: float = 1.0
    wall_s: float = 10.0
    memory: int = 16 << 20
    stack: int = 1 << 20
    output: int = 256 << 10


class Call(Struct, frozen=True, array_like=True):
    """One call of one function of a script; `input` is its argument as JSON, `recvTime` in ms since 1970."""

    kind: CallKind
    input: bytes


class Answer(Struct, frozen=True, array_like=True):
    """What came of a call: `fault` is None and `text` the result as JSON, or `text` says what went wrong."""

    fault: Fault | None
    text: str


class Request(Struct, frozen=True, array_like=True):
    """Calls of one script, in order. A worker answers each; after a costly fault it leaves the rest unanswered."""

    source: str
    calls: list[Call]
    limits: Limits


def spent(fault: Fault, limits: Limits) -> str:
    """What a script used too much of, in words."""
    if fault is Fault.TIME:
        return f"it ran longer than {limits.cpu_s * 1000:g} ms of CPU time"
    return f"it wanted more than {limits.memory >> 20} MB of memory"
