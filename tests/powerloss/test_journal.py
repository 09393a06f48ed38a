"""The power goes at every write and sync of the canonical workload: G1, G2 and G5 hold in whatever the disk then is.

Unsynced writes are kept, dropped, or torn at 512 bytes (seeds printed). The same check must find a build without syncs.
"""

import gzip
import os
from multiprocessing import get_context
from pathlib import Path

import pytest
from tests.powerloss.images import check_all
from tests.powerloss.vfs import Kind, Log
from tests.powerloss.workload import check, record

from holdfast.journal.migrate import migrations

STORED = Path(__file__).parents[1] / "unit" / "journal" / "stored"
OLDER = range(1, migrations()[-1][0])
"""The schemas that a file may have which today's node migrates; tests/unit/journal says that each has a stored file."""
SEED = 20261121


def sweep(home: Path, steps: int, seed: int, variants: range, share: tuple[int, int] = (0, 1)) -> int:
    """Check every `share[1]`-th image from `share[0]`; returns how many there were."""
    log = record(home / "work", steps, seed)
    (home / "image").mkdir()
    part = range(share[0], len(log.events) + 1, share[1])
    return check_all(log, home / "image", check, variants, part).images


def at_work(log: Log) -> range:
    """The events from the first promise on: before it the files are only made."""
    first = next(i for i, event in enumerate(log.events) if event.kind is Kind.MARK and event.value[0] == "session")
    return range(first + 1, len(log.events) + 1)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("variant", range(2))
def test_no_power_cut_breaks_a_guarantee(ram: Path, variant: int) -> None:
    images = sweep(ram, 9, SEED, range(variant, variant + 1))
    print(f"{images} images, seed {SEED}: 0 violations")
    assert images >= 2_500


def migrating(home: Path, schema: int, steps: int, variants: range, *, opening_alone: bool = False) -> int:
    """The workload on a gateway's file of an older schema; how many images there were.

    opening_alone: the power goes until the gateway's file is open, and not after it
    """
    stored = gzip.decompress((STORED / f"schema-{schema}.db.gz").read_bytes())
    log = record(home / "work", steps, SEED, stored=stored)
    (home / "image").mkdir()
    hub_begins = next(i for i, event in enumerate(log.events) if "hub.db" in event.file)
    part = range((hub_begins if opening_alone else len(log.events)) + 1)
    return check_all(log, home / "image", check, variants, part).images


@pytest.mark.timeout(120)
def test_a_power_cut_during_the_last_migration_leaves_the_old_schema_or_the_new(ram: Path) -> None:
    assert migrating(ram, OLDER[-1], 0, range(1)) > 100


@pytest.mark.timeout(120)
def test_a_power_cut_during_many_migrations_leaves_the_old_schema_or_a_newer_one(ram: Path) -> None:
    assert migrating(ram, 6, 0, range(1), opening_alone=True) > 100


@pytest.mark.timeout(120)
def test_the_check_finds_a_build_that_does_not_sync(ram: Path) -> None:
    log = record(ram / "work", 8, SEED, synchronous="off")
    (ram / "image").mkdir()
    with pytest.raises(AssertionError, match=r"acked|twice|agree|gone|damage|mark"):
        check_all(log, ram / "image", check, range(2), at_work(log))


@pytest.mark.timeout(120)
def test_the_check_finds_a_build_that_stores_qos_2_ids_in_a_second_transaction(ram: Path) -> None:
    log = record(ram / "work", 3, SEED, apart=True)
    (ram / "image").mkdir()
    with pytest.raises(AssertionError, match="the QoS 2 id of"):
        check_all(log, ram / "image", check, range(1), at_work(log))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("schema", OLDER)
def test_power_cuts_during_every_migration_leave_the_old_schema_or_the_new(ram: Path, schema: int) -> None:
    images = migrating(ram, schema, 4, range(8))
    print(f"schema {schema}: {images} images, seed {SEED}: 0 violations")
    assert images > 2_000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_power_cuts(ram: Path) -> None:
    workers = os.cpu_count() or 2
    jobs = [(ram / f"{seed}-{n}", 40, seed, range(12), (n, workers)) for seed in range(6) for n in range(workers)]
    for home, *_ in jobs:
        home.mkdir()
    with get_context("spawn").Pool(workers) as pool:
        images = sum(pool.starmap(sweep, jobs))
    print(f"{images} images: 0 violations")
    assert images > 100_000
