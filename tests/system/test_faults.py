"""System calls fail, one after the other: nothing that was acked before, or is acked after, may be lost (G1, G2, G5).

Every sync, write and truncation of the canonical workload is made to fail with EIO and with ENOSPC, once and for good.
A process that ends with an error is right; a promise that the files don't keep is not. After a commit's sync has
failed the journal must refuse everything and leave its flag, and the next start must not trust the file as it lies.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from random import Random

import pytest
from tests.powerloss.workload import check_promises
from tests.system.faults.strace import ERRORS, Fault, Run, run_driver, watch

from holdfast.storage.rescue import is_poisoned

pytestmark = pytest.mark.system

SEED = 20261121
AT_ONCE = 2
THREADED = [str(SEED), "--thread", "--steps", "40"]
ENDS = {0, 2, 3}  # done, unopened, can't go on


@pytest.fixture
def ram(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the files lie, and the flags of those that are poisoned."""
    shm = Path("/dev/shm")
    home = Path(tempfile.mkdtemp(prefix="faults-", dir=shm if shm.is_dir() else None))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    yield home
    shutil.rmtree(home)


def attempt(home: Path, fault: Fault, options: Sequence[str]) -> tuple[int, list[str]]:
    """The exit status of a run with this fault, and what was wrong about it."""
    run = run_driver(home, [fault.option], options)
    try:
        return run.status, [f"{fault}: {one}" for one in complaints(home, run)]
    finally:
        shutil.rmtree(home)


def complaints(home: Path, run: Run) -> Iterator[str]:
    if not run.failed:
        yield "no call failed"
    if run.status not in ENDS:
        yield f"ended with {run.status}: {run.said}"
    if any(line.startswith("lied") for line in run.said):
        yield "a poisoned journal acked"
    yield from unpoisoned(run)
    try:
        check_promises(home / "data", run.promises)
    except Exception as error:  # noqa: BLE001  # whatever the look at the files raises is what's wrong with them
        yield f"{type(error).__name__}: {error} ({run.said})"
    for node in run.poisoned:
        if is_poisoned(home / "data" / f"{node}.db"):
            yield f"{node} was opened without a rescue"


def unpoisoned(run: Run) -> Iterator[str]:
    """Failed syncs of commits after which the process went on, or left no flag."""
    for point in run.failed:
        node = point.file.split(".")[0]
        if point.promises and node not in run.poisoned:
            yield f"the failed commit left no flag for {node}: {run.said}"
        if point.promises and run.status == 0:
            yield "a commit whose sync failed was acked"


def sweep(home: Path, faults: Sequence[Fault], options: Sequence[str]) -> list[str]:
    """Try all faults, a few at a time; everything that was wrong."""
    numbers = count()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda fault: attempt(home / f"run-{next(numbers)}", fault, options), faults))
    ends = Counter({0: "done", 2: "unopened", 3: "stopped"}.get(status, "broken") for status, _ in done)
    print(f"{len(faults)} faults: {dict(ends)}")
    return [one for _, found in done for one in found]


def every_fault(home: Path, options: Sequence[str]) -> list[Fault]:
    """Each call of an undisturbed run, with each error, once and for good."""
    points = watch(home, *options)
    shutil.rmtree(home)
    return [Fault(point, error, lasting) for point in points for error in ERRORS for lasting in (False, True)]


def faults_of_writers(home: Path) -> list[Fault]:
    """Faults that hit a writer thread: strace counts by thread, so they lie beyond what the main one does to open."""
    faults = every_fault(home, THREADED)
    opening = Counter(fault.point.call for fault in faults if not fault.point.thread)
    calls = len(ERRORS) * 2
    return [f for f in faults if f.point.thread and f.point.number > opening[f.point.call] // calls]


def sample(faults: Sequence[Fault], syncs: int, others: int) -> list[Fault]:
    """So many of the syncs that an ack waits for, and so many of all the rest."""
    rng = Random(SEED)
    print(f"seed {SEED}: {syncs} + {others} of {len(faults)} faults")
    promises = [fault for fault in faults if fault.point.promises]
    rest = [fault for fault in faults if not fault.point.promises]
    return rng.sample(promises, syncs) + rng.sample(rest, others)


@pytest.mark.timeout(240)
def test_no_failed_system_call_breaks_a_promise(ram: Path) -> None:
    options = [str(SEED)]
    faults = sample(every_fault(ram / "watched", options), 24, 28)
    assert not sweep(ram, faults, options)


@pytest.mark.timeout(120)
def test_no_failed_system_call_on_a_writer_thread_breaks_a_promise(ram: Path) -> None:
    faults = sample(faults_of_writers(ram / "watched"), 12, 8)
    assert not sweep(ram, faults, THREADED)


@pytest.mark.timeout(120)
def test_the_check_catches_a_driver_that_promises_before_it_commits(ram: Path) -> None:
    options = [str(SEED), "--ack-first"]
    # A write: what a failed sync leaves in the page cache is read back, and only a power cut would show that it's gone.
    faults = [f for f in every_fault(ram / "watched", options) if f.point.file == "gw.db-wal" and f.error == "EIO"]
    wrong = sweep(ram, Random(SEED).sample([f for f in faults if f.point.call == "pwrite64"], 8), options)
    assert any("were acked, the journal ends at" in one for one in wrong), wrong


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_no_system_call_of_the_workload_can_fail_and_break_a_promise(ram: Path, mode: str) -> None:
    if mode == "inline":
        options = [str(SEED)]
        assert not sweep(ram, every_fault(ram / "watched", options), options)
    else:
        assert not sweep(ram, [f for f in faults_of_writers(ram / "watched") if f.point.promises], THREADED)
