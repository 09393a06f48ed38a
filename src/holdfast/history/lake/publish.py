"""Makes the folder show what the catalogue says, so that who reads the Parquet files sees every reading at most once.

A file that only comes is renamed from its hidden name. Where files go as others come (a merge), the day's directory is
built anew beside the old one from hard links, and the two are swapped in one step: who lists it sees the one or the
other. Everything here can be done again after a crash: it begins with what is there.
"""

from collections.abc import Collection, Iterable

from holdfast.history.lake.layout import SWAP, TRASH, hidden, partition, swapped, whereabouts
from holdfast.storage.folder import Folder


def in_trash(name: str) -> str:
    """Where a file goes that is no part of the lake any more."""
    return f"{TRASH}/{name}"


def publish(folder: Folder, directory: str, live: Collection[str], doomed: Collection[str]) -> None:
    """Make a partition hold the files `live`; what else was visible goes to the trash when `doomed`, or away."""
    side = swapped(directory)
    visible = [name for name in folder.names(directory) if partition(name) == directory]
    gone = [name for name in visible if name not in live]
    coming = [name for name in live if name not in visible]
    if gone and coming:
        folder.remove(side)
        for name in live:
            folder.link(_where(folder, name), f"{side}/{_base(name)}")
        folder.sync(side)
        folder.exchange(directory, side)
        for name in gone:
            _discard(folder, f"{side}/{_base(name)}", name, keep=name in doomed)
        folder.remove(side)
    else:
        for name in coming:
            folder.rename(_where(folder, name), name)
        for name in gone:
            _discard(folder, name, name, keep=name in doomed)
    for name in live:
        folder.remove(hidden(name))


def tidy(folder: Folder, live: Collection[str], doomed: Collection[str]) -> int:
    """After a start: finish what was interrupted, and remove what nobody knows; returns the files removed."""
    known = {*live, *(in_trash(name) for name in doomed)}
    present = set(folder.names())
    for name in present:
        if name.startswith(SWAP):  # the swap was made, or not; what was moved out comes back
            original = name.removeprefix(SWAP)
            if original in doomed:
                folder.rename(name, in_trash(original))
    for directory in sorted({partition(name) for name in (*live, *present) if not name.startswith(".")}):
        if "/." not in f"/{directory}":
            publish(folder, directory, [name for name in live if partition(name) == directory], doomed)
    strays = [name for name in folder.names() if name not in known]
    for name in strays:
        folder.remove(name)
    return len(strays)


def forget(folder: Folder, names: Iterable[str]) -> None:
    """Remove files from the trash."""
    for name in names:
        folder.remove(in_trash(name))


def _discard(folder: Folder, where: str, name: str, *, keep: bool) -> None:
    if keep:
        folder.rename(where, in_trash(name))
    else:
        folder.remove(where)


def _where(folder: Folder, name: str) -> str:
    """Under which of its names a live file lies now."""
    _, *later = whereabouts(name)
    return next((one for one in (name, hidden(name), *later) if folder.size(one) is not None), name)


def _base(name: str) -> str:
    return name.rpartition("/")[2]
