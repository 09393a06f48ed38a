"""Routes that tell which series there are, and the newest reading of each: now, or as of a time."""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.history.answers import Value, spoken
from holdfast.history.arrow import newest
from holdfast.history.errors import QueryTooLong
from holdfast.history.last_values import Last
from holdfast.history.latest import Found, Known, Newest
from holdfast.history.question import Deadline
from holdfast.history.rows import Texts
from holdfast.model.quality import words_of
from holdfast.model.series import Catalogue
from holdfast.web.answers import LastAbout, LastList, LastRow, SeriesList, SeriesRow
from holdfast.web.arrow import MEDIA_TYPE, whole_answer
from holdfast.web.choosing import CHOICE, KINDS, Choice, Choices
from holdfast.web.deps import WebDeps
from holdfast.web.gate import Gate
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer, given_up
from holdfast.web.times import parse_time

MOST_LISTED = 5_000
LOOK_S = 3.0
"""How long the list of series may look for readings from before the start."""


class Series:
    """The series routes of one node."""

    def __init__(self, deps: WebDeps, gate: Gate) -> None:
        """gate: shared by all questions about the past."""
        self._deps, self._gate = deps, gate
        self._choices = Choices(deps.catalogue)
        self._given_up: set[int] = set()

    def routes(self) -> list[Route]:
        """The paths."""
        return [Route("/api/v1/series", self.series), Route("/api/v1/last", self.last)]

    async def series(self, request: Request) -> Response:
        """`?match=pattern&unit=&kind=&node=&device=&limit=1000&offset=0`: series with their newest reading, by name."""
        only(request.query_params, *CHOICE)
        choice, offset, limit = self._choice(request.query_params)
        chosen = choice.ids[offset : offset + limit].tolist()
        await self.recall_a_while([i for i in chosen if i not in self._given_up])
        return answer(SeriesList(len(choice.ids), self._rows(chosen)))

    async def last(self, request: Request) -> Response:
        """As `series`, and `as_of=`: the newest reading at or before that time, however long ago it was."""
        params = request.query_params
        only(params, *CHOICE, "as_of")
        choice, offset, limit = self._choice(params)
        about, ids = choice.page(offset, limit)
        at = now = self._deps.clock.wall_ns()
        wants_arrow = MEDIA_TYPE in request.headers.get("accept", "")
        if "as_of" in params:
            at = parse_time("as_of", params["as_of"], now)
            found = await self._found(ids, at)
        else:
            await self._recall(ids)
            found = self._deps.past.known.found(np.sort(ids))
        place = np.searchsorted(found.ids, ids)
        if wants_arrow:
            return whole_answer(newest(about, found, place), LastAbout(at, len(choice.ids)))
        if "as_of" not in params:
            return answer(LastList(now, len(choice.ids), self._known(ids.tolist())))
        rows = [last_row(self._deps.catalogue, i, found.get(i)) for i in ids.tolist()]
        return answer(LastList(at, len(choice.ids), rows))

    async def _found(self, ids: NDArray[np.int32], as_of: int) -> Found:
        try:
            return await self._find(np.sort(ids), as_of, self._deps.past.patience_s)
        except QueryTooLong as error:
            raise given_up(self._deps.telemetry, ["last"], error) from error

    def _choice(self, params: QueryParams) -> tuple[Choice, int, int]:
        """What was chosen, and which part of it is wanted: offset, limit."""
        limit, offset = whole(params, "limit", 1000, MOST_LISTED), whole(params, "offset", 0, 10**9)
        choice = self._choices.choose(params)
        if self._deps.sees is not None:
            choice = choice.among(self._deps.sees(choice.ids))
        return choice, offset, limit

    async def _recall(self, ids: NDArray[np.int32]) -> None:
        """Look up in store, once, what memory can't know: readings from before the start."""
        unsure = self._deps.past.known.unsure(ids)
        if len(unsure):
            try:
                known = self._deps.past.known
                known.recall(unsure, await self._find(unsure, None, self._deps.past.patience_s, known.known(unsure)))
            except QueryTooLong as error:
                raise given_up(self._deps.telemetry, ["last"], error) from error

    async def recall_a_while(self, ids: Sequence[int]) -> None:
        """As `_recall`, for a list that must come soon: where a look into the store takes long, once is enough."""
        unsure = self._deps.past.known.unsure(ids)
        if len(unsure):
            try:
                known = self._deps.past.known
                patience_s = min(LOOK_S, self._deps.past.patience_s)
                known.recall(unsure, await self._find(unsure, None, patience_s, known.known(unsure)))
            except QueryTooLong:
                self._given_up.update(unsure.tolist())

    async def _find(
        self, ids: NDArray[np.int32], as_of: int | None, patience_s: float, known: Known | None = None
    ) -> Found:
        async with self._gate.enter():
            deadline = Deadline(self._deps.clock, patience_s)
            return await asyncio.to_thread(self._deps.past.latest.find, ids, as_of, deadline.check, known)

    def _known(self, chosen: Sequence[int]) -> list[LastRow]:
        return [
            LastRow(r.name, r.unit, r.kind, r.ts, r.value, r.quality, r.reason, "" if r.ts is None else "memory")
            for r in self._rows(chosen)
        ]

    def _rows(self, chosen: Sequence[int]) -> list[SeriesRow]:
        catalogue, known = self._deps.catalogue, self._deps.past.known.of(chosen)
        return [series_row(catalogue, i, last) for i, last in zip(chosen, known, strict=True)]


def series_row(catalogue: Catalogue, series_id: int, last: Last | None) -> SeriesRow:
    """A series and its newest reading, as the answer has them."""
    series = catalogue[series_id]
    about = (series.name, series.node, series.device, series.metric, series.unit, KINDS[series.kind])
    if last is None:
        return SeriesRow(*about)
    return SeriesRow(*about, last.ts, last.value, *words_of(last.quality), last.rows)


def last_row(catalogue: Catalogue, series_id: int, found: Newest | None) -> LastRow:
    """What was found in store, as the answer has it."""
    series = catalogue[series_id]
    about = (series.name, series.unit, KINDS[series.kind])
    if found is None:
        return LastRow(*about)
    value: Value = found.text
    if value is None:
        value = spoken(np.array([found.value]), series.kind, Texts())[0]
    return LastRow(*about, found.ts, value, *words_of(found.quality), found.tier)
