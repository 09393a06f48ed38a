"""SQL over the site's memory: DuckDB reads the catalogue's very files and the journal's rows that are in none yet.

Read-only and sealed: one SELECT at a time, which may open files of the lake's folder and nothing else; nothing is
loaded, nothing spilled to disk, and no setting can be turned back.
Files are held open here and given as /proc/self/fd/N, so that a merge which moves one meanwhile changes nothing: the
answer is of one moment. A file that is removed for good meanwhile (minutes later, or for space) ends the statement.
Blocking, one thread.
"""

import os
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from holdfast.history.errors import HistoryError
from holdfast.history.lake.files import open_piece
from holdfast.history.lake.layout import LOCKED
from holdfast.history.lake.rollup import STEP_SCHEMA
from holdfast.history.lake.table import NAMES, SCHEMA, to_table
from holdfast.history.lake.view import Waiting
from holdfast.history.rows import Scan, Texts
from holdfast.journal.pieces import AROUND_ALERTS, HOURS, MINUTES, RAW, WARM, Memory, Piece, PieceFile
from holdfast.journal.reader import JournalReader
from holdfast.journal.snapshot import Snapshot, snapshot
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue
from holdfast.storage.folder import DiskFolder

MOST_WAITING = 5_000_000
"""Rows that aren't in files yet and are held in memory for a question, some 60 bytes each."""
_EARLIEST_NS, _LATEST_NS = -(2**63) + 1, 2**63 - 2
_USABLE = "quality <> 'bad' AND (value IS NOT NULL OR \"text\" IS NOT NULL)"


class SqlRefused(HistoryError):
    """The statement can't be run, or went wrong."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Limits:
    """What a statement may use. memory: as DuckDB has it, `1GB`; seconds: then it's interrupted."""

    memory: str = "1GB"
    threads: int = 2
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Desk:
    """Where statements run. elsewhere: files that are not on the local disk, so that their rows are not seen."""

    db: duckdb.DuckDBPyConnection
    limits: Limits
    elsewhere: int

    def run(self, statement: str) -> Iterator[pa.RecordBatch]:
        """The answer of one SELECT (or FROM, WITH, DESCRIBE, SUMMARIZE, EXPLAIN), batch by batch.

        Raises:
            SqlRefused: when it isn't one, DuckDB refuses it, or it takes longer than `limits.seconds`.
        """
        timer = threading.Timer(self.limits.seconds, self.db.interrupt)
        timer.start()
        try:
            _only_reads(statement)
            relation = self.db.sql(statement)
            if relation is None:
                raise SqlRefused("this is no question", "write a SELECT")
            reader = relation.to_arrow_reader(1 << 16)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)  # the columns, however empty the answer is
            yield from reader
        except (duckdb.Error, pa.ArrowException) as error:
            if isinstance(error, duckdb.InterruptException) or "INTERRUPT" in str(error):
                said = f"the statement was given up after {self.limits.seconds:g} s"
                raise SqlRefused(said, "ask for less, with a WHERE on ts, or give --timeout more") from None
            raise SqlRefused(str(error).partition("\n\n")[0].strip(), _hint(error)) from error
        finally:
            timer.cancel()


@contextmanager
def desk(reader: JournalReader, catalogue: Catalogue, folder: DiskFolder | None, limits: Limits) -> Iterator[Desk]:
    """Views `readings`, `minutes` and `hours` of one moment. folder: of the lake, None = all is in the journal.

    Raises:
        SqlRefused: when too much waits in the journal.
        StorageError, JournalError: when files can't be read.
    """
    with ExitStack() as stack:
        with snapshot(reader) as moment:
            memory = moment.memory(_EARLIEST_NS, _LATEST_NS) if folder is not None else Memory()
            waiting = _waiting(moment, memory, catalogue)
            opened = _Opened(folder, stack)
            paths = {file.name: opened.path(file) for file in _wanted(memory.pieces)}
        db = stack.enter_context(duckdb.connect(":memory:"))
        try:
            _seal(db, folder, limits)
            db.register("waiting", waiting)
            for name, view in _views(memory.pieces, paths).items():
                db.execute(f"CREATE VIEW {name} AS {view}")
            db.execute("SET lock_configuration = true")
        except duckdb.Error as error:
            raise SqlRefused(
                f"the files can't be opened: {error}", "`holdfast query` says which one is damaged"
            ) from error
        elsewhere = sum(1 for piece in memory.pieces for file in piece.files if not file.places & WARM)
        yield Desk(db, limits, elsewhere)


