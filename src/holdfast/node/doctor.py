"""`holdfast doctor`: is this machine fit to run a node? Every check answers, none raises; the caller formats."""

import os
import resource
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from holdfast.journal import audit_log
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.opening import Access, read_key
from holdfast.journal.reader import JournalReader
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.kernel.trust import PROGRAM_MADE_NS
from holdfast.node.machine import filesystem_of, is_clock_synchronised
from holdfast.node.settings import NodePlan
from holdfast.storage.sqlite import OLDEST_SAFE, is_plain, library_version, open_writer
from holdfast.transport.addresses import Address
from holdfast.transport.errors import ListenFailed
from holdfast.transport.server import bind

Verdict = Literal["ok", "warn", "fail"]

OLDEST_PYTHON = (3, 11)
# A node's own floor: journal growth of hours, not minutes, on the smallest site.
LEAST_FREE_BYTES = 200_000_000
WANTED_FREE_BYTES = 1_000_000_000
# Every acked batch waits for one fsync: 5 ms is a fair SSD, 50 ms an SD card at its worst.
SLOW_FSYNC_MS = 50.0
FSYNCS = 15
WANTED_FILES = 1024
LEAST_FILES = 256
LATEST_S = 4_102_444_800
_VANISHING = {"tmpfs", "ramfs", "overlay"}
_UNSAFE_LOCKS = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"}
_OPTIONAL = {
    "rich": "the live view of `holdfast demo` falls back to plain lines",
    "uvloop": "the node runs slower on asyncio's own loop",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. advice: what to do, empty when all is well."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def run_checks(
    data_dir: Path, ports: Sequence[tuple[str, int]], clock: Clock, plan: NodePlan | None = None
) -> list[Check]:
    """Look at everything a node needs; `data_dir` is made if it isn't there, and left empty of what was tried.

    plan: the node's, whose audit is looked over
    """
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("python", check_python),
        ("sqlite", check_sqlite),
        ("journal", lambda: check_pragmas(data_dir)),
        ("disk space", lambda: check_space(data_dir)),
        ("disk sync", lambda: check_fsync(data_dir, clock)),
        ("filesystem", lambda: check_filesystem(filesystem_of(data_dir))),
        ("clock", lambda: check_clock(clock.wall_ns(), is_clock_synchronised())),
        ("open files", lambda: check_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])),
        ("extras", check_optional),
    ]
    if plan is not None:
        checks.append(("audit", lambda: check_audit(plan)))
    found = [_safely(name, check) for name, check in checks]
    return found + [check_port(Address(host, port)) for host, port in ports]


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """New enough?"""
    found = ".".join(map(str, version))
    if version >= OLDEST_PYTHON:
        return Check("python", "ok", found)
    return Check("python", "fail", found, "install Python 3.11 or newer")


def check_sqlite(version: tuple[int, ...] | None = None) -> Check:
    """Without the bug that corrupts a WAL?"""
    version = library_version() if version is None else version
    found = ".".join(map(str, version))
    if version >= OLDEST_SAFE:
        return Check("sqlite", "ok", found)
    return Check("sqlite", "fail", found, "pip install -U apsw-sqlite3mc; older ones can corrupt the journal")


def check_pragmas(data_dir: Path) -> Check:
    """Does a real database in that folder take WAL and FULL? Opening demands that both read back."""
    trial = data_dir / ".doctor.db"
    try:
        db = open_writer(trial)
        mode, sync = db.pragma("journal_mode"), db.pragma("synchronous")
        db.execute("CREATE TABLE trial (x)")
        db.close()
    finally:
        for path in data_dir.glob(".doctor.db*"):
            path.unlink(missing_ok=True)
    return Check("journal", "ok", f"journal_mode={mode} synchronous={'full' if sync == 2 else sync}")


def check_space(data_dir: Path) -> Check:
    """Room for the journal?"""
    data_dir.mkdir(parents=True, exist_ok=True)
    stat = os.statvfs(data_dir)
    free = stat.f_bavail * stat.f_frsize
    found = f"{free / 1e9:.1f} GB free at {data_dir}"
    if free < LEAST_FREE_BYTES:
        return Check("disk space", "fail", found, "free some space or choose another `data` folder")
    if free < WANTED_FREE_BYTES:
        return Check("disk space", "warn", found, "set journal.quota below what is free")
    return Check("disk space", "ok", found)


