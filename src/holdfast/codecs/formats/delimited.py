"""CSV: a header line or the profile's columns, then one object a line."""

import csv
import re
from collections.abc import Sequence
from io import StringIO
from itertools import islice
from typing import Any

from holdfast.codecs.leaves import Rows
from holdfast.codecs.refused import Refused, malformed, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.settings import CsvSettings

_MOST_LINES = 10_000
_COMMA = re.compile(r"\s*[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?\s*", re.ASCII)
"""A number with a decimal comma, and perhaps points between its thousands."""


class CsvDecoder:
    """Decodes tables; cells that are empty aren't there."""

    def __init__(self, settings: CsvSettings) -> None:
        self._delimiter, self._columns = settings.delimiter, list(settings.columns)
        self._has_commas = settings.decimal == ","

    def __call__(self, payload: bytes) -> Any:
        """The lines as objects by column.

        Raises:
            Refused: when it's no UTF-8, a line has too many or too few cells, or there's no line at all.
        """
        text = payload.decode("utf-8-sig")
        if "\0" in text:
            malformed("a zero byte in CSV")
        reader = csv.reader(StringIO(text, newline=""), delimiter=self._delimiter, strict=True)
        try:
            lines = [(reader.line_num, cells) for cells in islice(reader, _MOST_LINES + 1) if cells]
        except csv.Error as error:
            malformed(f"not CSV: {error}")
        if len(lines) > _MOST_LINES:
            raise Refused(RejectReason.TOO_LARGE, f"more than {_MOST_LINES} lines")
        columns = self._columns
        if not columns and lines:
            columns = [name.strip() for name in lines.pop(0)[1]]
            if len(set(columns)) != len(columns):
                wrong("two columns have the same name")
        if not lines:
            malformed("no line of data")
        if self._has_commas:
            lines = [(line, list(map(_with_point, cells))) for line, cells in lines]
        return Rows(_row(columns, cells, line) for line, cells in lines)


def _row(columns: Sequence[str], cells: Sequence[str], line: int) -> dict[str, str]:
    if len(cells) != len(columns):
        malformed(f"line {line} has {len(cells)} cells, not {len(columns)}")
    return {name: text for name, cell in zip(columns, cells, strict=True) if (text := cell.strip())}


def _with_point(cell: str) -> str:
    return cell.replace(".", "").replace(",", ".") if _COMMA.fullmatch(cell) else cell
