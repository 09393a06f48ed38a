"""Routes for the nodes below: the list, one of them, and its own pages through this node.

A look is live or it's a 503 that says since when the site is silent, and what this node itself holds of the answer.
Whoever may look at this node may look at its sites: the site decides what it shows (`web.outlook`).
"""

import asyncio
from functools import partial
from hashlib import blake2b
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.kernel.clock import NS_PER_S
from holdfast.web.deps import SiteDesk
from holdfast.web.errors import Refused
from holdfast.web.inside import ask_app
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer
from holdfast.web.site_answers import SiteAway, SiteList, SiteRow
from holdfast.wire.looking import MAX_PATH, MAX_QUERY, Call, CallReply

MOST_LISTED = 5_000
MOST_AT_ONCE, MOST_IN_LINE = 4, 32
"""Looks at one site: under way, and with those that wait."""
MOST_HELD, HOLD_S = 256, 5.0
"""Looks at all sites that wait for something to change, and how long each does: a browser has six connections."""
MOST_TURNS = 4
STATES = ("online", "late", "silent", "never", "unknown")
_UNKNOWN_HINT = "GET /api/v1/sites lists them"
_BY_NODE = ("devices", "series", "last", "alerts", "logs")
"""Paths that this node answers of a site from what it holds, with `node=`."""


class SiteUnreached(Exception):  # as `Unanswered`: it becomes a 503, and is no error of this node
    """The site can't be looked at now; says why."""


class Sites:
    """The routes of one node."""

    def __init__(self, desk: SiteDesk) -> None:
        self._desk = desk
        self._held: dict[tuple[str, str, str], asyncio.Future[CallReply]] = {}
        self._lines: dict[str, tuple[asyncio.Semaphore, list[int]]] = {}

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/sites", self.list),
            Route("/api/v1/sites/{name}", self.show),
            Route("/api/v1/sites/{name}/api/{path:path}", self.look),
        ]

    async def list(self, request: Request) -> Response:
        """`?state=&limit=5000&offset=0`: the nodes below."""
        params = request.query_params
        only(params, "state", "limit", "offset")
        limit, offset = whole(params, "limit", MOST_LISTED, MOST_LISTED), whole(params, "offset", 0, 10**9)
        if params.get("state", STATES[0]) not in STATES:
            raise Refused(400, f"{params['state'][:40]!r} is no state", f"one of {', '.join(STATES)}")
        here = await self._desk.here()
        rows = [row for row in await self._desk.rows() if params.get("state", row.state) == row.state]
        return answer(SiteList(here.told_ns, len(rows), here, rows[offset : offset + limit]))

    async def show(self, request: Request) -> Response:
        """One of them."""
        only(request.query_params)
        return answer(await self._row(str(request.path_params["name"])))

    async def look(self, request: Request) -> Response:
        """A page of the site's own, as it's now."""
        name, path, query = str(request.path_params["name"]), str(request.path_params["path"]), request.url.query
        row = await self._row(name)
        if not 0 < len(path) <= MAX_PATH or len(query) > MAX_QUERY:
            raise Refused(400, "the path or the query is too long", "ask for less at once")
        call = Call(path, query)
        if (seen := request.headers.get("if-none-match", "").strip('"')[:32]) and len(self._held) < MOST_HELD:
            return await self._follow(request, row, msgspec.structs.replace(call, seen=seen, hold_s=HOLD_S))
        return await self._look(request, row, call)

    async def _follow(self, request: Request, row: SiteRow, call: Call) -> Response:
        """The same page, once it's another than was seen; all who look at it are answered by one look."""
        key = row.node, call.path, call.query
        for _ in range(MOST_TURNS):
            shared = self._held.get(key)
            if shared is None:
                shared = self._held[key] = asyncio.ensure_future(self._desk.look(row.node, call))
                shared.add_done_callback(partial(self._followed, key))
            try:
                reply = await asyncio.shield(shared)
            except SiteUnreached as error:
                return await self._away(request, row, call, str(error))
            header = reply.header
            if header.status == 304 and header.digest != call.seen:  # nothing new to whom the look was for
                return await self._look(request, row, Call(call.path, call.query))
            if header.status != 200 or header.digest != call.seen:
                break  # and else it's new to another only
        return _live(reply)

    def _followed(self, key: tuple[str, str, str], done: "asyncio.Future[CallReply]") -> None:
        self._held.pop(key, None)
        if not done.cancelled():
            done.exception()  # whoever waited was told; nobody may have

    async def _look(self, request: Request, row: SiteRow, call: Call) -> Response:
        name = row.node
        line, inside = self._lines.setdefault(name, (asyncio.Semaphore(MOST_AT_ONCE), [0]))
        if inside[0] >= MOST_IN_LINE:
            raise Refused(503, f"too many looks at {name} at once", "look again in a moment", retry_after_s=1.0)
        inside[0] += 1
        try:
            async with line:
                reply = await self._desk.look(name, call)
        except SiteUnreached as error:
            return await self._away(request, row, call, str(error))
        finally:
            inside[0] -= 1
        return _live(reply)

    async def _row(self, name: str) -> SiteRow:
        row = await self._desk.row(name)
        if row is None:
            raise Refused(404, f"there is no site {name[:80]!r} below this node", _UNKNOWN_HINT)
        return row

    async def _away(self, request: Request, row: SiteRow, call: Call, why: str) -> Response:
        held = msgspec.Raw(b"null")
        own = held_call(row.node, call)
        if own is not None:
            reply = await ask_app(request.app, own, "held", request.scope)
            held = msgspec.Raw(reply.body) if reply.header.status == 200 else held
        now_ns = (await self._desk.here()).told_ns
        age_s = round((now_ns - row.heard_ns) / NS_PER_S, 1) if row.heard_ns else None
        heard = "it was never heard" if age_s is None else f"last heard {_ago(age_s)} ago"
        hint = "what this node holds of it is in `held`" if own is not None else "look again when it's back"
        failure = SiteAway(f"{row.site} can't be reached: {why}; {heard}", hint, row, age_s, held)
        return answer(failure, 503, {"Holdfast-Site": "held" if own is not None else "away", "Retry-After": "5"})