class _Opened:
    """Files held open, each under a path that stays."""

    def __init__(self, folder: DiskFolder | None, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._room = 0

    def path(self, file: PieceFile) -> str:
        assert self._folder is not None  # noqa: S101  # there are no pieces without
        if not self._room:
            self._room = _make_room()
        self._room -= 1
        opened = self._stack.enter_context(open_piece(self._folder, file.name))
        if os.pread(opened.fileno(), len(LOCKED), file.size - len(LOCKED)) == LOCKED:
            hint = "ask with `holdfast query`, or give DuckDB the files' keys (docs/how-to/archive.md)"
            raise SqlRefused("the lake's files are encrypted under journal.key, and SQL reads plain ones only", hint)
        return f"/proc/self/fd/{opened.fileno()}"


def _make_room() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 2**31


def _wanted(pieces: Sequence[Piece]) -> list[PieceFile]:
    return [file for piece in pieces for file in piece.files if file.places & WARM]


def _waiting(moment: Snapshot, memory: Memory, catalogue: Catalogue) -> pa.Table:
    """The rows that are in no file yet."""
    ids = np.arange(len(catalogue))
    is_text, texts = catalogue.is_text.copy(), Texts()
    scan = Scan(ids, is_text, _EARLIEST_NS, _LATEST_NS, texts)
    batches = scan.rows(Waiting(moment, memory), MOST_WAITING)
    tables = [to_table(_with_texts(batch, is_text, texts.known), catalogue) for batch in batches]
    if scan.is_cut:
        raise SqlRefused(
            f"more than {MOST_WAITING:,} readings are in the journal and in no file yet",
            "with `history:` in node.yaml a running node makes files of them: wait for that, ask again",
        )
    return pa.concat_tables(tables).unify_dictionaries() if tables else SCHEMA.empty_table()


def _with_texts(batch: Batch, is_text: np.ndarray[Any, np.dtype[np.bool_]], known: Sequence[str]) -> Batch:
    """The batch with the texts it uses, numbered from 0."""
    rows = is_text[batch.series] & ~np.isnan(batch.value)
    if not rows.any():
        return batch
    used, place = np.unique(batch.value[rows].astype(np.int64), return_inverse=True)
    value = batch.value.copy()
    value[rows] = place
    return Batch(batch.series, batch.ts, value, batch.quality, tuple(known[i] for i in used.tolist()))


def _seal(db: duckdb.DuckDBPyConnection, folder: DiskFolder | None, limits: Limits) -> None:
    # DuckDB asks where a file really lies each time it opens one, and a merge moves files inside the lake's folder.
    lake = "" if folder is None else "'" + str(folder.root.resolve()).replace("'", "''") + "'"
    for setting in (
        "TimeZone = 'UTC'",
        "temp_directory = ''",  # nothing is spilled to disk: what doesn't fit into memory_limit fails
        f"memory_limit = '{limits.memory}'",
        f"threads = {limits.threads}",
        "python_enable_replacements = false",  # no peeking at this program's variables
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        f"allowed_directories = [{lake}]",
        "enable_external_access = false",
    ):
        db.execute(f"SET {setting}")


def _views(pieces: Sequence[Piece], paths: dict[str, str]) -> dict[str, str]:
    columns = ", ".join(SCHEMA.names)
    raw = [paths[f.name] for p in pieces if (f := p.file(RAW) or p.file(AROUND_ALERTS)) and f.name in paths]
    views = {"readings": _union(columns, raw, f"SELECT {columns} FROM waiting")}  # noqa: S608  # our own names
    for name, step, interval in (("minutes", MINUTES, "1 minute"), ("hours", HOURS, "1 hour")):
        stored = [paths[f.name] for p in pieces if (f := p.file(step)) and f.name in paths]
        rest = [paths[f.name] for p in pieces if not p.file(step) and (f := p.file(RAW)) and f.name in paths]
        rows = _union(columns, rest, f"SELECT {columns} FROM waiting")  # noqa: S608  # our own names
        views[name] = _union(", ".join(STEP_SCHEMA.names), stored, _rolled_up(rows, interval))
    return {name: f"SELECT *, ts::DATE AS day FROM ({view})" for name, view in views.items()}  # noqa: S608  # our own names


def _union(columns: str, paths: Sequence[str], rest: str) -> str:
    if not paths:
        return rest
    listed = ", ".join(f"'{path}'" for path in paths)
    return f"SELECT {columns} FROM read_parquet([{listed}], hive_partitioning = false) UNION ALL ({rest})"  # noqa: S608  # our own names


def _rolled_up(rows: str, interval: str) -> str:
    """What `lake.rollup` makes, worked out from readings that have no file of steps."""
    by = ", ".join(NAMES)
    return f"""
        SELECT {by}, ts, "count", uncertain, bad, "min", "max", "mean", "last", last_text, last_ns FROM (
            SELECT {by}, time_bucket(INTERVAL {interval}, ts) AS ts,
                count(*) FILTER (usable)::INTEGER AS "count",
                count(*) FILTER (usable AND quality = 'uncertain')::INTEGER AS uncertain,
                count(*) FILTER (NOT usable)::INTEGER AS bad,
                min(value) FILTER (usable) AS "min", max(value) FILTER (usable) AS "max",
                avg(value) FILTER (usable) AS "mean",
                arg_max(value, at_ns) FILTER (usable) AS "last", arg_max("text", at_ns) FILTER (usable) AS last_text,
                coalesce(max(at_ns) FILTER (usable) - epoch_ns(time_bucket(INTERVAL {interval}, ts)), 0) AS last_ns
            FROM (SELECT *, {_USABLE} AS usable, epoch_us(ts) * 1000 + ts_ns AS at_ns FROM ({rows}))
            GROUP BY {by}, time_bucket(INTERVAL {interval}, ts))"""  # noqa: S608  # our own names


def _only_reads(statement: str) -> None:
    kinds = [one.type for one in duckdb.extract_statements(statement)]
    allowed = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    if len(kinds) != 1 or kinds[0] not in allowed:
        what = " and ".join(kind.name for kind in kinds) or "nothing"
        raise SqlRefused(f"one SELECT is taken, not {what}", "this only reads: readings, minutes, hours")


def _hint(error: Exception) -> str:
    text = str(error)
    if "Out of Memory" in text:
        return "give --memory more, or aggregate before you sort or join"
    if "Catalog Error" in text:
        return "the tables are readings, minutes and hours; `DESCRIBE readings` lists the columns"
    if "/proc/self/fd/" in text:
        return "a file went while it was being asked for: ask again"
    if "Permission Error" in text:
        return "only the node's own readings can be asked for"
    return "DuckDB's SQL is described at duckdb.org/docs/sql"
