"""Starts and stops what a benchmark needs; by PID, on free loopback ports."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.sim.demo.plan import free_ports

READY_S = 20.0


def free_port() -> int:
    return free_ports(1)[0]


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


@contextlib.contextmanager
def running(*command: str, log: Path | None = None, **kwargs: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is terminated at the end."""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("w")) if log else subprocess.DEVNULL
        process = subprocess.Popen(command, text=True, stderr=errors, **kwargs)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def python(module: str, *args: str) -> list[str]:
    return [sys.executable, "-m", module, *args]


def load(
    port: int,
    *,
    devices: int = 100,
    window: int = 20,
    seconds: float = 8,
    warm: float = 2,
    qos: int = 1,
    keep: bool = False,
    small: bool = False,
) -> dict[str, float]:
    """What benchmarks.load measured, in a process of its own."""
    options = {"port": port, "devices": devices, "window": window, "seconds": seconds, "warm": warm, "qos": qos}
    args = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    args += ["--keep"] * keep + ["--small"] * small
    done = subprocess.run(
        python("benchmarks.load", *args), capture_output=True, text=True, check=False, timeout=warm + seconds + 90
    )
    if done.returncode:
        raise SystemExit(f"load failed: {done.stderr or done.stdout}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def cpu_s(pid: int) -> float:
    """User and system CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Peak resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
