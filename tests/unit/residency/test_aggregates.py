import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.residency.house import House

from holdfast.model.batch import Batch
from holdfast.model.quality import Quality, encode_quality
from holdfast.residency.aggregates import Step, step_of, wanted
from holdfast.residency.settings import Leave, ResidencyRule

MEAN = Leave(aggregate="mean", as_="floor/n.mean", min_group=3)
RULE = ResidencyRule("badge-*/*", "region", (MEAN,))


def step(house: House, batch: Batch, leave: Leave = MEAN) -> Step | None:
    return step_of(wanted(batch, house.catalogue, house.policy, 0, leave), house.catalogue, leave)


def test_each_device_counts_once_however_much_it_sends(tmp_path: Path) -> None:
    house = House(tmp_path, [RULE])
    chatty = [("badge-1", "n", 100.0)] * 50
    found = step(house, house.batch([*chatty, ("badge-2", "n", 0.0), ("badge-3", "n", 2.0)]))
    assert found == Step("left", 52, 34.0, "")


@pytest.mark.parametrize(("statistic", "value"), [("mean", 2.0), ("sum", 6.0), ("count", 3.0)])
def test_the_statistics_are_of_the_devices_means(tmp_path: Path, statistic: str, value: float) -> None:
    house = House(tmp_path, [RULE])
    leave = Leave(aggregate=statistic, as_="floor/n", min_group=3)  # type: ignore[arg-type]
    batch = house.batch([("badge-1", "n", 1.0), ("badge-2", "n", 2.0), ("badge-3", "n", 3.0)])
    found = step(house, batch, leave)
    assert found is not None
    assert found.value == value


@given(
    st.lists(st.tuples(st.sampled_from(["badge-1", "badge-2", "badge-3", "badge-4"]), st.floats(-9, 9))),
    st.integers(2, 5),
)
def test_a_group_below_its_minimum_says_nothing(rows: list[tuple[str, float]], least: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), [RULE])
        leave = Leave(aggregate="sum", as_="floor/n", min_group=least)
        found = step(house, house.batch([(device, "n", value) for device, value in rows]), leave)
        house.store.close()
        devices = {device for device, _ in rows}
        if not rows:
            assert found is None
        elif len(devices) < least:
            assert found == Step("too_small", len(rows))
        else:
            assert found is not None
            assert found.fate == "left"


def test_only_usable_numbers_of_the_rules_own_series_make_a_group(tmp_path: Path) -> None:
    house = House(tmp_path, [RULE])
    good = [("badge-1", "n", 1.0), ("badge-2", "n", 1.0)]
    batch = house.batch(
        [*good, ("badge-3", "n", 1.0), ("badge-4", "said", "x"), ("press-1", "n", 1.0), ("badge-5", "n", np.nan)]
    )
    batch.quality[2] = encode_quality(Quality.BAD)
    assert step(house, batch) == Step("too_small", 2)


def test_different_metrics_are_not_thrown_together(tmp_path: Path) -> None:
    house = House(tmp_path, [RULE])
    batch = house.batch([("badge-1", "n", 1.0), ("badge-2", "m", 1.0), ("badge-3", "n", 1.0)])
    assert step(house, batch) == Step("mixed", 3)
    assert step(house, batch, Leave(aggregate="mean", of="n", as_="f/n", min_group=2)) == Step("left", 2, 1.0, "")
