"""The harness proves itself on a tiny workload: it finds no loss where there is none, and finds one where there is."""

from pathlib import Path

import apsw
import pytest
from tests.powerloss.images import Image, Variant, check_all, images
from tests.powerloss.vfs import Event, Kind, Log, RecordingVfs
from tests.recovery import recovered_frames

from holdfast.storage.errors import StorageError
from holdfast.storage.sqlite import open_writer, rows
from holdfast.storage.wal import inspect_wal, lost_transactions

KEY = bytes(range(32))


def workload(home: Path, commits: int, key: bytes | None = None, synchronous: str = "full", pages: int = 12) -> Log:
    """Commits of one to three rows, with a WAL that is checkpointed and begun again every `pages` frames."""
    log = Log()
    home.mkdir()
    with RecordingVfs(log) as vfs:
        db = open_writer(home / "a.db", key=key, vfs=vfs.cipher_name if key else vfs.plain_name)
        log.names_synced()  # open_writer's own
        db.pragma("synchronous", synchronous)
        db.pragma("wal_autocheckpoint", pages)
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
        for number in range(1, commits + 1):
            with db:
                db.execute("INSERT INTO t VALUES (?, ?)", (number, f"{number:04d}" * (1 + number % 3 * 700)))
                db.execute("DELETE FROM t WHERE id = ?", (number - 20,))
            log.mark(number)
        db.close()
    return log


def surviving(home: Path, key: bytes | None = None) -> list[int]:
    """The rows of an image, after its recovery; the WAL's own inspection must agree and raise no alarm."""
    path = home / "a.db"
    view = inspect_wal(path)
    db = open_writer(path, key=key)
    try:
        recovered = recovered_frames(db)
        assert recovered == view.valid_frames
        assert lost_transactions(view) == 0, "false alarm"
        if not rows(db, "SELECT 1 FROM sqlite_master"):
            return []
        found = rows(db, "SELECT id, x FROM t ORDER BY id")
        assert all(x == f"{number:04d}" * (1 + number % 3 * 700) for number, x in found), "wrong data"
        return [number for number, _ in found]
    finally:
        db.close()


def check(home: Path, image: Image, key: bytes | None = None) -> None:
    found = surviving(home, key)
    acked = image.marks[-1] if image.marks else 0
    last = found[-1] if found else 0
    assert acked <= last <= acked + 1, f"{acked} acked, {last} found"
    assert found == list(range(max(1, last - 19), last + 1)), f"holes: {found}"


def test_no_acked_commit_is_lost_at_any_boundary_in_any_variant(tmp_path: Path, ram: Path) -> None:
    log = workload(tmp_path / "w", commits=60)
    tally = check_all(log, ram, check, seeds=range(3))
    assert tally.images > 1500
    assert tally.distinct < tally.images  # what was looked at once isn't looked at again
    print(f"{tally.images} images, {tally.distinct} of them distinct, {tally.rate:.0f}/s")


def test_no_acked_commit_of_an_encrypted_file_is_lost_either(tmp_path: Path, ram: Path) -> None:
    log = workload(tmp_path / "w", commits=30, key=KEY)
    assert not any(b"0007" * 20 in event.data for event in log.events)
    tally = check_all(log, ram, lambda home, image: check(home, image, KEY), seeds=range(2))
    assert tally.images > 400


@pytest.mark.timeout(120)
def test_a_long_wal_over_an_older_one_raises_no_false_alarm(tmp_path: Path, ram: Path) -> None:
    """More than 64 frames, so that every alignment of a frame's header to sectors is torn once."""
    log = workload(tmp_path / "w", commits=90, pages=100)
    check_all(log, ram, check, seeds=range(2))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("pages", [100, 200])
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_long_wals_over_older_ones_raise_no_false_alarm(
    tmp_path: Path, ram: Path, pages: int, key: bytes | None
) -> None:
    log = workload(tmp_path / "w", commits=pages, key=key, pages=pages)
    tally = check_all(log, ram, lambda home, image: check(home, image, key), seeds=range(6))
    print(f"{tally.images} images, {tally.distinct} of them distinct: 0 false alarms")
    assert tally.images > 10_000


