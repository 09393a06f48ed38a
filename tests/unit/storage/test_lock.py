import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.storage.errors import InUse, StorageUnusable
from holdfast.storage.lock import FileLock, is_locked


def test_a_second_writer_is_told_who_has_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    assert not is_locked(path)
    first = FileLock(path)
    assert is_locked(path)
    with pytest.raises(InUse, match=f"in use by process {os.getpid()}") as caught:
        FileLock(path)
    assert "stop the other one" in caught.value.hint
    first.release()
    first.release()
    assert not is_locked(path)
    FileLock(path).release()


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    code = (
        "import sys, time, pathlib; from holdfast.storage.lock import FileLock; "
        "held = FileLock(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InUse, match=str(other.pid)):
            FileLock(path)
        other.send_signal(signal.SIGKILL)
        other.wait()
    FileLock(path).release()


def test_a_forgotten_lock_is_let_go_of(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "journal.db")
    del lock
    FileLock(tmp_path / "journal.db").release()


def test_a_lock_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "journal.db.lock").mkdir()
    with pytest.raises(StorageUnusable, match="can't be made"):
        FileLock(tmp_path / "journal.db")
