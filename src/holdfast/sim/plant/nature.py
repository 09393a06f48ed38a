"""What several models share of nature, in +, -, * and / only (see the room's page): days, air, relaxation."""

from typing import TypeVar

import numpy as np

from holdfast.sim.plant.chance import Chance, Floats

F = TypeVar("F", float, Floats)

DAY_S, HOUR_S = 86_400.0, 3600.0
AIR_J_M3K = 1.2 * 1005.0
"""Heat capacity of a cubic metre of air at 20 °C: density 1.2 kg/m³ by 1005 J/(kg K)."""
_MONDAY_S = 4 * DAY_S
"""1970-01-05, the first Monday."""


def wave(turns: float) -> float:
    """A sine of `turns` (1 = a whole period) within 0.2 %, by Bhaskara I's formula (7th century)."""
    part = turns % 1.0
    half = part % 0.5
    product = half * (0.5 - half) * 4.0
    return (1.0 if part < 0.5 else -1.0) * 16.0 * product / (5.0 - 4.0 * product)


def hour_of(at_s: float) -> float:
    """The hour of the day, 0 to 24, of seconds since 1970; sites keep UTC."""
    return at_s % DAY_S / HOUR_S


def is_workday(at_s: float) -> bool:
    """Monday to Friday?"""
    return int((at_s - _MONDAY_S) // DAY_S) % 7 < 5


def outdoor(at_s: float, mean_c: float, swing_c: float) -> float:
    """Air temperature outside, °C: warmest at 15:00, coldest at 3:00, `swing_c` about the mean."""
    return mean_c + swing_c * wave((hour_of(at_s) - 9.0) / 24.0)


def saturation_hpa(celsius: F) -> F:
    """Saturation vapour pressure over water, hPa, within 0.1 % from -40 to 50 °C.

    Lowe: "An approximating polynomial for the computation of saturation vapor pressure", J. Appl. Meteor. 16 (1977).
    """
    t = celsius
    return 6.107799961 + t * (
        0.4436518521
        + t
        * (1.428945805e-2 + t * (2.650648471e-4 + t * (3.031240396e-6 + t * (2.034080948e-8 + t * 6.136820929e-11))))
    )


def relaxed(value: Floats, toward: Floats | float, dt_s: float, tau_s: Floats | float) -> Floats:
    """One step of d value/dt = (toward - value)/tau, implicit Euler: stable for every step length."""
    k = dt_s / tau_s
    return (value + k * toward) / (1.0 + k)


class Wander:
    """Noise with a memory: an Ornstein-Uhlenbeck process of deviation `sd` that forgets within `tau_s`."""

    def __init__(self, chance: Chance, purpose: int, devices: int, sd: float, tau_s: float) -> None:
        self.value: Floats = np.zeros(devices)
        self._chance, self._purpose, self._sd, self._tau_s = chance, purpose, sd, tau_s

    def step(self, step: int, dt_s: float) -> Floats:
        """The next value."""
        k = dt_s / self._tau_s
        # k*(2+k) is what keeps the deviation at `sd` for implicit steps of every length
        kick = self._sd * np.sqrt(k * (2.0 + k)) * self._chance.normal(self._purpose, step)
        self.value = (self.value + kick) / (1.0 + k)
        return self.value
