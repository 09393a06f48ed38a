"""What is on at this node's edge, how it is, and whether it could be."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from holdfast.adapters.broker.subscriber import BrokerSubscriber
from holdfast.adapters.mqtt.checks import addresses
from holdfast.adapters.mqtt.server import MqttServer
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.supervised import AdapterStatus, State, Supervised, Worked, in_words
from holdfast.kernel.clock import Clock
from holdfast.node.settings import NodePlan
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.addresses import Address

TRY_S = 5.0


class Adapters:
    """Every adapter of a running node. Loop thread only."""

    def __init__(
        self,
        clock: Clock,
        telemetry: Telemetry,
        mqtt: MqttServer | None,
        mqtt_settings: MqttSettings | None,
        brokers: Sequence[BrokerSubscriber] = (),
    ) -> None:
        """brokers: foreign ones, which keep their connections up by themselves."""
        self._clock, self._telemetry = clock, telemetry
        self._mqtt, self._mqtt_settings = mqtt, mqtt_settings
        self._rng = random.Random()
        self._started_ns = clock.wall_ns()
        self._supervised: list[Supervised] = []
        self._brokers = brokers
        telemetry.gauge("adapters_failing", "adapters that can't do their work", self._failing)

    async def supervise(self, kind: str, where: str, attempt: Callable[[Worked], Awaitable[None]]) -> None:
        """Run an adapter for as long as the node does; see `Supervised.run`."""
        name = kind if where in ("", kind) else f"{kind}:{where}"
        one = Supervised((name, kind, where), self._clock, self._telemetry, self._rng)
        self._supervised.append(one)
        await one.run(attempt)

    def statuses(self) -> list[AdapterStatus]:
        """How each is."""
        brokers = [self._broker(broker) for broker in self._brokers]
        return self._own() + brokers

    def _broker(self, broker: BrokerSubscriber) -> AdapterStatus:
        """A broker's own reconnecting tells what is wrong, not since when."""
        s = broker.status()
        detail = f"{s.received} messages received, {s.unsettled} not settled yet"
        state: State = "working" if s.is_up else "failing"
        return AdapterStatus(f"broker:{s.name}", "broker", s.url, state, self._started_ns, detail, s.trouble)

    def _own(self) -> list[AdapterStatus]:
        found = [] if self._mqtt is None or self._mqtt_settings is None else [self._listener(self._mqtt)]
        return found + [one.status() for one in self._supervised]

    def _listener(self, mqtt: MqttServer) -> AdapterStatus:
        """The MQTT server: a port that can't be had ends the node at its start, so one that runs works."""
        assert self._mqtt_settings is not None  # noqa: S101  # as asked by the caller
        stats = mqtt.stats()
        detail = (
            f"{stats.connections} connections, {stats.received} messages received, {stats.unsettled} not settled yet"
        )
        is_open = mqtt.port != 0
        if stats.paused:
            detail += "; publishers wait: the journal doesn't keep up or is full"
        state: State = "starting" if not is_open else "paused" if stats.paused else "working"
        where = ", ".join(map(str, addresses(self._mqtt_settings)))
        return AdapterStatus("mqtt", "mqtt", where, state, self._started_ns, detail)

    def _failing(self) -> int:
        return sum(one.state == "failing" for one in self.statuses())


class Tried(Struct, frozen=True):
    """What came of trying an adapter once. note: what was found, or what is wrong; hint: what to do."""

    name: str
    works: bool
    note: str
    hint: str = ""


async def try_all(plan: NodePlan, clock: Clock, *, is_running: bool) -> list[Tried]:
    """Try what these settings turn on, once, before they're used; changes nothing.

    is_running: a node runs with this `data` folder; its ports are taken then, and should answer
    """
    settings, found = plan.settings, list[Tried]()
    if settings.mqtt is not None:
        for address in addresses(settings.mqtt):
            found.append(await _try_listener("mqtt", address, is_running=is_running))
    if settings.host is not None:
        try:
            from holdfast.adapters.host.adapter import read_machine  # noqa: PLC0415  # as in `node`

            sample = await asyncio.to_thread(read_machine, clock, settings.host.disk)
        except Exception as error:  # noqa: BLE001  # whatever it is, it's what was asked for
            found.append(Tried("host", works=False, note=in_words(error)[0], hint="is `host.disk` a path here?"))
        else:
            found.append(Tried("host", works=True, note=f"disk {sample.disk:g} % used, memory {sample.memory:g} %"))
    return found


async def _try_listener(name: str, address: Address, *, is_running: bool) -> Tried:
    if is_running:
        return await _try_connecting(name, address.host, address.port)
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, address.host, address.port)
    except OSError as error:
        hint = "another program listens there, or the address isn't this machine's: `ss -ltnp` shows who"
        return Tried(name, works=False, note=f"{address}: {in_words(error)[0]}", hint=hint)
    server.close()
    await server.wait_closed()
    return Tried(name, works=True, note=f"{address} is free")


async def _try_connecting(name: str, host: str, port: int) -> Tried:
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # to be reached, not bound
    try:
        async with asyncio.timeout(TRY_S):
            _, writer = await asyncio.open_connection(reached, port, family=socket.AF_UNSPEC)
    except (OSError, TimeoutError) as error:
        note = f"the node runs, and nothing answers at {reached}:{port}: {in_words(error)[0]}"
        return Tried(name, works=False, note=note, hint="has node.yaml changed since it started? Then restart it")
    writer.close()
    return Tried(name, works=True, note=f"the running node answers at {reached}:{port}")
