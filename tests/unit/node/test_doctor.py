import resource
import socket
from pathlib import Path

import pytest

from holdfast.kernel.clock import ManualClock, SystemClock
from holdfast.node import doctor
from holdfast.node.doctor import Check, run_checks
from holdfast.transport.addresses import Address


def test_a_fit_machine_passes_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        checks = {
            c.name: c for c in run_checks(tmp_path / "data", [("127.0.0.1", 0), ("127.0.0.1", busy)], SystemClock())
        }
    for name in ("python", "sqlite", "journal", "disk space", "disk sync", "extras", "port 0"):
        assert checks[name].verdict == "ok", checks[name]
    assert checks["journal"].found == "journal_mode=wal synchronous=full"
    assert checks[f"port {busy}"].verdict == "fail"
    assert list((tmp_path / "data").iterdir()) == []


def test_everything_that_isnt_ok_says_what_to_do(tmp_path: Path) -> None:
    for check in run_checks(tmp_path, [], ManualClock(0)):
        assert check.verdict == "ok" or check.advice


def test_a_folder_that_cant_be_written_is_a_finding_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    checks = {c.name: c for c in run_checks(tmp_path / "file" / "data", [], SystemClock())}
    assert {checks[n].verdict for n in ("journal", "disk space", "disk sync")} == {"fail"}
    assert checks["disk sync"].advice


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (doctor.check_python((3, 10, 9)), "fail"),
        (doctor.check_python((3, 12, 0)), "ok"),
        (doctor.check_sqlite((3, 51, 2)), "fail"),
        (doctor.check_filesystem("ext4"), "ok"),
        (doctor.check_filesystem(""), "ok"),
        (doctor.check_filesystem("tmpfs"), "warn"),
        (doctor.check_filesystem("overlay"), "warn"),
        (doctor.check_filesystem("nfs4"), "fail"),
        (doctor.judge_fsync(2.0, 9.0), "ok"),
        (doctor.judge_fsync(80.0, 90.0), "warn"),
        (doctor.check_clock(1_000_000_000 * 10**9, True), "fail"),
        (doctor.check_clock(1_790_000_000 * 10**9, True), "ok"),
        (doctor.check_clock(1_790_000_000 * 10**9, None), "ok"),
        (doctor.check_clock(1_790_000_000 * 10**9, False), "warn"),
        (doctor.check_files(100), "fail"),
        (doctor.check_files(512), "warn"),
        (doctor.check_files(65536), "ok"),
        (doctor.check_files(resource.RLIM_INFINITY), "ok"),
        (doctor.check_optional(lambda _: None), "warn"),
        (doctor.check_port(Address("192.0.2.1", 1)), "fail"),
    ],
)
def test_each_finding_is_judged(check: Check, verdict: str) -> None:
    assert check.verdict == verdict
    assert check.found
    assert check.verdict == "ok" or check.advice


@pytest.mark.parametrize(("free", "verdict"), [(1, "fail"), (10**18, "warn")])
def test_little_space_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 10**18 if verdict == "fail" else 0)
    monkeypatch.setattr(doctor, "WANTED_FREE_BYTES", 10**18)
    assert doctor.check_space(tmp_path).verdict == verdict
