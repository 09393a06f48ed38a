"""What a client sent and isn't finished: the receipts of its runs, and its QoS 2 messages until it releases them.

QoS 2 the way of MQTT 5 §4.3.3, method A: a message is passed on at once, its packet identifier is kept until PUBREL,
and a PUBLISH with an identifier that is kept is a repeat. The identifiers of a session that outlives its connections
are stored by the commit that stores the readings; PUBREC follows it, and PUBCOMP follows the commit that forgets them.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from holdfast.adapters.mqtt.reader import PublishRun
from holdfast.adapters.port import Unwanted

if TYPE_CHECKING:
    from holdfast.adapters.mqtt.inflow import Inflow
    from holdfast.adapters.mqtt.session import Session


class Received:
    """A session's QoS 2 messages that were taken and not released, by packet identifier."""

    __slots__ = ("_pids",)

    def __init__(self) -> None:
        self._pids: dict[bytes, bool] = {}  # True: stored, PUBREC may be sent

    def __len__(self) -> int:
        return len(self._pids)

    def restore(self, pids: Iterable[int]) -> None:
        """Those of an earlier life of the node."""
        self._pids.update((pid.to_bytes(2, "big"), True) for pid in pids)

    def admit(self, run: PublishRun) -> list[bytes]:
        """Leave only new messages in the run; the identifiers of those that are stored already."""
        known, again = self._pids, []
        fresh_pids: list[bytes] = []
        fresh_payloads: list[bytes] = []
        for pid, payload in zip(run.pids, run.payloads, strict=True):
            is_stored = known.get(pid)
            if is_stored:
                again.append(pid)
            elif is_stored is None:
                known[pid] = False
                fresh_pids.append(pid)
                fresh_payloads.append(payload)
        run.pids, run.payloads = fresh_pids, fresh_payloads
        return again

    def parted(self, pids: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """(stored already, not known): what waits for its commit is in neither."""
        stored = [pid for pid in pids if self._pids.get(pid)]
        return stored, [pid for pid in pids if pid not in self._pids]

    def settle(self, pids: Iterable[bytes]) -> None:
        """On disk."""
        for pid in pids:
            if pid in self._pids:
                self._pids[pid] = True

    def refuse(self, pids: Iterable[bytes]) -> None:
        """Not on disk: the client sends them again."""
        for pid in pids:
            self._pids.pop(pid, None)

    def release(self, pids: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
        """The client released these: (known, unknown)."""
        known: list[bytes] = []
        unknown: list[bytes] = []
        for pid in pids:
            if self._pids.get(pid):
                del self._pids[pid]
                known.append(pid)
            else:
                unknown.append(pid)
        return known, unknown


class RunReceipt:
    """Owed to one run of QoS 1 messages; settled once, by whoever made them durable."""

    __slots__ = ("_inflow", "_pids")

    def __init__(self, inflow: "Inflow", pids: list[bytes]) -> None:
        self._inflow = inflow
        self._pids = pids

    def settle(self) -> None:
        """On disk: PUBACK them."""
        self._inflow.settled(self._pids)

    def refuse(self) -> None:
        """Not on disk: close without acknowledging; the client sends them again."""
        self._inflow.refused(self._pids)

    def turn_away(self, unwanted: Mapping[int, Unwanted]) -> None:
        """Some aren't taken, the others are on disk."""
        self._inflow.turned_away(self._pids, unwanted)


class ExactReceipt:
    """Owed to one run of QoS 2 messages; outlives the connection, since the session does."""

    __slots__ = ("_inflow", "_pids", "_session")

    def __init__(self, inflow: "Inflow", session: "Session", pids: list[bytes]) -> None:
        self._inflow = inflow
        self._session = session
        self._pids = pids

    def settle(self) -> None:
        """On disk: PUBREC them, on the connection the session has now."""
        self._session.received.settle(self._pids)
        self._inflow.done_with(self._pids)
        if self._session.link is not None:
            self._session.link.recorded(self._pids)

    def refuse(self) -> None:
        """Not on disk."""
        self._session.received.refuse(self._pids)
        self._inflow.done_with(self._pids)
        self._inflow.refused([])