def check_fsync(data_dir: Path, clock: Clock) -> Check:
    """How long does the disk take to say "written"?"""
    data_dir.mkdir(parents=True, exist_ok=True)
    trial = data_dir / ".doctor.sync"
    took: list[float] = []
    try:
        handle = os.open(trial, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for _ in range(FSYNCS):
                os.write(handle, bytes(4096))
                begun = clock.monotonic()
                os.fsync(handle)
                took.append((clock.monotonic() - begun) * 1000)
        finally:
            os.close(handle)
    finally:
        trial.unlink(missing_ok=True)
    return judge_fsync(statistics.median(took), max(took))


def judge_fsync(median_ms: float, worst_ms: float) -> Check:
    """Fast enough?"""
    found = f"fsync takes {median_ms:.2f} ms (median of {FSYNCS}), {worst_ms:.2f} ms at worst"
    if median_ms > SLOW_FSYNC_MS:
        return Check("disk sync", "warn", found, "use an SSD or eMMC for `data`: every acked batch waits for one fsync")
    return Check("disk sync", "ok", found)


def check_filesystem(kind: str) -> Check:
    """Does it survive a reboot, and lock files honestly?"""
    if kind in _UNSAFE_LOCKS:
        return Check("filesystem", "fail", kind, "put `data` on a local disk: SQLite's WAL needs shared memory")
    if kind in _VANISHING:
        advice = f"put `data` on a real disk or a volume: what is on {kind} is gone after a restart"
        return Check("filesystem", "warn", kind, advice)
    return Check("filesystem", "ok", kind or "unknown")


def check_clock(wall_ns: int, is_synchronised: bool | None) -> Check:  # noqa: FBT001  # three answers of the kernel
    """Plausible, and kept right by someone? `None` = the system doesn't tell."""
    seconds = wall_ns // NS_PER_S
    found = f"{seconds} s since 1970, " + _SYNC_WORDS[is_synchronised]
    if not PROGRAM_MADE_NS <= wall_ns <= LATEST_S * NS_PER_S:
        return Check("clock", "fail", found, "set the clock; its battery may be empty")
    if is_synchronised is False:
        return Check("clock", "warn", found, "run chrony or systemd-timesyncd, with a server the site can reach")
    return Check("clock", "ok", found)


_SYNC_WORDS = {True: "synchronised", False: "not synchronised", None: "synchronisation unknown"}


def check_files(limit: int) -> Check:
    """Enough descriptors for devices?"""
    found = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit} open files allowed"
    if limit == resource.RLIM_INFINITY or limit >= WANTED_FILES:
        return Check("open files", "ok", found)
    advice = "raise it with `ulimit -n 4096` or LimitNOFILE=4096 in the unit: each device takes one"
    return Check("open files", "fail" if limit < LEAST_FILES else "warn", found, advice)


def check_port(address: Address) -> Check:
    """Free to listen on?"""
    try:
        bind(address).close()
    except ListenFailed as error:
        return Check(f"port {address.port}", "fail", str(error), error.hint)
    return Check(f"port {address.port}", "ok", f"{address} is free")


def check_audit(plan: NodePlan) -> Check:
    """Is the record of what people did what the node wrote? Its key may be missing, too, and that's a finding."""
    path = plan.data / FILE_NAME
    if not path.exists():
        return Check("audit", "ok", "nothing yet")
    reader = JournalReader(
        Access(path, None if is_plain(path) else read_key(plan.settings.journal.key, plan.folder, path))
    )
    try:
        broken: int = reader.look(audit_log.broken_at)
    finally:
        reader.close()
    if not broken:
        return Check("audit", "ok", "the chain of what people did is whole")
    advice = "somebody changed the journal's file by hand: `holdfast audit export` shows what is left; compare a backup"
    return Check("audit", "fail", f"line {broken} isn't what was written: it was tampered with", advice)


def check_optional(has: Callable[[str], object] = find_spec) -> Check:
    """What is missing that a node can do without?"""
    missing = [name for name in _OPTIONAL if has(name) is None]
    if not missing:
        return Check("extras", "ok", ", ".join(_OPTIONAL))
    return Check("extras", "warn", f"without {', '.join(missing)}", "; ".join(_OPTIONAL[name] for name in missing))


def _safely(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except HoldfastError as error:
        return Check(name, "fail", str(error), error.hint)
    except OSError as error:
        said = f"{error.filename or 'the system'}: {error.strerror}"
        return Check(name, "fail", said, "see that this user may write there")
