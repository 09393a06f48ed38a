"""Runs SQL for a node in a process of its own (`history.sql_worker`), which ends with the question."""

import asyncio
import contextlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from holdfast.history.errors import HistoryError
from holdfast.history.sql_order import Order, Told

GRACE_S = 5.0
"""Beyond the statement's own time, for starting and reading the catalogue."""
MEMORY_MB = 512
MOST_ANSWER = 32 << 20


class SqlFailed(HistoryError):
    """There is no answer."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class SqlDesk:
    """Where the node's files are. lake: None = there is none."""

    journal: Path
    key: bytes | None
    lake: Path | None

    @property
    def is_there(self) -> bool:
        """Is DuckDB installed?"""
        return importlib.util.find_spec("duckdb") is not None

    async def run(self, statement: str, seconds: float, rows: int) -> Told:
        """The answer of one SELECT. Cancelling ends the process.

        Raises:
            SqlFailed: when it can't be run, or takes too long.
        """
        lake = "" if self.lake is None else str(self.lake)
        order = Order(str(self.journal), self.key, lake, statement, MEMORY_MB, seconds, rows)
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        words = (sys.executable, "-m", "holdfast.history.sql_worker")
        process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, env=environment)
        try:
            async with asyncio.timeout(seconds + GRACE_S):
                said, _ = await process.communicate(msgspec.msgpack.encode(order))
        except TimeoutError:
            raise SqlFailed(
                f"the statement was given up after {seconds:g} s", "ask for less, with a WHERE on ts"
            ) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode or not said or len(said) > MOST_ANSWER:
            raise SqlFailed("the statement used more than it may", "aggregate before you sort or join")
        told = msgspec.msgpack.decode(said, type=Told)
        if told.error:
            raise SqlFailed(told.error, told.hint)
        return told