def _live(reply: CallReply) -> Response:
    header = reply.header
    digest = header.digest or blake2b(reply.body, digest_size=12).hexdigest()
    headers = {"Cache-Control": "no-store", "Holdfast-Site": "live", "ETag": f'"{digest}"'}
    if header.digest:
        headers["Holdfast-Held"] = "1"  # an older site answers at once, and is to be asked less often
    if header.status == 304:
        return Response(status_code=304, headers=headers)
    # Never a type that a browser would run: the site's answers are data here.
    kind = header.kind if header.kind.startswith("application/json") else "application/octet-stream"
    return Response(reply.body, header.status, headers, kind)


def held_call(node: str, call: Call) -> Call | None:
    """The question to this node whose answer is what it holds of a site's; None = there is none."""
    params = parse_qsl(call.query, keep_blank_values=True)
    first, _, rest = call.path.partition("/")
    if call.path in _BY_NODE or (first == "devices" and rest and "/" not in rest):
        return Call(call.path, urlencode([*(pair for pair in params if pair[0] != "node"), ("node", node)]))
    if call.path == "query":
        mine = [(name, _of_node(node, value) if name == "series" else value) for name, value in params]
        kept = [(name, value) for name, value in mine if value and name != "site"]
        return Call("query", urlencode([*kept, ("site", "false")]))
    return None


def _of_node(node: str, pattern: str) -> str:
    """The same series of that node; empty = of another one."""
    if pattern.count("/") > 1:
        return pattern if pattern.startswith(f"{node}/") else ""
    return f"{node}/{pattern}" if "/" in pattern else f"{node}/*/{pattern}" if pattern != "*" else f"{node}/*"


def _ago(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            many = int(seconds // length)
            return f"{many} {unit}{'' if many == 1 else 's'}"
    return f"{max(0, round(seconds))} s"
