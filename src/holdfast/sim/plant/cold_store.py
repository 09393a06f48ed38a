"""Cold stores: a compressor that goes on and off, doors that let warmth in.

    C dT/dt = (UA + D) (T_around - T) + c m' (product) - COP P_el, on or off
COP falls with the lift: COP = 0.45 * T_cold/(T_warm - T_cold) in kelvins, 45 % of Carnot's, as small plants reach
(ASHRAE Refrigeration, ch. 24). D is the door's exchange while open. The controller cools above set + band and stops
below set - band, never for less than `rest_s`. Energy is the sum of the very power that's shown.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from holdfast.sim.ends.port import PointPlan
from holdfast.sim.plant.chance import Chance, Floats
from holdfast.sim.plant.nature import HOUR_S, outdoor, relaxed

_J_PER_KWH = 3.6e6
_SPREAD, _OPEN, _SHUT, _NOISE_T, _NOISE_P, _START = range(6)
_SHARE_OF_CARNOT = 0.45


class ColdStoreParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Stores differ by `spread` about these."""

    set_c: Annotated[float, Meta(ge=-40, le=20)] = 4.0
    band_k: Annotated[float, Meta(gt=0, le=10)] = 1.0
    loss_w_k: Annotated[float, Meta(gt=0, le=100_000)] = 60.0
    door_w_k: Annotated[float, Meta(ge=0, le=1_000_000)] = 900.0
    """Exchange through an open door."""
    capacity_kj_k: Annotated[float, Meta(gt=1, le=10_000_000)] = 1500.0
    compressor_w: Annotated[float, Meta(gt=0, le=1_000_000)] = 1600.0
    idle_w: Annotated[float, Meta(ge=0, le=100_000)] = 90.0
    """Fans and controls, always on."""
    rest_s: Annotated[float, Meta(ge=0, le=3600)] = 120.0
    door_openings_h: Annotated[float, Meta(ge=0, le=120)] = 6.0
    door_open_s: Annotated[float, Meta(gt=0, le=3600)] = 40.0
    around_c: Annotated[float, Meta(ge=-30, le=60)] = 22.0
    around_swing_c: Annotated[float, Meta(ge=0, le=20)] = 3.0
    spread: Annotated[float, Meta(ge=0, le=0.5)] = 0.1


class ColdStore:
    """See the page."""

    POINTS: ClassVar[Mapping[str, PointPlan]] = {
        "temperature": PointPlan("store.temperature", "Cel"),
        "power": PointPlan("electric.power", "W"),
        "energy": PointPlan("electric.energy", "kWh"),
        "starts": PointPlan("compressor.starts", "", "int"),
        "compressor": PointPlan("compressor.running", "", "bool"),
        "door": PointPlan("door.open", "", "bool"),
    }
    LONGEST_S: ClassVar[float] = 10.0

    def __init__(self, params: ColdStoreParams, devices: int, chance: Chance) -> None:
        self._p, self._chance, self._n = params, chance, 0
        self._loss = chance.around(params.loss_w_k, params.spread, _SPREAD)
        self.temperature: Floats = params.set_c + params.band_k * (2.0 * chance.uniform(_START, 0) - 1.0)
        self.is_on = np.zeros(devices, np.bool_)
        self._is_open = np.zeros(devices, np.bool_)
        self._since: Floats = np.full(devices, params.rest_s)
        self._starts = np.zeros(devices, np.int64)
        self._joule: Floats = np.zeros(devices)
        self.power_w: Floats = np.zeros(devices)

    def step(self, at_s: float, dt_s: float) -> None:
        """Let time pass."""
        self._n += 1
        p = self._p
        self._doors(dt_s)
        self._control(dt_s)
        around = outdoor(at_s, p.around_c, p.around_swing_c)
        lift = np.maximum(8.0, around + 15.0 - (self.temperature - 8.0))  # condenser 15 K above, evaporator 8 K below
        cop = np.clip(_SHARE_OF_CARNOT * (self.temperature + 265.15) / lift, 0.5, 6.0)
        draw = p.compressor_w * (1.0 + 0.01 * self._chance.normal(_NOISE_P, self._n))
        self.power_w = p.idle_w + np.where(self.is_on, draw, 0.0)
        cooling = np.where(self.is_on, cop * draw, 0.0)
        exchange = self._loss + np.where(self._is_open, p.door_w_k, 0.0)
        toward = around + (p.idle_w - cooling) / exchange
        self.temperature = relaxed(self.temperature, toward, dt_s, p.capacity_kj_k * 1000.0 / exchange)
        self._joule = self._joule + self.power_w * dt_s

    def _doors(self, dt_s: float) -> None:
        opens, shuts = dt_s * self._p.door_openings_h / HOUR_S, dt_s / self._p.door_open_s
        opening = self._chance.uniform(_OPEN, self._n) < opens / (1.0 + opens)
        shutting = self._chance.uniform(_SHUT, self._n) < shuts / (1.0 + shuts)
        self._is_open = np.where(self._is_open, ~shutting, opening)

    def _control(self, dt_s: float) -> None:
        p = self._p
        self._since = self._since + dt_s
        may = self._since >= p.rest_s
        starting = may & ~self.is_on & (self.temperature > p.set_c + p.band_k)
        stopping = may & self.is_on & (self.temperature < p.set_c - p.band_k)
        self.is_on = (self.is_on | starting) & ~stopping
        self._since = np.where(starting | stopping, 0.0, self._since)
        self._starts = self._starts + starting

    def values(self) -> dict[str, NDArray[Any]]:
        """What its controller shows."""
        return {
            "temperature": np.round(self.temperature + 0.05 * self._chance.normal(_NOISE_T, self._n), 2),
            "power": np.round(self.power_w, 1),
            "energy": np.round(self._joule / _J_PER_KWH, 4),
            "starts": self._starts,
            "compressor": self.is_on,
            "door": self._is_open,
        }
