"""Tries what settings turn on at a node's edge, once, before they are used."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from random import Random

from msgspec import Struct

from holdfast.adapters.broker.link import Door
from holdfast.adapters.broker.trying import try_broker
from holdfast.adapters.host.adapter import read_machine
from holdfast.adapters.mqtt.checks import addresses
from holdfast.adapters.port import Arrival, EdgeAdapter
from holdfast.adapters.supervised import in_words
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.node.adapters import door_names
from holdfast.node.edge.kinds import KINDS
from holdfast.node.edge.port import Making
from holdfast.node.foreign import trial_door
from holdfast.node.settings import NodePlan, NodeSettings
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.addresses import Address

TRY_S = 5.0
LONGEST_S = 15.0
_SILENT = "is the address right, and does a firewall let it through?"


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
    for name, address in _listeners(settings):
        found.append(await _try_listener(name, address, is_running=is_running))
    if settings.host is not None:
        try:
            sample = await asyncio.to_thread(read_machine, clock, settings.host.disk)
        except Exception as error:  # noqa: BLE001  # whatever it is, it's what was asked for
            found.append(Tried("host", works=False, note=in_words(error)[0], hint="is `host.disk` a path here?"))
        else:
            found.append(Tried("host", works=True, note=f"disk {sample.disk:g} % used, memory {sample.memory:g} %"))
    for name, broker in settings.brokers.items():
        door = trial_door(plan, broker, name)
        found.append(await _try_broker(f"broker:{name}", door, broker.subscribe, clock))
    for name, route in settings.routes.items():
        found.append(await _try_broker(f"route:{name}", trial_door(plan, route.to, name), {}, clock))
    found += await asyncio.gather(*(_try_adapter(one) for one in _made(plan, clock, found)))
    return found


def _listeners(settings: NodeSettings) -> Iterator[tuple[str, Address]]:
    """Where devices may come to: MQTT's, and HTTP's where an application may send."""
    if settings.mqtt is not None:
        listening = addresses(settings.mqtt)
        yield from zip(door_names(len(listening)), listening, strict=True)
    if settings.api is not None and any(app.intake for app in settings.apps.values()):
        yield "http", settings.api.address


def _made(plan: NodePlan, clock: Clock, found: list[Tried]) -> list[EdgeAdapter]:
    """The adapters with links of their own; a kind that can't be made is told."""
    making = Making(plan, _Nowhere(), clock, Telemetry(clock, lambda _: None), Random())
    made: list[EdgeAdapter] = []
    for kind in (kind for kind in KINDS if getattr(plan.settings, kind.key)):
        try:
            made += kind.make(making)
        except HoldfastError as error:
            said, hint = in_words(error)
            found.append(Tried(kind.key, works=False, note=said, hint=hint))
    return made


class _Nowhere:
    """The inbox of adapters that are only tried: nothing is taken."""

    def offer(self, arrival: Arrival) -> bool:
        """Refuse it."""
        arrival.receipt.refuse()
        return False

    def when_drained(self, callback: Callable[[], None]) -> None:
        """It never is."""


async def _try_adapter(adapter: EdgeAdapter) -> Tried:
    try:
        async with asyncio.timeout(LONGEST_S):
            note = await adapter.try_once()
    except TimeoutError:
        return Tried(adapter.name, works=False, note=f"no answer within {LONGEST_S:g} s", hint=_SILENT)
    except Exception as error:  # noqa: BLE001  # whatever it is, it's what was asked for
        said, hint = in_words(error)
        return Tried(adapter.name, works=False, note=said, hint=hint)
    return Tried(adapter.name, works=True, note=note)


async def _try_broker(name: str, door: Door, subscribe: Mapping[str, int], clock: Clock) -> Tried:
    try:
        note, hint = await try_broker(door, subscribe, clock.wall_ns() / NS_PER_S)
    except HoldfastError as error:
        said, hint = in_words(error)
        return Tried(name, works=False, note=said, hint=hint)
    return Tried(name, works=True, note=note, hint=hint)


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
