"""The HTTP end against a server on a socket: what isn't taken is tried again, in order."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from tests.unit.sim.site.scenes import START_NS

from holdfast.sim.ends.http import HttpEnd, HttpEndSettings
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan, Scalar

POINTS = {"t": PointPlan("air.temperature", "Cel")}


class Taker:
    """Answers POSTs by a list of statuses, then 200."""

    def __init__(self, *statuses: bytes) -> None:
        self.statuses = list(statuses)
        self.asked: list[tuple[str, bytes]] = []
        self.taken: list[bytes] = []
        self.headers = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.headers = head
                size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(size)
                self.asked.append((head.split()[1].decode(), body))
                status = self.statuses.pop(0) if self.statuses else b"200 OK"
                if status.startswith(b"2"):
                    self.taken.append(body)
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def posted(taker: Taker, faults: Faults = SOUND, count: int = 5) -> HttpEnd:
    server = await asyncio.start_server(taker.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = HttpEndSettings(url=f"http://127.0.0.1:{port}/in/{{group}}/{{device}}", headers={"X-Token": "t"})
    end = HttpEnd("g", settings, {"d": DevicePlan(0, POINTS)})
    await end.start()
    try:
        for n in range(count):
            values: Mapping[str, Scalar] = {"t": 20.0 + n}
            await end.show("d", START_NS, end.frames("d", START_NS, values), faults)
            await asyncio.sleep(0)
    finally:
        await end.stop()
        await end.stop()
        server.close()
    return end


def ids(bodies: list[bytes]) -> list[int]:
    return [json.loads(body)["id"] for body in bodies]


def test_every_message_is_posted_in_order() -> None:
    taker = Taker()
    end = asyncio.run(posted(taker))
    assert ids(taker.taken) == [1, 2, 3, 4, 5]
    assert {path for path, _ in taker.asked} == {"/in/g/d"}
    assert b"x-token: t" in taker.headers.lower()
    assert b"content-type: application/json" in taker.headers.lower()
    assert (end.taken, end.refused) == (5, 0)


def test_what_was_not_taken_is_posted_again_before_the_next() -> None:
    taker = Taker(b"503 Busy", b"429 Slow", b"200 OK", b"500 Oh")
    asyncio.run(posted(taker))
    assert ids([body for _, body in taker.asked]) == [1, 1, 1, 2, 2, 3, 4, 5]
    assert ids(taker.taken) == [1, 2, 3, 4, 5]


def test_what_is_refused_for_good_is_counted_and_not_tried_again() -> None:
    taker = Taker(b"400 Bad")
    end = asyncio.run(posted(taker))
    assert ids(taker.taken) == [2, 3, 4, 5]
    assert (end.taken, end.refused) == (4, 1)


def test_a_device_that_is_gone_posts_nothing() -> None:
    taker = Taker()
    asyncio.run(posted(taker, Faults(dropout=True)))
    assert taker.asked == []


def test_garbage_is_posted_as_garbage() -> None:
    taker = Taker()
    asyncio.run(posted(taker, Faults(garbage=True), 1))
    assert len(taker.asked) == 1
    with pytest.raises(ValueError, match=r"Expecting|Invalid|Extra|decode|Unterminated"):
        json.loads(taker.asked[0][1])
