"""gmqtt against a node: python client.py PORT VERSION. Says what it saw as one line of JSON."""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import gmqtt

PORT, VERSION = int(sys.argv[1]), int(sys.argv[2])
TOPIC = f"gmqtt/{VERSION}"


class Peer:
    """A client with what it heard. lasting: its session outlives its connection."""

    def __init__(self, name: str, *, lasting: bool) -> None:
        self.heard: list[tuple[str, str, int]] = []
        self.granted: list[int] = []
        self.resumed = False
        more = {"session_expiry_interval": 60} if lasting and VERSION == 5 else {}  # of the protocol
        self.client = gmqtt.Client(f"{name}-{VERSION}", clean_session=not lasting, **more)
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda _c, _m, qos, _p: self.granted.extend(qos)
        self.client.on_connect = lambda _c, flags, _r, _p: setattr(self, "resumed", bool(flags & 1))

    async def join(self) -> "Peer":
        await self.client.connect("127.0.0.1", PORT, version=VERSION)
        return self

    async def _on_message(self, _client: Any, topic: str, payload: bytes, qos: int, _properties: Any) -> int:
        self.heard.append((topic, payload.decode(), qos))
        return 0


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # a foreign client sets no event
            await asyncio.sleep(0.01)


async def main() -> None:
    listener = await Peer("gm-listener", lasting=True).join()
    listener.client.subscribe(f"{TOPIC}/#", qos=2)
    await until(lambda: listener.granted)
    device = await Peer("gm-device", lasting=False).join()
    for qos in (0, 1, 2):
        device.client.publish(f"{TOPIC}/here", f"here {qos}", qos=qos)
    await until(lambda: len(listener.heard) == 3)  # one of each QoS
    await listener.client.disconnect()
    for qos in (0, 1, 2):
        device.client.publish(f"{TOPIC}/away", f"away {qos}", qos=qos)
    await asyncio.sleep(0.5)
    back = await Peer("gm-listener", lasting=True).join()
    await until(lambda: len(back.heard) >= 2)  # QoS 1 and 2
    await asyncio.sleep(0.2)
    print(
        json.dumps({"granted": listener.granted, "here": listener.heard, "away": back.heard, "resumed": back.resumed})
    )
    await back.client.disconnect()
    await device.client.disconnect()


asyncio.run(main())
