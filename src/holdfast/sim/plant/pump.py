"""Centrifugal pumps whose bearings wear out.

Affinity laws (ISO 9906 annex): flow ~ speed, head ~ speed², power ~ speed³. Wear w goes from 0 to 1:
    dw/dt = (load)³ / L10, load = speed/nominal, the cubic life law of ISO 281 for ball bearings
Vibration velocity RMS = v0 (1 + 14 w³) mm/s: about 1 mm/s when new, through ISO 10816-3's limits of zones B, C, D (2.3,
4.5 and 7.1 mm/s) near the end, as bearings go: long unseen, then fast. Bearing temperature:
    C dT/dt = P_friction (1 + 2 w) - h (T - T_around)
At w = 1 the bearing seizes: the pump stands still, `failed`, until it's repaired after `repair_h`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from holdfast.sim.ends.port import PointPlan
from holdfast.sim.plant.chance import Chance, Floats
from holdfast.sim.plant.nature import HOUR_S, Wander, relaxed

_SPREAD, _WEAR, _SPEED, _NOISE_V, _NOISE_T, _NOISE_Q = range(6)
_NEW_M_S, _GROWTH = 0.0011, 14.0
_FRICTION_W, _HEATING, _COOLING_W_K, _CAPACITY_J_K = 40.0, 2.0, 2.0, 4000.0


class PumpParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pumps differ by `spread` about these."""

    speed_rpm: Annotated[float, Meta(gt=0, le=20_000)] = 1450.0
    flow_l_s: Annotated[float, Meta(gt=0, le=10_000)] = 12.0
    pressure_hpa: Annotated[float, Meta(gt=0, le=100_000)] = 3200.0
    power_w: Annotated[float, Meta(gt=0, le=10_000_000)] = 5500.0
    life_h: Annotated[float, Meta(gt=0, le=1_000_000)] = 400.0
    """L10: hours at nominal load until the bearing is gone."""
    worn: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Pumps begin with a wear from 0 up to this, by chance."""
    repair_h: Annotated[float, Meta(ge=0, le=10_000)] = 8.0
    around_c: Annotated[float, Meta(ge=-30, le=60)] = 24.0
    spread: Annotated[float, Meta(ge=0, le=0.5)] = 0.05


class Pump:
    """See the page."""

    POINTS: ClassVar[Mapping[str, PointPlan]] = {
        "speed": PointPlan("shaft.speed", "1/min"),
        "flow": PointPlan("pump.flow", "l/s"),
        "pressure": PointPlan("pump.pressure", "hPa"),
        "power": PointPlan("electric.power", "W"),
        "vibration": PointPlan("bearing.vibration", "m/s"),
        "bearing_temperature": PointPlan("bearing.temperature", "Cel"),
        "hours": PointPlan("pump.hours", "h"),
        "failed": PointPlan("pump.failed", "", "bool"),
    }
    LONGEST_S: ClassVar[float] = 60.0

    def __init__(self, params: PumpParams, devices: int, chance: Chance) -> None:
        self._p, self._chance, self._n = params, chance, 0
        self._life_s = chance.around(params.life_h * HOUR_S, params.spread, _SPREAD)
        self.wear: Floats = params.worn * chance.uniform(_WEAR, 0)
        self._stood: Floats = np.zeros(devices)
        self._run_s: Floats = np.zeros(devices)
        self._demand = Wander(chance, _SPEED, devices, 0.03, 600.0)
        self._share: Floats = np.ones(devices)
        self._bearing: Floats = np.full(devices, params.around_c + 20.0)
        self.is_failed = np.zeros(devices, np.bool_)

    def step(self, at_s: float, dt_s: float) -> None:
        """Let time pass."""
        del at_s  # pumps run day and night
        self._n += 1
        self._stood = np.where(self.is_failed, self._stood + dt_s, 0.0)
        repaired = self.is_failed & (self._stood >= self._p.repair_h * HOUR_S)
        self.wear = np.where(repaired, 0.0, self.wear)
        self.is_failed = self.is_failed & ~repaired
        demand = np.clip(1.0 + self._demand.step(self._n, dt_s), 0.7, 1.1)
        self._share = np.where(self.is_failed, 0.0, demand)
        load = self._share
        self.wear = np.minimum(1.0, self.wear + load * load * load * dt_s / self._life_s)
        self.is_failed = self.wear >= 1.0
        self._share = np.where(self.is_failed, 0.0, self._share)
        self._run_s = self._run_s + np.where(self.is_failed, 0.0, dt_s)
        heat = _FRICTION_W * (1.0 + _HEATING * self.wear) * self._share
        toward = self._p.around_c + heat / _COOLING_W_K
        self._bearing = relaxed(self._bearing, toward, dt_s, _CAPACITY_J_K / _COOLING_W_K)

    def values(self) -> dict[str, NDArray[Any]]:
        """What its sensors say."""
        p, s, n, noise = self._p, self._share, self._n, self._chance.normal
        w3 = self.wear * self.wear * self.wear
        vibration = _NEW_M_S * (1.0 + _GROWTH * w3) * s * (1.0 + 0.04 * noise(_NOISE_V, n))
        return {
            "speed": np.round(p.speed_rpm * s, 1),
            "flow": np.round(p.flow_l_s * s * (1.0 + 0.005 * noise(_NOISE_Q, n)), 3),
            "pressure": np.round(p.pressure_hpa * s * s, 1),
            "power": np.round(p.power_w * s * s * s * (1.0 + 0.05 * self.wear), 1),
            "vibration": np.round(vibration, 6),
            "bearing_temperature": np.round(self._bearing + 0.1 * noise(_NOISE_T, n), 2),
            "hours": np.round(self._run_s / HOUR_S, 4),
            "failed": self.is_failed,
        }
