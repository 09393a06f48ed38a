"""Rows of a CSV file as records: one JSON object a row, at the time that stands in it.

Separator `,` or `;`, `.gz` unpacked. The time is the column `timestamp`, `datetime`, `date`, `time` or `ts` (any case):
ISO 8601 (UTC without a zone) or unix seconds. Numbers become numbers, empty fields are left out.
"""

import csv
import gzip
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.errors import HoldfastError
from holdfast.sim.tape.format import Record

_TIMES = ("timestamp", "datetime", "date", "time", "ts")


class RowsInvalid(HoldfastError):
    """The file can't be read as rows with a time."""


def is_rows(path: Path) -> bool:
    """Is it called as a CSV file is?"""
    return path.name.removesuffix(".gz").endswith(".csv")


def rows(path: Path, topic: str) -> Iterator[Record]:
    """Its rows in order; a time that goes back is kept as it stands.

    Raises:
        RowsInvalid: when it can't be read, with the line.
    """
    try:
        with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as plain:
            text = io.TextIOWrapper(plain, encoding="utf-8", newline="")
            yield from _records(text, path, topic)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise RowsInvalid(f"{path}: {error}") from error


def _records(text: io.TextIOWrapper, path: Path, topic: str) -> Iterator[Record]:
    head = text.readline()
    separator = ";" if head.count(";") > head.count(",") else ","
    names = next(csv.reader([head], delimiter=separator), [])
    where = next((i for i, name in enumerate(names) if name.strip().lower() in _TIMES), None)
    if where is None:
        raise RowsInvalid(f"{path}:1: no column is called {', '.join(_TIMES)}; there are: {', '.join(names)[:200]}")
    for number, row in enumerate(csv.reader(text, delimiter=separator), 2):
        if not row:
            continue
        # R writes rows' numbers under no name: the head is shorter by one then
        fields = row[len(row) - len(names) :]
        if len(fields) != len(names):
            raise RowsInvalid(f"{path}:{number}: {len(row)} fields, the head has {len(names)}")
        try:
            ns = _ns(fields[where])
        except ValueError:
            raise RowsInvalid(f"{path}:{number}: `{fields[where][:40]}` is no time") from None
        said = {name: _value(value) for name, value in zip(names, fields, strict=True) if value}
        yield Record(ns, topic, msgspec.json.encode(said))


def _ns(text: str) -> int:
    try:
        return round(float(text) * NS_PER_S)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * NS_PER_S)


def _value(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if abs(value) < 1e300 else text  # inf and nan are no JSON numbers
    return text
