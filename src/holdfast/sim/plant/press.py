"""Press lines: strokes, force, good and bad parts, states.

A stroke takes `cycle_s`, give or take 5 % a stroke. Peak force = nominal (1 + 0.15 wear + 1 % noise): a worn punch
needs more. The punch wears by 1/`tool_strokes` a stroke and is changed, in state `setup` for `setup_s`, when worn out.
A part is bad with probability `bad_share` (1 + 9 wear²). Every part is good or bad: good + bad = cycles. Stoppages come
about every `stop_every_min` and last about `stop_s`, in state `fault`. Oil warms with strokes and cools in between.
OEE's three factors (availability, performance, quality; ISO 22400-2) can be told from these points.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from holdfast.sim.ends.port import PointPlan
from holdfast.sim.plant.chance import Chance, Floats
from holdfast.sim.plant.nature import relaxed

_SPREAD, _PACE, _FORCE, _BAD, _STOP, _GO, _NOISE_T, _TOOL = range(8)
_STATES = np.array(["running", "fault", "setup"])
_RUNNING, _FAULT, _SETUP = range(3)


class PressParams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Presses differ by `spread` about these."""

    cycle_s: Annotated[float, Meta(ge=1, le=3600)] = 2.0
    force_n: Annotated[float, Meta(gt=0, le=1e9)] = 800_000.0
    bad_share: Annotated[float, Meta(ge=0, le=0.1)] = 0.01
    tool_strokes: Annotated[int, Meta(ge=1, le=100_000_000)] = 20_000
    setup_s: Annotated[float, Meta(ge=0, le=86_400)] = 600.0
    stop_every_min: Annotated[float, Meta(gt=0, le=100_000)] = 40.0
    stop_s: Annotated[float, Meta(gt=0, le=86_400)] = 90.0
    around_c: Annotated[float, Meta(ge=-30, le=60)] = 24.0
    spread: Annotated[float, Meta(ge=0, le=0.5)] = 0.05


class Press:
    """See the page."""

    POINTS: ClassVar[Mapping[str, PointPlan]] = {
        "cycles": PointPlan("press.cycles", "", "int"),
        "good": PointPlan("press.good", "", "int"),
        "bad": PointPlan("press.bad", "", "int"),
        "force": PointPlan("press.force", "N"),
        "oil_temperature": PointPlan("oil.temperature", "Cel"),
        "running": PointPlan("press.running", "", "bool"),
        "state": PointPlan("press.state", "", "text"),
    }
    LONGEST_S: ClassVar[float] = 0.5
    """So that a step holds at most one stroke."""

    def __init__(self, params: PressParams, devices: int, chance: Chance) -> None:
        self._p, self._chance, self._n = params, chance, 0
        self._cycle_s = chance.around(params.cycle_s, params.spread, _SPREAD)
        self._phase: Floats = chance.uniform(_PACE, 0)
        self._wear: Floats = chance.uniform(_TOOL, 0)
        self._state = np.zeros(devices, np.int64)
        self._left: Floats = np.zeros(devices)
        self._cycles = np.zeros(devices, np.int64)
        self._bad = np.zeros(devices, np.int64)
        self._force: Floats = np.full(devices, params.force_n)
        self._oil: Floats = np.full(devices, params.around_c + 15.0)

    def step(self, at_s: float, dt_s: float) -> None:
        """Let time pass."""
        del at_s  # three shifts
        self._n += 1
        self._change_state(dt_s)
        is_running = self._state == _RUNNING
        pace = self._cycle_s * (1.0 + 0.05 * self._chance.normal(_PACE, self._n) / 3.0)
        self._phase = self._phase + np.where(is_running, dt_s / pace, 0.0)
        struck = self._phase >= 1.0
        self._phase = np.where(struck, self._phase - 1.0, self._phase)
        self._strike(struck)
        toward = self._p.around_c + np.where(is_running, 28.0, 0.0)
        self._oil = relaxed(self._oil, toward, dt_s, 1200.0)

    def _change_state(self, dt_s: float) -> None:
        p, n = self._p, self._n
        self._left = np.maximum(0.0, self._left - dt_s)
        self._wear = np.where((self._state == _SETUP) & (self._left <= 0), 0.0, self._wear)
        back = (self._state != _RUNNING) & (self._left <= 0)
        self._state = np.where(back, _RUNNING, self._state)
        stops = dt_s / (p.stop_every_min * 60.0)
        stopping = (self._state == _RUNNING) & (self._chance.uniform(_STOP, n) < stops / (1.0 + stops))
        worn_out = (self._state == _RUNNING) & (self._wear >= 1.0)
        lasting = p.stop_s * (0.5 + self._chance.uniform(_GO, n))
        self._state = np.where(worn_out, _SETUP, np.where(stopping, _FAULT, self._state))
        self._left = np.where(worn_out, p.setup_s, np.where(stopping, lasting, self._left))

    def _strike(self, struck: NDArray[np.bool_]) -> None:
        p, n, wear = self._p, self._n, self._wear
        force = p.force_n * (1.0 + 0.15 * wear + 0.01 * self._chance.normal(_FORCE, n))
        self._force = np.where(struck, force, self._force)
        is_bad = struck & (self._chance.uniform(_BAD, n) < p.bad_share * (1.0 + 9.0 * wear * wear))
        self._cycles = self._cycles + struck
        self._bad = self._bad + is_bad
        self._wear = wear + struck / p.tool_strokes

    def values(self) -> dict[str, NDArray[Any]]:
        """What its controller shows."""
        return {
            "cycles": self._cycles,
            "good": self._cycles - self._bad,
            "bad": self._bad,
            "force": np.round(self._force),
            "oil_temperature": np.round(self._oil + 0.05 * self._chance.normal(_NOISE_T, self._n), 2),
            "running": self._state == _RUNNING,
            "state": _STATES[self._state],
        }
