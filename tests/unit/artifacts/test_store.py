import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from holdfast.artifacts.digests import digest_of
from holdfast.artifacts.entries import Entry
from holdfast.artifacts.errors import (
    ArtifactAbsent,
    ArtifactPinned,
    ArtifactsFull,
    ArtifactTooLarge,
    ArtifactWrong,
    DigestInvalid,
)
from holdfast.artifacts.parts import BLOCK
from holdfast.artifacts.settings import ArtifactSettings
from holdfast.artifacts.store import LOOK_S, ArtifactStore
from holdfast.kernel.clock import ManualClock
from holdfast.telemetry.happenings import Happening

SMALL = ArtifactSettings(max_bytes=1_000, largest=600)


class Shelf:
    def __init__(self, root: Path, settings: ArtifactSettings = SMALL) -> None:
        self.root, self.clock, self.told = root, ManualClock(), list[Happening]()
        self.store = ArtifactStore(root, settings, self.clock, self.told.append)

    def put(self, body: bytes, *, pinned: bool = False) -> Entry:
        self.clock.advance(1.0)
        return self.store.put(io.BytesIO(body), "x", pinned=pinned)

    def read(self, digest: str) -> bytes:
        opened = self.store.open(digest)
        try:
            return opened.read(0, opened.size)
        finally:
            opened.close()

    def names(self) -> set[str]:
        return {one.digest for one in self.store.entries()}

    def again(self) -> "Shelf":
        return Shelf(self.root)


@contextmanager
def refused(kind: type[Exception]) -> Iterator[None]:
    with pytest.raises(kind) as found:
        yield
    assert str(found.value)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "artifacts")


def test_what_is_put_is_named_by_its_digest_and_there_after_a_restart(shelf: Shelf) -> None:
    entry = shelf.put(b"weights", pinned=True)
    assert entry.digest == sha256(b"weights").hexdigest()
    assert shelf.read(entry.digest) == b"weights"
    (found,) = shelf.again().store.entries()
    assert (found.name, found.pinned, found.how, found.bytes) == ("x", True, "put", 7)
    assert shelf.again().read(entry.digest) == b"weights"
    assert not (shelf.root / "new").exists()


def test_a_put_that_is_cut_or_wrong_leaves_nothing(shelf: Shelf) -> None:
    with shelf.store.putting(None) as putting:
        putting.write(b"half")
    with refused(ArtifactWrong), shelf.store.putting(None) as putting:
        putting.write(b"other")
        putting.keep("ab" * 32)
    assert shelf.names() == set()
    (shelf.root / "new" / "crashed").write_bytes(b"half")
    assert shelf.again().names() == set()
    assert not (shelf.root / "new").exists()


def test_the_longest_unused_goes_first_but_not_what_is_pinned_or_held(shelf: Shelf) -> None:
    pinned, old, used, held = (
        shelf.put(b"p" * 250, pinned=True),
        shelf.put(b"o" * 250),
        shelf.put(b"u" * 250),
        shelf.put(b"h" * 250),
    )
    assert shelf.read(old.digest)
    with shelf.store.holding(held.digest):
        new = shelf.put(b"n" * 250)
        assert shelf.names() == {pinned.digest, old.digest, held.digest, new.digest}
        assert used.digest not in shelf.again().names()
        with refused(ArtifactPinned):
            shelf.store.remove(held.digest)
    shelf.store.remove(held.digest)
    with refused(ArtifactsFull):
        shelf.put(b"m" * 600, pinned=True) and shelf.put(b"k" * 600)
    with refused(ArtifactTooLarge):
        shelf.put(b"l" * 601)


def test_the_order_of_use_is_remembered_even_where_the_clock_went_back(shelf: Shelf) -> None:
    first, second = shelf.put(b"1" * 400), shelf.put(b"2" * 400)
    shelf.clock.set_wall(10**9)
    assert shelf.read(first.digest)
    again = shelf.again()
    again.clock.set_wall(10**9)
    again.put(b"3" * 400)
    assert second.digest not in again.names()
    assert first.digest in again.names()


def test_what_is_pinned_stays_until_it_is_not(shelf: Shelf) -> None:
    entry = shelf.put(b"a", pinned=True)
    with refused(ArtifactPinned):
        shelf.store.remove(entry.digest)
    shelf.store.pin(entry.digest, on=False)
    assert not shelf.again().store.entries()[0].pinned
    shelf.store.remove(entry.digest)
    assert shelf.again().names() == set()
    for change in (shelf.store.remove, lambda digest: shelf.store.pin(digest, on=True)):
        with refused(ArtifactAbsent):
            change(entry.digest)


