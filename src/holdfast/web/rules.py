"""Routes for rules: how they are and what they cost, what a text means, what it would have done, and changes."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.backtesting.errors import BacktestBusy, BacktestUnknown, RuleUnknown
from holdfast.backtesting.service import Run
from holdfast.kernel.clock import Clock
from holdfast.storage.errors import StorageUnusable
from holdfast.web.bodies import read_body
from holdfast.web.deps import RuleBook
from holdfast.web.door import ADMIN, OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import name_of
from holdfast.web.parameters import only
from holdfast.web.responses import answer
from holdfast.web.rule_answers import (
    BacktestRun,
    BacktestWish,
    RuleMoved,
    RulePut,
    RuleRefused,
    RuleSwitch,
    RuleText,
    TextInvalid,
    TextRefused,
)
from holdfast.web.times import parse_time

T = TypeVar("T")
MAX_BODY = 256 << 10
MAX_TEXT = 64 << 10
MOST_SERIES = 50
STALL_S = 30.0
RETRY_S = 5.0
NOBODY = "this machine"
_HINT = "see docs/reference/http-api.md, Rules"
_PATH = "/api/v1/rules"


class Rules:
    """The rules' routes of one node."""

    def __init__(self, book: RuleBook, clock: Clock) -> None:
        self._book, self._clock = book, clock
        # compiling holds the interpreter: what people type waits in line, and leaves the node its core
        self._gate = Gate(running=1, waiting=8)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route(_PATH, self.list),
            Route(f"{_PATH}/reload", self.reload, methods=["POST"]),
            Route(f"{_PATH}/check", self.check, methods=["POST"]),
            Route(f"{_PATH}/backtest", self.backtest, methods=["POST"]),
            Route(f"{_PATH}/backtest/{{number}}", self.backtested, methods=["GET"]),
            Route(f"{_PATH}/backtest/{{number}}", self.cancel, methods=["DELETE"]),
            Route(f"{_PATH}/{{name}}", self.detail, methods=["GET"]),
            Route(f"{_PATH}/{{name}}", self.put, methods=["PUT"]),
            Route(f"{_PATH}/{{name}}", self.remove, methods=["DELETE"]),
            Route(f"{_PATH}/{{name}}/enable", self.enable, methods=["POST"]),
            Route(f"{_PATH}/{{name}}/disable", self.disable, methods=["POST"]),
            Route(f"{_PATH}/{{name}}/undo", self.undo, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """Every rule by name."""
        only(request.query_params)
        return answer(await self._book.listed())

    @needs(ADMIN)
    async def reload(self, request: Request) -> Response:
        """Read the rules' files now."""
        only(request.query_params)
        return answer(await self._book.reload())

    @needs(OPERATOR, noted=False)
    async def check(self, request: Request) -> Response:
        """What a text of rules does, or what is wrong with it."""
        only(request.query_params)
        wanted = await _body(request, RuleText)
        _demand_short(wanted.text)
        async with self._gate.enter():
            return answer(await self._book.trials.check(wanted.text))

    @needs(OPERATOR)
    async def backtest(self, request: Request) -> Response:
        """Begin to run rules over the past."""
        only(request.query_params)
        wish = await _body(request, BacktestWish)
        _demand_short(wish.text)
        if bool(wish.text) == bool(wish.rule):
            raise Refused(400, "give either `text` or `rule`", _HINT)
        if len(wish.series) > MOST_SERIES:
            raise Refused(400, f"more than {MOST_SERIES} patterns of series", "write fewer, with `*`")
        now = self._clock.wall_ns()
        start, end = parse_time("from", wish.start, now), min(parse_time("to", wish.end, now), now)
        if start >= end:
            raise Refused(400, "`from` is not before `to`", "as in -7d and now")

        async def begin() -> BacktestRun:
            async with self._gate.enter():
                return _told(await self._book.trials.begin(wish, start, end, _by(request, wish.by)))

        return await _tried(begin, 202)

    async def backtested(self, request: Request) -> Response:
        """How far one is, or what came of it."""
        only(request.query_params)
        number = request.path_params["number"]

        async def find() -> BacktestRun:
            return _told(self._book.trials.backtests.find(number))

        return await _tried(find)

    @needs(OPERATOR)
    async def cancel(self, request: Request) -> Response:
        """Stop one."""
        only(request.query_params)
        number = request.path_params["number"]

        async def stop() -> BacktestRun:
            return _told(await self._book.trials.backtests.cancel(number))

        return await _tried(stop)

    async def detail(self, request: Request) -> Response:
        """One rule with its text and its versions."""
        only(request.query_params)
        return await _tried(lambda: self._book.editor.detail(request.path_params["name"]))

    @needs(ADMIN)
    async def put(self, request: Request) -> Response:
        """Make or change one."""
        only(request.query_params)
        wish = await _body(request, RulePut)
        _demand_short(wish.text)
        name = request.path_params["name"]
        return await self._changed(
            lambda: self._book.editor.put(name, wish.text, wish.revision, _by(request, wish.by), on=wish.enabled)
        )

    @needs(ADMIN)
    async def remove(self, request: Request) -> Response:
        """Remove one that was made from the page."""
        query = request.query_params
        only(query, "revision", "by")
        name, revision, by = request.path_params["name"], query.get("revision", ""), query.get("by", "")
        return await self._changed(lambda: self._book.editor.remove(name, revision, _by(request, by)))

    @needs(ADMIN)
    async def enable(self, request: Request) -> Response:
        """Switch one on."""
        return await self._switch(request, on=True)

    @needs(ADMIN)
    async def disable(self, request: Request) -> Response:
        """Switch one off."""
        return await self._switch(request, on=False)

    @needs(ADMIN)
    async def undo(self, request: Request) -> Response:
        """Take the latest change of one back."""
        only(request.query_params)
        wish, name = await _body(request, RuleSwitch), request.path_params["name"]
        return await self._changed(lambda: self._book.editor.undo(name, wish.revision, _by(request, wish.by)))

    async def _switch(self, request: Request, *, on: bool) -> Response:
        only(request.query_params)
        wish, name = await _body(request, RuleSwitch), request.path_params["name"]
        return await self._changed(lambda: self._book.editor.switch(name, wish.revision, _by(request, wish.by), on=on))

    async def _changed(self, change: Callable[[], Awaitable[T]]) -> Response:
        async with self._gate.enter():
            return await _tried(change)


async def _tried(what: Callable[[], Awaitable[T]], status: int = 200) -> Response:
    """Its answer, or why not: 404 unknown, 409 changed meanwhile, 422 with problems, 429 one runs already."""
    try:
        return answer(await what(), status)
    except TextInvalid as error:
        return answer(TextRefused(str(error), "mend the text", error.problems), error.status)
    except RuleMoved as error:
        return answer(TextRefused(str(error), error.hint, [], error.revision), error.status)
    except RuleRefused as error:
        raise Refused(error.status, str(error), error.hint) from error
    except (BacktestUnknown, RuleUnknown) as error:
        raise Refused(404, str(error), error.hint) from error
    except BacktestBusy as error:
        raise Refused(429, str(error), error.hint, RETRY_S) from error
    except StorageUnusable as error:
        raise Refused(507, str(error), "nothing has changed; is the disk full?") from error


async def _body(request: Request, kind: type[T]) -> T:
    body = await read_body(request, MAX_BODY, STALL_S)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body can't be used: {error}", _HINT) from error


def _demand_short(text: str) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT:
        raise Refused(413, f"the text is longer than {MAX_TEXT} bytes", "put some of it into a file of your own")


def _by(request: Request, said: str) -> str:
    """Who does it: the person who is logged in, else whoever it's said to be."""
    name = name_of(request, said)
    return "".join(c for c in name.strip()[:80] if c.isprintable()) or NOBODY


def _told(run: Run) -> BacktestRun:
    return BacktestRun(
        run.id,
        run.by,
        run.rules,
        run.from_ns,
        run.to_ns,
        run.began_ns,
        run.state,
        round(run.share, 4),
        run.readings,
        round(run.took_s, 3),
        msgspec.Raw(run.result),
        run.error,
        run.hint,
    )
