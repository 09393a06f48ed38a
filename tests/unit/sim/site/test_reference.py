"""Every word that may stand in a scenario is in its reference."""

from pathlib import Path

import pytest
from msgspec.structs import fields
from tests.unit.sim.site.scenes import there

from holdfast.sim.ends.table import ENDS, end_kind
from holdfast.sim.plant.models import MODELS
from holdfast.sim.site.settings import (
    ClockSkew,
    Drift,
    Dropout,
    Duplicates,
    Garbage,
    GroupSettings,
    HalfOpen,
    Noise,
    Reordered,
    ScenarioSettings,
    Slow,
    Storm,
    Stuck,
)

TEXT = (Path(__file__).parents[4] / "docs" / "reference" / "scenarios.md").read_text()
FAULTS = (Drift, Stuck, Noise, Dropout, Garbage, Storm, Duplicates, Reordered, ClockSkew, Slow, HalfOpen)


@pytest.mark.parametrize("struct", [ScenarioSettings, GroupSettings, *FAULTS, *(m.params for m in MODELS.values())])
def test_every_key_is_explained(struct: type) -> None:
    assert [f.encode_name for f in fields(struct) if f"`{f.encode_name}`" not in TEXT] == []


def test_every_model_point_fault_and_protocol_is_named() -> None:
    points = [point for model in MODELS.values() for point in model.points]
    kinds = [fault.__struct_config__.tag for fault in FAULTS]
    assert [word for word in (*MODELS, *points, *kinds, *ENDS) if f"`{word}`" not in TEXT] == []


@pytest.mark.parametrize("name", MODELS)
def test_the_models_defaults_are_those_that_are_told(name: str) -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |"))
    for field in fields(MODELS[name].params):
        said = row.split(f"`{field.name}` (")[1].split(")")[0].split(",")[0].split(":")[0]
        default = field.default
        if isinstance(default, tuple):
            assert f"`{field.name}` ([{default[0]:g}, {default[1]:g}]" in row
        else:
            assert float(said) == default


@pytest.mark.parametrize("protocol", [p for p in there() if end_kind(p).pushed])
def test_every_key_of_a_pushing_end_is_explained(protocol: str) -> None:
    assert [f.name for f in fields(end_kind(protocol).settings) if f"`{f.name}`" not in TEXT] == []
