"""The listener and the journal with nothing between them: what the durable door itself can do.

Each micro-batch's payload bytes go into one transaction; PUBACKs follow its commit. python -m benchmarks.bare DIR
Prints the port; ends at SIGTERM. DIR/tally counts committed messages.
"""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from benchmarks.tally import Tally
from holdfast.adapters.mqtt.server import MqttServer
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.port import Arrival
from holdfast.intake.inbox import Inbox
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.node.running import tune
from holdfast.telemetry.happenings import Telemetry


class Door:
    """Commits what queued during the last commit."""

    def __init__(self, journal: Journal, folder: Path) -> None:
        self.inbox = Inbox(20_000, 32 << 20, self.wake)
        self.journal = journal
        self.committing: list[Arrival] = []
        self.scheduled = False
        self.tally = Tally(folder / "tally")

    def wake(self) -> None:
        if not self.committing and not self.scheduled:
            self.scheduled = True
            asyncio.get_running_loop().call_soon(self.commit)

    def commit(self) -> None:
        self.scheduled = False
        self.committing = self.inbox.take()
        if self.committing:
            self.journal.submit(self.writing()).add_done_callback(self.committed)

    def writing(self) -> Callable[[Transaction], None]:
        raw = b"".join(p for a in self.committing for p in a.payloads)
        annexes = [a.annex.writing() for a in self.committing if a.annex is not None]

        def write(tx: Transaction) -> None:
            tx.checkpoint("bare", 0, raw)
            for annex in annexes:
                annex(tx)

        return write

    def committed(self, commit: asyncio.Future[None]) -> None:
        commit.result()
        done, self.committing = self.committing, []
        for arrival in done:
            arrival.receipt.settle()
        self.tally.add(sum(len(arrival.payloads) for arrival in done))
        self.inbox.release(done)
        self.commit()


async def serve(folder: Path) -> None:
    clock = SystemClock()
    door = Door(Journal(folder / FILE_NAME, "bare", JournalSettings(), clock), folder)
    settings = MqttSettings(listen="127.0.0.1:0", anonymous=True, max_connections=4_000)
    server = MqttServer(settings, door.inbox, clock, Telemetry(clock), door.journal)
    await server.start()
    print(server.port, flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(1.0)
    door.journal.close()


if __name__ == "__main__":
    tune()  # as a node does
    uvloop.run(serve(Path(sys.argv[1])))
