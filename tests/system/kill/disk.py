"""A small disk of its own for a node's data, and a foreign file that takes what is left of it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from holdfast.storage.ballast import free_bytes

CHUNK = 65_536


class Disk:
    """A mounted tmpfs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "somebody-elses.bin"

    def fill(self) -> None:
        """Let the foreign file take what there is now; not what somebody gives up meanwhile."""
        left = self.room
        with suppress(OSError), self._filler.open("ab", buffering=0) as out:
            while left > 0:
                left -= out.write(bytes(min(CHUNK, left)))

    def free(self) -> None:
        """Take the foreign file away."""
        self._filler.unlink()

    @property
    def room(self) -> int:
        """Bytes left."""
        return free_bytes(self.folder)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Disk]:
    """A tmpfs of `size` bytes at `folder`; skips the test where it can't be mounted."""
    if os.geteuid():
        pytest.skip("only root may mount a tmpfs")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs can't be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
