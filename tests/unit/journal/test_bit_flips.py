"""Any bit of the journal or its WAL may flip on disk: it is noticed, or changes nothing; no wrong value is ever served.

What can't be told from a torn write: a flip in the very last transaction of a WAL that was not checkpointed. Its rows
are missing then, not wrong; the parent notices when it had seen more.
"""

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest
from tests.unit.journal.kept import do, some, values

from holdfast.journal.integrity import Damage, scan
from holdfast.journal.ledger import balance
from holdfast.journal.opening import Access
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.settings import JournalSettings
from holdfast.journal.store import Store
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane

KEY = bytes(range(32))
SEED = 20261121
COMMITS, ROWS = 30, 60


@pytest.fixture
def ram() -> Iterator[Path]:
    shm = Path("/dev/shm")
    home = Path(tempfile.mkdtemp(prefix="flips-", dir=shm if shm.is_dir() else None))
    yield home
    shutil.rmtree(home)


def append(batch: Batch, tx: Transaction) -> None:
    tx.append_readings(Lane.BULK, batch)
    tx.count("readings_accepted", len(batch))


def written(home: Path, key: bytes | None) -> Path:
    """A journal whose second half is still in the WAL, copied as a kill would leave it."""
    home.mkdir()
    path = home / "journal.db"
    with closing(Store(Access(path, key), "gw", JournalSettings(), ManualClock())) as store:
        for n in range(COMMITS):
            batch = some(store, ROWS, store.state.heads[Lane.BULK] + 1)
            do(store, partial(append, batch))
            if n == COMMITS // 2:
                store.db.wal_checkpoint(mode=2)
        copy = home / "killed"
        copy.mkdir()
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", copy / f"journal.db{suffix}")
    return copy


def verdict(path: Path, key: bytes | None) -> str:
    """What a restart makes of the file: noticed, harmless, shorter (fewer rows, no word), or wrong."""
    access = Access(path, key)
    try:
        with closing(Store(access, "gw", JournalSettings(), ManualClock())) as store:
            reader = JournalReader(access)
            with closing(reader):
                if store.found.lost_transactions or any(isinstance(d, Damage) for d in scan(reader, Lane.BULK)):
                    return "noticed"
                if not balance(reader.accounts(CONSUMER, count=True), has_parent=True).balanced:
                    return "noticed"
                served = values(reader)
    except (HoldfastError, ValueError, OverflowError):
        return "noticed"
    if served != [float(n) for n in range(1, len(served) + 1)]:
        return "wrong"
    return "harmless" if len(served) == COMMITS * ROWS else "shorter"


def flipped(copy: Path, home: Path, key: bytes | None, trials: int) -> Counter[str]:
    rng = random.Random(SEED)
    originals = {suffix: (copy / f"journal.db{suffix}").read_bytes() for suffix in ("", "-wal")}
    sizes = {suffix: len(data) for suffix, data in originals.items()}
    found: Counter[str] = Counter()
    for _ in range(trials):
        at = rng.randrange(sum(sizes.values()))
        target, offset = ("", at) if at < sizes[""] else ("-wal", at - sizes[""])
        for stale in home.glob("journal.db*"):
            stale.unlink()
        for suffix, data in originals.items():
            damaged = bytearray(data)
            if suffix == target:
                damaged[offset] ^= 1 << rng.randrange(8)
            (home / f"journal.db{suffix}").write_bytes(damaged)
        found[verdict(home / "journal.db", key)] += 1
    with suppress(OSError):
        os.sync()
    return found


def run_flips(ram: Path, key: bytes | None, trials: int) -> Counter[str]:
    copy = written(ram / "made", key)
    home = ram / "flipped"
    home.mkdir()
    found = flipped(copy, home, key, trials)
    print(f"{trials} flips, seed {SEED}, {'encrypted' if key else 'plain'}: {dict(found)}")
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
def test_flipped_bits_are_noticed_or_harmless(ram: Path, key: bytes | None) -> None:
    found = run_flips(ram, key, 400)
    assert found["wrong"] == 0
    assert found["shorter"] <= 400 * 0.05  # the last transaction is one of thirty
    assert found["noticed"] > 60  # most of so small a file is empty pages of tables


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
def test_ten_thousand_flipped_bits(ram: Path, key: bytes | None) -> None:
    found = run_flips(ram, key, 10_000)
    assert found["wrong"] == 0
    assert found["shorter"] <= 10_000 * 0.05
