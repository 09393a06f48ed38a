"""The power goes at every write while finished days leave for a folder elsewhere."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.powerloss.cold import check, record
from tests.powerloss.folder import COLD_PREFIX, HastyFolder
from tests.powerloss.images import check_all
from tests.powerloss.vfs import Kind

SEED = 20261121


def indices(spans: Sequence[range], every: int = 1) -> set[int]:
    return {index for span in spans for index in span[::every]}


@pytest.mark.timeout(240)
def test_no_power_cut_loses_or_doubles_a_reading_on_its_way_elsewhere(ram: Path) -> None:
    log, spans = record(ram / "work", 8, SEED)
    events = [event for event in log.events if event.file.startswith(COLD_PREFIX)]
    assert {Kind.CREATE, Kind.SYNC, Kind.DELETE} <= {event.kind for event in events}  # they came, and some went
    (ram / "image").mkdir()
    tally = check_all(log, ram / "image", check, range(1), indices(spans, 3))
    print(f"{tally.images} images, {tally.distinct} of them distinct, seed {SEED}: 0 violations")
    assert tally.images > 300


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_power_cut_while_days_leave(ram: Path) -> None:
    for seed in range(3):
        log, spans = record(ram / f"work{seed}", 30, seed)
        (ram / f"image{seed}").mkdir()
        tally = check_all(log, ram / f"image{seed}", check, range(4), indices(spans))
        print(f"{tally.images} images, {tally.distinct} of them distinct, seed {seed}: 0 violations")
        assert tally.images > 5_000


@pytest.mark.timeout(240)
def test_the_check_finds_objects_that_were_not_synced(ram: Path) -> None:
    log, spans = record(ram / "work", 4, SEED, HastyFolder)
    (ram / "image").mkdir()
    with pytest.raises(AssertionError, match=r"elsewhere|shorter|are not what was written"):
        check_all(log, ram / "image", check, range(1), indices(spans))