def test_without_syncs_the_harness_finds_losses(tmp_path: Path, ram: Path) -> None:
    log = workload(tmp_path / "w", commits=20, synchronous="off")
    lost = {Variant.KEPT: 0, Variant.DROPPED: 0, Variant.TORN: 0}
    for image in images(log, seeds=range(2)):
        image.write_to(ram)
        try:
            check(ram, image)
        except (AssertionError, StorageError, apsw.Error):
            lost[image.variant] += 1
    assert lost[Variant.KEPT] == 0  # a mere crash of the process loses nothing
    assert lost[Variant.DROPPED] > 50
    assert lost[Variant.TORN] > 50


def test_normal_sync_in_wal_mode_loses_acked_commits_and_the_harness_sees_it(tmp_path: Path, ram: Path) -> None:
    log = workload(tmp_path / "w", commits=20, synchronous="normal")
    with pytest.raises(AssertionError, match=r"event \d+, all dropped.*acked"):
        check_all(log, ram, check, seeds=())


def test_a_failure_can_be_repeated_from_its_index_alone(tmp_path: Path, ram: Path) -> None:
    log = workload(tmp_path / "w", commits=10)
    every = {(i.index, i.variant, i.seed): {n: bytes(d) for n, d in i.files.items()} for i in images(log, seeds=(7,))}
    some = {i.index: {n: bytes(d) for n, d in i.files.items()} for i in images(log, (7,), indices=range(40, 41))}
    assert set(some) == {40}
    assert some[40] == every[40, Variant.TORN, 7]


def test_a_file_from_before_the_recording_is_part_of_every_image(tmp_path: Path, ram: Path) -> None:
    home = tmp_path / "w"
    workload(home, commits=5)
    log = Log()
    with RecordingVfs(log) as vfs:
        db = open_writer(home / "a.db", vfs=vfs.plain_name)
        db.execute("INSERT INTO t VALUES (6, 'x')")
        db.close()
    first = next(i for i in images(log) if i.index == 1)
    first.write_to(ram)
    assert surviving(ram) == [1, 2, 3, 4, 5]


def states(*events: Event) -> set[tuple[tuple[str, bytes], ...]]:
    """Every state that many seeds find after the last event."""
    log = Log()
    log.events.extend(events)
    found = images(log, seeds=range(200), indices={len(events)})
    return {tuple(sorted((name, bytes(data)) for name, data in image.files.items())) for image in found}


def test_what_may_survive_is_what_the_model_says() -> None:
    create, write = Event(Kind.CREATE, "f"), Event(Kind.WRITE, "f", 0, b"ab")
    sync, names = Event(Kind.SYNC, "f"), Event(Kind.SYNC_NAMES)
    nothing, empty, full = (), (("f", b""),), (("f", b"ab"),)
    assert states(create) == {nothing, empty}
    assert states(create, write) == {nothing, empty, full}
    assert states(create, write, names) == {empty, full}
    assert states(create, write, sync) == {full}
    delete = Event(Kind.DELETE, "f")
    assert states(create, write, sync, delete) == {full, nothing}
    assert states(create, write, sync, delete, names) == {nothing}
    again = (create, Event(Kind.WRITE, "f", 2, b"z"))
    assert states(create, write, sync, delete, *again) == {full, nothing, empty, (("f", b"\0\0z"),)}
    cut = Event(Kind.TRUNCATE, "f", 1)
    assert states(create, write, sync, cut) == {full, (("f", b"a"),)}


def test_a_write_is_torn_at_sectors_of_the_file() -> None:
    create, sync = Event(Kind.CREATE, "f"), Event(Kind.SYNC, "f")
    old, new = Event(Kind.WRITE, "f", 0, b"o" * 1536), Event(Kind.WRITE, "f", 500, b"n" * 600)
    found = {dict(state)["f"] for state in states(create, old, sync, new)}
    assert len(found) == 8
    for data in found:
        for start, stop in ((500, 512), (512, 1024), (1024, 1100)):
            assert len(set(data[start:stop])) == 1
        assert data[:500] + data[1100:] == b"o" * 936
