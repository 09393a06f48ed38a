"""The route where children tell how their devices are, and how they are themselves."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.devices.below import Below
from holdfast.web.door import needs_token
from holdfast.web.senders import Senders
from holdfast.wire.devices import DeviceReport
from holdfast.wire.sites import SiteTold

MAX_REPORT = 4 << 20
PACKED = "application/vnd.msgpack"
HINT = "see docs/reference/sync-protocol.md, Devices"
_report = msgspec.msgpack.Decoder(DeviceReport)


class ToldOfSites(Protocol):
    """`sites.below.SitesBelow`."""

    def take(self, teller: str, rows: Sequence[SiteTold]) -> bool:
        """A child tells; does this node lack something that the rows build on?"""
        ...


class ChildDevices:
    """Devices of nodes below, for one node."""

    def __init__(
        self,
        senders: Senders,
        who: Callable[[str], str | None],
        below: Below,
        sites: ToldOfSites | None = None,
        waits: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """waits: do commands wait for a child?"""
        self._waits = waits
        self._senders, self._who, self._below, self._sites = senders, who, below, sites

    def routes(self) -> list[Route]:
        """The paths."""
        return [Route("/api/v1/sync/devices", self.told, methods=["POST"])]

    @needs_token
    async def told(self, request: Request) -> Response:
        """`DeviceReport` in, `DeviceReceipt` out, once it's on disk."""
        child = self._senders.sender(request, self._who)
        with self._senders.slot(child):
            body = await self._senders.read(request, MAX_REPORT)
            try:
                report = _report.decode(body)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise self._senders.refusal("malformed", 400, f"not a report of devices: {error}", HINT) from error
            receipt = await self._below.take(child, report)
            if self._sites is not None:
                lacks = self._sites.take(child, report.sites)
                receipt = msgspec.structs.replace(receipt, sites=True, ask_sites=lacks)
            receipt = msgspec.structs.replace(receipt, orders=self._waits(child))
            return Response(msgspec.msgpack.encode(receipt), 200, {"Cache-Control": "no-store"}, PACKED)
