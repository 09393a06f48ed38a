"""Electricity meters of one phase: P = U I cos phi, and energy is the sum of that very power.

The supply wanders about 230 V within EN 50160's ±10 % and 50 Hz within its ±1 %. The load follows the hour and
steps as machines go on and off; the voltage sags with it by the line's impedance.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from holdfast.sim.ends.port import PointPlan
from holdfast.sim.plant.chance import Chance, Floats
from holdfast.sim.plant.nature import Wander, hour_of, is_workday, wave

_J_PER_KWH = 3.6e6
_SPREAD, _SUPPLY, _GRID, _LOAD, _SWITCH, _HOW_MUCH, _START = range(7)


class MeterParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Meters differ by `spread` about these."""

    voltage_v: Annotated[float, Meta(gt=0, le=100_000)] = 230.0
    current_a: Annotated[float, Meta(gt=0, le=100_000)] = 16.0
    """Of the whole load by day."""
    power_factor: Annotated[float, Meta(gt=0, le=1)] = 0.92
    line_ohm: Annotated[float, Meta(ge=0, le=100)] = 0.15
    frequency_hz: Annotated[float, Meta(gt=0, le=1000)] = 50.0
    energy_kwh: Annotated[float, Meta(ge=0, le=1e9)] = 10_000.0
    """Meters begin with up to this, by chance."""
    spread: Annotated[float, Meta(ge=0, le=0.5)] = 0.2


class Meter:
    """See the page."""

    POINTS: ClassVar[Mapping[str, PointPlan]] = {
        "voltage": PointPlan("electric.voltage", "V"),
        "current": PointPlan("electric.current", "A"),
        "power": PointPlan("electric.power", "W"),
        "energy": PointPlan("electric.energy", "kWh"),
        "frequency": PointPlan("electric.frequency", "Hz"),
    }
    LONGEST_S: ClassVar[float] = 60.0

    def __init__(self, params: MeterParams, devices: int, chance: Chance) -> None:
        self._p, self._chance, self._n = params, chance, 0
        self._rated = chance.around(params.current_a, params.spread, _SPREAD)
        self._supply = Wander(chance, _SUPPLY, devices, 0.012, 300.0)
        self._grid = Wander(chance, _GRID, devices, 0.0004, 60.0)
        self._hum = Wander(chance, _LOAD, devices, 0.03, 20.0)
        self._switched: Floats = chance.uniform(_START, 0)
        self._begin: Floats = np.floor(params.energy_kwh * chance.uniform(_START, 1) * 10.0) / 10.0
        self.joule: Floats = np.zeros(devices)
        """Energy since the scenario's start, J."""
        self.voltage_v: Floats = np.full(devices, params.voltage_v)
        self.current_a: Floats = np.zeros(devices)
        self.power_w: Floats = np.zeros(devices)

    def step(self, at_s: float, dt_s: float) -> None:
        """Let time pass."""
        self._n += 1
        p, n = self._p, self._n
        day = (0.55 + 0.45 * wave((hour_of(at_s) - 8.0) / 24.0)) if is_workday(at_s) else 0.15
        share = dt_s / 240.0  # machines are switched about every four minutes
        changes = self._chance.uniform(_SWITCH, n) < share / (1.0 + share)
        self._switched = np.where(changes, self._chance.uniform(_HOW_MUCH, n), self._switched)
        load = np.maximum(0.02, day * (0.4 + 0.6 * self._switched) + self._hum.step(n, dt_s))
        self.current_a = self._rated * load
        source = p.voltage_v * (1.0 + np.clip(self._supply.step(n, dt_s), -0.08, 0.08))
        self.voltage_v = source - self.current_a * p.line_ohm
        self.power_w = self.voltage_v * self.current_a * p.power_factor
        self.joule = self.joule + self.power_w * dt_s
        self._grid.step(n, dt_s)

    def values(self) -> dict[str, NDArray[Any]]:
        """What its display shows."""
        return {
            "voltage": np.round(self.voltage_v, 2),
            "current": np.round(self.current_a, 3),
            "power": np.round(self.power_w, 1),
            "energy": np.round(self._begin + self.joule / _J_PER_KWH, 4),
            "frequency": np.round(self._p.frequency_hz * (1.0 + np.clip(self._grid.value, -0.01, 0.01)), 3),
        }
