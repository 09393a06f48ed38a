"""A counter that many add to, offline, and that never counts twice or too little.

A map with one cell for each process that ever counted; the value is the sum of the cells. Only its own process writes a
cell, so cells never conflict. A process is known by a number that is new at every opening of the document: a copied
file, a restored image or a second process can't write another one's cell.
"""

from collections.abc import Callable
from typing import Any

from pycrdt import Map

from holdfast.sync.errors import CounterInvalid

# Numbers are what JavaScript's are: whole ones are exact below 2**53.
MOST = 2**53 - 1


class Counter:
    """One counter of a document; `Document.counter` makes it."""

    def __init__(self, cells: "Map[Any]", own: int, require_usable: Callable[[], None]) -> None:
        """own: this opening's number."""
        self._cells, self._own, self._require_usable = cells, str(own), require_usable

    def add(self, n: int = 1) -> None:
        """Add a whole number, negative to take away.

        Raises:
            CounterInvalid: when it's none, or this process's own share would pass 2**53 - 1.
        """
        self._require_usable()
        if isinstance(n, bool) or not isinstance(n, int):
            raise CounterInvalid(f"{n!r} is not a whole number")
        share = _whole(self._cells.get(self._own, 0)) + n
        if abs(share) > MOST:
            raise CounterInvalid(f"this process's share would be {share}")
        self._cells[self._own] = share

    @property
    def value(self) -> int:
        """The sum, exactly.

        Raises:
            CounterInvalid: when something in the map was not written by a counter.
        """
        return sum(_whole(cell) for _, cell in self._cells.items())


def _whole(cell: object) -> int:
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    raise CounterInvalid(f"a cell holds {cell!r}, which no counter wrote")
