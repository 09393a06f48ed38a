"""A real node that speaks MQTT, and clients nobody here wrote (paho) or that say exactly what a test wants (raw)."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from tests.unit.adapters.mqtt.doubles import connect
from tests.waiting import wait_until

from holdfast.kernel.clock import SystemClock
from holdfast.node.node import Node
from holdfast.node.settings import read_plan
from holdfast.telemetry.happenings import Telemetry

SETTINGS = """
node: gw
journal: {ballast: 0MB}
profiles: ["%s"]
mqtt: {listen: "127.0.0.1:0", anonymous: true, max_keep_alive: 60s, receive_maximum: 20, max_packet: 64kB%s}
%s
"""


class House:
    """A node on a loop of its own: every message goes through intake and the journal."""

    def __init__(self, folder: Path, more: str = "", *, profile: str = "builtin:rooms", beside: str = "") -> None:
        """more: of the listener's settings; beside: of the node's."""
        self.folder = folder
        (folder / "node.yaml").write_text(SETTINGS % (profile, more, beside))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.node: Node = self.do(self._start())
        assert self.node.mqtt is not None
        self.mqtt = self.node.mqtt

    @property
    def port(self) -> int:
        return int(self.mqtt.port)

    async def _start(self) -> Node:
        clock = SystemClock()
        node = Node(read_plan(self.folder / "node.yaml"), clock, Telemetry(clock, lambda _: None))
        await node.start()
        return node

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    def stop(self) -> None:
        self.do(self.node.stop(1.0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextlib.contextmanager
def house(folder: Path, more: str = "") -> Iterator[House]:
    running = House(folder, more)
    try:
        yield running
    finally:
        running.stop()


def said(kind: int, **values: Any) -> Properties:
    """Properties of a packet, by paho's names."""
    found = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(found, name, value)
    return found


class Peer:
    """A paho client with what it heard. lasting: seconds its session outlives its connection (3.1.1: any = lasting)."""

    def __init__(
        self,
        port: int,
        name: str,
        *,
        five: bool = True,
        lasting: int = 0,
        clean: bool | None = None,
        keep_alive: int = 30,
        will: dict[str, Any] | None = None,
        accepted: bool = True,
        **terms: Any,
    ) -> None:
        self.heard: list[Any] = []
        self.answers: list[tuple[Any, Any, Any]] = []
        self.codes: list[list[int]] = []
        self.goodbyes: list[int] = []
        self.five = five
        version = MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311
        clean = not lasting if clean is None else clean
        at_birth = None if five else clean
        self.client = client = paho.Client(CallbackAPIVersion.VERSION2, name, at_birth, protocol=version)
        client.on_message = lambda _c, _u, m: self.heard.append(m)
        client.on_connect = lambda _c, _u, flags, reason, p: self.answers.append((flags, reason.value, p))
        client.on_subscribe = lambda _c, _u, _m, reasons, _p: self.codes.append([r.value for r in reasons])
        client.on_unsubscribe = lambda _c, _u, _m, reasons, _p: self.codes.append([r.value for r in reasons])
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self.goodbyes.append(reason.value)
        if will is not None:
            client.will_set(**will)
        more: dict[str, Any] = {}
        if five:
            if lasting:
                terms["SessionExpiryInterval"] = lasting
            more = {"clean_start": clean, "properties": said(PacketTypes.CONNECT, **terms)}
        client.connect("127.0.0.1", port, keep_alive, **more)
        client.loop_start()
        wait_until(lambda: self.answers)
        assert (self.answers[0][1] == 0) is accepted, self.answers

    @property
    def is_resumed(self) -> bool:
        return bool(self.answers[0][0].session_present)

    @property
    def terms(self) -> Any:
        """CONNACK's properties."""
        return self.answers[0][2]

    @property
    def payloads(self) -> list[bytes]:
        return [bytes(m.payload) for m in self.heard]

    def subscribe(self, topic_filter: str, qos: int = 2, *, identifier: int = 0, **options: Any) -> list[int]:
        """SUBACK's codes."""
        before = len(self.codes)
        if self.five:
            wish = SubscribeOptions(qos, **options)
            about = said(PacketTypes.SUBSCRIBE, **({"SubscriptionIdentifier": identifier} if identifier else {}))
            self.client.subscribe(topic_filter, options=wish, properties=about)
        else:
            self.client.subscribe(topic_filter, qos)
        wait_until(lambda: len(self.codes) > before)
        return self.codes[-1]

    def unsubscribe(self, topic_filter: str) -> list[int]:
        """UNSUBACK's codes; none for 3.1.1."""
        before = len(self.codes)
        self.client.unsubscribe(topic_filter)
        wait_until(lambda: len(self.codes) > before)
        return self.codes[-1]

    def publish(self, topic: str, payload: bytes, qos: int = 2, *, retain: bool = False, **about: Any) -> None:
        """Publish, and wait until the node has answered for it."""
        properties = said(PacketTypes.PUBLISH, **about) if self.five else None
        self.client.publish(topic, payload, qos, retain, properties).wait_for_publish(10)

    def leave(self, **about: Any) -> None:
        """Say goodbye."""
        self.client.disconnect(properties=said(PacketTypes.DISCONNECT, **about) if self.five and about else None)
        wait_until(lambda: self.goodbyes)
        self.client.loop_stop()

    def vanish(self) -> None:
        """Be gone without a word."""
        self.client.loop_stop()
        sock = self.client.socket()
        assert sock is not None
        sock.close()


class Raw:
    """A socket that says what it's told and reads packets."""

    opened: ClassVar[list["Raw"]] = []
    """For whoever tidies up."""

    def __init__(self, port: int, name: str, *frames: bytes, **terms: Any) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.opened.append(self)
        self.say(connect(name, **terms), *frames)
        self.greeting = self.packet()

    def say(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def packet(self) -> bytes:
        """The next packet; empty at the end."""
        head = self._exactly(2)
        if not head:
            return b""
        size, at = head[1] & 127, 1
        while head[at] & 128:
            head += self._exactly(1)
            at += 1
            size |= (head[at] & 127) << (7 * (at - 1))
        return head + self._exactly(size)

    def packets(self, count: int) -> list[bytes]:
        return [self.packet() for _ in range(count)]

    def is_silent(self, for_s: float = 0.3) -> bool:
        """Does nothing come?"""
        self.sock.settimeout(for_s)
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(10)

    def close(self) -> None:
        self.sock.close()

    def _exactly(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            piece = self.sock.recv(count - len(out))
            if not piece:
                return b""
            out += piece
        return out


def leave(peers: Sequence[Peer]) -> None:
    for peer in peers:
        peer.leave()
