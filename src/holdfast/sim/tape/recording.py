"""Records what a broker, or a node's own listener, passes on."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from holdfast.adapters.broker.errors import BrokerRefused
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.sim.ends.profiles import here
from holdfast.sim.mqtt.client import MqttClient
from holdfast.sim.mqtt.session import Message, Session
from holdfast.sim.tape.format import MAGIC, Record, TapeWriter
from holdfast.transport.brokers import BrokerLogin

FLUSH_S = 1.0
"""A recorder that's killed loses at most what came within the last second."""
_GRANT_S = 10.0


class TapeUnwritable(HoldfastError):
    """The file can't be written."""


class Recorder:
    """One recording: at most a second and a block of it in memory."""

    def __init__(self, file: BinaryIO, clock: Clock) -> None:
        self.writer = TapeWriter()
        self.bytes = len(MAGIC)
        """Of the file so far."""
        self._file, self._clock = file, clock
        file.write(MAGIC)

    def heard(self, message: Message) -> None:
        """A message came; it's written with the next `flush`."""
        self.writer.add(Record(self._clock.wall_ns(), message.topic, message.payload, message.qos, message.retain))

    def flush(self) -> None:
        """Hand what was gathered to the system.

        Raises:
            TapeUnwritable: when it doesn't take it; the tape is good up to there.
        """
        block = self.writer.block()
        try:
            self._file.write(block)
            self._file.flush()
        except OSError as error:
            raise TapeUnwritable(f"{self._file.name}: {error.strerror}") from error
        self.bytes += len(block)


async def record(
    login: BrokerLogin, filters: Sequence[str], path: Path, clock: Clock, seconds: float | None,
    stopping: asyncio.Event, told: Callable[[Recorder], None],
) -> Recorder:  # fmt: skip
    """Record until `seconds` are over or `stopping`. told: called about once a second, and once when it begins.

    Raises:
        HoldfastError: when there is no broker, it lets us read nothing, or the file can't be written.
    """
    try:
        file = await asyncio.to_thread(path.open, "xb")
    except FileExistsError as error:
        raise TapeUnwritable(f"{path} is there already: name a new file") from error
    except OSError as error:
        raise TapeUnwritable(f"{path}: {error.strerror}") from error
    with file:
        recorder = Recorder(file, clock)
        session = Session(
            f"holdfast-record-{clock.wall_ns() % 10**9}", user=login.username, password=login.secret(here)
        )
        session.subscribe(*filters)
        client = MqttClient(login, session, recorder.heard)
        await client.start()
        try:
            await _granted(client, filters)
            told(recorder)
            end = None if seconds is None else clock.monotonic() + seconds
            while not stopping.is_set() and (end is None or clock.monotonic() < end):
                left = FLUSH_S if end is None else min(FLUSH_S, end - clock.monotonic())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, left)):
                        await client.when(lambda: stopping.is_set() or recorder.writer.is_full)
                recorder.flush()
                told(recorder)
        finally:
            await client.stop()
            recorder.flush()
    return recorder


async def _granted(client: MqttClient, filters: Sequence[str]) -> None:
    """Wait for SUBACK.

    Raises:
        BrokerRefused: when there's a filter that the broker doesn't let us read.
    """
    session = client.session
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRANT_S):
            await client.when(lambda: session.granted is not None)
    refused = [name for name, code in zip(filters, session.granted or (), strict=False) if code >= 0x80]
    if session.granted is None or refused:
        names = ", ".join(refused) or "our filters"
        raise BrokerRefused(f"the broker doesn't let us read {names}", "Allow this user to subscribe to it")
