"""The process that works one backtest out: polite to the node beside it, bounded in memory, gone when the node is.

It reads the node's files as the command line does; it writes nothing but its answer.
"""

import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from holdfast.backtesting.accounts import Ran, Report, told, wants_of
from holdfast.backtesting.differences import matched
from holdfast.backtesting.orders import Backtested, Order, Told
from holdfast.backtesting.past import Files
from holdfast.backtesting.picturing import panel_told
from holdfast.backtesting.readings import Bite, Readings, Wants, of_node
from holdfast.backtesting.recording import Recorded
from holdfast.history.lake.workshop import receive, send
from holdfast.journal.opening import Access
from holdfast.kernel.clock import NS_PER_S, Clock, SystemClock
from holdfast.kernel.errors import HoldfastError
from holdfast.kernel.stars import matcher
from holdfast.model.series import Catalogue, Series
from holdfast.stream.replaying import Replay
from holdfast.stream.rules import CompiledRule

NICENESS = 19
MOST_MEMORY = 1 << 30
ROWS, PARTS = 500_000, 100
"""Rows read at once (some 30 MB), and the parts that the time is read in at least: a progress bar has steps then."""
POINTS, CELLS = 600, 2_000_000
"""Points of a picture, and how many of all series together: with many series each has fewer."""
MOST_LISTED = 1_000


class _Side:
    """Rules that run over the readings, with a catalogue of their own: rules add series to it."""

    def __init__(self, rules: Sequence[CompiledRule], about: Readings, points: int) -> None:
        catalogue = Catalogue()
        for one in about.catalogue.since(0):
            catalogue.intern(one)
        self.rules = rules
        self.replay = Replay(rules, catalogue, about.node, about.from_ns, about.to_ns)
        self._recorded = Recorded(self.replay.engine, about.from_ns, about.to_ns, points) if points else None

    def ran(self, about: Readings, wall_s: float) -> Ran:
        account = self.replay.finish(about.to_ns)
        return Ran(account, told(self.rules, self.replay, about, wall_s), self._recorded)


def work(order: Order, tell: BinaryIO, clock: Clock) -> Backtested:
    """Run the rules over the past; `tell` hears how far it is.

    Raises:
        HoldfastError: when rules or readings can't be used.
    """
    from holdfast.stream.language.loading import compile_documents  # noqa: PLC0415  # after the limits are set

    began = clock.monotonic()
    new, old = compile_documents(order.new), compile_documents(order.old) if order.old else []
    files = Files(order.node, Access(Path(order.journal), order.key), Path(order.data), order.history)
    longest = max((order.to_ns - order.from_ns) // PARTS, 60 * NS_PER_S)
    with of_node(files, _wants([*new, *old], order.series), order.from_ns, order.to_ns, Bite(ROWS, longest)) as about:
        sides = [_Side(new, about, min(POINTS, max(60, CELLS // max(1, about.series))))]
        sides += [_Side(old, about, 0)] if old else []
        count = 0
        for batch in about.batches:
            for side in sides:
                side.replay.feed(batch)
            count += len(batch)
            if len(batch):
                share = (int(batch.ts[-1]) - order.from_ns) / (order.to_ns - order.from_ns)
                send(tell, Told(min(share, 0.99), count))
        wall = max(clock.monotonic() - began, 1e-9)
        ran = [side.ran(about, wall) for side in sides]
    return _result(ran[0], ran[1] if old else None)


def _wants(rules: Sequence[CompiledRule], patterns: Sequence[str]) -> Wants:
    wants = wants_of(rules)
    if not patterns:
        return wants
    fits = matcher(patterns)

    def both(series: Series) -> bool:
        short = f"{series.device}/{series.metric}"
        return wants(series) and (fits(short) or fits(f"{series.node}/{short}"))

    return both


def _result(new: Ran, old: Ran | None) -> Backtested:
    before = [] if old is None else old.report.alerts
    gone, fresh, same = matched(before, new.report.alerts) if old is not None else ([], [], 0)
    panels = [] if new.recorded is None else new.recorded.panels(new.account)
    every = new.report.alerts
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Backtested(
        _bounded(new.report),
        [panel_told(one, before) for one in panels],
        old is not None,
        len(before),
        gone[:MOST_LISTED],
        fresh[:MOST_LISTED],
        same,
        max(len(every), len(gone), len(fresh)) > MOST_LISTED,
        usage.ru_utime + usage.ru_stime,
    )


def _bounded(report: Report) -> Report:
    return msgspec.structs.replace(report, alerts=report.alerts[-MOST_LISTED:], rules=report.rules[:MOST_LISTED])


def serve(orders: BinaryIO, tell: BinaryIO) -> None:
    """Take one order and answer it."""
    order = receive(orders, Order)
    if order is None:
        return
    with _ends_with(orders):
        try:
            result = work(order, tell, SystemClock())
            done = Told(1.0, result.report.readings, msgspec.json.encode(result))
        except HoldfastError as error:
            done = Told(error=str(error), hint=error.hint)
        except MemoryError:
            done = Told(error="it needs more memory than a backtest may take", hint="ask for a shorter time")
        send(tell, done)


@contextmanager
def _ends_with(orders: BinaryIO) -> Iterator[None]:
    """End at once when the node does, or gives up: then there are no more orders."""

    def watch() -> None:
        orders.read(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    yield


def _be_polite() -> None:
    """Behind everything else for the processor, and the first that goes when memory is short."""
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)  # whatever the node itself has
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node tells it when to end, also after a Ctrl-C for both
    _be_polite()
    serve(sys.stdin.buffer, sys.stdout.buffer)
