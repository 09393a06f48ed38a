import random
import struct
from pathlib import Path

import numpy as np
import pytest
from tests.recovery import recovered_frames

from holdfast.storage.sqlite import Connection, open_writer, row
from holdfast.storage.wal import HEADER_BYTES, WalView, inspect_wal, lost_transactions

KEY = bytes(range(32))
FRAME = 24 + 4096
keys = pytest.mark.parametrize("key", [None, KEY])


class Files:
    """A database as a power cut finds it: `count` transactions in the WAL, each of some frames."""

    def __init__(self, home: Path, key: bytes | None, count: int = 12, first: int = 0) -> None:
        self.key = key
        self.path = home / "a.db"
        live = home / "live.db"
        db = open_writer(live, key=key)
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
        self.ends: list[int] = []
        db.set_wal_hook(self.committed)
        for _ in range(first):  # a generation before, whose frames stay in the file behind the new ones
            db.execute("INSERT INTO t (x) VALUES (randomblob(9000))")
        db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        self.ends.clear()
        for i in range(count):
            db.execute("INSERT INTO t (x) VALUES (randomblob(?))", (3000 + 4000 * (i % 3),))
        self.main, self.wal = live.read_bytes(), (home / "live.db-wal").read_bytes()
        db.close()
        live.unlink()

    def committed(self, _db: Connection, _name: str, frames: int) -> int:
        self.ends.append(frames)
        return 0

    def lay(self, wal: bytes) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(f"a.db{suffix}").unlink(missing_ok=True)
        self.path.write_bytes(self.main)
        self.path.with_name("a.db-wal").write_bytes(wal)

    def look(self, wal: bytes) -> tuple[WalView, int, int]:
        """The view, the frames SQLite took over, the transactions reported as lost."""
        self.lay(wal)
        view = inspect_wal(self.path)
        db = open_writer(self.path, key=self.key)
        recovered = recovered_frames(db)
        db.close()
        assert recovered == view.valid_frames
        return view, recovered, lost_transactions(view)


