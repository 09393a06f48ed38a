"""Office rooms: heat, air, moisture, light and people.

Heat, one capacity (the simplest case of ISO 52016-1's resistance-capacity networks):
    C dT/dt = UA (T_out - T) + c_air Q (T_out - T) + 75 W * people + P_lamps + P_sun + P_heater
with a thermostat P_heater = clamp(k (T_set - T), 0, P_max). 75 W is a seated person's sensible heat (ASHRAE
Fundamentals, ch. 18, table 1).
Air: V dc/dt = G people + Q (c_out - c), G = 0.0052 l/s of CO2 a seated person (Persily, de Jonge: "Carbon dioxide
generation rates for building occupants", Indoor Air 27, 2017), Q = air changes * V, doubled while somebody is in.
Moisture: V dw/dt = 45 g/h * people + Q (w_out - w); relative humidity = vapour pressure / saturation pressure, where
the vapour pressure of w g/m³ is w T/216.7 hPa (ideal gas).
Light: 500 lx of lamps while people are in (EN 12464-1, offices) and daylight by the hour.
People: working hours on workdays; who is in changes about every `stay_min`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from holdfast.sim.ends.port import PointPlan
from holdfast.sim.plant.chance import Chance, Floats
from holdfast.sim.plant.nature import (
    AIR_J_M3K,
    HOUR_S,
    Wander,
    hour_of,
    is_workday,
    outdoor,
    relaxed,
    saturation_hpa,
    wave,
)

_PERSON_W, _PERSON_CO2_M3S, _PERSON_VAPOUR_GS = 75.0, 5.2e-6, 45.0 / 3600.0
_OUT_PPM, _OUT_RH = 420.0, 0.7
_LAMPS_LX, _LAMPS_W_M2, _STOREY_M = 500.0, 8.0, 2.8
_THERMOSTAT_W_K = 1000.0
_PPM = 1e6
_SPREAD, _ARRIVE, _LEAVE, _HOW_MANY, _NOISE_T, _NOISE_RH, _NOISE_CO2, _NOISE_LX, _CLOUDS = range(9)
_START_SET = 9


class RoomParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rooms differ by `spread` about these."""

    volume_m3: Annotated[float, Meta(gt=1, le=100_000)] = 75.0
    loss_w_k: Annotated[float, Meta(gt=0, le=100_000)] = 20.0
    """UA of the walls and windows."""
    capacity_kj_k: Annotated[float, Meta(gt=1, le=10_000_000)] = 3000.0
    """C of the air, furniture and the walls' inside."""
    air_changes_h: Annotated[float, Meta(ge=0, le=50)] = 1.0
    heater_w: Annotated[float, Meta(ge=0, le=1_000_000)] = 2000.0
    set_c: Annotated[float, Meta(ge=-30, le=60)] = 21.0
    night_c: Annotated[float, Meta(ge=-30, le=60)] = 17.0
    people: Annotated[int, Meta(ge=0, le=1000)] = 4
    stay_min: Annotated[float, Meta(gt=0, le=1440)] = 45.0
    hours: tuple[float, float] = (8.0, 18.0)
    """Working hours, UTC."""
    outdoor_c: Annotated[float, Meta(ge=-60, le=60)] = 8.0
    outdoor_swing_c: Annotated[float, Meta(ge=0, le=30)] = 5.0
    spread: Annotated[float, Meta(ge=0, le=0.5)] = 0.1


