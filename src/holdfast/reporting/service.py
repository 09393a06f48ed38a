"""Stores spans and log lines every few seconds, and offers them to a collector. `run` is its only task's body."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal

from holdfast.reporting.exporting import Export
from holdfast.reporting.happenings import ReportsLost
from holdfast.reporting.keeping import Kept
from holdfast.reporting.questions import Reports
from holdfast.reporting.sending import Sender
from holdfast.storage.errors import StorageError
from holdfast.storage.rolls import Roll
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.lines import LogLine
from holdfast.telemetry.spans import Span

STORE_EVERY_S = 5.0
Below = Callable[[str, Sequence[Span]], Awaitable[tuple[list[Span], list[str]]]]
"""(trace, the steps known here) to the steps below, and why some are missing."""
Kind = Literal["logs", "traces"]
KINDS: tuple[Kind, Kind] = ("logs", "traces")


class ReportService:
    """One node's reports. Loop thread only, but for what `reports` answers."""

    def __init__(self, folder: Path, kept: tuple[int, int], telemetry: Telemetry, export: Export | None = None) -> None:
        """Open the rolls. kept: bytes of log lines and of spans on disk, 0 = in memory only."""
        self._telemetry = telemetry
        self._losing = set[Kind]()
        self._lines = Kept(LogLine, self._roll(folder, "logs", kept[0]))
        self._spans = Kept(Span, self._roll(folder, "traces", kept[1]))
        self.reports = Reports(self._lines, self._spans)
        self._export = export
        self.node = ""
        """Whose reports they are."""
        self.sender: Sender | None = None
        """Sends them up; None = they stay here."""
        self.below: Below | None = None
        """Asks the nodes below for their steps of a trace."""
        self._seen = 0
        tracer = telemetry.tracer
        if tracer is not None:
            tracer.on_spans(self._take)
            telemetry.counter(
                "trace_steps_taken", "How often a trace was taken up, at any of its steps.", lambda: tracer.taken
            )
            telemetry.counter("traces_let_go", "Traces beyond what is taken a second.", lambda: tracer.let_go)
        telemetry.counter(
            "report_items_lost", "Spans and log lines that were neither kept nor exported.", lambda: self.lost
        )
        telemetry.gauge("reports_bytes", "Spans and log lines on disk.", self._bytes)
        if export is not None:
            export.attach(self._lines, self._spans)

    @property
    def lost(self) -> int:
        """Spans and lines that could be neither kept nor exported, since the start."""
        missed = sum(one.lost + (0 if one.roll is None else one.roll.missed) for one in (self._lines, self._spans))
        return missed + (0 if self._export is None else self._export.refused)

    async def run(self) -> None:
        """Store now and then, and export; cancel to stop."""
        others = [] if self._export is None else [asyncio.ensure_future(self._export.run())]
        others += [] if self.sender is None else [asyncio.ensure_future(self.sender.run(self.fresh))]
        try:
            while True:
                await asyncio.sleep(STORE_EVERY_S)
                await self.store()
        finally:
            for other in others:
                other.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def send(self) -> None:
        """Send up what was written until now; returns when it's safe in the journal."""
        if self.sender is not None:
            self.fresh()
            await self.sender.send()

    async def close(self) -> None:
        """Store what is left."""
        await self.store()
        if self._export is not None:
            await self._export.close()

    async def store(self) -> None:
        """Write what waits to disk."""
        self.fresh()
        if self._lines.waits or self._spans.waits:
            await asyncio.to_thread(self._store)

    def _store(self) -> None:
        for kept, kind in ((self._lines, KINDS[0]), (self._spans, KINDS[1])):
            try:
                kept.store()
            except StorageError as error:
                self._failed(kind, error)
            except Exception as bug:  # noqa: BLE001  # a fault of ours must be said, and must not end all keeping
                self._failed(kind, StorageError(f"unexpected: {bug!r}"))
            else:
                self._losing.discard(kind)

    def _failed(self, kind: Kind, error: StorageError) -> None:
        if kind not in self._losing:
            self._losing.add(kind)
            self._telemetry.emit(ReportsLost(kind=kind, cause=str(error)))

    def _take(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self._spans.add(span)
        if self.sender is not None:
            self.sender.take_spans(spans)

    def fresh(self) -> None:
        """Take the log's newest lines, so that questions find them."""
        for line in self._telemetry.lines.after(self._seen):
            self._lines.lost += line.n - self._seen - 1
            self._seen = line.n
            self._lines.add(line)
            if self.sender is not None:
                self.sender.take_line(line)

    def _bytes(self) -> int:
        return sum(one.roll.size_bytes() for one in (self._lines, self._spans) if one.roll is not None)

    def _roll(self, folder: Path, kind: Kind, most_bytes: int) -> Roll | None:
        """A folder that can't be used is no reason not to serve devices."""
        if not most_bytes:
            return None
        try:
            return Roll(folder, kind, most_bytes)
        except StorageError as error:
            self._failed(kind, error)
            return None
