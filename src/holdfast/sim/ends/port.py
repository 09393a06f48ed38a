"""The port of device ends: what the simulator asks of one protocol's pretend devices.

The simulator owns time, values and value faults; an end knows how its protocol says them. `frames` is pure, so that
a scenario's bytes can be hashed without opening a socket; `show` puts the very same frames on the wire.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

Scalar: TypeAlias = float | int | bool | str
"""What a plant model yields for one point."""

PointType: TypeAlias = Literal["float", "int", "bool", "text"]


class PointPlan(msgspec.Struct, frozen=True):
    """One value of a device, as its plant model yields it.

    metric: its canonical name, as in `air_temperature`
    unit:   SenML (RFC 8428 §12.1, RFC 8798), as in `Cel`; empty = none
    type:   as in profiles: float, int, bool or text
    """

    metric: str
    unit: str = ""
    type: PointType = "float"


class DevicePlan(msgspec.Struct, frozen=True):
    """One pretend device.

    number: its place within its group, from 0: what an end makes unit ids, node ids and registers of
    points: by point name ([A-Za-z0-9_-]+), in the model's order, which every `frames` call keeps
    """

    number: int
    points: Mapping[str, PointPlan]


class Faults(msgspec.Struct, frozen=True):
    """What is wrong with one device on the wire just now.

    dropout:   it sends nothing, it answers nothing
    slow_s:    it answers (or sends) that much late
    half_open: it accepts connections and requests, and never answers
    garbage:   its frames are malformed
    """

    dropout: bool = False
    slow_s: float = 0.0
    half_open: bool = False
    garbage: bool = False


SOUND = Faults()
"""Nothing is wrong."""


class End(Protocol):
    """Devices of one protocol. Made by `<Proto>End(name, settings, devices)`; making it opens nothing."""

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """What this device's state is on the wire at `at_ns` (ns UTC, by the device's own clock).

        Published payloads with their topics, a register image, encoded objects. Deterministic: the same calls in the
        same order give the same bytes in every process; an end may count (sequence numbers), nothing else.
        """
        ...

    async def start(self) -> None:
        """Open sockets, or connect; bounded in time.

        Raises:
            HoldfastError: with what to do about it (address in use, no broker, library missing).
        """
        ...

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
        """Publish the frames, or make them what a poller reads next. Never called concurrently for one device.

        Returns soon: what a fault holds back (`slow_s`) is held back by the end without holding up the caller.
        """
        ...

    async def stop(self) -> None:
        """Close everything; safe to call twice, and after a failed `start`."""
        ...

    def map_yaml(self) -> str:
        """Settings by which a node reads all these devices back, as YAML: keys of node.yaml, as `modbus: {...}`.

        Two keys are others: `profiles` goes to a profile file, `files` (a mapping of names to what stands in them, as
        `{sim-meters.yaml: {points: {...}}}`) to files beside node.yaml. Groups' answers are merged by key, so an end
        calls its links and files after its `name`.
        """
        ...
