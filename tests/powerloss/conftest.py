"""Where images lie: in memory, where the machine has room for files there."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def ram() -> Iterator[Path]:
    shm = Path("/dev/shm")
    home = Path(tempfile.mkdtemp(prefix="powerloss-", dir=shm if shm.is_dir() else None))
    yield home
    shutil.rmtree(home)
