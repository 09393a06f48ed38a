"""What is on at this node's edge, and how it is."""

from collections.abc import Awaitable, Callable
from random import Random

from msgspec.structs import replace

from holdfast.adapters.mqtt.server import MqttServer
from holdfast.adapters.supervised import AdapterStatus, State, Supervised, Worked, in_words
from holdfast.kernel.clock import Clock
from holdfast.node.edge.service import Edge
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.backoff import Backoff

FIRST_S, LONGEST_S = 1.0, 60.0
"""Between tries of an adapter that has no such settings of its own."""


class Adapters:
    """Every adapter of a running node. Loop thread only."""

    def __init__(
        self,
        clock: Clock,
        telemetry: Telemetry,
        mqtt: MqttServer | None,
        edge: Edge,
    ) -> None:
        """edge: those that keep their connections up by themselves."""
        self._clock, self._telemetry = clock, telemetry
        self._mqtt = mqtt
        self._started_ns = clock.wall_ns()
        self._supervised: list[Supervised] = []
        self._edge = edge
        self._others: list[Callable[[], AdapterStatus | None]] = []
        telemetry.gauge("adapters_failing", "Adapters that can't do their work.", self._failing)

    async def supervise(self, kind: str, where: str, attempt: Callable[[Worked], Awaitable[None]]) -> None:
        """Run an adapter for as long as the node does; see `Supervised.run`."""
        name = kind if where in ("", kind) else f"{kind}:{where}"
        one = Supervised((name, kind, where), self._clock, self._telemetry, Backoff(FIRST_S, LONGEST_S, Random()))
        self._supervised.append(one)
        await one.run(attempt)

    def add(self, status: Callable[[], AdapterStatus | None]) -> None:
        """Tell of another one, too; None = there is nothing to tell."""
        self._others.append(status)

    def statuses(self) -> list[AdapterStatus]:
        """How each is."""
        doors = [] if self._mqtt is None else self._doors(self._mqtt)
        supervised = [one.status() for one in self._supervised]
        others = [found for status in self._others if (found := status()) is not None]
        return doors + others + supervised + self._edge.statuses()

    def _doors(self, mqtt: MqttServer) -> list[AdapterStatus]:
        """The MQTT server's listeners. A port that can't be had ends the node at its start, so one that runs works."""
        stats = mqtt.stats()
        state: State = "starting" if mqtt.port == 0 else "paused" if stats.paused else "working"
        why = "; publishers wait: the journal doesn't keep up or is full" if stats.paused else ""
        found = []
        for name, door in zip(door_names(len(mqtt.doors)), mqtt.doors, strict=True):
            tls = f", {door.refused} failed in TLS" if door.refused else ""
            detail, trouble = f"{door.came} connections since the start{tls}{why}", door.trouble
            said, hint = ("", "") if trouble is None else in_words(trouble[0])
            at_ns = 0 if trouble is None else trouble[1]
            row = AdapterStatus(name, "mqtt", str(door), state, self._started_ns, detail, error=said, hint=hint)
            found.append(replace(row, error_ns=at_ns, failures=door.refused + (trouble is not None)))
        all_of_it = f"{stats.connections} open, {stats.received} messages received"
        together = " by all listeners" if len(found) > 1 else ""
        detail = f"{all_of_it}{together}; {found[0].detail}"
        return [replace(found[0], detail=detail, received=stats.received, unsettled=stats.unsettled), *found[1:]]

    def _failing(self) -> int:
        return sum(one.state == "failing" for one in self.statuses())


def door_names(count: int) -> list[str]:
    """What the listeners are called, in the order of the settings."""
    return ["mqtt", *(f"mqtt:{number}" for number in range(2, count + 1))]
