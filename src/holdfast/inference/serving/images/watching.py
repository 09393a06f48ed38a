"""New files of a folder, oldest first, and what becomes of them. Blocking, never on the loop.

A file is taken when two looks found it the same, so that one that is still being written isn't. It leaves its place
only once its result is stored: after a crash what hadn't left is found again.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from holdfast.storage.files import make_directory, sync_directory

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
DONE, REFUSED = "done", "refused"
MOST_LISTED = 1000
"""Files of one look; the others wait for a later one."""
MOST_SEEN = 100_000
"""Files looked at in one look, whatever their names."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file. modified_ns: UTC; folder: the name of the one it lies in, "" = the watched one itself."""

    path: str
    folder: str
    size: int
    modified_ns: int


class Watch:
    """One folder's."""

    def __init__(self, root: Path, *, deletes: bool, keep: int, keep_bytes: int | None = None) -> None:
        """keep, keep_bytes: of what stays in `done/`, and as much in `refused/`."""
        self.root = root
        self._deletes, self._keep, self._keep_bytes = deletes, keep, keep_bytes
        self._before: dict[str, tuple[int, int]] = {}

    def look(self) -> list[Found]:
        """Files that are whole, oldest first.

        Raises:
            OSError: when the folder can't be read.
        """
        found = sorted(self._files(), key=lambda one: (one.modified_ns, one.path))[:MOST_LISTED]
        before, self._before = self._before, {one.path: (one.size, one.modified_ns) for one in found}
        return [one for one in found if before.get(one.path) == (one.size, one.modified_ns)]

    def read(self, found: Found, most_bytes: int) -> bytes:
        """Its bytes, one more than allowed at most.

        Raises:
            OSError: when it can't be read.
        """
        with Path(found.path).open("rb") as file:
            return file.read(most_bytes + 1)

    def settle(self, found: Found, *, refused: bool) -> None:
        """It's done with.

        Raises:
            OSError: when it can't be moved or deleted.
        """
        if self._deletes and not refused:
            path = Path(found.path)
            path.unlink(missing_ok=True)
            sync_directory(path.parent)  # or it might be back, and scored again, after a power cut
            return
        to = self.root / (REFUSED if refused else DONE)
        make_directory(to)
        prefix = f"{found.folder}-" if found.folder else ""
        Path(found.path).replace(to / f"{found.modified_ns}-{prefix}{Path(found.path).name}"[:4000])
        sync_directory(to)
        self._tidy(to)

    def _tidy(self, folder: Path) -> None:
        files = [entry for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
        files.sort(key=lambda entry: _time_in(entry.name), reverse=True)
        most, together = self._keep_bytes, 0
        for place, entry in enumerate(files):
            together += 0 if most is None else entry.stat(follow_symlinks=False).st_size
            if place >= self._keep or (most is not None and together > most):
                Path(entry.path).unlink(missing_ok=True)

    def _files(self) -> Iterable[Found]:
        seen = 0
        folders = [("", self.root)]
        for name, folder in folders:
            for entry in os.scandir(folder):
                seen += 1
                if seen > MOST_SEEN:
                    return
                if not name and entry.is_dir(follow_symlinks=False):
                    if entry.name not in (DONE, REFUSED) and not entry.name.startswith("."):
                        folders.append((entry.name, Path(entry.path)))
                elif entry.name.lower().endswith(ENDINGS) and not entry.name.startswith("."):
                    with suppress(FileNotFoundError):  # it has just gone
                        if entry.is_file(follow_symlinks=False):
                            stat = entry.stat(follow_symlinks=False)
                            yield Found(entry.path, name, stat.st_size, stat.st_mtime_ns)


def _time_in(name: str) -> tuple[int, str]:
    stamp = name.partition("-")[0]
    return (int(stamp) if stamp.isdigit() else 0), name
