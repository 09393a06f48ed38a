import asyncio
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from starlette.types import Message
from tests.unit.history.stored import StoredGroups
from tests.unit.web.doors import NOW_NS, call, make_deps

from holdfast.history.query import History
from holdfast.journal.records import Group
from holdfast.kernel.clock import ManualClock
from holdfast.model.lane import Lane
from holdfast.storage.errors import StorageFailed
from holdfast.web.app import build_app
from holdfast.web.arrow import MEDIA_TYPE
from holdfast.web.deps import WebDeps
from holdfast.web.errors import AnswerCut

ARROW = {"Accept": MEDIA_TYPE}


def read(body: bytes) -> tuple[pa.Table, Any]:
    told, batches = None, []
    reader = pa.ipc.open_stream(io.BytesIO(body))
    for _ in range(1000):
        try:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            break
        batches.append(batch)
        told = json.loads(metadata[b"holdfast"]) if metadata else told
    return pa.Table.from_batches(batches, reader.schema), told


def with_rows(groups: int, rows: int, **changes: Any) -> WebDeps:
    deps, stored = make_deps(**changes), StoredGroups()
    stored.add_many(groups, rows, NOW_NS)
    return replace(deps, past=replace(deps.past, history=History(stored, deps.catalogue)))


def test_readings_come_as_an_arrow_stream_with_what_is_to_be_said_at_its_end() -> None:
    answer = call(make_deps(), "GET", "/api/v1/query?series=press-1/*&from=-2m", headers=ARROW)
    assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPE)
    table, told = read(answer.content)
    assert table.schema.field("ts").type == pa.timestamp("ns", "UTC")
    assert table.select(["series", "unit", "value", "text", "quality", "reason"]).to_pylist() == [
        {
            "series": "gw/press-1/temperature",
            "unit": "Cel",
            "value": 20.0,
            "text": None,
            "quality": "good",
            "reason": "none",
        },
        {
            "series": "gw/press-1/temperature",
            "unit": "Cel",
            "value": 22.0,
            "text": None,
            "quality": "bad",
            "reason": "out_of_range",
        },
    ]
    assert (told["truncated"], told["rows"], told["missing"]) == (False, 2, [])
    assert [(source["tier"], source["rows"]) for source in told["sources"]] == [("journal", 2)]


def test_steps_come_with_the_aggregates_that_were_asked_for() -> None:
    path = "/api/v1/query?series=*&from=-1h&step=1h&aggregates=count,mean,last,p95"
    table, told = read(call(make_deps(), "GET", path, headers=ARROW).content)
    assert table.column_names[6:] == ["ts", "count", "mean", "last", "last_text", "p95"]
    assert table.select(["count", "mean", "p95"]).to_pylist() == [{"count": 1, "mean": 20.0, "p95": 20.0}]
    assert told["rows"] == 1


def test_many_readings_come_in_many_chunks_and_a_limit_is_kept() -> None:
    deps = with_rows(20, 30_000)
    table, told = read(call(deps, "GET", "/api/v1/query?series=press-1/*", headers=ARROW).content)
    assert (len(table), told["rows"], told["truncated"]) == (600_000, 600_000, False)
    limited, said = read(call(deps, "GET", "/api/v1/query?series=press-1/*&limit=45000", headers=ARROW).content)
    assert (len(limited), said["rows"], said["truncated"]) == (45_000, 45_000, True)


def test_a_large_part_is_sent_in_small_batches() -> None:
    answer = call(with_rows(1, 40_000), "GET", "/api/v1/query?series=press-1/*&from=-2m", headers=ARROW)
    sizes = [len(batch) for batch in pa.ipc.open_stream(io.BytesIO(answer.content))]
    assert (sum(sizes), max(sizes)) == (40_000, 1 << 14)


@pytest.mark.parametrize("path", ["series=x", "series=*&from=now&to=-1h", "series=*&from=-7d&step=1ms"])
def test_a_wrong_question_is_refused_before_the_stream_begins(path: str) -> None:
    answer = call(make_deps(), "GET", f"/api/v1/query?{path}", headers=ARROW)
    assert answer.status_code == 400
    assert answer.json()["hint"]


class Ticking(ManualClock):
    """Every look at it costs a second."""

    def monotonic(self) -> float:
        self.advance(1)
        return super().monotonic()


@pytest.mark.parametrize("headers", [{}, ARROW])
def test_a_question_that_takes_too_long_is_given_up_and_counted(headers: dict[str, str]) -> None:
    log: list[str] = []
    deps = with_rows(40, 2, log=log, clock=Ticking(NOW_NS))
    answer = call(deps, "GET", "/api/v1/query?series=press-1/*", headers=headers)
    assert answer.status_code == 503
    assert "given up after 30 s" in answer.json()["error"]
    assert "retry-after" not in answer.headers
    assert any("WebQuestionGivenUp" in line or "question_given_up" in line for line in log), log


class Breaking(StoredGroups):
    def between(self, from_ns: int, to_ns: int, lane: Lane) -> Iterator[Group]:
        yield from super().between(from_ns, to_ns, lane)
        if lane is Lane.BULK:
            raise StorageFailed("SQLite: disk I/O error")


def test_a_failure_after_the_stream_has_begun_is_told_in_it_and_the_answer_is_cut() -> None:
    deps, stored = make_deps(), Breaking()
    stored.add_many(20, 30_000, NOW_NS)
    deps = replace(deps, past=replace(deps.past, history=History(stored, deps.catalogue)))
    sent: list[Message] = []
    with pytest.raises(AnswerCut):
        ask(deps, sent, leaves_after=None)
    assert sent[-1]["more_body"] is True
    _, told = read(b"".join(message.get("body", b"") for message in sent[1:]))
    assert "disk I/O" in told["error"]


def test_a_caller_that_leaves_ends_the_work() -> None:
    sent: list[Message] = []
    ask(with_rows(40, 60_000), sent, leaves_after=2)
    assert len(sent) < 10


def ask(deps: WebDeps, sent: list[Message], leaves_after: int | None) -> None:
    """Call the app as a server does, with a caller who may leave."""

    async def run() -> None:
        left = asyncio.Event()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if len(sent) == leaves_after:
                left.set()
            await asyncio.sleep(0)

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": "/api/v1/query",
            "query_string": b"series=press-1/*",
            "headers": [(b"accept", MEDIA_TYPE.encode())],
        }
        await build_app(deps)(scope, receive, send)

    asyncio.run(run())
