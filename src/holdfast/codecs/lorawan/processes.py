"""One worker process, seen from the node: started when first needed, ended when it doesn't answer."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from holdfast.codecs.lorawan.calls import COSTLY, HEAD, Answer, Fault, Limits, Request, spent

_START_S = 30.0
"""A worker's first answer may take this much longer: Python has to start."""
_CLOSE_S = 2.0


class Worker:
    """A process that answers requests, one at a time."""

    def __init__(self, niceness: int) -> None:
        """niceness: how far its CPU share stands back (nice(2))."""
        self._niceness = niceness
        self._process: asyncio.subprocess.Process | None = None
        self._is_new = True
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Answer).decode

    async def start(self) -> None:
        """Start the process, if there is none; one that died idle is no script's fault."""
        if self._process is not None and self._process.returncode is None:
            return
        command = [sys.executable, "-m", "holdfast.codecs.lorawan.worker"]
        # its import path and nothing of the node's environment: no secrets to find there; UTC, as on network servers
        environment = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "TZ": "UTC"}
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
        self._process, self._is_new = process, True
        if self._niceness:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.setpriority(os.PRIO_PROCESS, process.pid, self._niceness)

    async def ask(self, request: Request) -> AsyncIterator[Answer]:
        """The answers to a request's calls. After one with a costly fault there may be fewer than there are calls.

        A process that was idle may be dead before anybody is told: the request is then put to another, once.
        """
        await self.start()
        is_used = not self._is_new
        async with contextlib.aclosing(self._asked(request)) as answers:
            async for answer in answers:
                if is_used and answer.fault is Fault.CRASH:
                    break
                is_used = False
                yield answer
            else:
                return
        async with contextlib.aclosing(self._asked(request)) as answers:
            async for answer in answers:
                yield answer

    async def _asked(self, request: Request) -> AsyncGenerator[Answer, None]:
        await self.start()
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:  # pragma: no cover  # just started
            return
        frame = self._encode(request)
        whole = False
        try:
            with contextlib.suppress(ConnectionError, RuntimeError):  # the latter is uvloop's word for a closed pipe
                process.stdin.write(HEAD.pack(len(frame)) + frame)
            for left in range(len(request.calls) - 1, -1, -1):
                answer = await self._answer(process.stdout, request.limits)
                if answer is None:
                    yield await self._ended(process, request.limits)
                    return
                whole = not left or answer.fault in COSTLY  # it stops there
                yield answer
                if whole:
                    return
        finally:
            if not whole:  # the rest of its answers would be taken for those of the next request
                await self.end()

    async def _answer(self, source: asyncio.StreamReader, limits: Limits) -> Answer | None:
        allowed = limits.wall_s + (_START_S if self._is_new else 0.0)
        try:
            async with asyncio.timeout(allowed):
                head = await source.readexactly(HEAD.size)
                body = await source.readexactly(HEAD.unpack(head)[0])
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            return None
        self._is_new = False
        return self._decode(body)

    async def _ended(self, process: asyncio.subprocess.Process, limits: Limits) -> Answer:
        was_silent = process.stdout is not None and not process.stdout.at_eof()
        if not was_silent:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await process.wait()
        await self.end()
        if was_silent or process.returncode == -signal.SIGPROF:
            return Answer(Fault.TIME, spent(Fault.TIME, limits) + "; its process was ended")
        return Answer(Fault.CRASH, f"its process died with status {process.returncode}")

    async def end(self) -> None:
        """End the process and wait for it; the next `ask` starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)  # `process.kill` would reap it, and its status be lost
        await process.wait()
