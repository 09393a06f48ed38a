"""Before a journal file is opened: finish what a crash interrupted, look for damage, rescue, put the key in place.

The order matters. A half-done swap of files is finished first. Then the WAL is looked at as it lies, because opening
the file ends it; only then may a file whose sync has failed be copied, or its key be changed.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from holdfast.kernel.errors import HoldfastError
from holdfast.storage import replace
from holdfast.storage.convert import convert
from holdfast.storage.keys import new_key_file, parse_hex_key, read_key_file
from holdfast.storage.rescue import is_poisoned, rescue
from holdfast.storage.sqlite import Connection, is_plain, open_reader, open_writer
from holdfast.storage.wal import inspect_wal, lost_transactions


class KeySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`journal.key`: where the 256-bit key comes from. One of both."""

    file: str = ""
    """64 hex digits or 32 bytes, readable by the owner alone; made when there is no journal to lose yet."""
    env: str = ""
    """Name of an environment variable with 64 hex digits."""


class KeyMissing(HoldfastError):
    """The settings name a key that isn't there."""

    hint = "put the key back from your backup: without it the journal can't be read by anyone"


@dataclass(frozen=True, slots=True)
class Access:
    """How a journal file is opened. vfs: SQLite's file layer, for the power-loss harness."""

    path: Path
    key: bytes | None = None
    vfs: str = ""

    def writer(self, quota: int) -> Connection:
        """The one writing connection."""
        return open_writer(self.path, quota, self.key, self.vfs)

    def reader(self) -> Connection:
        """A read-only connection."""
        return open_reader(self.path, self.key, self.vfs)


@dataclass(frozen=True, slots=True)
class Found:
    """What opening found and did. lost_transactions: committed ones whose WAL is damaged; the file was put aside."""

    lost_transactions: int = 0
    rescued: bool = False
    rekeyed: bool = False


def read_key(settings: KeySettings | None, folder: Path, journal: Path) -> bytes | None:
    """The key that the settings name; None without any.

    Raises:
        KeyMissing, KeyUnusable: when it isn't there or is no key.
    """
    if settings is None or not (settings.file or settings.env):
        return None
    if settings.env:
        text = os.environ.get(settings.env, "")
        if not text:
            raise KeyMissing(f"the environment variable {settings.env} is empty; journal.key.env names it")
        return parse_hex_key(text)
    path = folder / settings.file
    if not path.exists() and (not journal.exists() or is_plain(journal)):
        return new_key_file(path)
    return read_key_file(path)


def prepare(access: Access) -> Found:
    """Make the file ready to be opened.

    Raises:
        StorageError: when the file can't be used; nothing was lost by trying.
    """
    path = access.path
    replace.finish(path)
    if not path.exists():
        return Found()
    lost = lost_transactions(inspect_wal(path))
    if lost:
        aside = path.with_name(f"{path.name}-wal.damaged")
        shutil.copyfile(path.with_name(f"{path.name}-wal"), aside)
    poisoned = is_poisoned(path)
    if poisoned:
        rescue(path, None if is_plain(path) else access.key)
    rekeyed = access.key is not None and path.stat().st_size > 0 and is_plain(path)
    if rekeyed:
        convert(path, None, access.key)
    return Found(lost, poisoned, rekeyed)
