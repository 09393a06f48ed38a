"""The canonical workload on real files, as a process whose system calls can be made to fail.

python -m tests.system.faults.driver DIR SEED [--steps N] [--thread] [--ack-first]

Writes "acked NAME … N" to stdout for each promise, after the commit that makes it true, and how it ended: "done"
(exit 0), "poisoned NODE" (a commit's outcome is unknown), "full NODE" (no room for longer than it waits), "unopened".
A poisoned journal is asked for one more commit; "lied NODE" says that it acked that.

--thread: commits on the journals' own writer threads, as a node does, instead of on the main thread
--ack-first: a driver that promises before it has committed, which the check must find
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.powerloss.workload import Workload

from holdfast.journal.errors import JournalPoisoned
from holdfast.journal.store import Store
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import InlineWriter, Writer
from holdfast.storage.errors import StorageError

PATIENCE_S = 1.0  # longer than the writer's pause after a full disk, so that one failed call is waited out


class Ended(Exception):
    """The run can't go on; the text is the last line of the output."""


class Driven(Workload):
    """Commits through the journal's writer: its patience with a full disk, its poison, its answers."""

    def __init__(self, home: Path, seed: int, writer: type[Writer], *, ack_first: bool) -> None:
        self.loop = asyncio.new_event_loop()
        super().__init__(home, "", say_acked, seed)
        self.writers = {
            id(store): writer(store, self.loop, lambda: None, lambda *_: None) for store in (self.gateway, self.hub)
        }
        self._ack_first = ack_first
        self._is_intake = False

    def intake(self) -> None:
        self._is_intake = True
        super().intake()
        self._is_intake = False

    def commit(self, store: Store, write: Callable[[Transaction], Any]) -> Any:
        future = self.writers[id(store)].submit(write)
        if self._ack_first and self._is_intake:
            return None
        return self.loop.run_until_complete(self._answer(store, future))

    async def _answer(self, store: Store, future: asyncio.Future[Any]) -> Any:
        try:
            return await asyncio.wait_for(asyncio.shield(future), PATIENCE_S)
        except TimeoutError:
            raise Ended(f"full {store.node}") from None
        except JournalPoisoned:
            await self._ask_again(store)
            raise Ended(f"poisoned {store.node}") from None

    async def _ask_again(self, store: Store) -> None:
        """A poisoned journal must refuse whatever comes."""
        try:
            await self.writers[id(store)].submit(lambda tx: tx.count("after_poison", 0))
        except JournalPoisoned:
            return
        say(f"lied {store.node}")

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()
        super().close()
        self.loop.close()


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # one call, and no buffer that an exit could lose


def say_acked(promise: tuple[Any, ...]) -> None:
    say(f"acked {' '.join(map(str, promise))}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--thread", action="store_true")
    parser.add_argument("--ack-first", action="store_true")
    args = parser.parse_args()
    try:
        work = Driven(args.folder, args.seed, Writer if args.thread else InlineWriter, ack_first=args.ack_first)
    except StorageError as error:
        say(f"unopened: {error}")
        return 2
    try:
        work.run(args.steps)
        work.close()
    except (Ended, StorageError) as error:
        say(str(error))
        os._exit(3)  # as a node ends that can't go on: nothing more is written, not even by a destructor
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
