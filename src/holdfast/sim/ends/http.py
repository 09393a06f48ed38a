"""Devices that POST JSON over HTTP, one object a message, as the MQTT ones say it (`ends.mqtt`).

Each device keeps at most 100 messages: one that isn't taken (no connection, 429, 5xx) is tried again, in order, after
what Retry-After says or a second; beyond 100 the oldest is lost, as a device's small memory has it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from holdfast.kernel.clock import NS_PER_MS
from holdfast.sim.ends.port import DevicePlan, Faults, Scalar
from holdfast.sim.ends.profiles import fields_of, profiles_yaml
from holdfast.sim.ends.publishing import Publication, framed, on_the_wire
from holdfast.transport.errors import CallFailed

_KEPT = 100
_PAUSE_S, _LONGEST_PAUSE_S, _TIMEOUT_S, _LAST_WORDS_S = 1.0, 30.0, 10.0, 5.0
_CONNECTIONS = 50


class HttpEndSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """url: with {group} and {device}; topic: of the messages at a node, for the profile of `--node`."""

    url: str = "http://127.0.0.1:8080/api/v1/intake/sim/{group}/{device}"
    headers: dict[str, str] = {}
    topic: str = "sim/{group}/{device}"

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself."""
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            yield ("url",), "expected http://host:port/path or https://host:port/path"


class HttpEnd:
    """See the page."""

    def __init__(self, name: str, settings: HttpEndSettings, devices: Mapping[str, DevicePlan]) -> None:
        import httpx  # noqa: PLC0415  # half a second of imports that only this end needs

        self._httpx = httpx
        self._name, self._settings, self._devices = name, settings, devices
        self._url = settings.url.replace("{group}", name)
        self._count = dict.fromkeys(devices, 0)
        self._waiting: dict[str, deque[Publication]] = {device: deque(maxlen=_KEPT) for device in devices}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._client: httpx.AsyncClient | None = None
        self.taken = self.refused = 0

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """One body and its URL."""
        self._count[device] += 1
        said = {"id": self._count[device], "ts": at_ns // NS_PER_MS, **values}
        return [framed(self._url.replace("{device}", device), msgspec.json.encode(said))]

    async def start(self) -> None:
        """See that somebody listens.

        Raises:
            CallFailed: when nobody does.
        """
        parts = urlsplit(self._url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                _, writer = await asyncio.open_connection(parts.hostname, port)
        except (OSError, TimeoutError) as error:
            raise CallFailed(f"{parts.hostname}:{port}: nobody listens ({error})", "start what takes these") from error
        writer.close()
        limits = self._httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        headers = {"content-type": "application/json", **self._settings.headers}
        self._client = self._httpx.AsyncClient(limits=limits, timeout=_TIMEOUT_S, headers=headers)

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
        """Put it among what the device has to send."""
        del at_ns
        said = on_the_wire(frames, faults)
        if not said:
            return
        self._waiting[device].extend(said)
        if device not in self._busy or self._busy[device].done():
            self._busy[device] = asyncio.create_task(self._send(device, faults.slow_s), name=f"http {device}")

    async def stop(self) -> None:
        """Wait a moment for what's under way, and close."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await asyncio.gather(*self._busy.values())
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def map_yaml(self) -> str:
        """A profile."""
        points = next(iter(self._devices.values())).points
        profile = {
            "topic": self._settings.topic.replace("{group}", self._name),
            "version": 1,
            "time": {"field": "ts", "unit": "ms"},
            "id": "id",
            "fields": fields_of(points),
        }
        return profiles_yaml({f"sim-{self._name}": profile})

    async def _send(self, device: str, slow_s: float) -> None:
        await asyncio.sleep(slow_s)
        waiting = self._waiting[device]
        while waiting:
            message = waiting[0]
            pause = await self._post(message)
            if pause is None:
                if waiting and waiting[0] is message:  # it may have been the oldest of too many meanwhile
                    waiting.popleft()
            else:
                await asyncio.sleep(pause)

    async def _post(self, message: Publication) -> float | None:
        """Try once; seconds until the next try, None = it's over with it."""
        if self._client is None:
            return None
        try:
            answer = await self._client.post(message.topic, content=message.payload)
        except self._httpx.HTTPError:
            return _PAUSE_S
        if answer.status_code == 429 or answer.status_code >= 500:
            after = answer.headers.get("retry-after", "")
            return min(float(after), _LONGEST_PAUSE_S) if after.isdigit() else _PAUSE_S
        self.taken += answer.status_code < 400
        self.refused += answer.status_code >= 400
        return None
