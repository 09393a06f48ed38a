"""The child of `workshop.ChildWorkshop`: makes files as it is told, and ends when its standard input does."""

import os
import signal
import sys
import uuid
from pathlib import Path
from typing import BinaryIO

from holdfast.history.errors import PieceDamaged, PieceGone
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.workshop import LocalWorkshop, Order, Outset, Report, receive, send
from holdfast.history.lake.writing import Target
from holdfast.journal.journal import load_catalogue
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.kernel.errors import HoldfastError
from holdfast.storage.folder import DiskFolder

NICENESS = 10


def serve(orders: BinaryIO, reports: BinaryIO) -> None:
    """Do what is asked until there are no more orders."""
    outset = receive(orders, Outset)
    if outset is None:
        return
    access, folder = Access(Path(outset.journal), outset.key), DiskFolder(Path(outset.lake))
    reader, lake = JournalReader(access), Lake(folder)
    while (order := receive(orders, Order)) is not None:
        target = Target(folder, load_catalogue(access), lambda: uuid.uuid4().hex)  # series may have come meanwhile
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
