"""The power goes at every write while readings become files, files are merged, coarsened and let go."""

from pathlib import Path

import pytest
from tests.powerloss.images import check_all
from tests.powerloss.memory import check, record
from tests.powerloss.vfs import Kind

SEED = 20261121


@pytest.mark.timeout(240)
def test_no_power_cut_loses_or_doubles_a_reading_on_its_way_into_files(ram: Path) -> None:
    log = record(ram / "work", 9, SEED)
    assert sum(event.kind is Kind.SWAP and len(event.value) > 1 for event in log.events) > 0  # directories were swapped
    (ram / "image").mkdir()
    tally = check_all(log, ram / "image", check, range(1))
    print(f"{tally.images} images of {len(log.events)} events, seed {SEED}: 0 violations")
    assert tally.images > 1_500


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_power_cut_while_files_are_kept(ram: Path) -> None:
    for seed in range(3):
        log = record(ram / f"work{seed}", 40, seed)
        (ram / f"image{seed}").mkdir()
        tally = check_all(log, ram / f"image{seed}", check, range(2))
        print(f"{tally.images} images of {len(log.events)} events, seed {seed}: 0 violations")


@pytest.mark.timeout(240)
def test_the_check_finds_a_build_that_does_not_sync(ram: Path) -> None:
    log = record(ram / "work", 4, SEED, synchronous="off")
    (ram / "image").mkdir()
    with pytest.raises(AssertionError, match=r"acked|once|damaged|another|is there"):
        check_all(log, ram / "image", check, range(2))
