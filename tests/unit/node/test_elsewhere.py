"""What a node says of rows that lie elsewhere, and what it does about nodes that answer badly or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.unit.history.lake.site import DAY, NS, START
from tests.unit.node import chain
from tests.unit.node.chain import Place

from holdfast.history.lake.settings import HistorySettings, KeepSettings
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.wire.asking import AnswerHeader, Ask, Poll, RemoteAnswer, decode_answer, encode_answer
from holdfast.wire.errors import WireError

SHORT = HistorySettings(rows=300, keep=(KeepSettings(raw=86_400.0, minutes=86_400.0, hours=86_400.0),))
D0 = Series("gw", "d0", "m", "Cel", Kind.FLOAT)
Body = Callable[[Place, Place], Awaitable[None]]


async def send(place: Place, first: int, count: int, start: int = START, series: Series = D0) -> None:
    number = place.journal.catalogue.intern(series)
    value = np.arange(first, first + count, dtype=np.float64)
    ts = start + np.arange(first, first + count) * NS
    batch = Batch(np.full(count, number, np.int32), ts, value, np.zeros(count, np.uint8))
    await place.journal.submit(lambda tx: tx.append_readings(Lane.BULK, batch))


def with_two(folder: Path, body: Body) -> None:
    """A hub, and a gateway that keeps a day of readings; both at noon of the fifth day."""

    async def run() -> None:
        clock = ManualClock(START + 4 * DAY + DAY // 2)
        hub = Place("hub", folder / "hub", clock, HistorySettings(rows=300))
        gw = Place("gw", folder / "gw", clock, SHORT)
        try:
            await gw.join(hub)
            await body(hub, gw)
        finally:
            await gw.close()
            await hub.close()

    asyncio.run(run())


def values(answer: Any) -> list[float]:
    return [value for column in answer.series for value in column.value]


def tiers(answer: Any) -> dict[str, int]:
    return {source.tier: source.rows for source in answer.sources}


async def ask(place: Place, *patterns: str, step_ns: int | None = None) -> Any:
    return await place.ask(patterns or ["gw/d0/m"], START, START + 5 * DAY, step_ns)


async def let_go(gw: Place) -> None:
    await gw.keeper.take_all()
    await gw.keeper.retain()


def test_a_day_that_went_by_age_comes_from_the_parent_with_own_rows_that_it_has_not_yet(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        await send(gw, 0, 10)
        await gw.ship(10)
        await send(gw, 10, 5)
        await send(gw, 20, 3, START + 4 * DAY)
        await let_go(gw)
        answer = await ask(gw)
        assert values(answer) == [*range(15), 20, 21, 22]
        assert tiers(answer) == {"parent": 10, "warm": 3, "journal": 5}
        assert not answer.missing
        stepped = await ask(gw, step_ns=3600 * NS)
        assert stepped.series[0].count == [15, 3]

    with_two(tmp_path, body)


def test_rows_dropped_from_the_journal_after_delivery_come_from_the_parent(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        for n in range(3):
            await send(gw, 10 * n, 10)
        await gw.ship(20)
        assert await gw.drop(1) == 10
        answer = await ask(gw)
        assert values(answer) == [*range(30)]
        assert tiers(answer) == {"parent": 20, "journal": 10}

    with_two(tmp_path, body)


def test_a_day_with_a_damaged_file_comes_from_the_parent_and_is_still_called_damaged_without_it(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        await send(gw, 0, 10, START + 4 * DAY)
        await gw.ship(10)
        await send(gw, 10, 5, START + 4 * DAY)
        await gw.keeper.take_all()
        (file,) = (tmp_path / "gw" / "lake").glob("readings/*/*.parquet")
        file.chmod(0o644)
        file.write_bytes(bytes(file.stat().st_size))
        answer = await ask(gw)
        assert values(answer) == [*range(15)]
        assert tiers(answer) == {"parent": 10, "journal": 5}
        assert gw.rope is not None
        gw.rope.is_cut = True
        alone = await ask(gw)
        assert values(alone) == []
        assert any(source.note.startswith("damaged") for source in alone.sources)

    with_two(tmp_path, body)


def test_a_day_whose_file_was_found_whole_again_is_read_here_without_a_restart(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        await send(gw, 0, 10, START + 4 * DAY)
        await gw.ship(10)
        await gw.keeper.take_all()
        (file,) = (tmp_path / "gw" / "lake").glob("readings/*/*.parquet")
        whole = file.read_bytes()
        file.write_bytes(bytes(len(whole)))
        assert tiers(await ask(gw)) == {"parent": 10}
        await gw.keeper.scrub.turn(1 << 30)
        assert tiers(await ask(gw)) == {"parent": 10}
        file.write_bytes(whole)
        await gw.keeper.scrub.turn(1 << 30)
        answer = await ask(gw)
        assert (values(answer), tiers(answer)) == ([*range(10)], {"warm": 10})

    with_two(tmp_path, body)


def test_without_the_parent_there_is_what_is_here_and_it_says_what_is_missing(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        await send(gw, 0, 10)
        await gw.ship(10)
        await send(gw, 20, 3, START + 4 * DAY)
        await let_go(gw)
        assert gw.rope is not None
        gw.rope.is_cut = True
        answer = await ask(gw)
        assert values(answer) == [20, 21, 22]
        (parent,) = [source for source in answer.sources if source.tier == "parent"]
        assert (parent.rows, parent.note) == (0, "not reached: cut")
        assert [(gone.rows, gone.reason) for gone in answer.missing] == [(10, "age")]

    with_two(tmp_path, body)


def test_rows_that_go_up_between_the_look_and_the_question_are_asked_for_again(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        for n in range(3):
            await send(gw, 10 * n, 10)
        await gw.ship(10)
        asked = gw.answering.below
        said: list[bytes] = []

        def late(wanted: Ask) -> bytes:
            if not said:
                call = asyncio.run_coroutine_threadsafe(deliver(), loop)
                call.result(5)
            answer = asked(wanted)
            said.append(answer)
            return answer

        async def deliver() -> None:
            await gw.ship(10)
            await gw.drop(9)

        loop = asyncio.get_running_loop()
        inquiries = gw.inquiries
        inquiries._answer = late  # a seam for what a test can't time otherwise
        answer = await ask(hub)
        assert values(answer) == [*range(30)]
        assert len(said) == 2

    with_two(tmp_path, body)


class Liar:
    """A child that polls by the rules and answers as it likes; None = never."""

    def __init__(self, hub: Place, gw: Place, say: Callable[[Ask], tuple[str, bytes] | None]) -> None:
        self.hub, self.gw, self.say = hub, gw, say

    async def run(self) -> None:
        assert self.gw.welcome is not None
        poll = Poll(self.gw.welcome.branch, self.gw.welcome.session)
        while True:
            ask = await self.hub.door.poll("gw", poll)
            said = None if ask is None else self.say(ask)
            if said is not None:
                self.hub.door.answered("gw", *said)


def says(ask: Ask, **fields: Any) -> tuple[str, bytes]:
    answer = RemoteAnswer(AnswerHeader(ask.id), **fields)
    return ask.id, encode_answer(answer)


def one_row(ts: int) -> Batch:
    return Batch(np.zeros(1, np.int32), np.array([ts]), np.ones(1), np.zeros(1, np.uint8))


LIES: dict[str, tuple[Callable[[Ask], tuple[str, bytes] | None], str]] = {
    "garbage": (lambda ask: (ask.id, b"garbage"), "answered what can't be read"),
    "nothing at all": (lambda ask: (ask.id, b""), "answered what can't be read"),
    "under another id": (lambda _: ("other", b""), "no answer within"),
    "never": (lambda _: None, "no answer within"),
    "about the asking node": (
        lambda ask: says(ask, series=(Series("hub", "d0", "m", "Cel", Kind.FLOAT),), rows=one_row(START)),
        "answered about series of hub",
    ),
    "about what wasn't asked for": (
        lambda ask: says(ask, series=(Series("gw", "d9", "m", "Cel", Kind.FLOAT),), rows=one_row(START)),
        "weren't asked for",
    ),
    "about another time": (lambda ask: says(ask, series=(D0,), rows=one_row(START - 1)), "another time"),
    "a refusal": (
        lambda ask: (ask.id, encode_answer(RemoteAnswer(AnswerHeader(ask.id, "refused", "too much")))),
        "too much",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_child_that_answers_badly_costs_the_answer_nothing(
    tmp_path: Path, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "WITHIN_S", 0.3)

    async def body(hub: Place, gw: Place) -> None:
        await send(gw, 0, 10)
        await gw.ship(10)
        await send(gw, 10, 5)
        assert gw.task is not None
        gw.task.cancel()
        await asyncio.gather(gw.task, return_exceptions=True)
        say, why = LIES[lie]
        liar = asyncio.create_task(Liar(hub, gw, say).run())
        while not hub.questions.polls:  # noqa: ASYNC110  # its first poll has no event
            await asyncio.sleep(0)
        answer = await ask(hub)
        liar.cancel()
        assert values(answer) == [*range(10)]
        (site,) = [source for source in answer.sources if source.tier == "site:gw"]
        assert why in site.note
        assert site.rows == 0

    with_two(tmp_path, body)


def test_a_child_that_never_asked_to_be_asked_is_named_at_once(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        await send(gw, 0, 10)
        await gw.ship(10)
        hub.questions._doors.clear()  # as after a restart
        answer = await ask(hub)
        assert [source.note for source in answer.sources if source.tier == "site:gw"] == [
            "not reached: it hasn't asked for questions since this node started"
        ]

    with_two(tmp_path, body)


def test_only_children_whose_series_can_match_are_asked(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        await send(gw, 0, 10)
        await gw.ship(10)
        await send(hub, 0, 4, series=Series("hub", "own", "m", "Cel", Kind.FLOAT))
        assert tiers(await ask(hub, "hub/own/m")) == {"journal": 4}
        assert "site:gw" not in tiers(await hub.ask(["gw/d0/m"], START, START + DAY, None, ("count",), 10))

    with_two(tmp_path, body)


def test_a_child_is_told_of_its_own_series_only(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        await send(gw, 0, 10)
        await gw.ship(10)
        await send(hub, 0, 4, series=Series("hub", "own", "m", "Cel", Kind.FLOAT))
        found = decode_answer(await hub.door.ask("gw", Ask("1", ("*",), START, START + DAY)))
        assert found.series == (D0,)
        assert found.header.marks == (0, 0, 10)
        nobody = decode_answer(await hub.door.ask("stranger", Ask("1", ("*",), START, START + DAY)))
        assert (nobody.header.status, nobody.series) == ("refused", ())

    with_two(tmp_path, body)


def test_a_question_that_is_too_much_is_refused_in_words(tmp_path: Path) -> None:
    async def body(hub: Place, gw: Place) -> None:
        await send(gw, 0, 10)
        for ask, why in (
            (Ask("1", ("*",), START, START + DAY, 1, after=(0, 0, 0)), "values"),
            (Ask("1", ("*",), START, START, after=(0, 0, 0)), "before"),
            (Ask("1", ("a*b*c*d*e*f/*",), START, START + DAY, after=(0, 0, 0)), "stars"),
            (Ask("1", ("*",), START, START + DAY), "which rows are known"),
        ):
            said = decode_answer(gw.answering.below(ask)).header
            assert said.status == "refused"
            assert why in said.detail

    with_two(tmp_path, body)


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{"id": "1", "patterns": [], "from_ns": 0, "to_ns": 1}',
        b'{"id": "1", "patterns": ["*"], "from_ns": 0, "to_ns": 9223372036854775808}',
        b'{"id": "1", "patterns": ["*"], "from_ns": 0, "to_ns": 1, "limit": 1000001}',
    ],
)
def test_a_question_beyond_the_limits_is_no_question(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        msgspec.json.decode(text, type=Ask)


def test_an_answer_cut_short_anywhere_is_refused() -> None:
    body = says(Ask("1", ("*",), 0, 1), series=(D0,), rows=one_row(START))[1]

    for size in range(0, len(body) - 8, 7):
        with pytest.raises(WireError):
            decode_answer(body[:size])
