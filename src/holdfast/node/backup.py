"""Backs up the journal and the small files beside it, and tells children what they needn't keep (RELIABILITY §2.6)."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from holdfast.journal.branches import marks_of_all
from holdfast.journal.journal import Journal
from holdfast.journal.opening import Access
from holdfast.kernel.clock import Clock
from holdfast.kernel.scalars import Duration
from holdfast.node.happenings import BackupFailed, BackupMade
from holdfast.node.kept import kept_of
from holdfast.storage.backup import back_up
from holdfast.storage.errors import StorageError
from holdfast.telemetry.happenings import Telemetry

LOOK_EVERY_S = 60.0
STAMP = "%Y%m%dT%H%M%SZ"
_NS = 1_000_000_000


class BackupSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`backup:` in node.yaml. The folder belongs on another disk, and is relative to node.yaml."""

    folder: str
    every: Duration = 86_400.0
    keep: Annotated[int, Meta(ge=1, le=10_000)] = 7
    """How many of them; the oldest go first."""


class Backups:
    """Makes the copies. `run` is its only task's body."""

    def __init__(
        self, settings: BackupSettings, folder: Path, journal: Journal, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._settings, self._folder, self._journal = settings, folder, journal
        self._clock, self._telemetry = clock, telemetry
        self._access = journal.access
        self.newest_ns = newest_ns(self.files())
        telemetry.gauge(
            "backup_newest_timestamp_seconds", "When the newest backup was made, UTC; 0 = never.", self._newest_s
        )

    def files(self) -> list[Path]:
        """The backups that are there, oldest first."""
        return backups_in(self._folder, self._journal.node)

    async def run(self) -> None:
        """Make one whenever it's due, for ever."""
        while True:
            if self._clock.wall_ns() - self.newest_ns >= self._settings.every * _NS:
                await self.once()
            await asyncio.sleep(min(LOOK_EVERY_S, max(1.0, self._settings.every)))

    async def once(self) -> None:
        """Make one now; a failure is told, and tried again in a minute."""
        now_ns, began = self._clock.wall_ns(), self._clock.monotonic()
        stamp = datetime.fromtimestamp(now_ns // _NS, UTC).strftime(STAMP)
        target = self._folder / f"{self._journal.node}-{stamp}.db"
        try:
            size, left_out = await asyncio.to_thread(self._copy, target)
            held = await asyncio.to_thread(marks_in, Access(target, self._access.key))
        except StorageError as error:
            self._telemetry.emit(BackupFailed(detail=str(error)))
            return
        await self._journal.submit(lambda tx: tx.set_safe(held))
        self.newest_ns = now_ns
        for old in self.files()[: -self._settings.keep]:
            old.unlink(missing_ok=True)
        self._telemetry.emit(
            BackupMade(
                file=str(target), bytes=size, seconds=round(self._clock.monotonic() - began, 3), left_out=left_out
            )
        )

    def _copy(self, target: Path) -> tuple[int, int]:
        """Blocking. Bytes of the copy, and how many files beside the journal found no room in it."""
        kept, left_out = kept_of(self._access.path.parent)
        return back_up(self._access.path, target, self._access.key, self._access.vfs, kept), left_out

    def _newest_s(self) -> float:
        return self.newest_ns / _NS


def marks_in(access: Access) -> list[tuple[str, int, int, int]]:
    """(child, branch, lane, watermark) as a backup has them: what it says, not what was meant."""
    db = access.reader()
    try:
        return marks_of_all(db)
    finally:
        db.close()


def backups_in(folder: Path, node: str) -> list[Path]:
    """A node's backups in a folder, oldest first."""
    # a neighbour that keeps its own here may be called `NODE-2`
    return sorted(file for file in folder.glob(f"{node}-*.db") if file.stem.rpartition("-")[0] == node)


def newest_ns(files: list[Path]) -> int:
    """When the newest of these backups was made, by its name; 0 = there is none."""
    for file in reversed(files):
        try:
            made = datetime.strptime(file.stem.rpartition("-")[2], STAMP).replace(tzinfo=UTC)
        except ValueError:
            continue
        return int(made.timestamp()) * _NS
    return 0
