"""The process that makes files: the same files as in the node itself, whatever becomes of the process."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.unit.history.lake.site import NS, START, Site, ask, readings

from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.workshop import ChildWorkshop
from holdfast.journal.journal import FILE_NAME

ROWS = [(n % 4, START + n * NS, float(n % 5), 0) for n in range(2_000)]


def child_of(site: Site, folder: Path) -> ChildWorkshop:
    workshop = ChildWorkshop(site.settings, folder / FILE_NAME, None, folder / "lake")
    site.keeper._workshop = workshop  # the composition root's job
    return workshop


def test_a_child_takes_and_merges_and_the_answer_is_the_same(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, HistorySettings(rows=300))
        child_of(site, tmp_path)
        await site.keeper.tidy()
        for at in range(0, len(ROWS), 100):
            await site.send(readings(ROWS[at : at + 100], site.journal.catalogue.is_text.tolist()))
        before = ask(site, START, START + 4_000 * NS, 60 * NS).series
        await site.keeper.take_all()
        assert site.keeper.waiting() == 0
        taken = len(site.keeper.pieces)
        site.clock.advance(2 * 86_400)
        await site.keeper.merge_due()
        assert taken > len(site.keeper.pieces) > 0
        answer = ask(site, START, START + 4_000 * NS, 60 * NS)
        assert answer.series == before
        assert {source.tier for source in answer.sources} == {"warm"}
        site.keeper.close()
        site.close()

    asyncio.run(body())


def test_a_child_that_is_killed_loses_nothing_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, HistorySettings(rows=300))
        workshop = child_of(site, tmp_path)
        await site.keeper.tidy()
        await site.send(readings(ROWS[:100], site.journal.catalogue.is_text.tolist()))
        await site.keeper.take_all()
        await site.send(readings(ROWS[100:], site.journal.catalogue.is_text.tolist()))
        child = workshop._child  # to be killed
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
        await site.keeper.take_all()
        assert site.keeper.waiting() > 0
        assert any("HistoryFailed at=compact" in line and "-9" in line for line in site.lines)
        await site.keeper.take_all()
        assert site.keeper.waiting() == 0
        assert sum(sum(c.count or []) for c in ask(site, START, START + 4_000 * NS, 60 * NS).series) == len(ROWS)
        await asyncio.to_thread(workshop.rest)
        assert child.poll() is not None
        site.keeper.close()
        site.close()

    asyncio.run(body())


def test_a_child_ends_with_its_input_and_on_nonsense() -> None:
    command = [sys.executable, "-m", "holdfast.history.lake.worker"]
    silent = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False)
    assert (silent.returncode, silent.stdout) == (0, b"")
    nonsense = subprocess.run(
        command, input=b"\x05" + bytes(7) + b"hello", capture_output=True, timeout=20, check=False
    )
    assert nonsense.returncode != 0
    assert nonsense.stdout == b""
