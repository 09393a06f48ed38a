"""Hands what is kept to an OpenTelemetry collector, oldest first, and waits while it's away.

What waits is what lies on disk anyway: a mark in each roll says how far the collector has it. The marks are stored once
a minute and at the end, so a crash offers at most a minute of it again; spans have ids, a collector knows them.
"""

import asyncio
import gzip
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, Protocol

import msgspec

from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.reporting.happenings import ExportFailed, ExportRefused, ExportResumed
from holdfast.reporting.keeping import Kept
from holdfast.reporting.otlp import LOGS_PATH, TRACES_PATH, Answer, encode_logs, encode_traces
from holdfast.storage.errors import StorageError
from holdfast.storage.files import read_bytes, write_atomic
from holdfast.storage.rolls import Place, Roll
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.lines import LogLine
from holdfast.telemetry.spans import Span
from holdfast.transport.https import Response

BATCH_BYTES = 256 << 10
REMEMBER_EVERY_S = 60.0
LONGEST_PAUSE_S = 300.0
FILE_NAME = "exported.json"
# OTLP/HTTP, "Retryable Response Codes"; everything else but 2xx is for good
_LATER = {429, 502, 503, 504}
# what an operator mends without the reports having to go: a wrong path, a token that is over
_OPERATOR = {401, 403, 404, 407}


class Collector(Protocol):
    """Where reports go. url: without a path."""

    url: str

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """POST; raises `TransportError` when it can't be reached."""
        ...

    async def close(self) -> None:
        """Close the kept connection."""
        ...


class Refused(HoldfastError):
    """The collector answered that it takes nothing now."""

    def __init__(self, sentence: str, retry_after_s: float) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Export:
    """One collector. `run` is its task's body."""

    def __init__(
        self,
        collector: Collector,
        folder: Path,
        about: tuple[str, str],
        every_s: float,
        clock: Clock,
        telemetry: Telemetry,
        *,
        traces: bool = True,
        logs: bool = True,
    ) -> None:
        """about: this node's name and version."""
        self._collector, self._path, self._every_s = collector, folder / FILE_NAME, every_s
        self._node, self._version = about
        self._clock, self._telemetry = clock, telemetry
        self._wants = {"traces": traces, "logs": logs}
        self._rng = Random()
        self._kept: dict[str, Kept[Any]] = {}
        self._rolls: dict[str, Roll] = {}
        self._remembered: dict[str, Place] = {}
        self._remember_due = 0.0
        self._failures = 0
        self.exported = self.refused = 0

    def attach(self, lines: Kept[LogLine], spans: Kept[Span]) -> None:
        """What there is to export; called once."""
        stored = self._recall()
        for name, kept in (("logs", lines), ("traces", spans)):
            roll: Roll | None = kept.roll
            if self._wants[name] and roll is not None:
                self._kept[name], self._rolls[name] = kept, roll
                roll.mark(None, stored.get(name, Place()))
        self._remembered = self._marks()
        self._telemetry.gauge(
            "export_waiting_bytes", "Size of reports that wait for the collector.", self.waiting_bytes
        )
        self._telemetry.counter("exported", "Spans and log lines that the collector took.", lambda: self.exported)

    def waiting_bytes(self) -> int:
        """How much there is that the collector hasn't."""
        return sum(roll.unread_bytes() for roll in self._rolls.values())

    async def run(self) -> None:
        """Export for ever; cancel to stop."""
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = await self.turn()

    async def turn(self) -> float:
        """Offer what waits; returns the pause (s) until the next try."""
        try:
            more = False
            for name in self._kept:
                more = await self._offer(name) or more
        except HoldfastError as error:
            return self._failed(error)
        except Exception as bug:  # noqa: BLE001  # a fault of ours must be said, and must not end all exporting
            return self._failed(HoldfastError(f"unexpected: {bug!r}"))
        if self._failures:
            self._failures = 0
            self._telemetry.emit(ExportResumed(collector=self._collector.url))
        await self._remember()
        return 0.0 if more else self._every_s

    async def close(self) -> None:
        """Remember how far it is."""
        self._remember_due = 0.0
        await self._remember()
        await self._collector.close()

    async def _offer(self, name: str) -> bool:
        """Offer one body; is there more?"""
        roll = self._rolls[name]
        place = roll.marked or Place()
        items, end = await asyncio.to_thread(self._kept[name].after, place, BATCH_BYTES)
        if not items:
            roll.mark(place, end)  # there may have been lines that nobody can read
            return False
        traces = name == "traces"
        path = TRACES_PATH if traces else LOGS_PATH
        plain = encode_traces(items, self._version) if traces else encode_logs(items, self._node, self._version)
        body = await asyncio.to_thread(gzip.compress, plain, 6)
        answer = await self._collector.post(
            path, body, {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        )
        refused = self._judge(answer, len(items))
        if refused:
            self.refused += refused[0]
            self._telemetry.emit(
                ExportRefused(
                    kind="traces" if traces else "logs",
                    collector=self._collector.url,
                    items=refused[0],
                    cause=refused[1],
                )
            )
        self.exported += len(items) - (refused[0] if refused else 0)
        roll.mark(place, end)  # unless the file went meanwhile
        return True

    def _marks(self) -> dict[str, Place]:
        return {name: roll.marked or Place() for name, roll in self._rolls.items()}

    def _judge(self, answer: Response, items: int) -> tuple[int, str] | None:
        """How many were refused for good, and why.

        Raises:
            Refused: when they must be offered again.
        """
        if 200 <= answer.status < 300:
            try:
                said = msgspec.json.decode(answer.body or b"{}", type=Answer).partial_success
            except (msgspec.MsgspecError, ValueError):
                return None  # a proxy that answers in its own words, with a good status
            return (said.items, said.error_message) if said is not None and said.items else None
        text = answer.body[:200].decode("utf-8", "replace")
        if answer.status in _LATER or answer.status in _OPERATOR or answer.status >= 500:
            raise Refused(f"it answered {answer.status} {text}".rstrip(), answer.retry_after_s or 0.0)
        return items, f"it answered {answer.status} {text}".rstrip()

    def _failed(self, error: HoldfastError) -> float:
        self._failures += 1
        if self._failures == 1:
            self._telemetry.emit(ExportFailed(collector=self._collector.url, cause=str(error), hint=error.hint))
        pause: float = min(LONGEST_PAUSE_S, self._every_s * 2 ** min(self._failures - 1, 16))
        asked = error.retry_after_s if isinstance(error, Refused) else 0.0
        return max(asked, pause * self._rng.uniform(0.5, 1.0))

    async def _remember(self) -> None:
        now, places = self._clock.monotonic(), self._marks()
        if places == self._remembered or now < self._remember_due:
            return
        self._remember_due = now + REMEMBER_EVERY_S
        try:
            await asyncio.to_thread(write_atomic, self._path, msgspec.json.encode(places))
        except StorageError:
            return  # the disk's trouble is told of elsewhere; at worst some is offered again
        self._remembered = places

    def _recall(self) -> dict[str, Place]:
        try:
            return msgspec.json.decode(read_bytes(self._path), type=dict[str, Place])
        except (StorageError, msgspec.MsgspecError):
            return {}
