import asyncio
import os
from pathlib import Path

import pytest
from tests.unit.artifacts.tower import Fault, House, Parent

from holdfast.artifacts import fetching
from holdfast.artifacts.errors import ArtifactAbsent, ArtifactError, ArtifactLate, ArtifactsFull, ParentLied
from holdfast.artifacts.parts import BLOCK
from holdfast.artifacts.service import MOST_FETCHES, MOST_RESUMED, Source
from holdfast.artifacts.settings import ArtifactSettings
from holdfast.kernel.errors import HoldfastError

BODY = os.urandom(7 * BLOCK + 1_000)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSES_S", (0.001, 0.01))


async def everything(source: Source) -> bytes:
    body = b""
    try:
        while len(body) < source.size:
            body += await source.read(len(body), 50_000)
    finally:
        source.close()
    return body


def fetched(root: Path, parent: Parent, digest: str, settings: ArtifactSettings | None = None) -> House:
    house = House(root, parent, settings)
    house.do(lambda: house.room.get(digest, 5.0))
    return house


@pytest.mark.parametrize("faults", [[], ["down"] * 5, ["refused", "refused"], ["cut", "down", "cut"], ["short"]])
def test_a_file_comes_whole_whatever_the_link_does(tmp_path: Path, faults: list[Fault]) -> None:
    parent = Parent(faults=list(faults))
    digest = parent.has(BODY)
    house = fetched(tmp_path, parent, digest)
    assert house.read(digest) == BODY
    assert parent.sent <= len(BODY) + len(faults) * 2 * BLOCK
    assert house.pace.told == parent.sent
    assert house.store.parts() == []


def test_a_fetch_goes_on_after_a_restart_by_itself(tmp_path: Path) -> None:
    parent = Parent(may_go=asyncio.Event(), cut_at=200_000)
    digest = parent.has(BODY)
    first = House(tmp_path, parent)

    async def until_it_hangs() -> None:
        first.room.want(digest)
        while parent.sent < 200_000:  # noqa: ASYNC110  # the parent tells nobody
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)

    first.do(until_it_hangs)  # ends with its task cancelled in the middle
    parent.may_go = None
    second = House(tmp_path, parent)

    async def until_it_is_here() -> None:
        while second.store.entry(digest) is None:  # noqa: ASYNC110  # nobody asked for it, so nobody is told
            await asyncio.sleep(0.002)

    second.do(until_it_is_here)
    assert second.read(digest) == BODY
    assert parent.asked[-1].start == 3 * BLOCK
    assert parent.sent < len(BODY) + 2 * BLOCK


def test_however_many_ask_it_is_fetched_once_and_they_read_it_as_it_comes(tmp_path: Path) -> None:
    parent = Parent()
    digest = parent.has(BODY)
    house = House(tmp_path, parent)
    house.pace.size = 2 * BLOCK

    async def ask() -> None:
        sources = await asyncio.gather(*(house.room.source(digest) for _ in range(5)))
        assert {source.size for source in sources} == {len(BODY)}
        assert house.store.entry(digest) is None  # they have begun, and it isn't whole
        assert await asyncio.gather(*map(everything, sources)) == [BODY] * 5
        assert await everything(await house.room.source(digest)) == BODY

    house.do(ask)
    assert parent.sent == len(BODY)
    assert [span.start for span in parent.asked] == [0, 2 * BLOCK, 4 * BLOCK, 6 * BLOCK]


@pytest.mark.parametrize("fault", ["other bytes", "other size", "long"])
def test_a_parent_that_lies_is_found_out_and_left_alone_for_a_while(tmp_path: Path, fault: Fault) -> None:
    faults: list[Fault] = ["cut", fault] if fault == "other size" else [fault]
    parent = Parent(faults=faults)
    digest = parent.has(BODY)
    house = House(tmp_path, parent)

    async def ask() -> None:
        with pytest.raises(ParentLied) as found:
            await house.room.get(digest, 5.0)
        assert found.value.hint
        asked = len(parent.asked)
        with pytest.raises(ParentLied):
            await house.room.get(digest, 5.0)
        assert len(parent.asked) == asked

    house.do(ask)
    assert house.store.parts() == []
    assert any("why=lied" in line for line in house.log)


def test_who_reads_along_is_told_when_it_comes_to_nothing(tmp_path: Path) -> None:
    parent = Parent(faults=["cut", "other size"], cut_at=100_000)
    digest = parent.has(BODY)
    house = House(tmp_path, parent)

    async def ask() -> None:
        with pytest.raises(ArtifactError):
            await everything(await house.room.source(digest))

    house.do(ask)


