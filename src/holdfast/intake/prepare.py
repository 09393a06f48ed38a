"""From a micro-batch of arrivals to what the journal owes: decode, drop repeats, decide. Synchronous, in memory."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoded, Decoder
from holdfast.codecs.reject import Rejection, RejectReason
from holdfast.codecs.replies import Reply
from holdfast.intake.seen import SeenKeys
from holdfast.intake.skew import SkewTable
from holdfast.intake.uplinks import originals, run_of
from holdfast.journal.commanded import Stored
from holdfast.journal.records import QuarantineRow
from holdfast.kernel.trust import NO_DOUBT, Doubt
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.stream.engine import Engine
from holdfast.stream.evidence import Decision


class Watcher(Protocol):
    """Who counts the devices' messages: `devices.service.DeviceService`."""

    def offer(self, decoded: Decoded, fresh: NDArray[np.bool_], runs: Sequence[tuple[int, int]]) -> None:
        """Take a batch: which messages are no repeats, and (messages, time of receipt in ns UTC) of each run."""
        ...


@dataclass(slots=True)
class Prepared:
    """One micro-batch, decided and ready to be committed."""

    arrivals: list[Arrival]
    batch: Batch
    decisions: list[Decision]
    keys: NDArray[np.uint64]
    quarantine: list[QuarantineRow] = field(default_factory=list)
    retained: dict[str, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    commands: list[Stored] = field(default_factory=list)
    replies: list[tuple[Arrival, Reply]] = field(default_factory=list)


class Preparer:
    """Decoder, memory of message ids and rule engine, applied in that order."""

    def __init__(
        self,
        decoder: Decoder,
        seen: SeenKeys,
        engine: Engine,
        doubt: Callable[[], Doubt] = lambda: NO_DOUBT,
        skew: SkewTable | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """Take the parts.

        doubt:   which stamps of arrivals are doubtful now
        skew:    learns the devices' clocks while ours is set
        watcher: counts the devices' messages
        """
        self._decoder = decoder
        self._seen = seen
        self._engine = engine
        self._doubt = doubt
        self._skew = skew
        self._watcher = watcher

    def prepare(self, arrivals: list[Arrival]) -> Prepared:
        """Decode, dedupe and decide one micro-batch."""
        doubt = self._doubt()
        decoded = self._decoder.decode(list(map(run_of, arrivals)), doubt)
        if self._skew is not None and not doubt.unset_before:
            self._skew.offer(decoded)
        fresh = self._fresh(decoded)
        if self._watcher is not None:
            self._watcher.offer(decoded, fresh, [(len(a.payloads), a.received_ns) for a in arrivals])
        repeats = len(fresh) - int(np.count_nonzero(fresh))
        batch = decoded.batch.take(fresh[decoded.message]) if repeats else decoded.batch
        keys = decoded.keys[fresh] if repeats else decoded.keys
        prepared = Prepared(arrivals, batch, [], keys if np.count_nonzero(keys) == len(keys) else keys[keys != 0])
        prepared.decisions = self._once(self._engine.evaluate(batch), prepared)
        self._account(prepared, decoded, repeats)
        return prepared

    def tick(self, now_ns: int) -> Prepared | None:
        """What time alone decides (windows that ended with no later sample)."""
        prepared = Prepared([], Batch.empty(), [], np.empty(0, np.uint64))
        prepared.decisions = self._once(self._engine.tick(now_ns), prepared)
        prepared.counts["events_accepted"] += len(prepared.decisions)
        return prepared if prepared.decisions else None

    def _fresh(self, decoded: Decoded) -> NDArray[np.bool_]:
        """Which messages are not repeats of an earlier one, shape (messages,)."""
        keys = decoded.keys
        for rejection in decoded.rejected:
            keys[rejection.message] = 0  # a rejected message must not make its good resend look like a repeat
        return self._seen.admit(keys)

    def _once(self, decisions: list[Decision], prepared: Prepared) -> list[Decision]:
        """Only events not seen before: their ids are deterministic, so a replayed decision repeats nothing (G7)."""
        if not decisions:
            return decisions
        keys = np.array([event_key(d.event) for d in decisions], np.uint64)
        fresh = self._seen.admit(keys)
        prepared.keys = np.concatenate([prepared.keys, keys[fresh]])
        return [d for d, is_new in zip(decisions, fresh, strict=True) if is_new]

    def _account(self, prepared: Prepared, decoded: Decoded, repeats: int) -> None:
        messages = len(decoded.keys)
        counts = prepared.counts
        counts["messages_received"] = messages
        counts["messages_accepted"] = messages - len(decoded.rejected) - repeats
        counts["readings_accepted"] = len(prepared.batch)
        counts["events_accepted"] = len(prepared.decisions)
        counts["payload_bytes"] = decoded.payload_bytes
        if repeats:
            counts[f"messages_rejected.{RejectReason.DUPLICATE}"] += repeats
        for rejection in decoded.rejected:
            counts[f"messages_rejected.{rejection.reason}"] += 1
        for why, number in decoded.skipped.items():
            counts[f"payload_parts_skipped.{why}"] += number
        prepared.quarantine = _quarantine(prepared.arrivals, decoded.rejected)
        prepared.replies = _replies(prepared.arrivals, decoded.replies)
        prepared.retained = {a.topic: bytes(originals(a)[-1]) for a in prepared.arrivals if a.retain}


def event_key(event: Event) -> int:
    """The dedupe key of an event: the first 64 bits of its id."""
    return int(event.id[:16], 16) or 1


def _quarantine(arrivals: Sequence[Arrival], rejected: Sequence[Rejection]) -> list[QuarantineRow]:
    if not rejected:
        return []
    starts = _starts(arrivals)
    rows = []
    for rejection in rejected:
        run = _run_at(starts, rejection.message)
        arrival = arrivals[run]
        payload = bytes(originals(arrival)[rejection.message - int(starts[run])])
        rows.append(
            QuarantineRow(
                0, arrival.received_ns, arrival.source, arrival.topic, rejection.reason, rejection.detail, payload
            )
        )
    return rows


def _replies(arrivals: Sequence[Arrival], replies: Sequence[Reply]) -> list[tuple[Arrival, Reply]]:
    if not replies:
        return []
    starts = _starts(arrivals)
    return [(arrivals[_run_at(starts, reply.message)], reply) for reply in replies]


def _starts(arrivals: Sequence[Arrival]) -> NDArray[np.int64]:
    """The number of each arrival's first message, and of the one behind the last."""
    return np.cumsum([0, *(len(a.payloads) for a in arrivals)])


def _run_at(starts: NDArray[np.int64], message: int) -> int:
    return int(np.searchsorted(starts, message, side="right")) - 1
