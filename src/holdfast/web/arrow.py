"""Answers as an Arrow IPC stream, sent while they are being worked out.

A worker thread makes batches and waits while the caller reads slowly. What only the end can tell (sources, missing,
truncated; or why the work failed) is the last batch: it has no rows, and JSON in its metadata under `holdfast`.
"""

import asyncio
import threading
from collections.abc import Callable

import msgspec
import pyarrow as pa
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdfast.history.question import is_large
from holdfast.history.streaming import Asked, Emit, Told
from holdfast.kernel.errors import HoldfastError
from holdfast.kernel.memory import give_back
from holdfast.web.answers import Failure
from holdfast.web.errors import AnswerCut
from holdfast.web.gate import Gate

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
METADATA = "holdfast"
_FLUSH_BYTES = 1 << 18
_ROWS = 1 << 14
"""Rows written at once: each lies here as columns, as bytes, and in chunks that wait."""
_WAITING = 2
"""Chunks that wait for the caller."""
Work = Callable[[Emit], Told]


class _CallerGone(Exception):
    """Nobody waits for the answer any more."""


class ArrowAnswer(Response):
    """Runs `work` on a thread and sends what it emits. A failure before the first chunk is raised as it is."""

    def __init__(self, asked: Asked, work: Work, gate: Gate) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._asked, self._work, self._gate = asked, work, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the answer.

        Raises:
            AnswerCut: when the work failed after the answer had begun.
        """
        del scope
        async with self._gate.enter():
            await self._serve(receive, send)

    async def _serve(self, receive: Receive, send: Send) -> None:
        pipe = _Pipe(asyncio.get_running_loop())
        worker = asyncio.ensure_future(asyncio.to_thread(_produce, pipe, self._asked, self._work))
        listener = asyncio.ensure_future(_gone(receive))
        try:
            chunk = await pipe.get()
            if chunk is None:
                await worker
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while chunk is not None and not listener.done():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await pipe.get()
            if chunk is None:
                await _finished(worker)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            listener.cancel()
            pipe.leave()
            await asyncio.wait([worker])
            worker.exception()  # seen


def whole_answer(batch: pa.RecordBatch, about: msgspec.Struct) -> Response:
    """A small answer in one piece. about: goes into the schema's metadata, as JSON under `holdfast`."""
    schema = batch.schema.with_metadata({METADATA: msgspec.json.encode(about)})
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, schema) as writer:
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    return Response(out.getvalue().to_pybytes(), 200, {"Cache-Control": "no-store"}, MEDIA_TYPE)


class _Pipe:
    """From the worker's thread to the loop; None ends it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
        self._left = threading.Event()

    async def get(self) -> bytes | None:
        """The next chunk."""
        return await self._queue.get()

    def put(self, chunk: bytes | None) -> None:
        """Wait for room, and give a chunk. Called by the worker."""
        if self._left.is_set():
            raise _CallerGone
        asyncio.run_coroutine_threadsafe(self._queue.put(chunk), self._loop).result()

    def leave(self) -> None:
        """Nobody reads any more: the worker's next `put` ends it."""
        self._left.set()
        while not self._queue.empty():  # the worker has one `put` under way at most: now there is room for it
            self._queue.get_nowait()


class _Sink:
    """A file for Arrow's writer: keeps bytes until there are enough to be sent."""

    def __init__(self, pipe: _Pipe) -> None:
        self.has_begun = False
        self.closed = False
        self._pipe, self._parts, self._size = pipe, list[bytes](), 0

    def write(self, data: object) -> int:
        """Take bytes."""
        part = bytes(memoryview(data))  # type: ignore[arg-type]  # pyarrow gives bytes or a buffer
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def flush(self) -> None:
        """Nothing; see `send`."""

    def send(self, least: int = 1) -> None:
        """Send what is there, if that's at least so many bytes."""
        if self._size >= least:
            self.has_begun = True
            self._pipe.put(b"".join(self._parts))
            self._parts, self._size = [], 0


def _produce(pipe: _Pipe, asked: Asked, work: Work) -> None:
    try:
        _write(_Sink(pipe), asked, work)
    finally:
        pipe.put(None)


def _write(sink: _Sink, asked: Asked, work: Work) -> None:
    schema = asked.schema
    nothing = pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
    writer = pa.ipc.new_stream(pa.PythonFile(sink, "w"), schema)

    def emit(batch: pa.RecordBatch) -> None:
        for at in range(0, len(batch), _ROWS):
            writer.write_batch(batch.slice(at, _ROWS))
            sink.send(_FLUSH_BYTES)

    def end(told: object) -> None:
        writer.write_batch(nothing, custom_metadata={METADATA: msgspec.json.encode(told)})

    try:
        told = work(emit)
        end(told)
    except HoldfastError as error:
        if sink.has_begun:
            end(Failure(str(error), error.hint))
            sink.send()
        raise
    writer.close()
    sink.send()
    if is_large(told.sources):
        give_back()


async def _finished(worker: asyncio.Future[None]) -> None:
    try:
        await worker
    except HoldfastError as error:
        raise AnswerCut(str(error)) from error


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
