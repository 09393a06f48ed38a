"""One document in memory: pycrdt's `Doc` behind the guard, with nothing pending and a bound on its size.

An update is taken as a whole or not at all. After a refusal the `Doc` may hold a part of it (the merging library can't
undo), so a refused replica is dropped and read again from what was stored; `apply` says so by raising.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from holdfast.documents.errors import DocumentTooLarge, MergingMissing, UpdateGap, UpdateMalformed
from holdfast.documents.outline import Outline, clocks, is_within, outline

try:
    from pycrdt import Doc
except ImportError as error:  # only rooms that merge import this module
    raise MergingMissing("shared documents need the package pycrdt, which is not installed") from error

EMPTY = b"\x00\x00"
NOTHING = b"\x00"
"""The state vector of a document without edits."""
# Deleting nested values recurses in native code; so many levels fit the smallest stack with room to spare.
MOST_TYPES = 10_000
T = TypeVar("T")


class Replica:
    """A document's edits, merged. Not thread-safe: one call at a time."""

    def __init__(self, updates: Iterable[bytes] = (), max_bytes: int = 1 << 20) -> None:
        """From what was stored."""
        self._doc: Doc[Any] = Doc()
        self._max = max_bytes
        self._types = 0
        self.bound = 0
        """The document's bytes are at most this."""
        for update in updates:
            self._types += outline(update).types
            self.bound += len(update)
            _guarded(self._doc.apply_update, update)

    def apply(self, update: bytes) -> bool:
        """Merge an update; False = everything in it was here before.

        Raises:
            UpdateMalformed, UpdateGap, DocumentTooLarge: drop this replica then; what was stored is untouched.
        """
        if len(update) > self._max:
            raise DocumentTooLarge(f"an update of {len(update):,} bytes; a document may have {self._max:,}")
        brought = outline(update)
        if brought.is_empty or self._has(brought):
            return False
        before = clocks(self.state())
        if any(first > before.get(client, 0) for client, (first, _) in brought.structs.items()):
            raise UpdateGap(self.state())
        _guarded(self._doc.apply_update, update)
        self._require_whole(brought)
        self._types += brought.types
        self.bound += len(update)
        self._require_bounds()
        return True

    def state(self) -> bytes:
        """The state vector."""
        return self._doc.get_state()

    def diff(self, state: bytes = NOTHING) -> bytes:
        """What somebody with this state vector lacks, and every deletion.

        Raises:
            UpdateMalformed: when it's no state vector.
        """
        clocks(state)
        return bytes(_guarded(self._doc.get_update, state))

    def lacks(self, theirs: bytes, state: bytes) -> bool:
        """Does somebody who sent `theirs` and is at `state` lack anything of what is here?"""
        mine = outline(self.diff(state))
        return bool(mine.structs) or not is_within(mine.deletes, outline(theirs).deletes)

    def _has(self, brought: Outline) -> bool:
        here = clocks(self.state())
        if any(end > here.get(client, 0) for client, (_, end) in brought.structs.items()):
            return False
        return not brought.deletes or is_within(brought.deletes, outline(self.diff(self.state())).deletes)

    def _require_whole(self, brought: Outline) -> None:
        after = clocks(self.state())
        ends = [(client, end) for client, (_, end) in brought.structs.items()]
        ends += [(client, spans[-1][1]) for client, spans in brought.deletes.items()]
        if any(end > after.get(client, 0) for client, end in ends):
            raise UpdateGap(self.state())

    def _require_bounds(self) -> None:
        if self.bound <= self._max and self._types <= MOST_TYPES:
            return
        whole = self.diff()  # both numbers only grow between squashes; what is really there may be less
        self.bound, self._types = len(whole), outline(whole).types
        if self.bound > self._max:
            raise DocumentTooLarge(f"the document would have {self.bound:,} bytes; it may have {self._max:,}")
        if self._types > MOST_TYPES:
            raise DocumentTooLarge(f"the document would have more than {MOST_TYPES:,} nested maps, arrays and texts")


def _guarded(call: Callable[[bytes], T], data: bytes) -> T:
    """Call into the merging library; whatever it raises, a panic included, means that the bytes are at fault."""
    try:
        return call(data)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
            raise
        raise UpdateMalformed(f"the update can't be merged: {str(error)[:200]}") from error
