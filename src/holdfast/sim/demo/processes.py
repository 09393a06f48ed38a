"""The demo's processes: started by name, stopped by PID, their last words kept."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from holdfast.kernel.errors import HoldfastError


class ProcessEnded(HoldfastError):
    """A process of the demo ended although it should run."""

    def __init__(self, name: str, status: int | None, last_words: str) -> None:
        self.name, self.status = name, status
        super().__init__(f"{name} ended with status {status}:\n{last_words}")


class StillRunning(HoldfastError):
    """A process of the demo should have ended by itself, and hasn't."""

    hint = "is the machine busy? A smaller --rate or fewer --devices need less of it"

    def __init__(self, name: str, lasted_s: float, last_words: str) -> None:
        super().__init__(f"{name} still runs after {lasted_s:.0f} s ({self.hint}); its last words:\n{last_words}")


class Process:
    """`python -m holdfast …` with its log in a file."""

    def __init__(self, name: str, handle: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.handle = handle
        self._log = log
        self._peak = 0.0

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str], folder: Path, *, piped: bool = False) -> "Process":
        """Start it; `piped` to read its standard output."""
        log = folder / f"{name}.log"
        with log.open("ab") as errors:
            handle = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if piped else errors,
                stderr=errors,
                cwd=folder,
                start_new_session=True,  # Ctrl-C is the demo's to handle, in its own order
            )
        return cls(name, handle, log)

    @property
    def is_running(self) -> bool:
        """Has it not ended yet?"""
        return self.handle.returncode is None

    def rss_mb(self) -> float:
        """Highest resident memory seen, MB."""
        with contextlib.suppress(psutil.Error):
            self._peak = max(self._peak, psutil.Process(self.handle.pid).memory_info().rss / 1e6)
        return self._peak

    def demand_running(self) -> None:
        """Raise when it has ended.

        Raises:
            ProcessEnded: with the end of its log.
        """
        if not self.is_running:
            raise ProcessEnded(self.name, self.handle.returncode, self.last_words())

    def demand_ended(self, lasted_s: float, most_s: float) -> None:
        """Raise when it still runs although it has had more than `most_s`.

        Raises:
            StillRunning: with the end of its log.
        """
        if self.is_running and lasted_s > most_s:
            raise StillRunning(self.name, lasted_s, self.last_words())

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    async def wait_for_port(self, port: int, deadline_s: float) -> None:
        """Wait until it listens.

        Raises:
            ProcessEnded: when it ended first, or didn't listen within the deadline.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while True:
                    self.demand_running()
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                        writer.close()
                        return
                    await asyncio.sleep(0.05)
        raise ProcessEnded(
            self.name, self.handle.returncode, f"not listening after {deadline_s:g} s\n{self.last_words()}"
        )

    async def stop(self, deadline_s: float = 15.0) -> int | None:
        """SIGTERM, then SIGKILL after the deadline; returns its exit status."""
        with contextlib.suppress(ProcessLookupError):
            if self.is_running:
                self.handle.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(deadline_s):
                return await self.handle.wait()
        except TimeoutError:
            self.handle.kill()
            return await self.handle.wait()