def flipped(data: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


@keys
def test_an_intact_wal_raises_no_alarm(tmp_path: Path, key: bytes | None) -> None:
    files = Files(tmp_path, key)
    view, recovered, lost = files.look(files.wal)
    assert view.header_ok
    assert view.frames == view.valid_frames == recovered == files.ends[-1]
    assert view.whole.all()
    assert list(np.flatnonzero(view.commits) + 1) == files.ends
    assert lost == 0


@keys
def test_a_torn_tail_is_a_power_cut_and_no_alarm(tmp_path: Path, key: bytes | None) -> None:
    files = Files(tmp_path, key)
    rng = random.Random(2)
    last = HEADER_BYTES + files.ends[-2] * FRAME
    for _ in range(60):
        torn = bytearray(files.wal)
        for start in range(last - last % 512, len(torn), 512):
            if rng.random() < 0.4:
                torn[max(start, last) : start + 512] = bytes(min(start + 512, len(torn)) - max(start, last))
        view, recovered, lost = files.look(bytes(torn))
        assert recovered == view.valid_frames
        assert lost == 0
    for cut in (1, 100, 4000, FRAME, FRAME + 3000):
        view, recovered, lost = files.look(files.wal[:-cut])
        assert recovered == view.valid_frames == files.ends[-2]
        assert lost == 0


@keys
def test_a_flipped_bit_in_the_middle_raises_the_alarm_with_the_count(tmp_path: Path, key: bytes | None) -> None:
    files = Files(tmp_path, key)
    rng = random.Random(3)
    for _ in range(120):
        hit = rng.randrange(len(files.ends) - 1)
        start = files.ends[hit - 1] if hit else 0
        frame = rng.randrange(start, files.ends[hit])
        offset = rng.choice([*range(4), *range(8, 24), rng.randrange(24, FRAME)])
        wal = flipped(files.wal, HEADER_BYTES + frame * FRAME + offset, rng.randrange(8))
        view, recovered, lost = files.look(wal)
        assert recovered == view.valid_frames == start
        expected = len(files.ends) - hit
        is_unproven = hit == len(files.ends) - 2 and frame == files.ends[hit] - 1 and 8 <= offset < 16
        assert lost == (0 if is_unproven else expected), (hit, frame, offset)


@keys
def test_damage_in_the_last_transaction_cannot_be_told_from_a_power_cut(tmp_path: Path, key: bytes | None) -> None:
    files = Files(tmp_path, key)
    wal = flipped(files.wal, len(files.wal) - 9, 1)
    view, recovered, lost = files.look(wal)
    assert recovered == view.valid_frames == files.ends[-2]
    assert lost == 0


@keys
def test_a_torn_last_transaction_behind_a_flipped_bit_is_not_counted(tmp_path: Path, key: bytes | None) -> None:
    files = Files(tmp_path, key)
    wal = bytearray(flipped(files.wal, HEADER_BYTES + files.ends[3] * FRAME + 500, 0))
    wal[-FRAME - 600 : -FRAME - 88] = bytes(512)
    _, recovered, lost = files.look(bytes(wal))
    assert recovered == files.ends[3]
    assert lost == len(files.ends) - 5


@keys
def test_a_damaged_header_loses_everything_and_says_so(tmp_path: Path, key: bytes | None) -> None:
    files = Files(tmp_path, key)
    for at in (0, 6, 10, 13, 17, 22, 25, 31):
        view, recovered, lost = files.look(flipped(files.wal, at, 2))
        assert not view.header_ok
        assert recovered == view.valid_frames == 0
        assert lost == len(files.ends)


def test_no_empty_short_or_blank_wal_raises_an_alarm(tmp_path: Path) -> None:
    files = Files(tmp_path, None, count=2)
    for wal in (b"", files.wal[:10], files.wal[:32], files.wal[:40], bytes(9000)):
        view, recovered, lost = files.look(wal)
        assert (recovered, view.valid_frames, lost) == (0, 0, 0)
    assert inspect_wal(tmp_path / "none.db").frames == 0


def test_frames_of_the_generation_before_are_not_counted(tmp_path: Path) -> None:
    files = Files(tmp_path, None, count=4, first=30)
    view, recovered, lost = files.look(files.wal)
    assert (len(files.wal) - HEADER_BYTES) // FRAME > view.frames
    assert recovered == view.valid_frames == view.frames
    assert lost == 0
    salt = HEADER_BYTES + (view.frames - 1) * FRAME  # a torn last transaction over old frames
    torn = files.wal[: salt + 8] + bytes(16) + files.wal[salt + 24 :]
    view, recovered, lost = files.look(torn)
    assert recovered == view.valid_frames
    assert lost == 0


def test_frames_of_a_rolled_back_transaction_are_no_proof(tmp_path: Path) -> None:
    """A large transaction spills frames, is rolled back, and a small one is torn before them."""
    live = tmp_path / "live.db"
    db = open_writer(live)
    db.execute("CREATE TABLE t (x); PRAGMA cache_size = 10; INSERT INTO t VALUES (1)")
    keep = inspect_wal(live).valid_frames
    db.execute("BEGIN")
    for _ in range(100):
        db.execute("INSERT INTO t VALUES (randomblob(3000))")
    db.execute("ROLLBACK; INSERT INTO t VALUES (2)")
    main, wal = live.read_bytes(), bytearray((tmp_path / "live.db-wal").read_bytes())
    db.close()
    assert len(wal) > HEADER_BYTES + (keep + 20) * FRAME
    wal[HEADER_BYTES + keep * FRAME + 30] ^= 1
    (tmp_path / "a.db").write_bytes(main)
    (tmp_path / "a.db-wal").write_bytes(wal)
    view = inspect_wal(tmp_path / "a.db")
    db = open_writer(tmp_path / "a.db")
    assert recovered_frames(db) == view.valid_frames == keep
    assert view.frames > keep + 20
    assert lost_transactions(view) == 0
    assert row(db, "SELECT count(*) FROM t") == (1,)


def test_a_commit_flag_that_a_tear_left_from_before_is_no_proof(tmp_path: Path) -> None:
    """In frame 42 a sector ends between the flag and the salts: old flag, new salts, and whole frames behind it."""
    live = tmp_path / "live.db"
    db = open_writer(live)
    db.execute("CREATE TABLE t (x)")
    while (keep := inspect_wal(live).frames) < 38:
        db.execute("INSERT INTO t VALUES (1)")
    db.execute("INSERT INTO t VALUES (zeroblob(60000))")
    main, wal = live.read_bytes(), (tmp_path / "live.db-wal").read_bytes()
    db.close()
    at = HEADER_BYTES + 41 * FRAME
    assert (at + 8) % 512 == 0
    (tmp_path / "a.db").write_bytes(main)
    (tmp_path / "a.db-wal").write_bytes(wal[:at] + struct.pack(">2I", 2, 2) + wal[at + 8 :])
    view = inspect_wal(tmp_path / "a.db")
    assert (view.commits[41], view.sure[41], view.follows[42]) == (True, False, True)
    assert view.valid_frames == keep
    assert lost_transactions(view) == 0


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_checksum_of_all_frames_at_once_is_sqlites(tmp_path: Path, order: str) -> None:
    """Against the definition, word by word, in both byte orders and with a small page."""
    rng = random.Random(5)

    def chain(data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
        s0, s1 = sums
        words = struct.unpack(f"{order}{len(data) // 4}I", data)
        for a, b in zip(words[::2], words[1::2], strict=True):
            s0 = (s0 + a + s1) & 0xFFFFFFFF
            s1 = (s1 + b + s0) & 0xFFFFFFFF
        return s0, s1

    salts = rng.randbytes(8)
    wal = struct.pack(">4I", 0x377F0682 + (order == ">"), 3007000, 1024, 0) + salts
    sums = chain(wal, (0, 0))
    wal += struct.pack(">2I", *sums)
    for number in range(9):
        head, page = struct.pack(">2I", number + 1, 9 * (number % 3 == 2)), rng.randbytes(1024)
        sums = chain(page, chain(head, sums))
        wal += head + salts + struct.pack(">2I", *sums) + page
    (tmp_path / "a.db-wal").write_bytes(wal)
    view = inspect_wal(tmp_path / "a.db")
    assert (view.header_ok, view.frames, view.valid_frames) == (True, 9, 9)
    assert view.whole.all()
    (tmp_path / "a.db-wal").write_bytes(flipped(wal, 32 + 4 * 1048 + 100, 3))
    view = inspect_wal(tmp_path / "a.db")
    assert list(np.flatnonzero(~view.whole)) == [4]
    assert view.valid_frames == 3
    assert lost_transactions(view) == 2
