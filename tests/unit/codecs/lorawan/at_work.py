"""Scripts at work in real worker processes, for tests."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from holdfast.codecs.lorawan.calls import Answer, Call, Limits
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import Script
from holdfast.kernel.clock import Clock, ManualClock
from holdfast.telemetry.happenings import Happening

T = TypeVar("T")
QUICK = Limits(cpu_s=0.05, hard_s=0.2)
HONEST = "function decodeUplink(input) { return { data: { n: input.bytes.length } }; }"


def call(*payload: int, port: int = 1) -> Call:
    argument = {"fPort": port, "bytes": payload, "recvTime": 1_795_187_068_000}
    return Call("decodeUplink", msgspec.json.encode(argument))


def with_runner(
    body: Callable[[ScriptRunner], Awaitable[T]],
    clock: Clock | None = None,
    told: list[Happening] | None = None,
    workers: int = 2,
) -> T:
    async def run() -> T:
        tell = (lambda _: None) if told is None else told.append
        runner = ScriptRunner(clock or ManualClock(), tell, QUICK, workers)
        try:
            return await body(runner)
        finally:
            await runner.close()

    return asyncio.run(run())


def answers(source: str, *calls: Call) -> Sequence[Answer]:
    return with_runner(lambda runner: runner.run(Script("x.js", source), calls or [call(1, 2)]))
