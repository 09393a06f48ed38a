"""Where files lie in the lake, and what their names mean. Hive partitions, as DuckDB, Polars and Spark read them.

    readings/day=2026-11-21/<32 hex>.parquet     every reading, at most once
    minutes/day=2026-11-21/<32 hex>.parquet      one row a series and minute
    five_minutes/day=2026-11-21/<32 hex>.parquet one row a series and five minutes
    hours/day=2026-11-21/<32 hex>.parquet        one row a series and hour

What is no part of the lake lies beside these four, where `readings/**/*.parquet` doesn't find it (Polars doesn't skip
names that begin with a dot): `.new/…` is being written, `.swap/…` waits to be swapped in or was swapped out, `.trash/…`
is kept for those who still read it.
"""

from datetime import date, timedelta

from holdfast.journal.pieces import AROUND_ALERTS, FIVE_MINUTES, HOURS, MINUTES, RAW

SWAP = ".swap/"
TRASH = ".trash"
LOCKED = b"PARE"
"""How an encrypted file begins and ends."""
DAY_NS = 86_400 * 10**9
TABLES = {
    RAW: "readings",
    AROUND_ALERTS: "readings",
    MINUTES: "minutes",
    FIVE_MINUTES: "five_minutes",
    HOURS: "hours",
}
_EPOCH = date(1970, 1, 1)


def day_of(ts_ns: int) -> int:
    """Days since 1970-01-01 UTC."""
    return ts_ns // DAY_NS


def day_name(day: int) -> str:
    """The partition of a day, as in `day=2026-11-21`; days outside the years 1 to 9999 keep their number."""
    try:
        return f"day={(_EPOCH + timedelta(days=day)).isoformat()}"
    except OverflowError:
        return f"day={day}"


def file_name(step: int, day: int, unique: str) -> str:
    """The name of a piece's file."""
    return f"{TABLES[step]}/{day_name(day)}/{unique}.parquet"


def hidden(name: str) -> str:
    """The name under which a file is written, before it may be seen."""
    return f".new/{name.rpartition('/')[2]}"


def partition(name: str) -> str:
    """The directory of a file, as in `readings/day=2026-11-21`."""
    return name.rpartition("/")[0]


def swapped(directory: str) -> str:
    """The directory that is built to take a partition's place."""
    return f"{SWAP}{directory}"


def whereabouts(name: str) -> tuple[str, ...]:
    """The names that a visible file goes through until it's gone; who tries them in this order can't be overtaken."""
    directory, _, base = name.rpartition("/")
    return name, f"{swapped(directory)}/{base}", f"{TRASH}/{name}"
