"""Batteries: charge counted, an open-circuit voltage by charge, an inner resistance, heat.

    dSOC/dt = I/Q, U = OCV(SOC) + I R, C dT/dt = I² R - h (T - T_around), I > 0 charges
the simplest equivalent circuit (Plett: Battery Management Systems vol. 1, ch. 2, "OCV and series resistance"). The OCV
of a lithium iron phosphate cell is told by its usual table, straight between the points. It discharges by day and
charges by night, between 10 % and 95 %.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from holdfast.sim.ends.port import PointPlan
from holdfast.sim.plant.chance import Chance, Floats
from holdfast.sim.plant.nature import HOUR_S, Wander, hour_of, relaxed

_SPREAD, _LOAD, _START, _NOISE_T = range(4)
_FULL, _EMPTY = 0.95, 0.10
_SOC = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)
_CELL_V = (2.5, 3.0, 3.2, 3.25, 3.29, 3.31, 3.33, 3.34, 3.36, 3.6)


class BatteryParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Batteries differ by `spread` about these."""

    cells: Annotated[int, Meta(ge=1, le=10_000)] = 16
    capacity_ah: Annotated[float, Meta(gt=0, le=100_000)] = 100.0
    resistance_ohm: Annotated[float, Meta(gt=0, le=100)] = 0.02
    """Of the whole battery."""
    charge_a: Annotated[float, Meta(gt=0, le=100_000)] = 20.0
    discharge_a: Annotated[float, Meta(gt=0, le=100_000)] = 15.0
    day: tuple[float, float] = (7.0, 21.0)
    """Hours of discharge, UTC."""
    around_c: Annotated[float, Meta(ge=-30, le=60)] = 20.0
    spread: Annotated[float, Meta(ge=0, le=0.5)] = 0.1


class Battery:
    """See the page."""

    POINTS: ClassVar[Mapping[str, PointPlan]] = {
        "charge": PointPlan("battery.charge", "%"),
        "voltage": PointPlan("battery.voltage", "V"),
        "current": PointPlan("battery.current", "A"),
        "power": PointPlan("battery.power", "W"),
        "temperature": PointPlan("battery.temperature", "Cel"),
        "charging": PointPlan("battery.charging", "", "bool"),
    }
    LONGEST_S: ClassVar[float] = 30.0
    _COOLING_W_K, _CAPACITY_J_K = 1.5, 30_000.0

    def __init__(self, params: BatteryParams, devices: int, chance: Chance) -> None:
        self._p, self._chance, self._n = params, chance, 0
        self.coulomb = chance.around(params.capacity_ah * HOUR_S, params.spread, _SPREAD)
        """Capacity, A s."""
        self.soc: Floats = 0.3 + 0.5 * chance.uniform(_START, 0)
        self._load = Wander(chance, _LOAD, devices, 0.15, 900.0)
        self.current_a: Floats = np.zeros(devices)
        self.temperature: Floats = np.full(devices, params.around_c)

    def step(self, at_s: float, dt_s: float) -> None:
        """Let time pass."""
        self._n += 1
        p = self._p
        load = np.clip(1.0 + self._load.step(self._n, dt_s), 0.2, 1.8)
        by_day = p.day[0] <= hour_of(at_s) < p.day[1]
        wanted = -p.discharge_a * load if by_day else np.full_like(load, p.charge_a)
        # never past a limit within the step: the charge is what the current was, to the last coulomb
        most = np.maximum(0.0, (_FULL - self.soc) * self.coulomb / dt_s)
        least = np.minimum(0.0, (_EMPTY - self.soc) * self.coulomb / dt_s)
        self.current_a = np.clip(wanted, least, most)
        self.soc = self.soc + self.current_a * dt_s / self.coulomb
        heat = self.current_a * self.current_a * p.resistance_ohm
        toward = p.around_c + heat / self._COOLING_W_K
        self.temperature = relaxed(self.temperature, toward, dt_s, self._CAPACITY_J_K / self._COOLING_W_K)

    @property
    def open_v(self) -> Floats:
        """Its voltage without a current."""
        # not np.interp: a compiler may fuse its multiply and add on some processors, and then a bit differs
        cell: Floats = np.full_like(self.soc, _CELL_V[0])
        for (a, va), (b, vb) in pairwise(zip(_SOC, _CELL_V, strict=True)):
            cell = cell + np.clip(self.soc - a, 0.0, b - a) * ((vb - va) / (b - a))
        return self._p.cells * cell

    def values(self) -> dict[str, NDArray[Any]]:
        """What its management system says."""
        voltage = self.open_v + self.current_a * self._p.resistance_ohm
        return {
            "charge": np.round(100.0 * self.soc, 2),
            "voltage": np.round(voltage, 3),
            "current": np.round(self.current_a, 3),
            "power": np.round(voltage * self.current_a, 1),
            "temperature": np.round(self.temperature + 0.02 * self._chance.normal(_NOISE_T, self._n), 2),
            "charging": self.current_a > 0,
        }
