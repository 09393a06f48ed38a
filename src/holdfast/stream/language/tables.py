"""Tables that rules look things up in: CSV files with a header, and tables of SQLite files (`plant.db:machines`).

Read when rules are loaded; loaded again when the file has changed by then. What was read stays until it's replaced as a
whole, so a rule never sees half a file. A fact of a device (`lookup('limits.csv', 'high')`) is worked out once per
device and table version; a key given by an expression is found by bisection.
"""

import csv
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PosixPath, PurePath
from typing import Any
from weakref import WeakValueDictionary

import apsw
import numpy as np
from numpy.typing import NDArray

from holdfast.stream.texts import code, known

Array = NDArray[Any]
MOST_ROWS = 100_000
MOST_BYTES = 32 * 1024 * 1024
_SQLITE = re.compile(r"(.+\.(?:db|sqlite|sqlite3)):([A-Za-z_][A-Za-z0-9_]*)")


class TableUnusable(ValueError):
    """Why a table can't be used; what to do about it is said."""


@dataclass(frozen=True, slots=True)
class _Data:
    """A file's rows as texts. key: the column that a row is known by; places: (node or "", key) to row."""

    header: list[str]
    rows: list[list[str]]
    key: int
    places: dict[tuple[str, str], int]
    numbers: dict[str, bool] = field(default_factory=dict)

    def is_numeric(self, column: int) -> bool:
        """Whether all that is said in a column are numbers."""
        name = self.header[column]
        if name not in self.numbers:
            said = [row[column] for row in self.rows if row[column]]
            self.numbers[name] = bool(said) and all(_number(one) is not None for one in said)
        return self.numbers[name]


class Table:
    """One table, read again by `refresh`. generation: counts the versions read."""

    def __init__(self, path: Path, name: str) -> None:
        """name: of the table in a SQLite file, "" for CSV."""
        self.path, self.name = path, name
        self.generation = 0
        self._stamp: tuple[int, int] | None = None
        self.data = _Data([], [], 0, {})

    def refresh(self) -> None:
        """Read the file if it has changed.

        Raises:
            TableUnusable: when it can't be read or isn't a table; what was read before stays.
        """
        try:
            stat = self.path.stat()
        except OSError as error:
            raise TableUnusable(f"{self.path} can't be read: {error.strerror}") from None
        stamp = stat.st_mtime_ns, stat.st_size
        if stamp == self._stamp:
            return
        if stat.st_size > MOST_BYTES and not self.name:
            raise TableUnusable(f"{self.path} is larger than {MOST_BYTES >> 20} MiB")
        header, rows = _sqlite(self.path, self.name) if self.name else _csv(self.path)
        self.data = _indexed(self.path, header, rows)
        self.generation += 1
        self._stamp = stamp

    def column(self, name: str) -> "Column":
        """A column of it.

        Raises:
            TableUnusable: when there is none.
        """
        if name not in self.data.header:
            raise TableUnusable(f"{self.path.name} has no column `{name}`; it has {', '.join(self.data.header)}")
        return Column(self, name)


class Column:
    """A column of a table, by key."""

    def __init__(self, table: Table, name: str) -> None:
        self._table, self._name = table, name
        place = table.data.header.index(name)
        self.is_text = not table.data.is_numeric(place)
        self.has_text_keys = not table.data.is_numeric(table.data.key)
        self._built = 0
        self._keys: Array = np.empty(0)
        self._rows: Array = np.empty(0, np.intp)

    @property
    def generation(self) -> int:
        """Counts the versions of the table that were read."""
        return self._table.generation

    def __call__(self, node: str, device: str) -> float:
        """What the table says of a device, or, without one, of a node."""
        data = self._table.data
        name = device or node
        row = data.places.get((node, name), data.places.get(("", name)))
        return math.nan if row is None else self._value(data, row)

    def at(self, keys: Any) -> Any:
        """What the table says of each key; NaN where it says nothing."""
        data = self._table.data
        if self._built != self._table.generation:
            said = [row[data.key] for row in data.rows]
            numbers = [code(one) if self.has_text_keys else _number(one) or 0.0 for one in said]
            order = np.argsort(numbers, kind="stable")
            self._keys, self._rows, self._built = np.array(numbers)[order], order, self._table.generation
        keys = np.asarray(keys, np.float64)
        if not len(self._keys):
            return np.full(keys.shape, np.nan)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        row = np.where(self._keys[place] == keys, self._rows[place], -1)
        found, back = np.unique(row, return_inverse=True)
        values = [math.nan if r < 0 else self._value(data, r) for r in found.tolist()]
        return np.array(values)[back].reshape(keys.shape)

    def _value(self, data: _Data, row: int) -> float:
        if self._name not in data.header:
            return math.nan
        said = data.rows[row][data.header.index(self._name)]
        if not said:
            return math.nan
        if self.is_text:
            return known().number(said)
        number = _number(said)
        return math.nan if number is None else number


