"""The child of `workshop.ChildWorkshop`: makes files as it is told, and ends when its standard input does."""

import os
import signal
import sys
import uuid
from pathlib import Path
from typing import BinaryIO

from holdfast.history.errors import PieceDamaged, PieceGone
from holdfast.history.lake.opening import open_lake
from holdfast.history.lake.workshop import LocalWorkshop, Order, Outset, Report, receive, send
from holdfast.history.lake.writing import Target
from holdfast.journal.journal import load_catalogue
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.errors import HoldfastError

NICENESS = 10


def serve(orders: BinaryIO, reports: BinaryIO) -> None:
    """Do what is asked until there are no more orders."""
    outset = receive(orders, Outset)
    if outset is None:
        return
    access = Access(Path(outset.journal), outset.key)
    reader, lake = JournalReader(access), open_lake(Path(outset.lake), outset.key, outset.settings.cold, SystemClock())
    while (order := receive(orders, Order)) is not None:
        catalogue = load_catalogue(access)  # series may have come meanwhile
        target = Target(lake.folder, catalogue, lambda: uuid.uuid4().hex, lake.cipher)
        send(reports, _done(LocalWorkshop(outset.settings, reader, lake, target), order))
    lake.close()
    reader.close()


def _done(workshop: LocalWorkshop, order: Order) -> Report:
    try:
        if order.step is not None:
            return Report(ready=workshop.prepare(order.step))
        if order.merge:
            return Report(merged=workshop.merge(order.merge, seals=order.seals))
        return Report(made=workshop.take())
    except PieceDamaged as error:
        return Report(error="PieceDamaged", detail=(error.name, error.what))
    except PieceGone as error:
        return Report(error="PieceGone", detail=(error.name,))
    except HoldfastError as error:
        return Report(error=type(error).__name__, detail=(str(error),))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node tells it when to end, also after a Ctrl-C for both
    os.nice(NICENESS)
    serve(sys.stdin.buffer, sys.stdout.buffer)
