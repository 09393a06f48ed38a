"""Profiles by which a node reads what pushing ends say. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from holdfast.sim.ends.port import PointPlan


def fields_of(points: Mapping[str, PointPlan]) -> dict[str, dict[str, Any]]:
    """A profile's `fields`: stored in the unit in which they're sent."""
    return {name: reading_of(plan) for name, plan in points.items()}


def reading_of(plan: PointPlan) -> dict[str, Any]:
    """What one value means."""
    said: dict[str, Any] = {"metric": plan.metric}
    if plan.unit:
        said |= {"unit": plan.unit, "to": plan.unit}
    if plan.type != "float":
        said["type"] = plan.type
    return said


def profiles_yaml(profiles: Mapping[str, Mapping[str, Any]]) -> str:
    """Text of a `profiles:` mapping."""
    return yaml.safe_dump({"profiles": dict(profiles)}, sort_keys=False, allow_unicode=True, width=120)


def here(path: str) -> Path:
    """Paths of a scenario's ends are relative to where the command runs."""
    return Path(path)
