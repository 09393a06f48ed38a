"""Real journals, uplinks and ingests as a tree on virtual time: nothing acked is lost or doubled, whatever the seed."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.sim.tree.scenario import Odds, Story, live
from holdfast.sim.tree.world import run

RAM = Path("/dev/shm")
HARSH = Odds(restore=0.01, clone=0.004)
HARSH_WITHOUT_SHEDDING = Odds(restore=0.01, clone=0.004, shed=0.0)
# The faults of many days in one.
DENSE = Odds(cut=0.15, bad_weather=0.15, kill=0.15, image=0.3, restore=0.12, clone=0.02, shed=0.06, clock_jump=0.03)
DENSE_WITHOUT_SHEDDING = replace(DENSE, shed=0.0)


def lived(seed: int, days: int, odds: Odds) -> Story:
    with tempfile.TemporaryDirectory(dir=RAM if RAM.is_dir() else None) as folder:
        return run(Path(folder), seed, lambda world: live(world, days, odds))


@pytest.mark.parametrize("seed", range(4))
def test_days_of_every_fault_lose_nothing_and_double_nothing(seed: int) -> None:
    story = lived(seed, 2, DENSE if seed < 2 else DENSE_WITHOUT_SHEDDING)
    assert story.counts["acked"] > 700
    if seed >= 2:
        assert story.counts["gone"] == 0


def test_the_same_seed_writes_the_same_bytes() -> None:
    one, other = lived(2, 1, DENSE), lived(2, 1, DENSE)
    assert one.digest == other.digest
    assert one.counts == other.counts
    assert lived(4, 1, DENSE).digest != one.digest


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_node_days_lose_nothing_and_double_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    total = Story(0)
    for seed in range(100):
        story = lived(seed, 20, HARSH if seed % 4 < 2 else HARSH_WITHOUT_SHEDDING)
        total.days += story.days
        total.counts.update(story.counts)
    with capsys.disabled():
        print(f"{5 * total.days} node-days: {dict(total.counts)}")
