"""Objects in a folder elsewhere: whole or not at all, never beside a mount, and nobody waits for a silent store."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.kernel.clock import ManualClock
from holdfast.storage.errors import ObjectsUnreachable
from holdfast.storage.objects import FolderObjects
from holdfast.storage.patience import Patience


def test_a_call_that_hangs_is_left_behind_and_the_next_ones_fail_at_once() -> None:
    release, clock = threading.Event(), ManualClock()

    class Hanging:
        def get(self, *_: object) -> bytes:
            release.wait(20)
            return b""

    patient = Patience(Hanging(), 0.05, clock)  # type: ignore[arg-type]  # only `get` is asked
    with pytest.raises(ObjectsUnreachable, match=r"no answer within 0\.05 s"):
        patient.get("x", 0, 1)
    for _ in range(50):
        with pytest.raises(ObjectsUnreachable):
            patient.get("x", 0, 1)
    assert patient.trouble
    clock.advance(16)
    assert not patient.trouble
    release.set()
    assert patient.get("x", 0, 1) == b""


def test_a_folder_that_is_not_mounted_is_never_made(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path / "nas/lake", "gw")
    with pytest.raises(ObjectsUnreachable, match="isn't there"):
        store.put("a", [b"x"])
    assert not (tmp_path / "nas").exists()
    (tmp_path / "nas/lake").mkdir(parents=True)
    store.put("a", [b"x"])
    assert (tmp_path / "nas/lake/gw/a").read_bytes() == b"x"


def test_an_interrupted_put_leaves_no_object_and_no_bytes(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise ObjectsUnreachable("cut")

    store = FolderObjects(tmp_path)
    with pytest.raises(ObjectsUnreachable):
        store.put("readings/a", parts())
    assert list(store.names()) == []
    assert list((tmp_path / "readings").iterdir()) == []


def test_what_a_crash_left_of_a_put_goes_with_its_object(tmp_path: Path) -> None:
    left = tmp_path / "readings" / ".new-a"
    left.parent.mkdir()
    left.write_bytes(b"half")
    FolderObjects(tmp_path).remove("readings/a")
    assert not left.exists()