def test_a_file_that_the_disk_spoilt_is_set_aside_and_absent(shelf: Shelf) -> None:
    entry = shelf.put(b"right bytes")
    path = shelf.root / entry.digest
    about = path.stat()
    assert shelf.read(entry.digest) == b"right bytes"
    path.write_bytes(b"wrong bytes")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))  # the inode's change time tells, all the same
    with refused(ArtifactAbsent):
        shelf.store.open(entry.digest)
    assert shelf.names() == set()
    assert [type(one).__name__ for one in shelf.told] == ["ArtifactKept", "ArtifactDamaged"]
    (aside,) = (shelf.root / "bad").iterdir()
    assert aside.read_bytes() == b"wrong bytes"
    assert shelf.put(b"right bytes").digest == entry.digest
    assert shelf.read(entry.digest) == b"right bytes"


def test_bytes_that_rot_unseen_are_found_at_the_next_look(shelf: Shelf) -> None:
    entry = shelf.put(b"right bytes")
    shelf.read(entry.digest)
    path = shelf.root / entry.digest
    seen, _ = shelf.store._looked[entry.digest]
    path.write_bytes(b"wrong bytes")
    about = path.stat()  # as if nothing had changed
    shelf.store._looked[entry.digest] = (
        (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns),
        shelf.clock.monotonic(),
    )
    assert len(seen) == 4
    assert shelf.read(entry.digest) == b"wrong bytes"
    shelf.clock.advance(LOOK_S)
    with refused(ArtifactAbsent):
        shelf.store.open(entry.digest)


def test_of_damaged_files_a_few_are_kept(shelf: Shelf) -> None:
    for n in range(5):
        entry = shelf.put(b"%d" % n)
        (shelf.root / entry.digest).write_bytes(b"?")
        with refused(ArtifactAbsent):
            shelf.store.open(entry.digest)
    assert len(list((shelf.root / "bad").iterdir())) == 2


def test_a_file_that_vanished_is_absent_and_a_lost_note_pins(shelf: Shelf) -> None:
    gone, kept = shelf.put(b"gone"), shelf.put(b"kept")
    (shelf.root / gone.digest).unlink()
    with refused(ArtifactAbsent):
        shelf.store.open(gone.digest)
    (shelf.root / "notes" / f"{kept.digest}.json").write_bytes(b"{torn")
    assert shelf.again().store.entry(kept.digest).pinned  # type: ignore[union-attr]  # it's there


def test_a_part_becomes_an_artifact_if_it_is_the_one(shelf: Shelf) -> None:
    body = b"z" * 500
    digest = sha256(body).hexdigest()
    part = shelf.store.begin_part(digest, len(body))
    assert shelf.store.parts() == [digest]
    with refused(ArtifactsFull):
        shelf.store.make_room(501)  # a part's room is taken
    part.write(0, body)
    entry = shelf.store.adopt(digest, part)
    assert (entry.how, entry.pinned, shelf.read(digest)) == ("fetched", False, body)
    assert shelf.store.parts() == []
    other = shelf.store.begin_part("ab" * 32, 3)
    other.write(0, b"abc")
    with refused(ArtifactWrong):
        shelf.store.adopt("ab" * 32, other)
    assert shelf.store.parts() == []
    assert shelf.names() == {digest}


def test_what_cannot_be_gone_on_with_is_begun_anew(shelf: Shelf) -> None:
    part = shelf.store.begin_part("cd" * 32, 10)
    part.close()
    (shelf.root / "parts" / f"{'cd' * 32}.ranges").unlink()
    assert shelf.store.part("cd" * 32) is None
    assert shelf.store.parts() == []
    assert BLOCK == 65_536


@pytest.mark.parametrize("text", ["", "abc", "g" * 64, "a" * 63, "a" * 65, "../" + "a" * 61, "sha512:" + "a" * 64])
def test_only_a_sha_256_is_a_digest(text: str) -> None:
    with refused(DigestInvalid):
        digest_of(text)
    assert digest_of(f" sha256:{'AB' * 32}\n") == "ab" * 32
