"""Replays records to a broker with the pauses they came with, divided by a speed."""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.sim.ends.profiles import here
from holdfast.sim.mqtt.client import MqttClient
from holdfast.sim.mqtt.session import Session
from holdfast.sim.tape.format import Record
from holdfast.transport.brokers import BrokerLogin

_WINDOW = 1000
_MOST_WAITING = 5000
_BUCKETS_PER_DECADE, _LEAST_S, _DECADES = 100, 1e-6, 9
_BREATH = 100
_DRAIN_S = 30.0


class Replayed(NamedTuple):
    """What was replayed. late: how much after its moment a message was handed to the socket, s; none at `max`.

    taped_s, took_s: from the first message to the last, on the tape and now
    """

    messages: int
    bytes: int
    acked: int
    taped_s: float
    took_s: float
    late_p50_s: float
    late_p99_s: float


class Lateness:
    """A histogram of delays in buckets of 2.3 %: bounded, however long the tape."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS_PER_DECADE * _DECADES + 2, np.int64)

    def add(self, late_s: float) -> None:
        """Count a delay."""
        place = 0 if late_s <= _LEAST_S else int(np.log10(late_s / _LEAST_S) * _BUCKETS_PER_DECADE) + 1
        self._counts[min(place, len(self._counts) - 1)] += 1

    def quantile(self, share: float) -> float:
        """The delay that `share` of them don't exceed, s; 0 without any."""
        total = int(self._counts.sum())
        if not total:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), share * total))
        return 0.0 if place == 0 else float(_LEAST_S * 10 ** (place / _BUCKETS_PER_DECADE))


async def replay(
    records: Iterable[Record], login: BrokerLogin, speed: float | None, clock: Clock, stopping: asyncio.Event,
    told: Callable[[int], None], qos: int | None = None,
) -> Replayed:  # fmt: skip
    """Publish them all, in order. speed: None = as fast as the broker acknowledges; qos: None = as recorded.

    Raises:
        HoldfastError: when there is no broker at the beginning, it doesn't come back, or the tape is damaged.
    """
    session = Session(
        f"holdfast-replay-{clock.wall_ns() % 10**9}", user=login.username, password=login.secret(here),
        window=_WINDOW, most_waiting=10 * _MOST_WAITING,
    )  # fmt: skip
    client = MqttClient(login, session)
    await client.start()
    try:
        return await _play(records, client, speed, clock, stopping, told, qos)
    finally:
        await client.stop()


async def _play(
    records: Iterable[Record], client: MqttClient, speed: float | None, clock: Clock, stopping: asyncio.Event,
    told: Callable[[int], None], qos: int | None,
) -> Replayed:  # fmt: skip
    lateness, session = Lateness(), client.session
    count = size = 0
    first_ns = last_ns = 0
    began = last = clock.monotonic()
    for record in records:
        first_ns = first_ns if count else record.ns
        last_ns = max(last_ns, record.ns)  # a wall clock that was set back while recording makes no pause
        if speed is not None:
            due = began + (last_ns - first_ns) / NS_PER_S / speed
            if await _over(due, clock, stopping, client):
                break
            lateness.add(max(0.0, clock.monotonic() - due))
        elif stopping.is_set():
            break
        session.publish(record.topic, record.payload, min(record.qos, 1) if qos is None else qos, retain=record.retain)
        count += 1
        size += len(record.payload)
        last = clock.monotonic()
        if count % _BREATH == 0 or session.left >= _MOST_WAITING or not client.keeps_up:
            client.flush()
            await _room(client)
            told(count)
    client.flush()
    if not await client.drained(_DRAIN_S):
        raise NotTaken(session.left)
    taped = (last_ns - first_ns) / NS_PER_S
    return Replayed(count, size, session.acked, taped, last - began, lateness.quantile(0.5), lateness.quantile(0.99))


class NotTaken(HoldfastError):
    """The broker didn't acknowledge everything."""

    hint = "is it still there? Its log says why"

    def __init__(self, left: int) -> None:
        self.left = left
        super().__init__(f"the broker took no more: {left} messages aren't acknowledged")


async def _room(client: MqttClient) -> None:
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(_DRAIN_S):
            await client.room(_MOST_WAITING - 1)
    except TimeoutError:
        raise NotTaken(client.session.left) from None


async def _over(due: float, clock: Clock, stopping: asyncio.Event, client: MqttClient) -> bool:
    """Wait for the moment; True = it's over before."""
    left = due - clock.monotonic()
    if left <= 0:
        return stopping.is_set()
    client.flush()
    try:
        async with asyncio.timeout(left):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
