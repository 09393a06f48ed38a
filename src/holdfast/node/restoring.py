"""Puts a backup in the place of a stopped node's journal, with the small files that went with it."""

from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from holdfast.journal.journal import FILE_NAME
from holdfast.journal.opening import Access, read_key
from holdfast.journal.reader import JournalReader
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.node.backup import STAMP, newest_ns
from holdfast.node.kept import Returned, give_back
from holdfast.node.settings import NodePlan
from holdfast.node.shelf import FOLDER as RULES
from holdfast.storage.backup import back_up, kept_in
from holdfast.storage.files import sync_directory
from holdfast.storage.lock import FileLock
from holdfast.storage.sqlite import translated


class RestoreRefused(HoldfastError):
    """The backup wasn't put back; nothing has changed."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


class Restored(Struct, frozen=True):
    """What was put where. heads: the last row of each lane; aside: what was there before, under its new name."""

    journal: str
    heads: dict[str, int]
    aside: list[str]
    files: Returned


def restore(plan: NodePlan, backup: Path, clock: Clock, *, replace: bool) -> Restored:
    """Put it back. Blocking.

    replace: a journal and rules of the page that are there are set aside; otherwise they refuse it, or stay

    Raises:
        RestoreRefused: when it's another node's, or a journal is there already.
        InUse: while the node runs.
        StorageError: when a file can't be used.
    """
    journal = plan.data / FILE_NAME
    key = read_key(plan.settings.journal.key, plan.folder, journal)
    heads = _heads(backup, key, plan.settings.node)
    lock = FileLock(journal)
    try:
        stamp = datetime.fromtimestamp(clock.wall_ns() // NS_PER_S, UTC).strftime(STAMP)
        if journal.exists() and not replace:
            raise RestoreRefused(f"{journal} is there already", "--replace sets it aside, and the page's rules with it")
        kept, aside = kept_in(backup, key), list[str]()
        if replace:
            aside = _set_aside(plan.data, stamp)
        else:  # what is left of a journal that is gone must not be taken for this one's
            for end in ("-wal", "-shm"):
                journal.with_name(journal.name + end).unlink(missing_ok=True)
        back_up(backup, journal, key)
        return Restored(str(journal), heads, aside, give_back(kept, plan.data))
    finally:
        lock.release()


def _heads(backup: Path, key: bytes | None, node: str) -> dict[str, int]:
    if not backup.is_file():
        raise RestoreRefused(f"there is no file {backup}", "name one of the files in the folder of `backup:`")
    if newest_ns([backup]) and (other := backup.stem.rpartition("-")[0]) != node:
        raise RestoreRefused(f"{backup} is of the node {other}, not of {node}", "name one of this node's")
    reader = JournalReader(Access(backup, key))
    try:
        return {lane.name.lower(): head for lane, head in reader.heads().items()}
    finally:
        reader.close()


def _set_aside(data: Path, stamp: str) -> list[str]:
    """The journal goes last: until then a second try finds everything as it was, or set aside."""
    aside = list[str]()
    with translated():
        for name in (RULES, f"{FILE_NAME}-shm", f"{FILE_NAME}-wal", FILE_NAME):
            path = data / name
            if path.exists():
                to = data / f"{name}.before-{stamp}"
                path.rename(to)
                aside.append(str(to))
        sync_directory(data)
    return aside
