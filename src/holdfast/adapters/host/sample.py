"""One reading of the machine, and its payload. The field names are the contract with the built-in `host` profile."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """The machine at one moment; what it can't tell is left out.

    ts: unix seconds; cpu, memory, disk: percent used; temperature: Celsius; load1: load average over a minute
    """

    ts: float
    cpu: float
    memory: float
    disk: float
    temperature: float | None = None
    load1: float | None = None


class Sensor(Protocol):
    """A temperature sensor's reading, as psutil gives it."""

    @property
    def current(self) -> float:
        """Celsius."""
        ...


_PREFERRED = ("coretemp", "k10temp", "cpu_thermal", "soc_thermal", "cpu-thermal", "acpitz")


def pick_temperature(sensors: Mapping[str, Sequence[Sensor]]) -> float | None:
    """The processor's temperature among a machine's sensors, else any plausible one; None when there is none."""
    names = sorted(sensors, key=lambda name: (_PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED), name))
    for name in names:
        for sensor in sensors[name]:
            if -60.0 < sensor.current < 150.0 and sensor.current:
                return round(float(sensor.current), 2)
    return None


def payload(sample: Sample) -> bytes:
    """The sample as the JSON a device would publish."""
    return msgspec.json.encode(sample)
