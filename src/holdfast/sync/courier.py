"""Carries a document's edits to the node and the node's here, each way in a thread of its own, for ever.

Both ways are idempotent, so all that is remembered of the node only saves bytes. Where the node might have lost
something (another life of it, or one whose count went back: it was restored), everything is compared.
"""

import logging
import random
import threading
from collections.abc import Callable

from holdfast.sync.door import Door
from holdfast.sync.errors import Refused, SyncError, Unreachable
from holdfast.sync.mirror import EMPTY, LocalReplica
from holdfast.sync.node import Node

WAIT_S = 25
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 5.0
REFUSED_PAUSE_S = 10.0
MANY_BYTES = 16 << 10
STOP_S = 2.0
_log = logging.getLogger("holdfast.sync")


class Courier:
    """The two threads of one document."""

    def __init__(self, replica: LocalReplica, node: Node, name: str) -> None:
        """Ask nothing yet."""
        self._replica = replica
        self._doors = {"send": Door(node, name), "receive": Door(node, name)}
        self._stop = threading.Event()
        self._compare = threading.Event()
        self._compare.set()
        self._troubles: dict[str, str] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(task, turn), name=f"holdfast-{task}-{name}", daemon=True)
            for task, turn in (("send", self._send), ("receive", self._receive))
        ]
        self._known = self._newest = ""

    @property
    def trouble(self) -> str:
        """Why nothing goes back and forth right now, for people; empty when all is well."""
        return next(iter(self._troubles.values()), "")

    @property
    def has_delivered(self) -> bool:
        """Does the node have every edit on its disk?"""
        return not self._compare.is_set() and self._replica.outbox() is None

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads. What isn't sent stays in the file."""
        self._stop.set()
        with self._replica.changed:
            self._replica.changed.notify_all()
        for door in self._doors.values():
            door.close()
        for thread in self._threads:
            if thread.is_alive():  # one that waits for a connection sees later that it's over
                thread.join(STOP_S)

    def _send(self) -> None:
        if self._compare.is_set():
            self._compare.clear()
            try:
                self._give_what_lacks(self._doors["send"].state())
            except BaseException:
                self._compare.set()
                raise
        found = self._replica.outbox()
        if found is None:
            with self._replica.changed:
                if not (self._stop.is_set() or self._compare.is_set()) and self._replica.outbox() is None:
                    self._replica.changed.wait(WAIT_S)
            return
        last, update = found
        if len(update) > MANY_BYTES:  # made offline, perhaps squashed: a question about what lacks is cheaper
            self._give_what_lacks(self._doors["send"].state())
            return
        taken = self._doors["send"].edit(update)
        if taken.lacks is None:
            self._learn(taken.version)
            self._replica.settle(last)
        else:
            self._give_what_lacks(taken.lacks)

    def _give_what_lacks(self, state: bytes) -> None:
        last, update = self._replica.lacking(state)
        if update != EMPTY:
            taken = self._doors["send"].edit(update)
            if taken.lacks is not None:
                hint = "is every node on one version of Holdfast?"
                raise Refused(409, "edits are missing whatever is sent", hint)
            self._newest = taken.version  # all was compared: nothing is missing at this version
        self._replica.settle(last)

    def _receive(self) -> None:
        fetched = self._doors["receive"].read(self._replica.state(), self._known, WAIT_S)
        if fetched.update is not None:
            self._replica.arrived(fetched.update)
        self._known = fetched.version
        self._learn(fetched.version.strip('"'))

    def _learn(self, version: str) -> None:
        """Either way told the node's version."""
        with self._replica.changed:
            if _may_have_lost(self._newest, version):
                self._compare.set()
                self._replica.changed.notify_all()
            self._newest = version

    def _run(self, task: str, turn: Callable[[], None]) -> None:
        pause = PAUSE_MIN_S
        while not self._stop.is_set():
            try:
                turn()
                self._tell(task, "")
                pause = PAUSE_MIN_S
            except Exception as error:  # noqa: BLE001  # a thread that ends would be silent; it tells, and tries again
                if self._stop.is_set():
                    break
                self._tell(task, _sentence(error))
                self._stop.wait(REFUSED_PAUSE_S if isinstance(error, Refused) else random.uniform(0.5, 1) * pause)
                pause = min(2 * pause, PAUSE_MAX_S)
        self._doors[task].close()

    def _tell(self, task: str, trouble: str) -> None:
        """Speak on change."""
        before = self._troubles.pop(task, "")
        if trouble:
            self._troubles[task] = trouble
        if bool(trouble) != bool(before):
            _log.warning("%s: %s", task, trouble or "well again")
        with self._replica.changed:
            self._replica.changed.notify_all()


def _may_have_lost(known: str, version: str) -> bool:
    """Could the node lack something that it had at version `known`?"""
    before, now = known.split("."), version.split(".")
    if len(before) < 2 or len(now) < 2:
        return known not in ("", version) and len(before) > 1  # nothing was known, or there is nothing any more
    return before[0] != now[0] or int(now[1]) < int(before[1])


def _sentence(error: Exception) -> str:
    hint = error.hint if isinstance(error, SyncError) and not isinstance(error, Unreachable) else ""
    return f"{error} ({hint})" if hint else str(error) or repr(error)
