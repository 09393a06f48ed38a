"""Routes for devices: list, one, and changes."""

import asyncio
from fnmatch import fnmatchcase

import msgspec
import numpy as np
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.devices.errors import DeviceNameTaken, DeviceUnfit, DeviceUnknown
from holdfast.history.errors import QueryTooLong
from holdfast.history.question import Deadline
from holdfast.web.bodies import read_body
from holdfast.web.deps import DeviceBook, WebDeps
from holdfast.web.device_answers import DeviceChange, DeviceChanged, DeviceList, DeviceRow
from holdfast.web.door import ADMIN, OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import require_role
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer

MOST_LISTED = 5_000
MAX_BODY, STALL_S, LOOK_S = 256 << 10, 10.0, 3.0
STATES = ("online", "late", "silent", "never", "unknown")
FOR_ADMINS = ("retire", "rename", "replace")
STATUSES = ("new", "accepted", "retired")
_change = msgspec.json.Decoder(DeviceChange)


class Devices:
    """The devices' routes of one node."""

    def __init__(self, deps: WebDeps, book: DeviceBook, gate: Gate) -> None:
        """gate: shared by all questions about the past."""
        self._deps, self._book, self._gate = deps, book, gate
        self._looked: set[int] = set()

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/devices", self.list),
            Route("/api/v1/devices", self.change, methods=["POST"]),
            Route("/api/v1/devices/{name}", self.show),
        ]

    async def list(self, request: Request) -> Response:
        """`?match=press-*&state=&status=&label=&node=&limit=1000&offset=0`: devices by node and name."""
        params = request.query_params
        only(params, "match", "state", "status", "label", "node", "limit", "offset")
        limit, offset = whole(params, "limit", 1000, MOST_LISTED), whole(params, "offset", 0, 10**9)
        for name, known in (("state", STATES), ("status", STATUSES)):
            if params.get(name, known[0]) not in known:
                raise Refused(400, f"{params[name][:40]!r} is no {name}", f"one of {', '.join(known)}")
        await self.recall_children()
        found = [row for row in self._book.rows() if _fits(row, params)]
        return answer(DeviceList(len(found), found[offset : offset + limit]))

    async def show(self, request: Request) -> Response:
        """One device by any of its names, with its gaps and series; `?node=`: a child's."""
        only(request.query_params, "node")
        name = str(request.path_params["name"])
        await self.recall_children()
        try:
            return answer(await self._book.detail(name, request.query_params.get("node", "")))
        except DeviceUnknown as error:
            raise Refused(404, str(error), error.hint) from error

    @needs(OPERATOR)
    async def change(self, request: Request) -> Response:
        """JSON `DeviceChange` in, JSON `DeviceChanged` out, once it's on disk; some of it takes an admin."""
        only(request.query_params)
        try:
            wanted = _change.decode(await read_body(request, MAX_BODY, STALL_S))
        except msgspec.MsgspecError as error:
            raise Refused(400, f"no change of devices: {error}", "see docs/reference/http-api.md") from error
        if wanted.do in ("rename", "replace") and (len(wanted.devices) != 1 or not wanted.to):
            raise Refused(400, f"{wanted.do} needs one device, and `to`", "see docs/reference/http-api.md")
        if wanted.do in FOR_ADMINS:
            require_role(request, ADMIN)
        return answer(await self._done(wanted))

    async def _done(self, wanted: DeviceChange) -> DeviceChanged:
        try:
            return await self._book.change(wanted)
        except DeviceUnknown as error:
            raise Refused(404, str(error), error.hint) from error
        except DeviceNameTaken as error:
            raise Refused(409, str(error), error.hint) from error
        except DeviceUnfit as error:
            raise Refused(400, str(error), error.hint) from error

    async def recall_children(self) -> None:
        """Look up in store, once, what memory can't know of children's series: readings from before the start."""
        known = self._deps.past.known
        unsure = known.unsure([i for i in self._book.children_series() if i not in self._looked])
        if not len(unsure):
            return
        self._looked.update(unsure.tolist())  # where the store takes too long, once is enough
        deadline = Deadline(self._deps.clock, LOOK_S)
        async with self._gate.enter():
            try:
                find, told = self._deps.past.latest.find, known.known(unsure)
                found = await asyncio.to_thread(find, unsure, None, deadline.check, told)
            except QueryTooLong:
                return
        known.recall(np.asarray(unsure), found)


def _fits(row: DeviceRow, params: QueryParams) -> bool:
    for name, value in (("state", row.state), ("status", row.status), ("node", row.node)):
        if name in params and params[name] != value:
            return False
    if "label" in params and params["label"] not in row.labels:
        return False
    return fnmatchcase(row.name, params.get("match", "*"))
