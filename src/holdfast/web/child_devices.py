"""The route where children tell how their devices are."""

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.devices.below import Below
from holdfast.web.door import needs_token
from holdfast.web.senders import Senders
from holdfast.wire.devices import DeviceReport

MAX_REPORT = 4 << 20
PACKED = "application/vnd.msgpack"
HINT = "see docs/reference/sync-protocol.md, Devices"
_report = msgspec.msgpack.Decoder(DeviceReport)


class ChildDevices:
    """Devices of nodes below, for one node."""

    def __init__(self, senders: Senders, who: Callable[[str], str | None], below: Below) -> None:
        self._senders, self._who, self._below = senders, who, below

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
            return Response(msgspec.msgpack.encode(receipt), 200, {"Cache-Control": "no-store"}, PACKED)
