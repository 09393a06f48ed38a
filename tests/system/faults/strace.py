"""Runs the driver under strace: first to learn every system call it makes on its files, then to make one of them fail.

The driver is deterministic and commits on one thread, so "the n-th fdatasync" is the same one in every run.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.storage.rescue import is_poisoned

ROOT = Path(__file__).parents[3]
CALLS = ("fdatasync", "fsync", "pwrite64", "ftruncate")
SYNCS = ("fdatasync", "fsync")
ERRORS = ("EIO", "ENOSPC")
LIMIT_S = 60
_SEEN = re.compile(r"^(\d+) +(\w+)\(\d+<([^>]*)>.*?(\(INJECTED\))?$")


@dataclass(frozen=True)
class Point:
    """A thread's `number`-th `call` (from 1) on the driver's files.

    promises: a commit's sync, which an ack waits for
    thread:   0 for the main one
    """

    call: str
    number: int
    file: str
    promises: bool = False
    thread: int = 0


@dataclass(frozen=True)
class Fault:
    """What fails, how, and whether it stays so."""

    point: Point
    error: str
    lasting: bool

    def __str__(self) -> str:
        stays = " and from then on" if self.lasting else ""
        return f"{self.point.call} {self.point.number}{stays} on {self.point.file}: {self.error}"

    @property
    def option(self) -> str:
        """strace's spelling."""
        return f"inject={self.point.call}:error={self.error}:when={self.point.number}{'+' if self.lasting else ''}"


@dataclass(frozen=True)
class Run:
    """What a driver did: its exit status, the promises it made, how it ended, and what was made to fail on which."""

    status: int
    promises: list[tuple[str | int, ...]]
    said: list[str]
    failed: list[Point]
    poisoned: set[str]


def watch(home: Path, *options: str) -> list[Point]:
    """Every call of interest of an undisturbed run, in order."""
    run_driver(home, [], options)
    return _calls((home / "trace.txt").read_text())[0]


def run_driver(home: Path, injections: Sequence[str], options: Sequence[str]) -> Run:
    """Run the driver on new files in home/data, with the calls that `injections` name made to fail."""
    data, output = home / "data", home / "trace.txt"
    data.mkdir(parents=True)
    files = [data, *(data / f"{db}.db{end}" for db in ("gw", "hub") for end in ("", "-wal", "-shm", "-journal"))]
    ran = subprocess.run(
        [
            *["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-o", str(output), "-e", f"trace={','.join(CALLS)}"],
            *[part for path in files for part in ("-P", str(path))],
            *[part for injection in injections for part in ("-e", injection)],
            *[sys.executable, "-m", "tests.system.faults.driver", str(data), *options],
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    said = ran.stdout.splitlines()
    promises = [_promise(line) for line in said if line.startswith("acked ")]
    rest = [line for line in said if not line.startswith("acked ")] + ran.stderr.splitlines()[-3:]
    poisoned = {db for db in ("gw", "hub") if is_poisoned(data / f"{db}.db")}
    return Run(ran.returncode, promises, rest, _calls(output.read_text())[1], poisoned)


def _promise(line: str) -> tuple[str | int, ...]:
    return tuple(int(word) if word.isdigit() else word for word in line.split()[1:])


def _calls(trace: str) -> tuple[list[Point], list[Point]]:
    """(all calls, the failed ones).

    A sync of a WAL that was written to since its last sync is a commit's; one without is a checkpoint's first step.
    """
    every, failed = [], []
    counts: dict[tuple[str, str], int] = {}
    threads: dict[str, int] = {}
    unsynced: set[str] = set()
    for line in trace.splitlines():
        found = _SEEN.match(line)
        if found is None:
            continue
        thread, call, path, injected = found.groups()
        file = Path(path).name
        threads.setdefault(thread, len(threads))
        counts[thread, call] = counts.get((thread, call), 0) + 1
        promises = call in SYNCS and file.endswith("-wal") and file in unsynced
        point = Point(call, counts[thread, call], file, promises, threads[thread])
        every.append(point)
        if injected:
            failed.append(point)
        elif call == "pwrite64":
            unsynced.add(file)
        elif call in SYNCS:
            unsynced.discard(file)
    return every, failed
