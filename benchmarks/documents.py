"""What shared documents cost a node: memory to load, time to merge 10,000 edits, edits a second one by one.

python -m benchmarks.documents      (about 10 s; prints JSON)
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import holdfast.node.node  # noqa: F401  # a node has this memory anyway
from benchmarks.processes import rss_mib
from holdfast.documents.settings import DocumentsSettings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry

EDITS, SINGLE = 10_000, 1_000


def edits() -> tuple[bytes, list[bytes]]:
    """A document after many edits of a map, a text and a list; and each edit's own update."""
    from pycrdt import Array, Doc, Map, Text  # noqa: PLC0415  # loading it is measured

    doc: Doc[Any] = Doc()
    updates: list[bytes] = []
    fields, letters, items = doc.get("m", type=Map), doc.get("t", type=Text), doc.get("a", type=Array)
    doc.observe(lambda event: updates.append(event.update))
    rng = random.Random(1)
    for i in range(EDITS):
        if i % 3 == 0:
            fields[f"key-{rng.randrange(500)}"] = i
        elif i % 3 == 1:
            letters.insert(rng.randrange(len(letters) + 1), "abc")
        else:
            items.append({"n": i})
    return doc.get_update(), updates


async def measured(folder: Path) -> dict[str, float]:
    """The figures. Times are seconds of the wall clock."""
    before = rss_mib(os.getpid())
    from holdfast.documents.keeper import Keeper  # noqa: PLC0415  # loading it is measured

    loaded = rss_mib(os.getpid()) - before
    journal = Journal(folder / FILE_NAME, "node", JournalSettings(), SystemClock())
    keeper = Keeper(DocumentsSettings(max_bytes=8 << 20), journal, Telemetry(SystemClock(), lambda _: None))
    whole, updates = edits()
    began, before = time.perf_counter(), rss_mib(os.getpid())
    await keeper.merge("whole", whole)
    merged, grown = time.perf_counter() - began, rss_mib(os.getpid()) - before
    began = time.perf_counter()
    for update in updates[:SINGLE]:
        await keeper.merge("single", update)
    single = time.perf_counter() - began
    journal.close()
    return {
        "rss_to_load_mib": loaded,
        "document_bytes": len(whole),
        "merge_10000_edits_s": merged,
        "rss_of_document_mib": grown,
        "single_edits_per_s": SINGLE / single,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        json.dump(asyncio.run(measured(Path(place))), sys.stdout, indent=2)
        print()
