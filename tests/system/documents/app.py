"""An application with a shared document. Words: FOLDER LABEL NODE URL then what to do.

count N PAUSE_S  add one N times, note each in LABEL.acked after it returned, then flush
set KEY VALUE    set a key and flush; set-only: without waiting
read [SECONDS]   take in what comes for so long, then print the map and the counter
"""

import json
import os
import sys
import time
from pathlib import Path

from holdfast.sync.document import Document
from holdfast.sync.node import Node


def main(folder: Path, label: str, node: str, url: str, what: str, *words: str) -> None:
    ca = folder / "ca.pem" if url.startswith("https") else None
    with Document("shared", Node(url, folder / f"{node}-app.token", ca), folder / f"{label}.db") as document:
        if what == "count":
            count(document, folder / f"{label}.acked", int(words[0]), float(words[1]))
        elif what in ("set", "set-only"):
            document.map("m")[words[0]] = words[1]
            print(what == "set-only" or document.flush(30))
        elif what == "read":
            until = time.monotonic() + float(words[0] if words else 3)
            while (left := until - time.monotonic()) > 0:
                document.wait(left)
            keys = {k: v for k, v in (document.map("m").to_py() or {}).items() if not k.startswith("k")}
            print(json.dumps([dict(sorted(keys.items())), document.counter("n").value, len(document.map("m"))]))


def count(document: Document, record: Path, n: int, pause_s: float) -> None:
    counter, marks = document.counter("n"), document.map("m")
    with record.open("ab", buffering=0) as acked:
        for i in range(n):
            with document.edit():
                counter.add(1)
                marks[f"k{os.getpid()}-{i}"] = True
            acked.write(b"1\n")
            time.sleep(pause_s)
    print(document.flush(30))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
