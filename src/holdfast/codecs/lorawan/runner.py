"""Runs scripts' calls on a few worker processes, so that no script stalls the node or, for long, another script.

One script has at most one worker at a time. Worker 0 is for newcomers and for scripts that were stopped lately; proven
scripts may use every worker. So scripts that misbehave wait for each other, and an honest one waits at most once for
each script that turns.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from holdfast.codecs.lorawan.breaker import Breaker
from holdfast.codecs.lorawan.calls import Answer, Call, Fault, Limits, Request
from holdfast.codecs.lorawan.happenings import (
    CodecScriptFailed,
    CodecSwitchedOff,
    CodecSwitchedOn,
    CodecWarned,
)
from holdfast.codecs.lorawan.processes import Worker
from holdfast.codecs.lorawan.scripts import Script
from holdfast.kernel.clock import Clock
from holdfast.telemetry.happenings import Happening

_CALLS_AT_ONCE = 32
"""Calls that a script makes before others get its worker."""
_NICENESS = (5, 0)
"""Of worker 0 and of the others: what misbehaves stands back for the node, but honest scripts may land there, too."""


@dataclass(slots=True)
class _Record:
    breaker: Breaker = field(default_factory=Breaker)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class ScriptRunner:
    """A pool of worker processes. One event loop only; `close` it."""

    def __init__(
        self,
        clock: Clock,
        tell: Callable[[Happening], None] = lambda _: None,
        limits: Limits | None = None,
        workers: int = 2,
    ) -> None:
        """workers: processes at most, each started when first needed; tell: takes happenings."""
        self._clock = clock
        self._tell = tell
        self._limits = limits or Limits()
        self._workers = [Worker(_NICENESS[0] if i == 0 and workers > 1 else _NICENESS[1]) for i in range(workers)]
        self._idle = set(range(workers))
        self._queue: list[tuple[Breaker, asyncio.Future[int]]] = []
        self._records: dict[bytes, _Record] = {}

    async def run(self, script: Script, calls: Sequence[Call]) -> list[Answer]:
        """The answers to `calls`, in order. Raises nothing that a script does."""
        record = self._records.setdefault(script.digest, _Record())
        answers: list[Answer] = []
        async with record.turn:
            while len(answers) < len(calls):
                wanted = min(len(calls) - len(answers), _CALLS_AT_ONCE)
                allowed = record.breaker.allowed(wanted, self._clock.monotonic())
                if not allowed:
                    off = self._off(script, record.breaker)
                    answers.extend(off for _ in range(len(calls) - len(answers)))
                    break
                some = list(calls[len(answers) : len(answers) + allowed])
                answers.extend(await self._some(script, record.breaker, some))
        return answers

    def warned(self, device: str, warnings: Sequence[str]) -> None:
        """A codec had something to say beside an uplink's values."""
        for warning in warnings:
            self._tell(CodecWarned(device, warning))

    def standing(self, script: Script) -> Breaker | None:
        """A script's record; None when it never ran."""
        record = self._records.get(script.digest)
        return None if record is None else record.breaker

    @property
    def switched_off(self) -> int:
        """How many scripts are switched off now."""
        return sum(record.breaker.is_off for record in self._records.values())

    async def close(self) -> None:
        """End all workers."""
        await asyncio.gather(*(worker.end() for worker in self._workers))

    async def _some(self, script: Script, breaker: Breaker, calls: list[Call]) -> list[Answer]:
        number = await self._take(breaker)
        answers = []
        try:
            async for answer in self._workers[number].ask(Request(script.source, calls, self._limits)):
                answers.append(answer)
                self._judge(script, breaker, answer)
        finally:
            self._free(number)
        return answers

    async def _take(self, breaker: Breaker) -> int:
        fitting = self._idle if breaker.is_proven else self._idle & {0}
        if fitting:
            number = max(fitting)
            self._idle.remove(number)
            return number
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append((breaker, turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free(turn.result())
            raise

    def _free(self, number: int) -> None:
        """Hand a worker to the first in the queue that may have it: nobody who asks again at once gets ahead."""
        for i, (breaker, turn) in enumerate(self._queue):
            if not turn.done() and (number == 0 or breaker.is_proven):
                del self._queue[i]
                turn.set_result(number)
                return
        self._idle.add(number)

    def _judge(self, script: Script, breaker: Breaker, answer: Answer) -> None:
        if answer.fault is None:
            if breaker.succeeded():
                self._tell(CodecSwitchedOn(script.name))
            return
        self._tell(CodecScriptFailed(script.name, answer.fault.value, answer.text))
        now = self._clock.monotonic()
        if breaker.failed(answer.fault, answer.text, now):
            self._tell(CodecSwitchedOff(script.name, breaker.reason, breaker.until - now))

    def _off(self, script: Script, breaker: Breaker) -> Answer:
        left = max(0.0, breaker.until - self._clock.monotonic())
        self._tell(CodecScriptFailed(script.name, Fault.OFF.value, breaker.reason))
        return Answer(Fault.OFF, f"the script is switched off for {left:.0f} s more: {breaker.reason}")
