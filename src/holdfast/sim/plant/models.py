"""The plant models by name."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from holdfast.sim.ends.port import PointPlan
from holdfast.sim.plant.battery import Battery, BatteryParams
from holdfast.sim.plant.chance import Chance
from holdfast.sim.plant.cold_store import ColdStore, ColdStoreParams
from holdfast.sim.plant.meter import Meter, MeterParams
from holdfast.sim.plant.port import Plant
from holdfast.sim.plant.press import Press, PressParams
from holdfast.sim.plant.pump import Pump, PumpParams
from holdfast.sim.plant.room import Room, RoomParams


class Model(NamedTuple):
    """A plant model. make: (params, devices, chance) to the group's plant."""

    params: type[Struct]
    make: Callable[[Any, int, Chance], Plant]
    points: Mapping[str, PointPlan]
    longest_s: float


def _model(params: type[Struct], plant: type[Plant]) -> Model:
    make: Callable[[Any, int, Chance], Plant] = plant
    return Model(params, make, plant.POINTS, plant.LONGEST_S)


MODELS: Mapping[str, Model] = {
    "room": _model(RoomParams, Room),
    "cold_store": _model(ColdStoreParams, ColdStore),
    "pump": _model(PumpParams, Pump),
    "press": _model(PressParams, Press),
    "meter": _model(MeterParams, Meter),
    "battery": _model(BatteryParams, Battery),
}