class Inside(PosixPath):
    """A folder that a rule may name files in and below, and none elsewhere: of rules that people write from afar."""

    def __truediv__(self, name: str | os.PathLike[str]) -> "Inside":
        """A file in it.

        Raises:
            TableUnusable: when it's named in a way that leads out of the folder.
        """
        below = PurePath(name)
        if below.is_absolute() or ".." in below.parts:
            raise TableUnusable(f"`{name}` isn't in {self}, where files lie that a rule made from a page may name")
        return super().__truediv__(name)


_TABLES: WeakValueDictionary[tuple[Path, str], Table] = WeakValueDictionary()
"""One object per table while any rule reads it, so that a reload serves every rule."""


def table_at(folder: Path, file: str) -> Table:
    """The table, as its file is now.

    Raises:
        TableUnusable: when there is none.
    """
    found = _SQLITE.fullmatch(file)
    if found is None and not file.endswith((".csv", ".tsv")):
        raise TableUnusable(f"`{file}` is neither a `.csv` or `.tsv` file nor a table as in `plant.db:machines`")
    if "\0" in file:
        raise TableUnusable("a file's name has no NUL in it")
    path, name = (folder / file, "") if found is None else (folder / found[1], found[2])
    key = path.absolute(), name
    table = _TABLES.get(key) or _TABLES.setdefault(key, Table(*key))
    table.refresh()
    return table


def _csv(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
            header = [name.strip() for name in next(reader, [])]
            rows = [[cell.strip() for cell in row] for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableUnusable(f"{path} can't be read: {error}") from None
    return header, rows


def _sqlite(path: Path, name: str) -> tuple[list[str], list[list[str]]]:
    try:
        with apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY) as database:
            cursor = database.execute(f'SELECT * FROM "{name}" LIMIT {MOST_ROWS + 1}')  # noqa: S608 - a checked name
            header = [column[0] for column in cursor.get_description()]
            rows = [["" if cell is None else str(cell) for cell in row] for row in cursor]
        database.close()
    except (apsw.Error, UnicodeDecodeError) as error:
        raise TableUnusable(f"{path}: {error}") from None
    return header, rows


def _indexed(path: Path, header: list[str], rows: list[list[str]]) -> _Data:
    if len(header) < 2 or len(set(header)) < len(header) or not all(header):
        raise TableUnusable(f"{path}: the first line names at least two columns, each once")
    if len(rows) > MOST_ROWS:
        raise TableUnusable(f"{path} has more than {MOST_ROWS:,} rows")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise TableUnusable(f"{path}:{number}: {len(row)} cells where the header has {len(header)}")
    key = next((header.index(name) for name in ("device", "node") if name in header), 0)
    node = header.index("node") if "node" in header and key != header.index("node") else -1
    places: dict[tuple[str, str], int] = {}
    for place, row in enumerate(rows):
        if places.setdefault((row[node] if node >= 0 else "", row[key]), place) != place:
            raise TableUnusable(f"{path}: `{row[key]}` stands twice in `{header[key]}`, the column it's looked up by")
    return _Data(header, rows, key, places)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
