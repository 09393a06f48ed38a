"""Backtests for whoever asks a node: one at a time, each in a process of its own, bounded in time, memory and number.

The node's loop starts the process, hears how far it is, and keeps the last few results as bytes; it never decodes one.
"""

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from typing import Literal

import msgspec

from holdfast.backtesting.errors import BacktestBusy, BacktestUnknown
from holdfast.backtesting.orders import Order, Told
from holdfast.kernel.clock import Clock

State = Literal["running", "done", "failed", "cancelled"]
MOST_KEPT = 4
MOST_RESULT = 16 << 20
LATEST = "latest"
_LENGTH_BYTES = 8


@dataclass(slots=True)
class Run:
    """One backtest. share: of the time that is done; result: JSON."""

    id: str
    by: str
    rules: list[str]
    from_ns: int
    to_ns: int
    began_ns: int
    state: State = "running"
    share: float = 0.0
    readings: int = 0
    took_s: float = 0.0
    result: bytes = b"null"
    error: str = ""
    hint: str = ""


class Backtests:
    """Runs them. Loop thread only."""

    def __init__(self, clock: Clock, patience_s: float) -> None:
        """patience_s: how long one may take."""
        self._clock, self._patience_s = clock, patience_s
        self._runs: dict[str, Run] = {}
        self._task: asyncio.Future[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    def start(self, number: str, order: Order, rules: list[str], by: str) -> Run:
        """Begin; returns at once. number: what it's known by from now on.

        Raises:
            BacktestBusy: when one runs.
        """
        self.demand_room()
        run = Run(number, by, rules, order.from_ns, order.to_ns, self._clock.wall_ns())
        self._runs[number] = run
        for old in list(self._runs)[:-MOST_KEPT]:
            del self._runs[old]
        self._task = asyncio.ensure_future(self._carry_out(run, order))
        return run

    def demand_room(self) -> None:
        """Whether one may begin.

        Raises:
            BacktestBusy: when one runs.
        """
        if self._task is not None and not self._task.done():  # also one that was cancelled and isn't gone yet
            busy = next(reversed(self._runs.values()))
            raise BacktestBusy(f"a backtest of {', '.join(busy.rules)} runs, for {busy.by}")

    def find(self, number: str) -> Run:
        """One by its id, or the latest.

        Raises:
            BacktestUnknown: when there is none.
        """
        run = next(reversed(self._runs.values()), None) if number == LATEST else self._runs.get(number)
        if run is None:
            raise BacktestUnknown("there is no such backtest")
        return run

    async def cancel(self, number: str) -> Run:
        """Stop it; one that is over stays as it is.

        Raises:
            BacktestUnknown: when there is none.
        """
        run = self.find(number)
        if run.state == "running":
            run.state = "cancelled"
            await self._end()
        return run

    async def close(self) -> None:
        """Stop what runs."""
        for run in self._runs.values():
            run.state = "cancelled" if run.state == "running" else run.state
        await self._end()

    async def _end(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _carry_out(self, run: Run, order: Order) -> None:
        """It's over once its process is gone: the next one may begin then."""
        began, last = self._clock.monotonic(), Told()
        try:
            async with asyncio.timeout(self._patience_s):
                last = await self._work(run, order)
        except TimeoutError:
            said = f"it was not done within {self._patience_s:g} s"
            last = Told(error=said, hint="ask for a shorter time, or fewer series")
        except (OSError, EOFError, ValueError, msgspec.MsgspecError) as error:
            said = f"its process ended early ({error or type(error).__name__})"
            last = Told(error=said, hint="the node's log may say why")
        finally:
            await self._reap()
            run.took_s = self._clock.monotonic() - began
            _settle(run, last)

    async def _work(self, run: Run, order: Order) -> Told:
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        command = (sys.executable, "-m", "holdfast.backtesting.worker")
        self._process = process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, env=environment
        )
        if process.stdin is None or process.stdout is None or run.state != "running":
            raise EOFError
        data = msgspec.msgpack.encode(order)
        process.stdin.write(len(data).to_bytes(_LENGTH_BYTES, "little") + data)
        await process.stdin.drain()
        while True:
            told = await _told(process.stdout)
            if told.error or told.result:
                return told
            run.share, run.readings = max(run.share, told.share), max(run.readings, told.readings)

    async def _reap(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _told(pipe: asyncio.StreamReader) -> Told:
    size = int.from_bytes(await pipe.readexactly(_LENGTH_BYTES), "little")
    if size > MOST_RESULT:
        msg = "its answer is too large"
        raise ValueError(msg)
    return msgspec.msgpack.decode(await pipe.readexactly(size), type=Told)


def _settle(run: Run, last: Told) -> None:
    """Its end; one that was cancelled stays so."""
    if run.state != "running":
        return
    if last.result:
        run.state, run.share, run.readings, run.result = "done", 1.0, last.readings, last.result
    else:
        run.state, run.error, run.hint = "failed", last.error or "it was stopped", last.hint
