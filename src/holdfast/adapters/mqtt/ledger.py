"""What of sessions is on its way to the disk, in order, and who waits for it.

Changes that belong to a client's message (its packet identifier at QoS 2, the letters it became) travel as a `Note`
with the message's arrival and are stored by the commit that stores its readings. Everything else is gathered here and
written at the end of the loop's turn; while one such write is under way the next gathers. A note is written after
everything that was gathered before it, so what it refers to is there.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from holdfast.adapters.mqtt.letters import Letter, packed
from holdfast.adapters.port import Receipt
from holdfast.journal.mqtt_sessions import Step, applying, of_pids, put_letter, receive
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock

Submit = Callable[[Callable[[Transaction], None]], asyncio.Future[None]]
Soon = Callable[[Callable[[], None]], object]


class Owner(Protocol):
    """A session, as far as the ledger knows one."""

    number: int
    """Its row; 0 = it isn't stored."""

    def kept(self, letter: Letter) -> None:
        """A QoS 2 letter's state is on disk: what waited for it may leave."""
        ...


class Ledger:
    """Gathers changes and writes them. Loop thread only."""

    def __init__(self, submit: Submit, soon: Soon, clock: Clock) -> None:
        self._submit = submit
        self._soon = soon
        self._clock = clock
        self._steps: list[Step] = []
        self._waiting: list[Callable[[], None]] = []
        self._is_due = False
        self._under_way = 0
        self._last_session = 0
        self._last_letter = 0

    @property
    def ahead_ns(self) -> int:
        """Wall clock minus monotonic clock, ns: what turns one into the other across restarts."""
        return self._clock.wall_ns() - round(self._clock.monotonic() * 1e9)

    def begin_after(self, session: int, letter: int) -> None:
        """These numbers are taken."""
        self._last_session, self._last_letter = max(session, self._last_session), max(letter, self._last_letter)

    def new_session(self) -> int:
        """A number no session has."""
        self._last_session += 1
        return self._last_session

    def new_letter(self) -> int:
        """A number no letter has; larger than all before."""
        self._last_letter += 1
        return self._last_letter

    def add(self, *steps: Step) -> None:
        """Write these, after all that was added before."""
        self._steps.extend(steps)
        self._wake()

    def after(self, callback: Callable[[], None]) -> None:
        """Call back once everything added so far is on disk; never when it can't be."""
        self._waiting.append(callback)
        self._wake()

    def keep(self, note: "Note", then: Callable[[], None]) -> None:
        """Write a note that belongs to no arrival."""
        self.add(*note.freeze())
        self.after(note.committed)
        self.after(then)

    def flush(self) -> None:
        """Write now what was gathered."""
        if not self._steps and not self._waiting:
            return
        steps, self._steps = self._steps, []
        waiting, self._waiting = self._waiting, []
        self._under_way += 1
        self._submit(applying(steps)).add_done_callback(lambda done: self._done(done, waiting))

    def _wake(self) -> None:
        if not self._is_due and not self._under_way:
            self._is_due = True
            self._soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        self.flush()

    def _done(self, write: asyncio.Future[None], waiting: list[Callable[[], None]]) -> None:
        self._under_way -= 1
        # A write that failed has poisoned the journal, which says so itself: whoever waits is never answered, so
        # nothing is acknowledged that isn't on disk.
        if not write.cancelled() and write.exception() is None:
            for callback in waiting:
                callback()
        if not self._under_way:
            self.flush()


class Note:
    """What is stored in the commit of an arrival. Implements `adapters.port.Annex`."""

    __slots__ = ("_also", "_frozen", "_ledger", "_letters", "_received")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._letters: list[tuple[Owner, Letter]] = []
        self._received: list[tuple[Owner, list[bytes]]] = []
        self._frozen: list[tuple[Owner, Letter, int]] = []
        self._also: list[Step] = []

    def __bool__(self) -> bool:
        return bool(self._letters or self._received or self._also)

    def also(self, step: Step) -> None:
        """Something else that is true from this commit on."""
        self._also.append(step)

    def owe(self, owner: Owner, letter: Letter) -> None:
        """A session is owed this."""
        letter.number = self._ledger.new_letter()
        self._letters.append((owner, letter))

    def receive(self, owner: Owner, pids: list[bytes]) -> None:
        """A session's QoS 2 messages are taken."""
        self._received.append((owner, pids))

    def writing(self) -> Callable[[Transaction], None]:
        """The write, with everything gathered before on its way already."""
        self._ledger.flush()
        return applying(self.freeze())

    def freeze(self) -> list[Step]:
        """What is to be written as things are now; later changes are written after it."""
        ahead = self._ledger.ahead_ns
        steps: list[Step] = list(self._also)
        for owner, pids in self._received:
            if owner.number:
                steps += of_pids(owner.number, pids, receive)
        for owner, letter in self._letters:
            if letter.gone:  # delivered, or given way, before it could be written
                continue
            self._frozen.append((owner, letter, letter.pid))
            if owner.number:
                letter.stored = True
                body = packed(letter, ahead)
                steps.append(put_letter(owner.number, letter.number, letter.pid, body, released=letter.released))
        return steps

    def committed(self) -> None:
        """It is on disk."""
        for owner, letter, pid in self._frozen:
            if letter.qos == 2 and letter.pid == pid:
                owner.kept(letter)


class NotedReceipt:
    """The receipt of an arrival with a note."""

    __slots__ = ("_note", "_receipt")

    def __init__(self, note: Note, receipt: Receipt) -> None:
        self._note = note
        self._receipt = receipt

    def settle(self) -> None:
        """On disk, the note included."""
        self._note.committed()
        self._receipt.settle()

    def refuse(self) -> None:
        """Not on disk."""
        self._receipt.refuse()