def test_what_the_parent_does_not_have_is_absent(tmp_path: Path) -> None:
    house = House(tmp_path, Parent())

    async def ask() -> None:
        for _ in range(2):
            with pytest.raises(ArtifactAbsent):
                await house.room.source("ab" * 32)

    house.do(ask)
    alone = House(tmp_path, None)
    with pytest.raises(ArtifactAbsent, match="no parent"):
        alone.do(lambda: alone.room.get("ab" * 32, 1.0))


def test_what_takes_too_long_is_late_and_goes_on(tmp_path: Path) -> None:
    parent = Parent(may_go=asyncio.Event(), cut_at=100_000)
    digest = parent.has(BODY)
    house = House(tmp_path, parent, ArtifactSettings(fetch_within=0.05))

    async def ask() -> None:
        source = await house.room.source(digest)
        with pytest.raises(ArtifactLate, match="of 459,752 bytes are here") as late:
            await everything(source)
        assert late.value.retry_after_s > 0
        with pytest.raises(ArtifactLate):
            await house.room.get(digest, 0.01)
        (stands,) = house.room.status()
        assert (stands.state, stands.bytes, stands.held) == ("fetching", len(BODY), BLOCK)
        assert parent.may_go is not None
        parent.may_go.set()
        await house.room.get(digest, 5.0)
        assert house.room.status() == []

    house.do(ask)


def test_a_link_that_drips_is_cut_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "BLOCK_S", 0.05)
    parent = Parent(faults=["hangs"])
    digest = parent.has(BODY)
    assert fetched(tmp_path, parent, digest).read(digest) == BODY


def test_the_link_s_pace_is_kept(tmp_path: Path) -> None:
    parent = Parent()
    digest = parent.has(BODY)
    house = House(tmp_path, parent)
    house.pace.size, house.pace.pauses = BLOCK, 3
    house.do(lambda: house.room.get(digest, 5.0))
    assert [len(span) for span in parent.asked] == [BLOCK] * 7 + [1_000]


def test_what_does_not_fit_is_not_fetched(tmp_path: Path) -> None:
    parent = Parent()
    digest = parent.has(BODY)
    small = ArtifactSettings(max_bytes=BLOCK, largest=BLOCK)
    with pytest.raises(HoldfastError, match=r"artifacts\.largest"):
        fetched(tmp_path, parent, digest, small)
    parent.bodies[digest] = b""
    house = House(tmp_path, None, ArtifactSettings(max_bytes=100, largest=100))
    with house.store.putting(None) as putting:
        putting.write(b"x" * 90)
        putting.keep()
    other = parent.has(b"y" * 50)
    with pytest.raises(ArtifactsFull):
        fetched(tmp_path, parent, other, ArtifactSettings(max_bytes=100, largest=100))


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    parent = Parent()
    digest = parent.has(b"")
    assert fetched(tmp_path, parent, digest).read(digest) == b""


def test_a_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    parent = Parent()
    digest = parent.has(BODY)
    house = fetched(tmp_path, parent, digest)
    (tmp_path / digest).write_bytes(b"rot")
    again = House(tmp_path, parent)

    async def ask() -> None:
        assert await everything(await again.room.source(digest)) == BODY

    again.do(ask)
    assert parent.sent == 2 * len(BODY)
    assert any("ArtifactDamaged" in line for line in again.log)
    assert house.store.settings.fetches == 2


def test_only_so_many_are_wanted_at_once(tmp_path: Path) -> None:
    parent = Parent(may_go=asyncio.Event(), cut_at=0)
    wanted = [parent.has(bytes([n])) for n in range(MOST_FETCHES + 1)]
    house = House(tmp_path, parent)

    async def ask() -> None:
        for digest in wanted[:-1]:
            house.room.want(digest)
        with pytest.raises(ArtifactLate):
            house.room.want(wanted[-1])
        await asyncio.sleep(0.05)
        assert len(parent.asked) == house.room.settings.fetches
        assert parent.may_go is not None
        parent.may_go.set()
        await asyncio.gather(*(house.room.get(digest, 5.0) for digest in wanted[:-1]))
        assert len(house.store.entries()) == MOST_FETCHES

    house.do(ask)


def test_what_was_begun_goes_when_the_parent_has_it_no_more_or_when_it_is_too_much(tmp_path: Path) -> None:
    house = House(tmp_path, Parent())
    for n in range(MOST_RESUMED + 5):
        house.store.begin_part(f"{n:064x}", 10).close()

    async def until_all_is_settled() -> None:
        while house.store.parts() or house.room.status():  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.002)

    house.do(until_all_is_settled)
    assert len([line for line in house.log if "why=absent" in line]) == MOST_RESUMED
