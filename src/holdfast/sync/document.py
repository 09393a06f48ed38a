"""A shared document in an application: edited offline, durable at once, the same everywhere in the end.

    from holdfast.sync.document import Document
    from holdfast.sync.node import Node

    with Document("recipes", Node("http://127.0.0.1:8080", "hmi.token"), "recipes.db") as recipes:
        bread = recipes.map("bread")
        with recipes.edit():
            bread["minutes"] = 45
        recipes.wait(10)        # until something arrives

An edit that returned is in the file and arrives, whatever is cut or killed. The document belongs to one thread: what
arrives is kept aside until that thread calls `refresh` or `wait`, so nothing changes under its hands.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pycrdt import Array, Doc, Map, Text, TransactionEvent

from holdfast.sync.counter import Counter
from holdfast.sync.courier import Courier
from holdfast.sync.errors import DocumentBroken, DocumentInUse
from holdfast.sync.mirror import LocalReplica, clocks
from holdfast.sync.node import Node


class Document:
    """One shared document, in one file, of one process and thread."""

    def __init__(self, name: str, node: Node | None, file: Path | str) -> None:
        """Open the replica in `file`, make it if need be, and go to work; the node need not be there.

        name: as the node knows it; node: None = stay alone for now
        file: a SQLite file, which may hold other documents and other tables

        Raises:
            DocumentInUse: when another process has it open.
            sqlite3.Error, OSError: when the file can't be used.
        """
        self.name = name
        self._pid = os.getpid()
        self._replica = LocalReplica(Path(file), name)
        # A number of its own for every opening: two processes with one number, as clones of one image would be, would
        # give one name to different edits. So nothing that is stored says who we are.
        self._doc: Doc[Any] = Doc()
        self._doc.apply_update(self._replica.whole())
        self._is_arriving = False
        self._broken = ""
        self._listeners: list[Callable[[], None]] = []
        self._doc.observe(self._changed)
        self._courier = None if node is None else Courier(self._replica, node, name)
        if self._courier is not None:
            self._courier.start()

    def map(self, name: str) -> "Map[Any]":
        """The map called `name`, empty when nobody wrote to it yet."""
        self._require_usable()
        found: Map[Any] = self._doc.get(name, type=Map)
        return found

    def array(self, name: str) -> "Array[Any]":
        """The array called `name`."""
        self._require_usable()
        found: Array[Any] = self._doc.get(name, type=Array)
        return found

    def text(self, name: str) -> Text:
        """The text called `name`. Positions in it count UTF-8 bytes; one inside of a letter breaks the edit."""
        self._require_usable()
        found: Text = self._doc.get(name, type=Text)
        return found

    def counter(self, name: str) -> Counter:
        """The counter called `name`."""
        return Counter(self.map(name), self._doc.client_id, self._require_usable)

    @contextmanager
    def edit(self) -> Iterator[None]:
        """Make several edits one: they're stored, sent and seen together. Single edits need no block.

        Raises:
            DocumentBroken: they could not be kept; open the document again.
        """
        self._require_usable()
        try:
            with self._doc.transaction():
                yield
        except ExceptionGroup as group:
            if self._broken:
                raise DocumentBroken(self._broken) from group
            raise

    def refresh(self) -> bool:
        """Take in what arrived; True = the document has changed."""
        self._require_usable()
        found = self._replica.inbox()
        self._is_arriving = True
        try:
            for update in found:
                self._doc.apply_update(update)
        finally:
            self._is_arriving = False
        if found:
            for listener in self._listeners:
                listener()
        return bool(found)

    def wait(self, timeout_s: float) -> bool:
        """Wait until something arrives, and take it in; False = nothing came in time."""
        self._until(self._replica.has_arrivals, timeout_s)
        return self.refresh()

    def flush(self, timeout_s: float) -> bool:
        """Wait until the node has every edit on its disk; False = it hasn't yet, and it goes on by itself."""
        courier = self._courier
        return courier is not None and self._until(lambda: courier.has_delivered, timeout_s)

    def observe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each `refresh` or `wait` that changed the document.

        For what changed where, observe a map, an array or a text itself (`Map.observe` …, pycrdt's documentation).
        """
        self._listeners.append(listener)

    @property
    def trouble(self) -> str:
        """Why nothing goes back and forth right now, for people; empty when all is well."""
        return "no node was given" if self._courier is None else self._courier.trouble

    def close(self) -> None:
        """Stop and close the file. What isn't sent stays there."""
        if os.getpid() != self._pid:
            return
        if self._courier is not None:
            self._courier.stop()
        self._replica.close()
        self._broken = self._broken or "it is closed"

    def __enter__(self) -> Self:
        """Open until the block's end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _changed(self, event: TransactionEvent) -> None:
        """Called by pycrdt at the end of every transaction: before it, no edit has returned."""
        if self._is_arriving or event.update == b"\x00\x00":
            return
        self._require_usable()
        client, after = self._doc.client_id, event.after_state  # type: ignore[attr-defined]  # missing in its stubs
        try:
            self._replica.keep(event.update, client, clocks(after).get(client, 0))
        except (DocumentBroken, sqlite3.Error) as error:
            self._broken = f"an edit was not kept: {error}"
            raise

    def _require_usable(self) -> None:
        if self._broken:
            raise DocumentBroken(self._broken)
        if os.getpid() != self._pid:
            raise DocumentInUse("this process was forked from the one that opened the document")

    def _until(self, is_true: Callable[[], bool], timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s  # noqa: TID251  # in an application there is no clock to be handed one
        with self._replica.changed:
            while not is_true():
                left = until - time.monotonic()  # noqa: TID251  # as above
                if left <= 0:
                    return False
                self._replica.changed.wait(left)
        return True