class Room:
    """See the page."""

    POINTS: ClassVar[Mapping[str, PointPlan]] = {
        "temperature": PointPlan("air.temperature", "Cel"),
        "humidity": PointPlan("air.humidity", "%RH"),
        "co2": PointPlan("air.co2", "ppm"),
        "illuminance": PointPlan("light.illuminance", "lx"),
        "occupied": PointPlan("room.occupied", "", "bool"),
    }
    LONGEST_S: ClassVar[float] = 60.0

    def __init__(self, params: RoomParams, devices: int, chance: Chance) -> None:
        self._p, self._chance, self._n = params, chance, 0
        self._volume = chance.around(params.volume_m3, params.spread, _SPREAD)
        self._temperature: Floats = params.set_c + (2.0 * chance.uniform(_START_SET, 0) - 1.0)
        self._co2: Floats = np.full(devices, 1.2 * _OUT_PPM)
        self._vapour: Floats = np.full(devices, 7.5)
        self._people: Floats = np.zeros(devices)
        self._light: Floats = np.zeros(devices)
        self._clouds = Wander(chance, _CLOUDS, devices, 0.25, 1800.0)
        self.heater_w: Floats = np.zeros(devices)
        """What the heater gives, W."""

    def step(self, at_s: float, dt_s: float) -> None:
        """Let time pass."""
        self._n += 1
        p = self._p
        hour = hour_of(at_s)
        is_open = is_workday(at_s) and p.hours[0] <= hour < p.hours[1]
        self._come_and_go(dt_s, is_open=is_open)
        sky = np.clip(0.7 + self._clouds.step(self._n, dt_s), 0.05, 1.0) * max(0.0, wave((hour - 6.0) / 24.0))
        lamps = self._people > 0
        self._light = lamps * _LAMPS_LX + sky * 800.0
        outside_c = outdoor(at_s, p.outdoor_c, p.outdoor_swing_c)
        flow = self._volume * p.air_changes_h / HOUR_S * (1.0 + lamps)  # m³/s
        self._heat(dt_s, outside_c, flow, sky, set_c=p.set_c if is_open else p.night_c)
        tau = self._volume / np.maximum(flow, 1e-9)
        co2_gain = self._people * _PERSON_CO2_M3S * _PPM / np.maximum(flow, 1e-9)
        self._co2 = relaxed(self._co2, _OUT_PPM + co2_gain, dt_s, tau)
        outside_g = 216.7 * _OUT_RH * saturation_hpa(outside_c) / (outside_c + 273.15)
        vapour_gain = self._people * _PERSON_VAPOUR_GS / np.maximum(flow, 1e-9)
        self._vapour = relaxed(self._vapour, outside_g + vapour_gain, dt_s, tau)

    def _come_and_go(self, dt_s: float, *, is_open: bool) -> None:
        if not is_open:
            self._people = np.zeros_like(self._people)
            return
        share = dt_s / (self._p.stay_min * 60.0)
        changes = self._chance.uniform(_ARRIVE, self._n) < share / (1.0 + share)
        how_many = np.floor(self._chance.uniform(_HOW_MANY, self._n) * (self._p.people + 1))
        self._people = np.where(changes, how_many, self._people)

    def _heat(self, dt_s: float, outside_c: float, flow: Floats, sky: Floats, *, set_c: float) -> None:
        p, t = self._p, self._temperature
        area = self._volume / _STOREY_M
        self.heater_w = np.clip(_THERMOSTAT_W_K * (set_c - t), 0.0, p.heater_w)
        gains = self._people * _PERSON_W + (self._people > 0) * area * _LAMPS_W_M2 + sky * area * 15.0 + self.heater_w
        loss = p.loss_w_k + AIR_J_M3K * flow  # W/K
        self._temperature = relaxed(t, outside_c + gains / loss, dt_s, p.capacity_kj_k * 1000.0 / loss)

    def values(self) -> dict[str, NDArray[Any]]:
        """What the sensors say."""
        noise, n, t = self._chance.normal, self._n, self._temperature
        vapour_hpa = self._vapour * (t + 273.15) / 216.7
        humidity = 100.0 * vapour_hpa / saturation_hpa(t) + 0.2 * noise(_NOISE_RH, n)
        light = np.maximum(0.0, self._light * (1.0 + 0.01 * noise(_NOISE_LX, n)))
        return {
            "temperature": np.round(t + 0.02 * noise(_NOISE_T, n), 2),
            "humidity": np.round(np.clip(humidity, 0.0, 100.0), 1),
            "co2": np.round(self._co2 + 4.0 * noise(_NOISE_CO2, n)),
            "illuminance": np.round(light, 1),
            "occupied": self._people > 0,
        }
