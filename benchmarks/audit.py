"""What the record of people's doing costs: python -m benchmarks.audit [--rows 100000] [--changes 300].

A change is a small commit of the journal; with the record it's between two more. Then, over a log of `rows`: the
check of its chain, a page for somebody who did little, and what a start looks over. On the disk of the folder it's
run in. Takes half a minute.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.options import Figures, percentiles
from holdfast.identity.people.trail import JournalTrail
from holdfast.journal import audit_log
from holdfast.journal.audit_log import Wanted
from holdfast.journal.journal import Journal
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry

BODY = json.dumps({"until": "+1h", "by": "ann", "why": "works on press 7, asked for by the shift lead"})
AT_ONCE = 1_000


async def changes(folder: Path, count: int) -> Figures:
    """Milliseconds a change takes, alone and on record; CPU of the process."""
    clock = SystemClock()
    journal = Journal(folder / "journal.db", "gw", JournalSettings(), clock)
    trail = JournalTrail(journal, clock, Telemetry(clock, lambda _line: None))

    async def plain(n: int) -> None:
        await journal.submit(lambda tx: tx.set_meta("x", f"{n}"))

    async def noted(n: int) -> None:
        act = await trail.ask("ann", "POST /api/v1/silences", "10.0.0.17", role="operator", via="session", body=BODY)
        await plain(n)
        await trail.ended(act, 201)

    try:
        return {**await timed(plain, count, "plain"), **await timed(noted, count, "noted")}
    finally:
        journal.close()


async def timed(change: Callable[[int], Awaitable[None]], count: int, name: str) -> Figures:
    """How long one takes after the other."""
    took, cpu = list[float](), time.process_time()
    for n in range(count):
        began = time.perf_counter()
        await change(n)
        took.append((time.perf_counter() - began) * 1000)
    cpu_ms = (time.process_time() - cpu) * 1000 / count
    return {**percentiles(took, f"{name}_ms"), f"{name}_cpu_ms": round(cpu_ms, 3)}


async def whole(folder: Path, count: int) -> Figures:
    """Seconds over a full log."""
    clock = SystemClock()
    journal = Journal(folder / "full.db", "gw", JournalSettings(), clock)

    def fill(tx: Transaction) -> None:
        for n in range(AT_ONCE // 2):
            body = {"who": "ann" if n else "bob", "what": "POST /api/v1/silences", "body": BODY}
            of, _ = audit_log.ask(tx, clock.wall_ns(), body)
            audit_log.answer(tx, clock.wall_ns(), of, {"who": body["who"], "what": body["what"]}, 201)

    def taking(do: Callable[[], Any]) -> float:
        began = time.perf_counter()
        do()
        return round(time.perf_counter() - began, 3)

    try:
        for _ in range(count // AT_ONCE):
            await journal.submit(fill)
        began = time.perf_counter()
        await journal.submit(lambda tx: audit_log.settle(tx, clock.wall_ns()))
        settled = round(time.perf_counter() - began, 3)
        rare = Wanted(who="nobody", what=("* /api/v1/rules/*",))
        return {
            "rows": count,
            "settle_s": settled,
            "check_s": taking(lambda: journal.look(audit_log.broken_at)),
            "check_piece_ms": round(1000 * taking(lambda: journal.look(audit_log.check)), 1),
            "newest_page_s": taking(lambda: journal.look(lambda db: audit_log.page(db, Wanted(), 200))),
            "page_of_nothing_s": taking(lambda: journal.look(lambda db: audit_log.page(db, rare, 200))),
            "mb": round(journal.size_bytes() / 1e6, 1),
        }
    finally:
        journal.close()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=300)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found = {
            **asyncio.run(changes(Path(folder), asked.changes)),
            **asyncio.run(whole(Path(folder), asked.rows)),
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
